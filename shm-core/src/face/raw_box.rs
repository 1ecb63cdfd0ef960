//! `RawBox` and `RawView`: a segment that another program laid out, as one typed value without
//! protocol.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::atomic::Ordering;
use std::time::Duration;

#[cfg(doc)]
use super::error::ErrorKind;
use super::error::{Error, Operation};
use super::opening::Settings;
use super::place::Place;
use super::raw::{Joined, Raw, Wanted};
use crate::layout::SharedLayout;
use crate::protocol::{Fault, Owner};
use crate::sysv::{Key, shm};
use crate::typed::{Failure, Field, RawPart, Type, check_zeros, one_access, refused};

/// A value of type `T` at the start of a System V segment that another program laid out, a C program
/// for instance; or of a file, or POSIX shared memory ([`Place::file`], [`Place::posix`]).
///
/// All that is checked is that the segment has at least the bytes of a `T`, and that they are a
/// valid `T` when read. **There are no versions, there is no lock, and nothing protects from torn
/// values**: a read may see the first half of one store and the second half of another, and of two
/// writers at once each may win in part. Aligned integers of up to 8 bytes are loaded and stored
/// whole. Where the other program has a protocol of its own, [`load`](RawView::load) and
/// [`store`](RawBox::store) access one field in the order that it wants. If it guards its segment with
/// a semaphore or a mutex, [`guarded_by`](RawBox::guarded_by) makes each access run under it.
///
/// It is a [`RawView`] that may also write. Padding bytes are not stored, and neither are bytes around
/// the `T`. No system call and no allocation but in `open`, `reattach`, `info` and `is_removed`.
///
/// ```
/// use shm_core::RawBox;
/// use shm_core::sysv::{Key, Mode, shm};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// // As a C program would: shmget(IPC_PRIVATE, 56, IPC_CREAT | 0600)
/// let id = shm::get(Key::PRIVATE, 56, shm::GetFlags::CREATE, Mode::new(0o600))?;
/// let raw = RawBox::<[i32; 14]>::open(id)?;
/// let mut value = raw.get()?;
/// value[0] = 7;
/// raw.set(value);
/// assert_eq!(raw.get()?[0], 7);
/// shm::remove(id)?;
/// # Ok(())
/// # }
/// ```
pub struct RawBox<T: SharedLayout> {
    view: RawView<T>,
}

impl<T: SharedLayout> RawBox<T> {
    /// Attaches the segment of a place, which must exist and have at least the bytes of a `T`. Its
    /// owner and creator must be this user or root: [`RawBox::options`] allows others.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::System`] (no such segment, no permission), [`ErrorKind::TooSmall`],
    /// [`ErrorKind::Untrusted`], [`ErrorKind::Removed`] if it went away meanwhile, [`ErrorKind::Options`] for a
    /// key that leads to no segment.
    pub fn open(place: impl Into<Place>) -> Result<RawBox<T>, Error> {
        RawBox::options().open(place)
    }

    /// Attaches the segment of a place for reading: for that, read permission is enough.
    ///
    /// ```
    /// use shm_core::RawBox;
    /// use shm_core::sysv::{Mode, shm};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let key = shm_core::Key::new(0x7b5d_1020);
    /// let id = shm::get(key, 56, shm::GetFlags::CREATE, Mode::new(0o644))?;
    /// let view = RawBox::<[i32; 14]>::open_read_only(key)?;
    /// assert_eq!(view.get()?[0], 0);
    /// shm::remove(id)?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`RawBox::open`].
    pub fn open_read_only(place: impl Into<Place>) -> Result<RawView<T>, Error> {
        RawBox::options().open_read_only(place)
    }

    /// Whom to trust, where in the segment the `T` lies, and whether to make the segment.
    #[must_use]
    pub fn options() -> RawOptions<T> {
        RawOptions {
            settings: Settings::DEFAULT,
            offset: 0,
            create_exact: false,
            value: PhantomData,
        }
    }

    /// Stores a `T`, field by field: others may see half of it.
    ///
    /// A field that the other program writes at the same time is overwritten, too: where that matters,
    /// [`store`](RawBox::store) those that are this program's to write.
    pub fn set(&self, value: T) {
        self.value().store(&value);
    }

