//! Whether an element of a `FixedVec` is there: a field that leads to one behind the last counts for
//! nothing, so a store to it would be lost unseen.

use super::failure::Failure;
use crate::layout::{self, Schema};
use crate::protocol::Span;

/// Checks each `FixedVec` on the way to a part of a value. `length` tells one's length, by where in the
/// value it lies.
#[cold]
pub(super) fn check(
    schema: &Schema,
    part: Span,
    length: &mut dyn FnMut(usize) -> Result<u32, Failure>,
) -> Result<(), Failure> {
    let mut found = Ok(());
    layout::descend(schema, part.offset, part.len, &mut |step| {
        let layout::Step::Element { index, counted } = step else {
            return;
        };
        if let (Some(at), Ok(())) = (counted, &found) {
            found = length(at).and_then(|len| {
                if index < len as usize {
                    return Ok(());
                }
                let path = layout::path_of(schema, part.offset, part.len);
                Err(Failure::NoElement {
                    path: path.into(),
                    len,
                })
            });
        }
    });
    found
}
