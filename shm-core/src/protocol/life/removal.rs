//! The end of a segment: under a tombstone of our own, or by another program's `ipcrm`.
//!
//! | step of a removal | if the process dies after it |
//! |---|---|
//! | the state says removed | every call of those attached says so; the next creator under the key does the rest |
//! | the slots' semaphore set is removed | the same |
//! | the segment is removed (`IPC_RMID`) | nothing is left to do: the kernel frees it with the last attachment |
//!
//! | step of a file's removal | if the process dies after it |
//! |---|---|
//! | it is unlinked | those attached find it without a name when they next look: see [`Segment::is_orphan`] |
//! | the state says removed | every call of theirs says so |

use std::path::Path;
use std::time::{Duration, Instant};

use super::find::{Mapped, control};
use crate::home::file::{self, Description};
use crate::home::{FileHome, Home};
use crate::protocol::fault::Fault;
use crate::protocol::memory::atomics::Ordering::{Acquire, Relaxed, Release};
use crate::protocol::memory::control::{MAGIC, State, may_end_in_control};
use crate::protocol::memory::stop::stop;
use crate::protocol::segment::kernel::{look_up, map, remove_set, stat};
use crate::protocol::segment::owner::may_remove;
use crate::protocol::segment::segment::{self, Segment};
use crate::sysv::shm::{self, Stat};
use crate::sysv::{Key, Kind};

/// Removes the segment: every later call of those attached says so, and the key is free.
pub(crate) fn remove(segment: &Segment) -> Result<(), Fault> {
    let id = match segment.home() {
        Home::Segment(mapping) => mapping.id(),
        Home::File(file) => return remove_in_file(segment, file),
    };
    let stat = info(segment)?;
    if segment.state().is_removed() || stat.dest && !segment.doomed {
        return Err(Fault::Removed);
    }
    if !may_remove(&stat) {
        // The kernel refuses, and says why. No tombstone for a segment that stays.
        return Ok(shm::remove(id)?);
    }
    segment.set_tombstone();
    stop!("remove: tombstone set");
    // The set first: as long as the segment is found, another process can end what a death here
    // leaves undone.
    segment.remove_set(&stat);
    stop!("remove: semaphores removed");
    let removed = shm::remove(id);
    stop!("remove: segment removed");
    segment::wake_all(segment.control());
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
        // The kernel refuses, and says why.
        return Ok(shm::remove(id)?);
    }
    let mapping = map(id, true)?.ok_or_else(gone)?;
    // Once more: what is attached keeps its id, its size and its place.
    let facts = stat(id)?.filter(|stat| !stat.dest).ok_or_else(gone)?;
    let foreign = Fault::Foreign { size: facts.size };
    if !may_remove(&facts) || !may_end_in_control(facts.size) {
        return Err(foreign);
    }
    mapping.back(facts.size)?;
    // SAFETY: **described**: the facts were asked for once the segment was mapped; the size was checked
    // above.
    let mapped = unsafe { Mapped::new(mapping, facts) };
    if !mapped.is_ours() {
        return Err(foreign);
    }
    let control = mapped.control();
    // Of a newborn it may be missing, and the tombstone means nothing without it. Release: a process
    // that sees the tombstone sees the magic number before it.
    control.magic.store(MAGIC, Relaxed);
    let state = State(control.state.load(Relaxed)).removed();
    control.state.store(state.0, Release);
    stop!("remove: tombstone set");
    end(&mapped, Instant::now())?;
    segment::wake_all(control);
    Ok(())
}

/// Removes the file that a segment lives in.
fn remove_in_file(segment: &Segment, file: &FileHome) -> Result<(), Fault> {
    if segment.state().is_removed() || segment.is_orphan()? {
        return Err(Fault::Removed);
    }
    file.unlink(segment.limit())?;
    stop!("remove: file unlinked");
    segment.set_tombstone();
    segment::wake_all(segment.control());
    Ok(())
}

