//! `Inspector`: any segment of this library's, read and written without the Rust type of its value.

use std::fmt;
use std::time::{Duration, Instant};

#[cfg(doc)]
use super::error::ErrorKind;
use super::error::{Error, Operation};
use super::opening::{LONGEST, Settings, check_bytes, check_version, find};
use super::place::Place;
use super::table::{RowId, RowLife};
use crate::home::Home;
use crate::layout::{self, DecodeError, Mismatch, Schema, Value};
#[cfg(doc)]
use crate::protocol::HolderState;
use crate::protocol::{
    self, Access, Claimant, Fault, Held, Holder, Locked, Owner, Row, Seen, Segment, State,
};
use crate::sysv::{Key, sem, shm};
use crate::typed::{Failure, Snapshot, UnknownStores, finish_bytes_as, refused, room};

/// A value of whatever type in a System V segment, attached for reading only, unless
/// [`write`](InspectorOptions::write) was asked for.
///
/// The segment says itself how its bytes are to be read, so a program that knows nothing but the
/// key can print them: a monitor, a shell command, a bridge to another language.
///
/// Neither the schema nor the value is trusted: sizes, depth and time are bounded, and bytes that
/// are no value of their type are an error that names the field. A newer program may upgrade the
/// segment while this is attached; each call goes by the schema that is in force.
///
/// A call takes time and memory in proportion to the schema and the value, and no system call.
///
/// ```
/// use shm_core::{FixedStr, Inspector, SharedBox, SharedLayout};
///
/// #[derive(SharedLayout, Clone, Copy, Debug)]
/// #[repr(C)]
/// struct StPid {
///     pid: i32,
///     names: FixedStr<51>,
/// }
///
/// # fn main() -> Result<(), shm_core::Error> {
/// # let key = shm_core::Key::new(0x7b5d_1004);
/// let alice = StPid { pid: 7, names: FixedStr::new("alice")? };
/// let shared = SharedBox::options().remove_on_drop(true).create_new(key, alice)?;
///
/// // In another program, which has no `StPid`:
/// let inspector = Inspector::open(key)?;
/// assert_eq!(inspector.schema()?.name(), Some("StPid"));
/// let value = inspector.value()?;
/// assert_eq!(value.get("pid").and_then(|pid| pid.as_int()), Some(7));
/// assert_eq!(value.to_string(), format!("{alice:#?}"));
/// # Ok(())
/// # }
/// ```
pub struct Inspector {
    segment: Segment,
    options: InspectorOptions,
}

impl Inspector {
    /// How many bytes and parts of a value are read unless [`Inspector::limit`] says otherwise:
    /// 16 Mi.
    pub const LIMIT: usize = 16 << 20;

    /// Attaches the segment of a place for reading; it must exist. Its owner and creator must be this
    /// user or root: [`Inspector::options`] allows others.
    ///
    /// # Errors
    ///
    /// As for [`SharedView::open`](crate::SharedView::open), but for [`ErrorKind::Mismatch`] and [`ErrorKind::OtherKind`].
    pub fn open(place: impl Into<Place>) -> Result<Inspector, Error> {
        Inspector::options().open(place)
    }

    /// Whom to trust, and how long to wait.
    #[must_use]
    pub fn options() -> InspectorOptions {
        InspectorOptions {
            settings: Settings::DEFAULT,
            write: false,
            limit: Inspector::LIMIT,
        }
    }

    /// Reads values of at most so many bytes that have at most so many parts, all rows of a table
    /// together; larger ones are [`ErrorKind::TooLarge`].
    ///
    /// A part (each element of an array is one) takes 48 bytes of memory, so a `[u8; N]` takes 49
    /// times its size.
    #[must_use]
    pub fn limit(mut self, limit: usize) -> Inspector {
        self.options.limit = limit;
        self
    }

    /// Attaches the segment that the key leads to now: after [`ErrorKind::Removed`].
    ///
    /// # Errors
    ///
    /// As for [`Inspector::open`]; the inspector stays what it was.
    pub fn reattach(&mut self) -> Result<(), Error> {
        let place = Place::again(self.segment.home(), self.segment.key());
        *self = self.options.open(place)?;
        Ok(())
    }

