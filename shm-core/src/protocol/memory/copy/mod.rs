//! Moving bytes into, out of and within a segment while other processes may touch the same bytes.
//!
//! A Rust reference or `memcpy` must not be used here: both promise the compiler that no other thread
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

use std::slice;

use crate::protocol::memory::atomics::{AtomicU64, Ordering::Relaxed};
#[cfg(shm_stop_points)]
use crate::protocol::memory::stop::stop;

mod comb;
pub(in crate::protocol) mod exact;
#[cfg(all(target_arch = "x86_64", not(any(loom, miri, portable_copy))))]
mod masked;
mod span;
#[cfg(all(target_arch = "x86_64", not(any(loom, miri, portable_copy))))]
mod vector;
// In tests also beside the other, to be compared with it.
#[cfg(any(
    test,
    not(all(target_arch = "x86_64", not(any(loom, miri, portable_copy))))
))]
mod words;

#[cfg(all(target_arch = "x86_64", not(any(loom, miri, portable_copy))))]
use vector as way;
#[cfg(not(all(target_arch = "x86_64", not(any(loom, miri, portable_copy)))))]
use words as way;

pub(crate) use comb::Comb;
pub(crate) use span::Span;

const WORD: usize = size_of::<u64>();

/// For more bytes than this [`Area::load_long`] is worth its call.
pub(crate) const LONG: usize = 512;

/// A stretch of 64-bit words in the segment: one copy of the payload, or a schema room.
///
/// It is a pointer, not a reference: other processes change what it leads to at any time.
///
/// # Invariants
///
/// - **mapped**: the `bytes` bytes from `first` on are mapped for as long as this value or a copy of
///   it is used, and may be written if the mapping may.
/// - **words**: `first` is aligned to 8 bytes, and `bytes` is a multiple of 64: where a byte lies
///   within, its whole word does.
/// - **shared**: nothing in this process touches them but atomics and the files of this folder.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Area {
    first: *const AtomicU64,
    bytes: usize,
}

impl Area {
    /// # Safety
    ///
    /// The [invariants](Area#invariants) hold: mapped, words, shared.
    pub(in crate::protocol) unsafe fn new(first: *const AtomicU64, bytes: usize) -> Area {
        debug_assert!(bytes % 64 == 0);
        Area { first, bytes }
    }

    /// The area of this size that lies so many bytes before this one.
    ///
    /// # Safety
    ///
    /// The [invariants](Area#invariants) hold for it: mapped, words, shared.
    #[inline(always)]
    pub(in crate::protocol) unsafe fn before(self, bytes: usize) -> Area {
        let first = self.first.wrapping_byte_sub(bytes);
        Area { first, ..self }
    }

    /// The area of this size that lies so many bytes behind this one.
    ///
    /// # Safety
    ///
    /// As for [`Area::before`].
    #[inline(always)]
    pub(in crate::protocol) unsafe fn behind(self, bytes: usize) -> Area {
        let first = self.first.wrapping_byte_add(bytes);
        Area { first, ..self }
    }

    /// Its first word.
    pub(in crate::protocol) fn first(self) -> *const AtomicU64 {
        self.first
    }

    /// The capacity in bytes.
    pub(in crate::protocol) fn bytes(self) -> usize {
        self.bytes
    }

    /// Copies `len` bytes from `offset` on to `dst`, private memory that may be uninitialised
    /// before.
    ///
    /// # Safety
    ///
    /// In bounds: `offset + len <= self.bytes()`. `dst` is valid for writes of `len` bytes.
    #[inline(always)]
    pub(in crate::protocol) unsafe fn load(self, offset: usize, dst: *mut u8, len: usize) {
        debug_assert!(self.holds(offset, len));
        // SAFETY: the words up to `offset + len` are there (in bounds; mapped, words), and `dst` takes
        // `len` bytes.
        unsafe { way::load(self.first, offset, dst, len) }
    }

    /// The same for many bytes, to memory that won't be moved: the fastest way from half a KiB on.
    ///
    /// # Safety
    ///
    /// In bounds, and `dst` is valid for writes of `len` bytes, as for [`Area::load`].
    #[inline(always)]
    pub(in crate::protocol) unsafe fn load_long(self, offset: usize, dst: *mut u8, len: usize) {
        debug_assert!(self.holds(offset, len));
        // SAFETY: the words up to `offset + len` are there (in bounds; mapped, words), and `dst` takes
        // `len` bytes.
        unsafe { way::load_long(self.first, offset, dst, len) }
    }

    /// Copies a span's bytes to `dst`, the way that is faster for as many.
    ///
    /// # Safety
    ///
    /// As for [`Area::load`].
    #[inline(always)]
    pub(in crate::protocol) unsafe fn load_span(self, span: Span, dst: *mut u8) {
        // SAFETY: this function's contract.
        unsafe {
            if span.len <= LONG {
                self.load(span.offset, dst, span.len);
            } else {
                self.load_long(span.offset, dst, span.len);
            }
        }
    }

