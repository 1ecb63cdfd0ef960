//! `Ipv4`, `Ipv6` and `Id128`: octets in the order in which one writes them, on every machine, aligned to 1.

use std::fmt;
use std::net::{AddrParseError, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use super::ParseTypeError;

debug_as_text! { Ipv4 Ipv6 Id128 }

macro_rules! addresses {
    ($($(#[$doc:meta])+ $name:ident $size:literal $address:ident)+) => {$(
        $(#[$doc])+
        #[derive(shm_derive::SharedLayout, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[shared(crate = "crate")]
        #[repr(transparent)]
        pub struct $name {
            octets: [u8; $size],
        }

        impl From<$address> for $name {
            fn from(address: $address) -> $name {
                $name { octets: address.octets() }
            }
        }

        impl From<$name> for $address {
            fn from(address: $name) -> $address {
                address.octets.into()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&$address::from(*self), f)
            }
        }

        impl FromStr for $name {
            type Err = AddrParseError;

            fn from_str(text: &str) -> Result<$name, AddrParseError> {
                text.parse().map($address::into)
            }
        }
    )+};
}

addresses! {
    /// An [`Ipv4Addr`]. In C `struct ipv4 { uint8_t octets[4]; }`, the bytes of a `struct in_addr`.
    ///
    /// ```
    /// use std::net::Ipv4Addr;
    ///
    /// use shm_core::Ipv4;
    ///
    /// let home = Ipv4::from(Ipv4Addr::LOCALHOST);
    /// assert_eq!(home, "127.0.0.1".parse()?);
    /// assert_eq!(Ipv4Addr::from(home), Ipv4Addr::LOCALHOST);
    /// # Ok::<(), std::net::AddrParseError>(())
    /// ```
    Ipv4 4 Ipv4Addr

    /// An [`Ipv6Addr`], or either kind: the older one as `to_ipv6_mapped` has it. In C
    /// `struct ipv6 { uint8_t octets[16]; }`, the bytes of a `struct in6_addr`.
    ///
    /// ```
    /// use std::net::{Ipv4Addr, Ipv6Addr};
    ///
    /// use shm_core::Ipv6;
    ///
    /// assert_eq!(Ipv6::from(Ipv6Addr::LOCALHOST).to_string(), "::1");
    /// let either = Ipv6::from(Ipv4Addr::LOCALHOST.to_ipv6_mapped());
    /// assert_eq!(either.to_string(), "::ffff:127.0.0.1");
    /// ```
    Ipv6 16 Ipv6Addr
}

/// An id of 128 bits, such as a UUID. In C `struct id128 { uint8_t bytes[16]; }`. (A `u128` aligns to 16, and C has it
/// not everywhere.)
///
/// Its text is that of a UUID.
///
/// ```
/// use shm_core::Id128;
///
/// let id = Id128::from(0x67e5_5044_10b1_426f_9247_bb68_0e5f_e0c8);
/// assert_eq!(id.to_string(), "67e55044-10b1-426f-9247-bb680e5fe0c8");
/// assert_eq!(id, "67E5504410B1426F9247BB680E5FE0C8".parse()?);
/// assert_eq!(<[u8; 16]>::from(id)[0], 0x67);
/// # Ok::<(), shm_core::layout::ParseTypeError>(())
/// ```
#[derive(shm_derive::SharedLayout, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[shared(crate = "crate")]
#[repr(transparent)]
pub struct Id128 {
    bytes: [u8; 16],
}

impl From<[u8; 16]> for Id128 {
    fn from(bytes: [u8; 16]) -> Id128 {
        Id128 { bytes }
    }
}

impl From<Id128> for [u8; 16] {
    fn from(id: Id128) -> [u8; 16] {
        id.bytes
    }
}

impl From<u128> for Id128 {
    fn from(number: u128) -> Id128 {
        number.to_be_bytes().into()
    }
}

impl From<Id128> for u128 {
    fn from(id: Id128) -> u128 {
        u128::from_be_bytes(id.bytes)
    }
}

impl fmt::Display for Id128 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = format!("{:032x}", u128::from(*self));
        let (a, b, c) = (&digits[..8], &digits[8..12], &digits[12..16]);
        f.pad(&format!(
            "{a}-{b}-{c}-{}-{}",
            &digits[16..20],
            &digits[20..]
        ))
    }
}

impl FromStr for Id128 {
    type Err = ParseTypeError;

    /// 32 hexadecimal digits, with the hyphens of a UUID or without any.
    fn from_str(text: &str) -> Result<Id128, ParseTypeError> {
        let is_hyphen = |at: usize| matches!(at, 8 | 13 | 18 | 23);
        let hyphens = text.len() == 36
            && text
                .bytes()
                .enumerate()
                .all(|(at, b)| is_hyphen(at) == (b == b'-'));
        let digits = if hyphens {
            text.replace('-', "")
        } else {
            text.to_owned()
        };
        let fit = digits.len() == 32 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        let number = fit.then(|| u128::from_str_radix(&digits, 16).ok());
        number.flatten().map(Id128::from).ok_or(ParseTypeError::new(
            "an id: 32 hexadecimal digits, or `67e55044-10b1-426f-9247-bb680e5fe0c8`",
        ))
    }
}
