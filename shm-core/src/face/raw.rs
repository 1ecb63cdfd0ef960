//! What a `RawBox` and a `RawTable` share: how the segment or file of another program is found or made, and attached.

use std::path::Path;
use std::time::{Duration, Instant};

use super::error::{Error, Operation};
use super::opening::{Settings, check_rights, creatable, find_id};
use super::place::Place;
use crate::home::file;
use crate::protocol::{self, Fault, mode_at_first};
use crate::sysv::shm::{self, GetFlags};
use crate::sysv::{Kind, Mode};
use crate::typed::{Failure, RawSegment, Type};

/// What lies where in the segment, and what for.
pub(super) struct Wanted {
    pub(super) offset: usize,
    pub(super) bytes: usize,
    pub(super) writable: bool,
    /// Whether a segment of just these bytes is made where there is none, and what refuses its zeros.
    pub(super) make: Option<fn() -> Result<(), Failure>>,
}

/// The segment of another program, attached.
#[derive(Debug)]
pub struct Joined {
    pub(super) segment: RawSegment,
    /// How long an access waits for its guard.
    pub(super) limit: Duration,
    of: &'static Type,
}

/// What a guard is for: a [`RawBox`](crate::RawBox) or a [`RawTable`](crate::RawTable).
pub trait Raw {
    #[doc(hidden)]
    fn joined(&self) -> &Joined;
}

impl Joined {
    /// Attaches the segment of a place, and says whether this call made it.
    pub(super) fn open(
        settings: Settings,
        place: Place,
        (of, operation): (&'static Type, Operation),
        wanted: Result<Wanted, Failure>,
    ) -> Result<(Joined, bool), Error> {
        match wanted.and_then(|wanted| settings.attach(&place, &wanted)) {
            Ok((segment, created)) => {
                let limit = settings.timeout;
                Ok((Joined { segment, limit, of }, created))
            }
            Err(why) => Err(Error::new(why, operation, Some(place), Some(of))),
        }
    }

    pub(super) fn explain(&self, operation: Operation) -> impl FnOnce(Failure) -> Error {
        // Not before there is one: a path is an allocation.
        move |why| Error::new(why, operation, self.place(), Some(self.of))
    }

    /// The place that leads to it, or to the one that took its place.
    fn place(&self) -> Option<Place> {
        Place::of(self.segment.home(), self.segment.key())
    }

    /// The place to look for what took its place.
    pub(super) fn again(&self) -> Place {
        Place::again(self.segment.home(), self.segment.key())
    }
}

impl Settings {
    /// Asks for the place again if what it led to is gone: a key or a path leads elsewhere by then.
    fn attach(self, place: &Place, wanted: &Wanted) -> Result<(RawSegment, bool), Failure> {
        let start = Instant::now();
        loop {
            let joined = match place.file_path() {
                Some(path) => self.map(&path?, wanted),
                None => self.join(place, wanted),
            };
            match joined {
                Err(why)
                    if why.is_removed()
                        && place.segment_id().is_none()
                        && start.elapsed() < self.timeout => {}
                joined => return joined,
            }
        }
    }

    fn map(self, path: &Path, wanted: &Wanted) -> Result<(RawSegment, bool), Failure> {
        let Wanted { offset, bytes, .. } = *wanted;
        let mapped = protocol::map_file(path, self.access(wanted.writable));
        let (file, created) = match (mapped, wanted.make) {
            (Err(Fault::File(none)), Some(check)) if none.kind() == file::Kind::NotFound => {
                check_rights(self.mode, self.group)?;
                check()?;
                let mode = Mode::new(self.mode);
                let made = protocol::create_zeros(path, mode, self.group, offset + bytes)?;
                // Others have made it, and it may be gone again.
                (made.ok_or(Fault::Removed)?, true)
            }
            (mapped, _) => (mapped?, false),
        };
        Ok((RawSegment::of_file(file, offset, bytes)?, created))
    }

    /// What `map` does, for a segment.
    fn join(self, place: &Place, wanted: &Wanted) -> Result<(RawSegment, bool), Failure> {
        let Wanted { offset, bytes, .. } = *wanted;
        let (id, created) = match wanted.make {
            Some(check) if place.segment_id().is_none() => {
                self.find_or_create(place, offset + bytes, check)?
            }
            _ => (find_id(place)?, false),
        };
        let given = if created { self.give(id) } else { Ok(()) };
        let access = self.access(wanted.writable);
        let joined = given.and_then(|()| RawSegment::open(id, offset, bytes, access));
        if created && joined.is_err() {
            let _ = shm::remove(id);
        }
        Ok((joined?, created))
    }

    /// The id that a place leads to, and whether this call made the segment.
    fn find_or_create(
        self,
        place: &Place,
        size: usize,
        check: fn() -> Result<(), Failure>,
    ) -> Result<(shm::Id, bool), Failure> {
        let key = creatable(place)?;
        check_rights(self.mode, self.group)?;
        if let Err(refused) = check() {
            return find_id(place).map(|id| (id, false)).map_err(|_| refused);
        }
        let flags = GetFlags::CREATE | GetFlags::EXCLUSIVE;
        let mode = mode_at_first(Mode::new(self.mode), self.group);
        match shm::get(key, size, flags, mode) {
            Ok(id) => return Ok((id, true)),
            Err(error) if error.kind() == Kind::Exists => {}
            Err(error) => return Err(error.into()),
        }
        match find_id(place) {
            Err(Failure::Fault(Fault::System(error))) if error.kind() == Kind::NotFound => {
                Err(Fault::Removed.into())
            }
            found => Ok((found?, false)),
        }
    }

    /// Gives a new segment its group.
    fn give(self, id: shm::Id) -> Result<(), Failure> {
        if let Some(group) = self.group {
            let uid = shm::stat(id)?.uid;
            shm::set(id, uid, group, Mode::new(self.mode))?;
        }
        Ok(())
    }
}
