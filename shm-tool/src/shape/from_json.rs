//! The type that `shm schema --format json` printed.

use std::sync::Arc;

use serde_json::Value;

use super::{Field, Kind, Type};

/// Larger sizes and offsets no segment has.
const MOST: u64 = 1 << 40;

/// `None`: it is no type.
pub fn from_json(json: &Value) -> Option<Type> {
    let element = || Some(Arc::new(from_json(&json["element"])?));
    let kind = match json["kind"].as_str()? {
        "bool" => Kind::Bool,
        "int" => Kind::Int { signed: true },
        "uint" => Kind::Int { signed: false },
        "float" => Kind::Float,
        "char" => Kind::Char,
        "char8" => Kind::CChar { signed: true },
        "text" => Kind::Text,
        "opaque" => Kind::Opaque,
        "pointer" => Kind::Pointer {
            written: json["written"].as_str()?.to_owned(),
        },
        "enum" => Kind::Enum {
            signed: json["signed"].as_bool()?,
            variants: variants(&json["variants"])?,
        },
        "struct" => Kind::Struct {
            version: match &json["version"] {
                Value::Null => None,
                version => Some(version.as_u64()?.try_into().ok()?),
            },
            fields: fields(&json["fields"])?,
        },
        "union" => Kind::Union {
            members: fields(&json["members"])?,
        },
        "array" => Kind::Array {
            element: element()?,
            count: match &json["count"] {
                Value::Null => None,
                count => Some(number(count)?),
            },
        },
        "vec" => Kind::Vec {
            element: element()?,
            capacity: number(&json["capacity"])?,
            offset: number(&json["offset"])?,
        },
        _ => return None,
    };
    Some(Type {
        name: json["name"].as_str().map(str::to_owned),
        size: number(&json["size"])?,
        align: number(&json["align"])?,
        kind,
    })
}

fn number(json: &Value) -> Option<u64> {
    json.as_u64().filter(|number| *number <= MOST)
}

fn fields(json: &Value) -> Option<Vec<Field>> {
    json.as_array()?.iter().map(field).collect()
}

fn field(json: &Value) -> Option<Field> {
    let bits = match (&json["first_bit"], &json["bits"]) {
        (Value::Null, Value::Null) => None,
        (first, count) => Some((number(first)?, number(count)?)),
    };
    let was = json["was"].as_array().map_or(&[][..], Vec::as_slice);
    Some(Field {
        name: json["name"].as_str()?.to_owned(),
        offset: number(&json["offset"])?,
        bits,
        ty: Arc::new(from_json(&json["type"])?),
        since: match &json["since"] {
            Value::Null => 1,
            since => since.as_u64()?.try_into().ok()?,
        },
        former_names: was
            .iter()
            .map(|name| name.as_str().map(str::to_owned))
            .collect::<Option<_>>()?,
    })
}

fn variants(json: &Value) -> Option<Vec<(String, i128)>> {
    let of = |(name, value): (&String, &Value)| {
        let value = match value {
            // Beyond 64 bits.
            Value::String(digits) => digits.parse().ok()?,
            value => value
                .as_i64()
                .map(i128::from)
                .or_else(|| value.as_u64().map(i128::from))?,
        };
        Some((name.clone(), value))
    };
    json.as_object()?.iter().map(of).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use shm_core::{FixedStr, FixedVec, SharedLayout};

    use super::*;
    use crate::shape::{TypeJson, from_schema};

    #[derive(SharedLayout, Clone, Copy)]
    #[repr(i64)]
    enum Mood {
        #[allow(dead_code)]
        Calm = i64::MIN,
        #[allow(dead_code)]
        Wild = 7,
    }

    #[derive(SharedLayout, Clone, Copy)]
    #[shared(version = 2)]
    #[repr(C)]
    struct All {
        on: bool,
        letter: char,
        name: FixedStr<5>,
        moods: [Mood; 2],
        list: FixedVec<u16, 3>,
        #[shared(since = 2, was = "lode")]
        load: f64,
    }

    #[test]
    fn what_was_printed_is_read_as_it_was() {
        let ty = from_schema(All::SCHEMA);
        let json = serde_json::to_value(TypeJson(&ty)).unwrap();
        assert_eq!(from_json(&json), Some(ty));
    }

    #[test]
    fn what_is_no_type_is_none() {
        for text in [
            "null",
            "{}",
            r#"{"kind":"int"}"#,
            r#"{"kind":"int","size":-1,"align":1}"#,
            r#"{"kind":"uint","size":18446744073709551615,"align":1}"#,
            r#"{"kind":"array","size":1,"align":1,"count":1}"#,
            r#"{"kind":"struct","size":1,"align":1,"fields":[{"name":"a"}]}"#,
        ] {
            let json = serde_json::from_str(text).unwrap();
            assert_eq!(from_json(&json), None, "{text}");
        }
    }
}
