//! `serde` for the types that a shared struct is made of, so that a configuration file becomes a
//! value, and a value becomes a line of a log. A [`Value`](super::Value) is serialised the same way.

use std::fmt;
use std::marker::PhantomData;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};
use serde::ser::{Serialize, Serializer};

use super::{Aligned, Alignment};
use super::{FixedStr, FixedVec, Id128, Ipv4, Ipv6, Nanoseconds, Opaque, SharedLayout, Timestamp};

impl<const N: usize> Serialize for FixedStr<N> {
    /// As a string; text that is not UTF-8 as bytes.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.to_str() {
            Ok(text) => serializer.serialize_str(text),
            Err(_) => serializer.serialize_bytes(self.as_bytes()),
        }
    }
}

impl<'de, const N: usize> Deserialize<'de> for FixedStr<N> {
    /// From a string, or from bytes. What does not fit is an error, and is not cut.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text<const N: usize>;

        impl<'de, const N: usize> Visitor<'de> for Text<N> {
            type Value = FixedStr<N>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(
                    f,
                    "text of at most {} bytes",
                    FixedStr::<N>::EMPTY.capacity()
                )
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                self.visit_bytes(text.as_bytes())
            }

            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Self::Value, E> {
                FixedStr::from_bytes(bytes).map_err(E::custom)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut bytes: A) -> Result<Self::Value, A::Error> {
                let mut text = Vec::new();
                while let Some(byte) = bytes.next_element()? {
                    text.push(byte);
                    if text.len() > N {
                        break;
                    }
                }
                self.visit_bytes(&text)
            }
        }

        // Formats for people tell bytes as a sequence; the others tell text as they tell bytes.
        if deserializer.is_human_readable() {
            deserializer.deserialize_any(Text)
        } else {
            deserializer.deserialize_bytes(Text)
        }
    }
}

macro_rules! texts {
    ($($name:ident = $bits:ty: $to:expr, $from:expr;)+) => {$(
        impl serde::Serialize for $name {
            /// As its text; in formats that are not for people as its numbers or its bytes.
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() {
                    serializer.collect_str(self)
                } else {
                    let bits: $bits = $to(*self);
                    bits.serialize(serializer)
                }
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                if deserializer.is_human_readable() {
                    deserializer.deserialize_str($crate::layout::serde::Parsed::new())
                } else {
                    <$bits>::deserialize(deserializer).map($from)
                }
            }
        }
    )+};
}

pub(crate) use texts;

texts! {
    Timestamp = i64: Timestamp::as_nanos, Timestamp::from_nanos;
    Nanoseconds = u64: Nanoseconds::as_nanos, Nanoseconds::from_nanos;
    Ipv4 = [u8; 4]: |address| Ipv4Addr::from(address).octets(), |octets| Ipv4Addr::from(octets).into();
    Ipv6 = [u8; 16]: |address| Ipv6Addr::from(address).octets(), |octets| Ipv6Addr::from(octets).into();
    Id128 = [u8; 16]: Id128::into, Id128::from;
}

/// Makes a value of its text.
pub(crate) struct Parsed<T>(PhantomData<T>);

impl<T> Parsed<T> {
    pub(crate) fn new() -> Parsed<T> {
        Parsed(PhantomData)
    }
}

impl<T: FromStr<Err: fmt::Display>> Visitor<'_> for Parsed<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }
}

impl<const N: usize, const ALIGN: usize> Serialize for Opaque<N, ALIGN>
where
    Alignment<ALIGN>: Aligned,
{
    /// As nothing.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_none()
    }
}

impl<'de, const N: usize, const ALIGN: usize> Deserialize<'de> for Opaque<N, ALIGN>
where
    Alignment<ALIGN>: Aligned,
{
    /// From nothing, and where it is missing.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Option::<()>::deserialize(deserializer).map(|_| Opaque::default())
    }
}

impl<T: SharedLayout + Serialize, const N: usize> Serialize for FixedVec<T, N> {
    /// As a sequence.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self)
    }
}

impl<'de, T: SharedLayout + Deserialize<'de>, const N: usize> Deserialize<'de> for FixedVec<T, N> {
    /// From a sequence of at most `N` elements.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Items<T, const N: usize>(PhantomData<T>);

        impl<'de, T: SharedLayout + Deserialize<'de>, const N: usize> Visitor<'de> for Items<T, N> {
            type Value = FixedVec<T, N>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "at most {N} elements")
            }

            fn visit_seq<A: SeqAccess<'de>>(
                self,
                mut elements: A,
            ) -> Result<Self::Value, A::Error> {
                let mut items = FixedVec::new();
                while let Some(element) = elements.next_element()? {
                    items.push(element).map_err(A::Error::custom)?;
                }
                Ok(items)
            }
        }

        deserializer.deserialize_seq(Items(PhantomData))
    }
}
