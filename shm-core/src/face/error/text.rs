//! What an error is, what happened, and the next step: one table for all of them.

use std::borrow::Cow;
use std::fmt;

use super::{Call, Error, ErrorKind, Operation, Place, Repr};
use crate::home::file;
use crate::layout::Unfit;
use crate::protocol::{Fault, Holder, HolderState};
use crate::sysv::{self, Kind, Limit};
use crate::typed::{Counting, Failure, Type};

impl Error {
    /// What kind of error it is.
    pub fn kind(&self) -> ErrorKind {
        self.told(|kind, _, _| kind)
    }

    /// What to do next.
    pub fn hint(&self) -> String {
        self.told(|_, _, hint| hint.to_owned())
    }

    fn told<R>(&self, tell: impl Tell<R>) -> R {
        match &self.0 {
            Repr::Brief(brief) => {
                let call = brief.call();
                call.told(&call.why, tell)
            }
            Repr::Call(call) => call.told(&call.why, tell),
            Repr::Text(text) => tell(text.kind, &text.source, text.hint),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Repr::Brief(brief) if brief.is_of_file() => brief.call().show(&"a file", f),
            Repr::Brief(brief) => brief.call().fmt(f),
            Repr::Call(call) => call.fmt(f),
            // It says what would be right.
            Repr::Text(text) => text.source.fmt(f),
        }
    }
}

/// Takes what an error is, what happened, and the next step.
trait Tell<R>: FnOnce(ErrorKind, &dyn fmt::Display, &str) -> R {}

impl<R, F: FnOnce(ErrorKind, &dyn fmt::Display, &str) -> R> Tell<R> for F {}

/// Shows what takes more than a format.
struct Shown<F: Fn(&mut fmt::Formatter<'_>) -> fmt::Result>(F);

impl<F: Fn(&mut fmt::Formatter<'_>) -> fmt::Result> fmt::Display for Shown<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0(f)
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            None => self.show(&"private memory", f),
            Some(place) if place.path().is_some() => self.show(place, f),
            Some(place) => match place.segment_id() {
                Some(id) => self.show(&format_args!("segment with id {id}"), f),
                None => self.show(&format_args!("segment {place}"), f),
            },
        }
    }
}

impl Call {
    /// `place` as it is named in the middle of a sentence.
    fn show(&self, place: &dyn fmt::Display, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let operation = self.operation.name();
        let mut link = "; ";
        match self.why() {
            Failure::Mismatch(_) => {
                write!(f, "{place} ")?;
                link = "\n";
            }
            // Of a semaphore or its set, which the cause or the caller names.
            _ if self.operation.is_of("SemGuard") => write!(f, "{operation}: ")?,
            _ => write!(f, "{operation} on {place}: ")?,
        }
        self.told(&self.why, |_, what, hint| {
            what.fmt(f)?;
            if let Failure::Kept { others, .. } = self.why {
                let key = self.place.as_ref().and_then(Place::key);
                let key = key.map_or(0, |key| key.raw());
                write!(
                    f,
                    "{link}it was not replaced, since it is attached {others} more times: \
                     `grep -l SYSV{key:08x} /proc/[0-9]*/maps` names the processes"
                )?;
            }
            match self.why() {
                // They say what would be right.
                Failure::Options(_) | Failure::Guard(_) => Ok(()),
                _ if hint.is_empty() => Ok(()),
                _ => write!(f, "{link}{hint}"),
            }
        })
    }

