//! Whether two types are read the same way, and what differs if not.

use crate::layout::enums::Variants;
use crate::layout::{Schema, TypeKind, Variant};

/// In one word what differs, and in a few more where that does not show in the types' names.
pub(super) fn difference_of_type(stored: &Schema, mine: &Schema) -> (&'static str, Option<String>) {
    let elements = stored.elements().zip(mine.elements());
    if let Some((a, b)) = elements.filter(|(a, b)| a.counted == b.counted) {
        return if a.offset != b.offset {
            let (a, b) = (a.offset, b.offset);
            let detail =
                format!("its elements begin at {a} in the segment, at {b} in this program");
            ("layout", Some(detail))
        } else if a.places == b.places {
            difference_of_type(a.schema, b.schema)
        } else if same_bytes(a.schema, b.schema) {
            ("size", None)
        } else {
            ("type", None)
        };
    }
    match (stored.kind(), mine.kind()) {
        (TypeKind::Str { .. }, TypeKind::Str { .. })
        | (TypeKind::Opaque { .. }, TypeKind::Opaque { .. }) => ("size", None),
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

    let (known_there, known_here) = (Variants::of(stored), Variants::of(mine));
    let in_segment = stored.iter().filter_map(|variant| {
        let (name, value) = (variant.name(), variant.value());
        match known_here.named(name).map(Variant::value) {
            Some(mine) if mine == value => None,
            Some(mine) => Some(format!(
                "`{name}` is {value} in the segment, {mine} in this program"
            )),
            None => Some(format!("`{name}` only in the segment")),
        }
    });
    let names = mine.iter().map(Variant::name);
    let only_mine = names
        .filter(|name| known_there.named(name).is_none())
        .map(|name| format!("`{name}` only in this program"));
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
    match (stored.elements(), mine.elements()) {
        (Some(a), Some(b)) => a.lie_as(&b) && innermost_are_structs(a.schema, b.schema),
        _ => {
            let is_struct = |schema: &Schema| matches!(schema.kind(), TypeKind::Struct { .. });
            is_struct(stored) && is_struct(mine)
        }
    }
}

/// Equality as the fingerprint sees it: without the names of structs and enums, and without
/// alignment.
pub(super) fn same_bytes(a: &Schema, b: &Schema) -> bool {
    a.fingerprint() == b.fingerprint()
}
