//! The one error of the crate: what was done to which place, why it failed, and what to do next.

mod operation;
mod text;

use std::fmt;
use std::time::Duration;

pub(crate) use operation::Operation;

use super::place::{ParsePlaceError, Place};
use crate::home::file;
use crate::layout::{FitError, InvalidValue, Mismatch, TextError, Unfit};
use crate::protocol::{Fault, Holder, HolderState};
use crate::sysv::shm::Id;
use crate::sysv::{self, Key, ParseKeyError};
use crate::typed::{Attached, Counting, Failure, Type};

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
    /// How often the segment is attached besides, if that kept it from being replaced; else 0.
    others: u64,
}

macro_rules! texts {
    ($($name:ident($of:ty) is $kind:ident;)+) => {
        /// One of a text that is to be put into a value or an argument.
        enum Text {
            $($name($of),)+
        }

        impl Text {
            fn kind(&self) -> ErrorKind {
                match self {
                    $(Text::$name(_) => ErrorKind::$kind,)+
                }
            }

            fn source(&self) -> &(dyn std::error::Error + 'static) {
                match self {
                    $(Text::$name(source) => source,)+
                }
            }
        }

        $(
            impl From<$of> for Error {
                fn from(error: $of) -> Error {
                    Error(Repr::Text(Box::new(Text::$name(error))))
                }
            }
        )+
    };
}

texts! {
    Fit(FitError) is Fit;
    Bytes(TextError) is Text;
    Key(ParseKeyError) is Place;
    Place(ParsePlaceError) is Place;
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
        let brief = |why, pid, waited: Duration| {
            let (way, number) = match place
                .as_ref()
                .map(|place| (place.key(), place.segment_id()))
            {
                Some((Some(key), _)) if !key.is_private() => (Way::Key, key.raw() as u32),
                Some((_, Some(id))) => (Way::Id, id.as_raw() as u32),
                Some((None, None)) => (Way::File, 0),
                _ => (Way::Nothing, 0),
            };
            Error(Repr::Brief(Brief {
                why,
                operation,
                way,
                number,
                pid,
                waited: u32::try_from(waited.as_micros().div_ceil(1000)).unwrap_or(u32::MAX),
            }))
        };
        match why {
            Failure::Fault(Fault::Removed) => brief(Why::Removed, 0, Duration::ZERO),
            Failure::Fault(Fault::Reentrant) => brief(Why::Reentrant, 0, Duration::ZERO),
            Failure::Fault(Fault::Forked) => brief(Why::Forked, 0, Duration::ZERO),
            Failure::Fault(Fault::Overtaken { waited }) => brief(Why::Overtaken, 0, waited),
            Failure::Fault(Fault::Busy { holder, waited }) => {
                brief(Why::Busy(holder.state), holder.pid, waited)
            }
            why => {
                let (why, others) = match why {
                    Failure::Kept { why, others } => (*why, others),
                    why => (why, 0),
                };
                Error(Repr::Call(Box::new(Call {
                    why,
                    operation,
                    place: place.filter(|place| !place.key().is_some_and(Key::is_private)),
                    of,
                    others,
                })))
            }
        }
    }

    /// Makes an error of what a call on an attached segment failed for. Nothing is put together
    /// before that.
    #[inline]
    pub(crate) fn of<W: Into<Failure>>(
        operation: Operation,
        attached: &Attached,
    ) -> impl FnOnce(W) -> Error {
        move |why| Error::of_attached(why.into(), operation, attached)
    }

    #[cold]
    #[inline(never)]
    fn of_attached(why: Failure, operation: Operation, attached: &Attached) -> Error {
        let segment = attached.segment();
        Error::new(why, operation, Place::of(segment), Some(attached.of()))
    }

    /// What kind of error it is.
    pub fn kind(&self) -> ErrorKind {
        let call = match &self.0 {
            Repr::Brief(brief) => return brief.why.kind(),
            Repr::Call(call) => call,
            Repr::Text(text) => return text.kind(),
        };
        match &call.why {
            Failure::Fault(fault) => kind_of(fault),
            Failure::NotAdoptable { .. } => ErrorKind::Foreign,
            Failure::TooSmall { .. } | Failure::NoRow { .. } => ErrorKind::TooSmall,
            Failure::Mismatch(_) => ErrorKind::Mismatch,
            Failure::OtherKind { .. } => ErrorKind::OtherKind,
            Failure::Counter { why, .. } => match why {
                Counting::InTableAlone | Counting::InTypeAlone => ErrorKind::Mismatch,
                Counting::Stored | Counting::NoCounter => ErrorKind::Counter,
            },
            Failure::Stale => ErrorKind::Stale,
            Failure::NeedsUpgrade { .. } => ErrorKind::NeedsUpgrade,
            Failure::NoRoom { .. } => ErrorKind::NoRoom,
            Failure::Invalid(_) => ErrorKind::Invalid,
            Failure::NoElement { .. } => ErrorKind::NoElement,
            Failure::Damaged(_) | Failure::Kept { .. } => ErrorKind::Damaged,
            Failure::TooLarge { .. } => ErrorKind::TooLarge,
            Failure::Unfit(unfit) => match **unfit {
                Unfit::Value { .. } => ErrorKind::Value,
                _ => ErrorKind::Path,
            },
            Failure::Options(_) => ErrorKind::Options,
            Failure::Guard(_) => ErrorKind::Guard,
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
    /// for a segment that was to be created without a key, and for errors about text.
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
            Repr::Call(call) => Some(&call.why),
            _ => None,
        }
    }
}

