//! Moving bytes into, out of and within a segment while other processes may touch the same bytes.
//!
//! A Rust reference or `memcpy` must not be used here: both promise the compiler that nobody else
//! writes. Two kinds of access make no such promise, and the files below use only those:
//!
//! - `words.rs`: relaxed atomic loads and stores of aligned 64-bit words ([`core::sync::atomic`]:
//!   atomic accesses do not cause data races). The portable way, and the only one under `loom`;
//! - `vector.rs`: on x86-64, inline assembly. To the compiler an `asm!` block is code that it can't
//!   look into and that may touch any memory it was not told otherwise about (Rust reference,
//!   "Inline assembly", "Rules for inline assembly"). The processor touches each byte once, and
//!   keeps loads in order with loads and stores with stores (x86-TSO), which is more than relaxed
//!   atomics ask for.
//!
//! Nothing here orders or validates: that is the latch's work. [`exact`] is for segments without a
//! latch.

use super::primitive::AtomicU64;
#[cfg(shm_stop_points)]
use super::stop::stop;

pub(super) mod exact;
#[cfg(all(target_arch = "x86_64", not(any(loom, miri, portable_copy))))]
#[path = "copy/vector.rs"]
mod way;
#[cfg(not(all(target_arch = "x86_64", not(any(loom, miri, portable_copy)))))]
#[path = "copy/words.rs"]
mod way;

const WORD: usize = size_of::<u64>();

/// For more bytes than this [`Area::load_long`] is worth its call.
pub(crate) const LONG: usize = 512;

/// Some bytes of a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) offset: usize,
    pub(crate) len: usize,
}

impl Span {
    /// The first `len` bytes.
    pub(super) fn whole(len: usize) -> Span {
        Span { offset: 0, len }
    }

    /// The least span that holds both.
    pub(crate) fn hull(self, other: Span) -> Span {
        let offset = self.offset.min(other.offset);
        let end = (self.offset + self.len).max(other.offset + other.len);
        Span {
            offset,
            len: end - offset,
        }
    }
}

/// A stretch of 64-bit words in the segment: one copy of the payload, or a schema room.
///
/// It is a pointer, not a reference: what it leads to changes under everybody's feet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Area {
    first: *const AtomicU64,
    bytes: usize,
}

impl Area {
    /// The `bytes` bytes of words from `first` on, a multiple of 64.
    ///
    /// # Safety
    ///
    /// They stay mapped for as long as this value or a copy of it is used, are aligned to 8 bytes,
    /// and are touched by nothing in this process but atomics and the files below. Writing needs a
    /// mapping that may be written.
    pub(super) unsafe fn new(first: *const AtomicU64, bytes: usize) -> Area {
        debug_assert!(bytes.is_multiple_of(64));
        Area { first, bytes }
    }

    /// The capacity in bytes.
    pub(super) fn bytes(self) -> usize {
        self.bytes
    }

    /// Copies `len` bytes from `offset` on to `dst`, private memory that may be uninitialised
    /// before.
    ///
    /// # Safety
    ///
    /// `offset + len <= self.bytes()`, and `dst` is valid for writes of `len` bytes.
    #[inline(always)]
    pub(super) unsafe fn load(self, offset: usize, dst: *mut u8, len: usize) {
        debug_assert!(self.holds(offset, len));
        // SAFETY: `new` was promised mapped, aligned words, enough for `offset + len`; `dst` is the
        // caller's promise.
        unsafe { way::load(self.first, offset, dst, len) }
    }

    /// The same for many bytes, to memory that won't be moved: the fastest way from half a KiB on.
    ///
    /// # Safety
    ///
    /// As for [`Area::load`].
    #[inline(always)]
    pub(super) unsafe fn load_long(self, offset: usize, dst: *mut u8, len: usize) {
        debug_assert!(self.holds(offset, len));
        // SAFETY: as in `load`.
        unsafe { way::load_long(self.first, offset, dst, len) }
    }

    /// Copies `len` bytes from `src`, private memory, to `offset`. All other bytes keep their
    /// values, provided that the caller is the only writer of the words concerned: it holds the
    /// lock.
    ///
    /// # Safety
    ///
    /// `offset + len <= self.bytes()`, `src` is valid for reads of `len` initialised bytes, and the
    /// mapping is writable.
    #[inline(always)]
    pub(super) unsafe fn store(self, offset: usize, src: *const u8, len: usize) {
        debug_assert!(self.holds(offset, len));
        #[cfg(shm_stop_points)]
        {
            // SAFETY: as below.
            unsafe { way::store(self.first, offset, src, len / 2) };
            stop!("store: half");
        }
        // SAFETY: as in `load`, and the mapping is writable.
        unsafe { way::store(self.first, offset, src, len) }
    }

