//! `SharedView`: the segment as one typed value that may be read and waited for. What reads stands
//! here once, also for `SharedBox`.

use std::time::{Duration, Instant};

#[cfg(doc)]
use super::error::ErrorKind;
use super::error::{Error, Operation};
use super::options::Options;
use super::place::Place;
use crate::layout::SharedLayout;
use crate::protocol::{self, Claimant, Segment};
use crate::sysv::Key;
use crate::sysv::shm;
use crate::typed::{Field, Snapshot, Typed};

/// A value of type `T` in a System V segment, to be read.
///
/// [Opened](SharedView::open) as a view, the kernel maps it with `SHM_RDONLY`, so not even a wild
/// pointer of this process can change it; read permission is enough. A
/// [`SharedBox`](crate::SharedBox), which may write, derefs to a view: reads are the same calls at
/// the same cost, and its documentation has the table. There is no method that writes.
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
// In this order, like `SharedBox`.
#[repr(C)]
pub struct SharedView<T: SharedLayout> {
    pub(super) typed: Typed<T>,
    /// How it was opened, to be opened again.
    pub(super) options: Options<T>,
}

impl<T: SharedLayout> SharedView<T> {
    pub(super) fn new(typed: Typed<T>, options: Options<T>) -> SharedView<T> {
        SharedView { typed, options }
    }

    /// Attaches the segment of a place for reading; it must exist and hold a `T`, or a later or an
    /// earlier version of it. Fields that an earlier version lacks read as their defaults, until
    /// a program [upgrades](Options::upgrade) the segment: until then a read evaluates the
    /// expressions of all these defaults and copies each. Other options:
    /// [`SharedBox::options`](crate::SharedBox::options) and [`Options::open_read_only`].
    ///
    /// # Errors
    ///
    /// [`ErrorKind::System`] (no such segment, no permission, no memory); [`ErrorKind::Options`] for a key
    /// that leads to no segment; [`ErrorKind::Untrusted`]; [`ErrorKind::Foreign`]; [`ErrorKind::Format`];
    /// [`ErrorKind::Damaged`]; [`ErrorKind::Mismatch`]; [`ErrorKind::OtherKind`] of a [table](crate::SharedTable);
    /// [`ErrorKind::Unfinished`] if a birth does not end within the [time limit](Options::timeout); [`ErrorKind::Removed`] if a
    /// removal is under way. Of a file: [`ErrorKind::NotRestored`], and [`ErrorKind::Busy`] if another process restores its
    /// value for as long.
    pub fn open(place: impl Into<Place>) -> Result<SharedView<T>, Error> {
        Options::new().open_read_only(place)
    }

    /// What leads to the value: a key, the id of a segment that has none, or the path of a file; `None` for
    /// [memory without a name](crate::SharedBox::anonymous).
    pub fn place(&self) -> Option<Place> {
        Place::of(self.segment().home(), self.segment().key())
    }

    /// The key under which the segment can be found; `None` of a segment without one, and of a file.
    pub fn key(&self) -> Option<Key> {
        Some(self.segment().key()).filter(|key| !key.is_private())
    }

    /// The kernel's id of the segment; `None` of a file.
    pub fn id(&self) -> Option<shm::Id> {
        self.segment().home().id()
    }

    /// Bytes reserved for the value, now and in later versions of `T`: a multiple of 64.
    pub fn capacity(&self) -> usize {
        self.segment().capacity()
    }

    /// Whether the segment was created for [raw writers](Options::raw_writers).
    pub fn raw_writers(&self) -> bool {
        self.segment().has_raw_writers()
    }

    /// The committed value, copied as a whole. No system call, no allocation, no store to the
    /// segment.
    ///
    /// It is returned by value, so a large one takes the stack and the time of a `memcpy` once more
    /// for each time that the compiler moves it. From half a KiB on it does so at least once: after
    /// the look at whether this is `Ok`. [`read_with`](SharedView::read_with),
    /// [`read_into`](SharedView::read_into) and [`get_boxed`](SharedView::get_boxed) copy once.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] if a peer stored bytes that are no `T`, or a newer program a variant of an
    /// enum that this one does not know; [`ErrorKind::Removed`]; [`ErrorKind::Overtaken`] if writers replaced
    /// the value faster than it could be copied, for the whole [time limit](Options::timeout);
    /// [`ErrorKind::Mismatch`], or of a [`SharedBox`](crate::SharedBox) also [`ErrorKind::NeedsUpgrade`], if
    /// another program has put a layout in force that does not go with this one;
    /// [`ErrorKind::Damaged`].
    #[inline]
    pub fn get(&self) -> Result<T, Error> {
        self.typed.read_value(self.typed.explain(Operation::Get))
    }