    /// Copies `len` bytes from `src`, private memory, to `offset`. All other bytes keep their
    /// values, provided that the caller is the only writer of the words concerned: it holds the
    /// lock.
    ///
    /// # Safety
    ///
    /// In bounds: `offset + len <= self.bytes()`. `src` is valid for reads of `len` initialised bytes,
    /// and the mapping is writable.
    #[inline(always)]
    pub(in crate::protocol) unsafe fn store(self, offset: usize, src: *const u8, len: usize) {
        debug_assert!(self.holds(offset, len));
        #[cfg(shm_stop_points)]
        {
            // SAFETY: in bounds and writable for `len` bytes, and so for half of them; `src` has them.
            unsafe { way::store(self.first, offset, src, len / 2) };
            stop!("store: half");
        }
        // SAFETY: the words up to `offset + len` are there (in bounds; mapped, words) and writable, and
        // `src` has `len` bytes.
        unsafe { way::store(self.first, offset, src, len) }
    }

    /// Copies a comb's stretches from `src`, private memory, to `offset`. What lies between them
    /// keeps its values, as in [`Area::store`]; `exact`: even if a writer without the lock stores
    /// to it meanwhile.
    ///
    /// # Safety
    ///
    /// In bounds: `offset + comb.len() <= self.bytes()`. The mapping is writable, and `src` is mapped
    /// private memory of `comb.len()` bytes, which are initialised where the stretches are. Unless
    /// `exact`, this thread holds the lock.
    pub(in crate::protocol) unsafe fn store_comb(
        self,
        offset: usize,
        src: *const u8,
        comb: Comb<'_>,
        exact: bool,
    ) {
        debug_assert!(self.holds(offset, comb.len()));
        let done = if exact {
            0
        } else {
            // SAFETY: the comb is in bounds and writable, `src` has its bytes, and no other process
            // stores between its teeth: this thread holds the lock.
            unsafe { way::store_blocks(self.first, offset, src, comb) }
        };
        let rest = Span::between(done, comb.len());
        #[cfg(shm_stop_points)]
        {
            let half = Span::between(done, done + rest.len / 2);
            // SAFETY: what `each_within` names are parts of the comb's stretches; the comb is in bounds and
            // writable, and `src` has its bytes, initialised there.
            comb.each_within(half, |at, len| unsafe {
                way::store(self.first, offset + at, src.add(at), len);
            });
            stop!("store: half");
        }
        // SAFETY: these are parts of the comb's stretches; the comb is in bounds and writable, and `src`
        // has its bytes, initialised there.
        comb.each_within(rest, |at, len| unsafe {
            way::store(self.first, offset + at, src.add(at), len);
        });
    }

    /// A span outside of which the comb's stretches have the bytes at `src` here, at `offset`;
    /// `None` if they have them everywhere. It begins and ends less than 256 bytes from a
    /// difference.
    ///
    /// # Safety
    ///
    /// In bounds: `offset + comb.len() <= self.bytes()`. `src` is mapped private memory of
    /// `comb.len()` bytes, which are initialised where the stretches are.
    pub(in crate::protocol) unsafe fn difference(
        self,
        offset: usize,
        src: *const u8,
        comb: Comb<'_>,
    ) -> Option<Span> {
        /// Compared at once.
        const CHUNK: usize = 256;
        debug_assert!(self.holds(offset, comb.len()));
        // SAFETY: the comb is in bounds, and `src` has its bytes, initialised where its teeth are.
        let (done, mut changed) = unsafe { way::differing_blocks(self.first, offset, src, comb) };
        let rest = Span::between(done, comb.len());
        let mut held = [0; CHUNK];
        comb.each_within(rest, |at, len| {
            let end = at + len;
            for at in (at..end).step_by(CHUNK) {
                let len = CHUNK.min(end - at);
                let held = &mut held[..len];
                // SAFETY: a part of a stretch of the comb, which is in bounds and whose bytes `src` has,
                // initialised there; `held` is as long as the part.
                let ours = unsafe {
                    way::load(self.first, offset + at, held.as_mut_ptr(), len);
                    slice::from_raw_parts(src.add(at), len)
                };
                if ours != held {
                    let span = Span { offset: at, len };
                    changed = Some(changed.map_or(span, |changed| changed.hull(span)));
                }
            }
        });
        changed.map(|changed| Span {
            offset: offset + changed.offset,
            len: changed.len,
        })
    }

    /// Copies the words that hold these bytes of `from` to the same place here.
    ///
    /// # Safety
    ///
    /// The span lies within both areas, they do not overlap, and this one's mapping is writable.
    #[inline(always)]
    pub(in crate::protocol) unsafe fn copy_from(self, from: Area, span: Span) {
        debug_assert!(self.holds(span.offset, span.len) && from.holds(span.offset, span.len));
        let first = span.offset / WORD;
        let len = (span.offset % WORD + span.len).next_multiple_of(WORD);
        #[cfg(shm_stop_points)]
        {
            // SAFETY: the first words of those copied below.
            unsafe { way::copy(self.first.add(first), from.first.add(first), len / 16 * 8) };
            stop!("copy: half");
        }
        // SAFETY: in both areas the words of the span are there (it lies within; mapped, words), those
        // of `self` are writable, and the two do not overlap.
        unsafe { way::copy(self.first.add(first), from.first.add(first), len) }
    }

