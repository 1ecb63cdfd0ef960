//! How a segment is found or made, whatever the type of its value: what stands behind `Options`.

use std::borrow::Cow;
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::time::{Duration, Instant};

use super::place::Place;
use crate::layout::{Fingerprint, Schema, first_invalid};
use crate::protocol::{
    self, ALWAYS_NOTIFY, Access, COUNTERS, FREE_ON_DEATH, Fault, Geometry, Judge, MOST_ROWS,
    MOST_SLOTS, Newborn, Owner, RAW_WRITERS, Room, SLOTS, SNAPSHOTS, Segment, TABLE, Write,
};
use crate::sysv::shm::{self, GetFlags};
use crate::sysv::{Key, Mode};
use crate::typed::{Attached, Failure, Type, refused, room, store_bytes_first};

/// How long a call waits for another process before it gives up, unless told otherwise.
pub(super) const TIMEOUT: Duration = Duration::from_secs(5);

/// Longer than any program runs, and short enough to be added to any instant.
pub(super) const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// What was attached, and whether it was created.
pub(super) type Opened = (Attached, bool);

/// The owner's right to read and write, in a mode.
const OWN: u32 = 0o600;

/// How long a program that replaces a segment may be taken for one that uses it. Others that replace it are attached for
/// microseconds, but on a busy machine they may not run for long in between, nor may a child between `fork` and `exec`.
const PATIENCE: Duration = Duration::from_secs(1);

/// Attempts to open or create that are made whatever the time limit is.
const ATTEMPTS: u32 = 3;

/// Why a segment that stands under the key is of no use, and whether it made room.
struct Unfit(Failure, Room);

/// What can't be replaced, or was not to be.
impl<W: Into<Failure>> From<W> for Unfit {
    fn from(why: W) -> Unfit {
        Unfit(why.into(), Room::Denied)
    }
}

/// What [`Options`](super::options::Options) say.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    pub(super) mode: u32,
    pub(super) group: Option<u32>,
    pub(super) capacity: Option<usize>,
    /// The number that the first value of a new segment has.
    pub(super) version: u64,
    pub(super) slots: u16,
    pub(super) owner: Owner,
    pub(super) timeout: Duration,
    pub(super) raw_writers: bool,
    pub(super) always_notify: bool,
    pub(super) pages: GetFlags,
    pub(super) remove_on_drop: bool,
    pub(super) adopt: bool,
    pub(super) upgrade: bool,
    pub(super) replace_unused: bool,
    /// Whether it is a table, and how many rows a new one has.
    pub(super) rows: Option<u32>,
    pub(super) free_on_death: bool,
}

impl Settings {
    pub(super) const DEFAULT: Settings = Settings {
        mode: 0o600,
        group: None,
        capacity: None,
        version: 1,
        slots: SLOTS,
        owner: Owner::SelfOrRoot,
        timeout: TIMEOUT,
        raw_writers: false,
        always_notify: false,
        pages: GetFlags::NONE,
        remove_on_drop: false,
        adopt: false,
        upgrade: false,
        replace_unused: false,
        rows: None,
        free_on_death: false,
    };

    /// Attaches the segment of a place for writing, and adopts or upgrades it if these settings say
    /// so.
    pub(super) fn open(&self, place: &Place, of: &'static Type) -> Result<Opened, Failure> {
        let access = self.access(true);
        let adopted = match findable(place)? {
            Found::Key(key) if self.adopt => Some((key, self.newborn(of)?)),
            _ => None,
        };
        self.settled(of, || {
            let segment = match &adopted {
                Some((key, newborn)) => protocol::open_or_adopt(*key, access, newborn)
                    .map_err(|fault| adopting(fault, newborn))?,
                None => find(place, access)?,
            };
            Ok((segment, false))
        })
    }

    /// Attaches the segment of a place for reading.
    pub(super) fn open_read_only(
        &self,
        place: &Place,
        of: &'static Type,
    ) -> Result<Attached, Failure> {
        let access = self.access(false);
        let (attached, _) = self.settled(of, || Ok((find(place, access)?, false)))?;
        Ok(attached)
    }

