//! What a place leads to, by the kernel's figures and by what a value of the library's tells of itself.

use std::fmt::Display;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime};

use rustix::io::Errno;
use shm_core::sysv::{self, Mode};
use shm_core::{ErrorKind, Holder, HolderState, Inspector, InspectorOptions, Owner, Place};

use super::files::SharedFile;
use super::processes::with_name;
use super::segments::Segment;
use crate::failure::Failure;
use crate::output::visible;

/// A segment or a file, and what the kernel says of it.
#[derive(Clone, Debug)]
pub enum Found {
    Segment(Segment),
    File(SharedFile),
}

impl Found {
    /// All segments of this IPC namespace, and all that lies in the shared-memory file system. Segments about which the
    /// kernel is silent are counted.
    pub fn all() -> Result<(Vec<Found>, u64), Failure> {
        let (segments, silent) = Segment::all()?;
        let segments = segments.into_iter().map(Found::Segment);
        let files = SharedFile::all().into_iter().map(Found::File);
        Ok((segments.chain(files).collect(), silent))
    }

    pub fn at(place: &Place) -> Result<Found, Failure> {
        match place.path() {
            Some(path) => SharedFile::at(place, &path).map(Found::File),
            None => Segment::at(place).map(Found::Segment),
        }
    }

    pub fn segment(&self) -> Option<&Segment> {
        match self {
            Found::Segment(segment) => Some(segment),
            Found::File(_) => None,
        }
    }

    /// What people call it.
    pub fn place(&self) -> Place {
        match self {
            Found::Segment(segment) => segment.place(),
            Found::File(file) => file.place.clone(),
        }
    }

    /// What leads to this one, also when its key leads to another.
    pub fn way(&self) -> Place {
        match self {
            Found::Segment(segment) => Place::id(segment.id),
            Found::File(file) => file.place.clone(),
        }
    }

    pub fn size(&self) -> u64 {
        match self {
            Found::Segment(segment) => segment.stat.size as u64,
            Found::File(file) => file.meta.len(),
        }
    }

    /// How often it is attached; of a file the kernel has no such figure.
    pub fn attached(&self) -> Option<u64> {
        self.segment().map(|segment| segment.stat.attached)
    }

    pub fn uid(&self) -> u32 {
        match self {
            Found::Segment(segment) => segment.stat.uid,
            Found::File(file) => file.meta.uid(),
        }
    }

    pub fn gid(&self) -> u32 {
        match self {
            Found::Segment(segment) => segment.stat.gid,
            Found::File(file) => file.meta.gid(),
        }
    }

    pub fn mode(&self) -> Mode {
        match self {
            Found::Segment(segment) => segment.stat.mode,
            Found::File(file) => Mode::new(file.meta.mode() & 0o7777),
        }
    }

    pub fn is_of(&self, uid: u32) -> bool {
        match self {
            Found::Segment(segment) => segment.stat.owners().contains(&uid),
            Found::File(file) => file.meta.uid() == uid,
        }
    }

    pub fn atime(&self) -> Option<SystemTime> {
        match self {
            Found::Segment(segment) => segment.stat.atime,
            Found::File(file) => file.meta.accessed().ok(),
        }
    }

    pub fn ctime(&self) -> Option<SystemTime> {
        match self {
            Found::Segment(segment) => segment.stat.ctime,
            Found::File(file) => {
                let since = Duration::from_secs(file.meta.ctime().try_into().ok()?);
                SystemTime::UNIX_EPOCH.checked_add(since)
            }
        }
    }

    pub fn dtime(&self) -> Option<SystemTime> {
        self.segment().and_then(|segment| segment.stat.dtime)
    }

    /// When a file's bytes were written, as far as the kernel saw that; a segment has no such time.
    pub fn mtime(&self) -> Option<SystemTime> {
        match self {
            Found::Segment(_) => None,
            Found::File(file) => file.meta.modified().ok(),
        }
    }

    /// Whether it was removed: a segment goes when its last process detaches.
    pub fn is_removed(&self) -> bool {
        self.segment().is_some_and(|segment| segment.stat.dest)
    }

    /// What has become of it, if not what is wanted.
    pub fn fate(&self) -> Option<&'static str> {
        if self.is_removed() {
            Some("dest")
        } else {
            self.is_orphan().then_some("orphan")
        }
    }

    /// Whether no process has it attached and none will find it. A file is found by its name.
    pub fn is_orphan(&self) -> bool {
        self.segment().is_some_and(Segment::is_orphan)
    }

    /// Whether it was removed since it was found.
    pub fn has_gone(&self) -> bool {
        match self {
            Found::Segment(segment) => {
                let now = sysv::shm::stat(segment.id);
                !segment.stat.dest && now.is_ok_and(|now| now.dest)
            }
            Found::File(file) => file.is_gone(),
        }
    }
}

/// An inspector of a value, which need not be this user's: what is in it is not trusted anyway.
pub fn inspect(place: &Place, timeout: Duration) -> Result<Inspector, shm_core::Error> {
    let mut options = Inspector::options();
    options.owner(Owner::Anybody).timeout(timeout).open(place)
}

