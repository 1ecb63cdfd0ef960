//! Stores to several fields, collected to become one commit.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::slice;

use super::field::Field;
use super::stretches::for_each_stretch;
use crate::layout::{SharedLayout, Sink};
use crate::protocol::{Held, Locked, Payload, Span};

/// Stores to several fields of one `T`, collected to become one commit.
///
/// # Invariants
///
/// - **within**: each span lies within a `T`.
pub(crate) struct Stores<T> {
    spans: Few<Span, 32>,
    bytes: Few<u8, 256>,
    value: PhantomData<fn(&T)>,
}

impl<T> Stores<T> {
    #[inline(always)]
    pub(crate) fn new() -> Stores<T> {
        Stores {
            spans: Few::new(Span { offset: 0, len: 0 }),
            bytes: Few::new(0),
            value: PhantomData,
        }
    }

    /// Adds what is not padding of a field's value.
    ///
    /// # Safety
    ///
    /// `source` has what is initialised of an `F`.
    #[inline(always)]
    pub(super) unsafe fn push<F: SharedLayout>(&mut self, field: Field<T, F>, source: *const u8) {
        for_each_stretch::<F>(|at, len| {
            let offset = field.span().offset + at;
            self.spans.extend(&[Span { offset, len }]);
            // SAFETY: a stretch lies within the `F`, where the bytes are initialised (this function's
            // contract).
            self.bytes
                .extend(unsafe { slice::from_raw_parts(source.add(at), len) });
        });
    }

    /// How many stretches were stored to.
    pub(crate) fn len(&self) -> usize {
        self.spans.all().len()
    }

    fn iter(&self) -> impl Iterator<Item = (Span, &[u8])> {
        let mut rest = self.bytes.all();
        self.spans.all().iter().map(move |&span| {
            let (bytes, later) = rest.split_at(span.len);
            rest = later;
            (span, bytes)
        })
    }

    fn hull(&self) -> Span {
        let hull = self.spans.all().iter().copied().reduce(Span::hull);
        hull.unwrap_or(Span { offset: 0, len: 1 })
    }

    /// Commits them; returns the new version.
    ///
    /// # Safety
    ///
    /// The segment has room for a `T`.
    pub(super) unsafe fn commit(&self, locked: &mut Locked<'_>) -> u64 {
        let write = |payload: Payload| {
            for (span, bytes) in self.iter() {
                // SAFETY: spans lie within a `T` (**within**), for which there is room (this function's
                // contract), and `bytes` has as many.
                unsafe { payload.store(span.offset, bytes.as_ptr(), span.len) };
            }
        };
        // SAFETY: there is room for a `T` (this function's contract); spans lie within it
        // (**within**), and so does their hull.
        unsafe { locked.commit_part(self.hull(), write) }
    }
}

/// Stands for the type of a value that this program knows by its schema only. Nothing is known of its
/// size: what is stored is checked against the capacity.
enum Unknown {}

/// Stores to such a value.
pub(crate) struct UnknownStores {
    stores: Stores<Unknown>,
    /// How many elements a `FixedVec` at an offset will have, if that is stored.
    lengths: BTreeMap<usize, u32>,
}

impl Sink for UnknownStores {
    fn bytes(&mut self, offset: usize, bytes: &[u8]) {
        let len = bytes.len();
        match self.stores.spans.last_mut() {
            Some(last) if last.offset + last.len == offset => last.len += len,
            _ => self.stores.spans.extend(&[Span { offset, len }]),
        }
        self.stores.bytes.extend(bytes);
    }

    fn length(&mut self, offset: usize, length: u32) {
        self.lengths.insert(offset, length);
        self.bytes(offset, &length.to_ne_bytes());
    }
}

impl UnknownStores {
    pub(crate) fn new() -> UnknownStores {
        UnknownStores {
            stores: Stores::new(),
            lengths: BTreeMap::new(),
        }
    }

