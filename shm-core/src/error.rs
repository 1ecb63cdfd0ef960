//! The one error of the crate: what was done to which segment, why it failed, and what to do next.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use crate::layout::{FitError, InvalidValue, Mismatch, TextError};
use crate::protocol::{Fault, HolderState};
use crate::sysv::shm::Id;
use crate::sysv::{self, Key, Kind, Limit, ParseKeyError};

/// What was being done, and to which segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Context {
    /// The method that failed: `"update"`, `"Writer::set"`.
    pub operation: &'static str,
    /// The segment's key; [`Key::PRIVATE`] where it has none, or was asked for by id.
    pub key: Key,
    /// The kernel's id of the segment, where it was asked for by that, or has no key.
    pub id: Option<Id>,
    /// How often the segment was attached besides, if that kept it from being
    /// [replaced](crate::Options::replace_unused); else 0.
    pub others: u64,
}

impl Context {
    pub(crate) fn of_key(operation: &'static str, key: Key) -> Context {
        Context {
            operation,
            key,
            id: None,
            others: 0,
        }
    }

    /// Of a segment that is attached.
    #[cold]
    pub(crate) fn of_attached(operation: &'static str, key: Key, id: Id) -> Context {
        Context {
            operation,
            key,
            id: key.is_private().then_some(id),
            others: 0,
        }
    }

    pub(crate) fn of_id(operation: &'static str, id: Id) -> Context {
        Context {
            operation,
            key: Key::PRIVATE,
            id: Some(id),
            others: 0,
        }
    }

    /// Whether the call was one of this type's.
    fn is_of(&self, type_name: &str) -> bool {
        self.operation.split("::").next() == Some(type_name)
    }

    /// Whether the call was to remove a segment.
    fn is_removal(&self) -> bool {
        self.operation.starts_with("remove")
    }

    fn fmt_segment(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.id {
            Some(id) => write!(f, "segment with id {id}"),
            None if self.key.is_private() => f.write_str("a private segment"),
            None => write!(f, "segment {}", self.key),
        }
    }
}

impl fmt::Display for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on ", self.operation)?;
        self.fmt_segment(f)
    }
}