/// Removes the file of a path, whatever it holds and in whatever state, if this library made it. Another removal of it is waited for,
/// up to the limit.
pub(crate) fn remove_file(path: &Path, limit: Duration) -> Result<(), Fault> {
    let home = file_of_ours(path)?;
    home.unlink(limit)?;
    stop!("remove: file unlinked");
    let block = control(&home);
    let state = State(block.state.load(Relaxed)).removed();
    block.state.store(state.0, Relaxed);
    segment::wake_all(block);
    Ok(())
}

/// Takes the name of a file with a tombstone away, if the path leads to such a one still: by now it may lead to a newborn one.
/// Whether it leads to none.
pub(super) fn bury_file(path: &Path, limit: Duration) -> Result<bool, Fault> {
    match file_of_ours(path) {
        Ok(home) if State(control(&home).state.load(Acquire)).is_removed() => {
            home.unlink(limit)?;
            Ok(true)
        }
        Ok(_) => Ok(false),
        Err(Fault::File(error)) if error.kind() == file::Kind::NotFound => Ok(true),
        Err(fault) => Err(fault),
    }
}

fn file_of_ours(path: &Path) -> Result<FileHome, Fault> {
    let home = FileHome::map(Description::open(path, true)?, true)?;
    let size = home.len();
    if may_end_in_control(size) && control(&home).magic.load(Relaxed) == MAGIC {
        return Ok(home);
    }
    Err(Fault::Foreign { size })
}

/// Sets the tombstone of a segment that has, or is about to have, a control block, if it is still in
/// this state.
pub(super) fn try_set_tombstone(mapped: &Mapped, seen: State) -> bool {
    let control = mapped.control();
    control.magic.store(MAGIC, Relaxed);
    // By exchange: it is made ready the same way, so a creator that does so at this moment is either
    // first or fails. Release: a process that sees the tombstone sees the magic number before it.
    let removed = seen.removed().0;
    let state = &control.state;
    state
        .compare_exchange(seen.0, removed, Release, Relaxed)
        .is_ok()
}

/// Ends a removal that its process did not live to end.
///
/// If only the owner may do that, and has not when the time is over, the kernel's refusal.
pub(super) fn end(mapped: &Mapped, limit: Instant) -> Result<(), Fault> {
    let word = mapped.control().set.load(Relaxed);
    remove_set(word, &mapped.stat, mapped.mapping.id());
    stop!("remove: ended for another, semaphores removed");
    let removed = shm::remove(mapped.mapping.id());
    stop!("remove: ended for another");
    match removed {
        // Its owner may be at it.
        Err(error) if error.kind() == Kind::NotPermitted && Instant::now() >= limit => {
            Err(error.into())
        }
        _ => Ok(()),
    }
}

/// Whether the tombstone stands, or another program has removed the segment, or the key leads
/// elsewhere now.
pub(crate) fn is_removed(segment: &Segment) -> Result<bool, Fault> {
    if segment.state().is_removed() || segment.is_outdated() {
        return Ok(true);
    }
    let id = match segment.home() {
        Home::Segment(mapping) => mapping.id(),
        Home::File(_) => return segment.is_orphan(),
    };
    let stat = info(segment)?;
    if stat.dest || segment.key() == Key::PRIVATE {
        return Ok(stat.dest && !segment.doomed);
    }
    match look_up(segment.key()) {
        Ok(found) => Ok(found != id),
        Err(error) if error.kind() == Kind::NotFound => Ok(true),
        Err(error) => Err(error.into()),
    }
}

/// The kernel's facts of an attached segment, if this thread is where its id leads to it. A file has none of these.
pub(crate) fn info(segment: &Segment) -> Result<Stat, Fault> {
    let id = segment.home().id().ok_or(Fault::NoSegment)?;
    match stat(id)? {
        Some(stat) if segment.leads_here() != Some(false) => Ok(stat),
        _ => Err(Fault::Left),
    }
}
