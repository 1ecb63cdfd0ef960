//! Opening a segment that is there, again and again where it goes away meanwhile. Nothing is changed
//! on the way.

use std::time::{Duration, Instant};

use super::find::{Found, find};
use crate::protocol::fault::Fault;
use crate::protocol::segment::kernel::{Access, look_up};
use crate::protocol::segment::segment::Segment;
use crate::sysv::Key;
use crate::sysv::shm;

/// Between two looks at a birth under way.
pub(super) const NAP: Duration = Duration::from_millis(1);

/// Attempts that are made whatever the limit is: one may end a removal, one make a segment that
/// goes at once.
const ATTEMPTS: u32 = 3;

/// Attempts after which a caller sleeps before the next one.
const YIELDS: u32 = 64;

/// Attaches the segment that `key` leads to.
pub(crate) fn open(key: Key, access: Access) -> Result<Segment, Fault> {
    retry(access.limit, |end| ready(find(look_up(key)?, access)?, end))
}

/// Attaches the segment with this id.
pub(crate) fn open_id(id: shm::Id, access: Access) -> Result<Segment, Fault> {
    retry(access.limit, |end| match find(id, access)? {
        Found::Gone => Err(Fault::Removed),
        found => ready(found, end),
    })
}

/// The segment that was found, if it is ready; `None`: look again.
pub(super) fn ready(found: Found, end: Instant) -> Result<Option<Segment>, Fault> {
    match found {
        Found::Ready(segment) => Ok(Some(segment)),
        Found::Newborn(mapped) if Instant::now() >= end => Err(mapped.unfinished(None)),
        Found::Newborn(_) | Found::Gone => Ok(None),
        Found::Foreign(mapped) => Err(mapped.foreign()),
        Found::Tombstone(_) => Err(Fault::Removed),
    }
}

/// Calls `attempt` until it yields something: `None` says that the segment went away meanwhile, and
/// is tried again up to the limit, and a few times whatever the limit is.
pub(super) fn retry<R>(
    limit: Duration,
    mut attempt: impl FnMut(Instant) -> Result<Option<R>, Fault>,
) -> Result<R, Fault> {
    let end = Instant::now() + limit;
    let mut attempts = 0;
    loop {
        // The last attempt begins when the time is over, and so can say what it would wait for.
        let is_last = attempts >= ATTEMPTS && Instant::now() >= end;
        if let Some(result) = attempt(end)? {
            return Ok(result);
        }
        if is_last {
            return Err(Fault::Removed);
        }
        attempts += 1;
        // Others are fast, or they wait for something themselves.
        if attempts < YIELDS {
            std::thread::yield_now();
        } else {
            std::thread::sleep(NAP);
        }
    }
}
