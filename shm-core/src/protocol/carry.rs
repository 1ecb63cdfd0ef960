//! The second half of a move: from a carrier in force to the successor, by whoever comes along.
//!
//! The steps stand in `migrate.rs`. Each looks at what is there and does the next thing, so whoever
//! holds the carrier's lock may begin at any of them.

use std::time::{Duration, Instant};

use super::attach::{Access, EXECUTE, Found, Mapped, NAP, NEWBORN, find, look_up, map};
use super::birth::install_slots;
use super::carrier::{self, Carrier, Occupant};
use super::control::{CARRIER, Control, FORMAT, MAGIC, State};
use super::copy::Span;
use super::fault::Fault;
use super::locked::Locked;
use super::owner::{Owner, may_remove};
use super::primitive::Ordering::{Relaxed, Release};
use super::removal;
use super::segment::{self, Segment};
use super::slots::Slots;
use super::stop::stop;
use crate::sysv::shm::{self, GetFlags};
use crate::sysv::{Key, Kind, Mode, sem};

/// Ends the move of the value of `key` that somebody has begun, or waits for who is at work on it,
/// and removes a carrier that nobody needs. `under` is what the key leads to, other than a ready
/// segment. `true`: look the key up again.
pub(super) fn attend(
    key: Key,
    access: Access,
    under: Option<&Control>,
    end: Instant,
) -> Result<bool, Fault> {
    let mut carrier = match carrier::look(key, access)? {
        Occupant::Nothing | Occupant::Foreign => return Ok(false),
        Occupant::Unborn(unborn) => {
            // By now a segment may be there, and the lock of that may be a mover's who lives.
            if under.is_some() || look_up(key).is_err() {
                carrier::discard_unborn(&unborn);
            }
            return Ok(false);
        }
        Occupant::Whole(carrier) => carrier,
    };
    let in_force = carrier.is_in_force(under);
    if !may_remove(&carrier.stat) {
        if in_force && Instant::now() >= end {
            return Err(carrier.unfinished());
        }
        if in_force {
            std::thread::sleep(NAP);
        }
        return Ok(in_force);
    }
    if carrier.state().is_removed() {
        return carrier.discard().map(|()| false);
    }
    if !in_force {
        carrier.segment.limit = Duration::ZERO;
    }
    let ended = match carrier.lock() {
        Ok(Some(locked)) => carrier.finish(&locked, access, GetFlags::NONE, end),
        Ok(None) => Ok(()),
        Err(fault) => Err(fault),
    };
    if in_force {
        ended?;
    }
    Ok(in_force)
}

/// Whether the value of `key` is on its way to the newborn with this control block, and if so, in a
/// segment of which size: then nobody may give the newborn another value. Changes nothing.
pub(super) fn under_way(
    key: Key,
    access: Access,
    newborn: &Control,
) -> Result<Option<usize>, Fault> {
    if key.is_private() {
        return Ok(None);
    }
    Ok(match carrier::look(key, access)? {
        Occupant::Whole(carrier) if carrier.is_in_force(Some(newborn)) => Some(carrier.stat.size),
        _ => None,
    })
}

/// Removes the carrier that a process left behind when it died on the way from or to this segment.
/// Others may be at work: then it is left to them.
///
/// It takes the lock, so it is for those to whom the segment's schema is known: nobody else writes.
pub(crate) fn clear_up(segment: &mut Segment, access: Access) {
    let carried = &segment.control().carried;
    if !access.writable || segment.key().is_private() || carried.load(Relaxed) == 0 {
        return;
    }
    let limit = std::mem::replace(&mut segment.limit, Duration::ZERO);
    // With this lock held, nobody who lives is moving the value away.
    if let Ok(locked) = segment.lock() {
        let cleared = match carrier::look(segment.key(), access) {
            Ok(Occupant::Nothing | Occupant::Foreign) => true,
            Ok(Occupant::Unborn(unborn)) => carrier::discard_unborn(&unborn),
            Ok(Occupant::Whole(carrier)) => carrier.clear_up(access),
            Err(_) => false,
        };
        if cleared {
            segment.control().carried.store(0, Relaxed);
        }
        drop(locked);
    }
    segment.limit = limit;
}

/// Removes the carrier of a segment that has been removed.
pub(super) fn bury(segment: &Segment) {
    if segment.control().carried.load(Relaxed) != 0 && !segment.key().is_private() {
        let access = Access {
            owner: Owner::SelfOrRoot,
            limit: Duration::ZERO,
            writable: true,
        };
        let _ = attend(segment.key(), access, None, Instant::now());
    }
}

