//! The guard of a newborn that is not ready yet, held by the process that made it.

use std::time::Instant;

use super::find::{EXECUTE, Mapped, NEWBORN};
use super::removal;
use crate::protocol::memory::atomics::Ordering::Relaxed;
use crate::protocol::memory::control::State;
use crate::protocol::segment::kernel::{self, map};
use crate::sysv::Key;
use crate::sysv::shm::{self, Stat};

/// Dropping it gives the newborn up (no semaphores were left, the caller's closure panicked): no
/// process shall wait for the rest, and a private one could not even be found to be removed.
pub(super) struct Guard {
    id: shm::Id,
    key: Key,
    size: usize,
}

impl Guard {
    /// For a segment that this call has just made, with the size of a geometry.
    pub(super) fn new(id: shm::Id, key: Key, size: usize) -> Guard {
        Guard { id, key, size }
    }

    /// Whether `stat`, of what has the id now, is of that newborn: it may have been removed, and
    /// the id given to another segment.
    pub(super) fn is_of(&self, stat: &Stat) -> bool {
        let newborn = stat.mode.bits() & EXECUTE == NEWBORN && !stat.dest;
        let made_here = stat.cpid.unsigned_abs() == std::process::id();
        newborn && made_here && (stat.key, stat.size) == (self.key, self.size)
    }

    /// The newborn is ready.
    pub(super) fn disarm(self) {
        std::mem::forget(self);
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let mapping = map(self.id, true);
        let stat = match kernel::stat(self.id) {
            Ok(Some(stat)) if self.is_of(&stat) => Some(stat),
            Ok(_) => return,
            Err(_) => None,
        };
        let (Some(stat), Ok(Some(mapping))) = (stat, mapping) else {
            // A mode that shuts its own creator out, or no room to map it: it goes unless another
            // process is at work on it.
            if stat.is_none_or(|stat| stat.attached == 0) {
                let _ = shm::remove(self.id);
            }
            return;
        };
        // SAFETY: **described**: `stat` was asked for once the segment was mapped, and has the size of a
        // geometry.
        let mapped = unsafe { Mapped::new(mapping, stat) };
        if mapped.control().lock.load(Relaxed) != 0 {
            // Another process's `open_or_create` is about to make it ready.
            return;
        }
        if removal::try_set_tombstone(&mapped, State::NEWBORN) {
            let _ = removal::end(&mapped, Instant::now());
        }
    }
}
