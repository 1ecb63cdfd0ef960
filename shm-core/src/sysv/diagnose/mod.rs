//! From errno to [`Error`]: which failure of which call means what, with the facts that explain it,
//! and what to do.
//!
//! All errors of the module are made in here: what segments and semaphore sets have in common in
//! this file, the rest in the two below. The facts are asked for only when a call has failed, and
//! nothing here fails: a fact that cannot be had is left out.

use core::ffi::c_int;
use std::borrow::Cow;
use std::io;
use std::path::{Path, PathBuf};

use super::error::{Call, Error, Kind, Subject};
use super::key::Key;
use super::mode::Mode;
use super::syscalls::{self, Errno};

mod sem;
mod shm;

pub(super) use sem::{adds_zero, semaphore, semctl, semget, semop, wrong_count};
pub(super) use shm::{populate, shmat, shmctl, shmdt, shmget, two_page_sizes};

const GET_THE_ID_AGAIN: &str = "get the id from the key again, or create a new one";
const ASK_OWNER: &str = "have its owner or creator do it, or run as one of them";

/// What to call the object, and how to look at it in a shell.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Noun {
    Segment,
    Set,
}

impl Noun {
    fn name(self) -> &'static str {
        match self {
            Self::Segment => "segment",
            Self::Set => "semaphore set",
        }
    }
}

/// Who may do what with an object.
#[derive(Clone, Copy)]
struct Rights {
    uid: u32,
    gid: u32,
    cuid: u32,
    mode: Mode,
}

/// What looking for an id found.
enum Found<T> {
    /// This.
    Facts(T),
    /// Something that this process may not look at.
    Hidden,
    /// Nothing.
    Gone,
}

impl<T> Found<T> {
    fn facts(&self) -> Option<&T> {
        match self {
            Self::Facts(facts) => Some(facts),
            _ => None,
        }
    }

    fn is_gone(&self) -> bool {
        matches!(self, Self::Gone)
    }
}

/// The link of the IPC namespace in which the machine started: the kernel gives it a fixed number
/// (`PROC_IPC_INIT_INO` in include/linux/proc_ns.h).
const FIRST_IPC_NAMESPACE: &str = "ipc:[4026531839]";

/// The IPC namespace of this thread, if the machine started in another one: in a container a key
/// leads to no object from outside. `None` also where `/proc` does not tell.
pub(super) fn own_namespace() -> Option<PathBuf> {
    // Each thread may be in one of its own.
    let link = std::fs::read_link("/proc/thread-self/ns/ipc").ok()?;
    (link != Path::new(FIRST_IPC_NAMESPACE)).then_some(link)
}

/// An error not yet told what it means.
struct Failure {
    call: Call,
    subject: Subject,
    errno: Option<c_int>,
}

impl Failure {
    fn new(
        name: &'static str,
        command: Option<&'static str>,
        subject: Subject,
        errno: Errno,
    ) -> Self {
        Self {
            call: Call { name, command },
            subject,
            errno: Some(errno.0),
        }
    }

    /// A fault found before the kernel was asked.
    fn early(name: &'static str, command: Option<&'static str>, subject: Subject) -> Self {
        Self {
            call: Call { name, command },
            subject,
            errno: None,
        }
    }

    fn because(self, kind: Kind, cause: impl Into<Cow<'static, str>>, hint: &'static str) -> Error {
        let Self {
            call,
            subject,
            errno,
        } = self;
        Error {
            call,
            subject,
            errno,
            kind,
            cause: cause.into(),
            hint,
        }
    }

    fn gone(self, noun: Noun) -> Error {
        let cause = match noun {
            Noun::Segment => "no segment has this id: it was removed, or never was",
            Noun::Set => "no semaphore set has this id: it was removed, or never was",
        };
        self.because(Kind::Removed, cause, GET_THE_ID_AGAIN)
    }

    /// `EACCES`: who we are, whose it is, and which right is missing.
    fn denied(self, noun: Noun, rights: Option<Rights>, needed: &str, hint: &'static str) -> Error {
        let (uid, gid) = syscalls::effective_ids();
        let whose = rights.map_or_else(String::new, |r| {
            format!(
                ", which belongs to uid {}, gid {} with mode {}",
                r.uid, r.gid, r.mode
            )
        });
        let cause = format!(
            "uid {uid}, gid {gid} has no right to {needed} the {}{whose}",
            noun.name()
        );
        self.because(Kind::Denied, cause, hint)
    }

    /// `EPERM` on a change that is the owner's and creator's business.
    fn not_permitted(self, noun: Noun, rights: Option<Rights>, capability: &str) -> Error {
        let (uid, _) = syscalls::effective_ids();
        let who = match rights {
            Some(r) if r.uid == r.cuid => format!("its owner and creator, uid {},", r.uid),
            Some(r) => format!("its owner, uid {}, its creator, uid {},", r.uid, r.cuid),
            None => String::from("its owner, its creator"),
        };
        let cause = format!(
            "uid {uid} may not do this to the {}: {who} and processes with {capability} may",
            noun.name()
        );
        self.because(Kind::NotPermitted, cause, ASK_OWNER)
    }

