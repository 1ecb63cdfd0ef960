//! Types as JSON: `kind`, `size`, `align`, and what belongs to the kind.

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::{Field, Kind, Type};

/// A type, to be serialised.
pub struct TypeJson<'a>(pub &'a Type);

impl Serialize for TypeJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Type {
            name,
            size,
            align,
            kind,
        } = self.0;
        let mut map = serializer.serialize_map(None)?;
        let word = match kind {
            Kind::Bool => "bool",
            Kind::Int { signed: true } => "int",
            Kind::Int { signed: false } => "uint",
            Kind::Float => "float",
            Kind::Char => "char",
            Kind::CChar { .. } => "char8",
            Kind::Text => "text",
            Kind::Union { .. } => "union",
            Kind::Pointer { .. } => "pointer",
            Kind::Opaque => "opaque",
            Kind::Enum { .. } => "enum",
            Kind::Struct { .. } => "struct",
            Kind::Array { .. } => "array",
            Kind::Vec { .. } => "vec",
        };
        map.serialize_entry("kind", word)?;
        if let Some(name) = name {
            map.serialize_entry("name", name)?;
        }
        map.serialize_entry("size", size)?;
        map.serialize_entry("align", align)?;
        match kind {
            Kind::Struct { version, fields } => {
                if let Some(version) = version {
                    map.serialize_entry("version", version)?;
                }
                let fields: Vec<FieldJson<'_>> = fields.iter().map(FieldJson).collect();
                map.serialize_entry("fields", &fields)?;
            }
            Kind::Union { members } => {
                let members: Vec<FieldJson<'_>> = members.iter().map(FieldJson).collect();
                map.serialize_entry("members", &members)?;
            }
            Kind::Pointer { written } => map.serialize_entry("written", written)?,
            Kind::Enum { signed, variants } => {
                map.serialize_entry("signed", signed)?;
                let variants: serde_json::Map<_, _> = variants
                    .iter()
                    .map(|(name, value)| (name.clone(), number(*value)))
                    .collect();
                map.serialize_entry("variants", &variants)?;
            }
            Kind::Array { element, count } => {
                map.serialize_entry("count", count)?;
                map.serialize_entry("element", &TypeJson(element))?;
            }
            Kind::Vec {
                element,
                capacity,
                offset,
            } => {
                map.serialize_entry("capacity", capacity)?;
                map.serialize_entry("offset", offset)?;
                map.serialize_entry("element", &TypeJson(element))?;
            }
            _ => {}
        }
        map.end()
    }
}

/// A variant's value; beyond 64 bits as text.
fn number(value: i128) -> serde_json::Value {
    match (i64::try_from(value), u64::try_from(value)) {
        (Ok(value), _) => value.into(),
        (_, Ok(value)) => value.into(),
        _ => value.to_string().into(),
    }
}

struct FieldJson<'a>(&'a Field);

impl Serialize for FieldJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Field {
            name,
            offset,
            bits,
            ty,
            since,
            former_names,
        } = self.0;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("name", name)?;
        map.serialize_entry("offset", offset)?;
        if let Some((first, count)) = bits {
            map.serialize_entry("first_bit", first)?;
            map.serialize_entry("bits", count)?;
        }
        if *since > 1 {
            map.serialize_entry("since", since)?;
        }
        if !former_names.is_empty() {
            map.serialize_entry("was", former_names)?;
        }
        map.serialize_entry("type", &TypeJson(ty))?;
        map.end()
    }
}
