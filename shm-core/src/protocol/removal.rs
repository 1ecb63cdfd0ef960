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
use super::slots;
use super::stop::stop;
use crate::sysv::shm::{self, Stat};
use crate::sysv::{Key, Kind, sem};

/// Removes the segment: every later call of those attached says so, and the key is free.
pub(crate) fn remove(segment: &Segment) -> Result<(), Fault> {
    let stat = info(segment)?;
    if segment.state().is_removed() || stat.dest && !segment.doomed {
        return Err(Fault::Removed);
    }
    if !may_remove(&stat) {
        // The kernel refuses, and says why. No tombstone for a segment that stays.
        return Ok(shm::remove(segment.id())?);
    }
    set_tombstone(segment);
    stop!("remove: tombstone set");
    // The set first: as long as the segment is found, another process can end what a death here
    // leaves undone.
    remove_set_of(segment, &stat);
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

/// What is left of a segment that was to go with its last process, if that was this one. Dropped
/// behind the mapping: only who has detached can tell whether it was the last to do so.
#[derive(Debug)]
pub(super) struct Leftover {
    segment: shm::Id,
    set: u32,
    stat: Stat,
}

/// What an attachment leaves, if it may be the last one of a segment that another program has
/// removed (`ipcrm -m`), or that was made to go with its last process.
///
/// A view does not ask the kernel unless the segment may have gone: that its key still leads to it
/// is the usual case, and a set that only a view could remove is as good as left by a death.
pub(super) fn leftover(segment: &Segment) -> Option<Leftover> {
    if !(segment.writable || segment.doomed || segment.state().is_removed()) {
        return None;
    }
    let stat = stat(segment.id()).ok().flatten()?;
    if !stat.dest || segment.leads_here() == Some(false) {
        return None;
    }
    if !segment.doomed && segment.writable && segment.state().is_ready() {
        // No commit has noticed: those who stay attached are told by this.
        set_tombstone(segment);
        segment::wake_everybody(segment.control());
    }
    Some(Leftover {
        segment: segment.id(),
        set: segment.control().set.load(Relaxed),
        stat,
    })
}

impl Drop for Leftover {
    fn drop(&mut self) {
        if matches!(stat(self.segment), Ok(None)) {
            remove_set(self.set, &self.stat, self.segment);
        }
    }
}

/// Removes the semaphore set of a segment. One that can't be removed is left: it holds nothing but
/// zeros.
fn remove_set(word: u32, stat: &Stat, segment: shm::Id) {
    if let Some(set) = slots::to_remove(word, stat, segment) {
        let _ = sem::remove(set);
    }
}

/// Removes the semaphore set that a segment names.
pub(super) fn remove_set_of(segment: &Segment, stat: &Stat) {
    let word = segment.control().set.load(Relaxed);
    remove_set(word, stat, segment.id());
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
    let word = mapped.control().set.load(Relaxed);
    remove_set(word, &mapped.stat, mapped.mapping.id());
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

/// Sets the tombstone of a ready segment.
pub(super) fn set_tombstone(segment: &Segment) {
    // Relaxed: nothing is told but the word itself. An upgrade that would overwrite it exchanges.
    let state = segment.state().removed();
    segment.control().state.store(state.0, Relaxed);
}

/// Whether the tombstone stands, or another program has removed the segment, or the key leads
/// elsewhere now.
pub(crate) fn is_removed(segment: &Segment) -> Result<bool, Fault> {
    if segment.state().is_removed() {
        return Ok(true);
    }
    let stat = info(segment)?;
    if stat.dest || segment.key() == Key::PRIVATE {
        return Ok(stat.dest && !segment.doomed);
    }
    match look_up(segment.key()) {
        Ok(id) => Ok(id != segment.id()),
        Err(error) if error.kind() == Kind::NotFound => Ok(true),
        Err(error) => Err(error.into()),
    }
}

/// Whether another program has removed the segment (`ipcrm -m`): its key is free, and the next
/// process to open that makes a second truth. Where this process may not look it can't be told.
pub(super) fn is_orphan(segment: &Segment) -> Result<bool, Fault> {
    match stat(segment.id()) {
        // Without an id, or with an id that leads to another's, it is the process that has left: the
        // segment is attached.
        Ok(stat) => Ok(stat.is_some_and(|stat| stat.dest && !segment.doomed)
            && segment.leads_here() != Some(false)),
        Err(Fault::System(error)) if error.kind() == Kind::Denied => Ok(false),
        Err(fault) => Err(fault),
    }
}

/// The kernel's facts of an attached segment, if this thread is where its id leads to it.
pub(crate) fn info(segment: &Segment) -> Result<Stat, Fault> {
    match stat(segment.id())? {
        Some(stat) if segment.leads_here() != Some(false) => Ok(stat),
        _ => Err(Fault::Left),
    }
}

/// The kernel's facts; `None` if the id leads nowhere any more.
pub(super) fn stat(id: shm::Id) -> Result<Option<Stat>, Fault> {
    match shm::stat(id) {
        Ok(stat) => Ok(Some(stat)),
        Err(error) if error.kind() == Kind::Removed => Ok(None),
        // To a process that has given up its rights since it attached, the kernel still tells what
        // it tells everybody who asks by the place in its table.
        Err(error) if error.kind() == Kind::Denied => stat_unasked(id).ok_or_else(|| error.into()),
        Err(error) => Err(error.into()),
    }
}

/// The facts of an id, found at its place in the kernel's table: its low 15 bits, or 24 with
/// `ipcmni_extend`. Needs no right.
fn stat_unasked(id: shm::Id) -> Option<Option<Stat>> {
    [15, 24].into_iter().find_map(|bits| {
        let index = id.as_raw().cast_unsigned() & ((1 << bits) - 1);
        let (found, stat) = shm::stat_index_any(index).ok()?;
        (found == id).then_some(Some(stat))
    })
}
