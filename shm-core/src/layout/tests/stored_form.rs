//! What is stored comes back, and bytes from a stranger do no harm.

use proptest::collection::vec;
use proptest::prelude::*;

use super::any_schema::any_schema;
use super::{Matrix, State, leak, struct_of, structure};
use crate::layout::canonical::MAX_ENCODED;
use crate::layout::{
    FieldSchema, FixedVec, Mismatch, Runs, Schema, SharedLayout, TypeKind, first_invalid,
    make_valid,
};

/// Does with a stranger's schema all that a program may do with it.
fn exercise(schema: &Schema) {
    let _ = (
        schema.fingerprint(),
        schema.to_string(),
        Runs::of(schema, 0),
    );
    let mine = Matrix::<State, 3>::SCHEMA;
    let _ = Mismatch::new(schema, mine).to_string();
    let _ = (schema.extends(mine), mine.extends(schema));
    let mut bytes = vec![0xee; schema.size().min(4096)];
    make_valid(schema, &mut bytes);
    assert_eq!(first_invalid(schema, &bytes), None);
}

proptest! {
    #[test]
    fn what_is_stored_comes_back(schema in any_schema()) {
        let bytes = schema.encode();
        prop_assert_eq!(bytes.len(), schema.encoded_len());
        let decoded = Schema::decode(&bytes).unwrap();
        prop_assert_eq!(&decoded, &schema);
        prop_assert_eq!(decoded.fingerprint(), schema.fingerprint());
        exercise(&decoded);
    }

    #[test]
    fn a_flipped_bit_is_an_error_or_another_schema(schema in any_schema(), bit in any::<prop::sample::Index>()) {
        let mut bytes = schema.encode();
        let bit = bit.index(8 * bytes.len());
        bytes[bit / 8] ^= 1 << (bit % 8);
        match Schema::decode(&bytes) {
            Ok(decoded) => {
                prop_assert_ne!(&decoded, &schema);
                prop_assert_eq!(decoded.encode(), bytes);
                exercise(&decoded);
            }
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
    }

    #[test]
    fn a_cut_is_an_error(schema in any_schema(), cut in any::<prop::sample::Index>()) {
        let bytes = schema.encode();
        prop_assert!(Schema::decode(&bytes[..cut.index(bytes.len())]).is_err());
    }

    #[test]
    fn random_bytes_are_no_panic(mut bytes in vec(any::<u8>(), 0..200)) {
        let _ = Schema::decode(&bytes);
        for (byte, header) in bytes.iter_mut().zip(Schema::encode(u8::SCHEMA)) {
            *byte = header;
        }
        if let Ok(decoded) = Schema::decode(&bytes) {
            exercise(&decoded);
        }
    }

    #[test]
    fn random_tags_are_no_panic(tags in vec(prop_oneof![0..26_u8, 0x20..0x27_u8, Just(b'a')], 0..400)) {
        let bytes = [&u8::SCHEMA.encode()[..2], &tags].concat();
        if let Ok(decoded) = Schema::decode(&bytes) {
            exercise(&decoded);
        }
    }
}

#[test]
fn a_constant_and_its_stored_form_are_one() {
    let schema = Matrix::<State, 5>::SCHEMA;
    let decoded = Schema::decode(&schema.encode()).unwrap();
    assert_eq!(&decoded, schema);
    assert_eq!(decoded.fingerprint(), Matrix::<State, 5>::FINGERPRINT);
    assert!(matches!(
        decoded.kind(),
        TypeKind::Struct {
            name: "Matrix",
            version: 1,
            ..
        }
    ));
}

#[track_caller]
fn assert_refused(bytes: &[u8], because: &str) {
    let error = Schema::decode(bytes).unwrap_err().to_string();
    assert!(error.contains(because), "{error}");
}

#[test]
fn each_lie_is_refused() {
    let good = structure(
        "S",
        1,
        8,
        4,
        &[("ab", 0, u32::SCHEMA), ("b", 4, u32::SCHEMA)],
    )
    .encode();
    // Form, byte order, tag, name, version: what follows begins here.
    let size = 1 + 1 + 1 + 2 + 4;
    let (align, count, name) = (size + 8, size + 16, size + 24);
    let (offset, field_type) = (name + 3, name + 3 + 8);
    let with = |at: usize, value: u8| {
        let mut bytes = good.clone();
        bytes[at] = value;
        bytes
    };
    assert!(Schema::decode(&with(size, 12)).is_ok());
    assert_refused(&with(size, 0), "size of 0");
    assert_refused(&with(size, 6), "size of 6");
    assert_refused(&with(size + 7, 0x80), "size of");
    assert_refused(&with(align, 3), "alignment of 3");
    assert_refused(&with(align, 128), "alignment of 128");
    assert_refused(&with(align, 0), "alignment of 0");
    assert_refused(&with(count, 0), "without fields");
    assert_refused(&with(count, 3), "ends in the middle");
    assert_refused(&with(count + 7, 0xff), "ends in the middle");
    assert_refused(&with(count, 1), "goes on behind its end");
    assert_refused(&with(name, 0), "name");
    assert_refused(&with(name + 1, 0xff), "name");
    assert_refused(&with(name + 1, b'\n'), "name");
    assert_refused(&with(name + 1, b' '), "name");
    assert_refused(&with(offset, 1), "offset 4 overlaps");
    assert_refused(&with(offset + 7, 0xff), "overlaps");
    assert_refused(&with(field_type, 0x1f), "stands for no type");
    assert_refused(&with(0, 2), "form is 2");
    assert_refused(&with(1, 3), "no byte order");
    assert_refused(&vec![0; MAX_ENCODED + 1], "longer than");
    assert_refused(&[], "ends in the middle");
}

#[test]
fn each_lie_about_the_past_is_refused() {
    let fields = vec![
        FieldSchema::evolved("a", 0, u32::SCHEMA, 2, &["old", "older"], false),
        FieldSchema::evolved("b", 4, u32::SCHEMA, 3, &[], false),
    ];
    let good = struct_of("S", 3, 8, 4, fields).encode();
    let version = 1 + 1 + 1 + 2;
    let since = version + 4 + 8 + 8 + 8 + 2 + 8 + 1;
    let (count, name) = (since + 4, since + 5);
    let with = |at: usize, value: u8| {
        let mut bytes = good.clone();
        bytes[at] = value;
        bytes
    };
    assert!(Schema::decode(&with(since, 3)).is_ok());
    assert_refused(&with(since, 0), "since version 0 in a struct of version 3");
    assert_refused(&with(since, 4), "since version 4 in a struct of version 3");
    assert_refused(
        &with(version, 2),
        "since version 3 in a struct of version 2",
    );
    assert_refused(&with(version, 0), "version 0");
    let last = good.len() - 5;
    assert_refused(&with(last, 1), "since version 1 behind one since version 2");
    assert_refused(&with(good.len() - 1, 1), "ends in the middle");
    assert!(Schema::decode(&with(count, 1)).is_err());
    assert_refused(&with(name, 0), "name");
    assert_refused(&with(name + 1, b' '), "name");
}

#[test]
fn values_and_integers_of_enums_are_checked() {
    let good = State::SCHEMA.encode();
    let repr = 1 + 1 + 1 + 1 + "State".len();
    let value = repr + 1 + 8 + 1 + "Idle".len();
    let with = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        bytes
    };
    assert_refused(&with(repr, u8::SCHEMA.encode()[2]), "value -1 does not fit");
    assert_refused(
        &with(repr, bool::SCHEMA.encode()[2]),
        "not stored as an integer",
    );
    assert_refused(&with(value, 0x7f), "does not fit");
    assert_refused(&with(repr + 1, 0), "without variants");
}

