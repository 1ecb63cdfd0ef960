//! `SharedView`: the segment mapped for reading only.

use std::time::{Duration, Instant};

use crate::error::Error;
use crate::field::Field;
use crate::layout::SharedLayout;
use crate::options::Options;
use crate::protocol;
use crate::sysv::Key;
use crate::sysv::shm;
use crate::typed::{Snapshot, Typed};

/// A value of type `T` in a System V segment that this process may only read.
///
/// The kernel maps it with `SHM_RDONLY`, so not even a wild pointer of this process can change it;
/// read permission is enough. Reads cost what they cost with a [`SharedBox`](crate::SharedBox).
/// There is no method that writes.
///
/// ```
/// use shm_core::{SharedBox, SharedView};
///
/// # fn main() -> Result<(), shm_core::Error> {
/// # let key = shm_core::Key::new(0x7b5d_1002);
/// let shared = SharedBox::<u32>::options().mode(0o644).remove_on_drop(true).create_new(key, 5)?;
/// let view = SharedView::<u32>::open(key)?;
/// shared.set(6)?;
/// assert_eq!(view.get()?, 6);
/// # Ok(())
/// # }
/// ```
///
/// ```compile_fail
/// # let view = shm_core::SharedView::<u32>::open(0x1234).unwrap();
/// view.set(1);
/// ```
#[derive(Debug)]
// In this order, like `SharedBox`.
#[repr(C)]
pub struct SharedView<T: SharedLayout> {
    typed: Typed<T>,
    /// How it was opened, to be opened again.
    options: Options<T>,
}

impl<T: SharedLayout> SharedView<T> {
    pub(crate) fn new(typed: Typed<T>, options: Options<T>) -> SharedView<T> {
        SharedView { typed, options }
    }

    /// Attaches the segment of `key` for reading; it must exist and hold a `T`, or a later or an
    /// earlier version of it. Fields that an earlier version lacks read as their defaults, until
    /// somebody [upgrades](Options::upgrade) the segment: until then a read evaluates the
    /// expressions of all these defaults and copies each. Other options:
    /// [`SharedBox::options`](crate::SharedBox::options) and [`Options::open_read_only`].
    ///
    /// # Errors
    ///
    /// As for [`SharedBox::open`](crate::SharedBox::open).
    pub fn open(key: impl Into<Key>) -> Result<SharedView<T>, Error> {
        Options::new().open_read_only(key)
    }

    /// Attaches a segment for reading by the kernel's id.
    ///
    /// # Errors
    ///
    /// As for [`SharedBox::open`](crate::SharedBox::open).
    pub fn open_id(id: shm::Id) -> Result<SharedView<T>, Error> {
        Options::new().open_id_read_only(id)
    }

    /// The key under which the segment can be found.
    pub fn key(&self) -> Key {
        self.typed.segment().key()
    }

    /// The kernel's id of the segment.
    pub fn id(&self) -> shm::Id {
        self.typed.segment().id()
    }

    /// The committed value, copied as a whole. No system call, no allocation, no store to the
    /// segment.
    ///
    /// # Errors
    ///
    /// As for [`SharedBox::get`](crate::SharedBox::get).
    #[inline]
    pub fn get(&self) -> Result<T, Error> {
        self.typed.read_value("get")
    }

    /// Copies the committed value to the stack and lends that copy to `look`; returns what `look`
    /// returns.
    ///
    /// # Errors
    ///
    /// As for [`SharedView::get`].
    #[inline]
    pub fn read_with<R>(&self, look: impl FnOnce(&T) -> R) -> Result<R, Error> {
        self.typed.read_with(look, "read_with")
    }

    /// The committed value in a box, for values too large for the stack.
    ///
    /// # Errors
    ///
    /// As for [`SharedView::get`].
    pub fn get_boxed(&self) -> Result<Box<T>, Error> {
        self.typed.read_boxed("get_boxed")
    }

    /// The committed value and its version.
    ///
    /// # Errors
    ///
    /// As for [`SharedView::get`].
    #[inline]
    pub fn snapshot(&self) -> Result<Snapshot<T>, Error> {
        self.typed.read(Field::WHOLE, "snapshot")
    }