    /// Stores one field, in one access as wide as the field, and touches nothing else.
    ///
    /// `order` is as for the standard library's atomics: with `Release`, a process that loads this
    /// value with `Acquire` also sees what this thread stored before. In C that is
    /// `atomic_store_explicit`, or a plain store behind a barrier. [`std::sync::atomic::fence`] works
    /// as between atomics.
    ///
    /// ```
    /// use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
    /// use shm_core::{Key, RawBox, SharedLayout, field};
    ///
    /// #[derive(SharedLayout, Clone, Copy)]
    /// #[repr(C)]
    /// struct Sample {
    ///     seconds: i64,
    ///     valid: i32,
    /// }
    ///
    /// # fn main() -> Result<(), shm_core::Error> {
    /// let unit = RawBox::<Sample>::options().create_exact(true).open(Key::PRIVATE)?;
    /// # shm_core::sysv::shm::remove(unit.id().unwrap()).unwrap();
    /// unit.store(field!(Sample.seconds), 7, Relaxed)?;
    /// unit.store(field!(Sample.valid), 1, Release)?; // the other side sees the 7 before
    /// assert_eq!(unit.load(field!(Sample.valid), Acquire)?, 1);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// A field of another width does not compile:
    ///
    /// ```compile_fail,E0080
    /// # use std::sync::atomic::Ordering::Relaxed;
    /// # use shm_core::{RawBox, SharedLayout, field};
    /// # #[derive(SharedLayout, Clone, Copy)]
    /// # #[repr(C)]
    /// # struct Sample { at: [u32; 3] }
    /// fn wide(unit: &RawBox<Sample>) {
    ///     unit.store(field!(Sample.at), [0; 3], Relaxed);
    /// }
    /// # wide(&RawBox::open(1).unwrap());
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Options`] for a field that is not aligned, which only a packed struct inside
    /// another can have. (If `T` is packed itself, it does not compile.) [`ErrorKind::NoElement`].
    ///
    /// # Panics
    ///
    /// If the order is `Acquire` or `AcqRel`.
    pub fn store<F: SharedLayout>(
        &self,
        field: Field<T, F>,
        value: F,
        order: Ordering,
    ) -> Result<(), Error> {
        const { one_access::<T, F>() }
        let stored = self.value().store_field(field, value, order);
        stored.map_err(self.joined.explain(Operation::RawStore))
    }

    /// As [`RawView::reattach`], for reading and writing.
    ///
    /// # Errors
    ///
    /// As for [`RawBox::open`].
    pub fn reattach(&mut self) -> Result<(), Error> {
        self.view.again(true, Operation::RawOpen)
    }
}

/// What may be written may be read.
impl<T: SharedLayout> Deref for RawBox<T> {
    type Target = RawView<T>;

    fn deref(&self) -> &RawView<T> {
        &self.view
    }
}

/// A value of type `T` at the start of a System V segment or file that another program laid out, attached for
/// reading only: a [`RawBox`] that can't write. Made by [`RawBox::open_read_only`].
///
/// ```compile_fail
/// # let view = shm_core::RawBox::<u32>::open_read_only(0x1234).unwrap();
/// view.set(1);
/// ```
pub struct RawView<T: SharedLayout> {
    joined: Joined,
    options: RawOptions<T>,
    created: bool,
}

impl<T: SharedLayout> RawView<T> {
    /// The bytes in the segment as a `T`; torn if another program stores meanwhile.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] if they are none.
    pub fn get(&self) -> Result<T, Error> {
        self.value()
            .read()
            .map_err(self.joined.explain(Operation::RawGet))
    }

    /// One field, loaded in one access as wide as the field.
    ///
    /// `order` is as for the standard library's atomics; see [`RawBox::store`]. `SeqCst` costs a fence,
    /// some 10 ns; the others cost a load.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] if the bytes are none of the field's type; [`ErrorKind::Options`] for a field
    /// that is not aligned, as for [`RawBox::store`]; [`ErrorKind::NoElement`].
    ///
    /// # Panics
    ///
    /// If the order is `Release` or `AcqRel`.
    pub fn load<F: SharedLayout>(&self, field: Field<T, F>, order: Ordering) -> Result<F, Error> {
        const { one_access::<T, F>() }
        let loaded = self.value().load_field(field, order);
        loaded.map_err(self.joined.explain(Operation::RawLoad))
    }

    /// Whether this call made the segment: see [`RawOptions::create_exact`].
    pub fn created(&self) -> bool {
        self.created
    }

