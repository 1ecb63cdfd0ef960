//! System V shared memory and semaphores, safe and typed, with every command; good enough to be
//! used alone.
//!
//! A [`Key`] is how processes that know nothing of each other find the same object; [`shm`] and
//! [`sem`] turn a key into an id, and an id into memory or counters. No function here looks at what
//! lies in a segment, and none keeps state: each is one call to the kernel unless it says
//! otherwise.
//!
//! ```
//! use shm_core::sysv::{Key, Kind, Mode, shm};
//!
//! # let key = Key::new(0x7b5d_0002);
//! // What a C program does with shmget(key, 56, IPC_CREAT | 0640), shmat, shmdt and shmctl(IPC_RMID):
//! let id = shm::get(key, 56, shm::GetFlags::CREATE, Mode::new(0o640))?;
//! let memory = shm::attach(id, shm::Access::ReadWrite)?;
//! assert_eq!(shm::stat(id)?.attached, 1);
//! drop(memory);
//! shm::remove(id)?;
//!
//! // Errors say what happened and what to do.
//! let error = shm::get(key, 56, shm::GetFlags::NONE, Mode::new(0o640)).unwrap_err();
//! assert_eq!(error.kind(), Kind::NotFound);
//! # Ok::<(), shm_core::sysv::Error>(())
//! ```
//!
//! # Errors
//!
//! One [`Error`] for all: the call, the key or id, the cause in words that depend on call *and*
//! errno, and the next step. The facts in it (sizes, owner and mode, the limit in force and what is
//! used of it) are read when the call has failed.
//!
//! | errno | call | [`Kind`] | what to do |
//! |---|---|---|---|
//! | none | any with a key, mode or owner | `Invalid` | key 0: say [`Key::PRIVATE`], or use another number; a mode within `0o777`; a real user and group |
//! | `ENOENT` | `shmget`, `semget` | `NotFound` | create it with `CREATE`, or look for the key in `ipcs`; the error tells if this is not the machine's first IPC namespace |
//! | `EEXIST` | `shmget`, `semget` | `Exists` | leave out `EXCLUSIVE` to use it, or remove it |
//! | `EACCES` | all but `remove` and `set` | `Denied` | ask for less, or have the owner change the mode; owner and mode are told |
//! | `EPERM` | `remove`, `set`, `lock`, `unlock` | `NotPermitted` | run as the owner or creator, who are told |
//! | `EPERM` | `shmget` | `NotPermitted` | huge pages: `CAP_IPC_LOCK`, or the group in `vm.hugetlb_shm_group` |
//! | `EINVAL` | `shmget`, `semget` | `Invalid` | the existing object is smaller: ask for 0 to take it as it is; or 0 was asked for a new one |
//! | `EINVAL` | `shmget`, `semget` | `NoSpace(Shmmax)`, `NoSpace(Semmsl)` | ask for less, or raise the limit |
//! | `EINVAL`, `EIDRM` | all with an id | `Removed` | get the id from the key again |
//! | `EINVAL` | `shmat` | `Invalid` | another address, a multiple of the page size; `round` |
//! | `EINVAL` | `shmdt` | `Invalid` | find who unmapped the memory |
//! | `EINVAL` | `semctl`, `semop` | `Invalid` | a semaphore that the set has; at least one operation |
//! | `EINVAL` | `stat_index` | `NotFound` | a hole in the table: go on with the next index |
//! | `ENOSPC` | `shmget` | `NoSpace(Shmmni)`, `NoSpace(Shmall)` | remove segments that no process uses, or raise the limit |
//! | `ENOSPC` | `semget` | `NoSpace(Semmni)`, `NoSpace(Semmns)` | remove sets that no process uses, or raise the limit |
//! | `ENFILE` | `shmget` | `NoSpace(Files)` | raise `fs.file-max` |
//! | `ENOMEM` | `shmget`, `shmat`, `semget`, `semop` | `NoMemory` | ask for less, or free memory |
//! | `ENOMEM` | `shmget` | `NoSpace(HugePages)` | set more huge pages aside, or do without |
//! | `ENOMEM` | `lock` | `NoSpace(Memlock)` | raise `RLIMIT_MEMLOCK` |
//! | `EAGAIN` | `semop` | `WouldBlock`, `TimedOut` | no fault: try later, or wait longer |
//! | `EINTR` | `semop` | none | made again, within the time limit |
//! | `ERANGE` | `semop`, `semctl` | `OutOfRange` | keep the value within 0 to 32767 |
//! | `EFBIG` | `semop` | `Invalid` | a semaphore that the set has |
//! | `E2BIG` | `semop` | `NoSpace(Semopm)` | fewer operations at once |
//! | `EINVAL` | `stat_index_any` | `Unsupported` | Linux 4.17; `stat_index`, with the right to read |
//! | `ENOSYS` | all | `Unsupported` | a kernel with `CONFIG_SYSVIPC`, a sandbox that lets the call through |

/// What the ids and flags of segments and of sets have in common.
macro_rules! id_and_flags {
    () => {
        impl Id {
            /// An id that another program told, for instance `ipcs`.
            #[must_use]
            pub const fn from_raw(raw: i32) -> Self {
                Self(raw)
            }

            /// The number.
            #[must_use]
            pub const fn as_raw(self) -> i32 {
                self.0
            }
        }

        impl core::fmt::Display for Id {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                self.0.fmt(f)
            }
        }

        impl GetFlags {
            /// Whether all of `other` is in here.
            #[must_use]
            pub const fn contains(self, other: Self) -> bool {
                self.0 & other.0 == other.0
            }
        }

        impl core::ops::BitOr for GetFlags {
            type Output = Self;

            fn bitor(self, other: Self) -> Self {
                Self(self.0 | other.0)
            }
        }
    };
}

mod diagnose;
mod error;
mod ftok;
mod key;
mod mode;
pub mod sem;
pub mod shm;
mod syscalls;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub use error::{Error, Kind, Limit};
pub use key::{Key, ParseKeyError};
pub use mode::Mode;
pub(crate) use syscalls::{effective_ids, effective_user, soft_limit};

/// What stands at the places of the kernel's table up to `highest`, without its holes.
fn table<T>(
    highest: u32,
    at: impl Fn(u32) -> Result<T, Error>,
    at_any: impl Fn(u32) -> Result<T, Error>,
) -> impl Iterator<Item = Result<T, Error>> {
    (0..=highest).filter_map(move |index| {
        // An older kernel does not know the first command.
        match at_any(index).or_else(|_| at(index)) {
            Err(e) if matches!(e.kind(), Kind::NotFound | Kind::Removed) => None,
            found => Some(found),
        }
    })
}

/// The kernel's seconds; 0 stands for "never".
fn time_of(seconds: i64) -> Option<SystemTime> {
    match u64::try_from(seconds) {
        Ok(0) | Err(_) => None,
        Ok(seconds) => UNIX_EPOCH.checked_add(Duration::from_secs(seconds)),
    }
}
