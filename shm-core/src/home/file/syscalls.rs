//! The calls that the standard library does not make: the only file of this module that talks to libc. What an errno means
//! is decided in `error`.

use core::ffi::{CStr, c_int, c_long, c_short};
use core::mem::MaybeUninit;
use core::ptr::NonNull;
use std::fs::File;
use std::io::{Error, Result};
use std::os::fd::{AsRawFd, FromRawFd, RawFd};

#[cfg(not(target_env = "gnu"))]
use libc::{fstatfs, lseek, statfs as StatFs};
// Without the number, file systems too large for 32 bits are an error on 32-bit targets.
#[cfg(target_env = "gnu")]
use libc::{fstatfs64 as fstatfs, lseek64 as lseek, statfs64 as StatFs};

fn ret(code: c_int) -> Result<c_int> {
    if code == -1 {
        Err(Error::last_os_error())
    } else {
        Ok(code)
    }
}

/// `struct flock` with offsets of 64 bits, as the kernel reads it on every target (`include/uapi/asm-generic/fcntl.h`: on
/// 32-bit ones `struct flock64`).
#[repr(C)]
struct Lock {
    sort: c_short,
    whence: c_short,
    start: i64,
    len: i64,
    pid: i32,
}

#[cfg(target_pointer_width = "64")]
const FCNTL: c_long = libc::SYS_fcntl;
#[cfg(target_pointer_width = "32")]
const FCNTL: c_long = libc::SYS_fcntl64;

fn lock_call(fd: RawFd, command: c_int, sort: i32, (start, len): (i64, i64)) -> Result<Lock> {
    let mut lock = Lock {
        sort: sort as c_short,
        whence: libc::SEEK_SET as c_short,
        start,
        len,
        // `F_OFD_SETLK(2const)`: "the l_pid field … must be set to zero".
        pid: 0,
    };
    // SAFETY: `fcntl_locking(2)`: the argument of the commands `F_OFD_SETLK` and `F_OFD_GETLK` is "a pointer to a structure
    // of type flock", which is read and, by the latter, written; `lock` is that structure in the form that this call takes.
    let code = unsafe { libc::syscall(FCNTL, fd, command, &raw mut lock) };
    ret(code as c_int).map(|_| lock)
}

/// Locks one byte for the file's description, without waiting; `false` if another description has a lock in the way.
pub(super) fn try_lock(file: &File, sort: i32, byte: i64) -> Result<bool> {
    match lock_call(file.as_raw_fd(), libc::F_OFD_SETLK, sort, (byte, 1)) {
        Ok(_) => Ok(true),
        // `F_SETLK(2const)`: "return -1 and set errno to EACCES or EAGAIN"; POSIX allows both.
        Err(e) if matches!(e.raw_os_error(), Some(libc::EAGAIN | libc::EACCES)) => Ok(false),
        Err(e) => Err(e),
    }
}

pub(super) fn unlock(file: &File, byte: i64) -> Result<()> {
    let call = libc::F_OFD_SETLK;
    lock_call(file.as_raw_fd(), call, libc::F_UNLCK, (byte, 1)).map(drop)
}

/// Whether another description has locked the byte for itself alone.
pub(super) fn is_locked(file: &File, byte: i64) -> Result<bool> {
    let lock = lock_call(
        file.as_raw_fd(),
        libc::F_OFD_GETLK,
        libc::F_RDLCK,
        (byte, 1),
    )?;
    Ok(lock.sort != libc::F_UNLCK as c_short)
}

/// A number for which of the first bytes other descriptions have locked for themselves alone; `None` of a descriptor that is none.
/// As many system calls as there are such locks, twice, and one.
#[cfg(feature = "async")]
pub(crate) fn held(fd: RawFd, bytes: u16) -> Option<u32> {
    held_between(fd, 0, bytes.into())
}

#[cfg(feature = "async")]
fn held_between(fd: RawFd, start: i64, end: i64) -> Option<u32> {
    if start >= end {
        return Some(0);
    }
    // Any of the locks there, not the first one.
    let lock = lock_call(fd, libc::F_OFD_GETLK, libc::F_RDLCK, (start, end - start)).ok()?;
    if lock.sort == libc::F_UNLCK as c_short {
        return Some(0);
    }
    let from = lock.start.max(start);
    let to = match lock.len {
        0 => end,
        len => lock.start.saturating_add(len).min(end),
    };
    if from >= to {
        return None;
    }
    let spread = |byte: i64| (byte as u32 + 1).wrapping_mul(0x9e37_79b1);
    let own = (from..to).map(spread).fold(0, u32::wrapping_add);
    let (before, behind) = (held_between(fd, start, from)?, held_between(fd, to, end)?);
    Some(own.wrapping_add(before).wrapping_add(behind))
}

