//! A newborn that is not ready yet, in the hands of the process that made it.

use std::time::Instant;

use super::attach::{Mapped, map};
use super::control::{MAGIC, State};
use super::primitive::Ordering::{Relaxed, Release};
use super::removal;
use crate::sysv::shm;

/// Dropping it gives the newborn up (no semaphores were left, the caller's closure panicked):
/// nobody shall wait for the rest, and a private one could not even be found to be removed.
pub(super) struct Cradle {
    id: shm::Id,
}

impl Cradle {
    /// For a segment that this call has just made, with the size of a geometry.
    pub(super) fn new(id: shm::Id) -> Cradle {
        Cradle { id }
    }

    /// The newborn is ready.
    pub(super) fn leave(self) {
        std::mem::forget(self);
    }
}

impl Drop for Cradle {
    fn drop(&mut self) {
        let stat = removal::stat(self.id).ok().flatten();
        let (Some(stat), Ok(Some(mapping))) = (stat, map(self.id, true)) else {
            // A mode that shuts its own creator out, or no room to map it: it goes unless somebody
            // else is at work on it.
            if stat.is_none_or(|stat| stat.attached == 0) {
                let _ = shm::remove(self.id);
            }
            return;
        };
        // SAFETY: `stat` is of this id, which the kernel made with the size of a geometry.
        let mapped = unsafe { Mapped::new(mapping, stat) };
        let control = mapped.control();
        if control.lock.load(Relaxed) != 0 {
            // Somebody's `open_or_create` is about to make it ready.
            return;
        }
        control.magic.store(MAGIC, Relaxed);
        // By exchange: it is made ready the same way, so whoever does that at this moment is either
        // first or fails. Release: whoever sees the tombstone sees the magic number before it.
        let (newborn, removed) = (State::NEWBORN, State::NEWBORN.removed());
        let exchanged = control
            .state
            .compare_exchange(newborn.0, removed.0, Release, Relaxed);
        if exchanged.is_ok() {
            let _ = removal::finish(&mapped, Instant::now());
        }
    }
}