    /// Creates the segment of a place, with the value that `write` stores.
    pub(super) fn create_new(
        &self,
        place: &Place,
        of: &'static Type,
        write: &mut Write<'_>,
    ) -> Result<Opened, Failure> {
        let newborn = self.newborn_at(place, self.newborn(of)?)?;
        self.settled(of, || Ok((self.create(place, &newborn, write)?, true)))
    }

    /// Creates the segment of a place, with the bytes of a value whose type this program does not have.
    pub(super) fn create_described(
        &self,
        place: &Place,
        schema: &Schema,
        bytes: &[u8],
    ) -> Result<Segment, Failure> {
        check_bytes(schema, bytes)?;
        check_version(self.version)?;
        // It is asked of what stands already, which is not adopted.
        let newborn = self.newborn_of(schema, schema.fingerprint(), |_| false)?;
        let newborn = self.newborn_at(place, newborn)?;
        self.create(place, &newborn, &mut |locked, payload| {
            store_bytes_first(locked, payload, schema, bytes)
        })
    }

    fn create(
        &self,
        place: &Place,
        newborn: &Newborn,
        write: &mut Write<'_>,
    ) -> Result<Segment, Failure> {
        let access = self.access(true);
        let Some(path) = place.file_path() else {
            let key = creatable(place)?;
            return Ok(protocol::create_new(key, access, newborn, write)?);
        };
        Ok(protocol::create_file(&path?, access, newborn, write)?)
    }

    /// What is to be born in a place: a file has more.
    fn newborn_at(&self, place: &Place, newborn: Newborn) -> Result<Newborn, Failure> {
        match place.path() {
            Some(_) => self.in_file(newborn, place.outlasts_boot()),
            None => Ok(newborn),
        }
    }

    /// Attaches the segment of a place if it exists, or else creates it with the value that `write`
    /// stores.
    pub(super) fn open_or_create(
        &self,
        place: &Place,
        of: &'static Type,
        write: &mut Write<'_>,
    ) -> Result<Opened, Failure> {
        let key = match findable(place)? {
            Found::Key(key) => key,
            Found::Id(_) => return refused(ID_IS_GIVEN),
            Found::File(path) => {
                let newborn = self.newborn_at(place, self.newborn(of)?)?;
                let access = self.access(true);
                return self.settled(of, || {
                    let opened = protocol::open_or_create_file(&path, access, &newborn, write);
                    Ok(opened?)
                });
            }
        };
        let newborn = self.newborn(of)?;
        let start = Instant::now();
        let (mut attempts, mut in_use) = (0, None);
        loop {
            attempts += 1;
            let attempt = self.try_open_or_create(key, of, &newborn, write, &mut in_use);
            let Unfit(why, room) = match attempt {
                Ok(opened) => return Ok(opened),
                Err(unfit) => unfit,
            };
            match room {
                Room::Denied => return Err(why),
                Room::InUse(others) if self.is_out_of_patience(&mut in_use) => {
                    let why = Box::new(why);
                    return Err(Failure::Kept { why, others });
                }
                Room::InUse(_) => std::thread::sleep(protocol::random_nap()),
                // Others fill it with what is of no use, again and again.
                Room::Made if attempts > ATTEMPTS && start.elapsed() >= self.timeout => {
                    return Err(why);
                }
                // What stands now has not been looked at.
                Room::Made => in_use = None,
            }
        }
    }