/// Why an operation on a shared segment failed.
///
/// `Display` says it in one or more lines, the last of which names the next step; so does `Debug`,
/// which is what Rust prints of an error that `main` returns.
/// [`Error::context`] and [`Error::raw_os_error`] are for programs. Whatever the error, the value is
/// as it was; and so is all of the segment.
#[non_exhaustive]
pub enum Error {
    /// The kernel refused a system call: see [`sysv::Error::kind`].
    System {
        /// What was being done.
        context: Context,
        /// The call, the errno, its cause, and the next step.
        source: Box<sysv::Error>,
    },
    /// The segment has no control block: another program laid it out. [`RawBox`](crate::RawBox)
    /// reads it.
    Foreign {
        /// What was being done.
        context: Context,
        /// Bytes in the segment.
        size: usize,
        /// Bytes of the program's type.
        wanted: usize,
        /// Bytes that a segment must have for this call to [adopt](crate::Options::adopt) it, if it
        /// adopts any.
        adoptable: Option<usize>,
    },
    /// The segment is too small for the type ([`RawBox`](crate::RawBox) checks nothing else).
    TooSmall {
        /// What was being done.
        context: Context,
        /// Bytes in the segment.
        size: usize,
        /// Bytes of the program's type.
        wanted: usize,
    },
    /// The segment holds another layout than the program's type has.
    Mismatch {
        /// What was being done.
        context: Context,
        /// The name of the program's type.
        name: String,
        /// Both layouts, field by field.
        difference: Box<Mismatch>,
    },
    /// The segment holds an earlier version of the program's type, and this call would write.
    NeedsUpgrade {
        /// What was being done.
        context: Context,
        /// The name of the program's type.
        name: String,
        /// The version in the segment.
        found: u32,
        /// The program's version.
        wanted: u32,
    },
    /// The segment has no room for the program's version of its type. One of the numbers is not 0.
    NoRoom {
        /// What was being done.
        context: Context,
        /// Bytes that the reserved capacity lacks.
        value: usize,
        /// Bytes that the room for the schema lacks.
        schema: usize,
    },
    /// The value in the segment is none of its type: a peer stored it.
    Invalid {
        /// What was being done.
        context: Context,
        /// The field and its bytes.
        source: Box<InvalidValue>,
    },
    /// The control block, the schema or the semaphore set contradict themselves.
    Damaged {
        /// What was being done.
        context: Context,
        /// What is wrong.
        what: Cow<'static, str>,
    },
    /// The segment has a format that this version of the library does not know.
    Format {
        /// What was being done.
        context: Context,
        /// The format's number in the segment.
        found: u32,
    },
    /// The segment has been removed.
    Removed {
        /// What was being done.
        context: Context,
    },
    /// A living process kept the lock for the whole time limit.
    Busy {
        /// What was being done.
        context: Context,
        /// Its pid as this process sees it; 0 if it can't (another pid namespace).
        owner: u32,
        /// What it is doing, as far as this process can see.
        state: HolderState,
        /// How long this call waited.
        waited: Duration,
    },
    /// Somebody began to create the segment and did not end it within the time limit.
    Unfinished {
        /// What was being done.
        context: Context,
        /// The creator's pid as this process sees it.
        creator: u32,
        /// Bytes in the segment.
        size: usize,
        /// Bytes that this program's `open_or_create` would have asked for, if it was one.
        wanted: Option<usize>,
    },
    /// This thread holds the write lock of the segment already.
    Reentrant {
        /// What was being done.
        context: Context,
    },
    /// The write lock was taken by this process's parent, before the fork.
    Forked {
        /// What was being done.
        context: Context,
    },
    /// Every slot for writing processes is in use.
    SlotsTaken {
        /// What was being done.
        context: Context,
        /// How many there are.
        slots: u32,
        /// The pids of some of the processes that have them, as far as this process can see.
        holders: Box<[u32]>,
    },
    /// The semaphore set that tells who is alive has been removed (`ipcrm -s`, or systemd's
    /// `RemoveIPC` at a logout), and this call may not make a new one.
    SetLost {
        /// What was being done.
        context: Context,
    },
    /// Whether the lock's owner, or a claimant under a semaphore set that was removed, lives can't be
    /// told from here: this process may not read the semaphores, and the other one belongs to another
    /// pid namespace.
    Unjudged {
        /// What was being done.
        context: Context,
    },
    /// A forked child claims a slot of its own, and this one has no right to: the process gave up
    /// its rights after the box was opened. Reads go on.
    ChildDenied {
        /// What was being done.
        context: Context,
    },
    /// The kernel, or the sandbox, refuses to undo semaphores when a process dies (`SEM_UNDO`): so
    /// nothing could tell whether a writer lives.
    NoUndo {
        /// What was being done.
        context: Context,
    },
    /// This handle has lost its claim to write: the process, or this thread, has left the IPC
    /// namespace in which it opened the segment (`unshare`, `setns`), or a peer has given its slot to
    /// another process. Reads go on.
    Left {
        /// What was being done.
        context: Context,
    },
    /// Writers overtook each of this reader's copies for the whole time limit.
    Overtaken {
        /// What was being done.
        context: Context,
        /// How long this call tried.
        waited: Duration,
    },
    /// The segment belongs to, or was created by, a user who is not trusted.
    Untrusted {
        /// What was being done.
        context: Context,
        /// The user id of the owner.
        owner: u32,
        /// The user id of the creator.
        creator: u32,
    },
    /// The value is larger than this [`Inspector`](crate::Inspector) may read.
    TooLarge {
        /// What was being done.
        context: Context,
        /// What it has too much of: `bytes` or `parts`.
        what: &'static str,
        /// How many are allowed.
        limit: usize,
    },
    /// A capacity or mode that no segment can have.
    Options {
        /// What was being done.
        context: Context,
        /// What is wrong with it, and what would be right.
        what: Cow<'static, str>,
    },
    /// A text does not fit its field.
    Fit(FitError),
    /// Bytes are no text.
    Text(TextError),
    /// A text is no key.
    ParseKey(ParseKeyError),
}

