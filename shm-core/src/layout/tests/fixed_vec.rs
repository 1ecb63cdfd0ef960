//! `FixedVec` holds what fits, never more, and bytes from elsewhere are one only if they are.

use std::collections::HashSet;
use std::mem::{align_of, size_of};

use proptest::prelude::*;

use super::{Matrix, State};
use crate::FixedVec;
use crate::layout::{Run, SharedLayout, TypeKind, first_invalid, make_valid};

crate::assert_shared!(
    FixedVec<u8, 1>,
    FixedVec<u64, 3>,
    FixedVec<State, 5>,
    FixedVec<Matrix<u16, 3>, 2>,
    FixedVec<FixedVec<bool, 3>, 2>
);

/// What C makes of `struct { uint32_t len; T items[N]; }`.
#[repr(C)]
struct InC<T, const N: usize> {
    len: u32,
    items: [T; N],
}

#[test]
fn it_lies_as_in_c() {
    fn check<T: SharedLayout, const N: usize>() {
        let schema = FixedVec::<T, N>::SCHEMA;
        let TypeKind::Vec {
            element,
            capacity,
            offset,
        } = schema.kind()
        else {
            panic!("a vector");
        };
        assert_eq!((element, capacity), (T::SCHEMA, N as u64));
        assert_eq!(offset as usize, std::mem::offset_of!(InC<T, N>, items));
        assert_eq!(schema.size(), size_of::<InC<T, N>>());
        assert_eq!(schema.align(), align_of::<InC<T, N>>());
    }
    check::<u8, 1>();
    check::<u8, 5>();
    check::<u16, 3>();
    check::<u64, 2>();
    check::<u128, 1>();
    check::<FixedVec<u8, 3>, 2>();
    check::<Matrix<u64, 2>, 3>();
}

#[test]
fn elements_up_to_the_capacity_fit() {
    let mut vec = FixedVec::<u16, 3>::new();
    assert_eq!((vec.len(), vec.capacity(), vec.pop()), (0, 3, None));
    for n in 0..3 {
        vec.push(n).unwrap();
    }
    assert_eq!(vec, [0, 1, 2]);
    assert!(vec.push(3).is_err());
    assert_eq!(vec.pop(), Some(2));
    assert!(vec.extend_from_slice(&[7, 8]).is_err());
    assert_eq!(vec, [0, 1], "nothing has changed");
    vec.extend_from_slice(&[7]).unwrap();
    vec[0] = 9;
    assert_eq!(vec.iter().sum::<u16>(), 17);
    vec.truncate(5);
    assert_eq!(vec.len(), 3);
    vec.truncate(1);
    assert_eq!(vec, [9]);
    vec.clear();
    assert!(vec.is_empty());
}

#[test]
fn only_the_elements_count() {
    let a = FixedVec::<u8, 4>::from_slice(b"ab").unwrap();
    let mut b = FixedVec::<u8, 4>::from_slice(b"abc").unwrap();
    assert_ne!(a, b);
    b.pop();
    assert_eq!(a, b);
    assert_eq!(HashSet::from([a, b]).len(), 1);
    assert_eq!(a, FixedVec::<u8, 9>::from_slice(b"ab").unwrap());
    assert_eq!(format!("{a:?}"), "[97, 98]");
}

#[test]
fn its_runs_are_the_length_and_the_elements() {
    let once = |offset, len| Run {
        offset,
        len,
        count: 1,
        stride: len,
    };
    assert!(FixedVec::<u16, 4>::RUNS.cover(12));
    assert_eq!(FixedVec::<u8, 5>::RUNS.as_slice(), [once(0, 9)]);
    assert_eq!(
        FixedVec::<u128, 2>::RUNS.as_slice(),
        [once(0, 4), once(16, 32)]
    );
}

