//! A row of a table: owners that claim it, let it go or die at each of their stores, reapers, heirs of a slot, and a reader all the
//! while.
//!
//! Having the row guards a cell without any synchronisation of its own: loom reports two owners, or one that does not see
//! what the last one did, as a race. Each value tells whose it is: a reader must find those of the claim that it was told. In
//! the end one more claimant must get the row: none is lost for good.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use loom::cell::UnsafeCell;
use loom::sync::atomic::{
    AtomicI32 as Kernels,
    Ordering::{Acquire, Relaxed, Release},
};
use loom::thread;

use super::super::lock::claim::Claim;
use super::super::memory::latch::version_of;
use super::super::rows::own::{Life, Own};
use super::super::rows::words::RowWords;
use super::atomics::{AtomicU64, mortal};
use super::{Board, Copied, Model, Tally};

/// Claims, by their slots. The holder has the row when a model begins; the heir has the holder's slot.
const HOLDER: u32 = 1;
const OTHER: u32 = 2;
const THIRD: u32 = 3;
const LAST: u32 = 4;

struct Row {
    board: Arc<Board>,
    words: RowWords,
    /// By slots: whether the kernel says that its claimant runs no more.
    gone: [Kernels; LAST as usize + 1],
    cell: UnsafeCell<u64>,
    /// Whose each value is, by the number of the claim; 0: the template's. Outside of the model.
    owners: Mutex<BTreeMap<u64, u64>>,
    /// To whom a dead owner's last value was handed out. Outside of the model.
    handed: Mutex<Vec<u32>>,
}

// SAFETY: what the models are there to show: a thread that touches the cell has the row.
unsafe impl Sync for Row {}
// SAFETY: the cell is all that is no atomic, and a thread that touches it has the row.
unsafe impl Send for Row {}

/// What a model gets wrong on purpose.
#[derive(Clone, Copy, Default)]
pub(super) struct Wrong {
    /// Whether the claim lives is not asked.
    pub(super) unjudged: bool,
    /// The value of the last owner is repaired after the first commit, or not at all.
    pub(super) no_repair: bool,
    /// Who takes a slot leaves the rows of the claim before as they are.
    pub(super) no_burial: bool,
    /// The reader does not look at the word again.
    pub(super) looks_once: bool,
    /// A row is free before it is cleared.
    pub(super) frees_first: bool,
}

impl Row {
    /// Live, of the holder, with a first value; or free.
    fn new(live: bool) -> Arc<Row> {
        let held = Own::of(claim(HOLDER), Life::Live, 1);
        let own = if live { held } else { held.freed() };
        let word = |value| AtomicU64::new(value);
        Arc::new(Row {
            board: Board::with(2, 1, Copied::AtOnce),
            words: RowWords {
                own: word(own.0),
                seq: word(0),
                range: word(0),
                id: word(HOLDER.into()),
                owner: word(HOLDER.into()),
                schema: word(HOLDER.into()),
                _rest: [word(0), word(0)],
            },
            gone: std::array::from_fn(|_| Kernels::new(0)),
            cell: UnsafeCell::new(0),
            owners: Mutex::new(BTreeMap::from([(1, HOLDER.into())])),
            handed: Mutex::default(),
        })
    }
}

fn claim(slot: u32) -> Claim {
    Claim::new(slot, 0, 0)
}

/// One process's part in a row.
struct Process {
    row: Arc<Row>,
    slot: u32,
    claim: Claim,
    wrong: Wrong,
}

impl Process {
    fn new(row: &Arc<Row>, slot: u32, wrong: Wrong) -> Process {
        Process {
            row: row.clone(),
            slot,
            claim: claim(slot),
            wrong,
        }
    }

    /// `Slots::alive`, which orders memory. Of a slot that was claimed again it says that it lives.
    fn is_dead(&self, claim: Claim) -> bool {
        let slot = claim.slot().expect("a claim has one") as usize;
        self.wrong.unjudged || self.row.gone[slot].load(Acquire) == 1
    }

    /// What an owner does.
    fn work(&self) {
        // SAFETY: loom checks that no two threads access the cell at once.
        self.row.cell.with_mut(|value| unsafe { *value += 1 });
    }

    fn commit(&self, owner: u32) {
        let next = version_of(self.row.board.latch().sequence()) + 1;
        self.row
            .owners
            .lock()
            .expect("no panic inside")
            .insert(next, owner.into());
        self.row.board.commit();
    }

