//! The error of a text that is no value of a ready-made type, or no row.

use std::fmt;

debug_as_text! { ParseTypeError }

/// Why a text is no [`Timestamp`](super::Timestamp), [`Nanoseconds`](super::Nanoseconds), [`Id128`](super::Id128) or
/// [`RowId`](crate::RowId).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ParseTypeError {
    wanted: &'static str,
}

impl ParseTypeError {
    pub(crate) const fn new(wanted: &'static str) -> ParseTypeError {
        ParseTypeError { wanted }
    }
}

impl fmt::Display for ParseTypeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the text is not {}", self.wanted)
    }
}

impl std::error::Error for ParseTypeError {}