    /// What is left: errnos that mean the same everywhere, or nothing we know.
    fn other(self) -> Error {
        match self.errno {
            Some(libc::ENOSYS) => self.because(
                Kind::Unsupported,
                "this kernel or sandbox does not have System V IPC",
                "use a kernel with CONFIG_SYSVIPC, and a sandbox that lets the call through",
            ),
            Some(libc::EACCES) => self.because(
                Kind::Denied,
                "the kernel refused it",
                "look for a security module that forbids it",
            ),
            Some(libc::EPERM) => self.because(
                Kind::NotPermitted,
                "the kernel refused it",
                "look for a sandbox that forbids it",
            ),
            Some(libc::EINVAL) => self.because(
                Kind::Invalid,
                "the kernel takes these arguments for invalid",
                "check each of them",
            ),
            Some(libc::ENOMEM) => self.because(
                Kind::NoMemory,
                "the kernel has no memory for it",
                "free some memory and try again",
            ),
            Some(errno) => self.because(
                Kind::Other,
                io::Error::from_raw_os_error(errno).to_string(),
                "",
            ),
            None => self.because(Kind::Other, "it was not tried", ""),
        }
    }
}

pub(super) fn ftok_id_zero(path: &Path) -> Error {
    let subject = Subject::Path {
        path: path.into(),
        id: 0,
    };
    Failure::early("ftok", None, subject).because(
        Kind::Invalid,
        "an id of 0 has no defined meaning",
        "use 1 to 255, for example a letter such as b'A'",
    )
}

pub(super) fn ftok(path: &Path, id: u8, error: &io::Error) -> Error {
    let subject = Subject::Path {
        path: path.into(),
        id,
    };
    let kind = match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Kind::NotFound,
        io::ErrorKind::PermissionDenied => Kind::Denied,
        io::ErrorKind::InvalidInput => Kind::Invalid,
        _ => Kind::Other,
    };
    let errno = error.raw_os_error();
    Failure {
        call: Call {
            name: "ftok",
            command: None,
        },
        subject,
        errno,
    }
    .because(
        kind,
        format!("cannot examine {}: {error}", path.display()),
        "name a file that exists and that all programs involved can reach",
    )
}

pub(super) fn check_key_and_mode(call: &'static str, key: Key, mode: Mode) -> Result<(), Error> {
    let early = || Failure::early(call, None, Subject::Key(key));
    if key.is_zero() {
        return Err(early().because(
            Kind::Invalid,
            "key 0 is IPC_PRIVATE, which never leads to an existing object",
            "say Key::PRIVATE to create a private one, or use another number",
        ));
    }
    if mode.is_valid() {
        Ok(())
    } else {
        Err(bad_mode(early(), mode))
    }
}

pub(super) fn check_set(
    call: &'static str,
    id: i32,
    uid: u32,
    gid: u32,
    mode: Mode,
) -> Result<(), Error> {
    let early = || Failure::early(call, Some("IPC_SET"), Subject::Id { id, key: None });
    if uid == u32::MAX || gid == u32::MAX {
        return Err(early().because(
            Kind::Invalid,
            "user and group -1 do not exist (chown takes -1 for \"as it is\"; this call does not)",
            "give the present owner and group to keep them: stat tells who they are",
        ));
    }
    if mode.is_valid() {
        Ok(())
    } else {
        Err(bad_mode(early(), mode))
    }
}

fn bad_mode(failure: Failure, mode: Mode) -> Error {
    failure.because(
        Kind::Invalid,
        format!("mode {mode} has bits outside 0777"),
        "give permission bits only, in octal: 0o640",
    )
}

/// A command that is about no object: `IPC_INFO` and its like.
pub(super) fn system(errno: Errno, call: &'static str, command: &'static str) -> Error {
    Failure::new(call, Some(command), Subject::System, errno).other()
}

/// A command that takes an index of the kernel's table.
pub(super) fn index(errno: Errno, call: &'static str, command: &'static str, index: u32) -> Error {
    let failure = Failure::new(call, Some(command), Subject::Index(index), errno);
    let noun = if call == "shmctl" {
        Noun::Segment
    } else {
        Noun::Set
    };
    match errno.0 {
        libc::EINVAL | libc::EIDRM => failure.because(
            Kind::NotFound,
            "nothing stands at this place of the kernel's table",
            "go on with the next index, up to the highest that usage tells",
        ),
        libc::EACCES => failure.denied(
            noun,
            None,
            "read",
            "use stat_index_any, which needs no right",
        ),
        _ => failure.other(),
    }
}