/// Maps the first `len` bytes, shared with all that map the file; or, as a `copy`, with what this process stores there for
/// itself alone.
pub(super) fn map(file: &File, len: usize, writable: bool, copy: bool) -> Result<NonNull<u8>> {
    let write = if writable { libc::PROT_WRITE } else { 0 };
    let sort = if copy {
        libc::MAP_PRIVATE
    } else {
        libc::MAP_SHARED
    };
    // SAFETY: `mmap(2)`: "if addr is NULL, then the kernel chooses the (page-aligned) address at which to create the mapping",
    // so no mapping that is in use is touched.
    let at = unsafe {
        libc::mmap(
            core::ptr::null_mut(),
            len,
            libc::PROT_READ | write,
            sort,
            file.as_raw_fd(),
            0,
        )
    };
    if at == libc::MAP_FAILED {
        return Err(Error::last_os_error());
    }
    NonNull::new(at.cast()).ok_or_else(|| Error::from_raw_os_error(libc::EINVAL))
}

/// # Safety
///
/// `map` returned `at` for this `len`, it was not unmapped since, and nothing uses the mapping any more.
pub(super) unsafe fn unmap(at: NonNull<u8>, len: usize) {
    // SAFETY: `munmap(2)`: it "deletes the mappings for the specified address range"; this function demands that the range is
    // one mapping of `map` that nothing uses any more.
    unsafe { libc::munmap(at.as_ptr().cast(), len) };
}

/// Takes room on the disk for the first `len` bytes, which a later store to a mapping can't be refused.
pub(super) fn allocate(file: &File, len: u64) -> Result<()> {
    let len = len
        .try_into()
        .map_err(|_| Error::from_raw_os_error(libc::EFBIG))?;
    loop {
        // SAFETY: takes and returns numbers only; touches no memory of this process.
        match unsafe { libc::posix_fallocate(file.as_raw_fd(), 0, len) } {
            0 => return Ok(()),
            libc::EINTR => {}
            // `posix_fallocate(3)`: it "returns … an error number on failure. Note that errno is not set".
            errno => return Err(Error::from_raw_os_error(errno)),
        }
    }
}

/// The magic number of the file system that the file is on.
#[allow(
    clippy::unnecessary_cast,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a number of 32 bits, whose width differs from target to target"
)]
pub(super) fn file_system(file: &File) -> Result<u32> {
    let mut found = MaybeUninit::<StatFs>::zeroed();
    // SAFETY: `statfs(2)`: "buf is a pointer to a statfs structure", which is filled; `found` is one.
    ret(unsafe { fstatfs(file.as_raw_fd(), found.as_mut_ptr()) })?;
    // SAFETY: the structure consists of integers, for which the zeros were valid already.
    Ok(unsafe { found.assume_init() }.f_type as u32)
}

/// When the inode was made, in nanoseconds since 1970; 0 where that is not told. Asked of the kernel by number, in its own form
/// (`include/uapi/linux/stat.h`): not every libc tells it, and all programs must find the same.
pub(super) fn born(file: &File) -> u64 {
    const STATX_BTIME: u32 = 0x800;
    #[repr(C)]
    struct Statx {
        mask: u32,
        before: [u32; 19],
        seconds: i64,
        nanoseconds: u32,
        behind: [u32; 41],
    }
    const _: () = assert!(size_of::<Statx>() == 256);
    let mut found = MaybeUninit::<Statx>::zeroed();
    // SAFETY: `statx(2)`: with `AT_EMPTY_PATH` and the empty string, which ends with a nul, it tells of the descriptor, and fills a
    // buffer of 256 bytes; `found` is one.
    let code = unsafe {
        libc::syscall(
            libc::SYS_statx,
            file.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH,
            STATX_BTIME,
            found.as_mut_ptr(),
        )
    };
    // SAFETY: the structure consists of integers, for which the zeros were valid already.
    let found = unsafe { found.assume_init() };
    match u64::try_from(found.seconds) {
        Ok(seconds) if code == 0 && found.mask & STATX_BTIME != 0 => {
            seconds.wrapping_mul(1_000_000_000) + u64::from(found.nanoseconds)
        }
        _ => 0,
    }
}

/// Gives the file `from` another name, which must be free. `from` may be one of `/proc`'s links to a descriptor.
pub(super) fn link(from: &CStr, to: &CStr) -> Result<()> {
    // SAFETY: `linkat(2)` reads the two strings, which end with a nul each.
    let code = unsafe {
        libc::linkat(
            libc::AT_FDCWD,
            from.as_ptr(),
            libc::AT_FDCWD,
            to.as_ptr(),
            libc::AT_SYMLINK_FOLLOW,
        )
    };
    ret(code).map(drop)
}