impl Error {
    /// What was being done to which segment; `None` for errors about text.
    pub fn context(&self) -> Option<Context> {
        match self {
            Error::System { context, .. }
            | Error::Foreign { context, .. }
            | Error::TooSmall { context, .. }
            | Error::Mismatch { context, .. }
            | Error::NeedsUpgrade { context, .. }
            | Error::NoRoom { context, .. }
            | Error::Invalid { context, .. }
            | Error::Damaged { context, .. }
            | Error::Format { context, .. }
            | Error::Removed { context }
            | Error::Busy { context, .. }
            | Error::Unfinished { context, .. }
            | Error::Reentrant { context }
            | Error::Forked { context }
            | Error::SlotsTaken { context, .. }
            | Error::SetLost { context }
            | Error::Unjudged { context }
            | Error::NoUndo { context }
            | Error::ChildDenied { context }
            | Error::Left { context }
            | Error::Overtaken { context, .. }
            | Error::Untrusted { context, .. }
            | Error::TooLarge { context, .. }
            | Error::Options { context, .. } => Some(*context),
            Error::Fit(_) | Error::Text(_) | Error::ParseKey(_) => None,
        }
    }

    /// The same, and that the segment was not replaced because it is attached so often besides.
    pub(crate) fn kept_by(mut self, others: u64) -> Error {
        if let Error::Foreign { context, .. }
        | Error::Mismatch { context, .. }
        | Error::NoRoom { context, .. }
        | Error::Damaged { context, .. }
        | Error::Unfinished { context, .. } = &mut self
        {
            context.others = others;
        }
        self
    }

    /// The kernel's error number, if a system call failed.
    pub fn raw_os_error(&self) -> Option<i32> {
        match self {
            Error::System { source, .. } => source.raw_os_error(),
            _ => None,
        }
    }

