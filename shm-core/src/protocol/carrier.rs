//! A carrier: the segment in which a value lies while it moves from one segment to the next.
//!
//! It lies under a key that follows from the value's own, has the division of the segment that is
//! to be, and serves as a copy of the payload and of the schema: nobody attaches it to read.
//!
//! | its state | it is | whoever finds it |
//! |---|---|---|
//! | newborn | being written | discards it, unless the lock of the old segment shows a mover alive |
//! | adopted | whole, and not in force unless the old segment says "moved" | discards it, or puts it in force |
//! | ready | in force: the value stands here and nowhere else | gives the value to the segment under the key, or makes one |
//! | moved | delivered: the successor is whole, and the value stands there once it is ready | makes the successor ready, or discards it |
//! | removed | a tombstone | removes it |
//!
//! All changes but the first and the discarding of a newborn are made under the carrier's lock.
//! `migrate.rs` has the steps, `carry.rs` those behind the first half.

use super::attach::{Access, EXECUTE, Mapped, look_up, map};
use super::control::{CARRIER, CONTROL, Control, FORMAT, Geometry, LINE, MAGIC, State};
use super::fault::Fault;
use super::locked::Locked;
use super::owner::may_remove;
use super::primitive::Ordering::{Relaxed, Release};
use super::removal;
use super::segment::{self, Segment};
use super::stop::stop;
use crate::sysv::shm::{self, Stat};
use crate::sysv::{Key, Kind};

/// Execute permission for the group alone, in the mode of a carrier: tells one that is not whole
/// yet from another program's zeros.
pub(super) const MARK: u32 = 0o010;

/// What the halves of a key are marked with: each differently, so that no key is the one that
/// follows from it, nor the one after that.
const SALT: u32 = 0x5348_6d76;

/// The key of the carrier for the value of `key`.
pub(super) fn key_for(key: Key) -> Key {
    let turned = key.raw().cast_unsigned().rotate_left(16) ^ SALT;
    Key::from(if turned == 0 { SALT } else { turned })
}

/// What lies under the carrier's key.
pub(super) enum Occupant {
    Nothing,
    /// Another program's segment, or one of a user who is not trusted.
    Foreign,
    /// A carrier that is not whole.
    Unborn(Mapped),
    Whole(Carrier),
}

/// A carrier whose header has been verified.
pub(super) struct Carrier {
    pub(super) segment: Segment,
    pub(super) stat: Stat,
    /// The key of the value.
    pub(super) origin: Key,
    predecessor: u64,
}

/// Looks for a carrier of the value of `key`. One system call if there is none.
pub(super) fn look(key: Key, access: Access) -> Result<Occupant, Fault> {
    let id = match look_up(key_for(key)) {
        Ok(id) => id,
        Err(error) if error.kind() == Kind::NotFound => return Ok(Occupant::Nothing),
        Err(error) => return Err(error.into()),
    };
    let stat = match shm::stat(id) {
        Ok(stat) => stat,
        Err(error) if error.kind() == Kind::Removed => return Ok(Occupant::Nothing),
        Err(_) => return Ok(Occupant::Foreign),
    };
    let fits = stat.size >= CONTROL && stat.size.is_multiple_of(LINE);
    if !fits || access.owner.check(&stat).is_err() {
        return Ok(Occupant::Foreign);
    }
    let writable = may_remove(&stat);
    let mapping = match map(id, writable) {
        Ok(Some(mapping)) => mapping,
        Ok(None) => return Ok(Occupant::Nothing),
        Err(_) => return Ok(Occupant::Foreign),
    };
    // SAFETY: `stat` is of this id, and its size was checked above.
    let mapped = unsafe { Mapped::new(mapping, stat) };
    let control = mapped.control();
    let state = State::look(&control.state);
    if state != State::NEWBORN
        && let Some(geometry) = geometry(control, key, stat.size)
    {
        let (unique, predecessor) = (
            control.unique.load(Relaxed),
            control.predecessor.load(Relaxed),
        );
        let access = Access { writable, ..access };
        let mut segment = mapped.divided(access, geometry);
        segment.unique = unique;
        return Ok(Occupant::Whole(Carrier {
            segment,
            stat,
            origin: key,
            predecessor,
        }));
    }
    let unborn = state == State::NEWBORN || state.is_removed();
    if unborn && stat.mode.bits() & EXECUTE == MARK {
        return Ok(Occupant::Unborn(mapped));
    }
    Ok(Occupant::Foreign)
}

