//! What a new segment is to be, whichever way it comes to life.

use crate::protocol::memory::control::Geometry;
use crate::sysv::Mode;
use crate::sysv::shm::GetFlags;

/// Whether a value's bytes are one of its type.
pub(crate) type Judge = fn(&[u8]) -> bool;

/// What a new segment is to be.
#[derive(Debug)]
pub(crate) struct Newborn {
    pub(crate) mode: Mode,
    pub(crate) flags: u32,
    /// How `shmget` is asked: huge pages, no reserve.
    pub(crate) get: GetFlags,
    pub(crate) geometry: Geometry,
    /// Bytes of the value.
    pub(crate) stored: usize,
    /// The group that it belongs to, if not that of its creator.
    pub(crate) group: Option<u32>,
    /// Contents of the first schema room.
    pub(crate) schema: Vec<u8>,
    /// Whether bytes are a value of the type.
    pub(crate) judge: Judge,
    /// Whether a segment of this size that another program made is made one of ours, if its value is
    /// one of the type.
    pub(crate) adopt: bool,
}
