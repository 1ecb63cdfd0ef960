//! Making a segment, and ending a birth that another process began.
//!
//! | step of a birth | if the process dies after it |
//! |---|---|
//! | `shmget` with the newborn mark in the mode | zeros with the mark: the next `open_or_create` goes on |
//! | number of slots and *unique* are stored, each by exchange of 0 | the next one uses them, or waits if it would have made another number of slots |
//! | the slots' semaphore set is installed by compare-exchange | the next one uses it, and tags it |
//! | the lock is taken | an ordinary takeover |
//! | header, schema and copies are written | they are written again: the state still says newborn |
//! | the state says ready | nothing is left to do but the mark, which means nothing any more |
//! | the mark is cleared, the lock let go | - |
//!
//! A creator that lives but fails removes the newborn, see `guard.rs`.
//!
//! A death between making the semaphore set and installing it, some instructions later, leaves that
//! set behind, unused, until it is removed by hand: a private set can't be found by key.

use std::time::Instant;

use super::adoption;
use super::find::{EXECUTE, Found, Mapped, NEWBORN, find};
use super::guard::Guard;
use super::newborn::{Newborn, Write, describe, unique_id};
use super::open::{NAP, ready, retry};
use super::removal;
use crate::protocol::fault::Fault;
use crate::protocol::lock::set;
use crate::protocol::memory::atomics::Ordering::{Acquire, Relaxed};
use crate::protocol::memory::control::{Control, State};
use crate::protocol::memory::stop::stop;
use crate::protocol::segment::commit::Payload;
use crate::protocol::segment::kernel::{Access, attach, look_up, mode_at_first};
use crate::protocol::segment::segment::Segment;
use crate::sysv::shm::{self, GetFlags};
use crate::sysv::{Key, Kind, Mode};

/// Creates the segment of `key`; it must not exist.
pub(crate) fn create_new(
    key: Key,
    access: Access,
    newborn: &Newborn,
    write: &mut Write<'_>,
) -> Result<Segment, Fault> {
    retry(access.limit, |end| match create(key, access, newborn) {
        Ok(None) => Ok(None),
        Ok(Some((mapped, guard))) => {
            match complete(mapped, Some(guard), (access, end), newborn, Some(write))? {
                Some((segment, true)) => Ok(Some(segment)),
                // Another's open_or_create was faster with the rest, and so the creator: the next
                // attempt says that it exists.
                _ => Ok(None),
            }
        }
        Err(Fault::System(error)) if error.kind() == Kind::Exists => match look_up(key) {
            Ok(id) => match find(id, access) {
                Ok(Found::Gone) => Ok(None),
                Ok(Found::Tombstone(mapped)) => removal::end(&mapped, end).map(|()| None),
                _ => Err(Fault::System(error)),
            },
            Err(_) => Err(Fault::System(error)),
        },
        Err(fault) => Err(fault),
    })
}

/// Attaches the segment of `key`, or creates it. The flag says whether this call made it ready.
pub(crate) fn open_or_create(
    key: Key,
    access: Access,
    newborn: &Newborn,
    write: &mut Write<'_>,
) -> Result<(Segment, bool), Fault> {
    retry(access.limit, |end| {
        // Declared before what was found, and so dropped after it.
        let mut guard = None;
        let found = match look_up(key) {
            Ok(id) => find(id, access)?,
            Err(error) if error.kind() == Kind::NotFound => match create(key, access, newborn) {
                Ok(Some((mapped, made))) => {
                    guard = Some(made);
                    Found::Newborn(mapped)
                }
                Ok(None) => Found::Gone,
                Err(Fault::System(error)) if error.kind() == Kind::Exists => Found::Gone,
                Err(fault) => return Err(fault),
            },
            Err(error) => return Err(error.into()),
        };
        let wanted = newborn.geometry.total();
        match found {
            Found::Ready(segment) => Ok(Some((segment, false))),
            Found::Newborn(mapped) if Some(mapped.stat.size) == wanted => {
                complete(mapped, guard.take(), (access, end), newborn, Some(write))
            }
            // Not attached meanwhile: another process may look whether it is in use.
            Found::Newborn(mapped) if Instant::now() < end => {
                drop(mapped);
                std::thread::sleep(NAP);
                Ok(None)
            }
            Found::Newborn(mapped) => Err(mapped.unfinished(wanted)),
            Found::Foreign(mapped) => adopt(mapped, (access, end), newborn),
            Found::Tombstone(mapped) => removal::end(&mapped, end).map(|()| None),
            Found::Gone => Ok(None),
        }
    })
}

