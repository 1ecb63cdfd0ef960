//! What went wrong, in a form for programs ([`Kind`], errno) and in words for people. Made in
//! `diagnose` only.

use core::fmt;
use std::borrow::Cow;
use std::io;
use std::path::{Path, PathBuf};

use super::key::Key;

/// A System V call that failed, or was not made because it could not have succeeded.
///
/// It names the call, the key or id, the cause and the next step. The facts in the cause (owner and
/// mode of the object, the limit in force, how much of it is used) were read from the kernel right
/// after the call failed; another process may have changed them in between.
///
/// [`Kind::WouldBlock`], [`Kind::TimedOut`] and [`Kind::Removed`] are part of ordinary work with
/// semaphores: they are made without an allocation and without a further system call, except where
/// a call must find out whether an id still exists.
///
/// ```
/// use shm_core::sysv::{Key, Kind, Mode, shm};
///
/// # let key = Key::new(0x7b5d_0001);
/// let error = shm::get(key, 0, shm::GetFlags::NONE, Mode::new(0)).unwrap_err();
/// assert_eq!(error.kind(), Kind::NotFound);
/// assert_eq!(error.key(), Some(key));
/// assert!(error.to_string().starts_with("shmget(0x7b5d0001): no segment has this key"));
/// ```
pub struct Error {
    /// The function, and the command if it has one.
    pub(super) call: &'static str,
    pub(super) command: Option<&'static str>,
    pub(super) subject: Subject,
    pub(super) errno: Option<i32>,
    pub(super) kind: Kind,
    pub(super) cause: Cow<'static, str>,
    pub(super) hint: &'static str,
}

// A `Result` with it stays cheap to return.
const _: () = assert!(size_of::<Error>() <= 128);

/// What the call was about.
pub(super) enum Subject {
    System,
    Key(Key),
    Id(i32),
    Semaphore { id: i32, index: u16 },
    Index(u32),
    Path { path: Box<Path>, id: u8 },
}

/// The sort of failure: what a program decides on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// No object has this key, or no object stands at this index, or no file has this path.
    NotFound,
    /// An object with this key exists, and `EXCLUSIVE` was asked for.
    Exists,
    /// The object's mode does not allow this process what it asked for (`EACCES`).
    Denied,
    /// The id names nothing: the object was removed, or never was.
    Removed,
    /// The arguments do not fit together, or do not fit the object.
    Invalid,
    /// The kernel has no memory for it.
    NoMemory,
    /// A limit of the system or of this process is reached; it says which.
    NoSpace(Limit),
    /// Only the owner, the creator or a privileged process may do this (`EPERM`).
    NotPermitted,
    /// An operation marked [`nowait`](super::sem::Op::nowait) would have had to wait.
    WouldBlock,
    /// The time given was over before the operations could be done.
    TimedOut,
    /// A semaphore's value would leave the range from 0 to 32767.
    OutOfRange,
    /// This kernel or this sandbox does not have the call.
    Unsupported,
    /// Anything else; see [`Error::raw_os_error`].
    Other,
}

/// A limit that a call ran into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Limit {
    /// `kernel.shmmax`: bytes in one segment.
    Shmmax,
    /// `kernel.shmmni`: segments in this IPC namespace.
    Shmmni,
    /// `kernel.shmall`: pages in all segments of this IPC namespace.
    Shmall,
    /// First figure of `kernel.sem`: semaphores in one set.
    Semmsl,
    /// Second figure of `kernel.sem`: semaphores in all sets of this IPC namespace.
    Semmns,
    /// Third figure of `kernel.sem`: operations in one call.
    Semopm,
    /// Fourth figure of `kernel.sem`: sets in this IPC namespace.
    Semmni,
    /// `RLIMIT_MEMLOCK`: bytes this user may lock.
    Memlock,
    /// `vm.nr_hugepages`: huge pages that the administrator has set aside.
    HugePages,
    /// Open files in the whole system (`fs.file-max`); a segment counts as one.
    Files,
}