/// Under Miri this finds any byte that the schema calls part of an element and that was never set.
#[test]
fn all_places_are_initialised() {
    let mut vec = FixedVec::<Matrix<u16, 1>, 3>::new();
    vec.push(Matrix {
        on: true,
        cells: [0x0101],
    })
    .unwrap();
    vec.push(vec[0]).unwrap();
    vec.pop();
    let moved = Box::new(vec);
    let mut found = Vec::new();
    moved.for_each_byte(100, &mut |offset, bytes| {
        found.push((
            offset,
            bytes.iter().map(|&byte| u32::from(byte)).sum::<u32>(),
        ));
    });
    found.sort_unstable();
    // The length, then in each place what lies on either side of the padding.
    let places = [(104, 1), (106, 2), (108, 1), (110, 2), (112, 0), (114, 0)];
    assert_eq!(found, [&[(100, 1)], &places[..]].concat());
}

#[test]
fn constants_can_hold_elements() {
    const PRIMES: FixedVec<u8, 8> = match FixedVec::from_slice(&[2, 3, 5]) {
        Ok(primes) => primes,
        Err(_) => FixedVec::EMPTY,
    };
    assert_eq!(PRIMES, [2, 3, 5]);
}

#[test]
fn what_is_no_vector_is_named_and_made_one() {
    type States = FixedVec<State, 3>;
    let mut bytes = *b"\x02\0\0\0\xff\x04\x07\0";
    if cfg!(target_endian = "big") {
        bytes[..4].reverse();
    }
    let shown = |bytes: &[u8]| first_invalid(States::SCHEMA, bytes).map(|found| found.to_string());
    assert!(States::bits_are_valid(&bytes), "7 lies behind the last");
    assert_eq!(shown(&bytes), None);
    bytes[5] = 7;
    assert!(!States::bits_are_valid(&bytes));
    assert_eq!(
        shown(&bytes).unwrap(),
        "field `[1]` holds 7, which is no `State`"
    );
    bytes[..4].copy_from_slice(&4_u32.to_ne_bytes());
    assert!(!States::bits_are_valid(&bytes));
    assert_eq!(
        shown(&bytes).unwrap(),
        "the value is a length of 4, which is no `FixedVec<State, 3>`"
    );
    make_valid(States::SCHEMA, &mut bytes);
    assert_eq!(bytes[..4], [0; 4]);
    bytes[..4].copy_from_slice(&2_u32.to_ne_bytes());
    make_valid(States::SCHEMA, &mut bytes);
    assert_eq!(bytes[4..], [0xff, 0xff, 7, 0], "the third does not count");
    for len in 0..8 {
        assert_eq!(first_invalid(States::SCHEMA, &bytes[..len]), None);
        make_valid(States::SCHEMA, &mut { bytes }[..len]);
    }
    assert!(!States::bits_are_valid(&bytes[..7]) && !States::bits_are_valid(&bytes[..3]));
}

#[test]
#[cfg(target_pointer_width = "64")]
fn other_programs_may_place_the_elements_elsewhere() {
    let schema = FixedVec::<u64, 1>::SCHEMA;
    let mut bytes = schema.encode();
    let offset = bytes.len() - 9;
    bytes[offset] = 4;
    let stored = crate::layout::Schema::decode(&bytes).unwrap();
    assert_ne!(stored.fingerprint(), schema.fingerprint());
    let shown = crate::layout::Mismatch::new(&stored, schema).to_string();
    assert!(
        shown.ends_with("its elements begin at 4 in the segment, at 8 in this program"),
        "{shown}"
    );
}

proptest! {
    #[test]
    fn the_fast_check_agrees(len in 0..6_u32, tail in any::<[u8; 8]>(), bool_like in any::<bool>()) {
        let tail = tail.map(|byte| if bool_like { byte & 1 } else { byte });
        let bytes = [&len.to_ne_bytes()[..], &tail].concat();
        prop_assert_eq!(
            FixedVec::<bool, 5>::bits_are_valid(&bytes),
            first_invalid(FixedVec::<bool, 5>::SCHEMA, &bytes).is_none()
        );
    }
}