    /// The layout of the value, as the segment tells it now.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Removed`]; [`ErrorKind::Damaged`].
    pub fn schema(&self) -> Result<Schema, Error> {
        self.schema_for(Operation::InspectorSchema)
    }

    /// The committed value, of which all parts belong to one commit.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Removed`], [`ErrorKind::Damaged`], [`ErrorKind::Invalid`], [`ErrorKind::TooLarge`],
    /// [`ErrorKind::OtherKind`] of a [table](Inspector::rows), and [`ErrorKind::Overtaken`] when the time is over.
    pub fn value(&self) -> Result<Value, Error> {
        let read = self.read().map_err(self.explain(Operation::InspectorValue));
        read.map(|snapshot| snapshot.value)
    }

    /// The part of the committed value that a path such as `jobs[3].name` leads to, written as for
    /// [`Value::path`].
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Path`] if there is none: the message has the nearest name; else as for
    /// [`Inspector::value`], and [`ErrorKind::Invalid`] only for this part.
    pub fn get(&self, path: &str) -> Result<Value, Error> {
        let part = self.copy(|schema, bytes| {
            let length = |at: usize| {
                bytes[at..]
                    .first_chunk()
                    .map_or(0, |len| u32::from_ne_bytes(*len))
            };
            let (offset, part) = layout::locate(schema, path, length)?;
            self.decode(part, &bytes[offset..], &mut { self.options.limit }, path)
        });
        let part = part.map_err(self.explain(Operation::InspectorGet))?;
        Ok(part.value)
    }

    /// Stores one part of the value, as one commit; returns the new version. No other byte is stored.
    ///
    /// The layout says what the value must be. A text is read as it asks: `"42"`, `"-7"` and `"0x2a"`
    /// are integers, `"1.5"` a number, `"true"` a `bool`, `"Running"` the variant of an enum, and
    /// `"alice"` is the text itself. An element of a `FixedVec` must be in use; a
    /// [`Value::List`] replaces all of them. A struct is set field by field, or by a [`Value`] that was read;
    /// for a variant in it that stands for others nothing is stored, as when a box stores it.
    ///
    /// Waits for other writers, as [`SharedBox::set`](crate::SharedBox::set) does.
    ///
    /// ```
    /// use shm_core::layout::Value;
    /// use shm_core::{ErrorKind, FixedStr, Inspector, SharedBox, SharedLayout};
    ///
    /// #[derive(SharedLayout, Clone, Copy, Debug)]
    /// #[repr(C)]
    /// struct StPid {
    ///     pid: i32,
    ///     names: FixedStr<51>,
    /// }
    ///
    /// # fn main() -> Result<(), shm_core::Error> {
    /// # let key = shm_core::Key::new(0x7b5d_1040);
    /// # let alice = StPid { pid: 7, names: FixedStr::new("alice")? };
    /// # let shared = SharedBox::options().remove_on_drop(true).create_new(key, alice)?;
    /// // In another program, which has no `StPid`:
    /// let inspector = Inspector::options().write(true).open(key)?;
    /// inspector.set("pid", 42)?;
    /// inspector.set_all(&[("pid", "0x2a".into()), ("names", "bob".into())])?;
    /// assert_eq!(inspector.get("names")?, Value::from("bob"));
    ///
    /// let error = inspector.set("nams", "carol").unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Path);
    /// assert_eq!(error.hint(), "did you mean `names`?");
    /// # assert_eq!((shared.get()?.pid, shared.get()?.names), (42, FixedStr::new("bob")?));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Path`] if the path leads to no part, and [`ErrorKind::Value`] if the value is none of
    /// that part's type, each with what would be right; [`ErrorKind::Options`] if the inspector was opened
    /// for reading only; [`ErrorKind::Invalid`] if a `FixedVec` on the way has a length that it can't
    /// have; else as for [`SharedBox::set`](crate::SharedBox::set), but for [`ErrorKind::Mismatch`] and
    /// [`ErrorKind::NeedsUpgrade`]. After each of them nothing is committed.
    pub fn set(&self, path: &str, value: impl Into<Value>) -> Result<u64, Error> {
        self.commit(&[(path, value.into())], None)
            .map_err(self.explain(Operation::InspectorSet))
            .map(Option::unwrap_or_default)
    }