/// Attaches the segment of `key`, which may be another program's of the right size.
pub(crate) fn open_or_adopt(key: Key, access: Access, newborn: &Newborn) -> Result<Segment, Fault> {
    retry(access.limit, |end| match find(look_up(key)?, access)? {
        Found::Newborn(mapped) if is_adopted(&mapped, newborn) => {
            let completed = complete(mapped, None, (access, end), newborn, None)?;
            Ok(completed.map(|(segment, _)| segment))
        }
        Found::Foreign(mapped) => {
            let adopted = adopt(mapped, (access, end), newborn)?;
            Ok(adopted.map(|(segment, _)| segment))
        }
        found => ready(found, end),
    })
}

/// Whether this is a newborn around a value that stands already, of the size that this caller would
/// have given it.
fn is_adopted(mapped: &Mapped, newborn: &Newborn) -> bool {
    let state = State(mapped.control().state.load(Relaxed));
    state == State::ADOPTED && Some(mapped.stat.size) == newborn.geometry.total()
}

/// Makes another program's segment one of ours, if that is wanted. `None`: it is not what it was.
fn adopt(
    mapped: Mapped,
    until: (Access, Instant),
    newborn: &Newborn,
) -> Result<Option<(Segment, bool)>, Fault> {
    if !newborn.adopt {
        return Err(mapped.foreign());
    }
    if !adoption::begin(&mapped, newborn)? {
        return Ok(None);
    }
    complete(mapped, None, until, newborn, None)
}

/// Makes a segment with the newborn mark, and maps it; `None` if it went away at once.
fn create(key: Key, access: Access, newborn: &Newborn) -> Result<Option<(Mapped, Guard)>, Fault> {
    let size = newborn.geometry.total().ok_or(Fault::TooLarge)?;
    let mode = Mode::new(newborn.mode.bits() & !EXECUTE | NEWBORN);
    let id = shm::get(
        key,
        size,
        newborn.get | GetFlags::CREATE | GetFlags::EXCLUSIVE,
        mode_at_first(mode, newborn.group),
    )?;
    let guard = Guard::new(id, key, size);
    stop!("birth: segment made");
    let Some((mapping, stat)) = attach(id, access)? else {
        return Ok(None);
    };
    if !guard.is_of(&stat) {
        return Ok(None);
    }
    if let Some(group) = newborn.group {
        // Now, when a group that does not exist can still be an error of the call.
        shm::set(id, stat.uid, group, mode)?;
    }
    stop!("birth: segment mapped");
    // SAFETY: **described**: `stat` is of what is mapped, and has the size of a geometry, which ends in a
    // control block.
    let mapped = unsafe { Mapped::new(mapping, stat) };
    Ok(Some((mapped, guard)))
}