    /// What to do next.
    pub fn hint(&self) -> Cow<'static, str> {
        match self {
            Error::Foreign { context, .. } if context.is_removal() => match context.id {
                Some(id) => format!("if it may go, `ipcrm -m {id}` removes it").into(),
                None => format!("if it may go, `ipcrm -M {}` removes it", context.key).into(),
            },
            _ => self.plain_hint().into(),
        }
    }

    fn plain_hint(&self) -> &'static str {
        match self {
            Error::System { context, source } => hint_of_system(context, source),
            Error::Foreign { context, .. } if context.operation.ends_with(READ_ONLY) => {
                "`RawBox::open_read_only` reads such a segment, without versions or protection from torn values; one that was made for this program is taken over with `Options::adopt`, by a `SharedBox`"
            }
            Error::Foreign {
                adoptable: None, ..
            } => {
                "`RawBox` reads and writes such a segment, without versions or protection from torn values; one that was made for this program is taken over with `Options::adopt`"
            }
            Error::Foreign { .. } => {
                "have that program ask `shmget` for what `Options::segment_size` says and leave all but the value alone, or use `RawBox`"
            }
            Error::TooSmall { .. } => "use the struct that the segment's creator uses",
            Error::Mismatch { .. } => {
                "build this program with the layout in the segment, or, if its value may be lost, remove it with `shm_core::remove` and create it anew"
            }
            Error::NeedsUpgrade { .. } => {
                "to extend it in place, call `SharedBox::options().upgrade(true)` before `open`; to read only, use `SharedView`"
            }
            Error::NoRoom { .. } => {
                "reserve more with `Options::capacity` when it is created; `open_or_create` with `Options::replace_unused` gives its value up and makes it anew as soon as nobody else is attached"
            }
            Error::Invalid { source, .. } if source.newer().is_some() => {
                "use a program of that version; `set` would destroy the newer value"
            }
            Error::Invalid { .. } => {
                "find the writer that stored it; `set` replaces the whole value"
            }
            Error::Damaged { .. } => {
                "find the writer that did it, then remove the segment with `shm_core::remove` and create it anew"
            }
            Error::Format { .. } => "use the version of shm-core that the segment was created with",
            Error::Removed { .. } => "open or create the segment again",
            Error::Busy { state, .. } => match state {
                HolderState::Stopped => {
                    "let it go on with `kill -CONT` and its pid, or end it with `kill -9`: the lock is free then"
                }
                HolderState::DumpingCore | HolderState::Exiting => {
                    "try again: the lock is free as soon as the kernel has done with it"
                }
                HolderState::Replaced => {
                    "end that process with `kill` and its pid, or have it open the segment again"
                }
                HolderState::Left => {
                    "end that process with `kill` and its pid: it has left by mistake or is about to let go"
                }
                _ => {
                    "find out why that process keeps the lock, or allow more time with `Options::timeout`"
                }
            },
            Error::Unfinished { .. } => {
                "`open_or_create` with the type that it was begun with ends the work; or remove it with `shm_core::remove`"
            }
            Error::Reentrant { .. } => {
                "use the `Writer`, or the value that `update` lends, instead of the box"
            }
            Error::Forked { .. } => "drop the writer and take the lock in this process",
            Error::SlotsTaken { .. } => {
                "open with `open_read_only` where reading is enough, or make the segment with more `Options::slots`: each open box has one"
            }
            Error::SetLost { .. } => {
                "open the segment for writing as its owner or root, which makes a new set; with systemd, set `RemoveIPC=no` in logind.conf or run as a system user"
            }
            Error::Unjudged { .. } => {
                "open the segment as a user who may read its semaphores, in the pid namespace of its writers; or end all of those"
            }
            Error::ChildDenied { .. } => {
                "let the parent write, or open the box in the child before it gives up its rights"
            }
            Error::NoUndo { .. } => {
                "run on a kernel, or in a sandbox, that supports `SEM_UNDO`; where reading is enough, open with `open_read_only`"
            }
            Error::Left { .. } => "open the segment again, in the namespace where it lies",
            Error::Overtaken { .. } => {
                "allow more time with `Options::timeout`, or write less often"
            }
            Error::Untrusted { context, .. } if context.is_of("RawBox") => {
                "if they may be trusted, allow them with `RawBox::options().owner(…)`"
            }
            Error::Untrusted { context, .. } if context.is_of("Inspector") => {
                "if they may be trusted, allow them with `Inspector::options().owner(…)`"
            }
            Error::Untrusted { .. } => "if they may be trusted, allow them with `Options::owner`",
            Error::TooLarge { .. } => "if memory allows, read more with `Inspector::limit`",
            Error::Options { .. } => "see `Options`",
            Error::Fit(_) => "shorten the text, or cut it with `FixedStr::truncated`",
            Error::Text(_) => {
                "read the bytes with `FixedStr::as_bytes`, or `FixedStr::to_string_lossy`"
            }
            Error::ParseKey(_) => "write a key as 0x1234 or as a decimal number",
        }
    }

    /// `wanted` is the size of the program's type.
    #[cold]
    pub(crate) fn from_fault(fault: Fault, context: Context, wanted: usize) -> Error {
        match fault {
            Fault::System(source) => Error::System { context, source },
            Fault::Busy { holder, waited } => Error::Busy {
                context,
                owner: holder.pid,
                state: holder.state,
                waited,
            },
            Fault::Reentrant => Error::Reentrant { context },
            Fault::Forked => Error::Forked { context },
            Fault::Changed => Error::Damaged {
                context,
                what: "its schema was replaced while the lock was held".into(),
            },
            Fault::Removed => Error::Removed { context },
            Fault::SlotsTaken { slots, pids } => Error::SlotsTaken {
                context,
                slots,
                holders: pids,
            },
            Fault::SetLost => Error::SetLost { context },
            Fault::Unjudged => Error::Unjudged { context },
            Fault::NoUndo => Error::NoUndo { context },
            Fault::ChildDenied => Error::ChildDenied { context },
            Fault::Left => Error::Left { context },
            Fault::Damaged(what) => Error::Damaged {
                context,
                what: what.into(),
            },
            Fault::Overtaken { waited } => Error::Overtaken { context, waited },
            Fault::Foreign { size } => Error::Foreign {
                context,
                size,
                wanted,
                adoptable: None,
            },
            // Where something is adopted, it is made an `Error::Invalid` that names the field.
            Fault::Invalid(_) => Error::Damaged {
                context,
                what: "its bytes are no value of the type".into(),
            },
            Fault::Format(found) => Error::Format { context, found },
            Fault::Unfinished {
                size,
                wanted,
                creator,
            } => Error::Unfinished {
                context,
                creator,
                size,
                wanted,
            },
            Fault::Untrusted { owner, creator } => Error::Untrusted {
                context,
                owner,
                creator,
            },
            Fault::TooLarge => Error::Options {
                context,
                what: "no address space holds a segment of that capacity".into(),
            },
        }
    }
}

