//! What a type adds to its earlier versions, for programs in other languages.

use super::Schema;

/// [`SharedLayout::for_each_missing`](super::SharedLayout) of some type.
type ForEachMissing = fn(u32, &mut dyn FnMut(usize, &[u8]));

/// Bytes that came with a version of a struct.
pub(crate) struct Added {
    pub(crate) since: u32,
    pub(crate) offset: usize,
    pub(crate) default: Vec<u8>,
}

impl Added {
    /// What the type with this schema adds.
    pub(super) fn of(schema: &Schema, for_each_missing: ForEachMissing) -> Vec<Added> {
        let mut added = Vec::new();
        // Of all versions, the first one lacks most.
        for_each_missing(1, &mut |offset, default| {
            let fields = schema.fields().iter();
            let field = fields.rev().find(|field| field.offset() <= offset);
            added.push(Added {
                since: field.map_or(1, |field| field.since()),
                offset,
                default: default.to_vec(),
            });
        });
        added
    }
}
