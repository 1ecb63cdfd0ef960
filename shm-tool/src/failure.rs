//! How the program ends when it can't do what it was asked: an exit code for programs, and one line for people that
//! ends with the next step.

use std::fmt::{self, Display};
use std::io;
use std::process::ExitCode;

use rustix::io::Errno;
use shm_core::{ErrorKind, HolderState, Place, sysv};

use crate::kernel::namespace::here;
use crate::output::{quoted, visible};

/// The exit codes, as `docs/tool.md` and `shm --help` list them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// The reader of the output has gone.
    Closed = 0,
    NotFound = 1,
    Usage = 2,
    Differs = 3,
    NotPermitted = 4,
    Misfit = 5,
    TimeOut = 6,
    InPart = 7,
    Other = 8,
}

/// What `shm --help` says of them.
pub const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  no such segment, field or process
  2  the command line is wrong
  3  differs: of `diff`, `set --if-version` and `restore --capacity`
  4  not permitted
  5  does not fit: another type, size or format than was expected
  6  the time is over
  7  done in part
  8  anything else: damaged bytes, a kernel or a disk that refuses";

/// Why a command failed.
#[derive(Debug)]
pub struct Failure {
    pub exit: Exit,
    message: String,
}

impl Failure {
    /// One line: what is wrong, and behind a semicolon what to do.
    pub fn new(exit: Exit, message: impl Display) -> Failure {
        let message = message.to_string();
        Failure { exit, message }
    }

    /// What a call of the library for a place failed for.
    pub fn of(place: impl Display, error: &shm_core::Error) -> Failure {
        if let Some(error) = error.sysv() {
            return Failure::of_sysv(place, error);
        }
        let p = quoted(&place);
        let cause = cause(error);
        let as_told = || error.hint();
        let (exit, next) = match error.kind() {
            ErrorKind::Path => (Exit::NotFound, as_told()),
            ErrorKind::Removed => (
                Exit::NotFound,
                "`shm ls` lists those that there are".to_owned(),
            ),
            ErrorKind::OtherKind => (Exit::Misfit, format!("`shm show {p}` lists its rows")),
            ErrorKind::NotRestored => (Exit::Other, format!("`shm rm {p}` removes it")),
            ErrorKind::Foreign => (
                Exit::Misfit,
                format!("`shm show --raw {p}` shows its bytes"),
            ),
            ErrorKind::Invalid => (
                Exit::Misfit,
                format!(
                    "`shm show --raw {p}` shows its bytes, `shm set {p} PATH=VALUE` replaces them"
                ),
            ),
            ErrorKind::NoRoom => (
                Exit::Misfit,
                format!(
                    "make it anew with more room: `shm dump {p} FILE`, `shm restore FILE {p} --capacity BYTES`"
                ),
            ),
            ErrorKind::TooLarge => (
                Exit::Misfit,
                format!("`shm show --raw {p}` shows how it begins"),
            ),
            ErrorKind::Value | ErrorKind::TooSmall | ErrorKind::Mismatch | ErrorKind::Format => {
                (Exit::Misfit, as_told())
            }
            ErrorKind::Unfinished => (
                Exit::Other,
                format!(
                    "if that has died, start it again, which ends the work, or remove it: `shm rm {p}`"
                ),
            ),
            ErrorKind::Damaged => (
                Exit::Other,
                format!("`shm doctor {p}` has the line that mends it"),
            ),
            ErrorKind::Busy => (
                Exit::TimeOut,
                match error.holder().map(|holder| holder.state) {
                    Some(HolderState::Running | HolderState::Replaced | HolderState::Unseen) => {
                        format!("`shm unlock {p}` says what frees it")
                    }
                    _ => as_told(),
                },
            ),
            ErrorKind::Overtaken => (
                Exit::TimeOut,
                format!("try again, or end some of those that `shm who {p}` names"),
            ),
            ErrorKind::Untrusted => (
                Exit::NotPermitted,
                "if that user may be trusted, add --anybody (set, restore, unlock)".to_owned(),
            ),
            ErrorKind::Options => (Exit::Usage, "write another value".to_owned()),
            ErrorKind::Left | ErrorKind::Unjudged => (Exit::NotPermitted, as_told()),
            ErrorKind::SetLost => (
                Exit::Other,
                format!("`shm doctor {p}` says what makes a new one"),
            ),
            ErrorKind::SlotsTaken => (
                Exit::Other,
                format!(
                    "end some of those that have it open for writing: `shm who {p}` names them"
                ),
            ),
            ErrorKind::NoUndo => (
                Exit::Other,
                "run outside of this sandbox; commands that only read work in it".to_owned(),
            ),
            _ => (of_errno(error.raw_os_error()), as_told()),
        };
        let stop = if next.is_empty() { "" } else { "; " };
        Failure::new(exit, format!("{place}: {cause}{stop}{next}"))
    }

    /// What a call of the kernel for a file failed for.
    pub fn of_io(place: impl Display, error: &io::Error) -> Failure {
        let p = quoted(&place);
        let (exit, message) = match error.kind() {
            io::ErrorKind::NotFound => (
                Exit::NotFound,
                "there is no such file; `shm ls` lists those that there are".to_owned(),
            ),
            io::ErrorKind::PermissionDenied => (
                Exit::NotPermitted,
                "this user may not; run as its owner, or as root".to_owned(),
            ),
            io::ErrorKind::UnexpectedEof => (
                Exit::Misfit,
                format!("the file is too short; `shm stat {p}` shows its size"),
            ),
            _ => (
                Exit::Other,
                format!("{error}; `shm stat {p}` shows what it is"),
            ),
        };
        Failure::new(exit, format!("{place}: {message}"))
    }

