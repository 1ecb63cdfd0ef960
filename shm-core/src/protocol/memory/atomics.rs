//! The atomics of the protocol, in one place, so that the model checker can put its own in their
//! stead.

#[cfg(not(all(test, loom)))]
pub(crate) use core::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

#[cfg(all(test, loom))]
pub(crate) use crate::protocol::models::atomics::{AtomicU32, AtomicU64, Ordering, fence};
