//! What an id leads to: an attached, verified segment, or what else. Nothing is changed on the way.

use std::sync::Mutex;
use std::sync::atomic::{
    AtomicU32 as ProcessState, AtomicU64 as ProcessWord, AtomicUsize as ProcessSize,
};

use crate::home::{FileHome, Home};
use crate::protocol::fault::Fault;
use crate::protocol::lock::held::Handle;
use crate::protocol::memory::atomics::Ordering::Relaxed;
use crate::protocol::memory::control::{
    CONTROL, Control, FORMAT, Geometry, KNOWN_FLAGS, MAGIC, State, TABLE, may_end_in_control,
};
use crate::protocol::memory::copy::Area;
use crate::protocol::memory::latch::Latch;
use crate::protocol::segment::kernel::{Access, attach};
use crate::protocol::segment::segment::{Segment, UNREAD};
use crate::sysv::Key;
use crate::sysv::shm::{self, Attachment, Stat};

/// Execute permission for others alone in a segment's mode: the kernel keeps and
/// ignores it (shmget(2): "execute permissions are not used by the system"), and no program sets it
/// by habit, as some do with 0777.
pub(super) const NEWBORN: u32 = 0o001;
pub(super) const EXECUTE: u32 = 0o111;

/// What an id led to.
pub(super) enum Found {
    Ready(Segment),
    /// A birth is under way, or was when its process died.
    Newborn(Mapped),
    /// No control block: another program made it.
    Foreign(Mapped),
    /// Removed, but its process did not live to tell the kernel.
    Tombstone(Mapped),
    /// Gone, or going: look the key up again.
    Gone,
}

/// An attached segment of which only the place of the control block is known.
///
/// # Invariants
///
/// **described**: `stat` is of what is mapped, and its size is a multiple of 64 and at least [`CONTROL`]:
/// so the last `CONTROL` bytes are within the mapping, which begins on a page (shmat(2)), and aligned.
pub(super) struct Mapped {
    pub(super) mapping: Attachment,
    control: *const Control,
    pub(super) stat: Stat,
}

/// Looks at what `id` leads to.
pub(super) fn find(id: shm::Id, access: Access) -> Result<Found, Fault> {
    let Some((mapping, stat)) = attach(id, access)? else {
        return Ok(Found::Gone);
    };
    if !may_end_in_control(stat.size) {
        return Err(Fault::Foreign { size: stat.size });
    }
    // SAFETY: **described**: `attach` asked for `stat` once the segment was mapped; its size was checked
    // above.
    let mapped = unsafe { Mapped::new(mapping, stat) };
    let control = mapped.control();
    let state = State::look(&control.state);
    if control.magic.load(Relaxed) == MAGIC {
        if state.is_ready() {
            return mapped.verified(access).map(Found::Ready);
        }
        if state.is_removed() {
            return Ok(Found::Tombstone(mapped));
        }
        if state == State::ADOPTED {
            return Ok(Found::Newborn(mapped));
        }
    }
    if state == State::NEWBORN && stat.mode.bits() & EXECUTE == NEWBORN {
        return Ok(Found::Newborn(mapped));
    }
    // Zero beside the magic number: a process died when it had just begun to adopt it.
    if control.magic.load(Relaxed) == MAGIC && state != State::NEWBORN {
        return Err(Fault::Damaged(
            "its state word is none that this library writes",
        ));
    }
    Ok(Found::Foreign(mapped))
}

impl Mapped {
    /// # Safety
    ///
    /// The [invariant](Mapped#invariants) holds: described.
    pub(super) unsafe fn new(mapping: Attachment, stat: Stat) -> Mapped {
        let control = mapping
            .as_ptr()
            .wrapping_add(stat.size - CONTROL)
            .cast_const();
        Mapped {
            mapping,
            control: control.cast(),
            stat,
        }
    }

    pub(super) fn control(&self) -> &Control {
        // SAFETY: by **described** the block lies within the mapping, which lives as long as `self`, and is
        // aligned. Its words are atomics.
        unsafe { &*self.control }
    }

    /// All of it.
    pub(super) fn area(&self) -> Area {
        let first = self.mapping.as_ptr().cast_const().cast();
        // SAFETY: mapped, words: `stat.size` bytes, a multiple of 64, from a page's first on (**described**),
        // for as long as `self`, which each use is shorter than. Shared: by this mapping only the
        // control block is touched besides, by atomics.
        unsafe { Area::new(first, self.stat.size) }
    }

    /// Whether this library made it, or has begun to: by the magic number, or the newborn's mark.
    pub(super) fn is_ours(&self) -> bool {
        let control = self.control();
        let is_newborn = || {
            State::look(&control.state) == State::NEWBORN
                && self.stat.mode.bits() & EXECUTE == NEWBORN
        };
        control.magic.load(Relaxed) == MAGIC || is_newborn()
    }

    /// That another program laid it out.
    pub(super) fn foreign(&self) -> Fault {
        if self.control().magic.load(Relaxed) == MAGIC {
            return Fault::Damaged("its state word is none that this library writes");
        }
        Fault::Foreign {
            size: self.stat.size,
        }
    }

