//! `Inspector`: any segment of this library's, read without the Rust type of its value.

use std::fmt;
use std::time::{Duration, Instant};

use crate::error::{Context, Error};
use crate::layout::{DecodeError, Schema, Value};
use crate::options::{LONGEST, TIMEOUT, checked};
use crate::protocol::{self, Access, Fault, Owner, Segment, State};
use crate::room;
use crate::sysv::Key;
use crate::sysv::shm;
use crate::typed::Snapshot;

/// A value of whatever type in a System V segment, attached for reading only.
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
    limit: usize,
    options: InspectorOptions,
}

impl Inspector {
    /// How many bytes and parts of a value are read unless [`Inspector::limit`] says otherwise:
    /// 16 Mi.
    pub const LIMIT: usize = 16 << 20;

    /// Attaches the segment of `key` for reading; it must exist. Its owner and creator must be this
    /// user or root: [`Inspector::options`] allows others.
    ///
    /// # Errors
    ///
    /// As for [`SharedView::open`](crate::SharedView::open), but for [`Error::Mismatch`].
    pub fn open(key: impl Into<Key>) -> Result<Inspector, Error> {
        Inspector::options().open(key)
    }

    /// Attaches a segment by the kernel's id.
    ///
    /// # Errors
    ///
    /// As for [`Inspector::open`].
    pub fn open_id(id: shm::Id) -> Result<Inspector, Error> {
        Inspector::options().open_id(id)
    }

    /// Whom to trust, and how long to wait.
    #[must_use]
    pub fn options() -> InspectorOptions {
        InspectorOptions {
            owner: Owner::SelfOrRoot,
            timeout: TIMEOUT,
        }
    }

    /// Reads values of at most so many bytes that have at most so many parts; larger ones are
    /// [`Error::TooLarge`].
    ///
    /// A part (each element of an array is one) takes 48 bytes of memory, so a `[u8; N]` takes 49
    /// times its size.
    #[must_use]
    pub fn limit(mut self, limit: usize) -> Inspector {
        self.limit = limit;
        self
    }

    /// Attaches the segment that the key leads to now: after [`Error::Removed`].
    ///
    /// # Errors
    ///
    /// As for [`Inspector::open`]; the inspector stays what it was.
    pub fn reattach(&mut self) -> Result<(), Error> {
        let limit = self.limit;
        *self = self.options.open(self.key())?.limit(limit);
        Ok(())
    }

    /// The layout of the value, as the segment tells it now.
    ///
    /// # Errors
    ///
    /// [`Error::Removed`]; [`Error::Damaged`].
    pub fn schema(&self) -> Result<Schema, Error> {
        self.in_force(self.context("Inspector::schema"))
            .map(|(_, schema)| schema)
    }

    /// The committed value, of which all parts belong to one commit.
    ///
    /// # Errors
    ///
    /// [`Error::Removed`], [`Error::Damaged`], [`Error::Invalid`], [`Error::TooLarge`], and
    /// [`Error::Overtaken`] when the time is over.
    pub fn value(&self) -> Result<Value, Error> {
        let read = self.read(self.context("Inspector::value"))?;
        Ok(read.value)
    }

    /// The committed value and its version.
    ///
    /// # Errors
    ///
    /// As for [`Inspector::value`].
    pub fn snapshot(&self) -> Result<Snapshot<Value>, Error> {
        self.read(self.context("Inspector::snapshot"))
    }

    /// A C11 and C++17 header for the value as it is laid out now: see [`Schema::c_header`].
    ///
    /// # Errors
    ///
    /// As for [`Inspector::schema`].
    pub fn c_header(&self) -> Result<String, Error> {
        self.in_force(self.context("Inspector::c_header"))
            .map(|(_, schema)| schema.c_header())
    }

    /// A Python module for the value as it is laid out now: see [`Schema::python_module`].
    ///
    /// # Errors
    ///
    /// As for [`Inspector::schema`].
    pub fn python_module(&self) -> Result<String, Error> {
        self.in_force(self.context("Inspector::python_module"))
            .map(|(_, schema)| schema.python_module())
    }