/// An inspector that writes: only to what is of this user and of root, unless it is told to trust the owner.
pub fn inspect_to_write(
    place: &Place,
    timeout: Duration,
    anybody: bool,
) -> Result<Inspector, shm_core::Error> {
    let owner = if anybody {
        Owner::Anybody
    } else {
        Owner::SelfOrRoot
    };
    let mut options = Inspector::options();
    options
        .owner(owner)
        .timeout(timeout)
        .write(true)
        .open(place)
}

/// What makes another one as this one was, but for its capacity: rights, slots, raw writers.
pub fn as_it_was(found: &Found, inspector: &Inspector) -> InspectorOptions {
    let mut options = Inspector::options();
    options
        .mode(found.mode().bits() & 0o777)
        .group(found.gid())
        .slots(u16::try_from(inspector.slots()).unwrap_or(u16::MAX))
        .raw_writers(inspector.has_raw_writers());
    options
}

/// What is in a segment or a file.
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
    /// Of a table.
    pub rows: Option<u32>,
    pub holder: Option<Holder>,
    pub set: Option<sysv::sem::Id>,
    /// What is wrong with that, so that no program may open the value for writing as it is.
    pub set_flaw: Option<&'static str>,
}

pub const SET_LOST: &str = "semaphores removed";
pub const SET_STRANGE: &str = "semaphores not its own";

impl Typed {
    /// `StPid`, or of a table `Worker[256]`.
    pub fn written(&self) -> String {
        type_text(&self.name, self.rows.unwrap_or(0))
    }
}

/// `StPid`, or of a table of so many rows `Worker[256]`.
pub fn type_text(name: impl Display, rows: u32) -> String {
    let name = name.to_string();
    match rows {
        0 => visible(&name).into_owned(),
        rows => format!("{}[{rows}]", visible(&name)),
    }
}

impl Inside {
    /// Why it can't be shown as a value, if it was to be one.
    pub fn flaw(&self) -> Option<&'static str> {
        match self {
            Inside::Unfinished => Some("unfinished"),
            Inside::Unfit(why) => Some(why),
            Inside::Closed => Some("closed"),
            Inside::Typed(_) | Inside::Untyped | Inside::NotAsked => None,
        }
    }

    /// Attaches it and looks.
    pub fn of(found: &Found) -> Inside {
        // All that the library makes is whole lines.
        if found.size() < 64 || !found.size().is_multiple_of(64) {
            return Inside::Untyped;
        }
        match inspect(&found.way(), Duration::ZERO).and_then(|inspector| {
            let schema = inspector.schema()?;
            let set = inspector.semaphores();
            Ok(Inside::Typed(Typed {
                name: schema.to_string(),
                schema: schema.version(),
                version: inspector.version(),
                rows: Some(inspector.row_count()).filter(|rows| *rows > 0),
                holder: inspector.holder().ok().flatten(),
                set_flaw: set.as_ref().err().and_then(|error| match error.kind() {
                    ErrorKind::SetLost => Some(SET_LOST),
                    ErrorKind::Damaged => Some(SET_STRANGE),
                    _ => None,
                }),
                set: set.ok(),
            }))
        }) {
            Ok(typed) => typed,
            Err(error) => match error.kind() {
                ErrorKind::Foreign => Inside::Untyped,
                ErrorKind::Unfinished => Inside::Unfinished,
                ErrorKind::Removed => Inside::Unfit("removed"),
                ErrorKind::Format => Inside::Unfit("another format"),
                ErrorKind::NotRestored => Inside::Unfit("not restored"),
                _ if denied(&error) => Inside::Closed,
                ErrorKind::Damaged => Inside::Unfit("damaged"),
                // Too many open files, no memory, a schema that is replaced at the moment.
                _ => Inside::Unfit("not read"),
            },
        }
    }
}

/// Whether the kernel refused it for want of a right.
pub fn denied(error: &shm_core::Error) -> bool {
    let errno = error.raw_os_error().map(Errno::from_raw_os_error);
    error.kind() == ErrorKind::System && matches!(errno, Some(Errno::ACCESS | Errno::PERM))
}

/// `4711 (worker), stopped`: who holds a lock or has a slot. The number of one that is gone may be another process's by now.
pub fn who(pid: u32, state: HolderState) -> String {
    match state {
        HolderState::Gone if pid == 0 => "a process that is gone".to_owned(),
        _ if pid == 0 => with_name(pid),
        HolderState::Running => with_name(pid),
        HolderState::Gone => format!("{pid}, gone"),
        state => format!("{}, {}", with_name(pid), doing(state)),
    }
}

/// What a holder or claimant is doing, in a word or two.
pub fn doing(state: HolderState) -> &'static str {
    match state {
        HolderState::Running => "running",
        HolderState::Stopped => "stopped",
        HolderState::DumpingCore => "writing its core",
        HolderState::Exiting => "ending",
        HolderState::Replaced => "has called exec",
        HolderState::Left => "has lost its claim",
        HolderState::Gone => "gone",
        _ => "not to be seen from here",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_one_that_is_gone_is_not_given_the_name_of_another() {
        let own = std::process::id();
        assert!(who(own, HolderState::Stopped).ends_with("), stopped"));
        assert_eq!(who(own, HolderState::Gone), format!("{own}, gone"));
        assert_eq!(who(0, HolderState::Gone), "a process that is gone");
    }
}
