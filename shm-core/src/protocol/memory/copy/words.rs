//! The portable way: relaxed atomic accesses of aligned 64-bit words. A word that is covered in
//! part is read, merged and written.
#![cfg_attr(test, allow(dead_code, reason = "the other way may be in use"))]

use core::ptr;

use super::{Comb, Span};
use crate::protocol::memory::atomics::{AtomicU64, Ordering::Relaxed};

const WORD: usize = 8;

/// # Safety
///
/// The words from `first` up to `index` are mapped, aligned, and touched by atomics only.
#[inline(always)]
unsafe fn load_word(first: *const AtomicU64, index: usize) -> u64 {
    // SAFETY: word `index` is mapped and aligned. The reference lives for the load alone and is to an
    // atomic, which others may change.
    unsafe { (*first.add(index)).load(Relaxed) }
}

/// # Safety
///
/// The words from `first` up to `index` are mapped for writing, aligned, and touched by atomics only.
#[inline(always)]
unsafe fn store_word(first: *const AtomicU64, index: usize, word: u64) {
    // SAFETY: word `index` is mapped for writing and aligned. The reference lives for the store alone
    // and is to an atomic.
    unsafe { (*first.add(index)).store(word, Relaxed) }
}

/// # Safety
///
/// The words from `first` on hold `offset + len` bytes, and `dst` is valid for writes of `len`.
#[inline(always)]
pub(super) unsafe fn load(first: *const AtomicU64, offset: usize, dst: *mut u8, len: usize) {
    let mut done = 0;
    while done < len {
        let index = (offset + done) / WORD;
        let at = (offset + done) % WORD;
        let piece = usize::min(WORD - at, len - done);
        // SAFETY: word `index` holds byte `offset + done`; `at + piece <= 8`, and `done + piece <=
        // len`.
        unsafe {
            let word = load_word(first, index).to_ne_bytes();
            ptr::copy_nonoverlapping(word.as_ptr().add(at), dst.add(done), piece);
        }
        done += piece;
    }
}

pub(super) use load as load_long;

/// # Safety
///
/// The words from `first` on hold `offset + len` bytes and may be written, and `src` is valid for
/// reads of `len` initialised bytes.
#[inline(always)]
pub(super) unsafe fn store(first: *const AtomicU64, offset: usize, src: *const u8, len: usize) {
    let mut done = 0;
    while done < len {
        let index = (offset + done) / WORD;
        let at = (offset + done) % WORD;
        let piece = usize::min(WORD - at, len - done);
        // SAFETY: word `index` holds byte `offset + done`; `at + piece <= 8`, and `done + piece <=
        // len`.
        unsafe {
            let mut word = if piece == WORD {
                [0; WORD]
            } else {
                load_word(first, index).to_ne_bytes()
            };
            ptr::copy_nonoverlapping(src.add(done), word.as_mut_ptr().add(at), piece);
            store_word(first, index, u64::from_ne_bytes(word));
        }
        done += piece;
    }
}

/// None: blocks are for wider registers than a word.
pub(super) unsafe fn store_blocks(
    _: *const AtomicU64,
    _: usize,
    _: *const u8,
    _: Comb<'_>,
) -> usize {
    0
}

/// None: blocks are for wider registers than a word.
pub(super) unsafe fn differing_blocks(
    _: *const AtomicU64,
    _: usize,
    _: *const u8,
    _: Comb<'_>,
) -> (usize, Option<Span>) {
    (0, None)
}

/// # Safety
///
/// The words from each pointer on hold `len` bytes, a multiple of 8; they do not overlap, and those
/// of `to` may be written.
#[inline(always)]
pub(super) unsafe fn copy(to: *const AtomicU64, from: *const AtomicU64, len: usize) {
    for index in 0..len / WORD {
        // SAFETY: both sides have word `index`.
        unsafe { store_word(to, index, load_word(from, index)) };
    }
}
