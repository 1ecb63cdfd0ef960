//! Moving a value to another segment under the same key: for a capacity that cannot grow in place.
//!
//! System V gives no segment another key, so between the end of the old segment and the beginning
//! of its successor the key leads nowhere. The value survives a death in that gap in a *carrier*
//! (`carrier.rs`) under a key that follows from the first. Invariant: **the value stands in exactly
//! one place: in the old segment until that says "moved"; then in the carrier until that says
//! "moved"; then in the segment under the key. Whoever finds the key leading to anything but a
//! ready segment looks for a carrier before he believes it.**
//!
//! | step | if the process dies after it |
//! |---|---|
//! | the old segment's lock is taken; it notes that there may be a carrier | nothing has changed |
//! | a carrier is made, gets owner, group and mode of the old segment, a semaphore set, its lock is taken | the old one stands; whoever opens it next, or moves it, removes the carrier |
//! | value, defaults of new fields, schema, sequence and header are written; the carrier says "adopted" | the same |
//! | the old one says "moved" | the carrier counts: whoever opens the key goes on from here |
//! | those attached are woken; the carrier says "ready" | the same |
//! | the old one's semaphore set is removed, then the old one | the same |
//! | the successor is made with the newborn mark; owner, group, mode and semaphore set as the carrier's; its lock is taken | the same; an `open_or_create` that was faster has made it |
//! | the successor says "adopted": nobody gives it up any more | the same |
//! | value, schema and header are copied; the successor notes that there may be a carrier | they are copied again |
//! | the carrier says "moved" | whoever opens the key makes the successor ready: it has the carrier's unique number |
//! | the successor says "ready" | it stands; whoever opens it next, or moves it, removes the carrier |
//! | the mark is cleared; the carrier gets a tombstone, loses its semaphore set, is removed; the successor's note is deleted | the same |
//!
//! Locks are taken in the order old segment, carrier, successor. An `open_or_create` that has made
//! a newborn in the gap looks for a carrier under the newborn's lock, lets that go, and ends the
//! move like anybody else: so it never writes a first value of its own.

use std::time::Instant;

use super::attach::{Access, EXECUTE, Mapped, look_up, map};
use super::birth::{Newborn, install_slots, unique_id};
use super::carrier::{self, Carrier, MARK, Occupant};
use super::control::{CARRIER, FORMAT, Geometry, MAGIC, State};
use super::copy::Span;
use super::fault::Fault;
use super::held::Mark;
use super::locked::Locked;
use super::owner::may_remove;
use super::primitive::Ordering::{Relaxed, Release};
use super::removal;
use super::segment::{self, Segment};
use super::stop::stop;
use super::upgrade::Successor;
use crate::sysv::shm::{self, GetFlags, Stat};
use crate::sysv::{Kind, Mode};

/// A move about to begin: the lock of the segment that the value is in.
pub(crate) struct Move<'a> {
    old: &'a Segment,
    stat: Stat,
    locked: Locked<'a>,
}

/// Takes the lock, and makes sure that this process may remove the segment.
pub(crate) fn begin(old: &Segment) -> Result<Move<'_>, Fault> {
    let locked = old.lock()?;
    stop!("move: old locked");
    let there = removal::stat(old.id())?.filter(|stat| !stat.dest);
    let stat = there.ok_or(Fault::Removed)?;
    if !may_remove(&stat) {
        // The kernel refuses, and says why.
        shm::set(old.id(), stat.uid, stat.gid, stat.mode)?;
    }
    match look_up(old.key()) {
        Ok(id) if id == old.id() => Ok(Move { old, stat, locked }),
        _ => Err(Fault::Removed),
    }
}