/// What `context.operation` ends with in the calls that ask for no right to write.
const READ_ONLY: &str = "read_only";

/// The next step after a system call that failed: `sysv` does not know what it was for.
fn hint_of_system(context: &Context, source: &sysv::Error) -> &'static str {
    match (source.kind(), source.call()) {
        (Kind::NotFound, _) if context.is_removal() => {
            "nothing is left to remove, or look for the right key in `ipcs -m`"
        }
        (Kind::NotFound, _) => {
            "create it with `open_or_create`, or look for the right key in `ipcs -m`; what a process in another container made is found in there: `nsenter --ipc --target PID COMMAND`"
        }
        (Kind::Exists, _) => "attach it with `open` or `open_or_create`, or choose another key",
        (Kind::NoMemory, "shmget") => "choose a smaller capacity, or free memory or swap",
        (Kind::NoSpace(Limit::HugePages), _) => {
            "set some aside with `sysctl vm.nr_hugepages=COUNT`, or do without `Options::huge_pages`"
        }
        (Kind::NotPermitted, "shmget") => {
            "give the process CAP_IPC_LOCK, name its group with `sysctl vm.hugetlb_shm_group=GID`, or do without `Options::huge_pages`"
        }
        (Kind::Invalid, "shmget") => {
            "see /sys/kernel/mm/hugepages for the sizes it has, or do without `Options::huge_pages`"
        }
        (Kind::NoSpace(Limit::Shmmax), _) => {
            "choose a smaller capacity, or raise it with `sysctl kernel.shmmax=BYTES`"
        }
        (Kind::NoSpace(Limit::Shmmni | Limit::Shmall), _) => {
            "remove segments that no process uses (`ipcs -m` lists them, `shm_core::remove_id` removes one with its semaphores), or raise it with `sysctl kernel.shmmni=COUNT`, `sysctl kernel.shmall=PAGES`"
        }
        (Kind::NoSpace(Limit::Semmni | Limit::Semmns), _) => {
            "remove sets that no process uses (`ipcs -s`, `ipcrm -s ID`), or raise it: `sysctl -w kernel.sem=\"32000 1024000000 500 32000\"`"
        }
        (Kind::NoSpace(Limit::Semmsl), _) => {
            "raise it: `sysctl -w kernel.sem=\"32000 $(cut -f2- /proc/sys/kernel/sem)\"`"
        }
        // The facts could be read, and the mapping was denied.
        (Kind::Denied, "shmat") if context.operation.ends_with(READ_ONLY) => source.hint(),
        (Kind::Denied, "shmat") if context.is_of("RawBox") => {
            "where reading is enough, use `RawBox::open_read_only`; else have its owner change the mode with `sysv::shm::set`"
        }
        (Kind::Denied, "shmat") if !context.is_of("Inspector") && !context.is_removal() => {
            "where reading is enough, use `SharedView`; else have its owner change the mode with `sysv::shm::set`"
        }
        _ => source.hint(),
    }
}

