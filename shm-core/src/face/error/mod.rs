//! The one error of the crate: what was done to which place, why it failed, and what to do next.

mod operation;
mod text;

use std::fmt;
use std::time::Duration;

pub(crate) use operation::Operation;

use super::place::{NO_KEY, ParsePlaceError, Place};
use crate::home::FileHome;
use crate::layout::{FitError, InvalidValue, Mismatch, SharedLayout, TextError};
use crate::protocol::{Fault, Holder, HolderState};
use crate::sysv::shm::Id;
use crate::sysv::{self, Key, ParseKeyError};
use crate::typed::{Attached, Failure, Type, Typed};

/// What kind of error it is: see [`Error::kind`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The kernel refused a system call: [`Error::sysv`] tells which, and why, unless it was one for a file or for a thread.
    System,
    /// The segment has no control block: another program laid it out. [`RawBox`](crate::RawBox)
    /// reads it.
    Foreign,
    /// The segment is too small for the type ([`RawBox`](crate::RawBox) checks nothing else), or a
    /// [`RawTable`](crate::RawTable) has no row with this index.
    TooSmall,
    /// The segment holds another layout than the program's type has: [`Error::mismatch`]. Or the rows of a table have other
    /// counters.
    Mismatch,
    /// The segment holds a table where a single value was asked for, or a single value where a table was.
    OtherKind,
    /// A counter was to be stored, or the total of a field was asked for that is none.
    Counter,
    /// The row has another owner than when it was seen, or none.
    Stale,
    /// Every row of the table has an owner that lives: [`Error::claimants`].
    Full,
    /// The segment holds an earlier version of the program's type, and this call would write.
    NeedsUpgrade,
    /// The segment has no room for the program's version of its type: [`Error::missing`].
    NoRoom,
    /// The value in the segment is none of its type: a peer stored it. [`Error::invalid`].
    Invalid,
    /// The field is an element that its [`FixedVec`](crate::FixedVec) does not have now.
    NoElement,
    /// The control block, the schema or the semaphore set contradict themselves.
    Damaged,
    /// The segment has a format that this version of the library does not know.
    Format,
    /// The segment has been removed.
    Removed,
    /// A living process kept the lock for the whole time limit: [`Error::holder`]. Or others were restoring the value of a file, or
    /// writing it to the disk, for as long.
    Busy,
    /// A process began to create the segment and did not end it within the time limit.
    Unfinished,
    /// This thread holds the write lock of the segment already.
    Reentrant,
    /// The write lock was taken, or the row claimed, by this process's parent, before the fork.
    Forked,
    /// Every slot for writing processes is in use: [`Error::claimants`].
    SlotsTaken,
    /// The semaphore set that tells who is alive has been removed (`ipcrm -s`, or systemd's
    /// `RemoveIPC` at a logout), and this call may not make a new one.
    SetLost,
    /// Whether the lock's owner, or a claimant under a semaphore set that was removed, lives can't be
    /// told from here: this process may not read the semaphores, and the other one belongs to another
    /// pid namespace.
    Unjudged,
    /// A forked child claims a slot of its own, and this one has no right to: the process gave up
    /// its rights after the box was opened. Reads go on.
    ChildDenied,
    /// The kernel, or the sandbox, refuses to undo semaphores when a process dies (`SEM_UNDO`): so
    /// nothing could tell whether a writer lives.
    NoUndo,
    /// This handle has lost its claim to write: the process, or this thread, has left the IPC
    /// namespace in which it opened the segment (`unshare`, `setns`), or a peer has given its slot to
    /// another process. Reads go on.
    Left,
    /// Writers overtook each of this reader's copies for the whole time limit.
    Overtaken,
    /// The segment belongs to, or was created by, a user who is not trusted.
    Untrusted,
    /// The value of a file was left by an earlier start of the machine, or by the file that this one is a copy of, and nothing in it
    /// that was [made durable](crate::SharedBox::persist) is whole.
    NotRestored,
    /// The value is larger than this [`Inspector`](crate::Inspector) may read.
    TooLarge,
    /// A path leads to no part of the value.
    Path,
    /// What is to be stored is no value of its field's type.
    Value,
    /// A capacity, mode, group, number of slots or place that no segment can have; or a call that would write,
    /// by an [`Inspector`](crate::Inspector) or a [`RawTable`](crate::RawTable) that was opened for reading.
    Options,
    /// The guard of a [`Guarded`](crate::Guarded) box or table is not initialised, or not shared, or refused.
    Guard,
    /// A text does not fit its field.
    Fit,
    /// Bytes are no text.
    Text,
    /// A text is no key or place.
    Place,
}