impl Move<'_> {
    /// How the segment is divided.
    pub(crate) fn geometry(&self) -> Geometry {
        self.old.geometry
    }

    /// Notes that the caller's code runs while this thread holds the lock.
    pub(crate) fn mark(&self) -> Mark {
        self.locked.mark()
    }

    /// Moves the value to a segment of `newborn`'s division, with the defaults of `additions` over it.
    /// Its schema is `newborn`'s. `state` and `stored` are what was found under this lock: the state whose schema is in
    /// force, and the bytes of the value.
    pub(crate) fn carry(
        self,
        access: Access,
        newborn: &Newborn,
        additions: &Successor,
        (state, stored): (State, usize),
    ) -> Result<(), Fault> {
        // Defaults are the caller's code, and have run since the lock was taken.
        self.locked.check()?;
        let Geometry { capacity, room } = newborn.geometry;
        let fits = |span: &Span| {
            let end = span.offset.checked_add(span.len);
            end.is_some_and(|end| end <= capacity)
        };
        let stored_fits = stored <= capacity.min(self.old.geometry.capacity);
        if !stored_fits || newborn.schema.len() > room || !additions.missing.iter().all(fits) {
            return Err(Fault::TooLarge);
        }
        let end = Instant::now() + access.limit;
        self.old.control().carried.fetch_add(1, Relaxed);
        stop!("move: carrier announced");
        let content = Content {
            newborn,
            additions,
            stored,
        };
        loop {
            match self.attempt(access, &content, state, end) {
                Ok(true) => return Ok(()),
                // Somebody took the carrier for one that a dead process had left.
                Ok(false) if Instant::now() < end => {}
                Ok(false) => return Err(Fault::Removed),
                Err(fault) => {
                    self.tidy(access);
                    return Err(fault);
                }
            }
        }
    }

    /// `false`: the carrier was removed before it was whole.
    fn attempt(
        &self,
        access: Access,
        content: &Content<'_>,
        state: State,
        end: Instant,
    ) -> Result<bool, Fault> {
        let Some(mapped) = self.new_carrier(access, content.newborn)? else {
            return Ok(false);
        };
        let stat = mapped.stat;
        let mut segment = mapped.divided(access, content.newborn.geometry);
        segment.unique = unique_id();
        let carrier = Carrier::new(segment, stat, self.old.key(), self.old.unique);
        let Some(locked) = carrier.lock()? else {
            // With the semaphore set, which its remover may not have seen.
            return carrier.discard().map(|()| false);
        };
        stop!("move: carrier locked");
        // SAFETY: both locks are held; nobody reads from a carrier that is not whole.
        let whole = unsafe { self.load(&carrier, content) };
        if !whole {
            return carrier.discard().map(|()| false);
        }
        self.leave(state)?;
        carrier.finish(&locked, access, content.newborn.get, end)?;
        Ok(true)
    }

    /// Makes a carrier, under its key, and gives it all but its value. `None`: try again.
    fn new_carrier(&self, access: Access, newborn: &Newborn) -> Result<Option<Mapped>, Fault> {
        // The old segment's lock is held, so no mover of this value is alive but this one.
        match carrier::look(self.old.key(), access)? {
            Occupant::Nothing => {}
            Occupant::Unborn(unborn) => {
                carrier::discard_unborn(&unborn);
                return Ok(None);
            }
            Occupant::Whole(carrier) if !carrier.is_in_force(None) => {
                carrier.discard()?;
                return Ok(None);
            }
            Occupant::Foreign | Occupant::Whole(_) => {
                return Err(Fault::Occupied {
                    key: carrier::key_for(self.old.key()),
                });
            }
        }
        let size = newborn.geometry.total().ok_or(Fault::TooLarge)?;
        let flags = newborn.get | GetFlags::CREATE | GetFlags::EXCLUSIVE;
        let mode = self.stat.mode.bits() & !EXECUTE;
        let marked = Mode::new(mode | MARK);
        let id = match shm::get(carrier::key_for(self.old.key()), size, flags, marked) {
            Ok(id) => id,
            Err(error) if error.kind() == Kind::Exists => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        stop!("move: carrier made");
        // Its creator may, and stays its creator.
        match shm::set(id, self.stat.uid, self.stat.gid, marked) {
            Err(error) if error.kind() == Kind::Removed => return Ok(None),
            result => result?,
        }
        stop!("move: carrier given to the owner");
        let (Some(stat), Some(mapping)) = (removal::stat(id)?, map(id, true)?) else {
            return Ok(None);
        };
        // SAFETY: `stat` is of this id; the kernel made it with the size of a geometry, which ends
        // in a control block.
        let mapped = unsafe { Mapped::new(mapping, stat) };
        install_slots(&mapped, Mode::new(mode))?;
        Ok(Some(mapped))
    }

    /// Writes everything into the carrier. `false`: it has been removed meanwhile.
    ///
    /// # Safety
    ///
    /// Its lock is held, and it is not whole yet.
    unsafe fn load(&self, carrier: &Carrier, content: &Content<'_>) -> bool {
        let segment = &carrier.segment;
        // SAFETY: the caller's promise; `carry` was promised that all of this fits.
        unsafe {
            segment.latch.take_part(&self.old.latch, content.stored);
            stop!("move: value in the carrier");
            let [payload, ..] = segment.latch.copies();
            for (span, default) in content.additions.iter() {
                payload.store(span.offset, default.as_ptr(), span.len);
            }
            let schema = &content.newborn.schema;
            segment.rooms[0].store(0, schema.as_ptr(), schema.len());
        }
        stop!("move: schema in the carrier");
        let control = segment.control();
        control.format.store(FORMAT, Relaxed);
        control.flags.store(self.old.flags | CARRIER, Relaxed);
        let geometry = segment.geometry;
        control.capacity.store(geometry.capacity as u64, Relaxed);
        control.room.store(geometry.room as u64, Relaxed);
        control.unique.store(segment.unique, Relaxed);
        let key = self.old.key().raw().cast_unsigned();
        control.origin.store(key, Relaxed);
        control.predecessor.store(self.old.unique, Relaxed);
        control.magic.store(MAGIC, Relaxed);
        stop!("move: carrier's header written");
        let (newborn, whole) = (State::NEWBORN.0, State::ADOPTED.0);
        // Release: whoever sees the state sees all of it.
        let declared = control
            .state
            .compare_exchange(newborn, whole, Release, Relaxed);
        stop!("move: carrier whole");
        declared.is_ok()
    }

    /// From now on the value stands in the carrier.
    fn leave(&self, state: State) -> Result<(), Fault> {
        if removal::is_forgotten(self.old)? {
            return Err(Fault::Removed);
        }
        let control = self.old.control();
        // By exchange: a tombstone is set without the lock. Release: whoever sees it sees the
        // carrier whole.
        control
            .state
            .compare_exchange(state.0, state.moved().0, Release, Relaxed)
            .map_err(|_| self.old.changed())?;
        stop!("move: old says moved");
        segment::wake_everybody(control);
        stop!("move: those attached woken");
        Ok(())
    }

    /// Removes a carrier that came to nothing.
    fn tidy(&self, access: Access) {
        if self.old.state().is_moved() {
            return;
        }
        match carrier::look(self.old.key(), access) {
            Ok(Occupant::Unborn(unborn)) => {
                carrier::discard_unborn(&unborn);
            }
            Ok(Occupant::Whole(carrier)) if !carrier.is_in_force(None) => {
                let _ = carrier.discard();
            }
            _ => return,
        }
        self.old.control().carried.store(0, Relaxed);
    }
}

/// What goes into a carrier.
struct Content<'a> {
    newborn: &'a Newborn,
    additions: &'a Successor,
    /// Bytes that the old segment holds.
    stored: usize,
}
