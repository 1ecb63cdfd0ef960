//! A newer schema in the place of an older one, while those attached read and write on.
//!
//! Invariant: **the state names the schema room in force. The other room, and every byte of the
//! three copies that the schema in force gives to no field, are scratch of the lock's owner.** So a
//! schema is laid out beside the one in force, and one word commits it.
//!
//! | step, under the lock | if the process dies after it |
//! |---|---|
//! | the schema in force is looked at again; there is room for the new one | nothing was written |
//! | the new fields' defaults go into the payload and both mirrors | the old schema stands, and gives these bytes to no field |
//! | the new schema goes into room (g + 1) mod 2 | the same: the next upgrade writes all of it again |
//! | state "ready, g" becomes "ready, g + 1" by compare-exchange | the new schema stands, and all that it names |
//! | the lock is let go | - |
//!
//! By compare-exchange, because a tombstone is set without the lock: it must not be overwritten.
//!
//! A room is read like a seqlock: the state, the room, the state again. A room that was in force is
//! written again by the second upgrade from there, and so under another state.
//!
//! So is a value in which the reader puts defaults: a commit under a later schema may be in the copy,
//! and then the state after it says so.
//!
//! The value keeps its version: to programs that know the old fields nothing has changed.
//!
//! Of a table, the three copies are those of the template, and no row is touched: its owner writes without the lock. Rows that
//! are claimed under the new schema have the defaults from the template, the others say that they were claimed before: see
//! `rows/words.rs`. In a file the bytes of the first steps are brought to the disk before the state is exchanged, since nothing
//! else of a table is restored after a power loss.

use crate::protocol::memory::atomics::{
    AtomicU32,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
    fence,
};
use crate::protocol::memory::control::State;
use crate::protocol::memory::copy::{Area, Span};
use crate::protocol::memory::latch::Latch;
use crate::protocol::memory::stop::stop;

/// A schema that is to follow the one in force.
#[derive(Debug)]
pub(crate) struct Successor {
    /// Contents of its room.
    pub(crate) schema: Vec<u8>,
    /// Bytes of the value.
    pub(crate) stored: usize,
    /// What the fields are to hold that the value lacks, and where.
    pub(crate) defaults: Vec<(usize, Box<[u8]>)>,
}

/// Copies the beginning of the room in force to `dst`, as much as fits on either side, and says
/// which state put it in force; `None` if the state changed meanwhile.
pub(in crate::protocol) fn read_room(
    state: &AtomicU32,
    rooms: [Area; 2],
    dst: &mut [u8],
) -> Option<State> {
    let seen = State::look(state);
    let room = rooms[seen.room()];
    let len = dst.len().min(room.bytes());
    // SAFETY: `len` is at most the length of the room and that of `dst`.
    unsafe { room.load(0, dst.as_mut_ptr(), len) };
    // Pairs with the fence in `lay_out`: if a byte of a later schema got into the copy, the load
    // below sees a later state.
    fence(Acquire);
    (State(state.load(Relaxed)) == seen).then_some(seen)
}

/// Copies some bytes of a committed value to `dst`, as [`Latch::read`] does, if the schema of
/// `state` is the one that they were committed under, or an earlier one; `Err`: another state
/// stands.
///
/// # Safety
///
/// The span fits in the payload, and `dst` is valid for writes of as many bytes.
pub(in crate::protocol) unsafe fn read_under(
    word: &AtomicU32,
    state: State,
    latch: &Latch,
    span: Span,
    dst: *mut u8,
) -> Result<Option<u64>, ()> {
    // SAFETY: the span fits in the payload, and `dst` takes its bytes.
    let version = unsafe { latch.read(span, dst) };
    // After the fence that ends the copy: if a commit under a later schema got into it, this sees
    // that schema's state.
    if State(word.load(Relaxed)) == state {
        Ok(version)
    } else {
        Err(())
    }
}

/// Lays out `successor`, which is to follow the schema of state `old`, where no reader looks.
///
/// # Safety
///
/// The caller holds the lock, the mapping is writable, the successor's schema fits a room, and all
/// its defaults fit the payload.
pub(in crate::protocol) unsafe fn lay_out(
    latch: &Latch,
    rooms: [Area; 2],
    old: State,
    successor: &Successor,
) {
    stop!("upgrade: begun");
    // `old`, the sequence and the stores below come from different processes. A reader that
    // sees one of the latter (in a room, or in a word that it shares with a field) must also see the former.
    fence(AcqRel);
    for copy in latch.copies() {
        for (offset, default) in &successor.defaults {
            // SAFETY: each default fits the payload, and so its copies; they are writable, and the lock is
            // held.
            unsafe { copy.store(*offset, default.as_ptr(), default.len()) };
        }
        stop!("upgrade: defaults in a copy");
    }
    let room = rooms[old.succeeded().room()];
    let schema = &successor.schema;
    // SAFETY: the schema fits a room, the mapping is writable, and the lock is held.
    unsafe { room.store(0, schema.as_ptr(), schema.len()) };
    stop!("upgrade: schema written");
}

/// Puts in force what was laid out to follow state `old`; `None` if the state is another one by now. For the lock's owner.
pub(in crate::protocol) fn put_in_force(state: &AtomicU32, old: State) -> Option<State> {
    let next = old.succeeded();
    // Release pairs with the acquire fence in `State::look`, of a claimant of a row as well, and with that of a reader of the
    // value who knows this state already.
    state
        .compare_exchange(old.0, next.0, Release, Relaxed)
        .ok()?;
    stop!("upgrade: committed");
    Some(next)
}