    /// How many elements the `FixedVec` at `offset` says it has, as these stores will leave it.
    pub(crate) fn length_at(&self, locked: &Locked<'_>, offset: usize) -> u32 {
        if let Some(&length) = self.lengths.get(&offset) {
            return length;
        }
        let mut bytes = [0; size_of::<u32>()];
        let span = Span {
            offset,
            len: bytes.len(),
        };
        assert_within(locked, span);
        // SAFETY: the span lies within the capacity, which was checked, and `bytes` has as many.
        unsafe { locked.load(span, bytes.as_mut_ptr()) };
        u32::from_ne_bytes(bytes)
    }

    /// Commits them; returns the new version.
    pub(crate) fn commit_checked(&self, locked: &mut Locked<'_>) -> u64 {
        assert_within(locked, self.stores.hull());
        // SAFETY: the hull, and so each span, lies within the capacity, as was checked.
        unsafe { self.stores.commit(locked) }
    }
}

/// A schema in force is no larger than the capacity, and parts of a value lie within it.
fn assert_within(locked: &Locked<'_>, Span { offset, len }: Span) {
    let end = offset.checked_add(len);
    assert!(end.is_some_and(|end| end <= locked.capacity()));
}

/// Up to `N` in place; more go to the heap.
struct Few<E, const N: usize> {
    few: [E; N],
    /// How many are in place.
    len: usize,
    /// All of them, once there are more.
    many: Vec<E>,
}

impl<E: Copy, const N: usize> Few<E, N> {
    #[inline(always)]
    fn new(filler: E) -> Few<E, N> {
        Few {
            few: [filler; N],
            len: 0,
            many: Vec::new(),
        }
    }

    #[inline(always)]
    fn extend(&mut self, more: &[E]) {
        if self.many.is_empty() {
            if let Some(place) = self.few[self.len..].get_mut(..more.len()) {
                place.copy_from_slice(more);
                self.len += more.len();
                return;
            }
            self.many.extend_from_slice(&self.few[..self.len]);
        }
        self.many.extend_from_slice(more);
    }

    fn last_mut(&mut self) -> Option<&mut E> {
        let few = &mut self.few[..self.len];
        self.many.last_mut().or(few.last_mut())
    }

    fn all(&self) -> &[E] {
        if self.many.is_empty() {
            &self.few[..self.len]
        } else {
            &self.many
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    type Words = [u64; 64];

    fn stored(words: usize) -> Stores<Words> {
        let mut stores = Stores::new();
        for index in 0..words {
            let value = index as u64;
            // SAFETY: a `u64` has no padding.
            unsafe {
                stores.push::<u64>(
                    Field::<Words, Words>::WHOLE.__at(index),
                    (&raw const value).cast(),
                )
            };
        }
        for (index, (span, bytes)) in stores.iter().enumerate() {
            assert_eq!((span.offset, span.len), (index * 8, 8));
            assert_eq!(bytes, (index as u64).to_ne_bytes());
        }
        assert_eq!(stores.len(), words);
        stores
    }

    #[test]
    fn stores_of_256_bytes_take_no_heap_and_larger_ones_are_whole() {
        let most = stored(32);
        assert_eq!(
            (most.spans.many.capacity(), most.bytes.many.capacity()),
            (0, 0)
        );
        let more = stored(64);
        assert_eq!((more.spans.many.len(), more.bytes.many.len()), (64, 512));
    }

    #[test]
    fn stores_to_bytes_that_follow_each_other_are_one_stretch() {
        let mut unknown = UnknownStores::new();
        unknown.length(4, 99);
        for offset in (8..107).chain(200..300).chain([250]) {
            unknown.bytes(offset, &[offset as u8]);
        }
        let stretches = unknown.stores.iter();
        let stretches: Vec<_> = stretches
            .map(|(span, bytes)| (span.offset, bytes.len()))
            .collect();
        assert_eq!(stretches, [(4, 103), (200, 100), (250, 1)]);
        assert_eq!(unknown.stores.bytes.all()[4..6], [8, 9]);
    }
}
