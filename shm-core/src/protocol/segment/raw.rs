//! A segment that another program laid out: no control block, no versions, no lock. Only its size is
//! known.

use super::kernel::{Access, attach, look_up};
use crate::protocol::fault::Fault;
use crate::protocol::memory::copy::exact::RawBytes;
use crate::sysv::Key;
use crate::sysv::shm::{self, Attachment, Stat};

/// An attached segment of another program's.
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
        let (mapping, stat) = attach(id, access)?.ok_or(Fault::Removed)?;
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

    /// Its memory, for as long as `self` is attached.
    pub(crate) fn bytes(&self) -> RawBytes {
        // SAFETY: mapped: `size` bytes, the kernel's word, for as long as `self` is attached, which is how
        // long the bytes may be used. Shared: in this process only `exact.rs` touches them, by atomics.
        unsafe { RawBytes::new(self.mapping.as_ptr(), self.size) }
    }
}
