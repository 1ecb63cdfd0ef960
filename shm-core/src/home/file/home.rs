//! One attachment's file: its bytes, and its locks.

use core::ptr::NonNull;
use std::fs::Metadata;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use super::description::{BIRTH_BYTE, Description};
use super::durable::Disk;
use super::error::Error;
use super::locks::Locks;
use super::mapped::Mapped;
use super::turn::within;

/// A mapped file, and a description of it that holds no slot: to judge others by, to open further ones by, to write to the disk.
#[derive(Debug)]
pub(crate) struct FileHome {
    mapped: Mapped,
    /// The file itself, where `mapped` is a copy of it.
    live: Option<Mapped>,
    locks: Locks,
    disk: Option<Disk>,
    /// What other processes are given: they have its offset in their hands.
    handed: OnceLock<Description>,
}

impl FileHome {
    pub(crate) fn new(description: Description, mapped: Mapped) -> FileHome {
        FileHome {
            mapped,
            live: None,
            locks: Locks::new(description),
            disk: None,
            handed: OnceLock::new(),
        }
    }

    /// Maps the file of a description.
    ///
    /// # Errors
    ///
    /// As of [`Mapped::new`].
    pub(crate) fn map(description: Description, writable: bool) -> Result<FileHome, Error> {
        let mapped = Mapped::new(&description, writable)?;
        Ok(FileHome::new(description, mapped))
    }

    /// The same with a copy of the bytes, which is this process's own; `None` if the file's size has changed.
    pub(crate) fn with_copy(self) -> Result<Option<FileHome>, Error> {
        let mapped = Mapped::copy(self.description())?;
        let same = mapped.len() == self.len();
        let live = Some(self.mapped);
        Ok(same.then_some(FileHome {
            mapped,
            live,
            ..self
        }))
    }

    /// Makes sure that this can go to the disk when its process has given up its rights.
    pub(crate) fn open_disk(&mut self) -> Result<(), Error> {
        self.disk = Some(Disk::open(self.description())?);
        Ok(())
    }

    pub(crate) fn disk(&self) -> Option<&Disk> {
        self.disk.as_ref()
    }

    /// Where the file itself begins, if this has a copy.
    pub(crate) fn live(&self) -> Option<NonNull<u8>> {
        self.live.as_ref().map(Mapped::as_ptr)
    }

    pub(crate) fn as_ptr(&self) -> NonNull<u8> {
        self.mapped.as_ptr()
    }

    /// Bytes that are mapped.
    pub(crate) fn len(&self) -> usize {
        self.mapped.len()
    }

    pub(crate) fn locks(&self) -> &Locks {
        &self.locks
    }

    pub(crate) fn description(&self) -> &Description {
        &self.locks.judge
    }

    fn path(&self) -> &Path {
        self.locks.judge.path()
    }

    /// The path that led to it.
    pub(crate) fn named(&self) -> Option<&Path> {
        self.locks.judge.by_path.then(|| self.path())
    }

    pub(crate) fn inode(&self) -> u64 {
        self.locks.judge.identity.1
    }

    /// What the kernel says of the file now; `None` if this process has closed the descriptor and no path leads to the file.
    pub(crate) fn stat(&self) -> Result<Option<Metadata>, Error> {
        self.locks.judge.ask(Description::stat)
    }

    /// Whether the path that led to it leads to it still.
    pub(crate) fn is_at_its_path(&self) -> Result<bool, Error> {
        Ok(self.description().by_path && self.description().is_at(self.path())?)
    }

    /// Its descriptor, for [`has_no_name`](super::has_no_name).
    #[cfg(feature = "async")]
    pub(crate) fn number(&self) -> std::os::fd::RawFd {
        self.locks.judge.marked().0
    }

    /// Takes the file's name away, if its path still leads to it.
    pub(crate) fn unlink(&self, limit: Duration) -> Result<(), Error> {
        let (path, description) = (self.path(), self.description());
        if !self.is_at_its_path()? {
            return Ok(());
        }
        // One at a time: of two that have looked, the later one would take the name of a file that was born in between. A process
        // that keeps the byte locked for no reason is not waited for beyond the limit.
        let own = description.again(true)?;
        let lock = || Ok::<_, Error>(own.lock_byte(BIRTH_BYTE)?.then_some(()));
        within(limit, lock)?;
        if !self.is_at_its_path()? {
            return Ok(());
        }
        std::fs::remove_file(path).map_err(|e| description.error("unlink", &e))
    }

    /// A descriptor for other processes, of a description that nothing else uses.
    pub(crate) fn as_fd(&self) -> Result<BorrowedFd<'_>, Error> {
        if self.handed.get().is_none() {
            // Another thread may be as fast: then this one is closed again.
            let _ = self.handed.set(self.locks.judge.again(true)?);
        }
        let handed = self.handed.get().unwrap_or(&self.locks.judge);
        Ok(handed.file.as_fd())
    }
}

#[cfg(all(test, not(loom)))]
#[allow(clippy::unwrap_used, reason = "a failure is the test's")]
mod tests {
    use super::*;
    use crate::home::file::tests::Scratch;

    #[test]
    fn a_removal_waits_for_another_one_and_leaves_what_was_born_meanwhile() {
        let scratch = Scratch::new();
        let path = scratch.file("file", b"old");
        let first = Description::open(&path, true).unwrap();
        assert!(first.lock_byte(BIRTH_BYTE).unwrap());
        let late = FileHome::map(Description::open(&path, true).unwrap(), true).unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| late.unlink(Duration::from_secs(60)).unwrap());
            // Time in which one that does not wait would be done, and the next line fail.
            std::thread::sleep(Duration::from_millis(50));
            std::fs::remove_file(&path).unwrap();
            scratch.file("file", b"new");
            drop(first);
        });
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
        // Alone, it removes.
        FileHome::map(Description::open(&path, true).unwrap(), true)
            .unwrap()
            .unlink(Duration::ZERO)
            .unwrap();
        assert!(!path.exists());
    }
}
