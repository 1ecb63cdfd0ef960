//! The System V module against the kernel: every command, and every errno that can be provoked.
//!
//! Tests that need another user or other limits become that user, or enter an IPC namespace of
//! their own, in one thread. Where they may not (they need root), they say so and pass.

#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

mod keys;
mod limits;
mod rights;
mod segments;
mod semaphores;
mod support;
