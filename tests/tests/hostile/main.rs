//! Segments and semaphores that hold anything, found so or overwritten under way: a clear error or a valid value, and
//! neither a crash nor a wait without end.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod bad_input;
mod bytes;
mod semaphores;