/// As `Display`: an error that `main` returns is printed by this, and is to be read by people.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(context) = self.context()
            && !matches!(self, Error::Mismatch { .. })
        {
            write!(f, "{context}: ")?;
        }
        match self {
            Error::System { source, .. } => return source.fmt_with_hint(&self.hint(), f),
            Error::Foreign {
                size,
                wanted,
                adoptable,
                ..
            } => {
                write!(
                    f,
                    "its {size} bytes hold no control block, so another program laid it out"
                )?;
                if size < wanted {
                    write!(f, " (and this program's type has {wanted})")?;
                }
                match adoptable {
                    Some(bytes) if bytes == size => {
                        f.write_str(
                            "; not all of those behind the value are zeros, so it can't be adopted",
                        )?;
                    }
                    Some(bytes) => write!(f, "; to be adopted it must have {bytes}")?,
                    None => {}
                }
            }
            Error::TooSmall { size, wanted, .. } => {
                write!(
                    f,
                    "it has {size} bytes, and this program's type has {wanted}"
                )?;
            }
            Error::Mismatch {
                context,
                name,
                difference,
            } => {
                context.fmt_segment(f)?;
                writeln!(f, " holds a different layout than `{name}`")?;
                write!(f, "{difference}")?;
                if context.others > 0 {
                    write!(f, "\n{}", Kept(*context))?;
                }
                return write!(f, "\n{}", self.hint());
            }
            Error::NeedsUpgrade {
                name,
                found,
                wanted,
                ..
            } => write!(
                f,
                "the segment holds version {found} of `{name}`, and this program writes version {wanted}"
            )?,
            Error::NoRoom { value, schema, .. } => {
                f.write_str("the segment has no room for this program's version of its type: ")?;
                match (value, schema) {
                    (value, 0) => write!(f, "{value} bytes are missing for the value")?,
                    (0, schema) => write!(f, "{schema} bytes are missing for the schema")?,
                    (value, schema) => write!(
                        f,
                        "{value} bytes are missing for the value and {schema} for the schema"
                    )?,
                }
            }
            Error::Invalid { source, .. } => write!(f, "{source}")?,
            Error::Damaged { what, .. } => write!(f, "the segment is damaged: {what}")?,
            Error::Format { found, .. } => {
                write!(f, "it has format {found}, and this library knows format 1")?
            }
            Error::Removed { .. } => f.write_str("the segment has been removed")?,
            Error::Busy {
                owner,
                state,
                waited,
                ..
            } => {
                write!(f, "after {waited:.1?} the lock is still held by ")?;
                match owner {
                    0 => f.write_str(
                        "a process that can't be seen from here (another pid namespace)",
                    )?,
                    pid if *pid == std::process::id() => {
                        f.write_str("this process, by another box or another thread")?;
                    }
                    pid => write!(f, "process {pid}, which {}", doing(*state))?,
                }
            }
            Error::Unfinished {
                creator,
                size,
                wanted,
                ..
            } => {
                write!(
                    f,
                    "process {creator} began to create it with {size} bytes and has not made it ready"
                )?;
                if let Some(wanted) = wanted {
                    write!(
                        f,
                        "; this program would have asked for {wanted}, so it can't end the work"
                    )?;
                }
            }
            Error::Reentrant { .. } => {
                f.write_str("this thread holds the segment's write lock already")?
            }
            Error::Forked { .. } => {
                f.write_str("the write lock belongs to the process that forked this one")?
            }
            Error::SlotsTaken { slots, holders, .. } => {
                write!(f, "all {slots} slots for writing processes are in use")?;
                if let [first, others @ ..] = &**holders {
                    write!(f, ", among others by process {first}")?;
                    others.iter().try_for_each(|pid| write!(f, ", {pid}"))?;
                }
            }
            Error::SetLost { .. } => f.write_str(
                "the semaphore set that tells which writers live has been removed, by `ipcrm -s` or by systemd's `RemoveIPC` at a logout",
            )?,
            Error::Unjudged { .. } => f.write_str(
                "whether another writer lives can't be told from here: its semaphore can't be read, and it belongs to another pid namespace",
            )?,
            Error::ChildDenied { .. } => f.write_str(
                "a forked child claims a slot of its own, and this process has no right to: it gave up its rights after the box was opened",
            )?,
            Error::NoUndo { .. } => f.write_str(
                "the kernel or the sandbox refuses `SEM_UNDO`, so nothing could tell whether a writer lives",
            )?,
            Error::Left { .. } => f.write_str(
                "this process has left the IPC namespace in which it opened the segment, or a peer has given its slot away, and so it has lost its claim to write; reads go on",
            )?,
            Error::Overtaken { waited, .. } => {
                write!(
                    f,
                    "for {waited:.1?} writers replaced the value faster than it could be copied"
                )?;
            }
            Error::Untrusted { owner, creator, .. } => {
                write!(
                    f,
                    "it belongs to user {owner} and was created by user {creator}, not by this user or root"
                )?;
            }
            Error::TooLarge { what, limit, .. } => {
                write!(
                    f,
                    "the value has more than {limit} {what}, the limit of this inspector"
                )?;
            }
            // It says what would be right.
            Error::Options { what, .. } => return f.write_str(what),
            // So do these.
            Error::Fit(source) => return source.fmt(f),
            Error::Text(source) => return source.fmt(f),
            Error::ParseKey(source) => return source.fmt(f),
        }
        if let Some(context) = self.context().filter(|context| context.others > 0) {
            write!(f, "; {}", Kept(context))?;
        }
        write!(f, "; {}", self.hint())
    }
}

