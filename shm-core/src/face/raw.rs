//! What a `RawBox` and a `RawTable` share: how the segment or file of another program is found or made, and attached.

use std::path::Path;
use std::time::{Duration, Instant};

use super::error::{Error, Operation};
use super::opening::{Settings, check_rights, creatable, find_id};
use super::place::Place;
use crate::home::{Home, file};
use crate::protocol::{self, Access, Fault, mode_at_first};
use crate::sysv::shm::{self, GetFlags};
use crate::sysv::{self, Kind, Mode};
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
        move |why| Error::new(why, operation, Some(self.place()), Some(self.of))
    }

    /// The place that leads to it, or to the one that took its place.
    fn place(&self) -> Place {
        match self.segment.home() {
            Home::Segment(mapping) => Place::of_segment(self.segment.key(), mapping.id()),
            Home::File(file) => Place::file(file.description().path()),
        }
    }

    /// The place to look for what took its place.
    pub(super) fn again(&self) -> Place {
        match self.segment.home() {
            Home::Segment(_) => self.segment.key().into(),
            Home::File(_) => self.place(),
        }
    }
}

impl Settings {
    /// Asks for the place again if what it led to is gone: a key leads elsewhere by then.
    fn attach(self, place: &Place, wanted: &Wanted) -> Result<(RawSegment, bool), Failure> {
        let access = self.access(wanted.writable);
        if let Some(path) = place.file_path() {
            return self.map(&path.map_err(Fault::from)?, wanted, access);
        }
        let start = Instant::now();
        loop {
            let (id, created) = match wanted.make {
                Some(check) => self.find_or_create(place, wanted.offset + wanted.bytes, check)?,
                None => (find_id(place)?, false),
            };
            match RawSegment::open(id, wanted.offset, wanted.bytes, access) {
                Ok(segment) => return Ok((segment, created)),
                Err(why)
                    if why.is_removed()
                        && place.key().is_some()
                        && start.elapsed() < self.timeout => {}
                Err(why) => {
                    if created {
                        let _ = shm::remove(id);
                    }
                    return Err(why);
                }
            }
        }
    }

    /// The same of a file.
    fn map(
        self,
        path: &Path,
        wanted: &Wanted,
        access: Access,
    ) -> Result<(RawSegment, bool), Failure> {
        let Wanted { offset, bytes, .. } = *wanted;
        let start = Instant::now();
        loop {
            let mapped = protocol::map_file(path, access);
            let (file, created) = match (mapped, wanted.make) {
                (Err(Fault::File(none)), Some(check)) if none.kind() == file::Kind::NotFound => {
                    check_rights(self.mode, self.group)?;
                    check()?;
                    let mode = Mode::new(self.mode);
                    match protocol::create_zeros(path, mode, self.group, offset + bytes)? {
                        Some(file) => (file, true),
                        // Others have made and removed it meanwhile.
                        None if start.elapsed() < self.timeout => continue,
                        None => return Err(Fault::Removed.into()),
                    }
                }
                (mapped, _) => (mapped?, false),
            };
            return Ok((RawSegment::of_file(file, offset, bytes)?, created));
        }
    }

    /// The id that a place leads to, and whether this call made the segment.
    fn find_or_create(
        self,
        place: &Place,
        size: usize,
        check: fn() -> Result<(), Failure>,
    ) -> Result<(shm::Id, bool), Failure> {
        if place.segment_id().is_some() {
            return Ok((find_id(place)?, false));
        }
        let (key, mode) = (creatable(place)?, Mode::new(self.mode));
        check_rights(self.mode, self.group)?;
        if let Err(refused) = check() {
            return find_id(place).map(|id| (id, false)).map_err(|_| refused);
        }
        let flags = GetFlags::CREATE | GetFlags::EXCLUSIVE;
        loop {
            match shm::get(key, size, flags, mode_at_first(mode, self.group)) {
                Ok(id) => {
                    give(id, mode, self.group).map_err(Fault::from)?;
                    return Ok((id, true));
                }
                Err(error) if error.kind() == Kind::Exists => {}
                Err(error) => return Err(Fault::from(error).into()),
            }
            match find_id(place) {
                // It went away in between.
                Err(Failure::Fault(Fault::System(error))) if error.kind() == Kind::NotFound => {}
                found => return found.map(|id| (id, false)),
            }
        }
    }
}

/// Gives a new segment its group, or takes it away again.
fn give(id: shm::Id, mode: Mode, group: Option<u32>) -> Result<(), sysv::Error> {
    let Some(group) = group else { return Ok(()) };
    let given = shm::stat(id).and_then(|stat| shm::set(id, stat.uid, group, mode));
    if given.is_err() {
        let _ = shm::remove(id);
    }
    given
}
