//! Random schemas, with every kind of type, padding anywhere, and any alignment.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::layout::schema::{Names, Ref, Shape};
use crate::layout::{FieldSchema, Primitive, Schema, Variant};

fn name() -> impl Strategy<Value = String> {
    let parts = vec!["x", "Pos", "_", "names", "größe", "型", "0"];
    vec(select(parts), 1..4).prop_map(|parts| parts.concat())
}

fn integer() -> impl Strategy<Value = Primitive> {
    any::<u8>().prop_filter_map("an integer", |tag| {
        Primitive::from_tag(tag % 10 + 1).filter(|primitive| primitive.is_integer())
    })
}

fn leaf() -> impl Strategy<Value = Schema> {
    let primitive =
        (1..=24_u8).prop_map(|tag| Schema::primitive(Primitive::from_tag(tag).unwrap()));
    let text = (1..70_u64).prop_map(|size| Schema {
        size,
        align: 1,
        shape: Shape::Str,
    });
    let enumeration =
        (name(), integer(), vec((name(), any::<u8>()), 1..4)).prop_map(|(name, repr, variants)| {
            let variants = variants
                .into_iter()
                .map(|(name, value)| Variant {
                    name: owned(name),
                    value: i128::from(value & 0x7f),
                    other: false,
                })
                .collect::<Vec<_>>();
            let shape = Shape::Enum {
                name: owned(name),
                repr,
                variants: Ref::Owned(variants.into()),
            };
            Schema {
                shape,
                ..Schema::primitive(repr)
            }
        });
    let opaque = (1..9_u64, 0..3_u32).prop_map(|(count, log2)| Schema {
        size: count << log2,
        align: 1 << log2,
        shape: Shape::Opaque,
    });
    prop_oneof![4 => primitive, 1 => text, 1 => enumeration, 1 => opaque]
}

fn owned(name: String) -> Ref<str> {
    Ref::Owned(name.into())
}

fn array(element: Schema, len: u64) -> Schema {
    let (size, align) = (element.size * len, element.align);
    Schema {
        size,
        align,
        shape: Shape::Array {
            element: Ref::Owned(element.into()),
            len,
        },
    }
}

fn vector(element: Schema, capacity: u64, log2: u32) -> Schema {
    let align = 1 << log2;
    Schema {
        size: (align + element.size * capacity).next_multiple_of(align),
        align,
        shape: Shape::Vec {
            element: Ref::Owned(element.into()),
            capacity,
        },
    }
}

/// Name, gap before the field, type, whether the field is of the newest version, former names.
type Part = (String, u64, Schema, bool, Vec<String>);

fn structure(name: String, version: u32, align: u64, parts: Vec<Part>, tail: u64) -> Schema {
    let mut end = 0;
    let mut since = 1;
    let fields = parts
        .into_iter()
        .map(|(name, gap, schema, is_new, former_names)| {
            let offset = end + gap;
            end = offset + schema.size;
            if is_new {
                since = version;
            }
            FieldSchema {
                name: owned(name),
                offset,
                schema: Ref::Owned(schema.into()),
                since,
                former_names: Names::Owned(former_names.into_iter().map(Into::into).collect()),
            }
        })
        .collect::<Vec<_>>();
    let shape = Shape::Struct {
        name: owned(name),
        version,
        fields: Ref::Owned(fields.into()),
        padding: &[],
        counters: &[],
    };
    Schema {
        size: (end + tail).max(1).next_multiple_of(align),
        align,
        shape,
    }
}

pub fn any_schema() -> impl Strategy<Value = Schema> {
    leaf().prop_recursive(5, 40, 4, |inner| {
        let gap = prop_oneof![3 => Just(0_u64), 1 => 0..5_u64];
        let former_names = prop_oneof![3 => Just(Vec::new()), 1 => vec(name(), 1..3)];
        // An array of length 0 is the field of a struct only.
        let field = prop_oneof![
            9 => inner.clone(),
            1 => inner.clone().prop_map(|element| array(element, 0)),
        ];
        let part = (name(), gap.clone(), field, any::<bool>(), former_names);
        let parts = vec(part, 1..5);
        let align = (0..3_u32).prop_map(|log2| 1 << log2);
        prop_oneof![
            (inner.clone(), 1..5_u64).prop_map(|(element, len)| array(element, len)),
            (inner, 1..5_u64, 2..5_u32).prop_map(|(element, len, log2)| vector(element, len, log2)),
            (name(), 1..=u32::MAX, align, parts, gap).prop_map(
                |(name, version, align, parts, tail)| structure(name, version, align, parts, tail)
            ),
        ]
    })
}