/// As many steps are made whether there is time or not: three end a move that nobody disturbs.
const STEPS: u32 = 8;

impl Carrier {
    /// Takes the lock, to end the move. `None`: somebody else has.
    pub(super) fn lock(&self) -> Result<Option<Locked<'_>>, Fault> {
        match self.segment.lock_in_any_state() {
            Ok(locked) => Ok(Some(locked)),
            Err(_) if self.segment.ended().is_some() => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    /// Discards it, if it belongs to a ready segment and nobody is at work on it.
    fn clear_up(mut self, access: Access) -> bool {
        if !may_remove(&self.stat) {
            return false;
        }
        if self.state().is_removed() {
            return self.discard().is_ok();
        }
        self.segment.limit = Duration::ZERO;
        let Ok(Some(locked)) = self.lock() else {
            return false;
        };
        self.finish(&locked, access, GetFlags::NONE, Instant::now() + NAP)
            .is_ok()
    }

    fn unfinished(&self) -> Fault {
        Fault::Moving {
            mover: u32::try_from(self.stat.cpid).unwrap_or(0),
        }
    }

    /// Does what is left to do, whatever that is: at the end the value stands under its key alone,
    /// and the carrier is gone.
    pub(super) fn finish(
        &self,
        locked: &Locked<'_>,
        access: Access,
        pages: GetFlags,
        end: Instant,
    ) -> Result<(), Fault> {
        let access = Access {
            writable: true,
            ..access
        };
        let mut steps = 0;
        loop {
            let state = self.state();
            if state.is_removed() {
                return self.discard();
            }
            let under = match look_up(self.origin) {
                Ok(id) => Some(find(id, access)?),
                Err(error) if error.kind() == Kind::NotFound => None,
                Err(error) => return Err(error.into()),
            };
            match under {
                Some(Found::Moved(old)) if !state.is_moved() && self.follows(old.control()) => {
                    if !state.is_ready() {
                        self.put_in_force(locked);
                    }
                    retire(&old)?;
                }
                Some(Found::Tombstone(tombstone)) => {
                    if removal::finish(&tombstone).is_err() {
                        std::thread::sleep(NAP);
                    }
                }
                Some(Found::Gone) => {}
                Some(Found::Newborn(newborn))
                    if state.is_ready() || self.is_delivered_to(newborn.control()) =>
                {
                    if newborn.stat.size == self.stat.size {
                        self.deliver(newborn, locked, access)?;
                    } else {
                        give_up(&newborn)?;
                    }
                }
                None if state.is_ready() => {
                    if let Some(newborn) = self.successor(pages)? {
                        self.deliver(newborn, locked, access)?;
                    }
                }
                Some(Found::Plain(plain)) if state.is_ready() => return Err(plain.foreign()),
                Some(Found::Ready(_) | Found::Moved(_)) if state.is_ready() => {
                    return Err(STRANGE);
                }
                // Not in force: the value stands in the segment under the key, if there is one, or
                // has already moved on from there.
                under => {
                    self.discard()?;
                    if let Some(Found::Ready(segment)) = under {
                        // Not if the next one who moves it has counted himself by now.
                        let carried = &segment.control().carried;
                        let _ = carried.compare_exchange(1, 0, Relaxed, Relaxed);
                        stop!("move: done");
                    }
                    return Ok(());
                }
            }
            steps += 1;
            if steps >= STEPS && Instant::now() >= end {
                return Err(self.unfinished());
            }
        }
    }

    /// Makes the segment under the value's key; `None`: somebody else has made one.
    fn successor(&self, pages: GetFlags) -> Result<Option<Mapped>, Fault> {
        let flags = pages | GetFlags::CREATE | GetFlags::EXCLUSIVE;
        let mode = Mode::new(self.mode().bits() | NEWBORN);
        let id = match shm::get(self.origin, self.stat.size, flags, mode) {
            Ok(id) => id,
            Err(error) if error.kind() == Kind::Exists => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        stop!("move: successor made");
        let (Some(stat), Some(mapping)) = (removal::stat(id)?, map(id, true)?) else {
            return Ok(None);
        };
        // SAFETY: `stat` is of this id; it has the size of a carrier, which ends in a control
        // block.
        Ok(Some(unsafe { Mapped::new(mapping, stat) }))
    }

    /// What the successor's mode is to be.
    fn mode(&self) -> Mode {
        Mode::new(self.stat.mode.bits() & !EXECUTE)
    }

    /// Gives the value to a newborn of the right size, and makes that ready.
    fn deliver(
        &self,
        mut newborn: Mapped,
        locked: &Locked<'_>,
        access: Access,
    ) -> Result<(), Fault> {
        let id = newborn.mapping.id();
        let mode = self.mode();
        // Before the semaphore set, which is told from others by its owner. Who may not keeps what
        // the newborn has.
        let marked = Mode::new(mode.bits() | NEWBORN);
        let _ = shm::set(id, self.stat.uid, self.stat.gid, marked);
        stop!("move: successor given to the owner");
        let Some(stat) = removal::stat(id)? else {
            return Ok(());
        };
        newborn.stat = stat;
        install_slots(&newborn, mode)?;
        let segment = newborn.divided(access, self.segment.geometry);
        if let Ok(slots) = segment.slots() {
            // Somebody's `open_or_create` may have installed it.
            let _ = sem::set(slots.set, stat.uid, stat.gid, mode);
        }
        let filling = match segment.lock_in_any_state() {
            Ok(filling) => filling,
            Err(_) if segment.ended().is_some() => return Ok(()),
            Err(fault) => return Err(fault),
        };
        stop!("move: successor locked");
        let control = segment.control();
        if !claim(control) {
            return Ok(());
        }
        // SAFETY: both locks are held, both mappings writable; carrier and newborn have one
        // division; the newborn says that it is none yet.
        unsafe { self.copy_to(&segment) };
        control.carried.store(1, Relaxed);
        stop!("move: successor filled");
        self.hand_over(locked);
        State::ADOPTED.declare_ready(&control.state);
        stop!("move: successor ready");
        let _ = shm::set(id, stat.uid, stat.gid, mode);
        stop!("move: mark cleared");
        drop(filling);
        Ok(())
    }

    /// Copies value, schema and header.
    ///
    /// # Safety
    ///
    /// The locks of both are held, and nobody reads from `segment` yet; both have one division.
    unsafe fn copy_to(&self, segment: &Segment) {
        let (from, to) = (self.segment.control(), segment.control());
        // SAFETY: the caller's promises.
        unsafe {
            let stored = self.segment.length_in_force();
            segment.latch.take_over(&self.segment.latch, stored);
            let room = Span::whole(self.segment.geometry.room);
            segment.rooms[0].copy_from(self.segment.rooms[0], room);
        }
        to.format.store(FORMAT, Relaxed);
        to.flags.store(from.flags.load(Relaxed) & !CARRIER, Relaxed);
        let geometry = self.segment.geometry;
        to.capacity.store(geometry.capacity as u64, Relaxed);
        to.room.store(geometry.room as u64, Relaxed);
        to.unique.store(self.segment.unique, Relaxed);
    }
}

const STRANGE: Fault =
    Fault::Damaged("while its value was moved, its key was given to another segment");

/// Makes sure that nobody gives this newborn up. `false`: somebody has, or it is ready.
fn claim(newborn: &Control) -> bool {
    if State::look(&newborn.state) == State::ADOPTED {
        return true;
    }
    newborn.magic.store(MAGIC, Relaxed);
    let (zeros, claimed) = (State::NEWBORN.0, State::ADOPTED.0);
    // Release: whoever sees the state sees the magic number.
    let result = newborn
        .state
        .compare_exchange(zeros, claimed, Release, Relaxed);
    stop!("move: successor claimed");
    result.is_ok()
}

/// Removes a newborn that has not the size of the carrier: somebody made it who did not know that
/// there is a value.
fn give_up(newborn: &Mapped) -> Result<(), Fault> {
    let control = newborn.control();
    if State::look(&control.state) == State::ADOPTED {
        return Err(Fault::Unfinished {
            size: newborn.stat.size,
            wanted: None,
            creator: u32::try_from(newborn.stat.cpid).unwrap_or(0),
        });
    }
    control.magic.store(MAGIC, Relaxed);
    let (zeros, removed) = (State::NEWBORN.0, State::NEWBORN.removed().0);
    let _ = control
        .state
        .compare_exchange(zeros, removed, Release, Relaxed);
    Ok(())
}

/// Removes the segment that the value has left.
fn retire(old: &Mapped) -> Result<(), Fault> {
    let word = old.control().set.load(Relaxed);
    // The set first: as long as the segment is found, somebody can end what a death here leaves
    // undone.
    if let Ok(slots) = Slots::named(word, old.mapping.id(), &old.stat) {
        slots.remove();
    }
    stop!("move: old semaphores removed");
    let removed = shm::remove(old.mapping.id());
    stop!("move: old removed");
    segment::wake_everybody(old.control());
    match removed {
        Err(error) if error.kind() != Kind::Removed => Err(error.into()),
        _ => Ok(()),
    }
}
