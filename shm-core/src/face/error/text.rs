//! What an error says to people: what happened, and the next step.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use super::{Brief, Call, Error, Operation, Place, Repr, Text, Way, Why};
use crate::protocol::{Fault, HolderState};
use crate::sysv::{self, Kind, Limit};
use crate::typed::{Counting, Failure, Type};

impl Error {
    /// What to do next.
    pub fn hint(&self) -> Cow<'static, str> {
        match &self.0 {
            Repr::Brief(brief) => brief.hint().into(),
            Repr::Call(call) => call.hint(),
            Repr::Text(text) => match **text {
                Text::Fit(_) => "shorten the text, or cut it with `FixedStr::truncated`",
                Text::Bytes(_) => {
                    "read the bytes with `FixedStr::as_bytes`, or `FixedStr::to_string_lossy`"
                }
                Text::Key(_) => "write a key as 0x1234 or as a decimal number",
                Text::Place(ref error) => error.hint(),
            }
            .into(),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Repr::Brief(brief) => brief.fmt(f),
            Repr::Call(call) => call.fmt(f),
            // It says what would be right.
            Repr::Text(text) => fmt::Display::fmt(text.source(), f),
        }
    }
}

/// Names a place in the middle of a sentence.
struct Named(Option<Place>);

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            None => f.write_str("private memory"),
            Some(place) if place.path().is_some() => write!(f, "{place}"),
            Some(place) => match place.segment_id() {
                Some(id) => write!(f, "segment with id {id}"),
                None => write!(f, "segment {place}"),
            },
        }
    }
}

impl fmt::Display for Brief {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Brief { why, pid, .. } = *self;
        let waited = Duration::from_millis(self.waited.into());
        let name = self.operation.name();
        match self.way {
            Way::File => write!(f, "{name} on a file: ")?,
            // Of a semaphore, whose set the caller named.
            _ if self.operation.is_of("SemGuard") => write!(f, "{name}: ")?,
            _ => write!(f, "{name} on {}: ", Named(self.place()))?,
        }
        match why {
            Why::Removed => f.write_str("the segment has been removed")?,
            Why::Overtaken => write!(
                f,
                "for {waited:.1?} writers replaced the value faster than it could be copied"
            )?,
            Why::Reentrant => f.write_str("this thread holds the segment's write lock already")?,
            Why::Forked => {
                f.write_str(match self.operation.is_of("Seat") {
                    true => "the row belongs to the process that forked this one",
                    false => "the write lock belongs to the process that forked this one",
                })?;
            }
            Why::Busy(state) => {
                write!(f, "after {waited:.1?} the lock is still held by ")?;
                match pid {
                    0 => f.write_str(
                        "a process that can't be seen from here (another pid namespace)",
                    )?,
                    pid if pid == std::process::id() => {
                        f.write_str("this process, by another box or another thread")?;
                    }
                    pid => write!(f, "process {pid}, which {}", doing(state))?,
                }
            }
        }
        write!(f, "; {}", self.hint())
    }
}

impl Brief {
    fn hint(&self) -> &'static str {
        match (self.why, self.operation, self.way) {
            (Why::Removed, operation, _) if operation.is_removal() => "nothing is left to remove",
            (Why::Forked, operation, _) if operation.is_of("Seat") => {
                "claim a row for this process, with `SharedTable::claim`"
            }
            (Why::Busy(state), operation, _) if operation.is_of_raw() => {
                hint_of_guards_holder(state)
            }
            // What is created again has another id.
            (Why::Removed, _, Way::Id) => "create it again, or look for its new id in `ipcs -m`",
            _ => self.why.hint(),
        }
    }
}

impl Why {
    fn hint(self) -> &'static str {
        match self {
            Why::Removed => "open or create the segment again",
            Why::Overtaken => "allow more time with `Options::timeout`, or write less often",
            Why::Reentrant => {
                "use the `Writer`, or the value that `update` lends, instead of the box"
            }
            Why::Forked => "drop the writer and take the lock in this process",
            Why::Busy(state) => hint_of_holder(state),
        }
    }
}

