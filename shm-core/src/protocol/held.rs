//! Which locks this thread holds, so that taking one twice is an error and not a wait: in the
//! caller's code that runs under a lock, and in a signal handler that interrupts a commit.
//!
//! The usual commit, in which no other begins, costs two stores: only what is not the innermost is
//! noted in the list.
//!
//! Nothing here allocates, has a destructor or waits: a signal handler may come in between at any
//! instruction.

use std::cell::Cell;
use std::marker::PhantomData;
use std::ptr;
use std::sync::atomic::{
    AtomicPtr, AtomicU64,
    Ordering::{Acquire, Relaxed, SeqCst},
    compiler_fence,
};

use super::lock;
use super::process::Stamp;
use super::slots::Claim;
use crate::sysv::shm;

/// How many locks of one thread are noted. Where a thread holds more at once, those beyond are
/// guarded by the time limit alone.
const NOTED: usize = 32;

thread_local! {
    /// The handle of which this thread is in a commit, the innermost one; null: none.
    static COMMITTING: AtomicPtr<Handle> = const { AtomicPtr::new(ptr::null_mut()) };

    /// The locks that this thread holds below that commit.
    static HELD: [Cell<Held>; NOTED] = const { [const { Cell::new(Held::NONE) }; NOTED] };
}

/// What an attachment takes its segment's lock by.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Handle {
    /// The claim's word in the high half, its epoch in the low half.
    pub(super) claim: AtomicU64,
    pub(super) segment: shm::Id,
}

/// A lock: of which segment, by which claim, taken before or after which fork.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(align(16))]
pub(super) struct Held {
    segment: shm::Id,
    claim: Claim,
    epoch: u32,
}

impl Held {
    const NONE: Held = Held {
        segment: shm::Id::from_raw(0),
        claim: Claim { word: 0 },
        epoch: Stamp::NONE,
    };

    /// The lock of a segment, taken by this claim at that stamp.
    #[inline(always)]
    pub(super) fn new(segment: shm::Id, claim: Claim, stamp: Stamp) -> Held {
        Held {
            segment,
            claim,
            epoch: stamp.epoch,
        }
    }

    /// The lock that a segment's word says to be held by this process.
    fn named(segment: shm::Id, word: u32) -> Held {
        let claim = Claim {
            word: word & !lock::WAITERS,
        };
        Held::new(segment, claim, Stamp::now())
    }
}

/// Whether it is this thread that a segment's lock word names, below the commit that it is in. What a
/// forking parent held does not count.
pub(super) fn is_held(segment: shm::Id, word: u32) -> bool {
    let held = Held::named(segment, word);
    HELD.with(|locks| locks.iter().any(|lock| lock.get() == held))
}

/// Stands for a commit of this thread, from before the exchange that takes the lock until after the
/// one that lets go. In between the caller's code may run, or a signal handler.
#[derive(Debug)]
pub(super) struct Commit {
    /// The commit that this one lies in, noted for as long; null: none.
    outer: *mut Handle,
}

impl Commit {
    /// `None` if this thread is in a commit already.
    #[inline(always)]
    pub(super) fn begin_outermost(handle: &Handle) -> Option<Commit> {
        let outer = COMMITTING.with(|committing| committing.load(Relaxed));
        outer.is_null().then(|| Commit::enter(handle, outer))
    }

    pub(super) fn begin(handle: &Handle) -> Commit {
        let outer = COMMITTING.with(|committing| committing.load(Relaxed));
        if !outer.is_null() {
            std::mem::forget(Mark::set(lock_of(outer)));
        }
        Commit::enter(handle, outer)
    }

    #[inline(always)]
    fn enter(handle: &Handle, outer: *mut Handle) -> Commit {
        let handle = ptr::from_ref(handle).cast_mut();
        COMMITTING.with(|committing| committing.store(handle, Relaxed));
        // A signal handler of this thread sees the store before all that follows.
        compiler_fence(SeqCst);
        Commit { outer }
    }

    #[inline(always)]
    pub(super) fn end(self) {
        // As in `begin`.
        compiler_fence(SeqCst);
        COMMITTING.with(|committing| committing.store(self.outer, Relaxed));
        if !self.outer.is_null() {
            forget(self.outer);
        }
    }
}

