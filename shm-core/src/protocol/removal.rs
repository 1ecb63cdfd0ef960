//! The end of a segment: under a tombstone of our own, or by somebody else's `ipcrm`.
//!
//! | step of a removal | if the process dies after it |
//! |---|---|
//! | the state says removed | every call of those attached says so; whoever next creates under the key does the rest |
//! | the slots' semaphore set is removed | the same |
//! | the segment is removed (`IPC_RMID`) | nothing is left to do: the kernel frees it with the last attachment |

use super::attach::{Mapped, look_up};
use super::fault::Fault;
use super::owner::may_remove;
use super::primitive::Ordering::Relaxed;
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

/// Ends a removal that its process did not live to end.
pub(super) fn finish(mapped: &Mapped) -> Result<(), Fault> {
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
        Err(error) if error.kind() == Kind::NotPermitted => Err(Fault::Removed),
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
