//! Which locks this thread holds while a caller's code runs, so that taking one twice is an error
//! and not a wait.

use std::cell::{Cell, RefCell};
use std::marker::PhantomData;

use super::lock;
use super::process::Stamp;
use super::slots::Claim;
use crate::sysv::shm;

/// How many locks a thread may nest before its list takes an allocation.
const NEAR: usize = 4;

/// The locks that a thread holds while a closure of the caller's runs under each: the one taken last
/// is let go first.
struct Nested {
    depth: Cell<usize>,
    /// The first of them.
    near: [Cell<Held>; NEAR],
}

thread_local! {
    /// Needs no destructor, so a thread reaches it without a look at whether it is still there.
    static NESTED: Nested = const {
        Nested {
            depth: Cell::new(0),
            near: [const { Cell::new(Held::NONE) }; NEAR],
        }
    };

    /// Those beyond the first, and behind them what is left of locks that have been let go.
    static DEEP: RefCell<Vec<Held>> = const { RefCell::new(Vec::new()) };

    /// The locks that a thread holds for as long as the caller likes.
    static KEPT: RefCell<Vec<Held>> = const { RefCell::new(Vec::new()) };
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
}

/// Whether it is this thread that a segment's lock word names. What a forking parent held does not
/// count.
pub(super) fn is_held(segment: shm::Id, word: u32) -> bool {
    let claim = Claim {
        word: word & !lock::WAITERS,
    };
    let held = Held::new(segment, claim, Stamp::now());
    let depth = NESTED.with(|nested| nested.depth.get());
    let near = |nested: &Nested| {
        let near = nested.near.iter().take(depth);
        near.map(Cell::get).any(|near| near == held)
    };
    let deep = |deep: &RefCell<Vec<Held>>| {
        let count = depth.saturating_sub(NEAR);
        deep.borrow().iter().take(count).any(|deep| *deep == held)
    };
    let kept = |kept: &RefCell<Vec<Held>>| kept.borrow().contains(&held);
    // While the thread is being torn down the lists are gone; then only the time limit guards.
    NESTED.with(near)
        || DEEP.try_with(deep).unwrap_or(false)
        || KEPT.try_with(kept).unwrap_or(false)
}

/// Stands for a lock held by this thread while a closure runs.
#[derive(Debug)]
pub(crate) struct Mark {
    /// How many it held before.
    depth: usize,
    /// It belongs to the thread's own list.
    not_send: PhantomData<*const ()>,
}

impl Mark {
    /// Notes that this thread holds a lock. Marks of one thread are dropped in reverse order.
    #[inline(always)]
    pub(super) fn set(held: Held) -> Mark {
        NESTED.with(|nested| {
            let depth = nested.depth.get();
            match nested.near.get(depth) {
                Some(near) => near.set(held),
                None => add(held, depth - NEAR),
            }
            nested.depth.set(depth + 1);
            Mark {
                depth,
                not_send: PhantomData,
            }
        })
    }
}

impl Drop for Mark {
    #[inline(always)]
    fn drop(&mut self) {
        // Nothing to look at and nowhere to go: what the closure left in registers stays there.
        NESTED.with(|nested| nested.depth.set(self.depth));
    }
}

#[cold]
fn add(held: Held, at: usize) {
    let _ = DEEP.try_with(|deep| {
        let mut deep = deep.borrow_mut();
        deep.truncate(at);
        deep.push(held);
    });
}

/// Stands for a lock that this thread keeps.
#[derive(Debug)]
pub(crate) struct Kept {
    held: Held,
    /// It belongs to the thread's own list.
    not_send: PhantomData<*const ()>,
}

impl Kept {
    /// Notes that this thread holds a lock.
    pub(super) fn set(held: Held) -> Kept {
        let _ = KEPT.try_with(|kept| kept.borrow_mut().push(held));
        Kept {
            held,
            not_send: PhantomData,
        }
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        let _ = KEPT.try_with(|kept| {
            let mut kept = kept.borrow_mut();
            if let Some(last) = kept.iter().rposition(|held| *held == self.held) {
                kept.swap_remove(last);
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
    fn every_lock_that_is_held_is_known_however_many_are_nested() {
        fn nest(slot: u32, count: u32) {
            assert_eq!(known(count), (0..slot).collect::<Vec<_>>());
            if slot < count {
                let mark = Mark::set(held(slot));
                nest(slot + 1, count);
                drop(mark);
                assert_eq!(known(count), (0..slot).collect::<Vec<_>>());
            }
        }
        nest(0, 3 * NEAR as u32);
        // What is left of those in the lists counts for nothing.
        nest(0, NEAR as u32 + 1);
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
    fn kept_locks_are_let_go_in_any_order() {
        let [one, other] = [0, 1].map(|slot| Kept::set(held(slot)));
        let mark = Mark::set(held(2));
        assert_eq!(known(3), [0, 1, 2]);
        drop(one);
        assert_eq!(known(3), [1, 2]);
        drop(mark);
        drop(other);
        assert_eq!(known(3), []);
        let word = held(0).claim.word | lock::WAITERS;
        let _again = Kept::set(held(0));
        assert!(
            is_held(shm::Id::from_raw(7), word),
            "with the sleepers' bit, too"
        );
        assert!(!is_held(shm::Id::from_raw(8), word), "another segment's");
        let elsewhere = std::thread::spawn(|| known(1));
        assert_eq!(elsewhere.join().expect("no panic"), [], "another thread's");
    }
}
