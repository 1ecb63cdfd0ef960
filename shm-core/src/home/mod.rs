//! Where the bytes of a value live, and which processes live beside them: a System V segment with its
//! semaphore set, or a file with locks on its bytes.
//!
//! A [`Home`] is the bytes, a [`Witness`] says whether the claimant of a slot lives. `protocol/` calls both, and asks for a
//! home's sort only where the kernel has no common word: a segment has a key, a set and ids that mean something else in
//! another namespace, a file has a path. It may call `sysv/`.

pub(crate) mod file;
mod witness;

use core::ptr::NonNull;

pub(crate) use file::FileHome;
pub(crate) use witness::{Refused, Witness};

use crate::sysv::shm::{Attachment, Id};

/// The bytes that one attachment maps, for as long as it lives.
#[derive(Debug)]
pub(crate) enum Home {
    Segment(Attachment),
    File(Box<FileHome>),
}

impl Home {
    /// Where they begin: on a page.
    pub(crate) fn as_ptr(&self) -> NonNull<u8> {
        match self {
            Home::Segment(mapping) => mapping.as_non_null(),
            Home::File(file) => file.as_ptr(),
        }
    }

    /// The kernel's id of a segment.
    pub(crate) fn id(&self) -> Option<Id> {
        match self {
            Home::Segment(mapping) => Some(mapping.id()),
            Home::File(_) => None,
        }
    }

    pub(crate) fn file(&self) -> Option<&FileHome> {
        match self {
            Home::Segment(_) => None,
            Home::File(file) => Some(file),
        }
    }

    /// What tells it among those that a thread may lock, in 31 bits: a segment's id, or a mixture of a file's inode, which two files
    /// seldom share.
    pub(crate) fn number(&self) -> u32 {
        let (number, _) = self.in_maps();
        ((number ^ number >> 31) & 0x7fff_ffff) as u32
    }

    /// What `/proc/PID/maps` shows of it in the place of an inode, and whether that is a segment's id.
    pub(crate) fn in_maps(&self) -> (u64, bool) {
        match self {
            Home::Segment(mapping) => (u64::from(mapping.id().as_raw() as u32), true),
            Home::File(file) => (file.inode(), false),
        }
    }
}