    /// Copies the committed value to the stack and lends that copy to `look`; returns what `look`
    /// returns. For large values of which not all is kept: they are copied once and not moved.
    ///
    /// ```
    /// # use shm_core::{Key, SharedBox};
    /// # fn main() -> Result<(), shm_core::Error> {
    /// let shared = SharedBox::options()
    ///     .remove_on_drop(true)
    ///     .create_new(Key::PRIVATE, [1u64; 512])?;
    /// assert_eq!(shared.read_with(|values| values.iter().sum::<u64>())?, 512);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`SharedView::get`].
    #[inline]
    pub fn read_with<R>(&self, look: impl FnOnce(&T) -> R) -> Result<R, Error> {
        self.typed
            .read_with(look, self.typed.explain(Operation::ReadWith))
    }

    /// The committed value in a box, for values too large for the stack. One allocation.
    ///
    /// # Errors
    ///
    /// As for [`SharedView::get`].
    pub fn get_boxed(&self) -> Result<Box<T>, Error> {
        self.typed
            .read_boxed()
            .map_err(self.typed.explain(Operation::GetBoxed))
    }

    /// The committed value and its version.
    ///
    /// # Errors
    ///
    /// As for [`SharedView::get`].
    #[inline]
    pub fn snapshot(&self) -> Result<Snapshot<T>, Error> {
        self.typed
            .read(Field::WHOLE, self.typed.explain(Operation::Snapshot))
    }

    /// One field of the committed value, copied as a whole: costs what its bytes cost, however
    /// large the value is.
    ///
    /// Two loads may see two versions; [`get`](SharedView::get) sees one.
    ///
    /// # Errors
    ///
    /// As for [`SharedView::get`]; [`ErrorKind::NoElement`].
    #[inline]
    pub fn load<F: SharedLayout>(&self, field: Field<T, F>) -> Result<F, Error> {
        self.typed
            .read_present(field, self.typed.explain(Operation::Load))
            .map(|snapshot| snapshot.value)
    }

    /// Copies the committed value over `value` and returns its version: no second copy, wherever
    /// `value` lies.
    ///
    /// # Errors
    ///
    /// As for [`SharedView::get`]. After an error `value` holds some valid value of its type, in
    /// general none that was ever shared.
    #[inline]
    pub fn read_into(&self, value: &mut T) -> Result<u64, Error> {
        self.typed
            .read_over(value)
            .map_err(self.typed.explain(Operation::ReadInto))
    }

    /// The version of the committed value: 1 at birth, raised by each commit, by more than 1 after
    /// a writer died. One load.
    #[inline]
    pub fn version(&self) -> u64 {
        self.segment().version()
    }

    /// Sleeps until a version newer than `version` stands, for ever if none comes; returns the
    /// newest.
    ///
    /// Versions in between may be missed: this is a blackboard, not a queue. A
    /// [`SharedBox`](crate::SharedBox) announces that it waits, and the next commit wakes it. A view
    /// that may only read can't, and looks every 2 ms, unless the segment was created with
    /// [`always_notify`](Options::always_notify).
    ///
    /// # Errors
    ///
    /// As for [`SharedView::get`]; [`ErrorKind::Removed`] also when another program removed the segment,
    /// noticed within 250 ms; [`ErrorKind::System`] if the kernel does not tell whether it was.
    pub fn wait(&self, version: u64) -> Result<Snapshot<T>, Error> {
        self.wait_as(version, Operation::Wait)
    }

    /// Sleeps until a version newer than `version` stands, at most for `timeout`; `None` if none
    /// came. See [`SharedView::wait`].
    ///
    /// # Errors
    ///
    /// As for [`SharedView::wait`].
    pub fn wait_timeout(
        &self,
        version: u64,
        timeout: Duration,
    ) -> Result<Option<Snapshot<T>>, Error> {
        let operation = Operation::WaitTimeout;
        if !self.wait_until(version, Some(timeout), operation)? {
            return Ok(None);
        }
        self.typed
            .read_persistently(Field::WHOLE, self.typed.explain(operation))
            .map(Some)
    }

    /// Sleeps until a version newer than `version` stands, at most for `timeout`, and says which it
    /// is; `None` if none came. For values too large for the stack:
    /// [`read_into`](SharedView::read_into) or [`get_boxed`](SharedView::get_boxed) fetch it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Removed`], also when another program removed the segment, noticed within 250 ms;
    /// [`ErrorKind::System`] if the kernel does not tell whether it was; [`ErrorKind::Damaged`].
    pub fn wait_version(&self, version: u64, timeout: Duration) -> Result<Option<u64>, Error> {
        let came = self.wait_until(version, Some(timeout), Operation::WaitVersion)?;
        Ok(came.then(|| self.version()))
    }

