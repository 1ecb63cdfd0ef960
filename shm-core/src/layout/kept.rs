//! What of a value is not its program's to store: fields that are padding to other programs, and
//! variants that stand for numbers which the program does not know.

use std::ops::Range;

use super::facts::other_of;
use super::validity::{is_variant, load, store};
use super::walk::{ALL, walk};
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
    each_kept(schema, start, bytes, |_, part, known| match known {
        None => part.fill(0),
        Some(known) if is_variant(known.repr, known.variants, part) => {}
        Some(known) => store(known.other.value, part),
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
    each_kept(schema, start, bytes, |offset, part, known| {
        if known.is_none_or(|known| load(known.repr, part) == known.other.value) {
            present(offset, part);
        }
    });
}

/// Calls `each` with offset and bytes of what of `bytes`, which lie at `start` of a value, is padding or an enum with a
/// variant for others.
fn each_kept<'a>(
    schema: &'a Schema,
    start: usize,
    bytes: &mut [u8],
    mut each: impl FnMut(usize, &mut [u8], Option<Known<'a>>),
) {
    let span = start..start + bytes.len();
    let mut tell = |part: Range<usize>, known: Option<Known<'a>>| {
        let cut = part.start.max(span.start)..part.end.min(span.end);
        // Padding may be cut; of half an enum there is nothing to say.
        if !cut.is_empty() && (known.is_none() || cut == part) {
            let bytes = &mut bytes[cut.start - start..cut.end - start];
            each(cut.start, bytes, known);
        }
    };
    walk(schema, 0, &span, &mut |part, at| {
        if !part.has_padding_fields() && !part.has_others() {
            return Some(0);
        }
        for padding in part.padding() {
            let at = at + padding.offset();
            tell(at..at + padding.schema().size(), None);
        }
        if let TypeKind::Enum { repr, variants, .. } = part.kind() {
            let known = other_of(variants).map(|other| Known {
                repr,
                variants,
                other: &variants[other],
            });
            if known.is_some() {
                tell(at..at + part.size(), known);
            }
        }
        Some(ALL)
    });
}
