//! Upgrades in place, one after the other by two processes, the first of which may die at any
//! store; beside them a reader of one kind.
//!
//! The value is two words. Version 1 of its schema knows the first, and the low half of the second;
//! version 2 knows the rest too, which version 1 calls padding. Version 3 changes nothing but the
//! schema: its room is the one that version 1 had.

use std::sync::Arc;
use std::sync::atomic::Ordering::{AcqRel, Relaxed};

use loom::thread;

use super::super::memory::control::State;
use super::super::memory::copy::{Area, Span};
use super::super::segment::upgrade::{Successor, lay_out, put_in_force, read_room, read_under};
use super::atomics::{AtomicU32, AtomicU64, mortal};
use super::{BYTES, Board, Copied, Model, Tally, WORDS};

/// What the new field holds before a writer commits to it.
pub(super) const DEFAULT: u32 = 77;

/// Where the new field is.
pub(super) const NEW: Span = Span { offset: 12, len: 4 };

/// The first commit that stores to the new field.
const FIRST_NEW: u64 = 3;

/// Stores of an upgrade: the default in three copies, a room of two words, the state.
pub(super) const STORES: u32 = 3 + WORDS as u32 + 1;

/// What follows the schema of `old`, with `named` in each word of its room. The first one brings the new field.
pub(super) fn successor(old: State, named: u64) -> Successor {
    let schema = [named; WORDS].into_iter().flat_map(u64::to_ne_bytes);
    let mut successor = Successor {
        schema: schema.collect(),
        stored: BYTES,
        defaults: Vec::new(),
    };
    if old == State::READY {
        successor
            .defaults
            .push((NEW.offset, DEFAULT.to_ne_bytes().into()));
    }
    successor
}

struct Plot {
    board: Arc<Board>,
    state: AtomicU32,
    rooms: [[AtomicU64; WORDS]; 2],
}

impl Plot {
    /// At version 1, under the first schema.
    fn new() -> Arc<Plot> {
        Arc::new(Plot {
            board: Board::new(Copied::AtOnce),
            state: AtomicU32::new(State::READY.0),
            rooms: std::array::from_fn(|_| std::array::from_fn(|_| AtomicU64::new(0))),
        })
    }

    fn rooms(&self) -> [Area; 2] {
        // SAFETY: the words live as long as the plot, and lie side by side.
        let area = |words: &[AtomicU64; WORDS]| unsafe { Area::new(words.as_ptr(), BYTES) };
        self.rooms.each_ref().map(area)
    }

    /// Commits the next version, by a program that knows the new field or by one that does not.
    fn commit(&self, knows: bool) {
        let latch = self.board.latch();
        let next = super::super::memory::latch::version_of(latch.sequence()) + 1;
        let (wide, half) = (next, next as u32);
        let write = |payload: Area| {
            // SAFETY: the payload has two words.
            unsafe {
                payload.store(0, (&raw const wide).cast(), 8);
                payload.store(8, (&raw const half).cast(), 4);
                if knows {
                    payload.store(NEW.offset, (&raw const half).cast(), NEW.len);
                }
            }
        };
        // SAFETY: **owned**, **whole**: one after the other commits; all copies have `BYTES` bytes.
        unsafe {
            let (_, mirror) = latch.commit(write);
            mirror.copy_from(latch.payload(), Span::whole(BYTES));
        }
    }

    /// Puts the next schema in force.
    fn upgrade(&self) -> Option<State> {
        let old = State(self.state.load(Relaxed));
        if !old.is_ready() {
            return None;
        }
        let successor = successor(old, u64::from(old.succeeded().0 >> 8));
        // SAFETY: one after the other upgrades; the schema fits its room, and the default the
        // payload.
        unsafe { lay_out(&self.board.latch(), self.rooms(), old, &successor) };
        put_in_force(&self.state, old)
    }

    /// What `Segment::read` does for a reader to whom `state` stood. Checks the fields that all
    /// know, and returns the version and the new field.
    fn read(&self, state: State) -> Option<(u64, u32)> {
        let mut words = [0_u64; WORDS];
        let (latch, dst) = (self.board.latch(), words.as_mut_ptr().cast());
        // SAFETY: `words` has `BYTES` bytes.
        let read = unsafe { read_under(&self.state, state, &latch, Span::whole(BYTES), dst) };
        let version = read.ok()??;
        let (low, high) = (words[1] as u32, (words[1] >> 32) as u32);
        assert_eq!((words[0], u64::from(low)), (version, version), "torn");
        Some((version, high))
    }
}

