//! Rows of a table: who owns each, and the steps by which it passes from one claim to the next.
//!
//! `segment/` and `life/` may call it; it may call `memory/` and `lock/`.

pub(in crate::protocol) mod own;
pub(in crate::protocol) mod words;
