//! A successor is what can be read and written by those that know only its predecessor.

use proptest::prelude::*;

use super::any_schema::any_schema;
use super::{field, leak, struct_of, structure};
use crate::layout::message::{Message, Piece};
use crate::layout::schema::{Names, Ref, Shape};
use crate::layout::{FieldSchema, Primitive, Schema, SharedLayout, TypeKind, Variant};

/// Each part without parts of its own: where it lies, what it is, and which values it may have if
/// not all.
fn leaves(schema: &Schema, base: usize, found: &mut Vec<(usize, String, Vec<i128>)>) {
    match schema.kind() {
        TypeKind::Struct { fields, .. } => {
            for field in fields {
                leaves(field.schema(), base + field.offset(), found);
            }
        }
        TypeKind::Array { element, len } => {
            for i in 0..len as usize {
                leaves(element, base + i * element.size(), found);
            }
        }
        TypeKind::Vec {
            element,
            capacity,
            offset,
        } => {
            found.push((base, format!("length up to {capacity}"), Vec::new()));
            for i in 0..capacity as usize {
                leaves(element, base + offset as usize + i * element.size(), found);
            }
        }
        TypeKind::Enum { repr, variants, .. } => {
            let mut values: Vec<i128> = variants.iter().map(Variant::value).collect();
            values.sort_unstable();
            found.push((base, repr.to_string(), values));
        }
        _ => found.push((base, schema.to_string(), Vec::new())),
    }
}

/// Whether each part of `older` is where it was in `newer`, and any value of it is one there.
fn keeps_all(newer: &Schema, older: &Schema) -> bool {
    let (mut in_newer, mut in_older) = (Vec::new(), Vec::new());
    leaves(newer, 0, &mut in_newer);
    leaves(older, 0, &mut in_older);
    in_older.iter().all(|(offset, name, values)| {
        in_newer.iter().any(|(at, is, may_be)| {
            at == offset && is == name && values.iter().all(|value| may_be.contains(value))
        })
    })
}

fn any_struct() -> impl Strategy<Value = Schema> {
    any_schema().prop_filter("a struct whose version can rise", |schema| {
        schema.version().is_some_and(|version| version < u32::MAX)
    })
}

/// The next version of `older`, with `added` at its end if there is one.
fn next_version(older: &Schema, added: Option<Schema>) -> Schema {
    let mut newer = older.clone();
    let Shape::Struct {
        version, fields, ..
    } = &mut newer.shape
    else {
        panic!("a struct");
    };
    *version += 1;
    let mut list = fields.get().to_vec();
    if let Some(schema) = added {
        let end = newer.size;
        newer.size = (end + schema.size).next_multiple_of(newer.align);
        list.push(FieldSchema {
            name: Ref::Static("added"),
            offset: end,
            schema: Ref::Owned(schema.into()),
            since: *version,
            former_names: Names::Static(&[]),
        });
    }
    *fields = Ref::Owned(list.into());
    newer
}

proptest! {
    #[test]
    fn a_field_at_the_end_makes_a_successor(older in any_struct(), added in any_schema()) {
        let newer = next_version(&older, Some(added));
        prop_assert_eq!(newer.extends(&older), Ok(()));
        prop_assert!(keeps_all(&newer, &older));
        prop_assert!(older.extends(&newer).is_err());
        prop_assert!(newer.extends(&newer).is_err());
        // As it is when it comes from a segment.
        if let Ok(decoded) = Schema::decode(&newer.encode()) {
            prop_assert_eq!(decoded.extends(&older), Ok(()));
        }
    }

    #[test]
    fn a_successor_keeps_all_however_it_came_about(older in any_struct(), bits in prop::collection::vec(any::<prop::sample::Index>(), 1..3)) {
        let mut bytes = next_version(&older, None).encode();
        for bit in bits {
            let bit = bit.index(8 * bytes.len());
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        if let Ok(newer) = Schema::decode(&bytes) {
            match newer.extends(&older) {
                Ok(()) => prop_assert!(keeps_all(&newer, &older), "{:?}", newer),
                Err(obstacle) => prop_assert!(!obstacle.to_string().is_empty()),
            }
        }
    }

    #[test]
    fn strangers_are_no_successors(a in any_schema(), b in any_schema()) {
        if a.extends(&b).is_ok() {
            prop_assert!(keeps_all(&a, &b));
            prop_assert!(b.extends(&a).is_err());
        }
    }
}

proptest! {
    #[test]
    fn a_message_writes_types_as_display_does(schema in any_schema()) {
        let mut message = Message::new();
        message.write("{}", &[Piece::Type(&schema)]);
        let display = schema.to_string();
        prop_assert_eq!(message.as_str(), &display[..display.len().min(message.as_str().len())]);
        prop_assert!(display.len() > 1000 || message.as_str() == display);
    }
}

#[test]
fn an_obstacle_names_the_field() {
    let of = |version, pos: &Schema| {
        structure(
            "S",
            version,
            8,
            4,
            &[("x", 0, u32::SCHEMA), ("pos", 4, pos)],
        )
    };
    let pos = |inner: &Schema| structure("Pos", 1, 4, 4, &[("left", 0, inner)]);
    let (older, newer) = (of(1, &pos(u32::SCHEMA)), of(2, &pos(i32::SCHEMA)));
    let obstacle = newer.extends(&older).unwrap_err();
    assert_eq!(obstacle.field(), Some("pos.left"));
    assert_eq!(
        obstacle.to_string(),
        "field `pos.left` is `i32`, and in version 1 it is `u32`: \
         a field keeps its type, so leave it and add another one behind all others"
    );
    assert_eq!(older.extends(&older).unwrap_err().field(), None);
}

/// Would take hours if the time grew with the square.
#[test]
fn time_grows_with_the_length_only() {
    const MANY: usize = 500_000;
    let fields = |version, prefix: char| {
        let fields: Vec<FieldSchema> = (0..MANY)
            .map(|i| field(leak(format!("{prefix}{i}")), i, u8::SCHEMA))
            .collect();
        struct_of("S", version, MANY, 1, fields)
    };
    let older = fields(1, 'a');
    assert_eq!(fields(2, 'a').extends(&older), Ok(()));
    assert!(fields(2, 'b').extends(&older).is_err());

    let variants = |reversed| {
        let mut variants: Vec<Variant> = (0..MANY)
            .map(|i| Variant::new(leak(format!("V{i}")), i as i128))
            .collect();
        if reversed {
            variants.reverse();
        }
        Schema::enumeration("E", u32::SCHEMA, leak(variants))
    };
    let of = |version, inner: &Schema| structure("S", version, 4, 4, &[("at", 0, inner)]);
    let older = of(1, &variants(false));
    assert_eq!(of(2, &variants(false)).extends(&older), Ok(()));
    assert!(of(2, &variants(true)).extends(&older).is_err());
}

#[test]
fn a_message_that_is_too_long_is_cut_between_characters() {
    let long: &'static str = leak("ß".repeat(127));
    let nested = |primitive: Primitive| {
        (0..20).fold(Schema::primitive(primitive), |inner, _| {
            structure(long, 1, 4, 4, &[(long, 0, &inner)])
        })
    };
    let of = |version, inner| structure("S", version, 4, 4, &[("at", 0, &nested(inner))]);
    let obstacle = of(2, Primitive::I32)
        .extends(&of(1, Primitive::U32))
        .unwrap_err();
    assert!(obstacle.to_string().starts_with("field `at.ßß"));
}
