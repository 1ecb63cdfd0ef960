//! Copies that touch exactly the bytes they were asked for, for segments where others own the
//! neighbours and no lock is shared.
//!
//! A copy is of parts that have no parts. Each is accessed as wide as its place's alignment and its
//! length allow, up to 8 bytes: so an aligned C `int` is loaded and stored whole, and every copy
//! that a part is in uses the same widths at the same places. Two threads that accessed one place
//! in two widths would race all the same, atomics or not ([`core::sync::atomic`], "mixed-size").

use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering::Relaxed};

/// The memory of a segment that another program laid out.
///
/// # Invariants
///
/// **mapped**: the `len` bytes from `first` on are mapped for as long as this value or a copy of it is
/// used, and may be written if the mapping may. **shared**: what else in this process touches them
/// is atomic.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RawBytes {
    first: *mut u8,
    len: usize,
}

impl RawBytes {
    /// # Safety
    ///
    /// The [invariants](RawBytes#invariants) hold: mapped, shared.
    pub(crate) unsafe fn new(first: *mut u8, len: usize) -> RawBytes {
        RawBytes { first, len }
    }

    /// Loads `count` parts of `size` bytes each, which lie at `offset` one after the other.
    ///
    /// # Safety
    ///
    /// In bounds: they lie within these bytes. `dst` is valid for writes of as many.
    pub(crate) unsafe fn load(self, dst: *mut u8, offset: usize, size: usize, count: usize) {
        debug_assert!(offset + size * count <= self.len);
        for part in 0..count {
            let at = part * size;
            // SAFETY: the part at `at` is one of `count` parts that are in bounds (mapped, shared), and
            // that `dst` takes.
            unsafe { load(dst.add(at), self.first.add(offset + at), size) };
        }
    }

    /// Stores `count` parts of `size` bytes each, which lie at `offset` one after the other, and
    /// touches nothing else.
    ///
    /// # Safety
    ///
    /// In bounds: they lie within these bytes, which may be written. `src` is valid for reads of as
    /// many initialised bytes.
    pub(crate) unsafe fn store(self, offset: usize, src: *const u8, size: usize, count: usize) {
        debug_assert!(offset + size * count <= self.len);
        for part in 0..count {
            let at = part * size;
            // SAFETY: the part at `at` is one of `count` parts that are in bounds (mapped, shared),
            // writable, and at `src`.
            unsafe { store(self.first.add(offset + at), src.add(at), size) };
        }
    }
}

/// The width of the access at `address` when `left` bytes are left.
#[inline(always)]
fn width(address: usize, left: usize) -> usize {
    [8, 4, 2]
        .into_iter()
        .find(|width| address % *width == 0 && left >= *width)
        .unwrap_or(1)
}

/// # Safety
///
/// `src` is mapped for `len` bytes, and what else in this process touches them is atomic. `dst` is
/// valid for writes of `len` bytes and does not overlap `src`.
#[inline]
unsafe fn load(dst: *mut u8, src: *const u8, len: usize) {
    let mut done = 0;
    while done < len {
        let (from, to) = (src.wrapping_add(done), dst.wrapping_add(done));
        let width = width(from.addr(), len - done);
        // SAFETY: `done + width <= len`: `from` is mapped there and aligned to `width`, and `dst` takes
        // as much.
        unsafe {
            match width {
                8 => to
                    .cast::<u64>()
                    .write_unaligned((*from.cast::<AtomicU64>()).load(Relaxed)),
                4 => to
                    .cast::<u32>()
                    .write_unaligned((*from.cast::<AtomicU32>()).load(Relaxed)),
                2 => to
                    .cast::<u16>()
                    .write_unaligned((*from.cast::<AtomicU16>()).load(Relaxed)),
                _ => to.write((*from.cast::<AtomicU8>()).load(Relaxed)),
            }
        }
        done += width;
    }
}

/// # Safety
///
/// `dst` is mapped for writing for `len` bytes, and what else in this process touches them is
/// atomic. `src` is valid for reads of `len` initialised bytes and does not overlap `dst`.
#[inline]
unsafe fn store(dst: *mut u8, src: *const u8, len: usize) {
    let mut done = 0;
    while done < len {
        let (from, to) = (src.wrapping_add(done), dst.wrapping_add(done));
        let width = width(to.addr(), len - done);
        // SAFETY: `done + width <= len`: `to` is writable there and aligned to `width`, and `src` has as
        // much.
        unsafe {
            match width {
                8 => (*to.cast::<AtomicU64>()).store(from.cast::<u64>().read_unaligned(), Relaxed),
                4 => (*to.cast::<AtomicU32>()).store(from.cast::<u32>().read_unaligned(), Relaxed),
                2 => (*to.cast::<AtomicU16>()).store(from.cast::<u16>().read_unaligned(), Relaxed),
                _ => (*to.cast::<AtomicU8>()).store(from.read(), Relaxed),
            }
        }
        done += width;
    }
}
