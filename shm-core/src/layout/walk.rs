//! The walk over the parts of a value for what judges and changes its bytes. (A `const fn` takes no closure, and each access of
//! a raw box goes through `runs::for_each_leaf`: those have loops of their own.)

use std::ops::Range;

use super::Schema;

/// How many elements to go on with: with all, and with all fields of a struct.
pub(super) const ALL: u64 = u64::MAX;

/// Calls `visit` with each part that meets `span` and with where it lies: with `schema`, which lies at `base`, first, and with
/// what a part consists of after the part. `visit` says how many elements of a list to go on with; 0 leaves out the fields of
/// a struct, and `None` ends the walk.
pub(super) fn walk<'a>(
    schema: &'a Schema,
    base: usize,
    span: &Range<usize>,
    visit: &mut dyn FnMut(&'a Schema, usize) -> Option<u64>,
) -> Option<()> {
    if base >= span.end || base + schema.size() <= span.start {
        return Some(());
    }
    let wanted = visit(schema, base)?;
    if let Some(elements) = schema.elements() {
        let (first, size) = (base + elements.offset as usize, elements.schema.size());
        let skipped = span.start.saturating_sub(first) / size;
        let end = span.end.saturating_sub(first).div_ceil(size);
        for index in skipped..end.min(elements.places.min(wanted) as usize) {
            walk(elements.schema, first + index * size, span, visit)?;
        }
    } else if wanted > 0 {
        for field in schema.fields() {
            walk(field.schema(), base + field.offset(), span, visit)?;
        }
    }
    Some(())
}
