//! What `#[derive(SharedLayout)]` writes agrees with what the compiler knows of the type.

use std::mem::{align_of, offset_of, size_of};

use shm_core::layout::{FieldSchema, Schema, TypeKind};
use shm_core::{FixedStr, FixedVec, SharedLayout, assert_shared};

/// `name @offset size` of each field, as the schema has it.
fn fields(schema: &Schema) -> Vec<(String, usize, usize)> {
    schema
        .fields()
        .iter()
        .map(|field| {
            (
                field.name().to_owned(),
                field.offset(),
                field.schema().size(),
            )
        })
        .collect()
}

macro_rules! assert_facts {
    ($type:ty { $($field:tt: $field_type:ty),+ $(,)? }) => {{
        let schema = <$type as SharedLayout>::SCHEMA;
        assert_eq!(schema.size(), size_of::<$type>());
        assert_eq!(schema.align(), align_of::<$type>());
        let facts = [$((stringify!($field).trim_start_matches("r#").to_owned(), offset_of!($type, $field), size_of::<$field_type>())),+];
        assert_eq!(fields(schema), facts);
    }};
}

#[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
#[repr(C)]
struct StPid {
    pid: i32,
    names: FixedStr<51>,
}

#[derive(SharedLayout, Clone, Copy)]
#[repr(C, packed)]
struct Packed {
    flag: bool,
    count: u64,
    ch: char,
}

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
#[repr(align(64))]
struct Line {
    r#type: u8,
    value: f64,
}

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
struct Tuple(u8, StPid, [Level; 3]);

#[derive(SharedLayout, Clone, Copy)]
#[repr(transparent)]
struct Meters(f32);

#[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
#[repr(i16)]
enum Level {
    Low = -3,
    Next,
    Given = 7 * 2,
    Last = i16::MAX,
}

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
#[shared(version = 3)]
struct Matrix<T: Default = f64, const N: usize = 2>
where
    [T; N]: PartialEq,
{
    tag: u8,
    rows: [[T; N]; N],
}

assert_shared!(Matrix<f64, 3>, Matrix<Level2, 1>, Matrix);

#[derive(SharedLayout, Clone, Copy, Default, PartialEq)]
#[repr(u8)]
enum Level2 {
    #[default]
    A,
    B,
}

#[test]
fn the_schema_states_what_the_compiler_laid_out() {
    assert_facts!(StPid { pid: i32, names: FixedStr<51> });
    assert_facts!(Packed {
        flag: bool,
        count: u64,
        ch: char
    });
    assert_facts!(Line {
        r#type: u8,
        value: f64
    });
    assert_facts!(Tuple {
        0: u8,
        1: StPid,
        2: [Level; 3]
    });
    assert_facts!(Meters { 0: f32 });
    assert_facts!(Matrix<i32, 3> { tag: u8, rows: [[i32; 3]; 3] });
    assert_facts!(Matrix {
        tag: u8,
        rows: [[f64; 2]; 2]
    });
}

#[test]
fn the_schema_bears_the_name_and_version_of_the_struct() {
    assert_eq!(StPid::SCHEMA.name(), Some("StPid"));
    assert_eq!(StPid::SCHEMA.version(), Some(1));
    assert_eq!(<Matrix<u8, 1>>::SCHEMA.name(), Some("Matrix"));
    assert_eq!(<Matrix<u8, 1>>::SCHEMA.version(), Some(3));
}

#[test]
fn variants_have_their_discriminants_given_or_not() {
    let TypeKind::Enum { variants, .. } = Level::SCHEMA.kind() else {
        panic!("an enum")
    };
    let variants: Vec<_> = variants
        .iter()
        .map(|variant| (variant.name(), variant.value()))
        .collect();
    assert_eq!(
        variants,
        [("Low", -3), ("Next", -2), ("Given", 14), ("Last", 32767)]
    );
    assert_eq!(Level::SCHEMA.size(), 2);
}