    /// Whether the segment has been removed, so that no key or path leads to it: the other program has ended,
    /// or has made a new one. Reads and writes go on, and no new process sees them. One system call.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::System`] if the kernel does not tell.
    pub fn is_removed(&self) -> Result<bool, Error> {
        self.joined
            .segment
            .is_removed()
            .map_err(self.joined.explain(Operation::RawIsRemoved))
    }

    /// Attaches the segment that the key (or the file that the path) leads to now, with the options that this was opened with, and
    /// lets the old one go: when the other program has removed it and made it anew. It makes none
    /// itself. After an error all is as it was.
    ///
    /// ```
    /// use shm_core::RawBox;
    /// use shm_core::sysv::{Mode, shm};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let key = shm_core::Key::new(0x7b5d_1024);
    /// let make = || shm::get(key, 4, shm::GetFlags::CREATE, Mode::new(0o600));
    /// # let _ = shm::get(key, 0, shm::GetFlags::NONE, Mode::new(0)).map(shm::remove);
    /// let first = make()?;
    /// let mut view = RawBox::<u32>::open_read_only(key)?;
    /// shm::remove(first)?; // the other program ends
    /// let second = make()?; // and starts again
    /// if view.is_removed()? {
    ///     view.reattach()?;
    /// }
    /// assert_eq!(view.id(), Some(second));
    /// # shm::remove(second)?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`RawBox::open_read_only`]; [`ErrorKind::Options`] also for a private segment, which has no
    /// key.
    pub fn reattach(&mut self) -> Result<(), Error> {
        self.again(false, Operation::RawOpenReadOnly)
    }

    /// The key under which the segment can be found; `None` of a segment without one, and of a file.
    pub fn key(&self) -> Option<Key> {
        Some(self.joined.segment.key()).filter(|key| !key.is_private())
    }

    /// The kernel's id of the segment; `None` of a file.
    pub fn id(&self) -> Option<shm::Id> {
        self.joined.segment.home().id()
    }

    /// What the kernel knows of the segment. One system call.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::System`] of kind [`Removed`](crate::sysv::Kind::Removed) after the segment was
    /// destroyed, and of kind [`Denied`](crate::sysv::Kind::Denied) if this user may not read it any
    /// more; [`ErrorKind::Options`] of a file, which the standard library tells of.
    pub fn info(&self) -> Result<shm::Stat, Error> {
        self.joined
            .segment
            .info()
            .map_err(self.joined.explain(Operation::RawInfo))
    }
}

impl<T: SharedLayout> RawView<T> {
    /// The value.
    pub(super) fn value(&self) -> RawPart<'_, T> {
        self.joined.segment.part(self.options.offset)
    }

    pub(super) fn offset(&self) -> usize {
        self.options.offset
    }

    fn again(&mut self, writable: bool, operation: Operation) -> Result<(), Error> {
        let mut options = self.options.clone();
        options.create_exact = false;
        *self = options.view(self.joined.again(), writable, operation)?;
        Ok(())
    }

    fn fmt_as(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Type::of::<T>()
            .fmt_in_segment(name, self.joined.segment.key(), self.id(), f)
            .finish()
    }
}

impl<T: SharedLayout> Raw for RawBox<T> {
    fn joined(&self) -> &Joined {
        &self.view.joined
    }
}

impl<T: SharedLayout> fmt::Debug for RawBox<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fmt_as("RawBox", f)
    }
}

impl<T: SharedLayout> fmt::Debug for RawView<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fmt_as("RawView", f)
    }
}

/// How a [`RawBox`] attaches; made by [`RawBox::options`].
///
/// ```no_run
/// use shm_core::{Owner, RawBox};
///
/// let mut options = RawBox::<u32>::options();
/// let raw = options.owner(Owner::User(1000)).open(0x1234)?;
/// println!("{}", raw.get()?);
/// # Ok::<(), shm_core::Error>(())
/// ```
#[derive(Debug)]
pub struct RawOptions<T> {
    settings: Settings,
    offset: usize,
    create_exact: bool,
    value: PhantomData<T>,
}

// By hand: options for values that can't be cloned can be.
impl<T> Clone for RawOptions<T> {
    fn clone(&self) -> RawOptions<T> {
        RawOptions { ..*self }
    }
}

