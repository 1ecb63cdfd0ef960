//! `remove`: the end of a segment of which only the place is known.

use super::error::{Error, Operation};
use super::opening::{Found, TIMEOUT, find_id, findable};
use super::place::Place;
use crate::protocol;
use crate::sysv::{self, sem};
use crate::typed::Failure;

/// Removes what this library left in a place, whatever type it holds and in whatever state it is: a
/// box, an unfinished birth, a damaged segment, one of another format.
///
/// The semaphore set that belongs to the segment goes with it, unlike with `ipcrm`; if the segment
/// names one that is not its own, that stays. Every later call of those attached says
/// [`ErrorKind::Removed`](crate::ErrorKind::Removed), and the key is free for a new segment. Less than
/// twenty system calls. [`Place::id`] is the only way to a private segment that no process has open.
///
/// ```
/// use shm_core::{Error, ErrorKind, SharedBox};
///
/// # fn main() -> Result<(), Error> {
/// # let key = shm_core::Key::new(0x7b5d_1021);
/// let old = SharedBox::<u32>::create_new(key, 5)?;
/// let refused = SharedBox::<[u8; 9]>::open(key).unwrap_err();
/// assert_eq!(refused.kind(), ErrorKind::Mismatch);
///
/// shm_core::remove(key)?;
/// assert_eq!(old.get().unwrap_err().kind(), ErrorKind::Removed);
/// let new = SharedBox::<[u8; 9]>::create_new(key, [5; 9])?;
/// # new.remove()?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// [`System`](crate::ErrorKind::System) if the key leads to no segment, or of kind
/// [`NotPermitted`](crate::sysv::Kind::NotPermitted) unless this user owns or created it;
/// [`Foreign`](crate::ErrorKind::Foreign) if another program made it: this library removes only what
/// has its mark; [`Removed`](crate::ErrorKind::Removed) if another process was faster;
/// [`Options`](crate::ErrorKind::Options) for a key that leads to no segment.
pub fn remove(place: impl Into<Place>) -> Result<(), Error> {
    let place = place.into();
    removed(&place).map_err(|why| Error::new(why, Operation::Remove, Some(place), None))
}

fn removed(place: &Place) -> Result<(), Failure> {
    match findable(place)? {
        Found::File(path) => Ok(protocol::remove_file(&path, TIMEOUT)?),
        Found::Key(_) | Found::Id(_) => Ok(protocol::remove_id(find_id(place)?)?),
    }
}

/// Semaphore sets that this library made for segments that are gone, as `ipcrm -m` leaves them where no
/// process of the library is attached: [`sem::remove`] removes one.
///
/// What the kernel knows of a set is all there is to go by: it has no key, as many semaphores as a
/// segment's has, of which those that processes raise are 0, and behind them the two tags by which a
/// segment knows its own, of no segment that there is. A set of another program may look like that
/// by accident: show what is found to the one who decides. Sets that this process may not read are
/// left out, and so is one whose tag a later segment bears by chance (one in 32,767). One system call for each
/// place of the kernel's tables, and one for each set without a key.
///
/// # Errors
///
/// [`Unsupported`](sysv::Kind::Unsupported) where the kernel has no System V IPC;
/// [`Denied`](sysv::Kind::Denied) on kernels before 4.17, where there is a segment that this process may not read.
pub fn orphaned_sets() -> Result<Vec<sem::Id>, sysv::Error> {
    protocol::orphaned_sets()
}
