//! Shared memory segments: make or find one by key, look at it, change, lock and remove it.
//! Attaching is in `attach`.
//!
//! ```
//! use shm_core::sysv::{Key, Mode, shm};
//!
//! let id = shm::get(Key::PRIVATE, 4096, shm::GetFlags::CREATE, Mode::new(0o600))?;
//! let memory = shm::attach(id, shm::Access::ReadWrite)?;
//! shm::remove(id)?; // it lives on until the last process detaches
//!
//! let stat = shm::stat(id)?;
//! assert_eq!((stat.size, stat.attached, stat.dest), (4096, 1, true));
//! # drop(memory);
//! # Ok::<(), shm_core::sysv::Error>(())
//! ```

use std::time::SystemTime;

use super::diagnose::{self, SEGMENT};
use super::error::Error;
use super::key::Key;
use super::mode::Mode;
use super::syscalls::{self, SHM_DEST, SHM_HUGE_SHIFT, SHM_LOCKED};
use super::time_of;

mod attach;
mod shminfo;

pub(crate) use attach::load_in_order;
pub use attach::{Access, Atomic, AttachOptions, Attachment, attach};
pub use shminfo::{Limits, Usage, limits, segments, stat_index, stat_index_any, usage};

/// The kernel's number for one segment, valid until the segment is gone.
///
/// Nothing is owned: an id is a name, which may go stale, and is then answered with
/// [`Kind::Removed`](super::Kind).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Id(i32);

id_and_flags!();

/// How [`get`] goes about it; put together with `|`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct GetFlags(i32);

impl GetFlags {
    /// Find an existing segment.
    pub const NONE: Self = Self(0);
    /// `IPC_CREAT`: create the segment if the key has none.
    pub const CREATE: Self = Self(libc::IPC_CREAT);
    /// `IPC_EXCL`: with [`CREATE`](Self::CREATE), fail if the key has a segment.
    pub const EXCLUSIVE: Self = Self(libc::IPC_EXCL);
    /// `SHM_HUGETLB`: create it of huge pages of the system's default size.
    ///
    /// They must have been reserved (`vm.nr_hugepages`), and the caller needs `CAP_IPC_LOCK` or the
    /// group named in `vm.hugetlb_shm_group`.
    pub const HUGETLB: Self = Self(libc::SHM_HUGETLB);
    /// `SHM_HUGETLB | SHM_HUGE_2MB`: of huge pages of 2 MiB.
    pub const HUGETLB_2MB: Self = Self(libc::SHM_HUGETLB | 21 << SHM_HUGE_SHIFT);
    /// `SHM_HUGETLB | SHM_HUGE_1GB`: of huge pages of 1 GiB.
    pub const HUGETLB_1GB: Self = Self(libc::SHM_HUGETLB | 30 << SHM_HUGE_SHIFT);
    /// `SHM_NORESERVE`: do not set swap space aside for it when it is created.
    pub const NORESERVE: Self = Self(libc::SHM_NORESERVE);

    /// 2 MiB and 1 GiB or-ed together would read as a third page size.
    const fn names_one_page_size(self) -> bool {
        matches!(self.0 >> SHM_HUGE_SHIFT, 0 | 21 | 30)
    }
}

impl core::fmt::Debug for GetFlags {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let page_size = Self(self.0 >> SHM_HUGE_SHIFT << SHM_HUGE_SHIFT);
        let mut set = f.debug_set();
        for (flag, name) in [
            (Self::CREATE, "CREATE"),
            (Self::EXCLUSIVE, "EXCLUSIVE"),
            (Self::HUGETLB, "HUGETLB"),
            (Self::NORESERVE, "NORESERVE"),
        ] {
            if self.contains(flag) {
                set.entry(&format_args!("{name}"));
            }
        }
        if page_size.0 != 0 {
            set.entry(&format_args!(
                "2^{} bytes per page",
                page_size.0 >> SHM_HUGE_SHIFT
            ));
        }
        set.finish()
    }
}

/// Finds the segment of `key`, or creates one (`shmget`).
///
/// `size` is in bytes. A new segment has exactly this size (the kernel gives it whole pages, filled
/// with zeros) and the permissions `mode`. An existing one must have at least this size: ask with 0
/// to take it as it is, since the kernel looks at the size before all else. For an existing one,
/// `mode` is what the caller asks for (`0` asks for nothing, so the id of a segment can be had
/// without any right to it; an execute bit asks for execute permission). One system call.
///
/// # Errors
///
/// [`NotFound`](super::Kind::NotFound), [`Exists`](super::Kind::Exists),
/// [`Denied`](super::Kind::Denied); [`Invalid`](super::Kind::Invalid) if the existing segment is
/// smaller (the error tells both sizes), if a new one should have 0 bytes, for the key 0, or for a
/// mode with other bits than `0o777`; [`NoSpace`](super::Kind::NoSpace) with the limit that was
/// hit; [`NoMemory`](super::Kind::NoMemory); [`NotPermitted`](super::Kind::NotPermitted) for huge
/// pages.
pub fn get(key: Key, size: usize, flags: GetFlags, mode: Mode) -> Result<Id, Error> {
    diagnose::check_key_and_mode("shmget", key, mode)?;
    if !flags.names_one_page_size() {
        return Err(diagnose::two_page_sizes(key));
    }
    let bits = flags.0 | mode.bits() as i32;
    syscalls::shmget(key.raw(), size, bits)
        .map(Id)
        .map_err(|errno| diagnose::shmget(errno, key, size, flags.0, mode))
}

