//! The counter of a table's row: owners that add, commit, let the row go or die at each of their stores, and a reader.
//!
//! The payload's first word tells whose the value is, the second one is the cell. In the end the cell has to be what was
//! added, by all of them; and no owner is shown with more than it can have added.

use std::sync::Arc;
use std::sync::atomic::AtomicU64 as Count;

use loom::sync::atomic::{
    AtomicI32 as Kernels,
    Ordering::{Acquire, Relaxed, Release},
};
use loom::thread;

use super::super::lock::claim::Claim;
use super::super::memory::copy::{Area, Span};
use super::super::memory::latch::Latch;
use super::super::rows::own::{Life, Own};
use super::super::rows::words::RowWords;
use super::atomics::{AtomicU64, mortal};
use super::{BYTES, Model, Tally, WORDS, latch_of};

/// Claims, by their slots.
const HOLDER: u32 = 1;
const OTHER: u32 = 2;
const LAST: u32 = 3;

/// Where the cell is.
const CELL: usize = 8;

/// What each owner adds.
const EACH: u64 = 2;

struct Row {
    words: RowWords,
    copies: [[AtomicU64; WORDS]; 3],
    template: [AtomicU64; WORDS],
    mask: [AtomicU64; WORDS],
    base: AtomicU64,
    gone: [Kernels; LAST as usize + 1],
    /// What was added. Outside of the model.
    added: Count,
}

/// What a model gets wrong on purpose.
#[derive(Clone, Copy, Default)]
pub(super) struct Wrong {
    /// A repair puts a mirror's word in the place of the cell.
    pub(super) repairs_cells: bool,
    /// A release puts the template's there.
    pub(super) clears_cells: bool,
    /// No claimant notes the base.
    pub(super) no_base: bool,
    /// It does so once the row is shown.
    pub(super) late_base: bool,
}

fn claim(slot: u32) -> Claim {
    Claim::new(slot, 0, 0)
}

impl Row {
    fn new() -> Arc<Row> {
        let word = |value| AtomicU64::new(value);
        let held = Own::of(claim(HOLDER), Life::Live, 1);
        Arc::new(Row {
            words: RowWords {
                own: word(held.0),
                seq: word(2),
                range: word(0),
                id: word(HOLDER.into()),
                owner: word(HOLDER.into()),
                schema: word(1),
                _rest: [word(0), word(0)],
            },
            copies: std::array::from_fn(|_| [word(HOLDER.into()), word(0)]),
            template: [word(0), word(0)],
            mask: [word(0), word(u64::MAX)],
            base: word(0),
            gone: std::array::from_fn(|_| Kernels::new(0)),
            added: Count::new(0),
        })
    }

    fn area(words: &[AtomicU64; WORDS]) -> Area {
        // SAFETY: mapped, words, shared: they lie side by side, are atomics, and live as long as the row, which each actor keeps.
        unsafe { Area::new(words.as_ptr(), BYTES) }
    }

    fn latch(&self) -> Latch {
        latch_of(&self.words.seq, &self.copies)
    }

    fn cell(&self) -> &AtomicU64 {
        // SAFETY: the second of two words, of the row, which each actor keeps.
        unsafe { Row::area(&self.copies[0]).word(CELL) }
    }

    fn mask(&self, wrong: bool) -> Option<Area> {
        (!wrong).then(|| Row::area(&self.mask))
    }
}

/// One process's part in a row.
struct Process {
    row: Arc<Row>,
    slot: u32,
    wrong: Wrong,
}

impl Process {
    fn commit(&self, write: impl FnOnce(Area)) {
        let latch = self.row.latch();
        // SAFETY: **owned**, **whole**: the row is this process's, and was repaired.
        unsafe {
            let (_, mirror) = latch.commit(write);
            mirror.copy_from(latch.payload(), Span::whole(BYTES));
        }
    }

    /// A commit of the owner's, which stores what the cell holds.
    fn set(&self, payload: Area) {
        let words = [u64::from(self.slot), self.row.cell().load(Relaxed)];
        // SAFETY: the area has `BYTES` bytes, and so has `words`.
        unsafe { payload.store(0, words.as_ptr().cast(), BYTES) };
    }

    fn add(&self) {
        let before = self.row.cell().load(Relaxed);
        self.row.cell().store(before + 1, Relaxed);
        self.row.added.fetch_add(1, Relaxed);
    }

    fn note_base(&self) {
        let held = self.row.cell().load(Relaxed);
        self.row.base.store(held, Relaxed);
    }

