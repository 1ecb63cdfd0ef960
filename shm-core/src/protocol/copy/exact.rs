//! Copies that touch exactly the bytes they were asked for, for segments where others own the
//! neighbours and no lock is shared.
//!
//! Each access is as wide as the place's alignment allows, up to 8 bytes. So an aligned C `int` is
//! loaded and stored whole, and two copies of the same stretch use the same widths at the same
//! places.

use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering::Relaxed};

/// The width of the access at `address` when `left` bytes are left.
#[inline(always)]
fn width(address: usize, left: usize) -> usize {
    [8, 4, 2]
        .into_iter()
        .find(|width| address.is_multiple_of(*width) && left >= *width)
        .unwrap_or(1)
}

/// Copies `len` bytes out of the segment.
///
/// # Safety
///
/// `src` is mapped for `len` bytes, and what else in this process touches them is atomic. `dst` is
/// valid for writes of `len` bytes and does not overlap `src`.
pub(in crate::protocol) unsafe fn load(dst: *mut u8, src: *const u8, len: usize) {
    let mut done = 0;
    while done < len {
        let (from, to) = (src.wrapping_add(done), dst.wrapping_add(done));
        let width = width(from.addr(), len - done);
        // SAFETY: `done + width <= len`, within what the caller promised for both sides; `from` is
        // aligned to `width`.
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

/// Copies `len` bytes into the segment.
///
/// # Safety
///
/// `dst` is mapped for writing for `len` bytes, and what else in this process touches them is
/// atomic. `src` is valid for reads of `len` initialised bytes and does not overlap `dst`.
pub(in crate::protocol) unsafe fn store(dst: *mut u8, src: *const u8, len: usize) {
    let mut done = 0;
    while done < len {
        let (from, to) = (src.wrapping_add(done), dst.wrapping_add(done));
        let width = width(to.addr(), len - done);
        // SAFETY: `done + width <= len`, within what the caller promised for both sides; `to` is
        // aligned to `width`.
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