/// Why an operation on a shared segment failed.
///
/// `Display` says it in one or more lines, the last of which names the next step; so does `Debug`,
/// which is what Rust prints of an error that `main` returns. Programs go by [`Error::kind`].
/// Whatever the error, the value is as it was; and so is all of the segment.
///
/// It takes two words. Those that a signal handler may meet ([`Removed`](ErrorKind::Removed),
/// [`Overtaken`](ErrorKind::Overtaken), [`Reentrant`](ErrorKind::Reentrant),
/// [`Forked`](ErrorKind::Forked), [`Busy`](ErrorKind::Busy)) are made without an allocation.
///
/// ```
/// use shm_core::{ErrorKind, Key, SharedBox};
///
/// # fn main() -> Result<(), shm_core::Error> {
/// # let key = Key::new(0x7b5d_1023);
/// let shared = SharedBox::create_new(key, 5_u32)?;
/// let error = SharedBox::<u64>::open(key).unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Mismatch);
/// assert_eq!((error.operation(), error.place()), (Some("open"), Some(key.into())));
/// assert!(error.mismatch().is_some());
/// # shared.remove()?;
/// # Ok(())
/// # }
/// ```
pub struct Error(Repr);

const _: () = assert!(size_of::<Error>() == 2 * size_of::<u64>());

enum Repr {
    Brief(Brief),
    Call(Box<Call>),
    Text(Box<Text>),
}

/// One that is made without an allocation.
struct Brief {
    why: Why,
    operation: Operation,
    way: Way,
    /// Of the place: key or id.
    number: u32,
    /// Of the lock's holder.
    pid: u32,
    /// Milliseconds that the call waited, rounded up; what is more than 32 bits is as good as that.
    waited: u32,
}

#[derive(Clone, Copy)]
enum Why {
    Removed,
    Overtaken,
    Reentrant,
    Forked,
    Busy(HolderState),
}

/// What the number of a place is.
#[derive(Clone, Copy)]
enum Way {
    Nothing,
    Key,
    Id,
    File,
}

/// One of a call, with all that is to be told of it.
struct Call {
    why: Failure,
    operation: Operation,
    place: Option<Place>,
    /// The program's type, if the call was one of a type.
    of: Option<&'static Type>,
}

/// One of a text that is to be put into a value or an argument.
struct Text {
    kind: ErrorKind,
    source: Box<dyn std::error::Error + Send + Sync>,
    hint: &'static str,
}

/// Bytes that a segment lacks for a later version of its type. One of the numbers is not 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Missing {
    /// Bytes that the reserved capacity lacks.
    pub value: usize,
    /// Bytes that the room for the schema lacks.
    pub schema: usize,
}

impl Error {
    /// Of a call for a place; `of` is the type that it was for.
    #[cold]
    pub(crate) fn new(
        why: Failure,
        operation: Operation,
        place: Option<Place>,
        of: Option<&'static Type>,
    ) -> Error {
        let place = place.filter(|place| !place.key().is_some_and(Key::is_private));
        let (way, number) = place.as_ref().map_or((Way::Nothing, 0), Way::to);
        Error(match Brief::of(&why, operation, way, number) {
            Some(brief) => Repr::Brief(brief),
            None => Repr::Call(Box::new(Call {
                why,
                operation,
                place,
                of,
            })),
        })
    }

    fn of_text(
        kind: ErrorKind,
        source: impl std::error::Error + Send + Sync + 'static,
        hint: &'static str,
    ) -> Error {
        let source = Box::new(source);
        Error(Repr::Text(Box::new(Text { kind, source, hint })))
    }

