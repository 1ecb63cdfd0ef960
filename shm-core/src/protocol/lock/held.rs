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
use std::sync::atomic::{
    AtomicU64,
    Ordering::{Relaxed, SeqCst},
    compiler_fence,
};

use super::claim::Claim;
use super::lock;
use super::process::Stamp;

/// How many locks of one thread are noted. Where a thread holds more at once, those beyond are
/// guarded by the time limit alone.
const NOTED: usize = 32;

thread_local! {
    /// The lock that this thread is in a commit of, the innermost one, as [`Handle::lock`] has it; 0:
    /// none. A number and no pointer: whatever becomes of the commit's frame (coroutines, say, that
    /// end in another order than they began), nothing is reached through it.
    static COMMITTING: AtomicU64 = const { AtomicU64::new(0) };

    /// The locks that this thread holds below that commit.
    static HELD: [Cell<u64>; NOTED] = const { [const { Cell::new(0) }; NOTED] };
}

/// What an attachment takes its segment's lock by.
#[derive(Debug)]
#[repr(C)]
pub(in crate::protocol) struct Handle {
    /// The claim's word in the high half, its epoch in the low half.
    pub(in crate::protocol) claim: AtomicU64,
    /// What names the lock, taken by that claim, among all that a thread may hold: see [`name`].
    pub(in crate::protocol) lock: AtomicU64,
    /// What names the segment among all that a thread may lock: 31 bits.
    pub(in crate::protocol) segment: u32,
}

impl Handle {
    /// No claim yet: it belongs to no process.
    pub(in crate::protocol) fn unclaimed(segment: u32) -> Handle {
        Handle {
            claim: (u64::from(Stamp::NONE)).into(),
            lock: 0.into(),
            segment,
        }
    }

    /// What [`Handle::claim`] holds once the process has left its namespace: the claim, of no epoch.
    pub(in crate::protocol) fn left(claim: Claim) -> u64 {
        u64::from(claim.word) << 32 | u64::from(Stamp::NONE)
    }
}

/// The claim in [`Handle::claim`].
#[inline(always)]
pub(in crate::protocol) fn unpacked(packed: u64) -> Claim {
    Claim {
        word: (packed >> 32) as u32,
    }
}

/// A lock that this process has taken: 31 bits that name the segment, 31 of the claim's word, and 2 of
/// the epoch, so that a child does not take its parent's for its own. Not 0: a claim's word is not.
pub(in crate::protocol) fn name(segment: u32, claim: Claim, epoch: u32) -> u64 {
    u64::from(segment) << 33 | u64::from(claim.word & !lock::WAITERS) << 2 | u64::from(epoch & 3)
}

/// Whether it is this thread that a segment's lock word names, below the commit that it is in. What a
/// forking parent held does not count.
pub(in crate::protocol) fn is_held(segment: u32, word: u32) -> bool {
    let lock = name(segment, Claim { word }, Stamp::now().epoch);
    HELD.with(|held| held.iter().any(|held| held.get() == lock))
}

/// Stands for a commit of this thread, from before the exchange that takes the lock until after the
/// one that lets go. In between the caller's code may run, or a signal handler.
///
/// A plain number, and no destructor: on the usual way it is a constant to the compiler.
#[derive(Debug)]
pub(in crate::protocol) struct Commit {
    /// Where the commit is noted that this one lies in; [`NOTED`]: nowhere, it is the outermost.
    outer: usize,
}

impl Commit {
    /// `None` if this thread is in a commit already.
    #[inline(always)]
    pub(in crate::protocol) fn begin_outermost(handle: &Handle) -> Option<Commit> {
        let own = handle.lock.load(Relaxed);
        COMMITTING.with(|committing| {
            if committing.load(Relaxed) != 0 {
                return None;
            }
            committing.store(own, Relaxed);
            // A signal handler of this thread sees the store before all that follows.
            compiler_fence(SeqCst);
            Some(Commit { outer: NOTED })
        })
    }

    pub(in crate::protocol) fn begin(handle: &Handle) -> Commit {
        let own = handle.lock.load(Relaxed);
        COMMITTING.with(|committing| {
            // Noted before it is replaced, for a signal handler in between.
            let outer = match committing.load(Relaxed) {
                0 => NOTED,
                outer => note(outer),
            };
            compiler_fence(SeqCst);
            committing.store(own, Relaxed);
            compiler_fence(SeqCst);
            Commit { outer }
        })
    }

    /// `handle` is the one that it began with.
    #[inline(always)]
    pub(in crate::protocol) fn end(self, handle: &Handle) {
        compiler_fence(SeqCst);
        if self.outer == NOTED {
            COMMITTING.with(|committing| committing.store(0, Relaxed));
        } else {
            end_inner(self.outer, handle);
        }
    }
}

