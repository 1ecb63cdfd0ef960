//! Which locks this thread holds while a caller's code runs, so that taking one twice is an error
//! and not a wait.

use std::cell::RefCell;
use std::marker::PhantomData;

use super::lock;
use super::process;
use super::slots::Claim;
use crate::sysv::shm;

thread_local! {
    /// The locks that this thread holds.
    static HELD: RefCell<Vec<Held>> = const { RefCell::new(Vec::new()) };
}

/// A lock: of which segment, by which claim, taken before or after which fork.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Held {
    segment: shm::Id,
    claim: Claim,
    epoch: u32,
}

/// Stands for one lock held by this thread.
#[derive(Debug)]
pub(crate) struct Mark {
    held: Held,
    /// It belongs to the thread's own list.
    not_send: PhantomData<*const ()>,
}

impl Mark {
    /// Notes that this thread holds the lock of a segment by this claim.
    pub(super) fn set(segment: shm::Id, claim: Claim) -> Mark {
        let epoch = process::epoch();
        let held = Held {
            segment,
            claim,
            epoch,
        };
        // While the thread is being torn down the list is gone; then only the time limit guards.
        let _ = HELD.try_with(|list| list.borrow_mut().push(held));
        Mark {
            held,
            not_send: PhantomData,
        }
    }

    /// Whether it is this thread that a segment's lock word names. What a forking parent held does
    /// not count.
    pub(super) fn is_set(segment: shm::Id, word: u32) -> bool {
        let claim = Claim {
            word: word & !lock::WAITERS,
        };
        let epoch = process::epoch();
        let held = Held {
            segment,
            claim,
            epoch,
        };
        HELD.try_with(|list| list.borrow().contains(&held))
            .unwrap_or(false)
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        let _ = HELD.try_with(|held| {
            let mut held = held.borrow_mut();
            if let Some(last) = held.iter().rposition(|held| *held == self.held) {
                held.swap_remove(last);
            }
        });
    }
}
