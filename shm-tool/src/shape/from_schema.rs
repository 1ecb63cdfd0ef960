//! The type that a segment of the library's tells of itself.

use std::sync::Arc;

use shm_core::layout::{Primitive, Schema, TypeKind};

use super::{Field, Kind, Type};

pub fn from_schema(schema: &Schema) -> Type {
    let kind = match schema.kind() {
        TypeKind::Primitive(primitive) => kind_of(primitive),
        TypeKind::Array { element, len, .. } => Kind::Array {
            element: Arc::new(from_schema(element)),
            count: Some(len),
        },
        TypeKind::Str { .. } => Kind::Text,
        TypeKind::Vec {
            element,
            capacity,
            offset,
            ..
        } => Kind::Vec {
            element: Arc::new(from_schema(element)),
            capacity,
            offset,
        },
        TypeKind::Struct {
            version, fields, ..
        } => Kind::Struct {
            version: Some(version),
            fields: fields
                .iter()
                .map(|field| Field {
                    name: field.name().to_owned(),
                    offset: field.offset() as u64,
                    bits: None,
                    ty: Arc::new(from_schema(field.schema())),
                    since: field.since(),
                    former_names: field.former_names().map(str::to_owned).collect(),
                })
                .collect(),
        },
        TypeKind::Enum { repr, variants, .. } => Kind::Enum {
            signed: repr.is_signed(),
            variants: variants
                .iter()
                .map(|v| (v.name().to_owned(), v.value()))
                .collect(),
        },
        // `Opaque`, and what later versions of the library may know.
        _ => Kind::Opaque,
    };
    Type {
        name: schema.name().map(str::to_owned),
        size: schema.size() as u64,
        align: schema.align() as u64,
        kind,
    }
}

fn kind_of(primitive: Primitive) -> Kind {
    match primitive {
        Primitive::Bool => Kind::Bool,
        Primitive::Char => Kind::Char,
        Primitive::F32 | Primitive::F64 => Kind::Float,
        integer => Kind::Int {
            signed: integer.is_signed(),
        },
    }
}
