//! Where in two structs a comparison is.

use crate::layout::Schema;
use crate::layout::message::Message;

/// Names of fields from the outside to the inside; [`Path::ELEMENT`] for those of an array.
pub(super) struct Path<'a> {
    steps: [&'a str; Schema::MAX_DEPTH],
    len: usize,
}

impl<'a> Path<'a> {
    /// No field's name.
    pub(super) const ELEMENT: &'static str = "[0]";

    pub(super) const fn new() -> Self {
        Path {
            steps: [""; Schema::MAX_DEPTH],
            len: 0,
        }
    }

    /// A path as deep as only a schema that was never checked can have stays as it is.
    pub(super) const fn push(&mut self, step: &'a str) {
        if self.len < self.steps.len() {
            self.steps[self.len] = step;
            self.len += 1;
        }
    }

    pub(super) const fn pop(&mut self) {
        self.len = self.len.saturating_sub(1);
    }

    /// Whether it leads to the whole.
    pub(super) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(super) const fn write(&self, message: &mut Message) {
        let mut i = 0;
        while i < self.len {
            let step = self.steps[i];
            let is_field = step.as_bytes()[0] != b'[';
            message.text(if i > 0 && is_field { "." } else { "" });
            message.text(step);
            i += 1;
        }
    }
}