    fn told<R>(&self, why: &Failure, tell: impl Tell<R>) -> R {
        let operation = self.operation;
        let name: &dyn fmt::Display = match self.of {
            Some(of) => &of.schema,
            None => &"its type",
        };
        let wanted = self.of.map_or(0, Type::size);
        match why {
            Failure::Fault(fault) => self.told_fault(fault, tell),
            Failure::Kept { why, .. } => self.told(why, tell),
            Failure::NotAdoptable { size, adoptable } => tell(
                ErrorKind::Foreign,
                &Shown(|f| {
                    self.show_foreign(*size, f)?;
                    match adoptable == size {
                        true => f.write_str(
                            "; not all of those behind the value are zeros, so it can't be adopted",
                        ),
                        false => write!(f, "; to be adopted it must have {adoptable}"),
                    }
                }),
                "have that program ask `shmget` for what `Options::segment_size` says and leave all but the value alone, or use `RawBox`",
            ),
            Failure::TooSmall { size, offset } if *offset > 0 && wanted <= *size => tell(
                ErrorKind::TooSmall,
                &format_args!(
                    "the {wanted} bytes of this program's type, from byte {offset} on, end behind the {size} that it has"
                ),
                "give an `offset` from which the type ends within its bytes",
            ),
            Failure::TooSmall { size, offset } => tell(
                ErrorKind::TooSmall,
                &Shown(|f| {
                    write!(
                        f,
                        "it has {size} bytes, and this program's type has {wanted}"
                    )?;
                    match offset {
                        0 => Ok(()),
                        offset => write!(f, ", from byte {offset} on"),
                    }
                }),
                "use the struct that the segment's creator uses",
            ),
            Failure::NoRow { index, len } => tell(
                ErrorKind::TooSmall,
                &format_args!("it has {len} rows, and none with index {index}"),
                "ask `RawTable::len` first, or walk over `RawTable::rows`",
            ),
            Failure::NoElement { path, len } => tell(
                ErrorKind::NoElement,
                &format_args!("`{path}` is not there: the `FixedVec` has {len} elements"),
                "add elements by `update`, with `push`",
            ),
            Failure::Mismatch(difference) => tell(
                ErrorKind::Mismatch,
                &format_args!("holds a different layout than `{name}`\n{difference}"),
                "build this program with the layout in the segment, or, if its value may be lost, remove it with `shm_core::remove` and create it anew",
            ),
            Failure::OtherKind { rows: 0 } => tell(
                ErrorKind::OtherKind,
                &"it holds a single value, and no table",
                "open it with `SharedBox::open`",
            ),
            Failure::OtherKind { rows } => tell(
                ErrorKind::OtherKind,
                &format_args!("it holds a table of {rows} rows, and no single value"),
                "open it with `SharedTable::open`",
            ),
            Failure::Counter { path, why } => match why {
                Counting::InTableAlone => tell(
                    ErrorKind::Mismatch,
                    &format_args!(
                        "`{path}` is a counter in this table, and a number like others in `{name}`"
                    ),
                    "mark the field `#[shared(counter)]`",
                ),
                Counting::InTypeAlone => tell(
                    ErrorKind::Mismatch,
                    &format_args!(
                        "`{path}` is a counter in `{name}`, and a number like others in this table"
                    ),
                    "leave `#[shared(counter)]` out, or, if its rows may be lost, make the table anew: `open_or_create` with `Options::upgrade` and `Options::replace_unused`",
                ),
                Counting::Stored => tell(
                    ErrorKind::Counter,
                    &format_args!("`{path}` is a counter, which only grows"),
                    "add to it with `Seat::fetch_add`",
                ),
                Counting::NoCounter => tell(
                    ErrorKind::Counter,
                    &format_args!("`{path}` is no counter"),
                    "mark the field `#[shared(counter)]`, for tables to come",
                ),
            },
            Failure::Stale => tell(
                ErrorKind::Stale,
                &"the row has another owner by now, or none",
                "walk over the rows again with `SharedTable::rows`",
            ),
            Failure::NeedsUpgrade { found } => {
                let writes = self.of.map_or(1, Type::version);
                tell(
                    ErrorKind::NeedsUpgrade,
                    &format_args!(
                        "the segment holds version {found} of `{name}`, and this program writes version {writes}"
                    ),
                    match operation.is_of("SharedTable") || operation.is_of("Seat") {
                        true => {
                            "to extend it in place, call `SharedTable::options().upgrade(true)` before `open`; to read only, use `SharedTable::options().open_read_only`"
                        }
                        false => {
                            "to extend it in place, call `SharedBox::options().upgrade(true)` before `open`; to read only, use `SharedView`"
                        }
                    },
                )
            }
            Failure::NoRoom { value, schema } => tell(
                ErrorKind::NoRoom,
                &Shown(|f| {
                    f.write_str(
                        "the segment has no room for this program's version of its type: ",
                    )?;
                    match (value, schema) {
                        (value, 0) => write!(f, "{value} bytes are missing for the value"),
                        (0, schema) => write!(f, "{schema} bytes are missing for the schema"),
                        (value, schema) => write!(
                            f,
                            "{value} bytes are missing for the value and {schema} for the schema"
                        ),
                    }
                }),
                "reserve more with `Options::capacity` when it is created; `open_or_create` with `Options::replace_unused` gives its value up and makes it anew as soon as no other process is attached",
            ),
            Failure::Invalid(invalid) => tell(
                ErrorKind::Invalid,
                invalid,
                match invalid.newer() {
                    Some(_) => "use a program of that version; `set` would destroy the newer value",
                    None if invalid.is_other() && operation == Operation::RawOpen => {
                        "let the other program make the segment, or give the enum a variant that is 0"
                    }
                    None if invalid.is_other() => "begin with a variant that this program knows",
                    None => "find the writer that stored it; `set` replaces the whole value",
                },
            ),
            Failure::Damaged(what) => self.told_damage(what, tell),
            Failure::TooLarge { what, limit } => tell(
                ErrorKind::TooLarge,
                &format_args!(
                    "the value has more than {limit} {what}, the limit of this inspector"
                ),
                "if memory allows, read more with `Inspector::limit`",
            ),
            Failure::Unfit(unfit) => {
                let kind = match **unfit {
                    Unfit::Value { .. } => ErrorKind::Value,
                    _ => ErrorKind::Path,
                };
                tell(kind, unfit, unfit.hint())
            }
            Failure::Options(what) => tell(ErrorKind::Options, what, "see `Options`"),
            Failure::Guard(what) => tell(
                ErrorKind::Guard,
                &format_args!("the guard can't be used: {what}"),
                "see `RawBox::guarded_by`",
            ),
        }
    }