/// Makes a newborn ready, unless another process was faster. The flag says whether this call did;
/// `None`: it went away, or another process is at it. Without `write` only one whose payload is written already. The guard is
/// there if this call made the segment; at `end` no other process is waited for any more.
fn complete(
    mut mapped: Mapped,
    guard: Option<Guard>,
    (access, end): (Access, Instant),
    newborn: &Newborn,
    write: Option<&mut Write<'_>>,
) -> Result<Option<(Segment, bool)>, Fault> {
    let id = mapped.mapping.id();
    let adopted = State(mapped.control().state.load(Relaxed)) == State::ADOPTED;
    // An adopted segment keeps the mode that it was made with, and the group.
    let mode = if adopted {
        Mode::new(mapped.stat.mode.bits() & !EXECUTE)
    } else {
        // The semaphore set gets the group from these facts.
        mapped.stat.gid = newborn.group.unwrap_or(mapped.stat.gid);
        newborn.mode
    };
    if !identify(mapped.control(), newborn) {
        // It is given up by the guard, if there is one, unless that process is at work on it.
        return match Instant::now() < end {
            true => Ok(None),
            false => Err(mapped.unfinished(None)),
        };
    }
    let stat = mapped.stat;
    let segment = mapped.divided(access, newborn.geometry);
    let joined = install_slots(&segment, &stat, mode).and_then(|()| segment.join());
    let state = &segment.control().state;
    let locked = match joined.and_then(|()| segment.lock_in_any_state()) {
        Ok(locked) => locked,
        // It may even have been made ready, and been removed.
        Err(_) if segment.state().is_removed() => return Ok(None),
        Err(fault) => return Err(fault),
    };
    stop!("birth: locked");
    let mut created = false;
    match State(state.load(Relaxed)) {
        State::NEWBORN => {
            if let Some(write) = write {
                let write = |area| write(&locked, Payload { area, exact: false });
                // SAFETY: **owned**: `locked` is the lock, of a writable mapping, and `write` refuses
                // where it is not this process's any more. The state says newborn, so nothing reads;
                // the geometry was made for `stored` bytes.
                unsafe {
                    segment.latch.give_birth(newborn.stored, write)?;
                    describe(&segment, newborn);
                }
                // Its creator may have given it up meanwhile.
                created = State::NEWBORN.declare_ready(state);
                stop!("birth: ready");
                // Only the owner may clear the mark; it means nothing any more.
                let _ = shm::set(id, stat.uid, stat.gid, mode);
                stop!("birth: mark cleared");
            }
        }
        State::ADOPTED => {
            // By a process that died, perhaps, and knew another version of the type.
            adoption::judge(segment.latch.payload(), newborn)?;
            // SAFETY: **owned**: `locked` is the lock, of a writable mapping. The state says adopted, so
            // nothing reads; the geometry was made for `stored` bytes.
            unsafe {
                segment.latch.adopt(newborn.stored);
                describe(&segment, newborn);
            }
            State::ADOPTED.declare_ready(state);
            stop!("adoption: ready");
        }
        // Its remover did so before it had the set that was made here.
        state if state.is_removed() => {
            segment.remove_set(&stat);
        }
        _ => {}
    }
    drop(locked);
    drop(segment);
    stop!("birth: let go");
    // Looked at again like any other: one path makes every attachment.
    match find(id, access)? {
        Found::Ready(segment) => {
            guard.into_iter().for_each(Guard::disarm);
            Ok(Some((segment, created)))
        }
        _ => Ok(None),
    }
}

/// Stores what slots and semaphores are found by, unless an earlier creator has. `false`: that one
/// makes another number of slots.
fn identify(control: &Control, newborn: &Newborn) -> bool {
    let slots = u32::from(newborn.geometry.slots);
    let unique = &control.unique;
    // Relaxed: the words say what they say by themselves, and never change again.
    let _ = unique.compare_exchange(0, unique_id(), Relaxed, Relaxed);
    let stored = control.slots.compare_exchange(0, slots, Relaxed, Relaxed);
    stop!("birth: identified");
    stored.is_ok() || stored == Err(slots)
}

/// Gives a newborn its semaphore set, unless it has one, and the set its tag.
fn install_slots(segment: &Segment, stat: &shm::Stat, mode: Mode) -> Result<(), Fault> {
    let id = segment.home().id().ok_or(Fault::SetLost)?;
    let identity = segment.identity(id);
    let word = &segment.control().set;
    if word.load(Acquire) == 0 {
        set::install(word, 0, identity, stat, mode)?;
    }
    stop!("birth: semaphores installed");
    let set = set::set_of(word.load(Acquire)).ok_or(Fault::SetLost)?;
    set::tag(set, identity)
}
