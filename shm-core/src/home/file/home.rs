//! One attachment's file: its bytes, and its locks.

use core::ptr::NonNull;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use super::description::{Description, FileStat};
use super::durable::Turn;
use super::error::Error;
use super::locks::Locks;
use super::mapped::Mapped;

/// A mapped file, and a description of it that holds no slot: to judge others by, to open further ones by, to write to the disk.
#[derive(Debug)]
pub(crate) struct FileHome {
    mapped: Mapped,
    locks: Locks,
    turn: Turn,
}

impl FileHome {
    pub(crate) fn new(description: Description, mapped: Mapped) -> FileHome {
        FileHome {
            mapped,
            locks: Locks::new(description),
            turn: Turn::default(),
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

    /// Which thread writes to the disk.
    pub(crate) fn turn(&self) -> &Turn {
        &self.turn
    }

    fn path(&self) -> &Path {
        self.locks.judge.path()
    }

    /// The path that led to it.
    pub(crate) fn named(&self) -> Option<&Path> {
        self.locks.judge.is_by_path().then(|| self.path())
    }

    pub(crate) fn inode(&self) -> u64 {
        self.locks.judge.inode().1
    }

    /// What the kernel says of the file now; `None` if this process has closed the descriptor and no path leads to the file.
    pub(crate) fn stat(&self) -> Result<Option<FileStat>, Error> {
        if self.locks.judge.is_intact() {
            return self.locks.judge.stat().map(Some);
        }
        match self.locks.judge.again(false) {
            Ok(description) => description.stat().map(Some),
            Err(_) => Ok(None),
        }
    }

    /// Takes the file's name away, if its path still leads to it.
    pub(crate) fn unlink(&self) -> Result<(), Error> {
        let (path, description) = (self.path(), self.description());
        if !(description.is_by_path() && description.is_at(path)?) {
            return Ok(());
        }
        std::fs::remove_file(path).map_err(|e| description.error("unlink", &e))
    }

    /// The descriptor, for other processes: of the description that holds no slot.
    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        self.locks.judge.file().as_fd()
    }
}
