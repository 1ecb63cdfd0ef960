//! Memory without a name: a `memfd` whose size is sealed, so that no process that has it can shorten it.

use core::ffi::c_int;
use std::fs::{File, Permissions};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;

use super::description::{Description, link_in_proc};
use super::error::Error;
use super::syscalls;

/// "The file … cannot be reduced in size", nor grow, and no seal can be added (`F_ADD_SEALS(2const)`): so no process can seal it
/// against writing either.
const SEALS: c_int = libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_SEAL;

/// Makes memory of `len` zeros, for this user alone or, with a mode such as `0o666`, for others who get the descriptor.
///
/// # Errors
///
/// No memory, no descriptor, or a sandbox that forbids `memfd_create(2)`.
pub(crate) fn create_memory(len: u64, mode: u32) -> Result<OwnedFd, Error> {
    let path = "memfd:shm-core".as_ref();
    let file =
        syscalls::memory_file(c"shm-core").map_err(|e| Error::of("memfd_create", path, &e))?;
    file.set_len(len)
        .map_err(|e| Error::of("ftruncate", path, &e))?;
    // A store to a page that can't be had would be a signal; this is an error.
    syscalls::allocate(&file, len).map_err(|e| Error::of("posix_fallocate", path, &e))?;
    file.set_permissions(Permissions::from_mode(mode))
        .map_err(|e| Error::of("fchmod", path, &e))?;
    syscalls::add_seals(&file, SEALS).map_err(|e| Error::of("fcntl", path, &e))?;
    Ok(file.into())
}

/// Checks that the memory of a received descriptor can't change its size any more.
///
/// # Errors
///
/// It is a file that has no seals, or one that lacks those.
pub(crate) fn check_seals(fd: BorrowedFd<'_>) -> Result<(), Error> {
    let path = link_in_proc(fd);
    let refused = |cause| {
        let hint =
            "pass on the descriptor that the creator's `as_fd` gives, or open a file by its path";
        Err(Error::early("fcntl", &path, cause, hint))
    };
    let file = fd
        .try_clone_to_owned()
        .map_err(|e| Error::of("dup", &path, &e))?;
    match syscalls::seals(&File::from(file)) {
        Ok(seals) if seals & SEALS == SEALS => Ok(()),
        Ok(_) => {
            refused("a process that has this descriptor may still change the size of its memory")
        }
        Err(e) if e.raw_os_error() == Some(libc::EINVAL) => {
            refused("the descriptor is none of memory made for sharing (`memfd_create(2)`)")
        }
        Err(e) => Err(Error::of("fcntl", &path, &e)),
    }
}

impl Description {
    /// A description of its own for the memory of a descriptor.
    pub(crate) fn of_memory(fd: &impl AsFd, write: bool) -> Result<Description, Error> {
        let fd = fd.as_fd();
        check_seals(fd)?;
        Description::open_again(fd, write)
    }
}

#[cfg(all(test, not(loom)))]
#[allow(clippy::unwrap_used, reason = "a failure is the test's")]
mod tests {
    use super::*;
    use crate::home::file::mapped::Mapped;

    #[test]
    fn memory_is_sealed_and_shared() {
        let fd = create_memory(8192, 0o600).unwrap();
        let one = Description::of_memory(&fd, true).unwrap();
        let (a, b) = (
            Mapped::new(&one, true).unwrap(),
            Mapped::new(&one, false).unwrap(),
        );
        assert_eq!((a.len(), b.len()), (8192, 8192));
        // SAFETY: the byte lies in the mapping, which may be written to, and nothing else uses it.
        unsafe { a.as_ptr().add(8191).write_volatile(7) };
        // SAFETY: the byte lies in the mapping.
        assert_eq!(unsafe { b.as_ptr().add(8191).read_volatile() }, 7);
        assert!(one.file_system.volatile);
        assert_eq!(one.stat().unwrap().permissions().mode() & 0o7777, 0o600);
        let file = File::from(fd);
        for len in [0, 4096, 8193] {
            assert_eq!(
                file.set_len(len).unwrap_err().raw_os_error(),
                Some(libc::EPERM)
            );
        }
        assert!(syscalls::add_seals(&file, libc::F_SEAL_WRITE).is_err());
    }

    #[test]
    fn descriptors_that_can_be_shortened_are_refused() {
        let loose = syscalls::memory_file(c"loose").unwrap();
        let file = File::open("/proc/self/exe").unwrap();
        for (fd, words) in [
            (loose, "may still change the size"),
            (file, "none of memory"),
        ] {
            let error = Description::of_memory(&fd, true).unwrap_err();
            assert!(error.to_string().contains(words), "{error}");
        }
    }
}