    fn told_fault<R>(&self, fault: &Fault, tell: impl Tell<R>) -> R {
        let operation = self.operation;
        match fault {
            Fault::System(source) => tell(
                ErrorKind::System,
                &Shown(|f| source.fmt_cause(f)),
                hint_of_system(operation, source),
            ),
            Fault::File(source) => {
                let kind = match source.kind() {
                    file::Kind::Busy => ErrorKind::Busy,
                    file::Kind::NotRestored => ErrorKind::NotRestored,
                    _ => ErrorKind::System,
                };
                tell(kind, &Shown(|f| source.fmt_cause(f)), source.hint())
            }
            #[cfg(feature = "async")]
            Fault::NoThread(errno) => {
                let why = std::io::Error::from_raw_os_error(*errno);
                tell(
                    ErrorKind::System,
                    &format_args!(
                        "no thread could be started that waits for other processes: {why}"
                    ),
                    "allow more threads: `ulimit -u`, or the `pids.max` of the control group",
                )
            }
            Fault::Busy { holder, waited } => tell(
                ErrorKind::Busy,
                &Shown(|f| {
                    write!(f, "after {waited:.1?} the lock is still held by ")?;
                    show_holder(*holder, f)
                }),
                match operation.is_of_raw() {
                    true => hint_of_guards_holder(holder.state),
                    false => holding(holder.state).1,
                },
            ),
            Fault::Reentrant => tell(
                ErrorKind::Reentrant,
                &"this thread holds the segment's write lock already",
                "use the `Writer`, or the value that `update` lends, instead of the box",
            ),
            Fault::Forked if operation.is_of("Seat") => tell(
                ErrorKind::Forked,
                &"the row belongs to the process that forked this one",
                "claim a row for this process, with `SharedTable::claim`",
            ),
            Fault::Forked => tell(
                ErrorKind::Forked,
                &"the write lock belongs to the process that forked this one",
                "drop the writer and take the lock in this process",
            ),
            Fault::Overtaken { waited } => tell(
                ErrorKind::Overtaken,
                &format_args!(
                    "for {waited:.1?} writers replaced the value faster than it could be copied"
                ),
                "allow more time with `Options::timeout`, or write less often",
            ),
            Fault::Removed => tell(
                ErrorKind::Removed,
                &"the segment has been removed",
                match self.place.as_ref().and_then(Place::segment_id) {
                    _ if operation.is_removal() => "nothing is left to remove",
                    // What is created again has another id.
                    Some(_) => "create it again, or look for its new id in `ipcs -m`",
                    None => "open or create the segment again",
                },
            ),
            Fault::SlotsTaken { slots, pids } => tell(
                ErrorKind::SlotsTaken,
                &Shown(|f| {
                    write!(f, "all {slots} slots for writing processes are in use")?;
                    show_pids(pids, f)
                }),
                "open with `open_read_only` where reading is enough, or make the segment with more `Options::slots`: each open box has one",
            ),
            Fault::Full { rows, pids } => tell(
                ErrorKind::Full,
                &Shown(|f| {
                    write!(f, "all {rows} rows have owners that live")?;
                    show_pids(pids, f)
                }),
                "end some of them, which frees their rows, or make the table anew with more `Options::rows`",
            ),
            Fault::SetLost => tell(
                ErrorKind::SetLost,
                &"the semaphore set that tells which writers live has been removed, by `ipcrm -s` or by systemd's `RemoveIPC` at a logout",
                "open the segment for writing as its owner or root, which makes a new set; with systemd, set `RemoveIPC=no` in logind.conf or run as a system user",
            ),
            Fault::Unjudged => tell(
                ErrorKind::Unjudged,
                &"whether another writer lives can't be told from here: its semaphore can't be read, and it belongs to another pid namespace",
                "open the segment as a user who may read its semaphores, in the pid namespace of its writers; or end all of those",
            ),
            Fault::ChildDenied => tell(
                ErrorKind::ChildDenied,
                &"a forked child claims a slot of its own, and this process has no right to: it gave up its rights after the box was opened",
                "let the parent write, or open the box in the child before it gives up its rights",
            ),
            Fault::NoUndo => tell(
                ErrorKind::NoUndo,
                &"the kernel or the sandbox refuses `SEM_UNDO`, so nothing could tell whether a writer lives",
                "run on a kernel, or in a sandbox, that supports `SEM_UNDO`; where reading is enough, open with `open_read_only`",
            ),
            Fault::Left => tell(
                ErrorKind::Left,
                &"this process has left the IPC namespace in which it opened the segment, or a peer has given its slot away, and so it has lost its claim to write; reads go on",
                "open the segment again, in the namespace where it lies",
            ),
            Fault::Foreign { size } => tell(
                ErrorKind::Foreign,
                &Shown(|f| self.show_foreign(*size, f)),
                &self.hint_of_foreign(),
            ),
            Fault::Changed => {
                self.told_damage("its schema was replaced while the lock was held", tell)
            }
            Fault::Invalid(_) => self.told_damage("its bytes are no value of the type", tell),
            Fault::Damaged(what) => self.told_damage(what, tell),
            Fault::Format(found) => tell(
                ErrorKind::Format,
                &format_args!("it has format {found}, and this library knows format 1"),
                "use the version of shm-core that the segment was created with",
            ),
            Fault::Unfinished {
                creator,
                size,
                wanted,
            } => tell(
                ErrorKind::Unfinished,
                &Shown(|f| {
                    write!(
                        f,
                        "process {creator} began to create it with {size} bytes and has not made it ready"
                    )?;
                    match wanted {
                        Some(wanted) => write!(
                            f,
                            "; this program would have asked for {wanted}, so it can't end the work"
                        ),
                        None => Ok(()),
                    }
                }),
                "`open_or_create` with the type and the `Options::slots` that it was begun with ends the work; or remove it with `shm_core::remove`",
            ),
            Fault::Untrusted { owner, creator } => {
                let options = match operation.type_name() {
                    name @ ("RawBox" | "RawTable" | "Inspector") => {
                        format!("{name}::options().owner(…)")
                    }
                    _ => "Options::owner".to_owned(),
                };
                tell(
                    ErrorKind::Untrusted,
                    &format_args!(
                        "it belongs to user {owner} and was created by user {creator}, not by this user or root"
                    ),
                    &format!("if they may be trusted, allow them with `{options}`"),
                )
            }
            Fault::Exposed { mode } => {
                let options = match operation.is_of_raw() {
                    true => "`mode` of the options",
                    false => "`Options::mode`",
                };
                tell(
                    ErrorKind::Untrusted,
                    &format_args!(
                        "its mode {mode:04o} lets others write it, and so cut it short, which would end each process that reads behind the cut (SIGBUS)"
                    ),
                    &format!(
                        "if they may be trusted, say so with {options}, with their bits in it; else `chmod go-w` with its path"
                    ),
                )
            }
            Fault::NotRestored => tell(
                ErrorKind::NotRestored,
                &"its value was left by an earlier start of the machine, or by the file that this one is a copy of",
                "nothing in it is durable: open a table once for writing, which empties it; anything else remove with `shm_core::remove`, and create it anew",
            ),
            Fault::NoFile => tell(
                ErrorKind::Options,
                &"a segment has no descriptor",
                "only `SharedBox::anonymous` and files have one",
            ),
            Fault::NoSegment => tell(
                ErrorKind::Options,
                &"it is no segment of the kernel's",
                "ask the standard library, by its path",
            ),
            Fault::TooLarge => tell(
                ErrorKind::Options,
                &"no address space holds a segment of that capacity",
                "see `Options`",
            ),
        }
    }