/// Goes back to the outer commit, unless this one is not the innermost: then another one ended out of
/// turn, and there may be none to go back to.
#[cold]
fn end_inner(outer: usize, handle: &Handle) {
    let note = HELD.with(|held| held.get(outer).map_or(0, Cell::get));
    COMMITTING.with(|committing| {
        if committing.load(Relaxed) == handle.lock.load(Relaxed) {
            committing.store(note, Relaxed);
        }
    });
    forget(outer);
}

/// Notes that this thread holds a lock; returns where.
fn note(lock: u64) -> usize {
    HELD.with(|held| {
        let index = held.iter().position(|held| held.get() == 0);
        let index = index.unwrap_or(NOTED);
        if let Some(held) = held.get(index) {
            held.set(lock);
        }
        index
    })
}

fn forget(index: usize) {
    HELD.with(|held| {
        if let Some(held) = held.get(index) {
            held.set(0);
        }
    });
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
    pub(in crate::protocol) fn set(lock: u64) -> Mark {
        Mark {
            index: note(lock),
            not_send: PhantomData,
        }
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        forget(self.index);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn claim(slot: u32) -> Claim {
        Claim::new(slot, 0, 0)
    }

    fn lock(slot: u32) -> u64 {
        name(7, claim(slot), Stamp::now().epoch)
    }

    fn known(count: u32) -> Vec<u32> {
        let is_held = |slot: &u32| is_held(7, claim(*slot).word);
        (0..count).filter(is_held).collect()
    }

    fn handle(slot: u32) -> Handle {
        Handle {
            claim: AtomicU64::new(0),
            lock: AtomicU64::new(lock(slot)),
            segment: 7,
        }
    }

    #[test]
    fn locks_are_known_in_whatever_order_they_are_let_go() {
        let [one, other, third] = [0, 1, 2].map(|slot| Mark::set(lock(slot)));
        assert_eq!(known(4), [0, 1, 2]);
        drop(one);
        assert_eq!(known(4), [1, 2]);
        let fourth = Mark::set(lock(3));
        assert_eq!(known(4), [1, 2, 3]);
        drop((third, other));
        assert_eq!(known(4), [3]);
        let word = claim(3).word | lock::WAITERS;
        assert!(is_held(7, word), "with the sleepers' bit, too");
        assert!(!is_held(8, word), "another segment's");
        let elsewhere = std::thread::spawn(|| known(4));
        assert_eq!(
            elsewhere.join().expect("no panic"),
            [0; 0],
            "another thread's"
        );
        drop(fourth);
        assert_eq!(known(4), [0; 0]);
    }

    #[test]
    fn a_child_holds_no_lock_of_its_parent() {
        let [parent, child] = [1, 2].map(|epoch| name(7, claim(0), epoch));
        assert_ne!(parent, child);
        assert_ne!(name(0, claim(0), 4), 0);
    }

    #[test]
    fn more_locks_than_are_noted_leave_no_mark_behind() {
        let count = NOTED as u32 + 3;
        let marks: Vec<_> = (0..count).map(|slot| Mark::set(lock(slot))).collect();
        assert_eq!(known(count).len(), NOTED);
        drop(marks);
        assert_eq!(known(count), [0; 0]);
    }

    #[test]
    fn a_panic_under_a_lock_leaves_no_mark() {
        let unwound = std::panic::catch_unwind(|| {
            let _mark = Mark::set(lock(0));
            std::panic::resume_unwind(Box::new(()));
        });
        assert!(unwound.is_err());
        assert_eq!(known(1), [0; 0]);
    }

    #[test]
    fn commits_below_the_innermost_are_known() {
        let handles = [0, 1, 2].map(handle);
        let outer = Commit::begin_outermost(&handles[0]).expect("none below");
        assert_eq!(known(3), [0; 0], "its own is not below it");
        assert!(Commit::begin_outermost(&handles[1]).is_none());
        let middle = Commit::begin(&handles[1]);
        assert_eq!(known(3), [0]);
        let inner = Commit::begin(&handles[2]);
        assert_eq!(known(3), [0, 1]);
        inner.end(&handles[2]);
        assert_eq!(known(3), [0]);
        middle.end(&handles[1]);
        assert_eq!(known(3), [0; 0]);
        outer.end(&handles[0]);
        Commit::begin_outermost(&handles[2])
            .expect("none below")
            .end(&handles[2]);
        assert_eq!(known(3), [0; 0]);
    }

    #[test]
    fn commits_that_end_out_of_turn_leave_nothing_behind() {
        let handles = [0, 1].map(handle);
        let first = Commit::begin_outermost(&handles[0]).expect("none below");
        let second = Commit::begin(&handles[1]);
        first.end(&handles[0]);
        second.end(&handles[1]);
        assert_eq!(known(2), [0; 0]);
        Commit::begin_outermost(&handles[0])
            .expect("none below")
            .end(&handles[0]);
    }
}
