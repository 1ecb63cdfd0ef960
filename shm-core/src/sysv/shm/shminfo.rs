//! Segments as a whole: limits, what is in use, and a walk over the kernel's table.

use super::{Id, Stat};
use crate::sysv::diagnose::{self, SEGMENT};
use crate::sysv::error::Error;
use crate::sysv::syscalls::{self, wide};
use crate::sysv::table;

/// The limits of this IPC namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes in one segment, at most.
    pub shmmax: u64,
    /// Bytes in one segment, at least; always 1.
    pub shmmin: u64,
    /// Segments, at most.
    pub shmmni: u64,
    /// Segments attached to one process; the kernel does not enforce it.
    pub shmseg: u64,
    /// Pages in all segments together, at most.
    pub shmall: u64,
}

/// The limits in force (`IPC_INFO`). One system call; no permission needed.
///
/// # Errors
///
/// Only where the kernel has no System V IPC ([`Unsupported`](crate::sysv::Kind::Unsupported)).
pub fn limits() -> Result<Limits, Error> {
    let (_, info) =
        syscalls::shm_limits().map_err(|errno| diagnose::system(errno, "shmctl", "IPC_INFO"))?;
    Ok(Limits {
        shmmax: wide(info.shmmax),
        shmmin: wide(info.shmmin),
        shmmni: wide(info.shmmni),
        shmseg: wide(info.shmseg),
        shmall: wide(info.shmall),
    })
}

/// What all segments of this IPC namespace use together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// Segments that exist.
    pub segments: u64,
    /// Pages in all of them, which counts against [`Limits::shmall`].
    pub pages: u64,
    /// Pages in memory.
    pub resident: u64,
    /// Pages in swap.
    pub swapped: u64,
    /// The highest index for [`stat_index`] that is in use; 0 also if none is.
    pub highest_index: u32,
}

/// What is in use (`SHM_INFO`). One system call; no permission needed.
///
/// # Errors
///
/// Only where the kernel has no System V IPC ([`Unsupported`](crate::sysv::Kind::Unsupported)).
pub fn usage() -> Result<Usage, Error> {
    let (highest, usage) =
        syscalls::shm_usage().map_err(|errno| diagnose::system(errno, "shmctl", "SHM_INFO"))?;
    Ok(Usage {
        segments: usage.used_ids.unsigned_abs().into(),
        pages: wide(usage.shm_tot),
        resident: wide(usage.shm_rss),
        swapped: wide(usage.shm_swp),
        highest_index: highest.unsigned_abs(),
    })
}

/// Id and facts of the segment at this index of the kernel's table (`SHM_STAT`); needs read
/// permission on it.
///
/// # Errors
///
/// [`NotFound`](crate::sysv::Kind::NotFound) where the table has a hole;
/// [`Denied`](crate::sysv::Kind::Denied).
pub fn stat_index(index: u32) -> Result<(Id, Stat), Error> {
    at_index(index, syscalls::SHM_STAT, "SHM_STAT")
}

/// Id and facts of the segment at this index of the kernel's table (`SHM_STAT_ANY`, since Linux 4.17);
/// needs no permission.
///
/// # Errors
///
/// [`NotFound`](crate::sysv::Kind::NotFound) where the table has a hole;
/// [`Unsupported`](crate::sysv::Kind::Unsupported) where it has none, on older kernels.
pub fn stat_index_any(index: u32) -> Result<(Id, Stat), Error> {
    at_index(index, syscalls::SHM_STAT_ANY, "SHM_STAT_ANY")
}

fn at_index(index: u32, command: i32, name: &'static str) -> Result<(Id, Stat), Error> {
    syscalls::shmctl_stat(index as i32, command)
        .map(|(id, ds)| (Id(id), Stat::new(&ds)))
        .map_err(|errno| SEGMENT.index(errno, name, index))
}

/// All segments of this IPC namespace, also those this process may not read.
///
/// One system call to begin, and one for each place of the kernel's table. Segments that come or go
/// meanwhile may be seen or not.
///
/// # Errors
///
/// [`Unsupported`](crate::sysv::Kind::Unsupported) where the kernel has no System V IPC. On kernels
/// before 4.17, an item is an error for each segment that this process may
/// not read.
///
/// ```
/// use shm_core::sysv::shm;
///
/// for segment in shm::segments()? {
///     let (id, stat) = segment?;
///     println!("{} {id} {} {} bytes", stat.key, stat.mode, stat.size);
/// }
/// # Ok::<(), shm_core::sysv::Error>(())
/// ```
pub fn segments() -> Result<impl Iterator<Item = Result<(Id, Stat), Error>>, Error> {
    let highest = usage()?.highest_index;
    Ok(table(highest, stat_index, stat_index_any))
}
