//! What went wrong with a file: the only place where an errno of a file becomes a cause and a next step.

use core::fmt;
use std::borrow::Cow;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::sysv::{effective_ids, soft_limit};

/// A call on a file that failed, or was not made because it could not have succeeded: which call, which file, the cause, and
/// the next step. The facts in the cause were read right after the call failed.
pub(crate) struct Error {
    call: &'static str,
    path: Box<Path>,
    errno: Option<i32>,
    kind: Kind,
    cause: Cow<'static, str>,
    hint: &'static str,
}

/// The sort of failure, as far as anything is decided by it: the rest is in the words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// No file has this path.
    NotFound,
    /// This process has no right to it.
    Denied,
    /// Another process keeps others out of it for the whole time limit.
    Busy,
    /// No whole value is in it to go on with.
    NotRestored,
    /// Anything else.
    Other,
}

impl Error {
    /// A fault that was found before, or without, the kernel's refusal.
    pub(super) fn early(
        call: &'static str,
        path: &Path,
        cause: impl Into<Cow<'static, str>>,
        hint: &'static str,
    ) -> Error {
        Error {
            call,
            path: path.into(),
            errno: None,
            kind: Kind::Other,
            cause: cause.into(),
            hint,
        }
    }

    /// What it means that the kernel refused `call` for `path`.
    #[cold]
    pub(super) fn of(call: &'static str, path: &Path, error: &io::Error) -> Error {
        let (kind, cause, hint) = meaning(path, error);
        Error {
            errno: error.raw_os_error(),
            kind,
            ..Error::early(call, path, cause, hint)
        }
    }

    /// The same, of another sort than [`Kind::Other`].
    pub(super) fn of_kind(self, kind: Kind) -> Error {
        Error { kind, ..self }
    }

    /// That there is a file of this path, where there should be none.
    pub(crate) fn exists(path: &Path) -> Error {
        Error::of("linkat", path, &io::Error::from_raw_os_error(libc::EEXIST))
    }

    /// That a descriptor can't be duplicated.
    pub(crate) fn of_descriptor(error: &io::Error) -> Error {
        Error::of("dup", Path::new("memfd"), error)
    }

    /// The sort of failure.
    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// The errno; `None` if the kernel was not asked, or refused nothing.
    pub(crate) fn raw_os_error(&self) -> Option<i32> {
        self.errno
    }

    /// What to do next, in words.
    pub(crate) fn hint(&self) -> &'static str {
        self.hint
    }

    /// Shows the error without its next step.
    pub(crate) fn fmt_cause(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (call, path, cause) = (self.call, &self.path, &self.cause);
        write!(f, "{call}({path:?}): {cause}")
    }
}

type Meaning = (Kind, Cow<'static, str>, &'static str);

fn meaning(path: &Path, error: &io::Error) -> Meaning {
    let (cause, hint) = match error.raw_os_error().unwrap_or_default() {
        libc::ENOENT => return not_found(path),
        libc::EACCES => return denied(path),
        libc::EPERM => {
            let cause = "the kernel forbids it: an immutable file, a seal, a mount without that right, or a sandbox";
            let hint = "look at `lsattr` and `findmnt -T` of the path";
            return (Kind::Denied, cause.into(), hint);
        }
        libc::EMFILE => {
            let limit = soft_limit(libc::RLIMIT_NOFILE as i32);
            let cause =
                format!("this process has as many files open as it may ({limit}, RLIMIT_NOFILE)");
            let hint = "raise the limit with `ulimit -n`, or close files";
            return (Kind::Other, cause.into(), hint);
        }
        libc::ENOTDIR => (
            "a part of the path before the last is no directory",
            "name a path whose directory exists: `ls -ld` shows what each part is",
        ),
        libc::EISDIR => ("it is a directory", NAME_A_FILE),
        libc::ENXIO | libc::ENODEV => ("it is a FIFO, a socket or a device", NAME_A_FILE),
        libc::ELOOP => (
            "it is a symbolic link, which could be led elsewhere at any time",
            "name the file itself: `readlink -f` shows where the link leads",
        ),
        libc::EEXIST => (
            "a file with this path exists already",
            "open it, or remove it first",
        ),
        libc::EROFS => (
            "the file system is mounted read-only",
            "open it for reading only, or name a path on another: `findmnt -T` shows the mount",
        ),
        libc::ENOSPC => (
            "the file system is full",
            "free some room on it: `df` and `df -i` with the path show how much there is",
        ),
        libc::EDQUOT => (
            "a quota of the file system is used up: this user's, a project's or a subvolume's",
            "remove files that it counts: `quota` shows a user's limit, `btrfs qgroup show` a subvolume's",
        ),
        libc::EFBIG => (
            "the file system has no files of that size",
            "ask for less, or name a path on another file system",
        ),
        libc::ENFILE => (
            "the system has as many files open as it may (fs.file-max)",
            "raise it with `sysctl fs.file-max`, or close files",
        ),
        libc::ENOMEM => (
            "the kernel has no memory for it, or this process no addresses",
            "free some memory and try again: `ulimit -v` and /proc/sys/vm/max_map_count are limits of a process",
        ),
        libc::EIO => (
            "the disk failed to read or write",
            "look at `dmesg`, and try again once the disk is well",
        ),
        libc::ENAMETOOLONG => (
            "the path, or a part of it, is too long",
            "choose a name of at most 255 bytes",
        ),
        libc::ENOLCK => (
            "the kernel has no room for one more lock",
            "free some memory and try again",
        ),
        libc::ENOSYS => (
            "this kernel or sandbox does not have the call",
            "use a kernel from 3.15 on, and a sandbox that lets the call through",
        ),
        _ => return (Kind::Other, error.to_string().into(), ""),
    };
    (Kind::Other, cause.into(), hint)
}

/// Of what is no ordinary file.
const NAME_A_FILE: &str = "name a path at which there is nothing yet, or such a file";

fn not_found(path: &Path) -> Meaning {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() && !parent.is_dir() => (
            Kind::Other,
            format!("there is no directory {parent:?}").into(),
            "make it with `mkdir -p`, or look for the right path",
        ),
        _ => (
            Kind::NotFound,
            "there is no such file".into(),
            "create it, or look for the right path",
        ),
    }
}

/// Who we are, and whose the file is, or its directory where there is none.
fn denied(path: &Path) -> Meaning {
    let (uid, gid) = effective_ids();
    let whose = |what: &str, path: &Path| {
        let found = path.symlink_metadata().ok()?;
        let (owner, group, mode) = (found.uid(), found.gid(), found.mode() & 0o7777);
        Some(format!(
            ": {what} belongs to uid {owner}, gid {group} with mode {mode:04o}"
        ))
    };
    let parent = || whose("its directory", path.parent()?);
    let whose = whose("it", path).or_else(parent).unwrap_or_default();
    (
        Kind::Denied,
        format!("uid {uid}, gid {gid} has no right to it{whose}").into(),
        "have the owner change the mode with `chmod`, or ask for less",
    )
}

/// `open("/srv/app/state"): there is no such file; create it …`: call, file, cause, next step.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fmt_cause(f)?;
        match self.hint {
            "" => Ok(()),
            hint => write!(f, "; {hint}"),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl core::error::Error for Error {}
