//! The handshake between a waiter that goes to sleep and a committer that may have to wake it.
//!
//! The futex is what futex(2) says: under one mutex, "compare the word, then sleep" and "wake".
//! No nap ends by itself, so a lost wake-up is a deadlock, which loom reports.
//!
//! membarrier(2) runs a full barrier on the committer's thread at some instant while the waiter is
//! inside the call. The model has the committer look, before each of its accesses, for a request
//! that it may see late, and then make the barrier; the waiter's call ends with the answer. Request
//! and answer order nothing else than the barrier does.

use std::sync::Arc;

use loom::sync::atomic::{
    AtomicU32 as Flag,
    Ordering::{Relaxed, SeqCst},
    fence,
};
use loom::sync::{Condvar, Mutex};
use loom::thread;

use super::super::lock::claim::Claim;
use super::super::lock::lock::{self, Taken};
use super::super::lock::wait;
use super::super::memory::latch::version_of;
use super::atomics::{interruptible, mortal};
use super::faults::quietly;
use super::{Board, Copied, Model};

/// How the committer makes sure that it sees the announcement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Barrier {
    /// It lets the lock go first.
    Release,
    /// It keeps the lock and has a fence.
    Fence,
    /// It keeps the lock, and the waiter makes the barrier for both.
    Members,
    /// As [`Barrier::Members`], but the waiter does not. Wrong.
    None,
}

struct Room {
    board: Arc<Board>,
    queue: Mutex<()>,
    sleepers: Condvar,
    /// membarrier: 0 nothing, 1 asked for, 2 done, 3 the committer ended.
    interrupt: Flag,
}

impl Room {
    fn new() -> Arc<Room> {
        Arc::new(Room {
            board: Board::new(Copied::AtOnce),
            queue: Mutex::new(()),
            sleepers: Condvar::new(),
            interrupt: Flag::new(0),
        })
    }

    /// FUTEX_WAIT.
    fn sleep(&self, expected: u64) {
        let queue = self.queue.lock().expect("no panic inside");
        if self.board.latch().sequence() == expected {
            drop(self.sleepers.wait(queue));
        }
    }

    /// FUTEX_WAKE.
    fn wake(&self) {
        drop(self.queue.lock());
        self.sleepers.notify_all();
    }

    fn barrier_everywhere(&self) {
        fence(SeqCst);
        if self
            .interrupt
            .compare_exchange(0, 1, Relaxed, Relaxed)
            .is_ok()
        {
            while self.interrupt.load(Relaxed) == 1 {
                thread::yield_now();
            }
        }
        fence(SeqCst);
    }

    fn interrupted(&self) {
        if self.interrupt.load(Relaxed) == 1 {
            fence(SeqCst);
            self.interrupt.store(2, Relaxed);
        }
    }

    /// The thread leaves the processor for good: that is a barrier too.
    fn leave(&self) {
        fence(SeqCst);
        self.interrupt.swap(3, Relaxed);
    }

    /// What `Segment::wait` does, without its clocks.
    fn wait_for(&self, version: u64, barrier: Barrier) {
        loop {
            let seq = self.board.latch().sequence();
            if version_of(seq) >= version {
                return;
            }
            wait::announce(&self.board.awaited, version_of(seq) + 1);
            if barrier == Barrier::Members {
                self.barrier_everywhere();
            }
            if self.board.latch().sequence() == seq {
                self.sleep(seq);
            }
        }
    }

    /// What `Locked` does.
    fn commit(&self, claim: Claim, barrier: Barrier) {
        let version = self.board.commit();
        let awaited = &self.board.awaited;
        let wake = match barrier {
            Barrier::Release => {
                lock::release(&self.board.lock, claim);
                wait::is_awaited_after_release(awaited, version)
            }
            _ => wait::is_awaited_while_held(awaited, version, barrier != Barrier::Fence),
        };
        if wake {
            self.wake();
        }
    }
}

fn model(commits: u64, barrier: Barrier, preemptions: usize) -> Model {
    Model::new(
        format!("wait, {commits} commits, {barrier:?}"),
        preemptions,
        move |tally| {
            let room = Room::new();
            let waiter = thread::spawn({
                let (room, tally) = (room.clone(), tally.clone());
                move || {
                    room.wait_for(1 + commits, barrier);
                    tally.special();
                }
            });
            if barrier == Barrier::Members {
                let room = room.clone();
                interruptible(move || room.interrupted());
            }
            let claim = Claim::new(0, 0, 0);
            for _ in 0..commits {
                if barrier == Barrier::Release {
                    assert!(lock::try_acquire(&room.board.lock, claim));
                }
                room.commit(claim, barrier);
            }
            if barrier == Barrier::Members {
                interruptible(|| {});
                room.leave();
            }
            waiter.join().expect("its own panic comes first");
        },
    )
}

/// A committer dies at its store `stores`, with the lock in its hand, and the owner that takes over
/// repairs and commits. `wakes`: and wakes the dead one's waiters.
fn dying(stores: u32, wakes: bool, preemptions: usize) -> Model {
    Model::new(
        format!("wait, death at store {stores}"),
        preemptions,
        move |tally| {
            let room = Room::new();
            let waiter = thread::spawn({
                let (room, tally) = (room.clone(), tally.clone());
                move || {
                    room.wait_for(2, Barrier::Release);
                    tally.special();
                }
            });
            let dead = thread::spawn({
                let room = room.clone();
                move || {
                    let claim = Claim::new(0, 0, 0);
                    let _ = mortal(stores, || {
                        assert!(lock::try_acquire(&room.board.lock, claim));
                        room.commit(claim, Barrier::Release);
                    });
                }
            });
            dead.join().expect("its own panic comes first");
            let claim = Claim::new(1, 1, 0);
            let taken = lock::acquire(&room.board.lock, claim, |_| Ok(false), |_, _| Ok(()))
                .expect("no limit here");
            if taken == Taken::Over {
                room.board.repair();
                if wakes {
                    room.wake();
                }
            }
            room.commit(claim, Barrier::Release);
            waiter.join().expect("its own panic comes first");
        },
    )
}

/// Stores before the one that lets the lock go: taking it, and a commit.
const STORES: u32 = 1 + 2 + 2 * super::WORDS as u32;

pub(super) fn models() -> Vec<Model> {
    let mut models = vec![
        model(1, Barrier::Release, 4),
        model(1, Barrier::Fence, 4),
        model(2, Barrier::Release, 3),
    ];
    models.push(model(1, Barrier::Members, 3));
    models.extend((0..=STORES).map(|stores| dying(stores, true, 2)));
    models
}

#[test]
fn without_the_waiters_barrier_a_wake_up_is_lost() {
    assert!(quietly(|| model(1, Barrier::None, 2).breaks()));
}

#[test]
fn without_a_wake_up_after_a_takeover_the_dead_ones_waiters_sleep_on() {
    assert!(
        quietly(|| dying(STORES, false, 2).breaks()),
        "died after its commit"
    );
    assert!(quietly(|| dying(3, false, 2).breaks()), "died within it");
}
