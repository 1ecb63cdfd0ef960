//! What of a value is not its program's to store: fields that are padding to other programs, and
//! variants that stand for numbers which the program does not know.

use std::ops::Range;

use super::facts::other_of;
use super::validity::{is_variant, load, store};
use super::{Primitive, Schema, TypeKind, Variant};

/// An enum with a variant that stands for others.
struct Known<'a> {
    repr: Primitive,
    variants: &'a [Variant],
    other: &'a Variant,
}

/// Puts in `bytes`, which lie at `start` of a value, what a program reads: zeros in a field that is
/// padding, and the variant that stands for others where the number is unknown.
pub(crate) fn settle(schema: &Schema, start: usize, bytes: &mut [u8]) {
    let span = start..start + bytes.len();
    each_kept(schema, 0, &span, &mut |part, known| {
        let Some(part) = within(bytes, &span, &part, known.is_none()) else {
            return;
        };
        match known {
            None => part.fill(0),
            Some(Known {
                repr,
                variants,
                other,
            }) => {
                if !is_variant(repr, variants, part) {
                    store(other.value, part);
                }
            }
        }
    });
}

/// Has `present` put in `bytes`, which lie at `start` of a value and are to be stored, what the segment
/// holds: told of the offset in the value, for each part that is not to be stored.
pub(crate) fn keep(
    schema: &Schema,
    start: usize,
    bytes: &mut [u8],
    mut present: impl FnMut(usize, &mut [u8]),
) {
    let span = start..start + bytes.len();
    each_kept(schema, 0, &span, &mut |part, known| {
        let offset = part.start.max(start);
        let Some(part) = within(bytes, &span, &part, known.is_none()) else {
            return;
        };
        if known.is_none_or(|known| load(known.repr, part) == known.other.value) {
            present(offset, part);
        }
    });
}

/// What of `part` lies in `bytes`, which are those of `span`; nothing if it may not be cut and is.
fn within<'a>(
    bytes: &'a mut [u8],
    span: &Range<usize>,
    part: &Range<usize>,
    may_be_cut: bool,
) -> Option<&'a mut [u8]> {
    let cut = part.start.max(span.start)..part.end.min(span.end);
    if cut.is_empty() || (cut != *part && !may_be_cut) {
        return None;
    }
    bytes.get_mut(cut.start - span.start..cut.end - span.start)
}

/// Calls `each` with those parts of a value at `base` that meet `span`.
fn each_kept<'a>(
    schema: &'a Schema,
    base: usize,
    span: &Range<usize>,
    each: &mut dyn FnMut(Range<usize>, Option<Known<'a>>),
) {
    let meets = |at: usize, size: usize| at < span.end && at + size > span.start;
    if !meets(base, schema.size()) || !(schema.has_padding_fields() || schema.has_others()) {
        return;
    }
    if let Some(elements) = schema.elements() {
        let (first, size) = (base + elements.offset as usize, elements.schema.size());
        let skipped = span.start.saturating_sub(first) / size;
        let end = span.end.saturating_sub(first).div_ceil(size);
        for index in skipped..end.min(elements.places as usize) {
            each_kept(elements.schema, first + index * size, span, each);
        }
        return;
    }
    for padding in schema.padding() {
        let at = base + padding.offset();
        each(at..at + padding.schema().size(), None);
    }
    for field in schema.fields() {
        each_kept(field.schema(), base + field.offset(), span, each);
    }
    if let TypeKind::Enum { repr, variants, .. } = schema.kind() {
        let known = other_of(variants).map(|other| Known {
            repr,
            variants,
            other: &variants[other],
        });
        if known.is_some() {
            each(base..base + schema.size(), known);
        }
    }
}
