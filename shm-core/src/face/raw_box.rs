//! `RawBox` and `RawView`: a segment that another program laid out, as one typed value without
//! protocol.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::time::Duration;

#[cfg(doc)]
use super::error::ErrorKind;
use super::error::{Error, Operation};
use super::opening::find_id;
use super::place::Place;
use crate::layout::SharedLayout;
use crate::protocol::{Access, Owner};
use crate::sysv::Key;
use crate::sysv::shm;
use crate::typed::{Failure, RawTyped, Type};

/// A value of type `T` at the start of a System V segment that another program laid out, a C program
/// for instance.
///
/// All that is checked is that the segment has at least the bytes of a `T`, and that they are a
/// valid `T` when read. **There are no versions, there is no lock, and nothing protects from torn
/// values**: a read may see the first half of one store and the second half of another, and of two
/// writers at once each may win in part. Aligned integers of up to 8 bytes are loaded and stored
/// whole. If the other program guards its segment with a semaphore, [`sysv::sem`](crate::sysv::sem)
/// has the calls.
///
/// It is a [`RawView`] that may also write. Padding bytes are not stored, and neither are bytes behind the `T`. No system call and no
/// allocation but in `open`.
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

    /// Whom to trust.
    #[must_use]
    pub fn options() -> RawOptions<T> {
        RawOptions {
            owner: Owner::SelfOrRoot,
            value: PhantomData,
        }
    }

    /// Stores a `T` at the start of the segment, field by field: others may see half of it.
    pub fn set(&self, value: T) {
        self.view.typed.store(&value);
    }
}

/// What may be written may be read.
impl<T: SharedLayout> Deref for RawBox<T> {
    type Target = RawView<T>;

    fn deref(&self) -> &RawView<T> {
        &self.view
    }
}

/// A value of type `T` at the start of a System V segment that another program laid out, attached for
/// reading only: a [`RawBox`] that can't write. Made by [`RawBox::open_read_only`].
///
/// ```compile_fail
/// # let view = shm_core::RawBox::<u32>::open_read_only(0x1234).unwrap();
/// view.set(1);
/// ```
pub struct RawView<T: SharedLayout> {
    typed: RawTyped<T>,
}

impl<T: SharedLayout> RawView<T> {
    /// The bytes at the start of the segment as a `T`; torn if another program stores meanwhile.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] if they are none.
    pub fn get(&self) -> Result<T, Error> {
        self.typed.read().map_err(self.explain(Operation::RawGet))
    }

    /// The key under which the segment can be found.
    pub fn key(&self) -> Key {
        self.typed.key()
    }

    /// The kernel's id of the segment.
    pub fn id(&self) -> shm::Id {
        self.typed.id()
    }

    /// What the kernel knows of the segment. One system call.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::System`] of kind [`Removed`](crate::sysv::Kind::Removed) after the segment was
    /// destroyed, and of kind [`Denied`](crate::sysv::Kind::Denied) if this user may not read it any
    /// more.
    pub fn info(&self) -> Result<shm::Stat, Error> {
        self.typed.info().map_err(self.explain(Operation::RawInfo))
    }
}

impl<T: SharedLayout> RawView<T> {
    fn explain(&self, operation: Operation) -> impl FnOnce(Failure) -> Error {
        let place = Place::of_segment(self.key(), self.id());
        move |why| Error::new(why, operation, Some(place), Some(Type::of::<T>()))
    }

    fn fmt_as(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Type::of::<T>()
            .fmt_in_segment(name, self.key(), self.id(), f)
            .finish()
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
    owner: Owner,
    value: PhantomData<T>,
}

// By hand: options for values that can't be cloned can be.
impl<T> Clone for RawOptions<T> {
    fn clone(&self) -> RawOptions<T> {
        RawOptions { ..*self }
    }
}

impl<T: SharedLayout> RawOptions<T> {
    /// Whose segments are trusted: [`Owner::SelfOrRoot`] unless told otherwise.
    pub fn owner(&mut self, owner: Owner) -> &mut Self {
        self.owner = owner;
        self
    }

    /// Attaches the segment of a place. See [`RawBox::open`].
    ///
    /// # Errors
    ///
    /// As for [`RawBox::open`].
    pub fn open(&self, place: impl Into<Place>) -> Result<RawBox<T>, Error> {
        let view = self.view(place.into(), true, Operation::RawOpen)?;
        Ok(RawBox { view })
    }

    /// Attaches the segment of a place for reading. See [`RawBox::open_read_only`].
    ///
    /// # Errors
    ///
    /// As for [`RawBox::open`].
    pub fn open_read_only(&self, place: impl Into<Place>) -> Result<RawView<T>, Error> {
        self.view(place.into(), false, Operation::RawOpenReadOnly)
    }

    fn view(
        &self,
        place: Place,
        writable: bool,
        operation: Operation,
    ) -> Result<RawView<T>, Error> {
        let access = Access {
            owner: self.owner,
            // Nothing is ever waited for.
            limit: Duration::ZERO,
            writable,
        };
        match find_id(place).and_then(|id| RawTyped::open(id, access)) {
            Ok(typed) => Ok(RawView { typed }),
            Err(why) => Err(Error::new(
                why,
                operation,
                Some(place),
                Some(Type::of::<T>()),
            )),
        }
    }
}
