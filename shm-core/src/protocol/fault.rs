//! What can go wrong between processes. The top of the crate adds the key and the operation to make
//! an `Error` of it.

use std::time::Duration;

use crate::home::{Refused, file};
use crate::sysv;

/// Why the protocol gave up.
#[derive(Debug)]
pub(crate) enum Fault {
    /// A system call was refused.
    System(Box<sysv::Error>),
    /// So was one for a file.
    File(Box<file::Error>),
    /// A living process kept the lock beyond the limit.
    Busy { holder: Holder, waited: Duration },
    /// This thread holds the lock already.
    Reentrant,
    /// The lock was taken by the parent of this process, before the fork.
    Forked,
    /// The schema in force is another one than was checked.
    Changed,
    /// The tombstone stands, or the kernel has forgotten the segment.
    Removed,
    /// Every slot belongs to a living process; these are some of them.
    SlotsTaken { slots: u32, pids: Box<[u32]> },
    /// The semaphore set that tells who is alive has been removed.
    SetLost,
    /// Whether an owner or claimant lives can't be told from here.
    Unjudged,
    /// A forked child has no right to claim a slot of its own.
    ChildDenied,
    /// The kernel refuses to undo semaphores when a process dies.
    NoUndo,
    /// This process has left the IPC namespace of the segment.
    Left,
    /// Readers were overtaken for longer than the limit.
    Overtaken { waited: Duration },
    /// No control block: another program's segment.
    Foreign { size: usize },
    /// The bytes that were to be adopted as the first value are none of its type.
    Invalid(Box<[u8]>),
    /// A control block whose words contradict each other or the segment's size.
    Damaged(&'static str),
    /// A format that this library does not know.
    Format(u32),
    /// A newborn of another size than this program would have made, and no process finishes it.
    Unfinished {
        size: usize,
        wanted: Option<usize>,
        creator: u32,
    },
    /// What was asked is known of segments alone.
    NoSegment,
    /// What was asked is known of files alone.
    NoFile,
    /// Others may write the file, and so cut it short.
    Exposed { mode: u32 },
    /// The live value of a file was left by another start of the machine, or by the file that this is a copy of.
    NotRestored,
    /// Owner or creator are not trusted.
    Untrusted { owner: u32, creator: u32 },
    /// No thread could be started, for this errno.
    #[cfg(feature = "async")]
    NoThread(i32),
    /// The sizes asked for cannot be had.
    TooLarge,
    /// Every row of a table has an owner; the pids of some.
    Full { rows: u32, pids: Box<[u32]> },
}

/// How many processes such an error names.
pub(in crate::protocol) const NAMED: usize = 8;

impl Fault {
    /// Whether the kernel said that this process has no right to what was asked.
    pub(crate) fn is_denied(&self) -> bool {
        match self {
            Fault::System(error) => error.kind() == sysv::Kind::Denied,
            Fault::File(error) => error.kind() == file::Kind::Denied,
            _ => false,
        }
    }

    /// Whether it says that what lies under the key is of no use to this program.
    pub(crate) fn is_unfit(&self) -> bool {
        matches!(
            self,
            Fault::Foreign { .. }
                | Fault::Damaged(_)
                | Fault::Unfinished {
                    wanted: Some(_),
                    ..
                }
        )
    }
}

impl From<sysv::Error> for Fault {
    fn from(error: sysv::Error) -> Fault {
        Fault::System(Box::new(error))
    }
}

impl From<file::Error> for Fault {
    fn from(error: file::Error) -> Fault {
        Fault::File(Box::new(error))
    }
}

impl From<Refused> for Fault {
    fn from(refused: Refused) -> Fault {
        match refused {
            Refused::SetLost => Fault::SetLost,
            Refused::NoUndo => Fault::NoUndo,
            Refused::System(error) => error.into(),
            Refused::File(error) => error.into(),
        }
    }
}

/// A process that has a slot: who keeps a lock, or takes up room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Holder {
    /// Its pid as this process sees it; 0 if it can't.
    pub pid: u32,
    /// What it is doing.
    pub state: HolderState,
}

/// A process that has claimed a slot, so that it may write: one for each box that it has open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Claimant {
    /// Its pid as this process sees it; 0 if it can't.
    pub pid: u32,
    /// What it is doing; [`HolderState::Gone`] if it does not live.
    pub state: HolderState,
    /// Whether it holds the lock of the segment: it is writing, or died while it was.
    pub holds_lock: bool,
}

/// What a claimant is doing, as far as this process can see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HolderState {
    /// It runs, or sleeps.
    Running,
    /// A signal or a debugger has stopped it.
    Stopped,
    /// It has crashed, and the kernel is still writing its core.
    DumpingCore,
    /// It has ended, and the kernel is still freeing what it had.
    Exiting,
    /// It does not map the segment any more: it has called `exec`, and lost its memory of the lock.
    Replaced,
    /// It has left the IPC namespace of the segment, which it still maps; or a peer has set or removed its semaphore, which
    /// it claims anew as it writes on.
    Left,
    /// It has ended: a process that needs its slot, or the lock that it held, takes it over.
    Gone,
    /// It can't be seen from here: another pid namespace, or no `/proc`.
    Unseen,
}