/// The division of a carrier of the value of `key`, if the header is that of one. Each word is read
/// once.
fn geometry(control: &Control, key: Key, size: usize) -> Option<Geometry> {
    let ours = control.magic.load(Relaxed) == MAGIC
        && control.format.load(Relaxed) == FORMAT
        && control.flags.load(Relaxed) & CARRIER != 0
        && control.origin.load(Relaxed) == key.raw().cast_unsigned();
    let (capacity, room) = (control.capacity.load(Relaxed), control.room.load(Relaxed));
    ours.then(|| Geometry::verified(capacity, room, size))?
}

/// Removes a carrier that is not whole. `false`: it is whole by now.
pub(super) fn discard_unborn(mapped: &Mapped) -> bool {
    let state = &mapped.control().state;
    let (newborn, removed) = (State::NEWBORN.0, State::NEWBORN.removed().0);
    // Relaxed: the one who is writing it does not read what others stored.
    let buried = state.compare_exchange(newborn, removed, Relaxed, Relaxed);
    let removed = buried.is_ok() || State(state.load(Relaxed)).is_removed();
    removed && removal::finish(mapped).is_ok()
}

impl Carrier {
    /// A carrier that this process has just written.
    pub(super) fn new(segment: Segment, stat: Stat, origin: Key, predecessor: u64) -> Carrier {
        Carrier {
            segment,
            stat,
            origin,
            predecessor,
        }
    }

    pub(super) fn state(&self) -> State {
        State::look(&self.segment.control().state)
    }

    /// Whether the value stands here, or is about to be declared to stand in the newborn under the
    /// key. `under` is what the key leads to.
    pub(super) fn is_in_force(&self, under: Option<&Control>) -> bool {
        let state = self.state();
        state.is_ready()
            || under.is_some_and(|under| {
                state == State::ADOPTED && self.follows(under)
                    || state.is_moved() && self.is_delivered_to(under)
            })
    }

    /// Whether the segment with this control block gave its value to this carrier.
    pub(super) fn follows(&self, old: &Control) -> bool {
        State::look(&old.state).is_moved() && old.unique.load(Relaxed) == self.predecessor
    }

    /// Whether the newborn with this control block was given this carrier's value, and lacks
    /// nothing but the word that says so.
    pub(super) fn is_delivered_to(&self, newborn: &Control) -> bool {
        State::look(&newborn.state) == State::ADOPTED
            && newborn.unique.load(Relaxed) == self.segment.unique
    }

    /// From now on the value stands here.
    pub(super) fn put_in_force(&self, _: &Locked<'_>) {
        // Release pairs with the fence in `State::look`.
        self.segment.control().state.store(State::READY.0, Release);
        stop!("move: carrier in force");
    }

    /// The successor is whole: from now on the value stands there, once it is ready.
    pub(super) fn hand_over(&self, _: &Locked<'_>) {
        let control = self.segment.control();
        control.state.store(State::READY.moved().0, Release);
        stop!("move: carrier delivered");
    }

    /// Removes the carrier: nobody needs it any more. Under its lock, or it is removed already.
    pub(super) fn discard(&self) -> Result<(), Fault> {
        let control = self.segment.control();
        control.state.store(self.state().removed().0, Release);
        stop!("move: carrier's tombstone set");
        if let Ok(slots) = self.segment.slots() {
            slots.remove();
        }
        stop!("move: carrier's semaphores removed");
        let removed = shm::remove(self.segment.id());
        stop!("move: carrier removed");
        segment::wake_everybody(control);
        match removed {
            Err(error) if error.kind() != Kind::Removed => Err(error.into()),
            _ => Ok(()),
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn no_key_is_its_own_carriers_or_none() {
        let hostile = SALT.rotate_right(16);
        for number in [1, 0x1234, 0x4d2, u32::MAX, hostile, SALT, 0x7fff_ffff] {
            let key = Key::from(number);
            let carrier = key_for(key);
            assert!(!carrier.is_zero() && !carrier.is_private());
            assert_ne!(carrier, key);
            assert_ne!(key_for(carrier), key);
        }
    }
}