    fn told_damage<R>(&self, what: &str, tell: impl Tell<R>) -> R {
        tell(
            ErrorKind::Damaged,
            &format_args!("the segment is damaged: {what}"),
            match self.operation.is_of("RawTable") {
                true => {
                    "mend the count in its header, or open it without `count_from`; to begin anew, remove it with `ipcrm -M` and its key, or a file with `rm`"
                }
                false => {
                    "find the writer that did it, then remove the segment with `shm_core::remove` and create it anew"
                }
            },
        )
    }

    fn show_foreign(&self, size: usize, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "its {size} bytes hold no control block, so another program laid it out"
        )?;
        if self.is_of_file() {
            f.write_str(", or cut it short")?;
        }
        match self.of.map(Type::size) {
            Some(wanted) if size < wanted => {
                write!(f, " (and this program's type has {wanted})")
            }
            _ => Ok(()),
        }
    }

    fn hint_of_foreign(&self) -> Cow<'static, str> {
        let place = self.place.as_ref();
        if self.operation.is_removal() {
            return match place.map(|place| (place, place.segment_id())) {
                _ if self.is_of_file() => "if it may go, `rm` with its path removes it".into(),
                Some((_, Some(id))) => format!("if it may go, `ipcrm -m {id}` removes it").into(),
                Some((key, None)) => format!("if it may go, `ipcrm -M {key}` removes it").into(),
                None => "".into(),
            };
        }
        let hint = match self.operation.is_read_only() {
            _ if self.is_of_file() => {
                "name the path of a value of this library's, or one where there is nothing yet; what was cut short is to be had from a backup"
            }
            true => {
                "`RawBox::open_read_only` reads such a segment, without versions or protection from torn values; one that was made for this program is taken over with `Options::adopt`, by a `SharedBox`"
            }
            false => {
                "`RawBox` reads and writes such a segment, without versions or protection from torn values; one that was made for this program is taken over with `Options::adopt`"
            }
        };
        hint.into()
    }

    fn is_of_file(&self) -> bool {
        let path = self.place.as_ref().and_then(Place::path);
        path.is_some()
    }
}