    /// `Segment::claim_row`, `Fresh::show`.
    fn take(&self) -> Option<Own> {
        let (row, words) = (&self.row, &self.row.words);
        let seen = words.look();
        let is_gone = |claim: Claim| {
            let slot = claim.slot().expect("a claim has one") as usize;
            row.gone[slot].load(Acquire) == 1
        };
        let may_take = match seen.life() {
            Life::Free | Life::Dead => true,
            Life::Changing | Life::Live | Life::Reaping => is_gone(seen.claim()),
        };
        let own = may_take.then(|| words.exchange(seen, seen.taken_by(claim(self.slot))))??;
        let mask = row.mask(self.wrong.repairs_cells);
        // SAFETY: **owned**: the row is this process's.
        unsafe { row.latch().repair_around(BYTES, mask) };
        if !self.wrong.no_base && !self.wrong.late_base {
            self.note_base();
        }
        self.commit(|payload| {
            // SAFETY: three areas of one size.
            unsafe { payload.copy_around(Row::area(&row.template), BYTES, row.mask(false)) };
            self.set(payload);
        });
        let own = words.show(own, self.slot.into(), self.slot.into(), 1);
        if self.wrong.late_base {
            self.note_base();
        }
        own
    }

    /// What an owner does.
    fn work(&self) {
        self.add();
        self.commit(|payload| self.set(payload));
        self.add();
    }

    /// `Segment::release_row`.
    fn release(&self, own: Own) {
        let row = &self.row;
        let hidden = row
            .words
            .exchange(own, own.with(Life::Changing))
            .expect("a living owner lost its row");
        self.commit(|payload| {
            let mask = row.mask(self.wrong.clears_cells);
            // SAFETY: three areas of one size.
            unsafe { payload.copy_around(Row::area(&row.template), BYTES, mask) };
        });
        assert!(
            row.words.exchange(hidden, hidden.freed()).is_some(),
            "another had a hidden row"
        );
    }

    fn round(&self, tally: &Tally) {
        if let Some(own) = self.take() {
            tally.special();
            self.work();
            self.release(own);
        }
    }

    /// `Row::try_read`, `Row::known_count`.
    fn read(&self, tally: &Tally) {
        let (row, words) = (&self.row, &self.row.words);
        let own = words.look();
        if !own.is_shown() {
            return;
        }
        let id = words.id.load(Relaxed);
        let mut seen = [0_u64; WORDS];
        // SAFETY: it has `BYTES` bytes.
        let version = unsafe {
            row.latch()
                .read(Span::whole(BYTES), seen.as_mut_ptr().cast())
        };
        let count = row
            .cell()
            .load(Relaxed)
            .wrapping_sub(row.base.load(Relaxed));
        if version.is_none() || !words.is_still(own) {
            return;
        }
        tally.even.fetch_add(1, Relaxed);
        assert_eq!(seen[0], id, "another's value");
        assert!(count <= EACH, "{id} is shown with {count}");
    }
}

/// The holder dies instead of this store, or does all; meanwhile another claims the row, and a reader looks.
fn model(stores: Option<u32>, reads: bool, wrong: Wrong) -> Model {
    let name = format!("counter, the holder dies at store {stores:?}, read {reads}");
    let preemptions = if reads { 1 } else { 2 };
    Model::new(name, preemptions, move |tally| {
        let row = Row::new();
        let process = |slot| Process {
            row: row.clone(),
            slot,
            wrong,
        };
        let holder = process(HOLDER);
        let mut threads = vec![thread::spawn(move || {
            let all = || {
                holder.work();
                holder.release(Own::of(claim(HOLDER), Life::Live, 1));
            };
            match stores {
                None => all(),
                Some(stores) => {
                    let _ = mortal(stores, all);
                    holder.row.gone[HOLDER as usize].store(1, Release);
                }
            }
        })];
        if reads {
            let (reader, tally) = (process(LAST), tally.clone());
            threads.push(thread::spawn(move || reader.read(&tally)));
        }
        process(OTHER).round(tally);
        for thread in threads {
            thread.join().expect("its own panic comes first");
        }
        process(LAST).round(tally);
        let added = row.added.load(Relaxed);
        assert_eq!(
            row.cell().load(Relaxed),
            added,
            "the total is not what was added"
        );
    })
}

/// Stores of what the holder does: additions, a commit, and what lets go.
const STORES: u32 = 2 + (2 + 2 * WORDS as u32) + 2 + (2 + 1 + WORDS as u32);

pub(super) fn models_with(wrong: Wrong) -> Vec<Model> {
    let deaths = (0..=STORES).map(Some);
    let fates = [None].into_iter().chain(deaths);
    let models = fates.flat_map(|fate| [false, true].map(|reads| model(fate, reads, wrong)));
    models.collect()
}

#[test]
fn what_was_counted_is_neither_lost_nor_doubled_and_no_owner_has_anothers() {
    let (mut taken, mut read) = (0, 0);
    for model in models_with(Wrong::default()) {
        let tally = model.check();
        taken += tally.special.load(Relaxed);
        read += tally.even.load(Relaxed);
    }
    assert!(taken > 0 && read > 0, "no other had the row, or read it");
}
