//! What can go wrong between processes. The top of the crate adds the key and the operation to make
//! an `Error` of it.

use std::time::Duration;

use crate::sysv;

/// Why the protocol gave up.
#[derive(Debug)]
pub(crate) enum Fault {
    /// A system call was refused.
    System(Box<sysv::Error>),
    /// Somebody alive kept the lock, or a birth unfinished, beyond the limit. `owner`, a pid, is 0
    /// where this process can't see it.
    Busy { owner: u32, waited: Duration },
    /// This thread holds the lock already.
    Reentrant,
    /// The lock was taken by the parent of this process, before the fork.
    Forked,
    /// The schema in force is another one than was checked.
    Changed,
    /// The tombstone stands, or the kernel has forgotten the segment.
    Removed,
    /// Every slot belongs to a living process.
    SlotsTaken { slots: u32 },
    /// The semaphore set that tells who is alive is gone or is not what the segment says.
    SlotsDamaged(&'static str),
    /// Readers were overtaken for longer than the limit.
    Overtaken { waited: Duration },
    /// No control block: somebody else's segment.
    Foreign { size: usize },
    /// The bytes that were to be adopted as the first value are none of its type.
    Invalid(Box<[u8]>),
    /// A control block whose words contradict each other or the segment's size.
    Damaged(&'static str),
    /// A format that this library does not know.
    Format(u32),
    /// A newborn of another size than this program would have made, and nobody finishes it.
    Unfinished {
        size: usize,
        wanted: Option<usize>,
        creator: u32,
    },
    /// Owner or creator are not trusted.
    Untrusted { owner: u32, creator: u32 },
    /// The sizes asked for cannot be had.
    TooLarge,
}

impl From<sysv::Error> for Fault {
    fn from(error: sysv::Error) -> Fault {
        Fault::System(Box::new(error))
    }
}