/// What the kernel knows of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stat {
    /// Its key; [`Key::PRIVATE`] if it has none, which is also so once it is removed but still
    /// attached somewhere.
    pub key: Key,
    /// User who owns it.
    pub uid: u32,
    /// Group that owns it.
    pub gid: u32,
    /// User who created it.
    pub cuid: u32,
    /// Group of its creator.
    pub cgid: u32,
    /// Permissions, nine bits; execute bits included.
    pub mode: Mode,
    /// Removed, and kept only until the last process detaches (`SHM_DEST`).
    pub dest: bool,
    /// Its pages are kept from being swapped (`SHM_LOCKED`).
    pub locked: bool,
    /// How often its place in the kernel's table was used before, which is a part of the id.
    pub seq: u32,
    /// Size in bytes, as asked for at creation.
    pub size: usize,
    /// Attachments in all processes together; one process may have several.
    pub attached: u64,
    /// Last attach, in whole seconds; `None` before the first.
    pub atime: Option<SystemTime>,
    /// Last detach, in whole seconds; `None` before the first.
    pub dtime: Option<SystemTime>,
    /// Creation or last change by [`set`], in whole seconds.
    pub ctime: Option<SystemTime>,
    /// Process that created it; 0 if that is not visible from this pid namespace.
    pub cpid: i32,
    /// Process that last attached or detached it; 0 if none did, or if it is not visible.
    pub lpid: i32,
}

impl Stat {
    /// The users who may change and remove the segment: its owner and its creator.
    #[must_use]
    pub const fn owners(&self) -> [u32; 2] {
        [self.uid, self.cuid]
    }

    #[allow(
        clippy::unnecessary_cast,
        reason = "the fields differ in width from libc to libc"
    )]
    pub(super) fn new(ds: &libc::shmid_ds) -> Self {
        let perm = &ds.shm_perm;
        let bits = perm.mode as u32;
        Self {
            key: Key::from_kernel(syscalls::key_of(perm)),
            uid: perm.uid,
            gid: perm.gid,
            cuid: perm.cuid,
            cgid: perm.cgid,
            mode: Mode::new(bits & 0o777),
            dest: bits & SHM_DEST != 0,
            locked: bits & SHM_LOCKED != 0,
            seq: perm.__seq as u32,
            size: ds.shm_segsz,
            attached: ds.shm_nattch as u64,
            atime: time_of(ds.shm_atime as i64),
            dtime: time_of(ds.shm_dtime as i64),
            ctime: time_of(ds.shm_ctime as i64),
            cpid: ds.shm_cpid,
            lpid: ds.shm_lpid,
        }
    }
}

/// What the kernel knows of this segment (`IPC_STAT`). One system call; needs read permission.
///
/// An id can come to name another segment after removal. To be sure of the size of what you use,
/// ask after attaching: a segment that is attached keeps its id and its size.
///
/// # Errors
///
/// [`Removed`](super::Kind::Removed), [`Denied`](super::Kind::Denied).
pub fn stat(id: Id) -> Result<Stat, Error> {
    syscalls::shmctl_stat(id.0, libc::IPC_STAT)
        .map(|(_, ds)| Stat::new(&ds))
        .map_err(|errno| diagnose::shmctl(errno, "IPC_STAT", id.0))
}

/// Gives the segment another owner and other permissions (`IPC_SET`). One system call; for owner,
/// creator and the privileged.
///
/// All nine bits of `mode` are stored, the execute bits too.
///
/// # Errors
///
/// [`NotPermitted`](super::Kind::NotPermitted), [`Removed`](super::Kind::Removed),
/// [`Invalid`](super::Kind::Invalid) for a mode with other bits than `0o777`, or for `u32::MAX` as
/// a user or group.
pub fn set(id: Id, uid: u32, gid: u32, mode: Mode) -> Result<(), Error> {
    SEGMENT.check_set(id.0, uid, gid, mode)?;
    syscalls::shmctl_set(id.0, uid, gid, mode.bits())
        .map_err(|errno| diagnose::shmctl(errno, "IPC_SET", id.0))
}

/// Removes the segment (`IPC_RMID`): its key is free at once, its memory when the last process
/// detaches.
///
/// One system call; for owner, creator and the privileged. Existing attachments go on working.
///
/// # Errors
///
/// [`NotPermitted`](super::Kind::NotPermitted), [`Removed`](super::Kind::Removed).
pub fn remove(id: Id) -> Result<(), Error> {
    syscalls::shmctl_plain(id.0, libc::IPC_RMID)
        .map_err(|errno| diagnose::shmctl(errno, "IPC_RMID", id.0))
}

/// Keeps the pages of the segment from being swapped out (`SHM_LOCK`), once they were touched.
///
/// For owner, creator and the privileged; without `CAP_IPC_LOCK`, its size counts against
/// `RLIMIT_MEMLOCK`.
///
/// # Errors
///
/// [`NotPermitted`](super::Kind::NotPermitted), [`NoSpace(Memlock)`](super::Limit::Memlock),
/// [`Removed`](super::Kind::Removed).
pub fn lock(id: Id) -> Result<(), Error> {
    syscalls::shmctl_plain(id.0, libc::SHM_LOCK)
        .map_err(|errno| diagnose::shmctl(errno, "SHM_LOCK", id.0))
}

/// Lets the pages of the segment be swapped again (`SHM_UNLOCK`).
///
/// # Errors
///
/// [`NotPermitted`](super::Kind::NotPermitted), [`Removed`](super::Kind::Removed).
pub fn unlock(id: Id) -> Result<(), Error> {
    syscalls::shmctl_plain(id.0, libc::SHM_UNLOCK)
        .map_err(|errno| diagnose::shmctl(errno, "SHM_UNLOCK", id.0))
}
