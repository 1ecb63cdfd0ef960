//! What the ready-made types have in common: their text, also of a value whose type is not at hand.

use std::fmt;

use super::{Id128, Ipv4, Ipv6, Nanoseconds, Timestamp, Value};

/// Why a text is no [`Timestamp`], [`Nanoseconds`] or [`Id128`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseTypeError {
    wanted: &'static str,
}

impl ParseTypeError {
    pub(super) const fn new(wanted: &'static str) -> ParseTypeError {
        ParseTypeError { wanted }
    }
}

impl fmt::Display for ParseTypeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the text is not {}", self.wanted)
    }
}

impl std::error::Error for ParseTypeError {}

macro_rules! shown {
    ($($name:ident)+) => {$(
        impl fmt::Debug for $name {
            /// The text, as it is.
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    )+};
}

shown!(Timestamp Nanoseconds Ipv4 Ipv6 Id128);

/// The text of a ready-made type; `None`: the value is of another one.
pub(super) fn text_of(value: &Value) -> Option<String> {
    let (Value::Struct { name, .. }, [(field, value)]) = (value, value.fields()) else {
        return None;
    };
    Some(match (&**name, &**field) {
        ("Timestamp", "nanoseconds") => {
            Timestamp::from_nanos(value.as_int()?.try_into().ok()?).to_string()
        }
        ("Nanoseconds", "nanoseconds") => {
            Nanoseconds::from_nanos(value.as_uint()?.try_into().ok()?).to_string()
        }
        ("Ipv4", "octets") => Ipv4::from(std::net::Ipv4Addr::from(octets::<4>(value)?)).to_string(),
        ("Ipv6", "octets") => {
            Ipv6::from(std::net::Ipv6Addr::from(octets::<16>(value)?)).to_string()
        }
        ("Id128", "bytes") => Id128::from(octets::<16>(value)?).to_string(),
        _ => return None,
    })
}

fn octets<const N: usize>(value: &Value) -> Option<[u8; N]> {
    let octet = |value: &Value| u8::try_from(value.as_uint()?).ok();
    let octets: Option<Vec<u8>> = value.as_list()?.iter().map(octet).collect();
    octets?.try_into().ok()
}
