//! Words and bytes that other processes touch at the same time: the atomics, the words of the
//! control block, copies, the latch; and the stop points, at which tests let a process die.
//!
//! Every folder of `protocol/` may call it. It calls none of them.

pub(super) mod atomics;
pub(super) mod control;
pub(super) mod copy;
pub(super) mod latch;
pub(super) mod stop;
