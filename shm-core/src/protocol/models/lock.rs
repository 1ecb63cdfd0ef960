//! The lock: owners that live, one that dies holding it, and the process that claims the dead one's
//! slot.
//!
//! What the lock guards is a cell without any synchronisation of its own: loom reports two owners,
//! or an owner that does not see what the last one did, as a race.

use std::sync::Arc;

use loom::cell::UnsafeCell;
use loom::sync::atomic::{
    AtomicU32 as Semaphore,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
};
use loom::sync::{Condvar, Mutex};
use loom::thread;

use super::super::lock::claim::Claim;
use super::super::lock::lock::{self, Taken};
use super::atomics::{AtomicU32, mortal};
use super::{Count, Model, Tally};

struct Guarded {
    word: AtomicU32,
    claims: AtomicU32,
    semaphores: [Semaphore; 3],
    /// The kernel's queue of sleepers on the word.
    queue: Mutex<()>,
    sleepers: Condvar,
    cell: UnsafeCell<u64>,
    takeovers: Count,
}

// SAFETY: what the models are there to show: a thread that touches the cell owns the lock.
unsafe impl Sync for Guarded {}
// SAFETY: the cell is all that is no atomic, and a thread that touches it owns the lock.
unsafe impl Send for Guarded {}

/// What a model gets wrong on purpose.
#[derive(Clone, Copy, Default)]
pub(super) struct Wrong {
    /// Claims of one slot have one word.
    pub(super) no_generation: bool,
    /// A claimant does not look whether it is the heir.
    pub(super) no_heir: bool,
    /// The contender judges a slot first and looks at the lock afterwards.
    pub(super) judges_first: bool,
    /// The kernel tells who is alive without ordering the contender's memory.
    pub(super) only_loads: bool,
}

impl Guarded {
    fn new() -> Arc<Guarded> {
        Arc::new(Guarded {
            word: AtomicU32::new(0),
            claims: AtomicU32::new(0),
            semaphores: std::array::from_fn(|_| Semaphore::new(0)),
            queue: Mutex::new(()),
            sleepers: Condvar::new(),
            cell: UnsafeCell::new(0),
            takeovers: Count::new(0),
        })
    }

    /// semop(2): "is 0" and "add 1". `None`: a living process has it.
    fn claim(&self, slot: u32, wrong: Wrong) -> Option<Claim> {
        self.semaphores[slot as usize]
            .compare_exchange(0, 1, AcqRel, Relaxed)
            .ok()?;
        let number = if wrong.no_generation {
            0
        } else {
            self.claims.fetch_add(1, Relaxed)
        };
        Some(Claim::new(slot, number, 0))
    }

    /// The kernel's part of a death.
    fn undo(&self, slot: u32) {
        // An exchange, though a store would do: loom takes a store and another's exchange of the
        // same word for unordered.
        self.semaphores[slot as usize].swap(0, Release);
        // In time every sleeper's nap is over.
        drop(self.queue.lock());
        self.sleepers.notify_all();
    }

    /// futex(2): sleeps if the word is `expected`. Naps that end without a death are left out: a
    /// wake-up lost between living processes is a deadlock here.
    fn rest(&self, slot: Option<u32>, expected: u32) {
        let Some(slot) = slot else { return };
        let queue = self.queue.lock().expect("no panic inside");
        if self.word.load(Relaxed) == expected && self.alive(slot, Wrong::default()) {
            drop(self.sleepers.wait(queue));
        }
    }

    fn release(&self, claim: Claim) {
        if lock::release(&self.word, claim) {
            drop(self.queue.lock());
            self.sleepers.notify_one();
        }
    }

    /// semctl(2), `GETVAL`. It orders both ways, as `semop` does: POSIX counts both among the
    /// functions that "synchronize memory", and Linux takes the set's lock for either. Were it a
    /// mere load, a contender could read the lock's word, then a semaphore as it was before the
    /// word's owner claimed it, and take the lock from the living: [`Wrong::only_loads`].
    fn alive(&self, slot: u32, wrong: Wrong) -> bool {
        let semaphore = &self.semaphores[slot as usize];
        let value = if wrong.only_loads {
            semaphore.load(Acquire)
        } else {
            semaphore.fetch_add(0, AcqRel)
        };
        value != 0
    }

    fn acquire(&self, claim: Claim, tally: &Tally, wrong: Wrong) {
        if lock::try_acquire(&self.word, claim) {
            return;
        }
        let alive = |owner: Claim| Ok(owner.slot().is_some_and(|slot| self.alive(slot, wrong)));
        let rest = |slot, expected| {
            self.rest(slot, expected);
            Ok(())
        };
        let taken = lock::acquire(&self.word, claim, alive, rest).expect("no limit here");
        if taken == Taken::Over {
            self.take_over(tally);
        }
    }

