//! Stretches that repeat: what an array of padded elements is, seen from its bytes.

use super::Span;

/// The `teeth`, `count` times, each `stride` bytes after the one before.
///
/// # Invariants
///
/// It has teeth, they lie within one stride without overlapping, and `count` is at least 1.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Comb<'a> {
    pub(crate) teeth: &'a [Span],
    pub(crate) count: usize,
    pub(crate) stride: usize,
}

impl Comb<'_> {
    /// Shorter ones are dealt with tooth by tooth.
    pub(crate) const WORTH: usize = 2048;

    /// Bytes from the start to the end of its last stretch.
    pub(crate) fn len(self) -> usize {
        let ends = self.teeth.iter().map(|tooth| tooth.offset + tooth.len);
        (self.count - 1) * self.stride + ends.max().unwrap_or(0)
    }

    /// Calls `each` with offset and length of every stretch, or of the part of it that lies in
    /// `within`.
    pub(crate) fn each_within(self, within: Span, mut each: impl FnMut(usize, usize)) {
        let end = within.offset + within.len;
        let last = end.div_ceil(self.stride).min(self.count);
        for repetition in within.offset / self.stride..last {
            for tooth in self.teeth {
                let at = repetition * self.stride + tooth.offset;
                let (start, end) = (at.max(within.offset), (at + tooth.len).min(end));
                if start < end {
                    each(start, end - start);
                }
            }
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::super::Area;
    use super::*;
    use crate::protocol::memory::atomics::{AtomicU64, Ordering::Relaxed};

    const BYTES: usize = 8192;

    struct Words(Vec<AtomicU64>);

    impl Words {
        fn filled(fill: u8) -> Words {
            let word = u64::from_ne_bytes([fill; 8]);
            Words((0..BYTES / 8).map(|_| AtomicU64::new(word)).collect())
        }

        fn area(&self) -> Area {
            // SAFETY: as many aligned words, which only this area touches while it is used; atomics
            // may be written through a shared reference.
            unsafe { Area::new(self.0.as_ptr(), BYTES) }
        }

        fn bytes(&self) -> Vec<u8> {
            let words = self.0.iter().map(|word| word.load(Relaxed));
            words.flat_map(u64::to_ne_bytes).collect()
        }

        fn flip(&self, at: usize) {
            let mut word = [0; 8];
            word[at % 8] = 0x40;
            self.0[at / 8].fetch_xor(u64::from_ne_bytes(word), Relaxed);
        }
    }

    /// Calls `each` with combs of all kinds, and an offset.
    fn for_each_kind(mut each: impl FnMut(usize, Comb<'_>)) {
        let tooth = |offset, len| Span { offset, len };
        let kinds: [(&[Span], usize, usize); 10] = [
            (&[tooth(0, 12)], 16, 9),
            (&[tooth(0, 12)], 16, 400),
            (&[tooth(0, 5)], 8, 511),
            (&[tooth(0, 1), tooth(8, 10)], 24, 130),
            (&[tooth(0, 1), tooth(2, 2)], 5, 900),
            (&[tooth(0, 1)], 2, 1500),
            (&[tooth(0, 120), tooth(124, 4), tooth(130, 1)], 136, 40),
            (&[tooth(0, 500), tooth(504, 6)], 512, 11),
            (&[tooth(0, 7), tooth(9, 503)], 513, 9),
            (&[tooth(0, 5003)], 5003, 1),
        ];
        for (teeth, stride, count) in kinds {
            for offset in [0, 4, 17, 200] {
                let comb = Comb {
                    teeth,
                    count,
                    stride,
                };
                each(offset, comb);
            }
        }
    }

    fn source(comb: Comb<'_>) -> Vec<u8> {
        (0..comb.len()).map(|at| (at % 251) as u8 | 0x80).collect()
    }

    fn teeth(comb: Comb<'_>) -> Vec<bool> {
        let mut is_tooth = vec![false; comb.len()];
        for start in (0..comb.count).map(|repetition| repetition * comb.stride) {
            for tooth in comb.teeth {
                is_tooth[start + tooth.offset..start + tooth.offset + tooth.len].fill(true);
            }
        }
        is_tooth
    }

    #[test]
    fn a_stored_comb_changes_its_teeth_and_nothing_between_them() {
        for_each_kind(|offset, comb| {
            let source = source(comb);
            let mut wanted = vec![1; BYTES];
            for (at, _) in teeth(comb).iter().enumerate().filter(|(_, is)| **is) {
                wanted[offset + at] = source[at];
            }
            for exact in [false, true] {
                let words = Words::filled(1);
                // SAFETY: the comb lies within the area, and `source` has its bytes.
                unsafe {
                    words
                        .area()
                        .store_comb(offset, source.as_ptr(), comb, exact);
                }
                assert!(words.bytes() == wanted, "{offset}: {comb:?}, {exact}");
            }
        });
    }

    #[test]
    fn a_difference_is_one_of_teeth() {
        for_each_kind(|offset, comb| {
            let source = source(comb);
            let words = Words::filled(1);
            let difference = || {
                // SAFETY: the comb lies within the area, and `source` has its bytes.
                unsafe { words.area().difference(offset, source.as_ptr(), comb) }
            };
            // SAFETY: the comb lies within the area, and `source` has its bytes.
            unsafe { words.area().store_comb(offset, source.as_ptr(), comb, true) };
            assert_eq!(difference(), None, "{offset}: {comb:?}");
            let is_tooth = teeth(comb);
            for at in (0..comb.len()).step_by(61).chain([comb.len() - 1]) {
                words.flip(offset + at);
                match difference() {
                    Some(found) => {
                        let end = found.offset + found.len;
                        assert!(is_tooth[at] && (found.offset..end).contains(&(offset + at)));
                        assert!(found.len <= 256 && end <= offset + comb.len());
                    }
                    None => assert!(!is_tooth[at], "{offset}: {at} of {comb:?}"),
                }
                words.flip(offset + at);
            }
            words.flip(offset);
            words.flip(offset + comb.len() - 1);
            let all = Span {
                offset,
                len: comb.len(),
            };
            let found = difference().expect("two differences");
            assert_eq!(found, found.hull(all), "{comb:?}");
        });
    }

    #[test]
    fn the_part_of_a_comb_is_what_lies_in_a_span() {
        for_each_kind(|_, comb| {
            let is_tooth = teeth(comb);
            for (offset, len) in [(0, comb.len()), (3, 0), (13, 40), (comb.len() - 5, 5)] {
                let mut seen = vec![false; comb.len()];
                comb.each_within(Span { offset, len }, |at, len| {
                    assert!(seen[at..at + len].iter().all(|seen| !seen));
                    seen[at..at + len].fill(true);
                });
                let within = offset..offset + len;
                for (at, seen) in seen.into_iter().enumerate() {
                    assert_eq!(seen, is_tooth[at] && within.contains(&at), "{comb:?}");
                }
            }
        });
    }
}
