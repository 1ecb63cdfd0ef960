//! A slot by its two witnesses: claimants that judge its record and raise its semaphore, a holder
//! that releases it, dies, or leaves its IPC namespace and lives on.
//!
//! Holding the slot guards a cell without any synchronisation of its own: loom reports two living
//! holders, or one that does not see what the last one did, as a race. In the end one more claimant
//! must get the slot: none is lost for good.

use std::cell::Cell;
use std::sync::Arc;

use loom::cell::UnsafeCell;
use loom::sync::atomic::{
    AtomicI32 as Kernels,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
};
use loom::thread;

use super::super::lock::record::Record;
use super::super::lock::slots::{Occupied, occupy, vacate};
use super::atomics::{AtomicU32, AtomicU64, mortal};
use super::{Model, Tally};

/// Processes, by their records. 0 is [`Record::RELEASED`].
const EARLIER: u64 = 1;
const HOLDER: u64 = 2;
const OTHER: u64 = 3;
const THIRD: u64 = 4;
const LAST: u64 = 5;

struct Slot {
    record: AtomicU64,
    semaphore: Kernels,
    /// By records: whether the kernel says that this process runs no more.
    gone: [Kernels; LAST as usize + 1],
    cell: UnsafeCell<u64>,
}

// SAFETY: what the models are there to show: a thread that touches the cell holds the slot.
unsafe impl Sync for Slot {}
// SAFETY: the cell is all that is no atomic, and a thread that touches it holds the slot.
unsafe impl Send for Slot {}

/// What a model gets wrong on purpose.
#[derive(Clone, Copy, Default)]
pub(super) struct Wrong {
    /// The record is stored, whatever it has become since it was judged.
    pub(super) plain_record: bool,
    /// The semaphore alone says who may have the slot.
    pub(super) unjudged: bool,
    /// The semaphore is lowered before the record is released, whatever that is by then.
    pub(super) lowers_first: bool,
}

impl Slot {
    /// Claimed last by the process of this record, which is gone; or released.
    fn left_by(record: u64) -> Arc<Slot> {
        Arc::new(Slot {
            record: AtomicU64::new(record),
            semaphore: Kernels::new(0),
            gone: std::array::from_fn(|process| Kernels::new((process as u64 == EARLIER).into())),
            cell: UnsafeCell::new(0),
        })
    }
}

/// One process's part in a slot.
struct Process {
    slot: Arc<Slot>,
    own: Record,
    /// What the kernel takes back from the semaphore.
    undo: Cell<i32>,
    /// Of its namespace the semaphore is none any more.
    has_left: Cell<bool>,
    /// It can compare no record, so it judges by the semaphore.
    is_far: bool,
    wrong: Wrong,
    /// A store of its own, before each of which it may die.
    step: AtomicU32,
}

impl Process {
    fn new(slot: &Arc<Slot>, own: u64, wrong: Wrong) -> Process {
        Process {
            slot: slot.clone(),
            own: Record(own),
            undo: Cell::new(0),
            has_left: Cell::new(false),
            is_far: false,
            wrong,
            step: AtomicU32::new(0),
        }
    }

    /// semop(2): "is 0" and "add 1, with undo".
    fn raise(&self) -> bool {
        let semaphore = &self.slot.semaphore;
        let raised = semaphore.compare_exchange(0, 1, AcqRel, Relaxed).is_ok();
        if raised {
            self.undo.set(1);
        }
        raised
    }

    /// semop(2): "add -1, with undo".
    fn lower(&self) {
        if self.has_left.get() {
            return;
        }
        self.step.store(1, Relaxed);
        let semaphore = &self.slot.semaphore;
        if semaphore.compare_exchange(1, 0, AcqRel, Relaxed).is_ok() {
            self.undo.set(self.undo.get() - 1);
        }
    }

    /// The kernel's part of an end, or of a departure.
    fn undone(&self) {
        let undo = self.undo.replace(0);
        self.slot.semaphore.fetch_sub(undo, AcqRel);
    }

    /// Whether the last claimant is gone: `Record::is_gone`, which orders memory.
    fn is_free(&self, record: Record) -> bool {
        if self.is_far {
            return self.slot.semaphore.fetch_add(0, AcqRel) == 0;
        }
        let gone = &self.slot.gone[record.0 as usize];
        self.wrong.unjudged || record == Record::RELEASED || gone.load(Acquire) == 1
    }

    fn claim(&self) -> bool {
        let record = &self.slot.record;
        if self.wrong.plain_record {
            let free = self.is_free(Record(record.load(Acquire))) && self.raise();
            if free {
                record.store(self.own.0, Release);
            }
            return free;
        }
        let is_free = |record| self.is_free(record);
        let claimed = occupy(
            record,
            self.own,
            is_free,
            || Ok(self.raise()),
            || self.lower(),
        );
        claimed.expect("the kernel refuses nothing here") == Occupied::Own
    }

