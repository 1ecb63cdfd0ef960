//! `RawBox`: a segment that another program laid out, as one typed value without protocol.

use std::time::Duration;

use crate::error::{Context, Error};
use crate::layout::SharedLayout;
use crate::options::checked;
use crate::protocol::{Access, Fault, Owner, RawSegment};
use crate::sysv::Key;
use crate::sysv::shm;
use crate::typed::RawTyped;

/// A value of type `T` at the start of a System V segment that somebody else laid out, a C program
/// for instance.
///
/// All that is checked is that the segment has at least the bytes of a `T`, and that they are a
/// valid `T` when read. **There are no versions, there is no lock, and nothing protects from torn
/// values**: a read may see the first half of one store and the second half of another, and of two
/// writers at once each may win in part. Aligned integers of up to 8 bytes are loaded and stored
/// whole. If the other program guards its segment with a semaphore, [`sysv::sem`](crate::sysv::sem)
/// has the calls.
///
/// Padding bytes are not stored, and neither are bytes behind the `T`. No system call and no
/// allocation but in `open`.
///
/// ```
/// use shm_core::RawBox;
/// use shm_core::sysv::{Key, Mode, shm};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// // As a C program would: shmget(IPC_PRIVATE, 56, IPC_CREAT | 0600)
/// let id = shm::get(Key::PRIVATE, 56, shm::GetFlags::CREATE, Mode::new(0o600))?;
/// let raw = RawBox::<[i32; 14]>::open_id(id)?;
/// let mut value = raw.get()?;
/// value[0] = 7;
/// raw.set(value);
/// assert_eq!(raw.get()?[0], 7);
/// shm::remove(id)?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct RawBox<T: SharedLayout> {
    typed: RawTyped<T>,
}

impl<T: SharedLayout> RawBox<T> {
    /// Attaches the segment of `key`, which must exist and have at least the bytes of a `T`. Its
    /// owner and creator must be this user or root.
    ///
    /// # Errors
    ///
    /// [`Error::System`] (no such segment, no permission), [`Error::TooSmall`],
    /// [`Error::Untrusted`].
    pub fn open(key: impl Into<Key>) -> Result<RawBox<T>, Error> {
        RawBox::open_trusting(key, Owner::SelfOrRoot)
    }

    /// The same for a segment of another user's.
    ///
    /// # Errors
    ///
    /// As for [`RawBox::open`].
    pub fn open_trusting(key: impl Into<Key>, owner: Owner) -> Result<RawBox<T>, Error> {
        let context = Context::of_key("RawBox::open", checked(key.into(), "RawBox::open")?);
        RawBox::new(RawSegment::open(context.key, access(owner)), context)
    }

    /// Attaches a segment by the kernel's id.
    ///
    /// # Errors
    ///
    /// As for [`RawBox::open`].
    pub fn open_id(id: shm::Id) -> Result<RawBox<T>, Error> {
        let context = Context::of_id("RawBox::open_id", id);
        RawBox::new(RawSegment::open_id(id, access(Owner::SelfOrRoot)), context)
    }

    fn new(segment: Result<RawSegment, Fault>, context: Context) -> Result<RawBox<T>, Error> {
        let segment = segment.map_err(|fault| Error::from_fault(fault, context, size_of::<T>()))?;
        Ok(RawBox {
            typed: RawTyped::new(segment, context.operation)?,
        })
    }

    /// The bytes at the start of the segment as a `T`; torn if somebody stores meanwhile.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if they are none.
    pub fn get(&self) -> Result<T, Error> {
        self.typed.read("RawBox::get")
    }

    /// Stores a `T` at the start of the segment, field by field: others may see half of it.
    pub fn set(&self, value: T) {
        self.typed.store(&value);
    }

    /// The key under which the segment can be found.
    pub fn key(&self) -> Key {
        self.typed.segment().key()
    }

    /// What the kernel knows of the segment. One system call.
    ///
    /// # Errors
    ///
    /// [`Error::System`] of kind [`Removed`](crate::sysv::Kind::Removed) after the segment was
    /// destroyed.
    pub fn info(&self) -> Result<shm::Stat, Error> {
        let context = Context::of_key("RawBox::info", self.key());
        self.typed
            .segment()
            .stat()
            .map_err(|fault| Error::from_fault(fault, context, size_of::<T>()))
    }
}

/// Nothing is ever waited for.
fn access(owner: Owner) -> Access {
    Access {
        owner,
        limit: Duration::ZERO,
        writable: true,
    }
}