    #[cold]
    #[inline(never)]
    fn of_attached(why: Failure, operation: Operation, attached: &Attached) -> Error {
        let segment = attached.segment();
        let place = || Place::of(segment.home(), segment.key());
        // What leads to a file takes an allocation.
        let (way, number) = match segment.home().file().map(FileHome::named) {
            Some(Some(_)) => (Way::File, 0),
            Some(None) => (Way::Nothing, 0),
            None => place().map_or((Way::Nothing, 0), |place| Way::to(&place)),
        };
        match Brief::of(&why, operation, way, number) {
            Some(brief) => Error(Repr::Brief(brief)),
            None => Error::new(why, operation, place(), Some(attached.of())),
        }
    }

    /// The method that failed, `"update"` or `"Writer::set"`; `None` for errors about text.
    pub fn operation(&self) -> Option<&'static str> {
        let operation = match &self.0 {
            Repr::Brief(brief) => brief.operation,
            Repr::Call(call) => call.operation,
            Repr::Text(_) => return None,
        };
        Some(operation.name())
    }

    /// Where that was: the key, or the id of a segment that has none or was asked for by it; `None`
    /// for a segment that was to be created without a key, for errors about text, and for those about a file that are
    /// made without an allocation.
    pub fn place(&self) -> Option<Place> {
        match &self.0 {
            Repr::Brief(brief) => brief.place(),
            Repr::Call(call) => call.place.clone(),
            Repr::Text(_) => None,
        }
    }

    /// Both layouts, field by field, of [`ErrorKind::Mismatch`]; `None` if they differ in nothing but their counters.
    pub fn mismatch(&self) -> Option<&Mismatch> {
        match self.why()? {
            Failure::Mismatch(mismatch) => Some(mismatch),
            _ => None,
        }
    }

    /// The process that kept the lock, of [`ErrorKind::Busy`].
    pub fn holder(&self) -> Option<Holder> {
        match self.0 {
            Repr::Brief(Brief {
                why: Why::Busy(state),
                pid,
                ..
            }) => Some(Holder { pid, state }),
            _ => None,
        }
    }

    /// The pids of some of the processes that have the slots, of [`ErrorKind::SlotsTaken`], or the rows, of
    /// [`ErrorKind::Full`]: as far as this process can see.
    pub fn claimants(&self) -> &[u32] {
        match self.why() {
            Some(Failure::Fault(Fault::SlotsTaken { pids, .. } | Fault::Full { pids, .. })) => pids,
            _ => &[],
        }
    }

    /// How many bytes the segment lacks, of [`ErrorKind::NoRoom`].
    pub fn missing(&self) -> Option<Missing> {
        match *self.why()? {
            Failure::NoRoom { value, schema } => Some(Missing { value, schema }),
            _ => None,
        }
    }

    /// The part that is wrong, of [`ErrorKind::Invalid`].
    pub fn invalid(&self) -> Option<&InvalidValue> {
        match self.why()? {
            Failure::Invalid(invalid) => Some(invalid),
            _ => None,
        }
    }

    /// The system call, its errno, cause and next step, of [`ErrorKind::System`].
    pub fn sysv(&self) -> Option<&sysv::Error> {
        match self.why()? {
            Failure::Fault(Fault::System(error)) => Some(error),
            _ => None,
        }
    }

    /// The kernel's error number, if a system call failed.
    pub fn raw_os_error(&self) -> Option<i32> {
        match self.why()? {
            Failure::Fault(Fault::File(error)) => error.raw_os_error(),
            #[cfg(feature = "async")]
            Failure::Fault(Fault::NoThread(errno)) => Some(*errno),
            _ => self.sysv()?.raw_os_error(),
        }
    }

    fn why(&self) -> Option<&Failure> {
        match &self.0 {
            Repr::Call(call) => Some(call.why()),
            _ => None,
        }
    }
}