impl Call {
    fn hint(&self) -> Cow<'static, str> {
        if let Failure::Unfit(unfit) = &self.why {
            return unfit.hint().to_owned().into();
        }
        let foreign = matches!(self.why, Failure::Fault(Fault::Foreign { .. }));
        if foreign && self.operation.is_removal() {
            return match self.place.as_ref().map(|place| (place, place.segment_id())) {
                Some((place, _)) if place.path().is_some() => {
                    "if it may go, `rm` with its path removes it".to_owned()
                }
                Some((_, Some(id))) => format!("if it may go, `ipcrm -m {id}` removes it"),
                Some((place, _)) => format!("if it may go, `ipcrm -M {place}` removes it"),
                None => return "".into(),
            }
            .into();
        }
        self.plain_hint().into()
    }

    fn plain_hint(&self) -> &'static str {
        match &self.why {
            Failure::Fault(fault) => self.hint_of_fault(fault),
            Failure::NotAdoptable { .. } => {
                "have that program ask `shmget` for what `Options::segment_size` says and leave all but the value alone, or use `RawBox`"
            }
            Failure::TooSmall { .. } if self.is_too_far() => {
                "give an `offset` from which the type ends within its bytes"
            }
            Failure::TooSmall { .. } => "use the struct that the segment's creator uses",
            Failure::NoRow { .. } => "ask `RawTable::len` first, or walk over `RawTable::rows`",
            Failure::Mismatch(_) => {
                "build this program with the layout in the segment, or, if its value may be lost, remove it with `shm_core::remove` and create it anew"
            }
            Failure::OtherKind { rows: 0 } => "open it with `SharedBox::open`",
            Failure::OtherKind { .. } => "open it with `SharedTable::open`",
            Failure::Counter { why, .. } => match why {
                Counting::InTableAlone => "mark the field `#[shared(counter)]`",
                Counting::InTypeAlone => {
                    "leave `#[shared(counter)]` out, or, if its rows may be lost, make the table anew: `open_or_create` with `Options::upgrade` and `Options::replace_unused`"
                }
                Counting::Stored => "add to it with `Seat::fetch_add`",
                Counting::NoCounter => "mark the field `#[shared(counter)]`, for tables to come",
            },
            Failure::Stale => "walk over the rows again with `SharedTable::rows`",
            Failure::NeedsUpgrade { .. }
                if self.operation.is_of("SharedTable") || self.operation.is_of("Seat") =>
            {
                "to extend it in place, call `SharedTable::options().upgrade(true)` before `open`; to read only, use `SharedTable::options().open_read_only`"
            }
            Failure::NeedsUpgrade { .. } => {
                "to extend it in place, call `SharedBox::options().upgrade(true)` before `open`; to read only, use `SharedView`"
            }
            Failure::NoRoom { .. } => {
                "reserve more with `Options::capacity` when it is created; `open_or_create` with `Options::replace_unused` gives its value up and makes it anew as soon as no other process is attached"
            }
            Failure::Invalid(invalid) if invalid.newer().is_some() => {
                "use a program of that version; `set` would destroy the newer value"
            }
            Failure::Invalid(invalid)
                if invalid.is_other() && self.operation == Operation::RawOpen =>
            {
                "let the other program make the segment, or give the enum a variant that is 0"
            }
            Failure::Invalid(invalid) if invalid.is_other() => {
                "begin with a variant that this program knows"
            }
            Failure::Invalid(_) => "find the writer that stored it; `set` replaces the whole value",
            Failure::NoElement { .. } => "add elements by `update`, with `push`",
            Failure::Damaged(_) | Failure::Kept { .. } => self.hint_of_damage(),
            Failure::TooLarge { .. } => "if memory allows, read more with `Inspector::limit`",
            Failure::Options(_) => "see `Options`",
            Failure::Guard(_) => "see `RawBox::guarded_by`",
            // It says so itself.
            Failure::Unfit(_) => "",
        }
    }

    fn hint_of_fault(&self, fault: &Fault) -> &'static str {
        match fault {
            Fault::System(source) => hint_of_system(self.operation, source),
            Fault::File(source) => source.hint(),
            Fault::Exposed { .. } if self.operation.is_of_raw() => {
                "if they may be trusted, say so with `mode` of the options, with their bits in it; else `chmod go-w` with its path"
            }
            Fault::Exposed { .. } => {
                "if they may be trusted, say so with `Options::mode`, with their bits in it; else `chmod go-w` with its path"
            }
            Fault::NotRestored => {
                "nothing in it is durable: open a table once for writing, which empties it; anything else remove with `shm_core::remove`, and create it anew"
            }
            Fault::NoFile => "only `SharedBox::anonymous` and files have one",
            Fault::NoSegment => "ask the standard library, by its path",
            Fault::Foreign { .. } if self.is_of_file() => {
                "name the path of a value of this library's, or one where there is nothing yet; what was cut short is to be had from a backup"
            }
            Fault::Foreign { .. } if self.operation.is_read_only() => {
                "`RawBox::open_read_only` reads such a segment, without versions or protection from torn values; one that was made for this program is taken over with `Options::adopt`, by a `SharedBox`"
            }
            Fault::Foreign { .. } => {
                "`RawBox` reads and writes such a segment, without versions or protection from torn values; one that was made for this program is taken over with `Options::adopt`"
            }
            Fault::Changed | Fault::Invalid(_) | Fault::Damaged(_) => self.hint_of_damage(),
            Fault::Format(_) => "use the version of shm-core that the segment was created with",
            Fault::Removed => Why::Removed.hint(),
            Fault::Reentrant => Why::Reentrant.hint(),
            Fault::Forked => Why::Forked.hint(),
            Fault::Overtaken { .. } => Why::Overtaken.hint(),
            Fault::Busy { holder, .. } => hint_of_holder(holder.state),
            Fault::Unfinished { .. } => {
                "`open_or_create` with the type that it was begun with ends the work; or remove it with `shm_core::remove`"
            }
            Fault::SlotsTaken { .. } => {
                "open with `open_read_only` where reading is enough, or make the segment with more `Options::slots`: each open box has one"
            }
            Fault::SetLost => {
                "open the segment for writing as its owner or root, which makes a new set; with systemd, set `RemoveIPC=no` in logind.conf or run as a system user"
            }
            Fault::Unjudged => {
                "open the segment as a user who may read its semaphores, in the pid namespace of its writers; or end all of those"
            }
            Fault::ChildDenied => {
                "let the parent write, or open the box in the child before it gives up its rights"
            }
            Fault::NoUndo => {
                "run on a kernel, or in a sandbox, that supports `SEM_UNDO`; where reading is enough, open with `open_read_only`"
            }
            #[cfg(feature = "async")]
            Fault::NoThread(_) => {
                "allow more threads: `ulimit -u`, or the `pids.max` of the control group"
            }
            Fault::Left => "open the segment again, in the namespace where it lies",
            Fault::Untrusted { .. } if self.operation.is_of("RawBox") => {
                "if they may be trusted, allow them with `RawBox::options().owner(…)`"
            }
            Fault::Untrusted { .. } if self.operation.is_of("RawTable") => {
                "if they may be trusted, allow them with `RawTable::options().owner(…)`"
            }
            Fault::Untrusted { .. } if self.operation.is_of("Inspector") => {
                "if they may be trusted, allow them with `Inspector::options().owner(…)`"
            }
            Fault::Untrusted { .. } => "if they may be trusted, allow them with `Options::owner`",
            Fault::TooLarge => "see `Options`",
            Fault::Full { .. } => {
                "end some of them, which frees their rows, or make the table anew with more `Options::rows`"
            }
        }
    }

    /// Whether the type would fit, but for the offset.
    fn is_too_far(&self) -> bool {
        let wanted = self.of.map_or(0, Type::size);
        matches!(self.why, Failure::TooSmall { size, offset } if offset > 0 && wanted <= size)
    }

    fn is_of_file(&self) -> bool {
        self.place
            .as_ref()
            .is_some_and(|place| place.path().is_some())
    }

    fn hint_of_damage(&self) -> &'static str {
        if self.operation.is_of("RawTable") {
            "mend the count in its header, or open it without `count_from`; to begin anew, remove it with `ipcrm -M` and its key, or a file with `rm`"
        } else {
            "find the writer that did it, then remove the segment with `shm_core::remove` and create it anew"
        }
    }

    /// The program's type by name.
    fn name(&self) -> &dyn fmt::Display {
        match self.of {
            Some(of) => &of.schema,
            None => &"its type",
        }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Failure::Mismatch(difference) = &self.why {
            let (place, name) = (Named(self.place.clone()), self.name());
            writeln!(f, "{place} holds a different layout than `{name}`")?;
            write!(f, "{difference}")?;
            if self.others > 0 {
                write!(f, "\n{}", Kept(self))?;
            }
            return write!(f, "\n{}", self.hint());
        }
        let (operation, place) = (self.operation.name(), Named(self.place.clone()));
        if self.operation.is_of("SemGuard") {
            // Of a semaphore set, which the cause names.
            write!(f, "{operation}: ")?;
        } else {
            write!(f, "{operation} on {place}: ")?;
        }
        match &self.why {
            Failure::Fault(Fault::System(source)) => {
                return source.fmt_with_hint(&self.hint(), f);
            }
            Failure::Fault(Fault::File(source)) => {
                return source.fmt_with_hint(&self.hint(), f);
            }
            // It says what would be right.
            Failure::Options(what) => return f.write_str(what),
            Failure::Guard(what) => return write!(f, "the guard can't be used: {what}"),
            Failure::Fault(fault) => self.fmt_fault(fault, f)?,
            Failure::NotAdoptable { size, adoptable } => {
                self.fmt_foreign(*size, f)?;
                if adoptable == size {
                    f.write_str(
                        "; not all of those behind the value are zeros, so it can't be adopted",
                    )?;
                } else {
                    write!(f, "; to be adopted it must have {adoptable}")?;
                }
            }
            Failure::TooSmall { size, offset } if self.is_too_far() => {
                let wanted = self.of.map_or(0, Type::size);
                write!(
                    f,
                    "the {wanted} bytes of this program's type, from byte {offset} on, end behind the {size} that it has"
                )?;
            }
            Failure::TooSmall { size, offset } => {
                let wanted = self.of.map_or(0, Type::size);
                write!(
                    f,
                    "it has {size} bytes, and this program's type has {wanted}"
                )?;
                if *offset > 0 {
                    write!(f, ", from byte {offset} on")?;
                }
            }
            Failure::NoRow { index, len } => {
                write!(f, "it has {len} rows, and none with index {index}")?;
            }
            Failure::NoElement { path, len } => {
                write!(
                    f,
                    "`{path}` is not there: the `FixedVec` has {len} elements"
                )?;
            }
            Failure::Mismatch(_) | Failure::Kept { .. } => {}
            Failure::OtherKind { rows: 0 } => {
                f.write_str("it holds a single value, and no table")?
            }
            Failure::OtherKind { rows } => {
                write!(f, "it holds a table of {rows} rows, and no single value")?;
            }
            Failure::Counter { path, why } => match why {
                Counting::InTableAlone => {
                    let name = self.name();
                    write!(
                        f,
                        "`{path}` is a counter in this table, and a number like others in `{name}`"
                    )?;
                }
                Counting::InTypeAlone => {
                    let name = self.name();
                    write!(
                        f,
                        "`{path}` is a counter in `{name}`, and a number like others in this table"
                    )?;
                }
                Counting::Stored => write!(f, "`{path}` is a counter, which only grows")?,
                Counting::NoCounter => write!(f, "`{path}` is no counter")?,
            },
            Failure::Stale => f.write_str("the row has another owner by now, or none")?,
            Failure::NeedsUpgrade { found } => write!(
                f,
                "the segment holds version {found} of `{}`, and this program writes version {}",
                self.name(),
                self.of.map_or(1, Type::version)
            )?,
            Failure::NoRoom { value, schema } => {
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
            Failure::Invalid(invalid) => invalid.fmt(f)?,
            Failure::Unfit(unfit) => unfit.fmt(f)?,
            Failure::Damaged(what) => write!(f, "the segment is damaged: {what}")?,
            Failure::TooLarge { what, limit } => write!(
                f,
                "the value has more than {limit} {what}, the limit of this inspector"
            )?,
        }
        if self.others > 0 {
            write!(f, "; {}", Kept(self))?;
        }
        write!(f, "; {}", self.hint())
    }
}

