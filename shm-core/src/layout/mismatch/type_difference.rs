//! Whether two types are read the same way, and what differs if not.

use std::collections::HashMap;

use crate::layout::{FieldSchema, Schema, TypeKind, Variant};

/// In one word what differs, and in a few more where that does not show in the types' names.
pub(super) fn difference_of_type(stored: &Schema, mine: &Schema) -> (&'static str, Option<String>) {
    match (stored.kind(), mine.kind()) {
        (TypeKind::Str { .. }, TypeKind::Str { .. }) => ("size", None),
        (
            TypeKind::Array {
                element: a,
                len: a_len,
            },
            TypeKind::Array {
                element: b,
                len: b_len,
            },
        ) => {
            if a_len != b_len && same_bytes(a, b) {
                ("size", None)
            } else if a_len == b_len {
                difference_of_type(a, b)
            } else {
                ("type", None)
            }
        }
        (
            TypeKind::Vec {
                element: a,
                capacity: a_capacity,
                offset: a_offset,
            },
            TypeKind::Vec {
                element: b,
                capacity: b_capacity,
                offset: b_offset,
            },
        ) => {
            if a_offset != b_offset {
                let detail = format!(
                    "its elements begin at {a_offset} in the segment, at {b_offset} in this program"
                );
                ("layout", Some(detail))
            } else if a_capacity != b_capacity && same_bytes(a, b) {
                ("size", None)
            } else if a_capacity == b_capacity {
                difference_of_type(a, b)
            } else {
                ("type", None)
            }
        }
        (
            TypeKind::Enum {
                repr: a,
                variants: a_variants,
                ..
            },
            TypeKind::Enum {
                repr: b,
                variants: b_variants,
                ..
            },
        ) => {
            if a == b {
                ("enum", Some(difference_of_variants(a_variants, b_variants)))
            } else {
                (
                    "type",
                    Some(format!(
                        "stored as {a} in the segment, as {b} in this program"
                    )),
                )
            }
        }
        _ => ("type", None),
    }
}

fn difference_of_variants(stored: &[Variant], mine: &[Variant]) -> String {
    const MAX_NAMED: usize = 3;

    let values = |variants: &[Variant]| -> HashMap<String, i128> {
        variants
            .iter()
            .map(|variant| (variant.name().to_owned(), variant.value()))
            .collect()
    };
    let (stored_values, mine_values) = (values(stored), values(mine));
    let in_segment =
        stored
            .iter()
            .filter_map(|variant| match (variant, mine_values.get(variant.name())) {
                (stored, Some(mine)) if stored.value() == *mine => None,
                (stored, Some(mine)) => Some(format!(
                    "`{}` is {} in the segment, {mine} in this program",
                    stored.name(),
                    stored.value()
                )),
                (stored, None) => Some(format!("`{}` only in the segment", stored.name())),
            });
    let only_mine = mine
        .iter()
        .filter(|variant| !stored_values.contains_key(variant.name()))
        .map(|variant| format!("`{}` only in this program", variant.name()));
    let mut differences = in_segment.chain(only_mine);
    let mut named: Vec<String> = differences.by_ref().take(MAX_NAMED).collect();
    match differences.count() {
        _ if named.is_empty() => return "its variants are declared in another order".to_owned(),
        0 => {}
        more => named.push(format!("and {more} more")),
    }
    named.join("; ")
}

/// Whether both are arrays, or vectors, of structs in as many places.
pub(super) fn innermost_are_structs(stored: &Schema, mine: &Schema) -> bool {
    match (stored.kind(), mine.kind()) {
        (TypeKind::Struct { .. }, TypeKind::Struct { .. }) => true,
        (
            TypeKind::Array {
                element: a,
                len: a_len,
            },
            TypeKind::Array {
                element: b,
                len: b_len,
            },
        ) => a_len == b_len && innermost_are_structs(a, b),
        (
            TypeKind::Vec {
                element: a,
                capacity: a_capacity,
                offset: a_offset,
            },
            TypeKind::Vec {
                element: b,
                capacity: b_capacity,
                offset: b_offset,
            },
        ) => (a_capacity, a_offset) == (b_capacity, b_offset) && innermost_are_structs(a, b),
        _ => false,
    }
}

/// Equality as the fingerprint sees it: without the names of structs and enums, and without
/// alignment.
pub(super) fn same_bytes(a: &Schema, b: &Schema) -> bool {
    if a.size != b.size {
        return false;
    }
    match (a.kind(), b.kind()) {
        (TypeKind::Primitive(a), TypeKind::Primitive(b)) => a == b,
        (TypeKind::Array { element: a, .. }, TypeKind::Array { element: b, .. }) => {
            same_bytes(a, b)
        }
        (TypeKind::Str { .. }, TypeKind::Str { .. }) => true,
        (
            TypeKind::Vec {
                element: a,
                capacity: n,
                offset: o,
            },
            TypeKind::Vec {
                element: b,
                capacity: m,
                offset: p,
            },
        ) => n == m && o == p && same_bytes(a, b),
        (
            TypeKind::Struct {
                version: v,
                fields: fs,
                ..
            },
            TypeKind::Struct {
                version: w,
                fields: gs,
                ..
            },
        ) => {
            let same_field = |(f, g): (&FieldSchema, &FieldSchema)| {
                f.offset == g.offset && f.name() == g.name() && same_bytes(f.schema(), g.schema())
            };
            v == w && fs.len() == gs.len() && fs.iter().zip(gs).all(same_field)
        }
        (
            TypeKind::Enum {
                repr: r,
                variants: vs,
                ..
            },
            TypeKind::Enum {
                repr: s,
                variants: ws,
                ..
            },
        ) => r == s && vs == ws,
        _ => false,
    }
}
