//! Sleeping until a newer version, and waking those who do.
//!
//! A waiter writes the version it waits for to the `awaited` word (the highest wins), then looks at
//! the sequence again, then sleeps on its low half. A committer raises the sequence, then looks at
//! `awaited`, and wakes if that version or a later one is awaited. Each side stores and then loads
//! what the other stored, so both need a full barrier in between, or both may miss each other:
//!
//! | side | barrier |
//! |---|---|
//! | waiter | `fence(SeqCst)`, and membarrier(2) for the sake of committers that have none |
//! | committer that lets the lock go | the exchange that frees the lock, with `fence(SeqCst)` where that is not a full barrier |
//! | committer that keeps it (`Writer`) | none if its process is registered with membarrier, else `fence(SeqCst)` |
//!
//! `awaited` is a version and not a count: a killed waiter leaves at most one needless wake-up
//! behind. A waiter with a read-only mapping can't write it and sleeps in short naps.

use std::sync::atomic::AtomicU64 as ProcessWord;
use std::time::Duration;

use super::futex;
use super::process;
use crate::protocol::memory::atomics::{
    AtomicU64,
    Ordering::{Relaxed, SeqCst},
    fence,
};

/// Between two looks of a waiter that no committer need wake: the most that it sees a value late.
pub(in crate::protocol) const UNANNOUNCED_NAP: Duration = Duration::from_millis(2);

/// Between two looks of a waiter that will be woken; it looks whether the segment still exists.
pub(in crate::protocol) const ANNOUNCED_NAP: Duration = Duration::from_millis(250);

/// Between two looks at whether processes live, where none tells of deaths.
pub(in crate::protocol) const DEATH_NAP: Duration = Duration::from_millis(20);

/// Announces that a process waits for `version`.
///
/// The caller looks at the sequence again before it sleeps.
#[inline]
pub(in crate::protocol) fn announce(awaited: &AtomicU64, version: u64) {
    awaited.fetch_max(version, SeqCst);
    // Pairs with the committer's barrier: either it sees the line above, or the caller's next look
    // sees its commit.
    fence(SeqCst);
}

/// Whether a waiter for `version` or an earlier commit must be woken. Called after the lock was let
/// go.
#[inline(always)]
pub(in crate::protocol) fn is_awaited_after_release(awaited: &AtomicU64, version: u64) -> bool {
    // Pairs with the fence in `announce`. On x86 the locked exchange that freed the lock is a full
    // barrier already (Intel SDM, volume 3, "Memory Ordering": "Reads or writes cannot be reordered
    // with … locked instructions").
    #[cfg(all(any(target_arch = "x86_64", target_arch = "x86"), not(all(test, loom))))]
    core::sync::atomic::compiler_fence(SeqCst);
    #[cfg(not(all(any(target_arch = "x86_64", target_arch = "x86"), not(all(test, loom)))))]
    fence(SeqCst);
    awaited.load(Relaxed) >= version
}

/// The same for a committer that keeps the lock; `barriers` says that waiters make a barrier for
/// it.
#[inline(always)]
pub(in crate::protocol) fn is_awaited_while_held(
    awaited: &AtomicU64,
    version: u64,
    barriers: bool,
) -> bool {
    if barriers {
        // The waiter's membarrier runs a full barrier on this thread somewhere: before the load,
        // and the load sees the announcement; or after it, and so after the sequence was stored,
        // and the waiter's next look sees that.
        core::sync::atomic::compiler_fence(SeqCst);
    } else {
        fence(SeqCst);
    }
    awaited.load(Relaxed) >= version
}

/// The epoch in which this process was registered with membarrier, and 1 in the low half if that
/// worked.
static REGISTERED: ProcessWord = ProcessWord::new(0);

/// Whether waiters' barriers reach this process. A system call when first asked in a process.
pub(in crate::protocol) fn barriers_reach_us() -> bool {
    use std::sync::atomic::Ordering::{Acquire, Release};
    let epoch = u64::from(process::epoch());
    let known = REGISTERED.load(Acquire);
    if known >> 32 == epoch {
        return known & 1 == 1;
    }
    let works = futex::register_for_barriers();
    REGISTERED.store(epoch << 32 | u64::from(works), Release);
    works
}