/// A new file in memory without a name, whose size can be sealed.
pub(super) fn memory_file(name: &CStr) -> Result<File> {
    /// `include/uapi/linux/memfd.h`, since Linux 6.3; it allows seals too.
    const MFD_NOEXEC_SEAL: libc::c_uint = 8;
    let plain = libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING;
    // SAFETY: `memfd_create(2)` reads the name, which ends with a nul.
    let create = |flags| ret(unsafe { libc::memfd_create(name.as_ptr(), flags) });
    let fd = match create(plain | MFD_NOEXEC_SEAL) {
        Err(e) if e.raw_os_error() == Some(libc::EINVAL) => create(plain),
        made => made,
    }?;
    // SAFETY: the call returned this descriptor just now, so it is open, and owned by nothing else.
    Ok(unsafe { File::from_raw_fd(fd) })
}

/// `F_SEAL_SHRINK` and its like that are set.
pub(super) fn seals(file: &File) -> Result<c_int> {
    // SAFETY: `F_GET_SEALS(2const)` takes no argument and returns a number.
    ret(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_GET_SEALS) })
}

pub(super) fn add_seals(file: &File, seals: c_int) -> Result<()> {
    // SAFETY: `F_ADD_SEALS(2const)` takes a number; a seal changes what may be done with the file, and no memory.
    ret(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, seals) }).map(drop)
}

/// Writes at `offset` and waits until what was written, and what is needed to find it again, is on the disk. Returns how many
/// bytes those are. No part of the write is seen elsewhere than in the file.
pub(super) fn write_and_sync(file: &File, bytes: &[u8], offset: u64) -> Result<usize> {
    let offset = offset
        .try_into()
        .map_err(|_| Error::from_raw_os_error(libc::EINVAL))?;
    let part = libc::iovec {
        iov_base: bytes.as_ptr().cast_mut().cast(),
        iov_len: bytes.len(),
    };
    // SAFETY: `pwritev2(2)`: the call writes "iovcnt buffers of data described by iov", here the one whose pointer and length
    // are those of a slice, and reads alone from it.
    let written = unsafe {
        libc::pwritev2(
            file.as_raw_fd(),
            &raw const part,
            1,
            offset,
            libc::RWF_DSYNC,
        )
    };
    usize::try_from(written).map_err(|_| Error::last_os_error())
}

/// Where a descriptor's offset stands; `None` if it has none, or is none.
pub(super) fn offset(fd: RawFd) -> Option<i64> {
    // SAFETY: `lseek(2)` takes and returns numbers.
    let at = unsafe { lseek(fd, 0, libc::SEEK_CUR) };
    (at >= 0).then_some(at)
}

/// Whether a descriptor's file has lost its last name; `false` of one that is none.
#[cfg(feature = "async")]
pub(crate) fn has_no_name(fd: RawFd) -> bool {
    #[cfg(not(target_env = "gnu"))]
    use libc::{fstat, stat as Stat};
    #[cfg(target_env = "gnu")]
    use libc::{fstat64 as fstat, stat64 as Stat};
    let mut found = MaybeUninit::<Stat>::uninit();
    // SAFETY: `fstat(2)` fills the struct at its second argument when it succeeds.
    unsafe { fstat(fd, found.as_mut_ptr()) == 0 && found.assume_init().st_nlink == 0 }
}

/// Puts an empty counter in the descriptor's place, if its offset stands at `mark`. To be called where no other thread makes
/// descriptors: after `fork`, in the child. All calls are among those that `signal-safety(7)` and the kernel allow there.
pub(super) fn replace_with_nothing(fd: RawFd, mark: i64) {
    if offset(fd) != Some(mark) {
        return;
    }
    // SAFETY: takes and returns numbers only. The owner of `fd` finds a counter there instead of its file: the number is taken again
    // before this function returns, by a thread that is alone. Closed first, there is room for one more.
    unsafe {
        libc::close(fd);
        let counter = libc::eventfd(0, libc::EFD_CLOEXEC);
        if counter >= 0 && counter != fd {
            libc::dup3(counter, fd, libc::O_CLOEXEC);
            libc::close(counter);
        }
    }
}

/// Has these called before each `fork`, after it in the parent, and after it in the child.
pub(super) fn at_fork(
    before: unsafe extern "C" fn(),
    parent: unsafe extern "C" fn(),
    child: unsafe extern "C" fn(),
) {
    // SAFETY: `pthread_atfork(3)` keeps the pointers to functions, which are there as long as the process. Where there is no memory
    // for it, a child's copies keep locks for as long as the child lives, or the file is judged at the time limit.
    unsafe { libc::pthread_atfork(Some(before), Some(parent), Some(child)) };
}

/// Writes all that is unwritten on the file's file system to the disk.
pub(super) fn sync_file_system(file: &File) -> Result<()> {
    // SAFETY: `syncfs(2)` takes and returns a number.
    ret(unsafe { libc::syncfs(file.as_raw_fd()) }).map(drop)
}