    /// One attempt; of a segment that is of no use, also what came of making room. `in_use` is since
    /// when others are attached.
    fn try_open_or_create(
        &self,
        key: Key,
        of: &'static Type,
        newborn: &Newborn,
        write: &mut Write<'_>,
        in_use: &mut Option<Instant>,
    ) -> Result<Opened, Unfit> {
        let (segment, created) =
            match protocol::open_or_create(key, self.access(true), newborn, write) {
                Ok(opened) => opened,
                // The time went by while another process was at work.
                Err(Fault::Removed) => return Err(Unfit(Fault::Removed.into(), Room::Made)),
                Err(fault) => {
                    let unfit = self.replace_unused && fault.is_unfit();
                    let why = adopting(fault, newborn);
                    if !unfit {
                        return Err(as_value(why, of).into());
                    }
                    let room = self.make_room_at(key, newborn, in_use)?;
                    return Err(Unfit(why, room));
                }
            };
        let attached = Attached::new(segment, of);
        let settled = self.check_kind(attached.segment());
        match settled.and_then(|()| attached.settle(self.upgrade)) {
            Ok(()) => Ok((attached, created)),
            // Between the looks at the segment and at its schema.
            Err(why) if why.is_removed() => Err(Unfit(why, Room::Made)),
            Err(why) if self.replace_unused && attached.is_unfit(&why) => {
                let room = protocol::make_room(attached.segment())?;
                Err(Unfit(why, room))
            }
            Err(why) => Err(why.into()),
        }
    }

    /// Whether a segment has been in use for as long as other programs that replace it, too, may
    /// take. `since` is when it was found so first.
    fn is_out_of_patience(&self, since: &mut Option<Instant>) -> bool {
        let since = since.get_or_insert_with(Instant::now);
        since.elapsed() >= self.timeout.min(PATIENCE)
    }

    /// Has a segment removed that can't even be attached, as soon as no other process is attached.
    fn make_room_at(
        &self,
        key: Key,
        newborn: &Newborn,
        in_use: &mut Option<Instant>,
    ) -> Result<Room, Fault> {
        loop {
            match protocol::make_room_at(key, self.access(true), newborn.geometry.total())? {
                Room::InUse(_) if !self.is_out_of_patience(in_use) => {
                    std::thread::sleep(protocol::random_nap());
                }
                room => return Ok(room),
            }
        }
    }

    /// Checks that what `find` gives holds the type. If it has been removed meanwhile, asks again:
    /// the key leads elsewhere by then.
    fn settled(
        &self,
        of: &'static Type,
        mut find: impl FnMut() -> Result<(Segment, bool), Failure>,
    ) -> Result<Opened, Failure> {
        let mut end = None;
        loop {
            let (segment, created) = find().map_err(|why| as_value(why, of))?;
            let attached = Attached::new(segment, of);
            self.check_kind(attached.segment())?;
            match attached.settle(self.upgrade) {
                Ok(()) => return Ok((attached, created)),
                Err(why)
                    if why.is_removed()
                        && Instant::now()
                            < *end.get_or_insert_with(|| Instant::now() + self.timeout) => {}
                Err(why) => return Err(why),
            }
        }
    }

    /// Refuses a table where a box is asked for, and the other way round.
    fn check_kind(&self, segment: &Segment) -> Result<(), Failure> {
        let rows = segment.row_count();
        if (rows > 0) == self.rows.is_some() {
            Ok(())
        } else {
            Err(Failure::OtherKind { rows })
        }
    }

    /// Bytes of a segment that is created with these settings.
    pub(super) fn segment_size(&self, of: &Type) -> Result<usize, Failure> {
        let total = self.newborn(of)?.geometry.total();
        Ok(total.ok_or(Fault::TooLarge)?)
    }

    pub(super) fn access(&self, writable: bool) -> Access {
        Access {
            owner: self.owner,
            limit: self.timeout,
            writable,
            may_write: self.mode,
        }
    }

    /// Makes memory without a name, with the value that `write` stores.
    pub(super) fn create_memory(
        &self,
        of: &'static Type,
        write: &mut Write<'_>,
    ) -> Result<Opened, Failure> {
        let newborn = self.in_file(self.newborn(of)?, false)?;
        let access = self.access(true);
        self.settled(of, || {
            let segment = protocol::create_memory_home(access, &newborn, write)?;
            Ok((segment, true))
        })
    }

