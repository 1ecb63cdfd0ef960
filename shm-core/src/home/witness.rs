//! The kernel's word on whether the claimant of a slot lives: a semaphore with undo, or a lock on a byte of the file.

use super::file::{self, Locks};
use crate::sysv::sem::{self, Op};
use crate::sysv::{self, Kind};

/// What holds the slots of a home.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Witness<'a> {
    Set(sem::Id),
    Locks(&'a Locks),
}

/// Why a slot could not be taken.
#[derive(Debug)]
pub(crate) enum Refused {
    /// The semaphore set is not there, or has no such semaphore.
    SetLost,
    /// The set is there, and the kernel refuses to undo.
    NoUndo,
    System(sysv::Error),
    File(file::Error),
}

impl Witness<'_> {
    /// How high the slot is held: 0 if it is not. `None` if it can't be read.
    pub(crate) fn value(self, slot: u32) -> Option<u16> {
        match self {
            Witness::Set(set) => sem::value(set, slot as u16).ok(),
            Witness::Locks(locks) => locks.is_held(slot).map(u16::from),
        }
    }

    /// The pid, as this process sees it, of the process that took or gave it last, where the kernel remembers that.
    pub(crate) fn last_user(self, slot: u32) -> Option<u32> {
        let Witness::Set(set) = self else { return None };
        let pid = sem::pid(set, slot as u16).ok()?;
        u32::try_from(pid).ok().filter(|pid| *pid != 0)
    }

    /// Takes the slot until this process ends or gives it; `false` if it is held.
    pub(crate) fn take(self, slot: u32) -> Result<bool, Refused> {
        match self {
            Witness::Set(set) => {
                let index = slot as u16;
                let add = Op::add(index, 1).undo().nowait();
                match sem::op(set, &[Op::wait_zero(index).nowait(), add]) {
                    Ok(()) => Ok(true),
                    Err(error) if error.kind() == Kind::WouldBlock => Ok(false),
                    Err(error) => Err(refused(set, error)),
                }
            }
            Witness::Locks(locks) => locks.take(slot).map_err(Refused::File),
        }
    }

    /// Gives back what this process has taken.
    pub(crate) fn give(self, slot: u32) {
        match self {
            Witness::Set(set) => {
                let subtract = Op::add(slot as u16, -1).undo().nowait();
                drop(sem::op(set, &[subtract]));
            }
            Witness::Locks(locks) => locks.give(slot),
        }
    }
}

/// What a claim's `semop` was refused for.
fn refused(set: sem::Id, error: sysv::Error) -> Refused {
    match error.kind() {
        Kind::Denied | Kind::NoMemory | Kind::NoSpace(_) => Refused::System(error),
        // The set is there and has this semaphore, so it is the undo that is refused.
        _ if sem::stat(set).is_ok() => Refused::NoUndo,
        Kind::Removed | Kind::Invalid | Kind::NotFound => Refused::SetLost,
        _ => Refused::System(error),
    }
}