#[test]
fn an_enum_is_valid_at_its_discriminants_only() {
    for value in i16::MIN..=i16::MAX {
        let expected = [-3, -2, 14, 32767].contains(&value);
        assert_eq!(
            Level::bits_are_valid(&value.to_ne_bytes()),
            expected,
            "{value}"
        );
    }
    assert!(!Level::bits_are_valid(&[0]));
    assert!(!Level::bits_are_valid(&[0xfd, 0xff, 0]));
}

#[test]
fn a_struct_is_valid_if_each_field_is_and_whatever_its_padding_holds() {
    let mut bytes = [0xff; size_of::<Packed>()];
    bytes[offset_of!(Packed, flag)] = 1;
    bytes[offset_of!(Packed, ch)..][..4].copy_from_slice(&('x' as u32).to_ne_bytes());
    assert!(Packed::bits_are_valid(&bytes));
    bytes[offset_of!(Packed, flag)] = 7;
    assert!(!Packed::bits_are_valid(&bytes));
    bytes[offset_of!(Packed, flag)] = 0;
    bytes[offset_of!(Packed, ch)..][..4].copy_from_slice(&0xd800_u32.to_ne_bytes());
    assert!(!Packed::bits_are_valid(&bytes));

    assert!(StPid::bits_are_valid(&[0xff; 56]));
    assert!(!StPid::bits_are_valid(&[0xff; 55]));

    let mut bytes = [0xff; size_of::<Tuple>()];
    for index in 0..3 {
        bytes[offset_of!(Tuple, 2) + 2 * index..][..2].copy_from_slice(&14_i16.to_ne_bytes());
    }
    assert!(Tuple::bits_are_valid(&bytes));
    bytes[offset_of!(Tuple, 2) + 5] = 0x55;
    assert!(!Tuple::bits_are_valid(&bytes));
}

#[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
#[repr(C)]
struct Gap {
    small: u8,
    wide: u32,
}

#[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
#[repr(C)]
#[shared(version = 4)]
struct Grown<T: Default> {
    first: u16,
    #[shared(was = "b", was = "a")]
    second: u16,
    #[shared(since = 2, default = Gap { small: 7, wide: 8 })]
    gap: Gap,
    #[shared(since = 2)]
    zeros: [Gap; 50],
    #[shared(since = 4, default = T::default())]
    item: T,
    #[shared(since = 4, default = FixedVec::from_slice(&[1, 2]).unwrap())]
    list: FixedVec<u16, 3>,
}

#[test]
fn the_past_of_a_field_is_in_the_schema() {
    let fields = Grown::<u64>::SCHEMA.fields();
    let since: Vec<u32> = fields.iter().map(FieldSchema::since).collect();
    assert_eq!(since, [1, 1, 2, 2, 4, 4]);
    let former: Vec<&str> = fields[1].former_names().collect();
    assert_eq!(former, ["b", "a"]);
    assert_eq!(fields[0].former_names().len(), 0);
}

/// What an older segment lacks is filled in, and nothing else is touched.
#[test]
fn missing_fields_get_their_defaults_without_padding() {
    type Newest = Grown<u64>;
    let filled = |older| {
        let mut bytes = [0xee; size_of::<Newest>()];
        Newest::for_each_missing(older, &mut |offset, part: &[u8]| {
            bytes[offset..][..part.len()].copy_from_slice(part);
        });
        bytes
    };
    let expected = |older| {
        let mut bytes = [0xee; size_of::<Newest>()];
        let mut put =
            |offset: usize, part: &[u8]| bytes[offset..][..part.len()].copy_from_slice(part);
        if older < 2 {
            put(4, &[7]);
            put(8, &8_u32.to_ne_bytes());
            for i in 0..50 {
                put(12 + 8 * i, &[0]);
                put(16 + 8 * i, &[0; 4]);
            }
        }
        if older < 4 {
            put(offset_of!(Newest, item), &[0; 8]);
            put(offset_of!(Newest, list), &2_u32.to_ne_bytes());
            let elements = [1_u16, 2, 0].map(u16::to_ne_bytes).concat();
            put(offset_of!(Newest, list) + 4, &elements);
        }
        bytes
    };
    for older in 0..6 {
        assert_eq!(filled(older), expected(older), "{older}");
    }
    assert!(Newest::bits_are_valid(&filled(1)));
}