/// What the owner of a lock is doing, behind "which".
fn doing(state: HolderState) -> &'static str {
    match state {
        HolderState::Stopped => "is stopped by a signal or a debugger",
        HolderState::DumpingCore => "has crashed and whose core is still being written",
        HolderState::Exiting => "has ended and whose memory is still being freed",
        HolderState::Replaced => {
            "is alive and has called `exec`, so that it knows nothing of the lock"
        }
        HolderState::Left => "is alive and has left its IPC namespace",
        HolderState::Running | HolderState::Unseen => "is alive",
    }
}

/// Why a segment was not replaced.
struct Kept(Context);

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Context { key, others, .. } = self.0;
        let key = key.raw();
        write!(
            f,
            "it was not replaced, since it is attached {others} more times: \
             `grep -l SYSV{key:08x} /proc/[0-9]*/maps` names the processes"
        )
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::System { source, .. } => Some(source.as_ref()),
            Error::Invalid { source, .. } => Some(source.as_ref()),
            Error::Fit(source) => Some(source),
            Error::Text(source) => Some(source),
            Error::ParseKey(source) => Some(source),
            _ => None,
        }
    }
}

impl From<FitError> for Error {
    fn from(error: FitError) -> Error {
        Error::Fit(error)
    }
}

impl From<TextError> for Error {
    fn from(error: TextError) -> Error {
        Error::Text(error)
    }
}

impl From<ParseKeyError> for Error {
    fn from(error: ParseKeyError) -> Error {
        Error::ParseKey(error)
    }
}
