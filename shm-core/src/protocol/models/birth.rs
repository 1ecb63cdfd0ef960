//! Two processes that end the same birth, the first of which may die at any store, and one that
//! attaches and reads meanwhile.

use std::sync::Arc;

use loom::thread;

use super::super::lock::claim::Claim;
use super::super::lock::lock;
use super::super::memory::control::State;
use super::super::memory::copy::Span;
use super::super::memory::latch::Latch;
use super::atomics::{AtomicU32, AtomicU64, Ordering::Relaxed, mortal};
use super::{BYTES, Count, Model, latch_of, store};

/// Words of the smallest capacity.
const CAPACITY: usize = 8;

/// What stands for the header: the value that its birth gave.
struct Newborn {
    state: AtomicU32,
    header: AtomicU64,
    lock: AtomicU32,
    seq: AtomicU64,
    copies: [[AtomicU64; CAPACITY]; 3],
    births: Count,
}

impl Newborn {
    fn new() -> Arc<Newborn> {
        Arc::new(Newborn {
            state: AtomicU32::new(0),
            header: AtomicU64::new(0),
            lock: AtomicU32::new(0),
            seq: AtomicU64::new(0),
            copies: std::array::from_fn(|_| std::array::from_fn(|_| AtomicU64::new(0))),
            births: Count::new(0),
        })
    }

    fn latch(&self) -> Latch {
        latch_of(&self.seq, &self.copies)
    }

    /// What `complete` does under the lock.
    fn fill(&self, value: u64) {
        if State(self.state.load(Relaxed)) != State::NEWBORN {
            return;
        }
        // SAFETY: **owned**: the lock is held. The state says newborn, so nothing reads.
        let born = unsafe {
            self.latch().give_birth(BYTES, |payload| {
                store(payload, value);
                Ok::<(), ()>(())
            })
        };
        born.expect("no `write` refuses");
        self.header.store(value, Relaxed);
        State::NEWBORN.declare_ready(&self.state);
        self.births.fetch_add(1, Relaxed);
    }

    /// What `find` and the first read do. Whether the segment was ready.
    fn attach(&self) -> bool {
        if !State::look(&self.state).is_ready() {
            return false;
        }
        let value = self.header.load(Relaxed);
        assert!(value != 0, "ready without a header");
        let mut words = [0_u64; BYTES / 8];
        // SAFETY: `words` has `BYTES` bytes.
        let version = unsafe {
            self.latch()
                .read(Span::whole(BYTES), words.as_mut_ptr().cast())
        };
        assert_eq!(
            (version, words),
            (Some(1), [value; BYTES / 8]),
            "ready without its value"
        );
        true
    }
}

/// Stores of one birth: the lock, zeros, the value, two mirrors of it, sequence, header, state;
/// then the lock again.
const STORES: u32 = 1 + CAPACITY as u32 + 3 * super::WORDS as u32 + 3 + 1;

fn model(stores: u32, preemptions: usize) -> Model {
    Model::new(
        format!("birth, death at store {stores}"),
        preemptions,
        move |tally| {
            let newborn = Newborn::new();
            let (first, second) = (Claim::new(0, 0, 0), Claim::new(1, 1, 0));
            let reader = thread::spawn({
                let (newborn, tally) = (newborn.clone(), tally.clone());
                move || {
                    if newborn.attach() {
                        tally.special();
                    }
                }
            });
            let dead = thread::spawn({
                let newborn = newborn.clone();
                move || {
                    mortal(stores, || {
                        assert!(lock::try_acquire(&newborn.lock, first));
                        newborn.fill(10);
                        lock::release(&newborn.lock, first);
                    })
                    .is_err()
                }
            });
            dead.join().expect("its own panic comes first");
            // The first is dead or gone: the join above is the kernel's word for it.
            lock::acquire(&newborn.lock, second, |_| Ok(false), |_, _| Ok(()))
                .expect("no limit here");
            newborn.fill(20);
            lock::release(&newborn.lock, second);
            assert!(newborn.attach());
            reader.join().expect("its own panic comes first");
        },
    )
}

pub(super) fn models() -> Vec<Model> {
    (0..=STORES).map(|stores| model(stores, 2)).collect()
}