    /// Who may be writing: a [`Claimant`] for each box that is open on the segment, or was when its
    /// process died and whose slot no process has taken since. In no order; a box that is being
    /// opened or dropped at this moment may be missing.
    ///
    /// Works where the segment is attached for reading only, and stores nothing. What peers stored is
    /// not trusted: at worst the list is wrong. Two to four system calls, and about 70 with a few
    /// allocations for each open box, more if its process has many threads or mappings: 0.1 to
    /// 0.2 ms each, so this is for people and monitors.
    ///
    /// ```
    /// # use shm_core::{HolderState, Key, SharedBox};
    /// # fn main() -> Result<(), shm_core::Error> {
    /// let shared = SharedBox::options().remove_on_drop(true).create_new(Key::PRIVATE, 5_u32)?;
    /// let _writer = shared.writer()?;
    /// for claimant in shared.writers()? {
    ///     assert_ne!(claimant.state, HolderState::Gone);
    ///     assert!(claimant.pid == std::process::id() && claimant.holds_lock);
    /// }
    /// # assert_eq!(shared.writers()?.len(), 1);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Removed`]; [`ErrorKind::Left`] if this thread has left the IPC namespace of the segment.
    pub fn writers(&self) -> Result<Vec<Claimant>, Error> {
        self.segment()
            .claimants()
            .map_err(self.typed.explain(Operation::Writers))
    }

    /// What the kernel knows of the segment: owner, mode, size, times, who is attached. Five system
    /// calls, since the id must lead to this very segment.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Left`] if the id leads nowhere, since this thread has left the IPC namespace of the
    /// segment; [`ErrorKind::System`] of kind [`Denied`](crate::sysv::Kind::Denied) if this user may not
    /// read it any more and the kernel has no `SHM_STAT_ANY` (Linux 4.17).
    pub fn info(&self) -> Result<shm::Stat, Error> {
        protocol::info(self.segment()).map_err(self.typed.explain(Operation::Info))
    }

    /// Whether the segment has been removed, or its key leads to another one by now.
    /// Five system calls, under a key six; none if the library removed it.
    ///
    /// # Errors
    ///
    /// As for [`SharedView::info`].
    pub fn is_removed(&self) -> Result<bool, Error> {
        protocol::is_removed(self.segment()).map_err(self.typed.explain(Operation::IsRemoved))
    }

    /// Attaches the segment that the key leads to now, with the options that this view was made
    /// with, and lets the old one go: after [`ErrorKind::Removed`], if the segment has been created anew.
    ///
    /// The value and its versions are those of the new segment. After an error the view is as it
    /// was. Where others use the view at the same time: [`reopen`](SharedView::reopen).
    ///
    /// ```
    /// use shm_core::{Error, ErrorKind, SharedBox, SharedView};
    ///
    /// # fn main() -> Result<(), Error> {
    /// # let key = shm_core::Key::new(0x7b5d_1012);
    /// let old = SharedBox::<u32>::create_new(key, 5)?;
    /// let mut view = SharedView::<u32>::open(key)?;
    /// old.remove()?;
    /// let new = SharedBox::<u32>::options().remove_on_drop(true).create_new(key, 6)?;
    /// if view.get().is_err_and(|error| error.kind() == ErrorKind::Removed) {
    ///     view.reattach()?;
    /// }
    /// assert_eq!(view.get()?, 6);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`SharedView::open`]; [`ErrorKind::Options`] also for a private segment, which has no key.
    pub fn reattach(&mut self) -> Result<(), Error> {
        *self = self.reopen()?;
        Ok(())
    }

    /// Opens the key again, with the options that this view was made with, as a view of its own.
    /// Also where this view was opened by id: what the key leads to now is opened.
    /// This one stays as it is. [`SharedBox::reopen`](crate::SharedBox::reopen) shows how threads go
    /// on together.
    ///
    /// # Errors
    ///
    /// As for [`SharedView::open`]; [`ErrorKind::Options`] also for a private segment, which has no key.
    pub fn reopen(&self) -> Result<SharedView<T>, Error> {
        let segment = self.segment();
        let place = Place::again(segment.home(), segment.key());
        self.options.open_read_only(place)
    }

    /// [`SharedView::wait`], under the name of this operation.
    pub(super) fn wait_as(&self, version: u64, operation: Operation) -> Result<Snapshot<T>, Error> {
        self.wait_until(version, None, operation)?;
        self.typed.read(Field::WHOLE, self.typed.explain(operation))
    }

    fn wait_until(
        &self,
        version: u64,
        timeout: Option<Duration>,
        operation: Operation,
    ) -> Result<bool, Error> {
        let end = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let waited = self.segment().wait(version, end);
        waited.map_err(self.typed.explain(operation))
    }

    #[inline(always)]
    pub(super) fn segment(&self) -> &Segment {
        self.typed.attached().segment()
    }
}

impl<T: SharedLayout> AsRef<SharedView<T>> for SharedView<T> {
    fn as_ref(&self) -> &SharedView<T> {
        self
    }
}

debug_in_segment!(SharedView<T>: typed);