    /// The same for the first `len` bytes, but for the words that are not 0 in the mask.
    ///
    /// # Safety
    ///
    /// As for [`Area::copy_from`]; `len` is within the mask as well.
    pub(in crate::protocol) unsafe fn copy_around(
        self,
        from: Area,
        len: usize,
        mask: Option<Area>,
    ) {
        let Some(mask) = mask else {
            // SAFETY: this function's contract.
            return unsafe { self.copy_from(from, Span::whole(len)) };
        };
        let mut offset = 0;
        for at in (0..len.next_multiple_of(WORD)).step_by(WORD).chain([len]) {
            // SAFETY: the mask has the word, since its size is a multiple of words (words); what lies before is
            // within both areas (this function's contract).
            unsafe {
                let kept = at < len && mask.word(at).load(Relaxed) != 0;
                if (kept || at == len) && offset < at {
                    let len = at - offset;
                    self.copy_from(from, Span { offset, len });
                }
                if kept {
                    offset = at + WORD;
                }
            }
        }
    }

    /// A word, for those who share it without the lock.
    ///
    /// # Safety
    ///
    /// The word lies within the area, at a multiple of 8 bytes, and `'a` ends before the mapping does.
    #[inline(always)]
    pub(in crate::protocol) unsafe fn word<'a>(self, offset: usize) -> &'a AtomicU64 {
        debug_assert!(offset % WORD == 0 && self.holds(offset, WORD));
        // SAFETY: the word is there (this function's contract; mapped, words). An atomic may change under a
        // shared reference.
        unsafe { &*self.first.wrapping_byte_add(offset) }
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
        // SAFETY: they live on, and no thread writes to them any more.
        all.flat_map(|word| unsafe { word.read() }.to_ne_bytes())
            .collect()
    }

    proptest::proptest! {
        /// Also what none of them was asked to touch.
        #[test]
        fn both_ways_copy_alike(
            source in proptest::collection::vec(proptest::prelude::any::<u8>(), 301),
            offset in 0..BYTES, len in 1..=300_usize, from in 0..8_usize,
        ) {
            let offset = offset % (BYTES - len + 1);
            let from = from.min(source.len() - len);
            let (first, end) = (offset / WORD, (offset + len).next_multiple_of(WORD));
            let whole = (end - first * WORD).min(BYTES - first * WORD);
            let ways = [(words(1), words(2)), (words(1), words(2))];
            let mut loaded = [vec![3; len], vec![3; len], vec![3; len], vec![3; len]];
            let [ours, ours_long, theirs, theirs_long] = &mut loaded;
            let [(one, other), (their_one, their_other)] = &ways;
            // SAFETY: all spans lie within the areas, `source` has `len` bytes from `from` on, and each
            // vector takes as many.
            unsafe {
                let src = source.as_ptr().add(from);
                way::store(one.as_ptr(), offset, src, len);
                way::load(one.as_ptr(), offset, ours.as_mut_ptr(), len);
                way::load_long(one.as_ptr(), offset, ours_long.as_mut_ptr(), len);
                way::copy(other.as_ptr().add(first), one.as_ptr().add(first), whole);
                words::store(their_one.as_ptr(), offset, src, len);
                words::load(their_one.as_ptr(), offset, theirs.as_mut_ptr(), len);
                words::load_long(their_one.as_ptr(), offset, theirs_long.as_mut_ptr(), len);
                words::copy(their_other.as_ptr().add(first), their_one.as_ptr().add(first), whole);
            }
            proptest::prop_assert!(loaded.iter().all(|loaded| *loaded == source[from..][..len]));
            proptest::prop_assert_eq!(bytes(one), bytes(their_one));
            proptest::prop_assert_eq!(bytes(other), bytes(their_other));

            // On a processor with AVX nothing else runs the first of these.
            #[cfg(all(target_arch = "x86_64", not(any(loom, miri, portable_copy))))]
            for len in [64, 128, 192, 256] {
                let mut copies = [[3; 301]; 2];
                let [blocks, wide] = &mut copies;
                // SAFETY: `source` and both copies have 301 bytes, `len` of them from `from` on, which is at
                // most 7; `len` is a positive multiple of 64. `copy_avx` is called only where there is AVX.
                unsafe {
                    let src = source.as_ptr().add(from);
                    way::copy_blocks(blocks.as_mut_ptr().add(from), src, len);
                    if std::arch::is_x86_feature_detected!("avx") {
                        way::copy_avx(wide.as_mut_ptr().add(from), src, len);
                    } else {
                        *wide = *blocks;
                    }
                }
                let mut wanted = [3; 301];
                wanted[from..][..len].copy_from_slice(&source[from..][..len]);
                proptest::prop_assert_eq!(copies, [wanted; 2]);
            }
        }
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
