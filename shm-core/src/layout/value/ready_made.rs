//! The text of a ready-made type, whose value is not at hand.

use super::Value;
use crate::layout::{Id128, Ipv4, Ipv6, Nanoseconds, Timestamp};

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

fn octets<const N: usize>(value: &Value) -> Option<[u8; N]> {
    let octet = |value: &Value| u8::try_from(value.as_uint()?).ok();
    let octets: Option<Vec<u8>> = value.as_list()?.iter().map(octet).collect();
    octets?.try_into().ok()
}
