//! What a `SharedBox` in a file can do besides: be made durable, be handed on as a descriptor.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

#[cfg(doc)]
use super::error::ErrorKind;
use super::error::{Error, Operation};
use super::shared_box::SharedBox;
use crate::home::file;
use crate::layout::SharedLayout;
use crate::protocol::Fault;

impl<T: SharedLayout> SharedBox<T> {
    /// Makes memory without a name that holds this value: for the children of this process, and for processes that are given its
    /// [descriptor](SharedBox::as_fd).
    ///
    /// A child of `fork` goes on with the box as it is: its first commit claims a slot of its own. The memory's size is sealed, so that
    /// no process that has it can take it away under another (`memfd_create(2)`). It goes with the last process that maps it or has a
    /// descriptor. About 40 system calls. [`Options::anonymous`](super::options::Options::anonymous) has options.
    ///
    /// ```
    /// use shm_core::SharedBox;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let shared = SharedBox::anonymous(5_u32)?;
    /// // Over a Unix socket, say (SCM_RIGHTS):
    /// let other = SharedBox::<u32>::from_fd(shared.as_fd()?)?;
    /// other.set(6)?;
    /// assert_eq!(shared.get()?, 6);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::System`] if there is no memory, no descriptor, or no `/proc`; [`ErrorKind::Options`].
    pub fn anonymous(value: T) -> Result<SharedBox<T>, Error> {
        Self::options().anonymous(value)
    }

    /// Maps the memory of a descriptor that another process's [`as_fd`](SharedBox::as_fd) gave, which may be closed afterwards: the box
    /// opens it anew (through `/proc`), so that its locks are its own.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::System`] if it is none of memory, if its size is not sealed, or without `/proc`; else as of [`SharedBox::open`].
    pub fn from_fd(fd: impl AsFd) -> Result<SharedBox<T>, Error> {
        Self::options().from_fd(fd)
    }

    /// The descriptor of the [memory](SharedBox::anonymous) or file that the value lives in, to be passed to other processes. It may be
    /// duplicated, and not be read or written.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Options`] if the value lives in a segment, which has none; [`ErrorKind::System`] if this process may have no more.
    pub fn as_fd(&self) -> Result<BorrowedFd<'_>, Error> {
        let file = self.segment().home().file().ok_or(Fault::NoFile);
        let fd = file.and_then(|file| Ok(file.as_fd()?));
        fd.map_err(self.typed.explain(Operation::AsFd))
    }

    /// Drops the box and keeps a descriptor of what it lived in: memory without a name lasts as long as that. Some three system calls.
    ///
    /// # Errors
    ///
    /// As of [`SharedBox::as_fd`]; [`ErrorKind::System`] if this process may have no more descriptors.
    pub fn into_fd(self) -> Result<OwnedFd, Error> {
        let fd = self.as_fd()?.try_clone_to_owned();
        fd.map_err(|error| {
            self.typed.explain(Operation::IntoFd)(file::Error::of_descriptor(&error))
        })
    }

    /// Brings the newest committed value to the disk: when this returns, that value, or a later one, is there after a power loss.
    ///
    /// Writers and readers go on meanwhile. The value is copied as a reader does, and written with its schema and a checksum to the
    /// one of two places in the file that does not hold the last durable one, so at each instant one is whole. The first box that is opened
    /// for writing after a restart brings the newest back, and its versions go on from there. Nothing is written if it is
    /// on the disk already, and nothing to do where nothing outlasts the machine's running: segments, POSIX shared memory, memory without
    /// a name. The last box of a file that is dropped does the same.
    ///
    /// Five system calls, one of which waits for the disk (`pwritev2(2)` with `RWF_DSYNC`), for as long as that takes; three
    /// allocations.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::System`] if the disk fails, [`ErrorKind::Busy`] if others write to it for the whole [time
    /// limit](super::options::Options::timeout): what was durable still is. [`ErrorKind::Removed`]; [`ErrorKind::Overtaken`]; [`ErrorKind::Damaged`].
    pub fn persist(&self) -> Result<(), Error> {
        let persisted = self.segment().persist();
        persisted.map_err(self.typed.explain(Operation::Persist))
    }

    /// Drops the box, and says whether the value is [durable](SharedBox::persist).
    ///
    /// # Errors
    ///
    /// As of [`SharedBox::persist`]; the box is closed all the same.
    pub fn close(self) -> Result<(), Error> {
        self.persist()
    }
}