    /// Stores several parts as one commit; returns the new version. Later ones win where they overlap.
    ///
    /// # Errors
    ///
    /// As for [`Inspector::set`].
    pub fn set_all(&self, parts: &[(&str, Value)]) -> Result<u64, Error> {
        self.commit(parts, None)
            .map_err(self.explain(Operation::InspectorSetAll))
            .map(Option::unwrap_or_default)
    }

    /// Stores several parts as one commit, if the version is still `version`; returns the new version, or
    /// `None` if another writer committed meanwhile.
    ///
    /// # Errors
    ///
    /// As for [`Inspector::set`].
    pub fn set_if(&self, version: u64, parts: &[(&str, Value)]) -> Result<Option<u64>, Error> {
        self.commit(parts, Some(version))
            .map_err(self.explain(Operation::InspectorSetIf))
    }

    /// Stores a whole value, its bytes and their schema as [`Inspector::snapshot_bytes`] and [`Inspector::schema`] gave them
    /// elsewhere, as one commit under a version of the caller's. Returns `false`, and stores nothing, if no earlier one
    /// stands. So a copy of a value has the versions of the original.
    ///
    /// The schema is that of the segment, or an earlier version of it: what a later one has brought stays as it is.
    ///
    /// ```
    /// use shm_core::{Inspector, Key, SharedBox};
    ///
    /// # fn main() -> Result<(), shm_core::Error> {
    /// let shared = SharedBox::<[u32; 4]>::options().remove_on_drop(true).create_new(Key::PRIVATE, [1; 4])?;
    /// let schema = Inspector::open(shared.place().unwrap())?.schema()?;
    /// let copy = Inspector::options().version(40).create_new(Key::PRIVATE, &schema, &[0; 16])?;
    /// assert!(copy.store_version(42, &schema, &[0; 16])?);
    /// assert!(!copy.store_version(41, &schema, &[0; 16])?);
    /// assert_eq!(copy.version(), 42);
    /// # copy.remove()
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Mismatch`] if the segment has neither this schema nor a later version of it; [`ErrorKind::Invalid`] if the
    /// bytes are no value of it, [`ErrorKind::Options`] if they are not as many, if no segment can have that version, or
    /// if the inspector was opened for reading only; else as for [`Inspector::set`], but for those of paths and values.
    pub fn store_version(
        &self,
        version: u64,
        schema: &Schema,
        bytes: &[u8],
    ) -> Result<bool, Error> {
        self.commit_version(version, schema, bytes)
            .map_err(self.explain(Operation::InspectorStoreVersion))
    }

    fn commit_version(&self, version: u64, schema: &Schema, bytes: &[u8]) -> Result<bool, Failure> {
        check_version(version)?;
        check_bytes(schema, bytes)?;
        let (locked, in_force) = self.lock()?;
        let fits = in_force.fingerprint() == schema.fingerprint();
        if !(fits || in_force.extends(schema).is_ok()) || schema.size() > in_force.size() {
            let difference = Mismatch::new(&in_force, schema);
            return Err(Failure::Mismatch(Box::new(difference)));
        }
        Ok(finish_bytes_as(locked, version, schema, bytes))
    }

    /// Takes the lock over from an owner that died, or that has called `exec` and so does not map the segment any more; repairs
    /// what that one left, stores nothing, and lets the lock go. For people who know that the program does not mean to keep it, as a
    /// [single instance](crate::Writer) does that replaces itself: other calls take no lock from a process that lives. Waits
    /// for any other owner; nothing happens if there is none.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Busy`] if another process still holds it when the time is over, else as for [`Inspector::set`], but for
    /// those of paths and values.
    pub fn unlock(&self) -> Result<(), Error> {
        let unlocked = self
            .to_write()
            .and_then(|()| Ok(self.segment.lock_from_replaced().map(drop)?));
        unlocked.map_err(self.explain(Operation::InspectorUnlock))
    }

    /// Removes the segment and the semaphore set that belongs to it, as [`remove`](crate::remove) does
    /// by place. Needs no [`write`](InspectorOptions::write).
    ///
    /// # Errors
    ///
    /// As for [`SharedBox::remove`](crate::SharedBox::remove).
    pub fn remove(&self) -> Result<(), Error> {
        let removed = match self.segment.home() {
            // In another namespace its id may be another's.
            Home::Segment(mapping) => {
                protocol::info(&self.segment).and_then(|_| protocol::remove_id(mapping.id()))
            }
            // By a mapping that may be written to.
            Home::File(file) => match (protocol::is_removed(&self.segment), file.named()) {
                (Ok(false), Some(path)) => protocol::remove_file(path, self.segment.limit()),
                (Ok(_), _) => Err(Fault::Removed),
                (Err(fault), _) => Err(fault),
            },
        };
        removed.map_err(self.explain(Operation::InspectorRemove))
    }

    /// The committed value and its version.
    ///
    /// # Errors
    ///
    /// As for [`Inspector::value`].
    pub fn snapshot(&self) -> Result<Snapshot<Value>, Error> {
        self.read()
            .map_err(self.explain(Operation::InspectorSnapshot))
    }

    /// The bytes of the committed value, all of one commit, as they lie in the segment, padding included.
    ///
    /// # Errors
    ///
    /// As for [`Inspector::value`], but for [`ErrorKind::Invalid`].
    pub fn snapshot_bytes(&self) -> Result<Snapshot<Vec<u8>>, Error> {
        let copied = self.copy(|_, bytes| Ok(bytes));
        copied.map_err(self.explain(Operation::InspectorSnapshotBytes))
    }

    /// Sleeps until a version newer than `version` stands, at most for `timeout`; `None` if none came.
    /// Looks every 2 ms, unless the segment was made so that every commit wakes.
    ///
    /// # Errors
    ///
    /// As for [`Inspector::value`]; [`ErrorKind::Removed`] also when another program removed the segment,
    /// noticed within 250 ms; [`ErrorKind::System`] if the kernel does not tell whether it was.
    pub fn wait_timeout(
        &self,
        version: u64,
        timeout: Duration,
    ) -> Result<Option<Snapshot<Value>>, Error> {
        let end = Instant::now().checked_add(timeout);
        let operation = Operation::InspectorWaitTimeout;
        let waited = self.segment.wait(version, end);
        if !waited.map_err(self.explain(operation))? {
            return Ok(None);
        }
        self.read().map(Some).map_err(self.explain(operation))
    }

    /// A C11 and C++17 header for the value as it is laid out now: see [`Schema::c_header`].
    ///
    /// # Errors
    ///
    /// As for [`Inspector::schema`].
    pub fn c_header(&self) -> Result<String, Error> {
        let schema = self.schema_for(Operation::InspectorHeader)?;
        Ok(schema.c_header())
    }

    /// A Python module for the value as it is laid out now: see [`Schema::python_module`].
    ///
    /// # Errors
    ///
    /// As for [`Inspector::schema`].
    pub fn python_module(&self) -> Result<String, Error> {
        let schema = self.schema_for(Operation::InspectorModule)?;
        Ok(schema.python_module())
    }

    /// How many rows a [table](crate::SharedTable) has, free ones too; 0 of a single value.
    pub fn row_count(&self) -> u32 {
        self.segment.row_count()
    }

    /// The rows of a [table](crate::SharedTable) that show a value, after a look at whether their owners live; none of a single
    /// value. System calls as of [`TableView::look`](crate::TableView::look).
    ///
    /// ```
    /// use shm_core::{Inspector, Key, Place, SharedTable, layout::Value};
    ///
    /// # fn main() -> Result<(), shm_core::Error> {
    /// let table = SharedTable::<u32>::options().rows(8).remove_on_drop(true).create_new(Key::PRIVATE)?;
    /// let _seat = table.claim(7)?;
    /// let rows = Inspector::open(table.place().unwrap())?.rows()?;
    /// assert_eq!((rows[0].owner, &rows[0].value), (Some(std::process::id()), &Value::UInt(7)));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Removed`], [`ErrorKind::Damaged`], [`ErrorKind::Invalid`], [`ErrorKind::TooLarge`], [`ErrorKind::Overtaken`];
    /// [`ErrorKind::Left`]; [`ErrorKind::System`] if the kernel does not say who lives.
    pub fn rows(&self) -> Result<Vec<InspectedRow>, Error> {
        self.inspected()
            .map_err(self.explain(Operation::InspectorRows))
    }

    fn inspected(&self) -> Result<Vec<InspectedRow>, Failure> {
        let mut rows = Vec::new();
        if self.row_count() == 0 {
            return Ok(rows);
        }
        // The limit is one for all rows.
        let (mut left, mut parts) = (self.options.limit, self.options.limit);
        for (index, seen) in self.segment.rows_looked_at()? {
            let Some(row) = self.segment.row(index) else {
                continue;
            };
            let Some((schema, bytes, version)) = self.read_row(row, &seen, left)? else {
                continue;
            };
            left -= schema.size();
            rows.push(InspectedRow {
                id: RowId::new(index, seen.id),
                owner: seen.owner(),
                life: if seen.is_dead() {
                    RowLife::Dead
                } else {
                    RowLife::Live
                },
                version,
                value: self.decode(&schema, &bytes, &mut parts, &format!("[{index}]"))?,
                bytes,
            });
        }
        Ok(rows)
    }

    /// The bytes of a row, and the schema that they are to be read by: fields that came after its claim have their defaults
    /// from the template.
    fn read_row(
        &self,
        row: Row<'_>,
        seen: &Seen,
        left: usize,
    ) -> Result<Option<(Schema, Vec<u8>, u64)>, Failure> {
        let read = |state, len| {
            let has = row.schema();
            let read = row.read_bytes(seen, state, len)?;
            Ok(read.map(|(bytes, version)| (has, bytes, version)))
        };
        let (schema, read) = self.under_schema(left, read)?;
        let Some((has, mut bytes, version)) = read else {
            return Ok(None);
        };
        for field in schema.fields().iter().filter(|field| field.since() > has) {
            let at = field.offset();
            let part = bytes.get_mut(at..at + field.schema().size());
            self.segment.load_template(at, part.unwrap_or_default());
        }
        Ok(Some((schema, bytes, version)))
    }

    /// The version of the committed value. One load.
    pub fn version(&self) -> u64 {
        self.segment.version()
    }

    /// A random number that this creation of the segment was given, and no other was: whether what a key leads to now is what it
    /// led to before.
    pub fn creation(&self) -> u64 {
        self.segment.creation()
    }

    /// What leads to the value: a key, the id of a segment that has none, or the path of a file.
    pub fn place(&self) -> Option<Place> {
        Place::of(self.segment.home(), self.segment.key())
    }

    /// The key under which the segment can be found; `None` of a segment without one, and of a file.
    pub fn key(&self) -> Option<Key> {
        Some(self.segment.key()).filter(|key| !key.is_private())
    }

    /// The kernel's id of the segment; `None` of a file.
    pub fn id(&self) -> Option<shm::Id> {
        self.segment.home().id()
    }

    /// Bytes reserved for the value: what it may grow to.
    pub fn capacity(&self) -> usize {
        self.segment.capacity()
    }

    /// How many boxes may be open for writing at once.
    pub fn slots(&self) -> usize {
        self.segment.slot_count()
    }

    /// Whether writers without the library were announced when the segment was made.
    pub fn has_raw_writers(&self) -> bool {
        self.segment.has_raw_writers()
    }

    /// The semaphore set by which writers are told alive or dead. Two to four system calls.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::SetLost`] if it was removed; [`ErrorKind::Damaged`] if the segment names one that is not
    /// its own; [`ErrorKind::System`] where this process may not read it; [`ErrorKind::Left`].
    pub fn semaphores(&self) -> Result<sem::Id, Error> {
        self.segment
            .semaphores()
            .map_err(self.explain(Operation::InspectorSemaphores))
    }

    /// Who may be writing: a [`Claimant`] for each box that is open on the segment, or was when its
    /// process died and whose slot no process has taken since. In no order; a box that is being
    /// opened or dropped at this moment may be missing.
    ///
    /// Works where the segment is attached for reading only, and stores nothing. What peers stored is
    /// not trusted: at worst the list is wrong. Two to four system calls, and about 70 with a few
    /// allocations for each open box, more if its process has many threads or mappings: 0.1 to
    /// 0.2 ms each, so this is for people and monitors.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Removed`]; [`ErrorKind::Left`] if this thread has left the IPC namespace of the segment.
    pub fn writers(&self) -> Result<Vec<Claimant>, Error> {
        self.segment
            .claimants()
            .map_err(self.explain(Operation::InspectorWriters))
    }

    /// Who holds the lock now: it is writing, or died while it was ([`HolderState::Gone`]: the next
    /// writer takes the lock over). `None` if no process does. About 60 system calls.
    ///
    /// # Errors
    ///
    /// As for [`Inspector::writers`].
    pub fn holder(&self) -> Result<Option<Holder>, Error> {
        self.segment
            .lock_holder()
            .map_err(self.explain(Operation::InspectorHolder))
    }

    /// What the kernel knows of the segment. Five system calls.
    ///
    /// # Errors
    ///
    /// As for [`SharedView::info`](crate::SharedView::info).
    pub fn info(&self) -> Result<shm::Stat, Error> {
        protocol::info(&self.segment).map_err(self.explain(Operation::InspectorInfo))
    }

    fn explain<W: Into<Failure>>(&self, operation: Operation) -> impl FnOnce(W) -> Error {
        move |why: W| Error::new(why.into(), operation, self.place(), None)
    }

    fn schema_for(&self, operation: Operation) -> Result<Schema, Error> {
        let (_, schema) = room::in_force(&self.segment).map_err(self.explain(operation))?;
        Ok(schema)
    }

    fn read(&self) -> Result<Snapshot<Value>, Failure> {
        self.copy(|schema, bytes| self.decode(schema, &bytes, &mut { self.options.limit }, ""))
    }

    /// The part of a value that `path` leads to, of its bytes. Its parts are taken from those that may still be made.
    fn decode(
        &self,
        part: &Schema,
        bytes: &[u8],
        left: &mut usize,
        path: &str,
    ) -> Result<Value, Failure> {
        Value::decode_limited(part, bytes, left).map_err(|error| match error {
            DecodeError::Invalid(invalid) => Failure::Invalid(Box::new(invalid.below(path))),
            _ => Failure::TooLarge {
                what: "parts",
                limit: self.options.limit,
            },
        })
    }

    fn to_write(&self) -> Result<(), Failure> {
        match self.segment.is_writable() {
            true => Ok(()),
            false => refused(
                "it was opened for reading only: open it with `Inspector::options().write(true)`",
            ),
        }
    }

    /// Takes the lock. As long as it is held no other schema comes in force.
    fn lock(&self) -> Result<(Locked<'_>, Schema), Failure> {
        self.to_write()?;
        let locked = self.segment.lock()?;
        let (state, schema) = room::in_force(&self.segment)?;
        self.segment.write_as(state, schema.size());
        locked.check()?;
        Ok((locked, schema))
    }

    /// Commits parts, if this version stands, or whichever does.
    fn commit(
        &self,
        parts: &[(&str, Value)],
        version: Option<u64>,
    ) -> Result<Option<u64>, Failure> {
        let (locked, schema) = self.lock()?;
        if version.is_some_and(|version| version != locked.version()) {
            return Ok(None);
        }
        let (mut stores, mut enums) = (UnknownStores::new(), layout::Enums::default());
        for (path, value) in parts {
            let length = |at| stores.length_at(&locked, at);
            let (offset, part) = layout::locate(&schema, path, length)?;
            layout::encode(part, offset, value, &mut enums, &mut stores)
                .map_err(|unfit| unfit.within(path))?;
        }
        Ok(Some(locked.finish(|locked| stores.commit_checked(locked))))
    }

    /// What is made of the bytes of one commit, under the schema that was in force.
    fn copy<R>(
        &self,
        make: impl Fn(&Schema, Vec<u8>) -> Result<R, Failure>,
    ) -> Result<Snapshot<R>, Failure> {
        is_box(&self.segment)?;
        let read = |state, len| self.segment.read_bytes(state, len);
        let (schema, (bytes, version)) = self.under_schema(self.options.limit, read)?;
        let value = make(&schema, bytes)?;
        Ok(Snapshot { value, version })
    }

    /// What `read` makes of a state and the size of its value, of `most` bytes, and the schema that was in force then: again as
    /// long as another one comes in force on the way.
    fn under_schema<R>(
        &self,
        most: usize,
        read: impl Fn(State, usize) -> Result<R, Fault>,
    ) -> Result<(Schema, R), Failure> {
        let start = Instant::now();
        loop {
            let (state, schema): (State, Schema) = room::in_force(&self.segment)?;
            if schema.size() > most {
                return Err(Failure::TooLarge {
                    what: "bytes",
                    limit: self.options.limit,
                });
            }
            match read(state, schema.size()) {
                Ok(read) => return Ok((schema, read)),
                Err(Fault::Changed) => (),
                Err(fault) => return Err(fault.into()),
            }
            let waited = start.elapsed();
            if waited >= self.segment.limit() {
                return Err(Fault::Overtaken { waited }.into());
            }
        }
    }
}