    /// Maps the memory of a descriptor.
    pub(super) fn open_memory(
        &self,
        fd: BorrowedFd<'_>,
        of: &'static Type,
    ) -> Result<Opened, Failure> {
        let access = self.access(true);
        self.settled(of, || Ok((protocol::open_memory(fd, access)?, false)))
    }

    /// What a new file is to be, with snapshots for the disk or without.
    fn in_file(&self, mut newborn: Newborn, snapshots: bool) -> Result<Newborn, Failure> {
        for (is_set, option) in [
            (self.adopt, "adopt"),
            (self.replace_unused, "replace_unused"),
            (self.pages != GetFlags::NONE, "huge_pages"),
        ] {
            if is_set {
                return refused(format!(
                    "`{option}` is for segments, and a file is none: leave it out"
                ));
            }
        }
        // After a restart no owner of a row is there any more.
        if snapshots && self.rows.is_none() {
            newborn.flags |= SNAPSHOTS;
            newborn.geometry = newborn.geometry.with_snapshots().ok_or(Fault::TooLarge)?;
        }
        Ok(newborn)
    }

    fn newborn(&self, of: &Type) -> Result<Newborn, Failure> {
        self.newborn_of(of.schema, of.fingerprint, of.bits_are_valid)
    }

    fn newborn_of(
        &self,
        schema: &Schema,
        fingerprint: Fingerprint,
        judge: Judge,
    ) -> Result<Newborn, Failure> {
        let Settings { mode, slots, .. } = *self;
        check_rights(mode, self.group)?;
        if !(1..=MOST_SLOTS).contains(&slots) {
            return refused(format!(
                "{slots} slots can't be had: ask for 1 to {MOST_SLOTS}"
            ));
        }
        let size = schema.size();
        let capacity = self.capacity.unwrap_or(size);
        if capacity < size {
            return refused(format!(
                "a capacity of {capacity} bytes has no room for `{schema}`, which has {size}"
            ));
        }
        let counters: Vec<usize> = match self.rows {
            Some(_) => schema.counter_words().collect(),
            None => Vec::new(),
        };
        let schema = room::contents(schema, fingerprint);
        // Who reserves room for later versions of the value needs it for their schemas, too.
        let later = room::for_later(self.capacity.unwrap_or(0));
        let room = room::reserve(schema.len()).max(later);
        let geometry = match (self.capacity, self.rows) {
            (_, Some(rows)) => {
                if !(1..=MOST_ROWS).contains(&rows) {
                    return refused(format!(
                        "{rows} rows can't be had: ask for 1 to {MOST_ROWS} with `rows`"
                    ));
                }
                let box_of_one = Geometry::for_sizes(capacity, room, slots);
                box_of_one.and_then(|geometry| geometry.with_rows(rows, !counters.is_empty()))
            }
            (Some(capacity), None) => Geometry::for_sizes(capacity, room, slots),
            (None, None) => Geometry::filling(size, room, slots),
        };
        let Some(geometry) = geometry else {
            return refused(format!(
                "three times a capacity of {capacity} bytes is more than a process can map"
            ));
        };
        let flags = [
            (self.rows.is_some(), TABLE),
            (!counters.is_empty(), COUNTERS),
            (self.free_on_death, FREE_ON_DEATH),
            (self.raw_writers, RAW_WRITERS),
            (self.always_notify, ALWAYS_NOTIFY),
        ];
        let set = flags.into_iter().filter(|(is_set, _)| *is_set);
        let flags = set.fold(0, |flags, (_, flag)| flags | flag);
        Ok(Newborn {
            mode: Mode::new(mode & 0o666),
            flags,
            get: self.pages,
            group: self.group,
            geometry,
            counters,
            stored: size,
            version: self.version,
            schema,
            judge,
            adopt: self.adopt,
        })
    }
}

