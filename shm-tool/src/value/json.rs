//! Values as JSON: a struct as an object, a list as an array, text as a string, a variant as its name. A number that
//! JSON has no word for is a string (`"NaN"`, `"inf"`, `"-inf"`); bytes that are no text are an object with the one
//! member `hex`; an address is a string of hexadecimal digits, and what has no known value, as a free row has none, is
//! `null`.

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::{Leaf, Node};

impl Serialize for Node {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Node::Struct(fields) => {
                serializer.collect_map(fields.iter().map(|(name, part)| (&**name, part)))
            }
            Node::List(items) => serializer.collect_seq(items),
            Node::Leaf(leaf) => leaf.serialize(serializer),
        }
    }
}

impl Serialize for Leaf {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Leaf::Bool(value) => serializer.serialize_bool(*value),
            Leaf::Int(value) => serializer.serialize_i128(*value),
            Leaf::UInt(value) => serializer.serialize_u128(*value),
            Leaf::F32(value) if value.is_finite() => serializer.serialize_f32(*value),
            Leaf::F32(value) => serializer.collect_str(value),
            Leaf::F64(value) if value.is_finite() => serializer.serialize_f64(*value),
            Leaf::F64(value) => serializer.collect_str(value),
            Leaf::Char(value) => serializer.serialize_char(*value),
            Leaf::Text(text) => serializer.serialize_str(text),
            Leaf::Variant(name) => serializer.serialize_str(name),
            Leaf::Address(address) => serializer.collect_str(&format_args!("{address:#x}")),
            Leaf::Opaque(_) | Leaf::Free => serializer.serialize_none(),
            Leaf::Bytes(bytes) => {
                let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("hex", &hex)?;
                map.end()
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_all_their_digits_and_those_that_json_lacks_are_words() {
        let node = Node::List(
            [
                Leaf::UInt(u128::MAX),
                Leaf::Int(i128::MIN),
                Leaf::F32(0.1),
                Leaf::F64(f64::NAN),
                Leaf::F32(f32::NEG_INFINITY),
                Leaf::Bytes(vec![0xff, 1]),
            ]
            .map(Node::Leaf)
            .into(),
        );
        assert_eq!(
            serde_json::to_string(&node).unwrap(),
            format!(
                "[{},{},0.1,\"NaN\",\"-inf\",{{\"hex\":\"ff01\"}}]",
                u128::MAX,
                i128::MIN
            )
        );
    }
}
