//! Segments, by the kernel's figures and by what a segment of the library's tells of itself.

use std::time::Duration;

use shm_core::sysv::{self, Kind, Mode, shm};
use shm_core::{ErrorKind, Holder, HolderState, Inspector, Key, Owner, Place};

use crate::failure::Failure;

/// A segment, and what the kernel says of it.
#[derive(Clone, Copy, Debug)]
pub struct Found {
    pub id: shm::Id,
    pub stat: shm::Stat,
}

impl Found {
    /// All segments of this IPC namespace. Those about which the kernel is silent are counted.
    pub fn all() -> Result<(Vec<Found>, u64), Failure> {
        let mut silent = 0;
        let mut all = Vec::new();
        for segment in shm::segments().map_err(|error| Failure::of_sysv("segments", &error))? {
            match segment {
                Ok((id, stat)) => all.push(Found { id, stat }),
                Err(_) => silent += 1,
            }
        }
        Ok((all, silent))
    }

    /// The segment that a place leads to.
    pub fn at(place: &Place) -> Result<Found, Failure> {
        let id = id_of(place)?;
        let refused = match shm::stat(id) {
            Ok(stat) => return Ok(Found { id, stat }),
            Err(error) => error,
        };
        // What the kernel tells of one segment only to those who may read it, it tells of all to everybody.
        let (all, _) = Found::all()?;
        let found = all.into_iter().find(|found| found.id == id);
        found.ok_or_else(|| Failure::of_sysv(place, &refused))
    }

    /// What leads to it: its key, or its id where it has none.
    pub fn place(&self) -> Place {
        if self.stat.key.is_private() {
            Place::id(self.id)
        } else {
            self.stat.key.into()
        }
    }

    /// Whether no process has it attached and none will find it: it has no key, and its creator has gone.
    pub fn is_orphan(&self) -> bool {
        let Found { stat, .. } = self;
        stat.attached == 0 && stat.key.is_private() && !super::processes::lives(stat.cpid)
    }
}

/// The id that a place leads to.
fn id_of(place: &Place) -> Result<shm::Id, Failure> {
    if place.path().is_some() {
        return Err(Failure::usage(format!(
            "{place}: this program looks into System V segments only; name one by a key or an id"
        )));
    }
    let key = match (place.segment_id(), place.key()) {
        (Some(id), _) => return Ok(id),
        (None, Some(key)) if !key.is_zero() && !key.is_private() => key,
        _ => {
            return Err(Failure::usage(
                "key 0 leads to no segment; name one without a key by its id, such as id:5",
            ));
        }
    };
    shm::get(key, 0, shm::GetFlags::NONE, Mode::new(0)).map_err(|error| {
        // `ipcs -m` shows ids as bare numbers.
        let id = shm::Id::from_raw(key.raw());
        match (error.kind(), shm::stat(id)) {
            (Kind::NotFound, Ok(_)) => Failure::not_found(format!(
                "{place}: no segment has this key, but one has this id; write id:{id}"
            )),
            _ => Failure::of_sysv(place, &error),
        }
    })
}

/// An inspector of the segment, which need not be this user's: what is in it is not trusted anyway.
pub fn inspect(id: shm::Id, timeout: Duration) -> Result<Inspector, shm_core::Error> {
    let mut options = Inspector::options();
    options.owner(Owner::Anybody).timeout(timeout).open(id)
}

/// An inspector that writes: only to segments of this user and of root, unless it is told to trust the owner.
pub fn inspect_to_write(
    id: shm::Id,
    timeout: Duration,
    anybody: bool,
) -> Result<Inspector, shm_core::Error> {
    let owner = if anybody {
        Owner::Anybody
    } else {
        Owner::SelfOrRoot
    };
    let mut options = Inspector::options();
    options.owner(owner).timeout(timeout).write(true).open(id)
}

/// What is in a segment.
#[derive(Clone, Debug, PartialEq)]
pub enum Inside {
    /// A value of the library's.
    Typed(Typed),
    /// Another program laid it out.
    Untyped,
    /// A program is creating it, or died when it was.
    Unfinished,
    /// It was one of the library's, of another format or not whole any more.
    Unfit(&'static str),
    /// This user may not read it.
    Closed,
    /// It was not attached.
    NotAsked,
}

/// A value that says of itself what it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Typed {
    pub name: String,
    pub schema: Option<u32>,
    pub version: u64,
    pub holder: Option<Holder>,
    pub set: Option<sysv::sem::Id>,
}

impl Inside {
    /// Attaches the segment and looks.
    pub fn of(found: &Found) -> Inside {
        // All of the library's segments are whole lines.
        if found.stat.size < 64 || !found.stat.size.is_multiple_of(64) {
            return Inside::Untyped;
        }
        match inspect(found.id, Duration::ZERO).and_then(|inspector| {
            let schema = inspector.schema()?;
            Ok(Inside::Typed(Typed {
                name: schema.to_string(),
                schema: schema.version(),
                version: inspector.version(),
                holder: inspector.holder().ok().flatten(),
                set: inspector.semaphores().ok(),
            }))
        }) {
            Ok(typed) => typed,
            Err(error) => match error.kind() {
                ErrorKind::Foreign => Inside::Untyped,
                ErrorKind::Unfinished => Inside::Unfinished,
                ErrorKind::Removed => Inside::Unfit("removed"),
                ErrorKind::Format => Inside::Unfit("another format"),
                ErrorKind::System if denied(&error) => Inside::Closed,
                _ => Inside::Unfit("damaged"),
            },
        }
    }
}

fn denied(error: &shm_core::Error) -> bool {
    error
        .sysv()
        .is_some_and(|error| error.kind() == Kind::Denied)
}

/// The key as JSON has it: none for a segment without one.
pub fn key_text(key: Key) -> Option<String> {
    (!key.is_private()).then(|| key.to_string())
}

/// What a holder or claimant is doing, in a word or two.
pub fn doing(state: HolderState) -> &'static str {
    match state {
        HolderState::Running => "running",
        HolderState::Stopped => "stopped",
        HolderState::DumpingCore => "writing its core",
        HolderState::Exiting => "ending",
        HolderState::Replaced => "has called exec",
        HolderState::Left => "has left the namespace",
        HolderState::Gone => "gone",
        _ => "not to be seen from here",
    }
}