/// A table has no value but those of its rows.
fn is_box(segment: &Segment) -> Result<(), Failure> {
    match segment.row_count() {
        0 => Ok(()),
        rows => Err(Failure::OtherKind { rows }),
    }
}

/// A row of a table, as [`Inspector::rows`] reads it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct InspectedRow {
    /// Which claim of which row it is.
    pub id: RowId,
    /// The pid of its owner as this process sees it; `None` of one in another pid namespace.
    pub owner: Option<u32>,
    /// Whether the owner lives.
    pub life: RowLife,
    /// The number of the row's last commit.
    pub version: u64,
    /// What that committed. A field that the table did not have yet when the row was claimed has its default.
    pub value: Value,
    /// The bytes of that, as they lie in the table, padding included, and with the same defaults.
    pub bytes: Vec<u8>,
}

impl fmt::Debug for Inspector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Inspector");
        shown.field("key", &format_args!("{}", self.segment.key()));
        if let Some(id) = self.id() {
            shown.field("id", &format_args!("{id}"));
        }
        shown.field("version", &self.version()).finish()
    }
}

/// How an [`Inspector`] attaches; made by [`Inspector::options`].
///
/// ```no_run
/// use shm_core::{Inspector, Owner};
///
/// let mut options = Inspector::options();
/// let inspector = options.owner(Owner::Anybody).open(0x1234)?;
/// println!("{}", inspector.value()?);
/// # Ok::<(), shm_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct InspectorOptions {
    settings: Settings,
    write: bool,
    limit: usize,
}