#[cold]
fn forget(outer: *mut Handle) {
    let held = lock_of(outer);
    HELD.with(|locks| {
        if let Some(lock) = locks.iter().rfind(|lock| lock.get() == held) {
            lock.set(Held::NONE);
        }
    });
}

/// The lock of the commit that this thread is in, below the one that begins or ends.
fn lock_of(outer: *mut Handle) -> Held {
    // SAFETY: `Commit::begin` took the address of a handle that the call of the outer commit
    // borrows, and that call goes on only when the calls in its closure, or the signal handler that
    // interrupts it, have returned.
    let handle = unsafe { &*outer };
    let packed = handle.claim.load(Acquire);
    Held {
        segment: handle.segment,
        claim: Claim {
            word: (packed >> 32) as u32,
        },
        epoch: packed as u32,
    }
}

/// Stands for a lock that this thread holds beyond the call that took it.
#[derive(Debug)]
pub(crate) struct Mark {
    index: usize,
    /// It belongs to the thread's own list.
    not_send: PhantomData<*const ()>,
}

impl Mark {
    /// Notes that this thread holds a lock.
    pub(super) fn set(held: Held) -> Mark {
        HELD.with(|locks| {
            let is_free = |lock: &Cell<Held>| lock.get().epoch == Stamp::NONE;
            let index = locks.iter().position(is_free).unwrap_or(NOTED);
            if let Some(lock) = locks.get(index) {
                lock.set(held);
            }
            Mark {
                index,
                not_send: PhantomData,
            }
        })
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        HELD.with(|locks| {
            if let Some(lock) = locks.get(self.index) {
                lock.set(Held::NONE);
            }
        });
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn held(slot: u32) -> Held {
        Held::new(shm::Id::from_raw(7), Claim::new(slot, 0, 0), Stamp::now())
    }

    fn known(count: u32) -> Vec<u32> {
        let is_held = |slot: &u32| is_held(shm::Id::from_raw(7), held(*slot).claim.word);
        (0..count).filter(is_held).collect()
    }

    #[test]
    fn locks_are_known_in_whatever_order_they_are_let_go() {
        let [one, other, third] = [0, 1, 2].map(|slot| Mark::set(held(slot)));
        assert_eq!(known(4), [0, 1, 2]);
        drop(one);
        assert_eq!(known(4), [1, 2]);
        let fourth = Mark::set(held(3));
        assert_eq!(known(4), [1, 2, 3]);
        drop((third, other));
        assert_eq!(known(4), [3]);
        let word = held(3).claim.word | lock::WAITERS;
        let id = shm::Id::from_raw;
        assert!(is_held(id(7), word), "with the sleepers' bit, too");
        assert!(!is_held(id(8), word), "another segment's");
        let elsewhere = std::thread::spawn(|| known(4));
        assert_eq!(elsewhere.join().expect("no panic"), [], "another thread's");
        drop(fourth);
        assert_eq!(known(4), []);
    }

    #[test]
    fn more_locks_than_are_noted_leave_no_mark_behind() {
        let count = NOTED as u32 + 3;
        let marks: Vec<_> = (0..count).map(|slot| Mark::set(held(slot))).collect();
        assert_eq!(known(count).len(), NOTED);
        drop(marks);
        assert_eq!(known(count), []);
    }

    #[test]
    fn a_panic_under_a_lock_leaves_no_mark() {
        let unwound = std::panic::catch_unwind(|| {
            let _mark = Mark::set(held(0));
            std::panic::resume_unwind(Box::new(()));
        });
        assert!(unwound.is_err());
        assert_eq!(known(1), []);
    }

    #[test]
    fn commits_below_the_innermost_are_known() {
        let handle = |slot: u32| Handle {
            claim: AtomicU64::new(
                u64::from(held(slot).claim.word) << 32 | u64::from(held(slot).epoch),
            ),
            segment: shm::Id::from_raw(7),
        };
        let handles = [0, 1, 2].map(handle);
        let outer = Commit::begin(&handles[0]);
        assert_eq!(known(3), [], "its own is not below it");
        let middle = Commit::begin(&handles[1]);
        assert_eq!(known(3), [0]);
        let inner = Commit::begin(&handles[2]);
        assert_eq!(known(3), [0, 1]);
        inner.end();
        assert_eq!(known(3), [0]);
        middle.end();
        assert_eq!(known(3), []);
        outer.end();
        let later = Commit::begin(&handles[2]);
        assert_eq!(known(3), []);
        later.end();
    }
}
