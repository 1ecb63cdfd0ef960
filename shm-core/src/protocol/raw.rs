//! A segment that somebody else laid out: no control block, no versions, no lock. Only its size is
//! known.

use super::attach::{Access, look_up, map};
use super::copy::exact;
use super::fault::Fault;
use crate::sysv::Key;
use crate::sysv::shm::{self, Attachment, Stat};

/// An attached segment of somebody else's.
#[derive(Debug)]
pub(crate) struct RawSegment {
    mapping: Attachment,
    key: Key,
    size: usize,
}

impl RawSegment {
    /// Attaches the segment that `key` leads to, whatever it holds.
    pub(crate) fn open(key: Key, access: Access) -> Result<RawSegment, Fault> {
        RawSegment::open_id(look_up(key)?, access)
    }

    /// Attaches the segment with this id.
    pub(crate) fn open_id(id: shm::Id, access: Access) -> Result<RawSegment, Fault> {
        let stat = shm::stat(id)?;
        access.owner.check(&stat)?;
        let mapping = map(id, access.writable)?.ok_or(Fault::Removed)?;
        Ok(RawSegment {
            mapping,
            key: stat.key,
            size: stat.size,
        })
    }

    /// The key that led here.
    pub(crate) fn key(&self) -> Key {
        self.key
    }

    /// The kernel's id.
    pub(crate) fn id(&self) -> shm::Id {
        self.mapping.id()
    }

    /// Bytes in the segment.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// The kernel's facts.
    pub(crate) fn stat(&self) -> Result<Stat, Fault> {
        Ok(shm::stat(self.mapping.id())?)
    }

    /// Copies the first `len` bytes to `dst`, in no order that others could rely on.
    ///
    /// # Safety
    ///
    /// `len <= self.size()`, and `dst` is valid for writes of `len` bytes.
    pub(crate) unsafe fn read(&self, dst: *mut u8, len: usize) {
        // SAFETY: the mapping has `size` bytes and lives as long as `self`; in this process only
        // `exact` touches it.
        unsafe { exact::load(dst, self.mapping.as_ptr(), len) }
    }

    /// Stores `len` bytes at `offset`, and touches no others.
    ///
    /// # Safety
    ///
    /// `offset + len <= self.size()`, `src` is valid for reads of `len` initialised bytes, and the
    /// attachment is not read-only.
    pub(crate) unsafe fn store(&self, offset: usize, src: *const u8, len: usize) {
        // SAFETY: as in `read`.
        unsafe { exact::store(self.mapping.as_ptr().add(offset), src, len) }
    }
}
