//! Invalid bytes are found by name and made valid, and nothing else is touched.

use super::{State, leak, structure};
use crate::layout::{Schema, SharedLayout, Variant, first_invalid, make_valid};

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