    /// `Segment::claim_row`, `Fresh::show`.
    fn take(&self) -> Option<Own> {
        let words = &self.row.words;
        let seen = words.look();
        let may_take = match seen.life() {
            Life::Free | Life::Dead => true,
            Life::Changing | Life::Live | Life::Reaping => self.is_dead(seen.claim()),
        };
        let own = may_take.then(|| words.exchange(seen, seen.taken_by(self.claim)))??;
        self.work();
        if !self.wrong.no_repair {
            self.row.board.repair();
        }
        self.commit(self.slot);
        words.show(own, self.slot.into(), self.slot.into(), self.slot)
    }

    /// `Segment::release_row`.
    fn release(&self, own: Own) {
        self.work();
        let words = &self.row.words;
        let Some(hidden) = words.exchange(own, own.with(Life::Changing)) else {
            panic!("a living owner lost its row");
        };
        self.clear(hidden);
    }

    /// `Segment::free_row`.
    fn clear(&self, hidden: Own) {
        if self.wrong.frees_first {
            assert!(self.row.words.exchange(hidden, hidden.freed()).is_some());
            self.commit(0);
        } else {
            self.commit(0);
            assert!(
                self.row.words.exchange(hidden, hidden.freed()).is_some(),
                "another had a hidden row"
            );
        }
    }

    fn round(&self, tally: &Tally) {
        if let Some(own) = self.take() {
            tally.special();
            self.release(own);
        }
    }

    /// `Segment::reap_rows`.
    fn reap(&self, tally: &Tally) {
        let words = &self.row.words;
        let seen = words.look();
        let is_dead = match seen.life() {
            Life::Dead => true,
            Life::Live | Life::Reaping => self.is_dead(seen.claim()),
            Life::Free | Life::Changing => false,
        };
        if !is_dead {
            return;
        }
        let Some(own) = words.exchange(seen, seen.reaped_by(self.claim)) else {
            return;
        };
        tally.special();
        self.work();
        self.row.board.repair();
        let last = self.row.board.read().expect("its owner is dead");
        let owners = self.row.owners.lock().expect("no panic inside");
        assert_eq!(
            owners[&last.value],
            u64::from(HOLDER),
            "another's last value"
        );
        drop(owners);
        self.row
            .handed
            .lock()
            .expect("no panic inside")
            .push(self.slot);
        let hidden = words
            .exchange(own, own.with(Life::Changing))
            .expect("a living reaper lost its row");
        self.clear(hidden);
    }

    /// `Segment::note_deaths`.
    fn note(&self) {
        let words = &self.row.words;
        let seen = words.look();
        if seen.life() == Life::Live && self.is_dead(seen.claim()) {
            words.exchange(seen, seen.died());
        }
    }

    /// Has its slot again, in the place of the one that is dead: `Segment::claim_slot`.
    fn succeed(&self, tally: &Tally) {
        let slot = self.slot as usize;
        if self.row.gone[slot].load(Acquire) == 0 {
            return;
        }
        tally.special();
        self.row.gone[slot].store(0, Release);
        if !self.wrong.no_burial {
            let claim = Claim::new(self.slot, 1, 0);
            self.row.words.bury(self.slot, claim);
        }
    }

    /// What is left of it: none of its program runs.
    fn end(&self) {
        self.row.gone[self.slot as usize].store(1, Release);
    }

    /// `Row::look`, `Row::try_read`.
    fn read(&self, tally: &Tally) {
        let words = &self.row.words;
        let own = words.look();
        if !own.is_shown() {
            return;
        }
        let id = words.id.load(Relaxed);
        let owner = words.owner.load(Relaxed);
        let is_still = || self.wrong.looks_once || words.is_still(own);
        if !is_still() {
            return;
        }
        assert_eq!(owner, id, "the owner of another claim");
        if own.life() == Life::Live {
            assert_eq!(
                own.claim().slot().map(u64::from),
                Some(id),
                "the id of another claim"
            );
        }
        let schema = words.schema();
        let seen = self.row.board.read();
        if !is_still() {
            return;
        }
        assert_eq!(schema, id, "the schema of another claim");
        tally.note(seen);
        let Some(seen) = seen else { return };
        let owners = self.row.owners.lock().expect("no panic inside");
        assert_eq!(
            owners[&seen.value], id,
            "of claim {id} another's value is shown"
        );
    }
}

/// What the holder of the row does.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Releases,
    /// Instead of this store, of a commit and of letting go.
    Dies(u32),
}

/// Stores of a commit and of letting go: the row is hidden, cleared, and free.
const COMMIT: u32 = 2 + 2 * super::WORDS as u32;
const STORES: u32 = COMMIT + 2 + COMMIT;

#[derive(Clone, Copy, Debug)]
enum Other {
    Claims,
    Reaps,
    /// The same, and dies instead of this store.
    DiesReaping(u32),
    Notes,
    /// Takes the holder's slot when that is dead.
    Succeeds,
}

