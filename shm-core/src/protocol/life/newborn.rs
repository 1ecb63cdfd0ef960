//! What a new segment is to be, whichever way it comes to life.

use std::hash::{BuildHasher, Hasher, RandomState};

use crate::protocol::fault::Fault;
use crate::protocol::memory::atomics::Ordering::Relaxed;
use crate::protocol::memory::control::{FORMAT, Geometry, MAGIC};
use crate::protocol::memory::stop::stop;
use crate::protocol::segment::commit::Payload;
use crate::protocol::segment::locked::Locked;
use crate::protocol::segment::segment::Segment;
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
    /// Where the words of a row are that count.
    pub(crate) counters: Vec<usize>,
    /// Bytes of the value.
    pub(crate) stored: usize,
    /// The number that its first value has.
    pub(crate) version: u64,
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

/// Stores a first value under the lock, if that is still this process's after all code of the
/// caller's: see [`Locked::check_process`]. Called again if the segment was removed before it could
/// be attached.
pub(crate) type Write<'a> = dyn FnMut(&Locked<'_>, Payload) -> Result<(), Fault> + 'a;

/// Writes everything that a ready segment has besides its value, but for the word that says so.
///
/// # Safety
///
/// The lock is held, the mapping is writable, and the segment is not ready yet.
pub(super) unsafe fn describe(segment: &Segment, newborn: &Newborn) {
    stop!("birth: sequence written");
    segment.latch.begin_at(newborn.version);
    let control = segment.control();
    // SAFETY: the room has `geometry.room` bytes, which the newborn's maker rounded up from the
    // schema's; the mapping is writable, and the lock is held.
    unsafe { segment.rooms[0].store(0, newborn.schema.as_ptr(), newborn.schema.len()) };
    stop!("birth: schema written");
    segment.describe_counters(&newborn.counters);
    control.magic.store(MAGIC, Relaxed);
    stop!("birth: magic written");
    control.format.store(FORMAT, Relaxed);
    control.flags.store(newborn.flags, Relaxed);
    control.rows.store(newborn.geometry.rows, Relaxed);
    control
        .capacity
        .store(newborn.geometry.capacity as u64, Relaxed);
    control.room.store(newborn.geometry.room as u64, Relaxed);
    stop!("birth: header written");
}

/// A number that no other creation has: 64 bits of the randomness that `std` seeds its hash maps
/// with.
pub(super) fn unique_id() -> u64 {
    RandomState::new().build_hasher().finish()
}