impl Call {
    fn fmt_foreign(&self, size: usize, f: &mut fmt::Formatter<'_>) -> fmt::Result {
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

    fn fmt_fault(&self, fault: &Fault, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match fault {
            // These are brief, or end the sentence themselves.
            Fault::System(_)
            | Fault::File(_)
            | Fault::Busy { .. }
            | Fault::Reentrant
            | Fault::Forked
            | Fault::Overtaken { .. }
            | Fault::Removed => Ok(()),
            Fault::Foreign { size } => self.fmt_foreign(*size, f),
            Fault::Changed => f.write_str(
                "the segment is damaged: its schema was replaced while the lock was held",
            ),
            Fault::Invalid(_) => {
                f.write_str("the segment is damaged: its bytes are no value of the type")
            }
            Fault::Damaged(what) => write!(f, "the segment is damaged: {what}"),
            Fault::Format(found) => {
                write!(f, "it has format {found}, and this library knows format 1")
            }
            Fault::Unfinished {
                creator,
                size,
                wanted,
            } => {
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
            }
            Fault::SlotsTaken { slots, pids } => {
                write!(f, "all {slots} slots for writing processes are in use")?;
                named(pids, f)
            }
            Fault::SetLost => f.write_str(
                "the semaphore set that tells which writers live has been removed, by `ipcrm -s` or by systemd's `RemoveIPC` at a logout",
            ),
            Fault::Unjudged => f.write_str(
                "whether another writer lives can't be told from here: its semaphore can't be read, and it belongs to another pid namespace",
            ),
            Fault::ChildDenied => f.write_str(
                "a forked child claims a slot of its own, and this process has no right to: it gave up its rights after the box was opened",
            ),
            Fault::NoUndo => f.write_str(
                "the kernel or the sandbox refuses `SEM_UNDO`, so nothing could tell whether a writer lives",
            ),
            #[cfg(feature = "async")]
            Fault::NoThread(errno) => {
                let why = std::io::Error::from_raw_os_error(*errno);
                write!(f, "no thread could be started that waits for other processes: {why}")
            }
            Fault::Left => f.write_str(
                "this process has left the IPC namespace in which it opened the segment, or a peer has given its slot away, and so it has lost its claim to write; reads go on",
            ),
            Fault::Untrusted { owner, creator } => write!(
                f,
                "it belongs to user {owner} and was created by user {creator}, not by this user or root"
            ),
            Fault::Exposed { mode } => write!(
                f,
                "its mode {mode:04o} lets others write it, and so cut it short, which would end each process that reads behind the cut (SIGBUS)"
            ),
            Fault::NotRestored => f.write_str(
                "its value was left by an earlier start of the machine, or by the file that this one is a copy of",
            ),
            Fault::NoFile => f.write_str("a segment has no descriptor"),
            Fault::NoSegment => f.write_str("it is no segment of the kernel's"),
            Fault::TooLarge => f.write_str("no address space holds a segment of that capacity"),
            Fault::Full { rows, pids } => {
                write!(f, "all {rows} rows have owners that live")?;
                named(pids, f)
            }
        }
    }
}

/// Names some of the processes that have what was asked for.
fn named(pids: &[u32], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if let [first, others @ ..] = pids {
        write!(f, ", among others by process {first}")?;
        others.iter().try_for_each(|pid| write!(f, ", {pid}"))?;
    }
    Ok(())
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

/// The next step where another process keeps the lock.
fn hint_of_holder(state: HolderState) -> &'static str {
    match state {
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
        HolderState::Gone => {
            "it will not let go any more: have its C side use `SEM_UNDO`, or a robust mutex; till then raise the semaphore by one with `sysv::sem::op`, or end all who use the mutex and make it anew"
        }
        _ => "find out why that process keeps the lock, or allow more time with `Options::timeout`",
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
        _ => hint_of_holder(state),
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
        HolderState::Gone => "has ended",
        HolderState::Running | HolderState::Unseen => "is alive",
    }
}

/// Why a segment was not replaced.
struct Kept<'a>(&'a Call);

impl fmt::Display for Kept<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = self
            .0
            .place
            .as_ref()
            .and_then(Place::key)
            .map_or(0, |key| key.raw());
        write!(
            f,
            "it was not replaced, since it is attached {} more times: \
             `grep -l SYSV{key:08x} /proc/[0-9]*/maps` names the processes",
            self.0.others
        )
    }
}
