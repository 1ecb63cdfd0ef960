//! The same segments from other languages: headers and modules generated from a schema.

mod c;
mod python;
mod scope;

use crate::layout::SharedLayout;

/// Bytes that came with a version of a struct.
pub(crate) struct Added {
    since: u32,
    offset: usize,
    default: Vec<u8>,
}

impl Added {
    /// What `T` adds to its earlier versions.
    pub(crate) fn of<T: SharedLayout>() -> Vec<Added> {
        let fields = T::SCHEMA.fields();
        let mut added = Vec::new();
        // Of all versions, the first one lacks most.
        T::for_each_missing(1, &mut |offset, default| {
            let field = fields.iter().rfind(|field| field.offset() <= offset);
            added.push(Added {
                since: field.map_or(1, |field| field.since()),
                offset,
                default: default.to_vec(),
            });
        });
        added
    }
}
