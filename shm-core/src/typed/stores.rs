//! Stores to several fields, collected to become one commit.

use std::marker::PhantomData;
use std::slice;

use super::field::Field;
use super::stretches::for_each_stretch;
use crate::layout::SharedLayout;
use crate::protocol::Span;

/// Stores to several fields of one `T`, collected to become one commit.
///
/// # Invariants
///
/// - **within**: each span lies within a `T`.
pub(crate) struct Stores<T> {
    spans: Vec<Span>,
    bytes: Vec<u8>,
    value: PhantomData<fn(&T)>,
}

impl<T> Stores<T> {
    pub(crate) fn new() -> Stores<T> {
        Stores {
            spans: Vec::new(),
            bytes: Vec::new(),
            value: PhantomData,
        }
    }

    /// Adds what is not padding of a field's value.
    pub(crate) fn push<F: SharedLayout>(&mut self, field: Field<T, F>, value: &F) {
        let source = (&raw const *value).cast::<u8>();
        for_each_stretch::<F>(|at, len| {
            self.spans.push(Span {
                offset: field.span().offset + at,
                len,
            });
            // SAFETY: a stretch lies within the `F`, where the value's bytes are initialised.
            self.bytes
                .extend_from_slice(unsafe { slice::from_raw_parts(source.add(at), len) });
        });
    }

    /// How many stretches were stored to.
    pub(crate) fn len(&self) -> usize {
        self.spans.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Span, &[u8])> {
        let mut rest = self.bytes.as_slice();
        self.spans.iter().map(move |&span| {
            let (bytes, later) = rest.split_at(span.len);
            rest = later;
            (span, bytes)
        })
    }

    pub(super) fn hull(&self) -> Option<Span> {
        self.spans.iter().copied().reduce(Span::hull)
    }
}
