//! The text of a ready-made type, whose value is not at hand.

use std::str::FromStr;

use super::Value;
use crate::layout::{Id128, Ipv4, Ipv6, Nanoseconds, Schema, SharedLayout, Timestamp};

impl Value {
    /// The text of a ready-made type; `None`: the value is of another one.
    pub(super) fn ready_made(&self) -> Option<String> {
        let (Value::Struct { name, .. }, [(field, value)]) = (self, self.fields()) else {
            return None;
        };
        Some(match (&**name, &**field) {
            ("Timestamp", "nanoseconds") => {
                Timestamp::from_nanos(value.as_int()?.try_into().ok()?).to_string()
            }
            ("Nanoseconds", "nanoseconds") => {
                Nanoseconds::from_nanos(value.as_uint()?.try_into().ok()?).to_string()
            }
            ("Ipv4", "octets") => {
                Ipv4::from(std::net::Ipv4Addr::from(octets::<4>(value)?)).to_string()
            }
            ("Ipv6", "octets") => {
                Ipv6::from(std::net::Ipv6Addr::from(octets::<16>(value)?)).to_string()
            }
            ("Id128", "bytes") => Id128::from(octets::<16>(value)?).to_string(),
            _ => return None,
        })
    }
}

/// The bytes of the value of a ready-made type that has this text; `None`: it is another type, or has none.
pub(super) fn parsed(schema: &Schema, text: &str) -> Option<Vec<u8>> {
    let types = [
        (Timestamp::SCHEMA, bytes::<Timestamp> as fn(&str) -> _),
        (Nanoseconds::SCHEMA, bytes::<Nanoseconds>),
        (Ipv4::SCHEMA, bytes::<Ipv4>),
        (Ipv6::SCHEMA, bytes::<Ipv6>),
        (Id128::SCHEMA, bytes::<Id128>),
    ];
    let (_, bytes) = types.into_iter().find(|(known, _)| *known == schema)?;
    bytes(text)
}

fn bytes<T: SharedLayout + FromStr>(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let value: T = text.parse().ok()?;
    value.for_each_byte(0, &mut |_, part| bytes.extend_from_slice(part));
    Some(bytes)
}

fn octets<const N: usize>(value: &Value) -> Option<[u8; N]> {
    let octet = |value: &Value| u8::try_from(value.as_uint()?).ok();
    let octets: Option<Vec<u8>> = value.as_list()?.iter().map(octet).collect();
    octets?.try_into().ok()
}