/// Names some of the processes that have what was asked for.
fn show_pids(pids: &[u32], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if let [first, others @ ..] = pids {
        write!(f, ", among others by process {first}")?;
        others.iter().try_for_each(|pid| write!(f, ", {pid}"))?;
    }
    Ok(())
}

/// Says who keeps a lock, and what that process is doing.
fn show_holder(Holder { pid, state }: Holder, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match pid {
        0 => f.write_str("a process that can't be seen from here (another pid namespace)"),
        pid if pid == std::process::id() => {
            f.write_str("this process, by another box or another thread, or around this call")
        }
        pid => write!(f, "process {pid}, which {}", holding(state).0),
    }
}

/// The next step after a system call that failed: `sysv` does not know what it was for.
fn hint_of_system(operation: Operation, source: &sysv::Error) -> &'static str {
    match (source.kind(), source.call()) {
        (Kind::NotFound, _) if operation.is_removal() => {
            "nothing is left to remove, or look for the right key in `ipcs -m`"
        }
        (Kind::NotFound, _) if operation.is_of("SemGuard") => {
            "start the program that creates it, look for the right key in `ipcs -s`, or make it with `SemGuard::open_or_create`"
        }
        // Neither can create one.
        (Kind::NotFound, _)
            if operation.is_of("RawBox")
                || operation.is_of("RawTable")
                || operation.is_of("Inspector") =>
        {
            "start the program that creates it, or look for the right key in `ipcs -m`; what a process in another container made is found in there: `nsenter --ipc --target PID COMMAND`"
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
            "remove segments that no process uses (`ipcs -m` lists them, `shm_core::remove` of a `Place::id` removes one with its semaphores), or raise it with `sysctl kernel.shmmni=COUNT`, `sysctl kernel.shmall=PAGES`"
        }
        (Kind::NoSpace(Limit::Semmni | Limit::Semmns), _) => {
            "remove sets that no process uses (`ipcs -s`, `ipcrm -s ID`), or raise it: `sysctl -w kernel.sem=\"32000 1024000000 500 32000\"`"
        }
        (Kind::NoSpace(Limit::Semmsl), _) => {
            "raise it: `sysctl -w kernel.sem=\"32000 $(cut -f2- /proc/sys/kernel/sem)\"`"
        }
        // The facts could be read, and the mapping was denied.
        (Kind::Denied, "shmat") if operation.is_read_only() => source.hint(),
        (Kind::Denied, "shmat") if operation.is_of("RawTable") => {
            "where reading is enough, use `RawTable::open_read_only`; else have its owner change the mode with `sysv::shm::set`"
        }
        (Kind::Denied, "shmat") if operation.is_of("RawBox") => {
            "where reading is enough, use `RawBox::open_read_only`; else have its owner change the mode with `sysv::shm::set`"
        }
        (Kind::Denied, "shmat") if !operation.is_of("Inspector") && !operation.is_removal() => {
            "where reading is enough, use `SharedView`; else have its owner change the mode with `sysv::shm::set`"
        }
        _ => source.hint(),
    }
}

