//! `remove`: the end of a segment of which only the key or the id is known.

use crate::error::{Context, Error};
use crate::options::checked;
use crate::protocol::{self, Fault};
use crate::sysv::Key;
use crate::sysv::shm;

/// Removes what this library left under a key, whatever type it holds and in whatever state it is:
/// a box, an unfinished birth, a damaged segment, one of another format.
///
/// The semaphore set that belongs to the segment goes with it, unlike with `ipcrm`; if the segment
/// names one that is not its own, that stays. Every later call of those attached says
/// [`Error::Removed`], and the key is free for a new segment. About a dozen system calls.
///
/// ```
/// use shm_core::{Error, SharedBox};
///
/// # fn main() -> Result<(), Error> {
/// # let key = shm_core::Key::new(0x7b5d_1021);
/// let old = SharedBox::<u32>::create_new(key, 5)?;
/// assert!(matches!(SharedBox::<[u8; 9]>::open(key), Err(Error::Mismatch { .. })));
///
/// shm_core::remove(key)?;
/// assert!(matches!(old.get(), Err(Error::Removed { .. })));
/// let new = SharedBox::<[u8; 9]>::create_new(key, [5; 9])?;
/// # new.remove()?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// [`Error::System`] if the key leads to no segment, or of kind
/// [`NotPermitted`](crate::sysv::Kind::NotPermitted) unless this user owns or created it;
/// [`Error::Foreign`] if another program made it: this library removes only what has its mark;
/// [`Error::Removed`] if another process was faster; [`Error::Options`] for a key that leads to no
/// segment.
pub fn remove(key: impl Into<Key>) -> Result<(), Error> {
    let context = Context::of_key("remove", checked(key.into(), "remove")?);
    let removed = protocol::look_up(context.key)
        .map_err(Fault::from)
        .and_then(protocol::remove_id);
    removed.map_err(|fault| Error::from_fault(fault, context, 0))
}

/// Removes what this library left by the kernel's id of the segment, as [`remove`] does by the key:
/// the only way to a private one that no process has open.
///
/// # Errors
///
/// As for [`remove`], without those about the key.
pub fn remove_id(id: shm::Id) -> Result<(), Error> {
    let context = Context::of_id("remove_id", id);
    protocol::remove_id(id).map_err(|fault| Error::from_fault(fault, context, 0))
}
