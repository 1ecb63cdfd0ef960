//! Invalid bytes are found by name and made valid, and nothing else is touched.

use super::{State, leak, structure};
use crate::layout::{
    FixedVec, Schema, SharedLayout, Variant, first_invalid, first_invalid_at, make_valid,
};

fn flags() -> Schema {
    let flag = structure(
        "Flag",
        1,
        8,
        4,
        &[("on", 0, bool::SCHEMA), ("level", 4, u32::SCHEMA)],
    );
    let all = Schema::array(leak(flag), 3);
    structure(
        "S",
        1,
        36,
        4,
        &[
            ("flags", 0, &all),
            ("sign", 24, char::SCHEMA),
            ("state", 28, State::SCHEMA),
        ],
    )
}

fn found(bytes: &[u8]) -> Option<String> {
    first_invalid(&flags(), bytes).map(|invalid| invalid.to_string())
}

#[test]
fn the_first_invalid_field_is_named() {
    let mut bytes = [0xee; 36];
    make_valid(&flags(), &mut bytes);
    assert_eq!(found(&bytes), None);

    bytes[28] = 7;
    assert_eq!(
        found(&bytes).unwrap(),
        "field `state` holds 7, which is no `State`"
    );
    bytes[28] = 0x80;
    assert_eq!(
        found(&bytes).unwrap(),
        "field `state` holds -128, which is no `State`"
    );
    bytes[24..28].copy_from_slice(&0xd800_u32.to_ne_bytes());
    assert_eq!(
        found(&bytes).unwrap(),
        "field `sign` holds 0xd800, which is no `char`"
    );
    bytes[16] = 7;
    assert_eq!(
        found(&bytes).unwrap(),
        "field `flags[2].on` holds 7, which is no `bool`"
    );
    assert_eq!(
        first_invalid(&flags(), &bytes).unwrap().path(),
        "flags[2].on"
    );
}

#[test]
fn making_valid_touches_invalid_bytes_only() {
    let mut bytes = [0xee; 36];
    bytes[0] = 1;
    bytes[24..28].copy_from_slice(&u32::from('ß').to_ne_bytes());
    let mut expected = bytes;
    make_valid(&flags(), &mut bytes);
    for invalid in [8, 16] {
        expected[invalid] = 0;
    }
    expected[28] = 0xff; // `State::Idle`
    assert_eq!(bytes, expected);
}

#[test]
fn a_part_is_judged_and_named_where_it_lies() {
    let found = |offset, bytes: &[u8]| {
        let invalid = first_invalid_at(<[FixedVec<State, 3>; 2]>::SCHEMA, offset, bytes);
        invalid.map(|invalid| invalid.path().to_owned())
    };
    let stride = size_of::<FixedVec<State, 3>>();
    assert_eq!(found(stride + 5, &[7]).as_deref(), Some("[1][1]"));
    assert_eq!(found(stride + 5, &[4, 4]), None);
    let length = 4_u32.to_ne_bytes();
    assert_eq!(found(stride, &length).as_deref(), Some("[1]"));
    assert_eq!(found(stride, &length[..3]), None, "half a length");
}

#[test]
fn a_later_version_knows_a_variant_by_its_place() {
    let later_state = [("Idle", -1), ("Done", 7), ("Busy", 4)];
    let later_state = later_state.map(|(name, value)| Variant::new(name, value));
    let later_state = Schema::enumeration("State", i8::SCHEMA, leak(later_state.to_vec()));
    let of = |name, state: &Schema| {
        let states = Schema::array(leak(state.clone()), 3);
        structure("S", 2, 8, 4, &[("on", 0, bool::SCHEMA), (name, 4, &states)])
    };
    let (mine, later) = (of("states", State::SCHEMA), of("modes", &later_state));
    let bytes = [4, 7, 9];
    let known = |bytes: &[u8], offset| {
        let invalid = first_invalid_at(&mine, offset, bytes).unwrap();
        let known = invalid.known_to(&later, offset, bytes);
        (
            known.path().to_owned(),
            known.newer().map(|(name, _)| name.to_owned()),
        )
    };
    assert_eq!(
        known(&bytes, 4),
        ("states[1]".to_owned(), Some("Done".to_owned()))
    );
    assert_eq!(known(&bytes[2..], 6), ("states[2]".to_owned(), None));
    assert_eq!(known(&[2], 0), ("on".to_owned(), None));
}

#[test]
fn wide_enums_are_read_whole() {
    let high = u128::MAX - 1;
    let wide = Schema::enumeration(
        "Wide",
        u128::SCHEMA,
        leak(vec![Variant::new("High", high as i128)]),
    );
    assert_eq!(first_invalid(&wide, &high.to_ne_bytes()), None);
    let other = first_invalid(&wide, &u128::MAX.to_ne_bytes()).unwrap();
    assert_eq!(
        other.to_string(),
        format!("the value is {}, which is no `Wide`", u128::MAX)
    );
    let mut bytes = [0; 16];
    make_valid(&wide, &mut bytes);
    assert_eq!(bytes, high.to_ne_bytes());
}

#[test]
fn too_few_bytes_are_no_panic() {
    for len in 0..36 {
        let mut bytes = vec![0xee; len];
        let _ = first_invalid(&flags(), &bytes);
        make_valid(&flags(), &mut bytes);
    }
}

#[test]
fn the_fast_check_agrees() {
    for byte in 0..=255 {
        assert_eq!(
            bool::bits_are_valid(&[byte]),
            first_invalid(bool::SCHEMA, &[byte]).is_none()
        );
        assert_eq!(
            State::bits_are_valid(&[byte]),
            first_invalid(State::SCHEMA, &[byte]).is_none()
        );
    }
    for bits in [
        0,
        0x41,
        0xd7ff,
        0xd800,
        0xdfff,
        0xe000,
        0x10_ffff,
        0x11_0000,
        u32::MAX,
    ] {
        let bytes = bits.to_ne_bytes();
        assert_eq!(
            char::bits_are_valid(&bytes),
            first_invalid(char::SCHEMA, &bytes).is_none()
        );
    }
    assert!(<[bool; 2]>::bits_are_valid(&[0, 1]) && !<[bool; 2]>::bits_are_valid(&[1, 2]));
}