    /// Copies stretches of `len` bytes from `src`, private memory, to `offset`: `count` of them,
    /// `stride` bytes apart on both sides. What lies between them keeps its values, as in
    /// [`Area::store`].
    ///
    /// # Safety
    ///
    /// As for [`Area::store`], for each stretch; `count` is at least 1.
    #[inline(always)]
    pub(super) unsafe fn store_strided(
        self,
        offset: usize,
        src: *const u8,
        (len, count, stride): (usize, usize, usize),
    ) {
        debug_assert!(self.holds(offset, (count - 1) * stride + len));
        #[cfg(shm_stop_points)]
        {
            // SAFETY: as below.
            unsafe { way::store_strided(self.first, offset, src, (len, count / 2, stride)) };
            stop!("store: half");
        }
        // SAFETY: as in `store`.
        unsafe { way::store_strided(self.first, offset, src, (len, count, stride)) }
    }

    /// Copies the words that hold these bytes of `from` to the same place here.
    ///
    /// # Safety
    ///
    /// The span lies within both areas, they do not overlap, and this one's mapping is writable.
    #[inline(always)]
    pub(super) unsafe fn copy_from(self, from: Area, span: Span) {
        debug_assert!(self.holds(span.offset, span.len) && from.holds(span.offset, span.len));
        let first = span.offset / WORD;
        // Whole words fit where their bytes fit: areas are multiples of 64 bytes.
        let len = (span.offset % WORD + span.len).next_multiple_of(WORD);
        #[cfg(shm_stop_points)]
        {
            // SAFETY: as below.
            unsafe { way::copy(self.first.add(first), from.first.add(first), len / 16 * 8) };
            stop!("copy: half");
        }
        // SAFETY: as in `load` for `from` and in `store` for `self`; word `first` is in both.
        unsafe { way::copy(self.first.add(first), from.first.add(first), len) }
    }

    fn holds(self, offset: usize, len: usize) -> bool {
        offset.checked_add(len).is_some_and(|end| end <= self.bytes)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const BYTES: usize = 320;

    fn words(fill: u8) -> [AtomicU64; BYTES / WORD] {
        std::array::from_fn(|_| AtomicU64::new(u64::from_ne_bytes([fill; WORD])))
    }

    fn area(words: &[AtomicU64; BYTES / WORD]) -> Area {
        // SAFETY: `words` are as many aligned words, which only this area touches; atomics may be
        // written through a shared reference.
        unsafe { Area::new(words.as_ptr(), BYTES) }
    }

    fn bytes(words: &[AtomicU64; BYTES / WORD]) -> Vec<u8> {
        let all = words.iter().map(|word| word.as_ptr());
        // SAFETY: nobody writes to them any more.
        all.flat_map(|word| unsafe { word.read() }.to_ne_bytes())
            .collect()
    }

    #[test]
    fn copies_touch_the_bytes_they_were_asked_for_and_no_others() {
        let source: Vec<u8> = (0..BYTES).map(|byte| byte as u8 | 0x80).collect();
        let lens = [0, 1, 2, 7, 8, 9, 15, 16, 17, 63, 64, 65, 255, 256, 257, 310];
        for offset in [0, 1, 4, 7, 8, 9, 10] {
            for len in lens {
                let (one, other) = (words(1), words(2));
                let span = Span { offset, len };
                let (mut loaded, mut long) = (vec![3; len], vec![4; len]);
                // SAFETY: all spans lie within the areas, and `source` and `loaded` have as many
                // bytes.
                unsafe {
                    area(&one).store(offset, source.as_ptr(), len);
                    area(&one).load(offset, loaded.as_mut_ptr(), len);
                    area(&one).load_long(offset, long.as_mut_ptr(), len);
                    area(&other).copy_from(area(&one), span);
                }
                assert_eq!((&loaded, &long), (&source[..len].to_vec(), &loaded));
                let mut wanted = vec![1; BYTES];
                wanted[offset..offset + len].copy_from_slice(&source[..len]);
                assert_eq!(bytes(&one), wanted, "{span:?}");
                let first = offset / WORD * WORD;
                let end = first + (offset - first + len).next_multiple_of(WORD);
                let mut whole_words = vec![2; BYTES];
                whole_words[first..end].copy_from_slice(&wanted[first..end]);
                assert_eq!(bytes(&other), whole_words, "{span:?}");
            }
        }
    }
}