setters! {
    impl [T: SharedLayout] RawOptions<T>;

    /// Whose segments are trusted: [`Owner::SelfOrRoot`] unless told otherwise.
    owner(owner: Owner) => settings.owner = owner;

    /// The permissions of a segment or file that [`create_exact`](Self::create_exact) makes: `0o600` unless
    /// told otherwise. A file which others may write is refused unless their bits are in it, as for
    /// [`Options::mode`](crate::Options::mode).
    mode(mode: u32) => settings.mode = mode;

    /// The group of a segment that [`create_exact`](Self::create_exact) makes, by number; the creator's
    /// unless told otherwise.
    group(group: u32) => settings.group = Some(group);

    /// How long an access of a [`GuardedBox`](crate::GuardedBox) waits for its guard, and `open` goes on
    /// while other processes remove the segment and make it anew: 5 seconds unless told otherwise.
    timeout(timeout: Duration) => settings.timeout = timeout;

    /// How many bytes of the segment lie before the `T`: 0 unless told otherwise. A multiple of the
    /// type's alignment.
    offset(bytes: usize) => offset = bytes;

    /// Whether [`open`](Self::open) makes the segment if the key leads to none, or the file of the path, of exactly the bytes up
    /// to the end of the `T`, all zeros: what `shmget(key, sizeof(struct …), IPC_CREAT | mode)` does in C.
    /// One that exists is attached as it is. [`RawView::created`] tells which it was. None is made where zeros
    /// would be read as a variant that stands for unknown numbers (`#[shared(other)]`): no program could store
    /// over those.
    ///
    /// ```
    /// use shm_core::RawBox;
    ///
    /// # fn main() -> Result<(), shm_core::Error> {
    /// # let key = shm_core::Key::new(0x7b5d_1025);
    /// let mut options = RawBox::<[i32; 14]>::options();
    /// let raw = options.mode(0o640).create_exact(true).open(key)?;
    /// # shm_core::sysv::shm::remove(raw.id().unwrap()).unwrap();
    /// assert!(raw.created());
    /// assert_eq!(raw.info()?.size, 56);
    /// # Ok(())
    /// # }
    /// ```
    create_exact(create: bool) => create_exact = create;
}

impl<T: SharedLayout> RawOptions<T> {
    /// Attaches the segment of a place. See [`RawBox::open`].
    ///
    /// # Errors
    ///
    /// As for [`RawBox::open`]; [`ErrorKind::Options`] also for an offset that is not aligned, and for a
    /// mode, group or place that no new segment can have; [`ErrorKind::Invalid`] if a new one's zeros stand for
    /// a variant that this program does not know.
    pub fn open(&self, place: impl Into<Place>) -> Result<RawBox<T>, Error> {
        let view = self.view(place.into(), true, Operation::RawOpen)?;
        Ok(RawBox { view })
    }

    /// Attaches the segment of a place for reading, and makes none. See [`RawBox::open_read_only`].
    ///
    /// # Errors
    ///
    /// As for [`RawBox::open`]; [`ErrorKind::Options`] also for an offset that is not aligned.
    pub fn open_read_only(&self, place: impl Into<Place>) -> Result<RawView<T>, Error> {
        self.view(place.into(), false, Operation::RawOpenReadOnly)
    }

    fn view(
        &self,
        place: Place,
        writable: bool,
        operation: Operation,
    ) -> Result<RawView<T>, Error> {
        let wanted = self.wanted(writable);
        let of = Type::of::<T>();
        let (joined, created) = Joined::open(self.settings, place, (of, operation), wanted)?;
        Ok(RawView {
            joined,
            options: self.clone(),
            created,
        })
    }

    /// The bytes of a `T`, aligned.
    fn wanted(&self, writable: bool) -> Result<Wanted, Failure> {
        let (offset, bytes, align) = (self.offset, size_of::<T>(), align_of::<T>());
        if offset % align != 0 {
            return refused(format!(
                "an offset of {offset} bytes is not aligned for the type: take a multiple of {align}"
            ));
        }
        if offset.checked_add(bytes).is_none() {
            return refused(format!("an offset of {offset} bytes is beyond any segment"));
        }
        Ok(Wanted {
            offset,
            bytes,
            writable,
            make: (self.create_exact && writable).then_some(begins_with_zeros::<T>),
        })
    }
}

/// Whether a segment may begin with zeros.
fn begins_with_zeros<T: SharedLayout>() -> Result<(), Failure> {
    check_zeros::<T>().map_err(|fault| match fault {
        Fault::Invalid(zeros) => Type::of::<T>().invalid(0, &zeros),
        fault => fault.into(),
    })
}
