//! What takes an IPC namespace with keys, ids, limits and counts of its own. Each such test enters one in a thread of its
//! own; what it starts from there is in it too.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod advice;
mod limits;
mod reused_ids;