    /// That its birth has not ended. `wanted` is the size that the caller would have given it, if it
    /// is another one.
    pub(super) fn unfinished(&self, wanted: Option<usize>) -> Fault {
        Fault::Unfinished {
            size: self.stat.size,
            wanted,
            creator: u32::try_from(self.stat.cpid).unwrap_or(0),
        }
    }

    /// Checks the header against the size that the kernel reports, and takes it over. Each word is
    /// read once.
    fn verified(self, access: Access) -> Result<Segment, Fault> {
        let (geometry, flags) = header(self.control(), self.stat.size)?;
        if geometry.snapshots {
            return Err(Fault::Damaged("it is laid out as a file"));
        }
        let mut segment = self.divided(access, geometry);
        segment.flags = flags;
        Ok(segment)
    }

    /// The segment under this division, which adds up to its size.
    pub(super) fn divided(self, access: Access, geometry: Geometry) -> Segment {
        debug_assert_eq!(geometry.total(), Some(self.stat.size));
        // SAFETY: the mapping has `stat.size` bytes (**described**), which the geometry adds up to.
        let mut segment = unsafe { divide(Home::Segment(self.mapping), access, geometry) };
        segment.key = self.stat.key;
        segment.owners = self.stat.owners();
        segment.doomed = self.stat.key.is_private();
        segment
    }
}

/// Checks a header against the size that the kernel reports. Each word is read once.
pub(super) fn header(control: &Control, size: usize) -> Result<(Geometry, u32), Fault> {
    let format = control.format.load(Relaxed);
    if format != FORMAT {
        return Err(Fault::Format(format));
    }
    let flags = control.flags.load(Relaxed);
    if flags & !KNOWN_FLAGS != 0 {
        return Err(Fault::Damaged(
            "its flags are none that this library writes",
        ));
    }
    let capacity = control.capacity.load(Relaxed);
    let room = control.room.load(Relaxed);
    let slots = control.slots.load(Relaxed);
    let rows = control.rows.load(Relaxed);
    if (rows > 0) != (flags & TABLE != 0) {
        return Err(Fault::Damaged(
            "its flags and its number of rows contradict each other",
        ));
    }
    let Some(geometry) = Geometry::verified(capacity, room, slots, flags, rows, size) else {
        return Err(Fault::Damaged(
            "the sizes in its control block do not add up to its size",
        ));
    };
    Ok((geometry, flags))
}

/// A segment of this division.
///
/// # Safety
///
/// **divided**: the home maps as many bytes as the geometry has in all.
pub(super) unsafe fn divide(home: Home, access: Access, geometry: Geometry) -> Segment {
    let base = home.as_ptr().as_ptr();
    let area = |offset: usize, bytes: usize| {
        let first = base.wrapping_add(offset).cast_const().cast();
        // SAFETY: mapped, words: the areas of a geometry lie within its total, which is the mapping's
        // size, on multiples of 64, and the mapping goes into the segment with them. Shared: only
        // the segment touches them, by `copy/`.
        unsafe { Area::new(first, bytes) }
    };
    // The template of a table, the value of a box.
    let last = geometry.row(geometry.rows);
    let rooms = [0, 1].map(|index| area(geometry.schema_room(index), geometry.room));
    let control_at = geometry.records_at() + geometry.records();
    let control: *const Control = base.wrapping_add(control_at).cast_const().cast();
    // SAFETY: **divided**: the control block is the last part of the geometry.
    let unique = unsafe { &*control }.unique.load(Relaxed);
    // SAFETY: sequence: an atomic of the control block, which goes into the segment with the mapping.
    // Alike: payload and mirrors have the geometry's capacity, lie a multiple of `mirror(0)` apart, and its areas do not overlap.
    let latch = unsafe {
        Latch::new(
            &raw const (*control).seq,
            area(last, geometry.capacity),
            geometry.mirror(0),
        )
    };
    let records = base.wrapping_add(geometry.records_at()).cast_const().cast();
    let row_words = base
        .wrapping_add(geometry.row_words_at())
        .cast_const()
        .cast();
    Segment {
        key: Key::PRIVATE,
        owners: [0; 2],
        unique,
        records,
        row_words,
        control,
        handle: Handle::unclaimed(home.number()),
        home,
        frozen: None,
        judgement: Mutex::new(None),
        leftover: None,
        latch,
        rooms,
        geometry,
        flags: 0,
        writable: access.writable,
        limit: access.limit,
        read_as: ProcessWord::new(UNREAD),
        write_as: ProcessState::new(0),
        stored: ProcessSize::new(geometry.capacity),
        set: ProcessState::new(0),
        doomed: true,
        #[cfg(feature = "async")]
        watched: ProcessState::new(0),
        #[cfg(feature = "async")]
        judged: ProcessState::new(u32::MAX),
    }
}

/// The control block of a file, wherever it says that it is: the last bytes.
pub(super) fn control(home: &FileHome) -> &Control {
    let at = home.len() - CONTROL;
    // SAFETY: the mapping has at least `CONTROL` bytes, a multiple of 64, and begins on a page; it lives as long as `home`. The
    // words are atomics.
    unsafe { &*home.as_ptr().as_ptr().add(at).cast::<Control>() }
}
