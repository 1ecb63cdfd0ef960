//! `Mapped`: the bytes of a file as memory that all who map it share.

use core::ptr::NonNull;

use super::description::Description;
use super::error::Error;
use super::syscalls;

/// All bytes that a file had when it was mapped, shared with every process that maps it; unmapped when dropped.
///
/// A file that is shortened afterwards takes the memory away: an access behind its end is `SIGBUS`. Only seals prevent that.
#[derive(Debug)]
pub(crate) struct Mapped {
    at: NonNull<u8>,
    len: usize,
}

// SAFETY: the mapping belongs to the process and not to a thread, and no method but `drop` touches it.
unsafe impl Send for Mapped {}
// SAFETY: a shared reference gives out the address and the numbers alone, none of which changes.
unsafe impl Sync for Mapped {}

impl Mapped {
    /// Maps the whole file, by a description of its own that is closed again: a mapping keeps the description alive that it was
    /// made of, and with it that one's locks.
    ///
    /// # Errors
    ///
    /// The file is empty, or too large for this process; it can't be opened once more; no right to write.
    pub(crate) fn new(description: &Description, writable: bool) -> Result<Mapped, Error> {
        Mapped::of(description, writable, false)
    }

    /// The same as a copy of this process's own, which it may write to whatever rights it has to the file.
    pub(super) fn copy(description: &Description) -> Result<Mapped, Error> {
        Mapped::of(description, false, true)
    }

    fn of(description: &Description, writable: bool, copy: bool) -> Result<Mapped, Error> {
        let (file, found) = description.another(writable)?;
        let len = match usize::try_from(found.len()) {
            Ok(0) => return Err(no_memory(description, "the file is empty")),
            Err(_) => {
                return Err(no_memory(
                    description,
                    "the file has more bytes than this process has addresses",
                ));
            }
            Ok(len) => len,
        };
        let at = syscalls::map(&file, len, writable || copy, copy)
            .map_err(|e| description.error("mmap", &e))?;
        Ok(Mapped { at, len })
    }

    /// The first byte.
    pub(crate) fn as_ptr(&self) -> NonNull<u8> {
        self.at
    }

    /// How many bytes there are.
    pub(crate) fn len(&self) -> usize {
        self.len
    }
}

fn no_memory(description: &Description, cause: &'static str) -> Error {
    let hint = "remove it if no program needs it, or look for the right path";
    Error::early("mmap", description.path(), cause, hint)
}

impl Drop for Mapped {
    fn drop(&mut self) {
        // SAFETY: `at` and `len` are those of one mapping by `map`; this is the only drop, and what used the address borrowed
        // or owned this value.
        unsafe { syscalls::unmap(self.at, self.len) };
    }
}
