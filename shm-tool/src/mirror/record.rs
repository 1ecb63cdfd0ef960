//! What a target knows of the place that it writes, for its next start and for `shm show`.
//!
//! The payload is the C struct and nothing else, so it stands beside the place: in the shared memory `/shm-mirror.CREATION`,
//! named after the number of the segment's creation, so that another segment under the same key has another one. It is a
//! value like any: `shm show posix:/shm-mirror.…` shows it.

use std::fmt;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;
use shm_core::{Error, FixedStr, Inspector, Owner, Place, SharedBox, SharedLayout};

use super::BEAT;

#[derive(SharedLayout, Clone, Copy, Debug, Default, PartialEq)]
#[shared(name = "Mirror")]
#[repr(C)]
pub struct Record {
    /// The source's name.
    pub source: FixedStr<64>,
    /// Its segment's creation.
    pub life: u64,
    /// The version that was stored last.
    pub version: u64,
    /// The version that the place got with it: a later one if a program there has put a later version of the type in force.
    pub stands: u64,
    /// When that was last known to be the newest, in nanoseconds since the machine started.
    pub heard: u64,
    /// When the source was last known to live.
    pub beat: u64,
    pub link: Link,
}

/// How the source's end fares, as far as this end knows.
#[derive(SharedLayout, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Link {
    #[default]
    Down = 0,
    Up = 1,
    /// The broker is reached, and the source has ended.
    SourceGone = 2,
}

/// The shared memory of the record.
pub fn place_of(creation: u64) -> Place {
    Place::posix(format!("/shm-mirror.{creation:016x}"))
}

/// Where the record of what stands in a place would be.
pub fn record_beside(place: &Place) -> Option<Place> {
    let inspector = Inspector::open(place).ok()?;
    Some(place_of(inspector.creation()))
}

impl Record {
    /// The record of a place, made if there is none.
    pub fn open(creation: u64, mode: u32) -> Result<SharedBox<Record>, Error> {
        let mut options = SharedBox::<Record>::options();
        options
            .mode(mode)
            .open_or_create(place_of(creation), Record::default)
    }
}

/// Time since the machine started: the same for all processes, and it can't be set.
pub fn now() -> u64 {
    let now = clock_gettime(ClockId::Boottime);
    (now.tv_sec as u64) * 1_000_000_000 + now.tv_nsec as u64
}

/// What `shm show` says of a place that a mirror writes.
#[derive(Serialize)]
pub struct Mirrored {
    source: String,
    /// Seconds since the value was last known to be the newest.
    age: f64,
    link: &'static str,
}

impl Mirrored {
    /// `None` if no mirror writes it.
    pub fn of(inspector: &Inspector) -> Option<Mirrored> {
        let mut options = SharedBox::<Record>::options();
        let view = options
            .owner(Owner::Anybody)
            .open_read_only(place_of(inspector.creation()));
        let record = view.and_then(|view| view.get()).ok();
        // A target that has heard of no value yet knows no source.
        let record = record.filter(|record| record.life != 0)?;
        let since = |then: u64| Duration::from_nanos(now().saturating_sub(then));
        // A mirror that was killed says nothing more.
        let silent = since(record.beat) > 3 * BEAT;
        Some(Mirrored {
            source: record.source.to_string(),
            age: since(record.heard).as_secs_f64(),
            link: match record.link {
                Link::SourceGone => "source gone",
                Link::Up if !silent => "up",
                Link::Up | Link::Down => "down",
            },
        })
    }
}

impl fmt::Display for Mirrored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Mirrored { source, age, link } = self;
        let source = crate::output::visible(source);
        write!(f, "mirrored from {source}, age {age:.1} s, link {link}")
    }
}