setters! {
    impl [] InspectorOptions;

    /// Whose segments are trusted: [`Owner::SelfOrRoot`] unless told otherwise.
    owner(owner: Owner) => settings.owner = owner;

    /// How long any call waits for another process to get out of the way: 5 s unless told
    /// otherwise.
    timeout(timeout: Duration) => settings.timeout = timeout.min(LONGEST);

    /// Opens for writing too, so that [`Inspector::set`] works: claims a slot, as a
    /// [`SharedBox`](crate::SharedBox) does, and takes the right to write.
    write(write: bool) => write = write;

    /// The permissions of a new segment: see [`Options::mode`](crate::Options::mode).
    mode(mode: u32) => settings.mode = mode;

    /// The group of a new segment: see [`Options::group`](crate::Options::group).
    group(gid: u32) => settings.group = Some(gid);

    /// Bytes that a new segment has for its value: see [`Options::capacity`](crate::Options::capacity).
    capacity(bytes: usize) => settings.capacity = Some(bytes);

    /// The version that the first value of a new segment has: 1 unless told otherwise. For a copy that is to have the versions
    /// of the original: see [`Inspector::store_version`].
    version(version: u64) => settings.version = version;

    /// How many boxes may be open on a new segment: see [`Options::slots`](crate::Options::slots).
    slots(slots: u16) => settings.slots = slots;

    /// Whether programs without this library store to a new segment: see
    /// [`Options::raw_writers`](crate::Options::raw_writers).
    raw_writers(raw_writers: bool) => settings.raw_writers = raw_writers;
}

