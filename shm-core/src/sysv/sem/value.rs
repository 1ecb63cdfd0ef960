//! The values of a set, read and set directly, and who waits for them.

use super::{Id, Stat, limits};
use crate::sysv::diagnose::{self, SET};
use crate::sysv::error::Error;
use crate::sysv::syscalls;

/// The value of the semaphore `index` (`GETVAL`). One system call, no allocation; needs read
/// permission.
///
/// # Errors
///
/// [`Removed`](crate::sysv::Kind::Removed), [`Denied`](crate::sysv::Kind::Denied),
/// [`Invalid`](crate::sysv::Kind::Invalid) for a semaphore the set does not have.
pub fn value(id: Id, index: u16) -> Result<u16, Error> {
    plain(id, index, libc::GETVAL, "GETVAL").map(|value| value as u16)
}

/// The process that last changed the semaphore `index` (`GETPID`); 0 if none did, or if it is not
/// visible here.
///
/// # Errors
///
/// [`Removed`](crate::sysv::Kind::Removed), [`Denied`](crate::sysv::Kind::Denied),
/// [`Invalid`](crate::sysv::Kind::Invalid) for a semaphore the set does not have.
pub fn pid(id: Id, index: u16) -> Result<i32, Error> {
    plain(id, index, libc::GETPID, "GETPID")
}

/// How many threads wait for the semaphore `index` to increase (`GETNCNT`).
///
/// # Errors
///
/// [`Removed`](crate::sysv::Kind::Removed), [`Denied`](crate::sysv::Kind::Denied),
/// [`Invalid`](crate::sysv::Kind::Invalid) for a semaphore the set does not have.
pub fn waiting_increase(id: Id, index: u16) -> Result<u32, Error> {
    plain(id, index, libc::GETNCNT, "GETNCNT").map(i32::unsigned_abs)
}

/// How many threads wait for the semaphore `index` to become 0 (`GETZCNT`).
///
/// # Errors
///
/// [`Removed`](crate::sysv::Kind::Removed), [`Denied`](crate::sysv::Kind::Denied),
/// [`Invalid`](crate::sysv::Kind::Invalid) for a semaphore the set does not have.
pub fn waiting_zero(id: Id, index: u16) -> Result<u32, Error> {
    plain(id, index, libc::GETZCNT, "GETZCNT").map(i32::unsigned_abs)
}

fn plain(id: Id, index: u16, command: i32, name: &'static str) -> Result<i32, Error> {
    syscalls::semctl_plain(id.0, index, command)
        .map_err(|errno| diagnose::semaphore(errno, name, id.0, index))
}

/// Sets the semaphore `index` to `value`, at most 32767, and forgets every undo of it in all
/// processes (`SETVAL`).
///
/// One system call; needs write permission.
///
/// # Errors
///
/// [`Removed`](crate::sysv::Kind::Removed), [`Denied`](crate::sysv::Kind::Denied),
/// [`Invalid`](crate::sysv::Kind::Invalid) for a semaphore the set does not have,
/// [`OutOfRange`](crate::sysv::Kind::OutOfRange).
pub fn set_value(id: Id, index: u16, value: u16) -> Result<(), Error> {
    syscalls::semctl_setval(id.0, index, value)
        .map_err(|errno| diagnose::semaphore(errno, "SETVAL", id.0, index))
}

/// The values of all semaphores at one instant (`GETALL`).
///
/// Three system calls, and an allocation of two bytes for each semaphore that a set may have (64 KB
/// by default): see [`set_values`]. Needs read permission.
///
/// # Errors
///
/// [`Removed`](crate::sysv::Kind::Removed), [`Denied`](crate::sysv::Kind::Denied).
pub fn values(id: Id) -> Result<Vec<u16>, Error> {
    let (count, mut room) = room_for(id, "GETALL")?;
    // SAFETY: `room_for` says of what it returns: "as many values as the largest set has that can have
    // this id when the kernel looks".
    unsafe { syscalls::semctl_all(id.0, libc::GETALL, &mut room) }
        .map_err(|errno| SET.control(errno, "GETALL", id.0))?;
    room.truncate(count);
    Ok(room)
}

/// Sets all semaphores at once, each to at most 32767, and forgets every undo of them in all
/// processes (`SETALL`).
///
/// The kernel is not told how many values it is given: it takes as many as the set has. So this
/// asks for the number first, and hands over room for the largest set there can be, in case the id
/// names another set by then. Three system calls, and an allocation of two bytes for each semaphore
/// that a set may have. Needs read and write permission.
///
/// # Errors
///
/// [`Removed`](crate::sysv::Kind::Removed), [`Denied`](crate::sysv::Kind::Denied);
/// [`Invalid`](crate::sysv::Kind::Invalid) unless `values` has one value
/// for each semaphore; [`OutOfRange`](crate::sysv::Kind::OutOfRange).
pub fn set_values(id: Id, values: &[u16]) -> Result<(), Error> {
    let (count, mut room) = room_for(id, "SETALL")?;
    if values.len() != count {
        return Err(diagnose::wrong_count(id.0, count, values.len()));
    }
    room[..count].copy_from_slice(values);
    // SAFETY: `room_for` says of what it returns: "as many values as the largest set has that can have
    // this id when the kernel looks".
    unsafe { syscalls::semctl_all(id.0, libc::SETALL, &mut room) }
        .map_err(|errno| SET.control(errno, "SETALL", id.0))
}

/// The number of semaphores, and as many values as the largest set has that can have this id when the
/// kernel looks: the set itself, or one created since, which has at most `semmsl` semaphores. (Only
/// if `semmsl` is raised just then, while the same id comes round after tens of thousands of
/// removals, could it be larger.)
fn room_for(id: Id, command: &'static str) -> Result<(usize, Vec<u16>), Error> {
    let (_, ds) = syscalls::semctl_stat(id.0, libc::IPC_STAT)
        .map_err(|errno| SET.control(errno, command, id.0))?;
    let count = Stat::new(&ds).count;
    let largest = usize::try_from(limits()?.semmsl).unwrap_or(usize::MAX);
    Ok((count, vec![0; count.max(largest)]))
}