#[test]
fn the_layout_shows_in_the_fingerprint_and_the_path_does_not() {
    macro_rules! fingerprint {
        ($(#[$attr:meta])* { $($field:ident: $type:ty),+ }) => {{
            #[derive(SharedLayout, Clone, Copy)]
            #[repr(C)]
            $(#[$attr])*
            #[allow(dead_code)]
            struct Same { $($field: $type),+ }
            Same::FINGERPRINT
        }};
    }
    let here = fingerprint!({ a: u32, b: u32 });
    assert_eq!(here, fingerprint!({ a: u32, b: u32 }));
    for other in [
        fingerprint!({ b: u32, a: u32 }),
        fingerprint!({ a: u32, c: u32 }),
        fingerprint!({ a: u32, b: i32 }),
        fingerprint!({ a: u32, b: u16 }),
        fingerprint!(#[shared(version = 2)] { a: u32, b: u32 }),
    ] {
        assert_ne!(here, other);
    }
}

mod bytemuck_traits {
    use super::*;
    use bytemuck::{AnyBitPattern, CheckedBitPattern, NoUninit, Zeroable};

    /// Whether a type implements a trait, found out without requiring it.
    macro_rules! implements {
        ($type:ty: $rule:ident) => {{
            struct Probe<T>(std::marker::PhantomData<T>);
            #[allow(dead_code)]
            trait No {
                const ANSWER: bool = false;
            }
            impl<T> No for Probe<T> {}
            #[allow(dead_code)]
            impl<T: $rule> Probe<T> {
                const ANSWER: bool = true;
            }
            Probe::<$type>::ANSWER
        }};
    }

    #[derive(SharedLayout, Clone, Copy)]
    #[repr(C)]
    struct Dense {
        a: u32,
        b: [u16; 2],
    }

    #[test]
    fn a_struct_has_those_that_hold_for_its_fields() {
        assert!(implements!(Dense: AnyBitPattern));
        assert!(implements!(Dense: NoUninit));
        assert!(implements!(StPid: AnyBitPattern));
        assert!(!implements!(StPid: NoUninit), "it ends in a padding byte");
        assert!(implements!(Packed: Zeroable));
        assert!(!implements!(Packed: AnyBitPattern), "it has a bool");
        assert!(implements!(Packed: NoUninit), "packing leaves no padding");
        assert!(implements!(Meters: NoUninit));
        assert!(!implements!(Line: NoUninit));
        assert!(implements!(Matrix<u32, 2>: AnyBitPattern));
        assert!(!implements!(Matrix<Level2, 2>: AnyBitPattern));
    }

    #[test]
    fn an_enum_has_those_that_hold_for_its_variants() {
        assert!(implements!(Level: NoUninit));
        assert!(implements!(Level: CheckedBitPattern));
        assert!(!implements!(Level: Zeroable), "no variant is 0");
        assert!(!implements!(Level: AnyBitPattern));
        assert!(implements!(Level2: Zeroable));
        assert_eq!(
            bytemuck::checked::try_cast::<i16, Level>(14),
            Ok(Level::Given)
        );
        assert!(bytemuck::checked::try_cast::<i16, Level>(15).is_err());
    }

    #[derive(SharedLayout, Clone, Copy, bytemuck_derive::Zeroable, bytemuck_derive::Pod)]
    #[repr(C)]
    #[shared(bytemuck = false)]
    struct Theirs {
        a: u32,
        b: u32,
    }

    #[test]
    fn they_are_left_to_the_user_on_request() {
        assert_eq!(bytemuck::bytes_of(&Theirs { a: 0, b: 0 }), [0; 8]);
        assert_facts!(Theirs { a: u32, b: u32 });
    }
}