impl InspectorOptions {
    /// Creates the segment or file of a place with a value whose type this program does not have: its schema, and its bytes as
    /// [`Inspector::snapshot_bytes`] gave them. So a value can be moved to where there is more room for it.
    ///
    /// ```
    /// use shm_core::{Inspector, Key, Place, SharedBox};
    ///
    /// # fn main() -> Result<(), shm_core::Error> {
    /// # let shared = SharedBox::<[u32; 4]>::options().remove_on_drop(true).create_new(Key::PRIVATE, [1, 2, 3, 4])?;
    /// let old = Inspector::open(Place::id(shared.id().unwrap()))?;
    /// let (schema, bytes) = (old.schema()?, old.snapshot_bytes()?.value);
    /// let mut options = Inspector::options();
    /// let new = options.capacity(4096).create_new(Key::PRIVATE, &schema, &bytes)?;
    /// assert_eq!((new.value()?, new.capacity()), (old.value()?, 4096));
    /// # new.remove()
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] if the bytes are no value of the schema, [`ErrorKind::Options`] if they are not as many; else as for
    /// [`SharedBox::create_new`](crate::SharedBox::create_new), but for [`ErrorKind::Mismatch`].
    pub fn create_new(
        &self,
        place: impl Into<Place>,
        schema: &Schema,
        bytes: &[u8],
    ) -> Result<Inspector, Error> {
        let place = place.into();
        let made = self.settings.create_described(&place, schema, bytes);
        let operation = Operation::InspectorCreateNew;
        let segment = made.map_err(|why| Error::new(why, operation, Some(place), None))?;
        let mut options = self.clone();
        options.write = true;
        Ok(Inspector { segment, options })
    }

    /// Attaches the segment of a place. See [`Inspector::open`].
    ///
    /// # Errors
    ///
    /// As for [`Inspector::open`]; with [`write`](InspectorOptions::write) also [`ErrorKind::OtherKind`] of a table,
    /// [`ErrorKind::SlotsTaken`], [`ErrorKind::SetLost`], [`ErrorKind::Unjudged`], [`ErrorKind::NoUndo`] and
    /// [`ErrorKind::Left`].
    pub fn open(&self, place: impl Into<Place>) -> Result<Inspector, Error> {
        let place = place.into();
        self.inspector(&place)
            .map_err(|why| Error::new(why, Operation::InspectorOpen, Some(place), None))
    }

    fn inspector(&self, place: &Place) -> Result<Inspector, Failure> {
        let access = Access {
            // Being cut short ends a program that looks, and no other.
            may_write: 0o666,
            ..self.settings.access(self.write)
        };
        let segment = find(place, access)?;
        if self.write {
            is_box(&segment)?;
        }
        room::in_force(&segment)?;
        if self.write {
            // Now, while the process has the rights that it will write by.
            segment.join()?;
        }
        Ok(Inspector {
            segment,
            options: self.clone(),
        })
    }
}
