//! Semaphore sets as a whole: limits, what is in use, and a walk over the kernel's table.

use super::{Id, Stat};
use crate::sysv::diagnose::{self, SET};
use crate::sysv::error::Error;
use crate::sysv::{syscalls, table};

/// The limits of this IPC namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Sets, at most.
    pub semmni: u64,
    /// Semaphores in all sets together, at most.
    pub semmns: u64,
    /// Semaphores in one set, at most.
    pub semmsl: u64,
    /// Operations in one [`op`](super::op()), at most.
    pub semopm: u64,
    /// Highest value of a semaphore.
    pub semvmx: u64,
    /// Highest value that undo can take back.
    pub semaem: u64,
    /// Entries in the semaphore map; not used by the kernel.
    pub semmap: u64,
    /// Undo structures in the system; not used by the kernel.
    pub semmnu: u64,
    /// Undo entries of a process; not used by the kernel.
    pub semume: u64,
    /// Size of an undo structure, in bytes; not used by the kernel.
    pub semusz: u64,
}

/// The limits in force (`IPC_INFO`). One system call; no permission needed.
///
/// # Errors
///
/// Only where the kernel has no System V IPC ([`Unsupported`](crate::sysv::Kind::Unsupported)).
pub fn limits() -> Result<Limits, Error> {
    let (_, info) = syscalls::sem_info(libc::IPC_INFO)
        .map_err(|errno| diagnose::system(errno, "semctl", "IPC_INFO"))?;
    let wide = |figure: i32| u64::from(figure.unsigned_abs());
    Ok(Limits {
        semmni: wide(info.semmni),
        semmns: wide(info.semmns),
        semmsl: wide(info.semmsl),
        semopm: wide(info.semopm),
        semvmx: wide(info.semvmx),
        semaem: wide(info.semaem),
        semmap: wide(info.semmap),
        semmnu: wide(info.semmnu),
        semume: wide(info.semume),
        semusz: wide(info.semusz),
    })
}

/// What all sets of this IPC namespace use together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// Sets that exist, which counts against [`Limits::semmni`].
    pub sets: u64,
    /// Semaphores in all of them, which counts against [`Limits::semmns`].
    pub semaphores: u64,
    /// The highest index for [`stat_index`] that is in use; 0 also if none is.
    pub highest_index: u32,
}

/// What is in use (`SEM_INFO`). One system call; no permission needed.
///
/// # Errors
///
/// Only where the kernel has no System V IPC ([`Unsupported`](crate::sysv::Kind::Unsupported)).
pub fn usage() -> Result<Usage, Error> {
    let (highest, info) = syscalls::sem_info(libc::SEM_INFO)
        .map_err(|errno| diagnose::system(errno, "semctl", "SEM_INFO"))?;
    Ok(Usage {
        sets: info.semusz.unsigned_abs().into(),
        semaphores: info.semaem.unsigned_abs().into(),
        highest_index: highest.unsigned_abs(),
    })
}

/// Id and facts of the set at this index of the kernel's table (`SEM_STAT`); needs read permission
/// on it.
///
/// # Errors
///
/// [`NotFound`](crate::sysv::Kind::NotFound) where the table has a hole;
/// [`Denied`](crate::sysv::Kind::Denied).
pub fn stat_index(index: u32) -> Result<(Id, Stat), Error> {
    at_index(index, libc::SEM_STAT, "SEM_STAT")
}

/// Id and facts of the set at this index of the kernel's table (`SEM_STAT_ANY`, since Linux 4.17);
/// needs no permission.
///
/// # Errors
///
/// [`NotFound`](crate::sysv::Kind::NotFound) where the table has a hole;
/// [`Unsupported`](crate::sysv::Kind::Unsupported) where it has none, on older kernels.
pub fn stat_index_any(index: u32) -> Result<(Id, Stat), Error> {
    at_index(index, libc::SEM_STAT_ANY, "SEM_STAT_ANY")
}

fn at_index(index: u32, command: i32, name: &'static str) -> Result<(Id, Stat), Error> {
    syscalls::semctl_stat(index as i32, command)
        .map(|(id, ds)| (Id(id), Stat::new(&ds)))
        .map_err(|errno| SET.index(errno, name, index))
}

/// All semaphore sets of this IPC namespace, also those this process may not read.
///
/// One system call to begin, and one for each place of the kernel's table. Sets that come or go
/// meanwhile may be seen or not.
///
/// # Errors
///
/// [`Unsupported`](crate::sysv::Kind::Unsupported) where the kernel has no System V IPC. On kernels
/// before 4.17, an item is an error for each set that this process may not
/// read.
pub fn sets() -> Result<impl Iterator<Item = Result<(Id, Stat), Error>>, Error> {
    let highest = usage()?.highest_index;
    Ok(table(highest, stat_index, stat_index_any))
}
