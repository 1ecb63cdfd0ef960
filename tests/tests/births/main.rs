//! How a segment begins and ends: made, adopted, replaced, removed, by one process or by many at once.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod adoption;
mod races;
mod removal;
mod replacement;