    /// A file that was named can't be read or written.
    pub fn of_file(file: impl Display, what: &str, error: &io::Error, next: &str) -> Failure {
        Failure::new(
            of_kind(error.kind()),
            format!("{file}: it can't be {what}: {error}; {next}"),
        )
    }

    /// What a call of the kernel for a place failed for.
    pub fn of_sysv(place: impl Display, error: &sysv::Error) -> Failure {
        let (exit, hint) = match error.kind() {
            sysv::Kind::NotFound | sysv::Kind::Removed => {
                (Exit::NotFound, "`shm ls` lists those that there are")
            }
            sysv::Kind::Denied | sysv::Kind::NotPermitted => {
                (Exit::NotPermitted, "run as its owner, or as root")
            }
            sysv::Kind::NoMemory => (Exit::Other, "ask for less, or free memory or swap"),
            sysv::Kind::NoSpace(sysv::Limit::Shmmni | sysv::Limit::Semmni) => {
                (Exit::Other, "`shm doctor` has the line that raises it")
            }
            // One that is not reached yet, if much is asked for: the doctor has no line then.
            sysv::Kind::NoSpace(sysv::Limit::Shmall | sysv::Limit::Semmns) => (
                Exit::Other,
                "raise it in the same IPC namespace, or remove what is not used: `shm doctor` has the limits, \
                 `shm ls` and `shm ls -s` list what there is",
            ),
            sysv::Kind::NoSpace(sysv::Limit::Semmsl) => (
                Exit::Other,
                "raise the first figure of kernel.sem in the same IPC namespace",
            ),
            _ => (Exit::Other, error.hint()),
        };
        // Of a key that leads nowhere the whole message says in which namespace.
        let text = error.to_string();
        let cause = text
            .find(error.cause())
            .map_or(error.cause(), |at| &text[at..]);
        let cause = cause.strip_suffix(error.hint()).unwrap_or(cause);
        let cause = cause.trim_end_matches([' ', ';']);
        Failure::new(exit, format!("{place}: {cause}; {hint}"))
    }

    /// One of which the output has said all.
    pub fn silent(exit: Exit) -> Failure {
        Failure::new(exit, "")
    }

    pub fn not_found(what: impl Display) -> Failure {
        Failure::new(Exit::NotFound, what)
    }

    pub fn usage(what: impl Display) -> Failure {
        Failure::new(Exit::Usage, what)
    }

    /// Says it on the standard error and gives the exit code.
    pub fn report(&self) -> ExitCode {
        if self.exit != Exit::Closed && !self.message.is_empty() {
            self.say();
        }
        ExitCode::from(self.exit as u8)
    }

    /// Says it, for a command that goes on.
    pub fn say(&self) {
        let line = self.message.replace('\n', " ");
        // Where standard error is closed, the exit code says enough.
        let _ = io::Write::write_all(
            &mut anstream::stderr(),
            format!("shm: {}\n", visible(&here(&line))).as_bytes(),
        );
    }
}

/// What the library says, without its name for the call and the place, which stands before it anyway, and without its next
/// step, which is for programs.
pub fn cause(error: &shm_core::Error) -> String {
    let text = error.to_string();
    let call = match error.place().map(|place| (place.segment_id(), place)) {
        Some((Some(id), _)) => format!("segment with id {id}: "),
        Some((None, place)) => format!("{place}: "),
        None => "on a file: ".to_owned(),
    };
    let text = text.split_once(&call).map_or(&*text, |(_, behind)| behind);
    let cause = text.strip_suffix(&*error.hint()).unwrap_or(text);
    cause.trim_end_matches([' ', ';', '\n']).to_owned()
}

fn of_kind(kind: io::ErrorKind) -> Exit {
    match kind {
        io::ErrorKind::BrokenPipe => Exit::Closed,
        io::ErrorKind::NotFound => Exit::NotFound,
        io::ErrorKind::PermissionDenied => Exit::NotPermitted,
        _ => Exit::Other,
    }
}

/// What the kernel's refusal of a file means.
fn of_errno(errno: Option<i32>) -> Exit {
    match errno.map(Errno::from_raw_os_error) {
        Some(Errno::NOENT | Errno::NOTDIR) => Exit::NotFound,
        Some(Errno::ACCESS | Errno::PERM | Errno::ROFS) => Exit::NotPermitted,
        _ => Exit::Other,
    }
}

/// The nearest of the names that are known, if one is near.
pub fn near<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let known = known.map(|known| (strsim::damerau_levenshtein(name, known), known));
    let (distance, near) = known.min()?;
    (distance <= name.chars().count().div_ceil(2)).then_some(near)
}

/// A place that was read from the command line, in an error.
pub fn of_place(place: &Place) -> impl Fn(shm_core::Error) -> Failure + '_ {
    move |error| Failure::of(place, &error)
}

impl Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::new(of_kind(error.kind()), error)
    }
}