    fn take_over(&self, tally: &Tally) {
        tally.special();
        assert_eq!(
            self.takeovers.fetch_add(1, Relaxed),
            0,
            "one death, two takeovers"
        );
    }

    /// What an owner does.
    fn work(&self) {
        // SAFETY: loom checks that no two threads access the cell at once.
        self.cell.with_mut(|value| unsafe { *value += 1 });
    }

    fn round(&self, claim: Claim, tally: &Tally, wrong: Wrong) {
        self.acquire(claim, tally, wrong);
        self.work();
        self.release(claim);
    }
}

/// All live: each takes the lock `rounds` times.
fn living(contenders: u32, rounds: usize, preemptions: usize) -> Model {
    Model::new(
        format!("lock, {contenders} contenders, {rounds} rounds"),
        preemptions,
        move |tally| {
            let guarded = Guarded::new();
            let claims: Vec<_> = (0..contenders)
                .map(|slot| guarded.claim(slot, Wrong::default()).expect("a slot each"))
                .collect();
            let contend = |claim: Claim| {
                let (guarded, tally) = (guarded.clone(), tally.clone());
                move || (0..rounds).for_each(|_| guarded.round(claim, &tally, Wrong::default()))
            };
            let others: Vec<_> = claims[1..]
                .iter()
                .map(|claim| thread::spawn(contend(*claim)))
                .collect();
            contend(claims[0])();
            for other in others {
                other.join().expect("its own panic comes first");
            }
            // SAFETY: loom checks that no two threads access the cell at once.
            let total = guarded.cell.with(|value| unsafe { *value });
            assert_eq!(total, u64::from(contenders) * rounds as u64);
        },
    )
}

/// One of `1 + contenders` dies at its store `stores`: 0 before it has the lock, 1 with it.
fn dying(contenders: u32, stores: u32, preemptions: usize) -> Model {
    Model::new(
        format!("lock, {contenders} contenders, a death at store {stores}"),
        preemptions,
        move |tally| {
            let guarded = Guarded::new();
            let claims: Vec<_> = (0..=contenders)
                .map(|slot| guarded.claim(slot, Wrong::default()).expect("a slot each"))
                .collect();
            let mortal_one = thread::spawn({
                let (guarded, tally, claim) = (guarded.clone(), tally.clone(), claims[0]);
                move || {
                    let _ = mortal(stores, || guarded.round(claim, &tally, Wrong::default()));
                    guarded.undo(0);
                }
            });
            let contend = |claim: Claim| {
                let (guarded, tally) = (guarded.clone(), tally.clone());
                move || guarded.round(claim, &tally, Wrong::default())
            };
            let others: Vec<_> = claims[2..]
                .iter()
                .map(|claim| thread::spawn(contend(*claim)))
                .collect();
            contend(claims[1])();
            for other in others {
                other.join().expect("its own panic comes first");
            }
            mortal_one.join().expect("its own panic comes first");
        },
    )
}

/// The lock names a dead owner; a new process claims its slot, beside a contender that may judge at
/// any time.
pub(super) fn heir(wrong: Wrong, preemptions: usize) -> Model {
    Model::new("lock, heir and contender", preemptions, move |tally| {
        let guarded = Guarded::new();
        let dead = guarded.claim(0, wrong).expect("free");
        assert!(lock::try_acquire(&guarded.word, dead));
        let contender = guarded.claim(1, wrong).expect("free");
        guarded.undo(0);
        let heir = thread::spawn({
            let (guarded, tally) = (guarded.clone(), tally.clone());
            move || {
                let claim = guarded.claim(0, wrong).expect("its claimant is dead");
                if !wrong.no_heir && lock::inherit(&guarded.word, 0, claim) {
                    guarded.take_over(&tally);
                    guarded.work();
                    guarded.release(claim);
                }
                guarded.round(claim, &tally, wrong);
            }
        });
        if wrong.judges_first {
            // The contender's part of `acquire`, with the exchange on a word looked at after the
            // judgement.
            if !guarded.alive(0, wrong) {
                let seen = guarded.word.load(Relaxed);
                if guarded
                    .word
                    .compare_exchange(seen, contender.word, Acquire, Relaxed)
                    .is_ok()
                {
                    guarded.work();
                    guarded.release(contender);
                }
            }
        } else {
            guarded.round(contender, tally, wrong);
        }
        heir.join().expect("its own panic comes first");
    })
}

pub(super) fn models() -> Vec<Model> {
    let mut models = vec![
        living(2, 2, 4),
        living(3, 1, 3),
        dying(1, 0, 4),
        dying(1, 1, 4),
        dying(2, 1, 3),
    ];
    models.push(heir(Wrong::default(), 4));
    models
}