#[test]
fn each_lie_about_a_vector_is_refused() {
    let good = FixedVec::<u16, 4>::SCHEMA.encode();
    let (capacity, offset) = (3, 3 + 8);
    let with = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        bytes
    };
    let wider = Schema::decode(&with(offset, 8)).unwrap();
    assert_eq!((wider.size(), wider.align()), (16, 8));
    assert_refused(&with(capacity, 0), "for 0 elements");
    assert_refused(&with(capacity + 4, 1), "for 4294967300 elements");
    assert_refused(&with(offset, 2), "begin at 2");
    assert_refused(&with(offset, 12), "begin at 12");
    assert_refused(&with(offset, 128), "begin at 128");
    let mut nested = u8::SCHEMA.encode()[..2].to_vec();
    for _ in 0..8 {
        nested.extend([
            0x24, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0,
        ]);
    }
    nested.push(1);
    assert_refused(&nested, "size of");
}

#[test]
fn depth_and_length_are_bounded() {
    let nested = |depth: usize, len: u8| {
        let mut bytes = u8::SCHEMA.encode()[..2].to_vec();
        for _ in 1..depth {
            bytes.extend([0x20, len, 0, 0, 0, 0, 0, 0, 0]);
        }
        bytes.push(1);
        bytes
    };
    assert!(Schema::decode(&nested(Schema::MAX_DEPTH, 1)).is_ok());
    assert_refused(&nested(Schema::MAX_DEPTH + 1, 1), "nest deeper");
    assert_refused(&nested(100_000, 1), "nest deeper");
    assert_refused(&nested(Schema::MAX_DEPTH, 255), "size of");
    assert_refused(&nested(2, 0), "size of 0");
}

