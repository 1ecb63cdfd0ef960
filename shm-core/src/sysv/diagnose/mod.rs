//! From errno to [`Error`]: which failure of which call means what, with the facts that explain it,
//! and what to do.
//!
//! All errors of the module are made in here: what segments and semaphore sets have in common in
//! `object`, the rest in `segment` and `set`. Calls `syscalls` alone. The facts are asked for only
//! when a call has failed, and nothing here fails: a fact that cannot be had is left out.

use std::borrow::Cow;
use std::io;
use std::path::Path;

use super::error::{Error, Kind, Subject};
use super::syscalls::Errno;

mod object;
mod segment;
mod set;

pub(super) use object::{SEGMENT, SET, check_key_and_mode};
pub(super) use segment::{no_atomic, populate, shmat, shmctl, shmdt, shmget, two_page_sizes};
pub(super) use set::{adds_zero, semaphore, semget, semop, wrong_count};

// An error is made in two steps: `new` says what failed, and `because` adds what that means.
impl Error {
    fn new(
        call: &'static str,
        command: Option<&'static str>,
        subject: Subject,
        Errno(errno): Errno,
    ) -> Self {
        Self {
            errno: Some(errno),
            ..Self::early(call, command, subject)
        }
    }

    /// A fault found before the kernel was asked.
    fn early(call: &'static str, command: Option<&'static str>, subject: Subject) -> Self {
        Self {
            call,
            command,
            subject,
            errno: None,
            kind: Kind::Other,
            cause: Cow::Borrowed(""),
            hint: "",
        }
    }

    fn because(self, kind: Kind, cause: impl Into<Cow<'static, str>>, hint: &'static str) -> Self {
        Self {
            kind,
            cause: cause.into(),
            hint,
            ..self
        }
    }

    fn invalid(self, cause: impl Into<Cow<'static, str>>, hint: &'static str) -> Self {
        self.because(Kind::Invalid, cause, hint)
    }

    /// What is left: errnos that mean the same everywhere, or nothing we know.
    fn other(self) -> Self {
        let errno = self.errno.unwrap_or_default();
        let refused = "the kernel refused it";
        let (kind, cause, hint) = match errno {
            libc::ENOSYS => (
                Kind::Unsupported,
                "this kernel or sandbox does not have System V IPC",
                "use a kernel with CONFIG_SYSVIPC, and a sandbox that lets the call through",
            ),
            libc::EACCES => {
                let hint = "look for a security module that forbids it";
                (Kind::Denied, refused, hint)
            }
            libc::EPERM => {
                let hint = "look for a sandbox that forbids it";
                (Kind::NotPermitted, refused, hint)
            }
            libc::EINVAL => {
                let cause = "the kernel takes these arguments for invalid";
                (Kind::Invalid, cause, "check each of them")
            }
            libc::ENOMEM => {
                let cause = "the kernel has no memory for it";
                (Kind::NoMemory, cause, "free some memory and try again")
            }
            _ => {
                let cause = io::Error::from_raw_os_error(errno).to_string();
                return self.because(Kind::Other, cause, "");
            }
        };
        self.because(kind, cause, hint)
    }
}

pub(super) fn ftok(path: &Path, id: u8, error: &io::Error) -> Error {
    let kind = match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Kind::NotFound,
        io::ErrorKind::PermissionDenied => Kind::Denied,
        io::ErrorKind::InvalidInput => Kind::Invalid,
        _ => Kind::Other,
    };
    let cause = format!("cannot examine {}: {error}", path.display());
    let hint = "name a file that exists and that all programs involved can reach";
    let path = path.into();
    Error {
        errno: error.raw_os_error(),
        ..Error::early("ftok", None, Subject::Path { path, id }).because(kind, cause, hint)
    }
}

/// A command that is about no object: `IPC_INFO` and its like.
pub(super) fn system(errno: Errno, call: &'static str, command: &'static str) -> Error {
    Error::new(call, Some(command), Subject::System, errno).other()
}