/// Readers of the schema, and of the value under the first and under the second one.
#[derive(Clone, Copy, Debug)]
enum Reader {
    Room,
    Older,
    Newer,
}

impl Reader {
    fn read(self, plot: &Plot, tally: &Tally) {
        match self {
            Reader::Room => {
                let mut words = [0_u64; WORDS];
                // SAFETY: any bytes are words.
                let bytes = unsafe {
                    std::slice::from_raw_parts_mut(words.as_mut_ptr().cast::<u8>(), BYTES)
                };
                if let Some(state) = read_room(&plot.state, plot.rooms(), bytes) {
                    let generation = u64::from(state.0 >> 8);
                    assert_eq!(words, [generation; WORDS], "a mixture of schemas");
                    tally.special();
                }
            }
            // It puts the default in the place of the new field.
            Reader::Older => {
                if let Some((version, _)) = plot.read(State::READY) {
                    assert!(version < FIRST_NEW, "a default for what was committed");
                    tally.special();
                }
            }
            Reader::Newer => {
                let state = State::look(&plot.state);
                if state == State::READY {
                    return;
                }
                if let Some((version, new)) = plot.read(state) {
                    let wanted = if version < FIRST_NEW {
                        DEFAULT
                    } else {
                        version as u32
                    };
                    assert_eq!(new, wanted, "version {version}");
                    tally.special();
                }
            }
        }
    }
}

/// What the first process does after a commit.
#[derive(Clone, Copy, Debug)]
enum First {
    /// It lets go.
    Nothing,
    /// It upgrades, and dies at this store.
    Upgrade(u32),
}

fn model(reader: Reader, does: First, preemptions: usize) -> Model {
    let name = format!("upgrade, first process: {does:?}, reader {reader:?}");
    Model::new(name, preemptions, move |tally| {
        let plot = Plot::new();
        let reading = thread::spawn({
            let (plot, tally) = (plot.clone(), tally.clone());
            move || reader.read(&plot, &tally)
        });
        let first = thread::spawn({
            let plot = plot.clone();
            move || {
                plot.commit(false);
                match does {
                    First::Nothing => false,
                    First::Upgrade(death) => mortal(death, || plot.upgrade()).is_err(),
                }
            }
        });
        // The first is dead or gone: the join is the lock's word for it, or the kernel's.
        if first.join().expect("its own panic comes first") {
            plot.board.repair();
        }
        if plot.state.load(Relaxed) == State::READY.0 {
            plot.upgrade();
        }
        // Without a commit, and its fences, in between the first room is written again at once.
        if !matches!(reader, Reader::Room) {
            plot.commit(true);
        }
        plot.upgrade();
        assert_eq!(plot.state.load(Relaxed), 0x201);
        reading.join().expect("its own panic comes first");
        reader.read(&plot, tally);
    })
}

/// A tombstone set meanwhile stays.
fn removal() -> Model {
    Model::new("upgrade and removal", 3, |tally| {
        let plot = Plot::new();
        let remover = thread::spawn({
            let plot = plot.clone();
            move || {
                // By exchange: loom would let a plain store come before an exchange that did not see
                // it.
                let mut seen = plot.state.load(Relaxed);
                while let Err(now) =
                    plot.state
                        .compare_exchange(seen, State(seen).removed().0, AcqRel, Relaxed)
                {
                    seen = now;
                }
            }
        });
        if plot.upgrade().is_some() {
            tally.special();
        }
        remover.join().expect("its own panic comes first");
        assert!(State(plot.state.load(Relaxed)).is_removed());
    })
}

pub(super) fn models() -> Vec<Model> {
    let readers = [Reader::Room, Reader::Older, Reader::Newer];
    let deaths = readers
        .into_iter()
        .flat_map(|reader| (0..=STORES).map(move |death| model(reader, First::Upgrade(death), 2)));
    let lives = readers.map(|reader| model(reader, First::Nothing, 2));
    deaths.chain(lives).chain([removal()]).collect()
}