    /// One field of the committed value, copied as a whole.
    ///
    /// # Errors
    ///
    /// As for [`SharedView::get`].
    #[inline]
    pub fn load<F: SharedLayout>(&self, field: Field<T, F>) -> Result<F, Error> {
        self.typed
            .read(field, "load")
            .map(|snapshot| snapshot.value)
    }

    /// Copies the committed value over `value` and returns its version.
    ///
    /// # Errors
    ///
    /// As for [`SharedBox::read_into`](crate::SharedBox::read_into).
    #[inline]
    pub fn read_into(&self, value: &mut T) -> Result<u64, Error> {
        self.typed.read_over(value, "read_into")
    }

    /// The version of the committed value. One load.
    #[inline]
    pub fn version(&self) -> u64 {
        self.typed.segment().version()
    }

    /// Sleeps until a version newer than `version` stands, for ever if none comes; returns the
    /// newest.
    ///
    /// A view can't announce that it waits, so it looks every 2 ms, unless the segment was created
    /// with [`always_notify`](Options::always_notify).
    ///
    /// # Errors
    ///
    /// As for [`SharedBox::wait`](crate::SharedBox::wait).
    pub fn wait(&self, version: u64) -> Result<Snapshot<T>, Error> {
        self.wait_until(version, None, "wait")?;
        self.typed.read(Field::WHOLE, "wait")
    }

    /// Sleeps until a version newer than `version` stands, at most for `timeout`; `None` if none
    /// came. See [`SharedView::wait`].
    ///
    /// # Errors
    ///
    /// As for [`SharedBox::wait`](crate::SharedBox::wait).
    pub fn wait_timeout(
        &self,
        version: u64,
        timeout: Duration,
    ) -> Result<Option<Snapshot<T>>, Error> {
        if self.wait_until(version, Instant::now().checked_add(timeout), "wait_timeout")? {
            return self.typed.read(Field::WHOLE, "wait_timeout").map(Some);
        }
        Ok(None)
    }

    /// What the kernel knows of the segment. One system call.
    ///
    /// # Errors
    ///
    /// As for [`SharedBox::info`](crate::SharedBox::info).
    pub fn info(&self) -> Result<shm::Stat, Error> {
        self.typed.info("info")
    }

    /// Opens the key again, with the options that this view was made with: after
    /// [`Error::Removed`], if the segment has been created anew. See
    /// [`SharedBox::reattach`](crate::SharedBox::reattach).
    ///
    /// ```
    /// use shm_core::{Error, SharedBox, SharedView};
    ///
    /// # fn main() -> Result<(), Error> {
    /// # let key = shm_core::Key::new(0x7b5d_1012);
    /// let old = SharedBox::<u32>::create_new(key, 5)?;
    /// let mut view = SharedView::<u32>::open(key)?;
    /// old.remove()?;
    /// let new = SharedBox::<u32>::options().remove_on_drop(true).create_new(key, 6)?;
    /// if let Err(Error::Removed { .. }) = view.get() {
    ///     view.reattach()?;
    /// }
    /// assert_eq!(view.get()?, 6);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`SharedView::open`]; [`Error::Options`] for a private segment, which has no key.
    pub fn reattach(&mut self) -> Result<(), Error> {
        *self = self.options.open_read_only(self.key())?;
        Ok(())
    }

    /// Whether the segment has been removed, by whomever, or its key leads to another one by now.
    /// One or two system calls.
    ///
    /// # Errors
    ///
    /// [`Error::System`] if the kernel does not tell.
    pub fn is_removed(&self) -> Result<bool, Error> {
        protocol::is_removed(self.typed.segment()).map_err(self.typed.explain("is_removed"))
    }

    fn wait_until(
        &self,
        version: u64,
        end: Option<Instant>,
        operation: &'static str,
    ) -> Result<bool, Error> {
        self.typed
            .segment()
            .wait(version, end)
            .map_err(self.typed.explain(operation))
    }
}
