//! Bytes and a schema become a tree, or an error that names the part.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::{Matrix, State, any_schema::any_schema, leak, structure};
use crate::layout::walk::{ALL, walk};
use crate::layout::{DecodeError, Enums, Schema, SharedLayout, Sink, Value, Variant, encode};

#[test]
fn a_wrong_part_is_named() {
    let invalid = |bytes: &[u8], schema| Value::decode(schema, bytes).unwrap_err().to_string();
    let mut bytes = vec![0xff; size_of::<Matrix<State, 5>>()];
    bytes[0] = 1;
    let offset = <Matrix<State, 5>>::SCHEMA.fields()[1].offset();
    bytes[offset..].fill(4);
    bytes[offset + 2] = 3;
    assert_eq!(
        invalid(&bytes, <Matrix<State, 5>>::SCHEMA),
        "field `cells[2]` holds 3, which is no `State`"
    );
    let surrogate = 0xd800_u32.to_ne_bytes();
    assert_eq!(
        invalid(&surrogate, char::SCHEMA),
        "the value is 0xd800, which is no `char`"
    );
    assert_eq!(
        invalid(&[1, 2, 3], u32::SCHEMA),
        "3 bytes are too few for a value that has 4"
    );
}

#[test]
fn parts_are_counted() {
    let schema = <[[u8; 100]; 2]>::SCHEMA;
    let limited = |mut limit| Value::decode_limited(schema, &[0; 200], &mut limit);
    assert!(limited(203).is_ok());
    for limit in [0, 1, 2, 102, 202] {
        assert_eq!(limited(limit), Err(DecodeError::TooManyParts { limit }));
    }
    // A little value that would be a large tree: one byte below thirty structs, many times. It is counted before it is judged.
    let nest = |inner: Schema, _| structure("Nest", 1, 1, 1, &[("a", 0, &inner)]);
    let deep = (0..29).fold(bool::SCHEMA.clone(), nest);
    let many = Schema::array(leak(deep), 10_000);
    assert_eq!(
        Value::decode_limited(&many, &[7; 10_000], &mut 10_000),
        Err(DecodeError::TooManyParts { limit: 10_000 })
    );
}

#[test]
fn a_walk_ends_where_its_visitor_says() {
    let mut visits = 0;
    let walked = walk(<[[u8; 3]; 3]>::SCHEMA, 0, &(0..9), &mut |part, at| {
        visits += 1;
        (part.size() > 1 || at < 4).then_some(ALL)
    });
    // The value, an array, its three bytes, an array, its first byte and the second.
    assert_eq!((walked, visits), (None, 8));
}

proptest! {
    #[test]
    fn any_bytes_decode_or_are_refused_as_the_slow_walk_does(
        schema in any_schema(), seed in any::<u64>()
    ) {
        let mut state = seed | 1;
        let bytes: Vec<u8> = (0..schema.size().min(1 << 16)).map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            // Small numbers are often valid.
            (state >> 60) as u8 % 3
        }).collect();
        prop_assume!(bytes.len() == schema.size());
        match Value::decode(&schema, &bytes) {
            Ok(_) => prop_assert_eq!(crate::layout::first_invalid(&schema, &bytes), None),
            Err(DecodeError::Invalid(invalid)) => {
                prop_assert_eq!(crate::layout::first_invalid(&schema, &bytes), Some(invalid));
            }
            Err(other) => prop_assert!(false, "{}", other),
        }
    }
}

impl Sink for Vec<u8> {
    fn bytes(&mut self, _: usize, bytes: &[u8]) {
        self.extend(bytes);
    }

    fn length(&mut self, _: usize, _: u32) {}
}

/// The bytes of the list, and how long they take to be made.
fn encoded(list: &Schema, item: &Value, len: usize) -> (Vec<u8>, Duration) {
    let items = Value::List(vec![item.clone(); len]);
    let run = |_| {
        let (start, mut bytes) = (Instant::now(), Vec::new());
        encode(list, 0, &items, &mut Enums::default(), &mut bytes).unwrap();
        (bytes, start.elapsed())
    };
    (0..20).map(run).min_by_key(|(_, took)| *took).unwrap()
}

#[test]
fn the_last_of_many_variants_is_found_about_as_fast_as_the_first() {
    let variant = |i: u16| Variant::new(leak(format!("AVariantOfThisEnum{i}")), i.into());
    let variants: Vec<Variant> = (0..3000).map(variant).collect();
    let state = leak(Box::new(Schema::enumeration(
        "State",
        u16::SCHEMA,
        leak(variants),
    )));
    let list = Schema::array(state, 2000);
    for of in [
        |i: u16| Value::from(format!("AVariantOfThisEnum{i}")),
        Value::from,
    ] {
        let (bytes, first) = encoded(&list, &of(0), 2000);
        assert_eq!(bytes, [0; 4000]);
        let (bytes, last) = encoded(&list, &of(2999), 2000);
        assert_eq!(bytes, 2999_u16.to_ne_bytes().repeat(2000));
        assert!(last < 8 * first, "{last:?}, {first:?}");
    }
}
