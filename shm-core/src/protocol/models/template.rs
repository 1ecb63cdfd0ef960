//! A row that is claimed while another process upgrades the table, which may die at any store; beside them a reader of the
//! newest version, and an owner of it.
//!
//! Template and row are two words. Version 1 of the schema knows the first, and the low half of the second; version 2 knows the
//! rest too. Version 3 changes nothing but the schema: its room is the one that version 1 had.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use loom::thread;

use super::super::lock::claim::Claim;
use super::super::memory::control::State;
use super::super::memory::copy::{Area, Span};
use super::super::rows::own::{Life, Own};
use super::super::rows::words::RowWords;
use super::super::segment::upgrade::{lay_out, put_in_force, read_room};
use super::atomics::{AtomicU32, AtomicU64, mortal};
use super::upgrade::{DEFAULT, NEW, STORES, successor};
use super::{BYTES, Board, Copied, Model, Tally, WORDS};

/// What its owner stores in the new field.
const STORED: u32 = 88;

/// The value of the claimant, in all that version 1 knows.
const VALUE: u64 = 5;

/// What a model gets wrong on purpose.
#[derive(Clone, Copy, Default)]
pub(super) struct Wrong {
    /// The template is copied before the claimant looks which schema is in force.
    pub(super) copies_first: bool,
    /// The claimant takes the version from a room that it reads once, whatever comes in between.
    pub(super) reads_room_once: bool,
    /// The row names its version once it is shown.
    pub(super) names_late: bool,
    /// The reader takes the state's word for it, and does not look at the row's.
    pub(super) trusts_state: bool,
}

struct Table {
    template: Arc<Board>,
    row: Arc<Board>,
    words: RowWords,
    state: AtomicU32,
    /// Each word of a room holds the version of its schema.
    rooms: [[AtomicU64; WORDS]; 2],
}

impl Table {
    /// At version 1, with a free row that version 1 left.
    fn new() -> Arc<Table> {
        let word = |value| AtomicU64::new(value);
        Arc::new(Table {
            template: Board::with(2, 0, Copied::AtOnce),
            row: Board::with(2, u64::MAX, Copied::AtOnce),
            words: RowWords {
                own: word(Own::of(claim(1), Life::Free, 1).freed().0),
                seq: word(0),
                range: word(0),
                id: word(0),
                owner: word(0),
                schema: word(1),
                _rest: [word(0), word(0)],
            },
            state: AtomicU32::new(State::READY.0),
            rooms: [[word(1), word(1)], [word(0), word(0)]],
        })
    }

    fn rooms(&self) -> [Area; 2] {
        // SAFETY: mapped, words, shared: they lie side by side, are atomics, and live as long as the table, which each actor keeps.
        let area = |words: &[AtomicU64; WORDS]| unsafe { Area::new(words.as_ptr(), BYTES) };
        self.rooms.each_ref().map(area)
    }

    /// Puts the next schema in force.
    fn upgrade(&self) {
        let old = State(self.state.load(Relaxed));
        let successor = successor(old, u64::from(old.succeeded().0 >> 8) + 1);
        // SAFETY: one after the other upgrades; the schema fits its room, and the default the payload.
        unsafe { lay_out(&self.template.latch(), self.rooms(), old, &successor) };
        put_in_force(&self.state, old);
    }

    /// `Segment::schema_in_force`.
    fn version(&self, wrong: Wrong) -> Option<u32> {
        let mut words = [0_u64; WORDS];
        if wrong.reads_room_once {
            let room = self.rooms()[State::look(&self.state).room()];
            // SAFETY: the room has `BYTES` bytes, and so has `words`.
            unsafe { room.load(0, words.as_mut_ptr().cast(), BYTES) };
            return Some(words[0] as u32);
        }
        // SAFETY: any bytes are words.
        let bytes =
            unsafe { std::slice::from_raw_parts_mut(words.as_mut_ptr().cast::<u8>(), BYTES) };
        let state = read_room(&self.state, self.rooms(), bytes)?;
        assert_eq!(u64::from(state.0 >> 8) + 1, words[0], "another's version");
        Some(words[0] as u32)
    }