impl Error {
    /// The sort of failure.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The function that failed: `"shmget"`, `"semctl"`.
    #[must_use]
    pub fn call(&self) -> &'static str {
        self.call
    }

    /// The command of a `shmctl` or `semctl` that failed: `"IPC_STAT"`.
    #[must_use]
    pub fn command(&self) -> Option<&'static str> {
        self.command
    }

    /// The key the call was about, if it was about one.
    #[must_use]
    pub fn key(&self) -> Option<Key> {
        match self.subject {
            Subject::Key(key) => Some(key),
            _ => None,
        }
    }

    /// The id the call was about, if it was about one.
    #[must_use]
    pub fn id(&self) -> Option<i32> {
        match self.subject {
            Subject::Id(id) | Subject::Semaphore { id, .. } => Some(id),
            _ => None,
        }
    }

    /// The errno; `None` if the fault was found before the kernel was asked.
    #[must_use]
    pub fn raw_os_error(&self) -> Option<i32> {
        self.errno
    }

    /// Why it failed, in words.
    #[must_use]
    pub fn cause(&self) -> &str {
        &self.cause
    }

    /// What to do next, in words.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        self.hint
    }

    /// Shows the error without its next step: a caller who knows what the call was for may have
    /// another one.
    pub(crate) fn fmt_cause(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}(", self.call)?;
        match &self.subject {
            Subject::System => Ok(()),
            Subject::Key(key) => write!(f, "{key}"),
            Subject::Id(id) => write!(f, "id {id}"),
            Subject::Semaphore { id, index } => write!(f, "id {id}, semaphore {index}"),
            Subject::Index(index) => write!(f, "index {index}"),
            Subject::Path { path, id } => write!(f, "{path:?}, {id}"),
        }?;
        if let Some(command) = self.command {
            let alone = matches!(self.subject, Subject::System);
            write!(f, "{}{command}", if alone { "" } else { ", " })?;
        }
        write!(f, "): {}", self.cause)?;
        // Asked for when the message is read: a key that leads nowhere is ordinary.
        let by_key = matches!(self.subject, Subject::Key(_));
        let nowhere = self.kind == Kind::NotFound && by_key;
        if let Some(namespace) = nowhere.then(own_namespace).flatten() {
            let namespace = namespace.display();
            write!(
                f,
                " in the IPC namespace {namespace}, which is not the machine's first (a container's?)"
            )?;
        }
        Ok(())
    }
}

/// `shmget(0x00001234): no segment has this key; create it …`: call, subject, cause, next step.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fmt_cause(f)?;
        match self.hint {
            "" => Ok(()),
            hint => write!(f, "; {hint}"),
        }
    }
}

/// The link of the IPC namespace in which the machine started: the kernel gives it a fixed number
/// (`PROC_IPC_INIT_INO` in include/linux/proc_ns.h).
const FIRST_IPC_NAMESPACE: &str = "ipc:[4026531839]";

/// The IPC namespace of this thread, if the machine started in another one: in a container a key
/// leads to no object from outside. `None` also where `/proc` does not tell.
fn own_namespace() -> Option<PathBuf> {
    // Each thread may be in one of its own.
    let link = std::fs::read_link("/proc/thread-self/ns/ipc").ok()?;
    (link != Path::new(FIRST_IPC_NAMESPACE)).then_some(link)
}

/// Prints the message of `Display`: an error that `main` returns is printed by this, and is to be read by people.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl core::error::Error for Error {}

/// Keeps this error inside: [`io::Error::get_ref`] gives it back.
impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        let kind = match error.kind {
            Kind::NotFound | Kind::Removed => io::ErrorKind::NotFound,
            Kind::Exists => io::ErrorKind::AlreadyExists,
            Kind::Denied | Kind::NotPermitted => io::ErrorKind::PermissionDenied,
            Kind::Invalid | Kind::OutOfRange => io::ErrorKind::InvalidInput,
            Kind::NoMemory => io::ErrorKind::OutOfMemory,
            Kind::NoSpace(_) => io::ErrorKind::StorageFull,
            Kind::WouldBlock => io::ErrorKind::WouldBlock,
            Kind::TimedOut => io::ErrorKind::TimedOut,
            Kind::Unsupported => io::ErrorKind::Unsupported,
            Kind::Other => io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}
