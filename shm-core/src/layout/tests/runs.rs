//! The runs of a type are its bytes without the padding.

use proptest::prelude::*;

use super::any_schema::any_schema;
use super::{Matrix, leak, structure};
use crate::layout::{Run, Runs, Schema, SharedLayout, TypeKind};

fn once(offset: usize, len: usize) -> Run {
    Run {
        offset,
        len,
        count: 1,
        stride: len,
    }
}

#[test]
fn neighbours_are_one_run() {
    let schema = structure(
        "S",
        1,
        12,
        4,
        &[
            ("a", 0, u32::SCHEMA),
            ("b", 4, u32::SCHEMA),
            ("c", 8, u8::SCHEMA),
        ],
    );
    let runs = Runs::of(&schema, 0);
    assert_eq!(runs.as_slice(), [once(0, 9)]);
    assert!(!runs.cover(12) && !runs.more());
    assert!(<[[u16; 3]; 5]>::RUNS.cover(30));
}

#[test]
fn an_array_of_padded_elements_is_one_strided_run() {
    let element = structure("E", 1, 8, 4, &[("a", 0, u32::SCHEMA), ("b", 4, u8::SCHEMA)]);
    let array = Schema::array(leak(Schema::array(leak(element), 10)), 100);
    let outer = structure(
        "S",
        1,
        8008,
        4,
        &[("n", 0, u32::SCHEMA), ("all", 4, &array)],
    );
    assert_eq!(
        Runs::of(&outer, 0).as_slice(),
        [
            once(0, 4),
            Run {
                offset: 4,
                len: 5,
                count: 1000,
                stride: 8
            }
        ]
    );
    assert_eq!(Matrix::<u32, 2>::RUNS.as_slice(), [once(0, 1), once(4, 8)]);
}

#[test]
fn two_strides_that_do_not_make_one_are_spelled_out() {
    let element = structure("E", 1, 4, 2, &[("a", 0, u16::SCHEMA), ("b", 2, u8::SCHEMA)]);
    let inner = structure(
        "I",
        1,
        10,
        2,
        &[
            ("es", 0, &Schema::array(leak(element), 2)),
            ("z", 8, u8::SCHEMA),
        ],
    );
    let outer = Schema::array(leak(inner), 50);
    let strided = |offset, len| Run {
        offset,
        len,
        count: 50,
        stride: 10,
    };
    assert_eq!(
        Runs::of(&outer, 0).as_slice(),
        [strided(0, 3), strided(4, 3), strided(8, 1)]
    );
}

#[test]
fn many_runs_take_several_windows() {
    let names: Vec<&'static str> = (0..40).map(|i| leak(format!("f{i}"))).collect();
    let fields: Vec<_> = names
        .iter()
        .enumerate()
        .map(|(i, &name)| (name, 2 * i, u8::SCHEMA))
        .collect();
    let schema = structure("S", 1, 80, 1, &fields);
    for (first, len, more) in [
        (0, 16, true),
        (16, 16, true),
        (24, 16, false),
        (32, 8, false),
        (40, 0, false),
    ] {
        let window = Runs::of(&schema, first);
        let expected: Vec<Run> = (first..first + len).map(|i| once(2 * i, 1)).collect();
        assert_eq!((window.as_slice(), window.more()), (&expected[..], more));
    }
}

/// Which bytes carry a value, found without thinking: byte by byte.
fn mask(schema: &Schema, base: usize, mask_bytes: &mut [bool]) {
    match schema.kind() {
        TypeKind::Struct { fields, .. } => {
            for field in fields {
                mask(field.schema(), base + field.offset(), mask_bytes);
            }
        }
        TypeKind::Array { element, len, .. } => {
            for i in 0..len as usize {
                mask(element, base + i * element.size(), mask_bytes);
            }
        }
        TypeKind::Vec {
            element,
            capacity,
            offset,
        } => {
            mask_bytes[base..][..4].fill(true);
            for i in 0..capacity as usize {
                mask(
                    element,
                    base + offset as usize + i * element.size(),
                    mask_bytes,
                );
            }
        }
        TypeKind::Opaque { .. } => {}
        _ => mask_bytes[base..][..schema.size()].fill(true),
    }
}

proptest! {
    #[test]
    fn runs_are_the_bytes_without_the_padding(schema in any_schema()) {
        let mut expected = vec![false; schema.size()];
        mask(&schema, 0, &mut expected);

        let mut covered = vec![false; schema.size()];
        let mut first = 0;
        let mut all = Vec::new();
        loop {
            let window = Runs::of(&schema, first);
            all.extend_from_slice(window.as_slice());
            if !window.more() {
                break;
            }
            prop_assert_eq!(window.as_slice().len(), Runs::WINDOW);
            first += Runs::WINDOW;
        }
        for run in &all {
            prop_assert!(run.count >= 1 && run.len >= 1 && run.stride >= run.len);
            for i in 0..run.count {
                for covered in &mut covered[run.offset + i * run.stride..][..run.len] {
                    prop_assert!(!*covered, "two runs hold one byte");
                    *covered = true;
                }
            }
        }
        prop_assert_eq!(&covered, &expected);
        prop_assert_eq!(Runs::of(&schema, 0).cover(schema.size()), expected.iter().all(|&carries| carries));

        let any_first = all.len() / 2;
        let end = all.len().min(any_first + Runs::WINDOW);
        let window = Runs::of(&schema, any_first);
        prop_assert_eq!(window.as_slice(), &all[any_first..end]);
        prop_assert!(!Runs::of(&schema, all.len()).more());
    }
}