    fn release(&self) {
        let record = &self.slot.record;
        if self.wrong.lowers_first {
            self.lower();
            vacate(record, self.own, || ());
        } else {
            vacate(record, self.own, || self.lower());
        }
    }

    /// What a holder does.
    fn work(&self) {
        // SAFETY: loom checks that no two threads access the cell at once.
        self.slot.cell.with_mut(|value| unsafe { *value += 1 });
    }

    fn round(&self, tally: &Tally) {
        if self.claim() {
            tally.special();
            self.work();
            self.release();
        }
    }

    /// What is left of it: none of its program runs, then its semaphore is undone.
    fn end(&self) {
        self.slot.gone[self.own.0 as usize].store(1, Release);
        self.undone();
    }

    /// Leaves the namespace while it holds the slot, works on, and comes to release it.
    fn leave(&self) {
        if self.claim() {
            self.work();
            self.has_left.set(true);
            self.undone();
            self.work();
            self.release();
        }
    }
}

/// What the first of the processes does.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Releases,
    /// Instead of this store.
    Dies(u32),
    Leaves,
}

/// Stores of a round: the exchange of the record, its release, the semaphore.
const STORES: u32 = 3;

/// What a process does with the slot.
type Act = Box<dyn FnOnce(&Process, &Tally) + Send>;

fn model(fate: Fate, earlier: u64, others: &'static [u64], wrong: Wrong) -> Model {
    let name = format!(
        "slot after {earlier}, {} others, the first {fate:?}",
        others.len()
    );
    Model::new(name, 3, move |tally| {
        let slot = Slot::left_by(earlier);
        let spawn = |own: u64, act: Act| {
            let (slot, tally) = (slot.clone(), tally.clone());
            thread::spawn(move || act(&Process::new(&slot, own, wrong), &tally))
        };
        let mut threads = vec![spawn(
            HOLDER,
            Box::new(move |holder, tally| match fate {
                Fate::Releases => holder.round(tally),
                Fate::Dies(stores) => {
                    let _ = mortal(stores, || holder.round(tally));
                    holder.end();
                }
                Fate::Leaves => holder.leave(),
            }),
        )];
        // One of them is this thread.
        for other in &others[1..] {
            threads.push(spawn(*other, Box::new(|other, tally| other.round(tally))));
        }
        Process::new(&slot, others[0], wrong).round(tally);
        for thread in threads {
            thread.join().expect("its own panic comes first");
        }
        assert_is_free(&slot, wrong);
    })
}

/// A process whose slot was given to another, as happens where its semaphore was undone and its record
/// can't be compared, comes to release it.
fn given_away(wrong: Wrong) -> Model {
    Model::new("slot given away", 3, move |tally| {
        let slot = Slot::left_by(OTHER);
        slot.semaphore.store(1, Release);
        let holder = thread::spawn({
            let (slot, tally) = (slot.clone(), tally.clone());
            move || {
                let holder = Process::new(&slot, OTHER, wrong);
                holder.undo.set(1);
                tally.special();
                holder.work();
                holder.release();
            }
        });
        let former = thread::spawn({
            let slot = slot.clone();
            move || Process::new(&slot, HOLDER, wrong).release()
        });
        let far = Process {
            is_far: true,
            ..Process::new(&slot, THIRD, wrong)
        };
        far.round(tally);
        for thread in [holder, former] {
            thread.join().expect("its own panic comes first");
        }
        assert_is_free(&slot, wrong);
    })
}

/// That no claimant lost the slot for good.
fn assert_is_free(slot: &Arc<Slot>, wrong: Wrong) {
    let last = Process::new(slot, LAST, wrong);
    assert!(last.claim(), "the slot is lost");
    last.work();
    last.release();
    assert_eq!(slot.record.load(Acquire), Record::RELEASED.0);
    assert_eq!(slot.semaphore.load(Acquire), 0);
}

pub(super) fn models_with(wrong: Wrong) -> Vec<Model> {
    let deaths = (0..=STORES).map(Fate::Dies);
    let fates: Vec<_> = [Fate::Releases, Fate::Leaves]
        .into_iter()
        .chain(deaths)
        .collect();
    let mut models = Vec::new();
    for earlier in [Record::RELEASED.0, EARLIER] {
        for fate in &fates {
            models.push(model(*fate, earlier, &[OTHER], wrong));
        }
        models.push(model(Fate::Leaves, earlier, &[OTHER, THIRD], wrong));
    }
    models.push(given_away(wrong));
    models
}

pub(super) fn models() -> Vec<Model> {
    models_with(Wrong::default())
}
