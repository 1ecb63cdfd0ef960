//! The padding of a small `T`, computed at compile time.
//!
//! Where it is little, a commit stores what lies between, straight, and copies the padding by itself
//! instead of reading back what it has just stored around it.

use super::stretches::store;
use crate::layout::SharedLayout;
use crate::protocol::{GAP, GAPS, Payload, Span};

const NOTHING: Span = Span { offset: 0, len: 0 };

/// Where the bytes of a `T` are that are padding, in ascending order, and then spans of no length; `None`: they are many, or
/// long.
pub(super) const fn gaps<T: SharedLayout>() -> Option<[Span; GAPS]> {
    if T::RUNS.more() {
        return None;
    }
    let runs = T::RUNS.as_slice();
    let mut spans = [NOTHING; GAPS];
    let (mut run, mut end, mut count) = (0, 0, 0);
    while run <= runs.len() {
        let (start, next) = if run == runs.len() {
            (size_of::<T>(), size_of::<T>())
        } else if runs[run].count == 1 {
            (runs[run].offset, runs[run].offset + runs[run].len)
        } else {
            return None;
        };
        if start < end || start - end > GAP || (start > end && count == GAPS) {
            return None;
        }
        if start > end {
            spans[count] = Span::between(end, start);
            count += 1;
        }
        (run, end) = (run + 1, next);
    }
    Some(spans)
}

/// What lies before the `index`-th of the gaps of a `T`, or behind the last one.
const fn stretch<T: SharedLayout>(index: usize) -> Span {
    let Some(spans) = gaps::<T>() else {
        return NOTHING;
    };
    let at = if index == 0 {
        0
    } else if spans[index - 1].len == 0 {
        size_of::<T>()
    } else {
        spans[index - 1].offset + spans[index - 1].len
    };
    let end = if index < GAPS && spans[index].len > 0 {
        spans[index].offset
    } else {
        size_of::<T>()
    };
    Span::between(at, end)
}

/// Stores what is not padding of a value at the start of the payload.
///
/// # Safety
///
/// The payload has room for a `T`, and `bytes` has what is initialised of one.
#[inline(always)]
pub(super) unsafe fn store_whole<T: SharedLayout>(payload: Payload, bytes: *const u8) {
    if const { gaps::<T>().is_none() } {
        // SAFETY: this function's contract.
        return unsafe { store::<T>(payload, 0, bytes) };
    }
    // Not a loop: each length is known to the compiler this way.
    macro_rules! stretches {
        ($($index:literal)*) => {$(
            let Span { offset, len } = const { stretch::<T>($index) };
            if len > 0 {
                // SAFETY: between the gaps the value's bytes are initialised (`SharedLayout`: the
                // schema tells the truth), and the payload has room for a `T`.
                unsafe { payload.store(offset, bytes.add(offset), len) };
            }
        )*};
    }
    stretches!(0 1 2 3 4);
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[derive(shm_derive::SharedLayout, Clone, Copy)]
    #[shared(crate = "crate")]
    #[repr(C)]
    struct Ragged {
        byte: u8,
        word: u64,
        half: u16,
        quarter: u32,
        last: u8,
    }

    fn pairs(spans: impl IntoIterator<Item = Span>) -> Vec<(usize, usize)> {
        let spans = spans.into_iter().filter(|span| span.len > 0);
        spans.map(|span| (span.offset, span.len)).collect()
    }

    fn found<T: SharedLayout>() -> Option<Vec<(usize, usize)>> {
        gaps::<T>().map(pairs)
    }

    fn stretches<T: SharedLayout>() -> Vec<(usize, usize)> {
        pairs((0..=GAPS).map(stretch::<T>))
    }

    #[test]
    fn gaps_and_what_lies_between_are_the_whole_value() {
        assert_eq!(found::<[u64; 8]>(), Some(vec![]));
        assert_eq!(stretches::<[u64; 8]>(), [(0, 64)]);
        // At 8, or at 4 where that is how words are aligned.
        let word = core::mem::offset_of!(Ragged, word);
        let (behind, end) = (word + 17, size_of::<Ragged>());
        let wanted = vec![(1, word - 1), (word + 10, 2), (behind, end - behind)];
        assert_eq!(found::<Ragged>(), Some(wanted));
        assert_eq!(stretches::<Ragged>(), [(0, 1), (word, 10), (word + 12, 5)]);
        assert_eq!(found::<[Ragged; 3]>(), None);
        assert_eq!(stretches::<[Ragged; 3]>(), []);
    }
}
