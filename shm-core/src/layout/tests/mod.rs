//! What the layout work promises, one file per promise.

mod any_schema;
mod c_header;
mod extends;
mod fingerprint;
mod fixed_str;
mod fixed_vec;
mod format;
mod mismatch;
mod python_module;
mod ready_made;
mod runs;
mod stored_form;
mod validity;
mod value;

use std::mem::offset_of;

use super::{FieldSchema, Schema, SharedLayout, Variant};

/// What the derive writes for a struct with padding, parameters and an array.
#[derive(Clone, Copy)]
#[repr(C)]
#[allow(dead_code)]
pub(super) struct Matrix<T, const N: usize> {
    on: bool,
    cells: [T; N],
}

// SAFETY: `repr(C)`, and the fields are listed with their offsets.
unsafe impl<T: SharedLayout, const N: usize> SharedLayout for Matrix<T, N> {
    const SCHEMA: &'static Schema = &Schema::structure(
        "Matrix",
        1,
        size_of::<Self>(),
        align_of::<Self>(),
        Self::FIELDS,
        &[],
        &[],
    );
    const FIELDS: &'static [FieldSchema] = &[
        FieldSchema::of("on", offset_of!(Self, on), bool::PART),
        FieldSchema::of("cells", offset_of!(Self, cells), <[T; N]>::PART),
    ];

    fn bits_are_valid(bytes: &[u8]) -> bool {
        bool::bits_are_valid(&bytes[..1])
            && <[T; N]>::bits_are_valid(&bytes[offset_of!(Self, cells)..][..size_of::<[T; N]>()])
    }
}

/// What the derive writes for an enum.
#[derive(Clone, Copy)]
#[repr(i8)]
#[allow(dead_code)]
pub(super) enum State {
    Idle = -1,
    Busy = 4,
}

// SAFETY: `repr(i8)` without data, and the variants are listed.
unsafe impl SharedLayout for State {
    const SCHEMA: &'static Schema = &Schema::enumeration("State", i8::SCHEMA, Self::VARIANTS);
    const VARIANTS: &'static [Variant] = &[Variant::new("Idle", -1), Variant::new("Busy", 4)];

    fn bits_are_valid(bytes: &[u8]) -> bool {
        matches!(bytes, [0xff | 4])
    }
}

crate::assert_shared!(Matrix<u64, 3>, Matrix<State, 5>, State, super::FixedStr<1>);

pub(super) fn leak<T: ?Sized>(data: impl Into<Box<T>>) -> &'static T {
    Box::leak(data.into())
}

/// A struct whose fields are `(name, offset, schema)`.
pub(super) fn structure(
    name: &'static str,
    version: u32,
    size: usize,
    align: usize,
    fields: &[(&'static str, usize, &Schema)],
) -> Schema {
    let fields: Vec<FieldSchema> = fields
        .iter()
        .map(|&(name, offset, schema)| field(name, offset, schema))
        .collect();
    struct_of(name, version, size, align, fields)
}

pub(super) fn field(name: &'static str, offset: usize, schema: &Schema) -> FieldSchema {
    FieldSchema::evolved(name, offset, leak(schema.clone()), 1, &[], false)
}

/// A struct of these fields.
pub(super) fn struct_of(
    name: &'static str,
    version: u32,
    size: usize,
    align: usize,
    fields: Vec<FieldSchema>,
) -> Schema {
    Schema::structure(name, version, size, align, leak(fields), &[], &[])
}