/// What a process that keeps the lock is doing, behind "which", and the next step of those who want it.
fn holding(state: HolderState) -> (&'static str, &'static str) {
    match state {
        HolderState::Running | HolderState::Unseen => (
            "is alive",
            "find out why that process keeps the lock, or allow more time with `Options::timeout`",
        ),
        HolderState::Stopped => (
            "is stopped by a signal or a debugger",
            "let it go on with `kill -CONT` and its pid, or end it with `kill -9`: the lock is free then",
        ),
        HolderState::DumpingCore => (
            "has crashed and whose core is still being written",
            "try again: the lock is free as soon as the kernel has done with it",
        ),
        HolderState::Exiting => (
            "has ended and whose memory is still being freed",
            "try again: the lock is free as soon as the kernel has done with it",
        ),
        HolderState::Replaced => (
            "is alive and has called `exec`, so that it knows nothing of the lock",
            "end that process with `kill` and its pid, or have it open the segment again",
        ),
        HolderState::Left => (
            "is alive and has lost its claim: it has left its IPC namespace, or its semaphore was set or removed",
            "allow more time with `Options::timeout`: it claims its semaphore anew as it writes on; if it has left its namespace, end it with `kill` and its pid",
        ),
        HolderState::Gone => (
            "has ended",
            "it will not let go any more: have its C side use `SEM_UNDO`, or a robust mutex; till then raise the semaphore by one with `sysv::sem::op`, or end all who use the mutex and make it anew",
        ),
    }
}

/// The same where the lock is a guard, of which it takes the other side to say what the kernel does with it at a death.
fn hint_of_guards_holder(state: HolderState) -> &'static str {
    match state {
        HolderState::Stopped => {
            "let it go on with `kill -CONT` and its pid; to end it lets the guard go only with `SEM_UNDO`, or a robust mutex"
        }
        HolderState::Running | HolderState::Unseen => {
            "find out why that process keeps the guard, or allow more time: `RawOptions::timeout`, or the limit that the call was given"
        }
        _ => holding(state).1,
    }
}