/// Bytes from elsewhere are judged before they are stored.
pub(super) fn check_bytes(schema: &Schema, bytes: &[u8]) -> Result<(), Failure> {
    let (len, size) = (bytes.len(), schema.size());
    if len != size {
        return refused(format!(
            "{len} bytes are no value of `{schema}`, which has {size}"
        ));
    }
    match first_invalid(schema, bytes) {
        Some(invalid) => Err(Failure::Invalid(Box::new(invalid))),
        None => Ok(()),
    }
}

/// Refuses what the sequence, which counts two for each version, can't count on from.
pub(super) fn check_version(version: u64) -> Result<(), Failure> {
    const LAST: u64 = u64::MAX / 4;
    if (1..=LAST).contains(&version) {
        return Ok(());
    }
    refused(format!("{version} is no version: they are 1 to {LAST}"))
}

/// Refuses rights that no segment can have, or that keep its creator out.
pub(super) fn check_rights(mode: u32, group: Option<u32>) -> Result<(), Failure> {
    if mode & !0o777 != 0 {
        return refused(format!(
            "mode {mode:#o} has bits that are no permissions: leave out all but 0o777"
        ));
    }
    if mode & OWN != OWN {
        return refused(format!(
            "mode {mode:#o} leaves its own creator without the right to read and write: \
             add {OWN:#o} to it"
        ));
    }
    if group == Some(u32::MAX) {
        return refused(
            "group -1 does not exist: leave the option out for the creator's own group",
        );
    }
    Ok(())
}

/// What a fault says of a call that adopts, if `newborn` says so.
fn adopting(fault: Fault, newborn: &Newborn) -> Failure {
    match (fault, newborn.geometry.total()) {
        (Fault::Foreign { size }, Some(adoptable)) if newborn.adopt => {
            Failure::NotAdoptable { size, adoptable }
        }
        (fault, _) => fault.into(),
    }
}

/// Which value it was that may not begin a segment, or be adopted.
fn as_value(why: Failure, of: &Type) -> Failure {
    match why {
        Failure::Fault(Fault::Invalid(bytes)) => of.invalid(0, &bytes),
        why => why,
    }
}

/// A place that can lead to a segment.
pub(super) enum Found<'a> {
    Key(Key),
    Id(shm::Id),
    File(Cow<'a, Path>),
}

/// Refuses what leads to no segment.
pub(super) fn findable(place: &Place) -> Result<Found<'_>, Failure> {
    if let Some(path) = place.file_path() {
        return Ok(Found::File(path?));
    }
    match (place.key(), place.segment_id()) {
        (_, Some(id)) => Ok(Found::Id(id)),
        (Some(key), None) if !key.is_private() => Ok(Found::Key(usable(key)?)),
        _ => refused(
            "a private segment has no key to find it by: create it with `create_new`, and open it with `Place::id`",
        ),
    }
}

/// Attaches the segment of a place, whatever type it holds.
pub(super) fn find(place: &Place, access: Access) -> Result<Segment, Failure> {
    Ok(match findable(place)? {
        Found::Key(key) => protocol::open(key, access)?,
        Found::Id(id) => protocol::open_id(id, access)?,
        Found::File(path) => protocol::open_file(&path, access)?,
    })
}

/// The id that a place leads to now.
pub(super) fn find_id(place: &Place) -> Result<shm::Id, Failure> {
    Ok(match findable(place)? {
        Found::Key(key) => protocol::look_up(key)?,
        Found::Id(id) => id,
        Found::File(_) => return Err(Fault::NoSegment.into()),
    })
}

const ID_IS_GIVEN: &str = "an id is the kernel's to give: create the segment under a key, or with `Key::PRIVATE`, and ask it for its id";

/// A key that a segment may be created under.
pub(super) fn creatable(place: &Place) -> Result<Key, Failure> {
    match place.key() {
        Some(key) => usable(key),
        None => refused(ID_IS_GIVEN),
    }
}

fn usable(key: Key) -> Result<Key, Failure> {
    if key.is_zero() {
        return refused(
            "key 0 is IPC_PRIVATE, which makes a new segment each time and leads to none: \
             choose another number, or say `Key::PRIVATE`",
        );
    }
    Ok(key)
}
