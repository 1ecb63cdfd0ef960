//! How the program ends when it can't do what it was asked: an exit code for programs, and one line for people that
//! ends with the next step.

use std::fmt::{self, Display};
use std::io;
use std::process::ExitCode;

use rustix::io::Errno;
use shm_core::{ErrorKind, Place, sysv};

use crate::output::visible;

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
        let (exit, message) = match error.kind() {
            ErrorKind::Path => (Exit::NotFound, cause(error)),
            ErrorKind::Value => (Exit::Misfit, cause(error)),
            ErrorKind::Removed => (
                Exit::NotFound,
                "it has been removed; `shm ls` lists those that there are".to_owned(),
            ),
            ErrorKind::OtherKind => (
                Exit::Misfit,
                "it is a table of rows that belong to processes, which `shm show` lists, and no single value"
                    .to_owned(),
            ),
            ErrorKind::NotRestored => (
                Exit::Other,
                format!(
                    "{}, and nothing durable in it is whole; `shm rm` removes it",
                    without_hint(&cause(error))
                ),
            ),
            ErrorKind::Foreign => (
                Exit::Misfit,
                "another program laid it out; `shm show --raw` shows its bytes".to_owned(),
            ),
            ErrorKind::TooSmall
            | ErrorKind::Mismatch
            | ErrorKind::NoRoom
            | ErrorKind::Format
            | ErrorKind::Invalid
            | ErrorKind::TooLarge => (Exit::Misfit, cause(error)),
            ErrorKind::Unfinished => (
                Exit::Other,
                "its creator has not made it ready; if that has died, the next program that opens the segment \
                 for writing ends the work, or `shm rm` removes it"
                    .to_owned(),
            ),
            ErrorKind::Busy | ErrorKind::Overtaken => (Exit::TimeOut, cause(error)),
            ErrorKind::Untrusted | ErrorKind::Left | ErrorKind::Unjudged => {
                (Exit::NotPermitted, cause(error))
            }
            _ => (of_errno(error.raw_os_error()), cause(error)),
        };
        Failure::new(exit, format!("{place}: {message}"))
    }

    /// What a call of the kernel for a file failed for.
    pub fn of_io(place: impl Display, error: &io::Error) -> Failure {
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
                "the file is too short; `shm stat` shows its size".to_owned(),
            ),
            _ => (Exit::Other, format!("{error}; see `shm stat`")),
        };
        Failure::new(exit, format!("{place}: {message}"))
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
            _ => (Exit::Other, error.hint()),
        };
        Failure::new(exit, format!("{place}: {}; {hint}", error.cause()))
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
            format!("shm: {}\n", visible(&line)).as_bytes(),
        );
    }
}

/// What the library says, without its name for the call and without the place, which stands before it anyway.
fn cause(error: &shm_core::Error) -> String {
    let text = error.to_string();
    let place = error.place().map(|place| format!("{place}: "));
    let behind = place.and_then(|place| Some(text.split_once(&place)?.1.to_owned()));
    behind.unwrap_or(text)
}

/// What the kernel's refusal of a file means.
fn of_errno(errno: Option<i32>) -> Exit {
    match errno.map(Errno::from_raw_os_error) {
        Some(Errno::NOENT | Errno::NOTDIR) => Exit::NotFound,
        Some(Errno::ACCESS | Errno::PERM | Errno::ROFS) => Exit::NotPermitted,
        _ => Exit::Other,
    }
}

fn without_hint(text: &str) -> &str {
    text.rsplit_once("; ").map_or(text, |(cause, _)| cause)
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
        let exit = match error.kind() {
            io::ErrorKind::BrokenPipe => Exit::Closed,
            io::ErrorKind::NotFound => Exit::NotFound,
            io::ErrorKind::PermissionDenied => Exit::NotPermitted,
            _ => Exit::Other,
        };
        Failure::new(exit, error)
    }
}