impl Brief {
    fn place(&self) -> Option<Place> {
        match self.way {
            Way::Nothing | Way::File => None,
            Way::Key => Some(Key::new(self.number).into()),
            Way::Id => Some(Place::id(Id::from_raw(self.number as i32))),
        }
    }
}

impl Why {
    fn kind(self) -> ErrorKind {
        match self {
            Why::Removed => ErrorKind::Removed,
            Why::Overtaken => ErrorKind::Overtaken,
            Why::Reentrant => ErrorKind::Reentrant,
            Why::Forked => ErrorKind::Forked,
            Why::Busy(_) => ErrorKind::Busy,
        }
    }
}

fn kind_of(fault: &Fault) -> ErrorKind {
    match fault {
        Fault::File(error) => match error.kind() {
            file::Kind::Busy => ErrorKind::Busy,
            file::Kind::NotRestored => ErrorKind::NotRestored,
            _ => ErrorKind::System,
        },
        Fault::System(_) => ErrorKind::System,
        #[cfg(feature = "async")]
        Fault::NoThread(_) => ErrorKind::System,
        Fault::Busy { .. } => ErrorKind::Busy,
        Fault::Reentrant => ErrorKind::Reentrant,
        Fault::Forked => ErrorKind::Forked,
        Fault::Removed => ErrorKind::Removed,
        Fault::SlotsTaken { .. } => ErrorKind::SlotsTaken,
        Fault::SetLost => ErrorKind::SetLost,
        Fault::Unjudged => ErrorKind::Unjudged,
        Fault::ChildDenied => ErrorKind::ChildDenied,
        Fault::NoUndo => ErrorKind::NoUndo,
        Fault::Left => ErrorKind::Left,
        Fault::Overtaken { .. } => ErrorKind::Overtaken,
        Fault::Foreign { .. } => ErrorKind::Foreign,
        // Where something is adopted, it is made a `Failure::Invalid` that names the field.
        Fault::Changed | Fault::Invalid(_) | Fault::Damaged(_) => ErrorKind::Damaged,
        Fault::Format(_) => ErrorKind::Format,
        Fault::Unfinished { .. } => ErrorKind::Unfinished,
        Fault::Untrusted { .. } | Fault::Exposed { .. } => ErrorKind::Untrusted,
        Fault::NotRestored => ErrorKind::NotRestored,
        Fault::TooLarge | Fault::NoSegment | Fault::NoFile => ErrorKind::Options,
        Fault::Full { .. } => ErrorKind::Full,
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.0 {
            Repr::Brief(_) => None,
            Repr::Call(call) => match &call.why {
                Failure::Fault(Fault::System(source)) => Some(source.as_ref()),
                Failure::Fault(Fault::File(source)) => Some(source.as_ref()),
                Failure::Invalid(source) => Some(source.as_ref()),
                _ => None,
            },
            Repr::Text(text) => Some(text.source()),
        }
    }
}

/// As `Display`: an error that `main` returns is printed by this, and is to be read by people.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
