//! Semaphore sets: several small counters under one id, changed together or not at all, and undone
//! by the kernel when a process dies.
//!
//! ```
//! use shm_core::sysv::{Key, Kind, Mode, sem::{self, Op}};
//!
//! let id = sem::get(Key::PRIVATE, 1, sem::GetFlags::CREATE, Mode::new(0o600))?;
//!
//! // Take a slot if it is free; if this process dies, the kernel gives it back.
//! let take = [Op::wait_zero(0).nowait(), Op::add(0, 1).undo().nowait()];
//! sem::op(id, &take)?;
//! assert_eq!(sem::value(id, 0)?, 1);
//! assert_eq!(sem::op(id, &take).unwrap_err().kind(), Kind::WouldBlock);
//!
//! sem::remove(id)?;
//! # Ok::<(), shm_core::sysv::Error>(())
//! ```

use std::time::SystemTime;

use super::diagnose::{self, SET};
use super::error::Error;
use super::key::Key;
use super::mode::Mode;
use super::syscalls;
use super::time_of;

mod op;
mod seminfo;
mod value;

pub use op::{Op, op, op_timeout};
pub use seminfo::{Limits, Usage, limits, sets, stat_index, stat_index_any, usage};
pub use value::{pid, set_value, set_values, value, values, waiting_increase, waiting_zero};

/// The kernel's number for one semaphore set, valid until the set is removed.
///
/// Nothing is owned: an id is a name, which may go stale, and is then answered with
/// [`Kind::Removed`](super::Kind).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Id(i32);

id_and_flags!();

/// How [`get`] goes about it; put together with `|`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub struct GetFlags(i32);

impl GetFlags {
    /// Find an existing set.
    pub const NONE: Self = Self(0);
    /// `IPC_CREAT`: create the set if the key has none.
    pub const CREATE: Self = Self(libc::IPC_CREAT);
    /// `IPC_EXCL`: with [`CREATE`](Self::CREATE), fail if the key has a set.
    pub const EXCLUSIVE: Self = Self(libc::IPC_EXCL);
}

/// Finds the semaphore set of `key`, or creates one (`semget`).
///
/// A new set has `count` semaphores, all 0 (so Linux has it; POSIX leaves it open). An existing one
/// must have at least `count`; ask with 0 to take it as it is. For an existing one, `mode` is what
/// the caller asks for. One system call.
///
/// # Errors
///
/// [`NotFound`](super::Kind::NotFound), [`Exists`](super::Kind::Exists),
/// [`Denied`](super::Kind::Denied), [`NoMemory`](super::Kind::NoMemory);
/// [`Invalid`](super::Kind::Invalid) if the existing set has fewer semaphores (the error tells both
/// counts), if a new one should have none, for the key 0, or for a mode with other bits than `0o777`;
/// [`NoSpace`](super::Kind::NoSpace) with [`Semmsl`](super::Limit::Semmsl),
/// [`Semmns`](super::Limit::Semmns) or [`Semmni`](super::Limit::Semmni).
pub fn get(key: Key, count: u16, flags: GetFlags, mode: Mode) -> Result<Id, Error> {
    diagnose::check_key_and_mode("semget", key, mode)?;
    let bits = flags.0 | mode.bits() as i32;
    syscalls::semget(key.raw(), count.into(), bits)
        .map(Id)
        .map_err(|errno| diagnose::semget(errno, key, count, mode))
}

/// What the kernel knows of a semaphore set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stat {
    /// Its key; [`Key::PRIVATE`] if it has none.
    pub key: Key,
    /// User who owns it.
    pub uid: u32,
    /// Group that owns it.
    pub gid: u32,
    /// User who created it.
    pub cuid: u32,
    /// Group of its creator.
    pub cgid: u32,
    /// Permissions; write means alter.
    pub mode: Mode,
    /// How often its place in the kernel's table was used before, which is a part of the id.
    pub seq: u32,
    /// How many semaphores it has.
    pub count: usize,
    /// Last successful [`op()`], in whole seconds; `None` before the first.
    pub otime: Option<SystemTime>,
    /// Creation or last change by [`set`], [`set_value`] or [`set_values`], in whole seconds.
    pub ctime: Option<SystemTime>,
}

impl Stat {
    #[allow(
        clippy::unnecessary_cast,
        reason = "the fields differ in width from libc to libc"
    )]
    pub(super) fn new(ds: &syscalls::SemidDs) -> Self {
        let perm = &ds.sem_perm;
        Self {
            key: Key::from_kernel(syscalls::key_of(perm)),
            uid: perm.uid,
            gid: perm.gid,
            cuid: perm.cuid,
            cgid: perm.cgid,
            mode: Mode::new(perm.mode as u32 & 0o777),
            seq: perm.__seq as u32,
            count: ds.sem_nsems as usize,
            otime: time_of(ds.sem_otime as i64),
            ctime: time_of(ds.sem_ctime as i64),
        }
    }
}

/// What the kernel knows of this set (`IPC_STAT`). One system call; needs read permission.
///
/// # Errors
///
/// [`Removed`](super::Kind::Removed), [`Denied`](super::Kind::Denied).
pub fn stat(id: Id) -> Result<Stat, Error> {
    syscalls::semctl_stat(id.0, libc::IPC_STAT)
        .map(|(_, ds)| Stat::new(&ds))
        .map_err(|errno| SET.control(errno, "IPC_STAT", id.0))
}

/// Gives the set another owner and other permissions (`IPC_SET`). One system call; for owner,
/// creator and the privileged.
///
/// # Errors
///
/// [`NotPermitted`](super::Kind::NotPermitted), [`Removed`](super::Kind::Removed),
/// [`Invalid`](super::Kind::Invalid) for a mode with other bits than `0o777`, or for `u32::MAX` as
/// a user or group.
pub fn set(id: Id, uid: u32, gid: u32, mode: Mode) -> Result<(), Error> {
    SET.check_set(id.0, uid, gid, mode)?;
    syscalls::semctl_set(id.0, uid, gid, mode.bits())
        .map_err(|errno| SET.control(errno, "IPC_SET", id.0))
}

/// Removes the set at once; a process that waits on it is woken with
/// [`Removed`](super::Kind::Removed) (`IPC_RMID`).
///
/// One system call; for owner, creator and the privileged.
///
/// # Errors
///
/// [`NotPermitted`](super::Kind::NotPermitted), [`Removed`](super::Kind::Removed).
pub fn remove(id: Id) -> Result<(), Error> {
    syscalls::semctl_plain(id.0, 0, libc::IPC_RMID)
        .map(drop)
        .map_err(|errno| SET.control(errno, "IPC_RMID", id.0))
}