#[test]
fn an_array_of_length_0_is_the_field_of_a_struct_only() {
    let none = <[u32; 0]>::SCHEMA;
    let fields = [
        ("at", 0, u8::SCHEMA),
        ("rest", 4, none),
        ("end", 4, u64::SCHEMA),
    ];
    let stored = structure("S", 1, 16, 4, &fields).encode();
    let schema = Schema::decode(&stored).unwrap();
    assert_eq!(schema.fields()[1].schema().to_string(), "[u32; 0]");
    assert_eq!(schema.encode(), stored);

    assert_refused(&none.encode(), "size of 0");
    assert_refused(&FixedVec::<u8, 1>::SCHEMA.encode()[..18], "in the middle");
    let head = u8::SCHEMA.encode()[..2].to_vec();
    let no_bytes = [0x20, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    for many in [
        &[0x20, 0, 0, 0, 0, 0, 0, 0, 0x10][..], // [[u8; 0]; 2^60]
        &[0x20, 0, 0, 0, 0, 0, 0, 0, 0],
        &[0x24, 1, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0],
    ] {
        let form = [&head, many, &no_bytes[..]].concat();
        assert_refused(&form, "size of 0");
        // As a field of a struct neither.
        let mut within = stored.clone();
        let at = within.windows(10).position(|part| part[0] == 0x20).unwrap();
        within.splice(at..at + 10, form[2..].iter().copied());
        assert_refused(&within, "size of 0");
    }
}

/// No byte of it carries a value, so no count of what was found ends a walk.
#[test]
fn many_elements_without_a_value_are_walked_in_no_time() {
    let opaque = crate::Opaque::<2>::SCHEMA.clone();
    let nest = |inner: Schema, _| Schema::array(leak(inner), 1 << (usize::BITS / 4 - 1));
    let huge = (0..4).fold(opaque, nest);
    let wrapped = structure("S", 1, huge.size(), 1, &[("huge", 0, &huge)]);
    let decoded = Schema::decode(&wrapped.encode()).unwrap();
    assert_eq!(Runs::of(&decoded, 0).as_slice(), []);
    assert!(decoded.any_bits() && decoded.zeros_are_valid());
    let limited = crate::layout::Value::decode_limited(&huge, &[], &mut 10);
    assert!(limited.is_err());
}

#[test]
fn names_that_could_fool_a_terminal_are_refused() {
    let named = |name: &'static str| structure(name, 1, 4, 4, &[("x", 0, u32::SCHEMA)]).encode();
    for good in ["S", "_9", "größe", "型", "0"] {
        assert!(Schema::decode(&named(good)).is_ok(), "{good}");
    }
    for bad in [
        "a b",
        "a\u{1b}[2J",
        "a\u{202e}b",
        "a.b",
        "a\u{a0}b",
        "\u{301}",
        "a\0",
    ] {
        assert_refused(&named(bad), "name");
    }
}

#[test]
fn the_example_in_the_format_is_what_the_code_writes() {
    #[rustfmt::skip]
    let form = [
        1, 1,
        0x22, 5, b'S', b't', b'P', b'i', b'd', 1, 0, 0, 0,
        56, 0, 0, 0, 0, 0, 0, 0,  4, 0, 0, 0, 0, 0, 0, 0,  2, 0, 0, 0, 0, 0, 0, 0,
        3, b'p', b'i', b'd', 0, 0, 0, 0, 0, 0, 0, 0, 8, 1, 0, 0, 0, 0,
        5, b'n', b'a', b'm', b'e', b's', 4, 0, 0, 0, 0, 0, 0, 0, 0x21, 51, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0,
    ];
    let st_pid = structure(
        "StPid",
        1,
        56,
        4,
        &[
            ("pid", 0, i32::SCHEMA),
            ("names", 4, crate::FixedStr::<51>::SCHEMA),
        ],
    );
    if cfg!(target_endian = "little") {
        assert_eq!(st_pid.encode(), form);
        assert_eq!(form.len(), 83);
        let fnv = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
        let hashed = [&form[..3], &form[9..21], &form[29..50], &form[55..78]].concat();
        let fingerprint = hashed.iter().fold(0xcbf2_9ce4_8422_2325, fnv);
        assert_eq!(st_pid.fingerprint().to_bits(), fingerprint);
        assert_eq!(st_pid.fingerprint().to_string(), "0x11edb9bc7d83edc9");
    }
}
