//! The end of a segment: under a tombstone of our own, or by somebody else's `ipcrm`.
//!
//! | step of a removal | if the process dies after it |
//! |---|---|
//! | the state says removed | every call of those attached says so; whoever next creates under the key does the rest |
//! | the slots' semaphore set is removed | the same |
//! | the segment is removed (`IPC_RMID`) | nothing is left to do: the kernel frees it with the last attachment |

use std::time::Instant;

use super::attach::{Mapped, look_up, map};
use super::control::{CONTROL, LINE, MAGIC, State};
use super::fault::Fault;
use super::owner::may_remove;
use super::primitive::Ordering::{Relaxed, Release};
use super::segment::{self, Segment};
use super::slots::Slots;
use super::stop::stop;
use crate::sysv::shm::{self, Stat};
use crate::sysv::{Key, Kind};

/// Removes the segment: every later call of those attached says so, and the key is free.
pub(crate) fn remove(segment: &Segment) -> Result<(), Fault> {
    let Some(stat) = stat(segment.id())?.filter(|stat| !stat.dest) else {
        return Err(Fault::Removed);
    };
    if !may_remove(&stat) {
        // The kernel refuses, and says why. No tombstone for a segment that stays.
        return Ok(shm::remove(segment.id())?);
    }
    let slots = segment.slots();
    // Relaxed: nothing is told but the word itself. An upgrade that would overwrite it exchanges.
    let state = segment.state().removed();
    segment.control().state.store(state.0, Relaxed);
    stop!("remove: tombstone set");
    // The set first: as long as the segment is found, somebody can end what a death here leaves
    // undone.
    if let Ok(slots) = slots {
        slots.remove();
    }
    stop!("remove: semaphores removed");
    let removed = shm::remove(segment.id());
    stop!("remove: segment removed");
    segment::wake_everybody(segment.control());
    match removed {
        Err(error) if error.kind() == Kind::Removed => Err(Fault::Removed),
        result => Ok(result?),
    }
}

/// Removes the segment with this id, whatever it holds and in whatever state, if this library made
/// it.
pub(crate) fn remove_id(id: shm::Id) -> Result<(), Fault> {
    let gone = || Fault::Removed;
    let facts = stat(id)?.filter(|stat| !stat.dest).ok_or_else(gone)?;
    if !may_remove(&facts) {
        // As in `remove`.
        return Ok(shm::remove(id)?);
    }
    let mapping = map(id, true)?.ok_or_else(gone)?;
    // Once more: what is attached keeps its id, its size and its place.
    let facts = stat(id)?.filter(|stat| !stat.dest).ok_or_else(gone)?;
    let foreign = Fault::Foreign { size: facts.size };
    if !may_remove(&facts) || facts.size < CONTROL || !facts.size.is_multiple_of(LINE) {
        return Err(foreign);
    }
    mapping.back(facts.size)?;
    // SAFETY: the facts are of the attached segment, and its size was checked above.
    let mapped = unsafe { Mapped::new(mapping, facts) };
    if !mapped.is_ours() {
        return Err(foreign);
    }
    let control = mapped.control();
    // Of a newborn it may be missing, and the tombstone means nothing without it. Release: whoever
    // sees the tombstone sees the magic number before it.
    control.magic.store(MAGIC, Relaxed);
    let state = State(control.state.load(Relaxed)).removed();
    control.state.store(state.0, Release);
    stop!("remove: tombstone set");
    finish(&mapped, Instant::now())?;
    segment::wake_everybody(control);
    Ok(())
}

/// Removes the slots' semaphore set of a segment that somebody removed without us (`ipcrm`, a C
/// program), if the caller is the last one attached.
pub(super) fn clear_up(segment: &Segment, slots: Slots) {
    if let Ok(Some(stat)) = stat(segment.id())
        && stat.dest
        && stat.attached <= 1
    {
        slots.remove();
    }
}

/// Sets the tombstone of a segment that has, or is about to have, a control block, if it is still in
/// this state.
pub(super) fn bury(mapped: &Mapped, seen: State) -> bool {
    let control = mapped.control();
    control.magic.store(MAGIC, Relaxed);
    // By exchange: it is made ready the same way, so whoever does that at this moment is either
    // first or fails. Release: whoever sees the tombstone sees the magic number before it.
    let removed = seen.removed().0;
    let state = &control.state;
    state
        .compare_exchange(seen.0, removed, Release, Relaxed)
        .is_ok()
}

/// Ends a removal that its process did not live to end.
///
/// If only the owner may do that, and has not when the time is over, the kernel's refusal.
pub(super) fn finish(mapped: &Mapped, end: Instant) -> Result<(), Fault> {
    if let Ok(slots) = Slots::named(
        mapped.control().set.load(Relaxed),
        mapped.mapping.id(),
        &mapped.stat,
    ) {
        slots.remove();
    }
    stop!("remove: ended for another, semaphores removed");
    let removed = shm::remove(mapped.mapping.id());
    stop!("remove: ended for another");
    match removed {
        // Its owner may be at it.
        Err(error) if error.kind() == Kind::NotPermitted && Instant::now() >= end => {
            Err(error.into())
        }
        _ => Ok(()),
    }
}

/// Whether the tombstone stands, or the kernel has removed the segment, or the key leads elsewhere
/// now.
pub(crate) fn is_removed(segment: &Segment) -> Result<bool, Fault> {
    if segment.state().is_removed() || is_forgotten(segment)? {
        return Ok(true);
    }
    if segment.key() == Key::PRIVATE {
        return Ok(false);
    }
    match look_up(segment.key()) {
        Ok(id) => Ok(id != segment.id()),
        Err(error) if error.kind() == Kind::NotFound => Ok(true),
        Err(error) => Err(error.into()),
    }
}

/// Whether the kernel has removed the segment, or will when the last process detaches.
pub(super) fn is_forgotten(segment: &Segment) -> Result<bool, Fault> {
    Ok(stat(segment.id())?.is_none_or(|stat| stat.dest))
}

/// The kernel's facts; `None` if the id leads nowhere any more.
pub(super) fn stat(id: shm::Id) -> Result<Option<Stat>, Fault> {
    match shm::stat(id) {
        Ok(stat) => Ok(Some(stat)),
        Err(error) if error.kind() == Kind::Removed => Ok(None),
        Err(error) => Err(error.into()),
    }
}