fn model(
    fate: Fate,
    others: &'static [Other],
    reads: bool,
    preemptions: usize,
    wrong: Wrong,
) -> Model {
    let name = format!("row, the holder {fate:?}, others {others:?}, read {reads}");
    Model::new(name, preemptions, move |tally| {
        let row = Row::new(true);
        let spawn = |act: Box<dyn FnOnce(&Arc<Row>, &Tally) + Send>| {
            let (row, tally) = (row.clone(), tally.clone());
            thread::spawn(move || act(&row, &tally))
        };
        let mut threads = vec![spawn(Box::new(move |row, _| {
            let holder = Process::new(row, HOLDER, wrong);
            let all = || {
                holder.work();
                holder.commit(HOLDER);
                holder.release(Own::of(holder.claim, Life::Live, 1));
            };
            match fate {
                Fate::Releases => all(),
                Fate::Dies(stores) => {
                    let _ = mortal(stores, all);
                    holder.end();
                }
            }
        }))];
        let act = move |row: &Arc<Row>, tally: &Tally, slot, other| {
            let process = Process::new(row, slot, wrong);
            match other {
                Other::Claims => process.round(tally),
                Other::Reaps => process.reap(tally),
                Other::DiesReaping(stores) => {
                    if mortal(stores, || process.reap(tally)).is_err() {
                        process.end();
                    }
                }
                Other::Notes => process.note(),
                Other::Succeeds => Process::new(row, HOLDER, wrong).succeed(tally),
            }
        };
        for (slot, other) in (THIRD..).zip(&others[1..]) {
            threads.push(spawn(Box::new(move |row, tally| {
                act(row, tally, slot, *other)
            })));
        }
        if reads {
            threads.push(spawn(Box::new(move |row, tally| {
                Process::new(row, LAST, wrong).read(tally);
            })));
        }
        act(&row, tally, OTHER, others[0]);
        for thread in threads {
            thread.join().expect("its own panic comes first");
        }
        let mortal = matches!(others[0], Other::DiesReaping(_));
        let handed = row.handed.lock().expect("no panic inside").len();
        assert!(
            handed <= 1 || mortal,
            "one death is handed out {handed} times"
        );
        assert_is_to_be_had(&row, wrong);
    })
}

/// That no claimant lost the row for good.
fn assert_is_to_be_had(row: &Arc<Row>, wrong: Wrong) {
    let last = Process::new(
        row,
        LAST,
        Wrong {
            unjudged: false,
            ..wrong
        },
    );
    let own = last.take().expect("the row is lost");
    last.release(own);
    assert_eq!(row.words.look().life(), Life::Free);
}

/// Two at once claim the last free row.
fn last_free(wrong: Wrong) -> Model {
    Model::new("the last free row, two claimants", 3, move |tally| {
        let row = Row::new(false);
        let other = thread::spawn({
            let (row, tally) = (row.clone(), tally.clone());
            move || Process::new(&row, OTHER, wrong).round(&tally)
        });
        Process::new(&row, THIRD, wrong).round(tally);
        other.join().expect("its own panic comes first");
        assert_is_to_be_had(&row, wrong);
    })
}

pub(super) fn models_with(wrong: Wrong) -> Vec<Model> {
    let mut models = vec![
        last_free(wrong),
        model(Fate::Releases, &[Other::Claims], true, 2, wrong),
        model(
            Fate::Releases,
            &[Other::Claims, Other::Notes],
            false,
            2,
            wrong,
        ),
    ];
    for stores in 0..=STORES {
        let dies = Fate::Dies(stores);
        models.push(model(dies, &[Other::Claims], true, 2, wrong));
        models.push(model(dies, &[Other::Reaps, Other::Claims], false, 2, wrong));
        models.push(model(
            dies,
            &[Other::Succeeds, Other::Claims],
            false,
            2,
            wrong,
        ));
    }
    const REAPING: [&[Other]; 4] = [
        &[Other::DiesReaping(0), Other::Reaps],
        &[Other::DiesReaping(1), Other::Reaps],
        &[Other::DiesReaping(COMMIT), Other::Reaps],
        &[Other::DiesReaping(COMMIT + 2), Other::Reaps],
    ];
    for others in REAPING {
        models.push(model(Fate::Dies(2), others, false, 2, wrong));
    }
    models.push(model(
        Fate::Dies(3),
        &[Other::Reaps, Other::Notes],
        true,
        2,
        wrong,
    ));
    models
}

pub(super) fn models() -> Vec<Model> {
    models_with(Wrong::default())
}
