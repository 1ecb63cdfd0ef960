//! What the kernel knows of a segment, and of the semaphore set beside it: asked by key or id, before
//! anything in the segment is looked at.

use std::time::Duration;

use super::owner::Owner;
use crate::protocol::fault::Fault;
use crate::protocol::lock::set;
use crate::sysv::shm::{self, Attachment, GetFlags, Stat};
use crate::sysv::{self, Key, Kind, Mode, sem};

/// How to attach.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Access {
    pub(crate) owner: Owner,
    pub(crate) limit: Duration,
    pub(crate) writable: bool,
    /// Whom besides the owner a file's mode may let write it: bits of the mode.
    pub(crate) may_write: u32,
}

/// The rights of the group, in a mode.
const GROUP: u32 = 0o070;

/// The mode to create a segment with that is to belong to `group` a moment later: the creator's own group gets no right to what
/// another group is to have.
pub(crate) fn mode_at_first(mode: Mode, group: Option<u32>) -> Mode {
    Mode::new(group.map_or(mode.bits(), |_| mode.bits() & !GROUP))
}

/// The segment that a key leads to. It asks for no size (more than there is would be a bare EINVAL)
/// and for no right.
pub(crate) fn look_up(key: Key) -> Result<shm::Id, sysv::Error> {
    shm::get(key, 0, GetFlags::NONE, Mode::new(0))
}

/// Attaches the segment and asks what it is; `None` if it has gone.
///
/// In this order: only an attachment pins what an id means. Before it the id may be removed and
/// given to a smaller segment, or to another user's.
pub(crate) fn attach(id: shm::Id, access: Access) -> Result<Option<(Attachment, Stat)>, Fault> {
    let mapping = match map(id, access.writable) {
        Ok(Some(mapping)) => mapping,
        Ok(None) => return Ok(None),
        Err(fault) => {
            // Whose it is says more than what may not be done with it.
            if let Ok(Some(stat)) = stat(id) {
                access.owner.check(stat.owners())?;
            }
            return Err(fault);
        }
    };
    let Some(stat) = stat(id)? else {
        return Ok(None);
    };
    access.owner.check(stat.owners())?;
    mapping.back(stat.size)?;
    Ok(Some((mapping, stat)))
}

/// Maps the segment; `None` if it has gone.
pub(in crate::protocol) fn map(id: shm::Id, writable: bool) -> Result<Option<Attachment>, Fault> {
    let access = if writable {
        shm::Access::ReadWrite
    } else {
        shm::Access::ReadOnly
    };
    match shm::AttachOptions::new(access).attach_unmeasured(id) {
        Ok(mapping) => Ok(Some(mapping)),
        Err(error) if error.kind() == Kind::Removed => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The kernel's facts; `None` if the id leads nowhere any more.
pub(crate) fn stat(id: shm::Id) -> Result<Option<Stat>, Fault> {
    match shm::stat(id) {
        Ok(stat) => Ok(Some(stat)),
        Err(error) if error.kind() == Kind::Removed => Ok(None),
        // To a process that has given up its rights since it attached, the kernel still tells what
        // it tells every process that asks by the place in its table.
        Err(error) if error.kind() == Kind::Denied => stat_unasked(id).ok_or_else(|| error.into()),
        Err(error) => Err(error.into()),
    }
}

/// The facts of an id, found at its place in the kernel's table: its low 15 bits, or 24 with
/// `ipcmni_extend`. Needs no right.
fn stat_unasked(id: shm::Id) -> Option<Option<Stat>> {
    [15, 24].into_iter().find_map(|bits| {
        let index = id.as_raw() as u32 & ((1 << bits) - 1);
        let (found, stat) = shm::stat_index_any(index).ok()?;
        (found == id).then_some(Some(stat))
    })
}

/// What is left of a segment that was to go with its last process, if that was this one. Dropped
/// behind the mapping: only a process that has detached can tell whether it was the last to do so.
#[derive(Debug)]
pub(in crate::protocol) struct Leftover {
    pub(in crate::protocol) segment: shm::Id,
    pub(in crate::protocol) set: u32,
    pub(in crate::protocol) stat: Stat,
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
pub(in crate::protocol) fn remove_set(word: u32, stat: &Stat, segment: shm::Id) {
    if let Some(set) = set::to_remove(word, stat, segment) {
        let _ = sem::remove(set);
    }
}
