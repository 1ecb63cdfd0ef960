//! Making room for a new segment where one stands that the program can't use and no other process is
//! attached to.
//!
//! | step | if the process dies after it |
//! |---|---|
//! | the segment is attached, judged unfit, and found to have no other attachment | nothing has changed |
//! | its lock is taken, if it has one that can be; attachments are counted again | an ordinary takeover |
//! | the state says removed | the next creator under the key ends the removal |
//! | its semaphore set is removed, then the segment | the key is free |
//! | a new one is born | see `birth.rs` |
//!
//! The attachment stays until the segment is removed. So of two that would replace it at once, at
//! most one counts a single attachment; one that counts more detaches and looks again a little
//! later. A process that attaches after the second count commits nothing: that takes the lock, under which
//! the tombstone is found.
//!
//! A segment without a control block has neither lock nor tombstone: a process that attaches it
//! between count and removal keeps a segment that no other finds any more.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::{Duration, Instant};

use super::find::{Found, Mapped, find};
use super::removal;
use crate::protocol::fault::Fault;
use crate::protocol::memory::atomics::Ordering::Relaxed;
use crate::protocol::memory::control::{State, may_end_in_control};
use crate::protocol::memory::stop::stop;
use crate::protocol::segment::kernel::{self, Access, look_up, map};
use crate::protocol::segment::owner::may_remove;
use crate::protocol::segment::segment::Segment;
use crate::sysv::shm::{self, Stat};
use crate::sysv::{Key, Kind};

/// What came of an attempt to make room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Room {
    /// The segment is gone, or not what it was: look again.
    Made,
    /// It is attached so many times besides.
    InUse(u64),
    /// This process may not remove it.
    Denied,
}

/// Removes an attached segment whose schema does not fit.
pub(crate) fn make_room(segment: &Segment) -> Result<Room, Fault> {
    let Some(id) = segment.home().id() else {
        return Ok(Room::Denied);
    };
    if let Err(room) = unused(id)? {
        return Ok(room);
    }
    let locked = match segment.lock() {
        Ok(locked) => Some(locked),
        Err(Fault::Removed) => return Ok(Room::Made),
        // No process can take it: so none commits either.
        Err(Fault::Damaged(_) | Fault::SetLost | Fault::Unjudged | Fault::NoUndo) => None,
        Err(fault) => return Err(fault),
    };
    stop!("replace: locked");
    if let Err(room) = unused(id)? {
        return Ok(room);
    }
    let removed = removal::remove(segment);
    drop(locked);
    match removed {
        Ok(()) | Err(Fault::Removed) => Ok(Room::Made),
        Err(fault) => Err(fault),
    }
}

/// Removes the segment that `key` leads to if it still is one that no `Segment` can be made of.
/// `wanted` is the size of a newborn whose birth the caller would end.
pub(crate) fn make_room_at(key: Key, access: Access, wanted: Option<usize>) -> Result<Room, Fault> {
    let id = match look_up(key) {
        Ok(id) => id,
        Err(error) if error.kind() == Kind::NotFound => return Ok(Room::Made),
        Err(error) => return Err(error.into()),
    };
    // From here on the id means this segment, which is judged again for that reason.
    let Some(mapping) = map(id, true)? else {
        return Ok(Room::Made);
    };
    match find(id, access) {
        Ok(Found::Foreign(_)) | Err(Fault::Foreign { .. } | Fault::Damaged(_)) => {}
        Ok(Found::Newborn(newborn)) if Some(newborn.stat.size) != wanted => {}
        Ok(_) => return Ok(Room::Made),
        Err(fault) => return Err(fault),
    }
    let stat = match unused(id)? {
        Ok(stat) => stat,
        Err(room) => return Ok(room),
    };
    if may_end_in_control(stat.size) {
        // SAFETY: **described**: `stat` was asked for once the segment was mapped; its size was checked
        // just now.
        let mapped = unsafe { Mapped::new(mapping, stat) };
        let state = State(mapped.control().state.load(Relaxed));
        if mapped.is_ours() {
            // Else it is another state by now.
            if removal::try_set_tombstone(&mapped, state) {
                stop!("replace: tombstone set");
                removal::end(&mapped, Instant::now())?;
            }
            return Ok(Room::Made);
        }
    }
    let removed = shm::remove(id);
    stop!("replace: another program's removed");
    match removed {
        Err(error) if error.kind() != Kind::Removed => Err(error.into()),
        _ => Ok(Room::Made),
    }
}

/// How long to wait before the next attempt: another process that makes one shall not be met each
/// time.
pub(crate) fn random_nap() -> Duration {
    Duration::from_micros(300 + RandomState::new().build_hasher().finish() % 2000)
}

/// The facts of a segment that this process may remove, and that its one attachment is the
/// caller's; `Err`: what else it is.
fn unused(id: shm::Id) -> Result<Result<Stat, Room>, Fault> {
    let Some(stat) = kernel::stat(id)?.filter(|stat| !stat.dest) else {
        return Ok(Err(Room::Made));
    };
    Ok(if !may_remove(&stat) {
        Err(Room::Denied)
    } else if stat.attached > 1 {
        Err(Room::InUse(stat.attached - 1))
    } else {
        Ok(stat)
    })
}