    /// The version of the committed value. One load.
    pub fn version(&self) -> u64 {
        self.segment.version()
    }

    /// The key under which the segment can be found.
    pub fn key(&self) -> Key {
        self.segment.key()
    }

    /// The kernel's id of the segment.
    pub fn id(&self) -> shm::Id {
        self.segment.id()
    }

    /// What the kernel knows of the segment. One system call.
    ///
    /// # Errors
    ///
    /// As for [`SharedView::info`](crate::SharedView::info).
    pub fn info(&self) -> Result<shm::Stat, Error> {
        let context = self.context("Inspector::info");
        protocol::info(&self.segment).map_err(|fault| Error::from_fault(fault, context, 0))
    }

    fn context(&self, operation: &'static str) -> Context {
        Context::of_attached(operation, self.key(), self.id())
    }

    fn in_force(&self, context: Context) -> Result<(State, Schema), Error> {
        room::in_force(&self.segment, context, 0)
    }

    fn read(&self, context: Context) -> Result<Snapshot<Value>, Error> {
        let limit = self.limit;
        let fault = |fault| Error::from_fault(fault, context, 0);
        let too_large = |what| Error::TooLarge {
            context,
            what,
            limit,
        };
        let start = Instant::now();
        loop {
            let (state, schema) = self.in_force(context)?;
            if schema.size() > limit {
                return Err(too_large("bytes"));
            }
            match self.segment.read_bytes(state, schema.size()) {
                Ok((bytes, version)) => {
                    return match Value::decode_limited(&schema, &bytes, limit) {
                        Ok(value) => Ok(Snapshot { value, version }),
                        Err(DecodeError::Invalid(invalid)) => Err(Error::Invalid {
                            context,
                            source: Box::new(invalid),
                        }),
                        Err(_) => Err(too_large("parts")),
                    };
                }
                Err(Fault::Changed) => (),
                Err(other) => return Err(fault(other)),
            }
            let waited = start.elapsed();
            if waited >= self.segment.limit() {
                return Err(fault(Fault::Overtaken { waited }));
            }
        }
    }
}

impl fmt::Debug for Inspector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inspector")
            .field("key", &format_args!("{}", self.key()))
            .field("id", &format_args!("{}", self.id()))
            .field("version", &self.version())
            .finish()
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
    owner: Owner,
    timeout: Duration,
}

impl InspectorOptions {
    /// Whose segments are trusted: [`Owner::SelfOrRoot`] unless told otherwise.
    pub fn owner(&mut self, owner: Owner) -> &mut Self {
        self.owner = owner;
        self
    }

    /// How long any call waits for another process to get out of the way: 5 s unless told
    /// otherwise.
    pub fn timeout(&mut self, timeout: Duration) -> &mut Self {
        self.timeout = timeout.min(LONGEST);
        self
    }

    /// Attaches the segment of `key` for reading. See [`Inspector::open`].
    ///
    /// # Errors
    ///
    /// As for [`Inspector::open`].
    pub fn open(&self, key: impl Into<Key>) -> Result<Inspector, Error> {
        let operation = "Inspector::open";
        let context = Context::of_key(operation, checked(key.into(), operation)?);
        self.inspector(protocol::open(context.key, self.access()), context)
    }

    /// Attaches a segment by the kernel's id. See [`Inspector::open_id`].
    ///
    /// # Errors
    ///
    /// As for [`Inspector::open`].
    pub fn open_id(&self, id: shm::Id) -> Result<Inspector, Error> {
        let context = Context::of_id("Inspector::open_id", id);
        self.inspector(protocol::open_id(id, self.access()), context)
    }

    fn inspector(
        &self,
        segment: Result<Segment, Fault>,
        context: Context,
    ) -> Result<Inspector, Error> {
        let segment = segment.map_err(|fault| Error::from_fault(fault, context, 0))?;
        let inspector = Inspector {
            segment,
            limit: Inspector::LIMIT,
            options: self.clone(),
        };
        inspector.in_force(context)?;
        Ok(inspector)
    }

    fn access(&self) -> Access {
        Access {
            owner: self.owner,
            limit: self.timeout,
            writable: false,
        }
    }
}