    /// `Segment::claim_row`, `FreshRow::commit`, `Fresh::show`, by a program that knows so many versions.
    fn claim(&self, knows: u32, wrong: Wrong, tally: &Tally) {
        let seen = self.words.look();
        let Some(own) = self.words.exchange(seen, seen.taken_by(claim(2))) else {
            return;
        };
        let mut copied = [0_u64; WORDS];
        let template = self.template.latch().payload();
        let copy = |copied: &mut [u64; WORDS]| {
            // SAFETY: the template has `BYTES` bytes, and so has `copied`.
            unsafe { template.load(0, copied.as_mut_ptr().cast(), BYTES) };
        };
        if wrong.copies_first {
            copy(&mut copied);
        }
        // Else it would look again, or the schema is not for it.
        let Some(version) = self.version(wrong).filter(|version| *version >= knows) else {
            // The code clears it before; no claimant relies on what a free row holds.
            self.words.exchange(own, own.freed());
            return;
        };
        if !wrong.copies_first {
            copy(&mut copied);
        }
        let (wide, half, new) = (VALUE, VALUE as u32, STORED);
        let write = |payload: Area| {
            // SAFETY: the payload has two words.
            unsafe {
                payload.store(0, copied.as_ptr().cast(), BYTES);
                payload.store(0, (&raw const wide).cast(), 8);
                payload.store(8, (&raw const half).cast(), 4);
                if knows > 1 {
                    payload.store(NEW.offset, (&raw const new).cast(), NEW.len);
                }
            }
        };
        // SAFETY: **owned**, **whole**: the row is this claim's; all copies have `BYTES` bytes.
        unsafe {
            let latch = self.row.latch();
            let (_, mirror) = latch.commit(write);
            mirror.copy_from(latch.payload(), Span::whole(BYTES));
        }
        // The version that the row named before may be a later one.
        let named = if wrong.names_late {
            3 - version.min(2)
        } else {
            version
        };
        self.words.show(own, 2, 2, named);
        if wrong.names_late {
            self.words.schema.store(version.into(), Relaxed);
        }
        tally.special();
    }

    /// `Row::try_read` by a program of the newest version.
    fn read(&self, knows: u32, wrong: Wrong, tally: &Tally) {
        let state = State::look(&self.state);
        let own = self.words.look();
        if !own.is_shown() {
            return;
        }
        let has = self.words.schema();
        let mut words = [0_u64; WORDS];
        // SAFETY: `words` has `BYTES` bytes.
        let read = unsafe {
            let latch = self.row.latch();
            latch.read(Span::whole(BYTES), words.as_mut_ptr().cast())
        };
        if read.is_none() || !self.words.is_still(own) {
            return;
        }
        let (low, high) = (words[1] as u32, (words[1] >> 32) as u32);
        assert_eq!((words[0], u64::from(low)), (VALUE, VALUE), "torn");
        let has = if wrong.trusts_state && state != State::READY {
            2
        } else {
            has
        };
        if has >= 2 {
            let wanted = if knows > 1 { STORED } else { DEFAULT };
            assert_eq!(high, wanted, "the new field of a row of version {has}");
            tally.even.fetch_add(1, Relaxed);
        } else {
            assert!(knows == 1, "a default for what was committed");
            tally.odd.fetch_add(1, Relaxed);
        }
    }
}

fn claim(slot: u32) -> Claim {
    Claim::new(slot, 0, 0)
}

/// A claimant, of a program that knows so many versions, beside an upgrade that may die at a store.
fn model(knows: u32, death: Option<u32>, twice: bool, reads: bool, wrong: Wrong) -> Model {
    let name = format!(
        "a claim by version {knows} beside an upgrade, death {death:?}, twice {twice}, read {reads}"
    );
    let preemptions = if reads { 2 } else { 3 };
    Model::new(name, preemptions, move |tally| {
        let table = Table::new();
        let upgrading = thread::spawn({
            let table = table.clone();
            move || {
                match death {
                    None => table.upgrade(),
                    Some(stores) => drop(mortal(stores, || table.upgrade())),
                }
                if twice {
                    // The lock has gone from the dead one to this one, or it is the same process.
                    if table.state.load(Relaxed) == State::READY.0 {
                        table.upgrade();
                    }
                    table.upgrade();
                }
            }
        });
        let reading = reads.then(|| {
            let (table, tally) = (table.clone(), tally.clone());
            thread::spawn(move || table.read(knows, wrong, &tally))
        });
        table.claim(knows, wrong, tally);
        upgrading.join().expect("its own panic comes first");
        if let Some(reading) = reading {
            reading.join().expect("its own panic comes first");
        }
        table.read(knows, wrong, tally);
    })
}

pub(super) fn models_with(wrong: Wrong) -> Vec<Model> {
    let deaths = (0..STORES).map(|stores| model(1, Some(stores), true, false, wrong));
    [
        model(1, None, false, true, wrong),
        model(2, None, false, true, wrong),
        model(1, None, true, false, wrong),
        model(2, None, true, false, wrong),
    ]
    .into_iter()
    .chain(deaths)
    .collect()
}

pub(super) fn models() -> Vec<Model> {
    models_with(Wrong::default())
}
