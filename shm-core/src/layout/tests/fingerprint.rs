//! The fingerprint tells apart what must be told apart, and nothing else.

use super::{field, leak, struct_of, structure};
use crate::layout::{FieldSchema, Fingerprint, FixedStr, Schema, SharedLayout, Variant};

fn point(fields: [(&'static str, usize, &Schema); 2]) -> Fingerprint {
    structure("Point", 1, 8, 4, &fields).fingerprint()
}

fn base() -> Fingerprint {
    point([("x", 0, i32::SCHEMA), ("y", 4, i32::SCHEMA)])
}

#[test]
fn names_of_types_do_not_count() {
    let other = structure(
        "Coordinates",
        1,
        8,
        4,
        &[("x", 0, i32::SCHEMA), ("y", 4, i32::SCHEMA)],
    );
    assert_eq!(base(), other.fingerprint());
}

#[test]
fn alignment_does_not_count_so_that_32_and_64_bit_programs_agree() {
    let fields = [("x", 0, i32::SCHEMA), ("y", 4, i32::SCHEMA)];
    let other = structure("Point", 1, 8, 8, &fields);
    assert_eq!(base(), other.fingerprint());
}

#[test]
fn the_past_does_not_count() {
    let of = |since, was: &'static [&'static str]| {
        let y = FieldSchema::evolved("y", 4, i32::SCHEMA, since, was, false);
        let fields = vec![field("x", 0, i32::SCHEMA), y];
        struct_of("Point", 2, 8, 4, fields).fingerprint()
    };
    assert_eq!(of(1, &[]), of(2, &[]));
    assert_eq!(of(1, &[]), of(1, &["top"]));
}

#[test]
fn everything_else_counts() {
    let fields = [("x", 0, i32::SCHEMA), ("y", 4, i32::SCHEMA)];
    let changed = [
        (
            "swapped fields",
            point([("y", 0, i32::SCHEMA), ("x", 4, i32::SCHEMA)]),
        ),
        (
            "a renamed field",
            point([("x", 0, i32::SCHEMA), ("z", 4, i32::SCHEMA)]),
        ),
        (
            "signedness",
            point([("x", 0, i32::SCHEMA), ("y", 4, u32::SCHEMA)]),
        ),
        (
            "integer for float",
            point([("x", 0, i32::SCHEMA), ("y", 4, f32::SCHEMA)]),
        ),
        (
            "array for integer",
            point([("x", 0, i32::SCHEMA), ("y", 4, <[i32; 1]>::SCHEMA)]),
        ),
        (
            "text for bytes",
            point([("x", 0, i32::SCHEMA), ("y", 4, FixedStr::<4>::SCHEMA)]),
        ),
        (
            "an offset",
            point([("x", 0, i16::SCHEMA), ("y", 4, i32::SCHEMA)]),
        ),
        (
            "names that join to the same",
            point([("xy", 0, i32::SCHEMA), ("_", 4, i32::SCHEMA)]),
        ),
        (
            "the version",
            structure("Point", 2, 8, 4, &fields).fingerprint(),
        ),
        (
            "the size",
            structure("Point", 1, 16, 4, &fields).fingerprint(),
        ),
        ("the missing struct", <[i32; 2]>::FINGERPRINT),
    ];
    for (i, (what, fingerprint)) in changed.iter().enumerate() {
        assert_ne!(
            *fingerprint,
            base(),
            "{what} does not change the fingerprint"
        );
        for (other, earlier) in &changed[..i] {
            assert_ne!(fingerprint, earlier, "{what} looks like {other}");
        }
    }
}

#[test]
fn variants_of_enums_count() {
    let of = |repr: &Schema, variants: &[(&'static str, i128)]| {
        let variants: Vec<Variant> = variants
            .iter()
            .map(|&(name, value)| Variant::new(name, value))
            .collect();
        Schema::enumeration("State", leak(repr.clone()), leak(variants)).fingerprint()
    };
    let base = of(u8::SCHEMA, &[("Idle", 0), ("Busy", 1)]);
    assert_eq!(base, of(u8::SCHEMA, &[("Idle", 0), ("Busy", 1)]));
    assert_ne!(base, of(u16::SCHEMA, &[("Idle", 0), ("Busy", 1)]));
    assert_ne!(base, of(u8::SCHEMA, &[("Idle", 0), ("Busy", 2)]));
    assert_ne!(base, of(u8::SCHEMA, &[("Idle", 0), ("Done", 1)]));
    assert_ne!(base, of(u8::SCHEMA, &[("Idle", 0)]));
    assert_ne!(base, u8::FINGERPRINT);
}

#[test]
fn a_change_deep_inside_counts() {
    let nested = |version| {
        let inner = structure("Inner", version, 4, 4, &[("x", 0, i32::SCHEMA)]);
        let array = Schema::array(leak(inner), 3);
        structure("Outer", 1, 12, 4, &[("all", 0, &array)]).fingerprint()
    };
    assert_eq!(nested(1), nested(1));
    assert_ne!(nested(1), nested(2));
}

#[test]
fn sixteen_digits_show_it() {
    assert_eq!(
        Fingerprint::from_bits(0xab).to_string(),
        "0x00000000000000ab"
    );
}
