//! A range of bytes.

/// Some bytes of a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) offset: usize,
    pub(crate) len: usize,
}

impl Span {
    /// From `offset` on, up to `end`.
    #[inline(always)]
    pub(crate) const fn between(offset: usize, end: usize) -> Span {
        let len = end - offset;
        Span { offset, len }
    }

    /// The first `len` bytes.
    pub(in crate::protocol) fn whole(len: usize) -> Span {
        Span { offset: 0, len }
    }

    /// The least span that holds both.
    pub(crate) fn hull(self, other: Span) -> Span {
        let offset = self.offset.min(other.offset);
        let end = (self.offset + self.len).max(other.offset + other.len);
        Span::between(offset, end)
    }
}
