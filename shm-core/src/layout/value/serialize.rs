//! `serde`: a value in any format that has maps and sequences.

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::Value;

impl Serialize for Value {
    /// A struct as a map from its fields' names, a list as a sequence, an enum as the name of its
    /// variant, text as a string, text that is not UTF-8 as bytes, opaque bytes as nothing, a ready-made type as its text. Integers have 64 bits, or 128 if
    /// they need them: some formats know no such integers.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Some(text) = self.ready_made() {
            return serializer.serialize_str(&text);
        }
        match self {
            Value::Bool(value) => serializer.serialize_bool(*value),
            Value::Int(value) => match i64::try_from(*value) {
                Ok(value) => serializer.serialize_i64(value),
                Err(_) => serializer.serialize_i128(*value),
            },
            Value::UInt(value) => match u64::try_from(*value) {
                Ok(value) => serializer.serialize_u64(value),
                Err(_) => serializer.serialize_u128(*value),
            },
            Value::F32(value) => serializer.serialize_f32(*value),
            Value::F64(value) => serializer.serialize_f64(*value),
            Value::Char(value) => serializer.serialize_char(*value),
            Value::Text(text) => serializer.serialize_str(text),
            Value::Bytes(bytes) => serializer.serialize_bytes(bytes),
            Value::Opaque(_) => serializer.serialize_none(),
            Value::List(items) => serializer.collect_seq(items),
            Value::Struct { fields, .. } => {
                let mut map = serializer.serialize_map(Some(fields.len()))?;
                for (name, value) in fields {
                    map.serialize_entry(&**name, value)?;
                }
                map.end()
            }
            Value::Enum { variant, .. } => serializer.serialize_str(variant),
        }
    }
}