impl<T: SharedLayout> Typed<T> {
    /// Makes an error of what a call on the attached segment failed for. Nothing is put together before that.
    #[inline(always)]
    pub(in crate::face) fn explain<W: Into<Failure>>(
        &self,
        operation: Operation,
    ) -> impl FnOnce(W) -> Error {
        move |why| Error::of_attached(why.into(), operation, self.attached())
    }
}

impl Call {
    /// What kept the segment from being used, also where it was to be replaced.
    fn why(&self) -> &Failure {
        match &self.why {
            Failure::Kept { why, .. } => why,
            why => why,
        }
    }
}

impl Way {
    fn to(place: &Place) -> (Way, u32) {
        match (place.key(), place.segment_id()) {
            (Some(key), _) => (Way::Key, key.raw() as u32),
            (_, Some(id)) => (Way::Id, id.as_raw() as u32),
            (None, None) => (Way::File, 0),
        }
    }
}

impl Brief {
    fn of(why: &Failure, operation: Operation, way: Way, number: u32) -> Option<Brief> {
        let Failure::Fault(fault) = why else {
            return None;
        };
        let (why, pid, waited) = match *fault {
            Fault::Removed => (Why::Removed, 0, Duration::ZERO),
            Fault::Reentrant => (Why::Reentrant, 0, Duration::ZERO),
            Fault::Forked => (Why::Forked, 0, Duration::ZERO),
            Fault::Overtaken { waited } => (Why::Overtaken, 0, waited),
            Fault::Busy { holder, waited } => (Why::Busy(holder.state), holder.pid, waited),
            _ => return None,
        };
        Some(Brief {
            why,
            operation,
            way,
            number,
            pid,
            waited: u32::try_from(waited.as_micros().div_ceil(1000)).unwrap_or(u32::MAX),
        })
    }

    /// What it is the short form of.
    fn call(&self) -> Call {
        let pid = self.pid;
        let waited = Duration::from_millis(self.waited.into());
        let fault = match self.why {
            Why::Removed => Fault::Removed,
            Why::Reentrant => Fault::Reentrant,
            Why::Forked => Fault::Forked,
            Why::Overtaken => Fault::Overtaken { waited },
            Why::Busy(state) => Fault::Busy {
                holder: Holder { pid, state },
                waited,
            },
        };
        Call {
            why: fault.into(),
            operation: self.operation,
            place: self.place(),
            of: None,
        }
    }

    fn place(&self) -> Option<Place> {
        match self.way {
            Way::Nothing | Way::File => None,
            Way::Key => Some(Key::new(self.number).into()),
            Way::Id => Some(Place::id(Id::from_raw(self.number as i32))),
        }
    }

    fn is_of_file(&self) -> bool {
        matches!(self.way, Way::File)
    }
}

impl From<FitError> for Error {
    fn from(error: FitError) -> Error {
        let hint = "shorten the text, or cut it with `FixedStr::truncated`";
        Error::of_text(ErrorKind::Fit, error, hint)
    }
}

impl From<TextError> for Error {
    fn from(error: TextError) -> Error {
        let hint = "read the bytes with `FixedStr::as_bytes`, or `FixedStr::to_string_lossy`";
        Error::of_text(ErrorKind::Text, error, hint)
    }
}

impl From<ParseKeyError> for Error {
    fn from(error: ParseKeyError) -> Error {
        Error::of_text(ErrorKind::Place, error, NO_KEY)
    }
}

impl From<ParsePlaceError> for Error {
    fn from(error: ParsePlaceError) -> Error {
        let hint = error.hint;
        Error::of_text(ErrorKind::Place, error, hint)
    }
}

// Nothing in an error changes, whatever unwinds.
impl std::panic::UnwindSafe for Error {}
impl std::panic::RefUnwindSafe for Error {}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.0 {
            Repr::Brief(_) => None,
            Repr::Call(call) => match call.why() {
                Failure::Fault(Fault::System(source)) => Some(source.as_ref()),
                Failure::Fault(Fault::File(source)) => Some(source.as_ref()),
                Failure::Invalid(source) => Some(source.as_ref()),
                _ => None,
            },
            Repr::Text(text) => Some(&*text.source),
        }
    }
}

/// As `Display`: an error that `main` returns is printed by this, and is to be read by people.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
