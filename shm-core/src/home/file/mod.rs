//! Files as homes: ordinary ones, POSIX shared memory (files of `/dev/shm`), and memory without a name
//! (`memfd_create(2)`). Usable alone: nothing here knows what lies in a file. It may call `sysv/`.
//!
//! A [`Description`] tells who lives: its locks are the kernel's (`F_OFD_SETLK`), follow the inode into every namespace, and
//! end with the description's last descriptor. So each is opened for one owner, is never mapped through (a mapping keeps a
//! description alive, also in a forked child), and is let go by `close` alone. [`Mapped`] is the memory, by a description of
//! its own that is closed at once. [`create_whole`] makes a file that has its name only when it is whole. What may be a home
//! at all, [`FileSystem`] decides.

mod birth;
mod boot;
mod chain;
mod checksum;
mod description;
mod door;
mod durable;
mod error;
mod file_system;
mod forked;
mod home;
mod life;
mod locks;
mod mapped;
mod memory;
mod posix;
mod snapshot;
mod syscalls;
mod temporary;
#[cfg(all(test, not(loom)))]
mod tests;
mod turn;

pub(crate) use birth::create_whole;
pub(crate) use description::Description;
pub(crate) use durable::{Slots, persist, restored};
pub(crate) use error::{Error, Kind};
pub(crate) use home::FileHome;
pub(crate) use life::{enter, keep_as_is, life_word};
pub(crate) use locks::Locks;
pub(crate) use memory::create_memory;
pub(crate) use posix::posix_path;
pub(crate) use snapshot::{BLOCK, HEADER, Snapshot, slot_size};
#[cfg(feature = "async")]
pub(crate) use syscalls::{has_no_name, held};
