//! Bytes of a C program's struct as a tree. They may be any: whatever they are, they have a value.

use std::sync::Arc;

use super::{Field, Kind, Type};
use crate::failure::{Exit, Failure};
use crate::value::{Leaf, Node};

/// How many parts a value may have.
const PARTS: usize = 1 << 22;

/// The value of a type at the start of `bytes`; what lies behind it belongs to a flexible array at its end.
pub fn decode(ty: &Type, bytes: &[u8]) -> Result<Node, Failure> {
    let mut decoder = Decoder { left: PARTS };
    decoder.node(ty, bytes).ok_or_else(|| {
        Failure::new(
            Exit::Misfit,
            format!("the value has more than {PARTS} parts; show its bytes with --raw"),
        )
    })
}

struct Decoder {
    left: usize,
}

impl Decoder {
    /// `None`: too many parts.
    fn node(&mut self, ty: &Type, bytes: &[u8]) -> Option<Node> {
        self.left = self.left.checked_sub(1)?;
        let own = || {
            usize::try_from(ty.size)
                .ok()
                .and_then(|size| bytes.get(..size))
        };
        Some(match &ty.kind {
            Kind::Struct { fields, .. } => Node::Struct(self.fields(fields, bytes)?),
            Kind::Union { members } => Node::Struct(self.fields(members, bytes)?),
            Kind::Array { element, count } => self.array(element, *count, bytes)?,
            _ => Node::Leaf(
                own()
                    .and_then(|own| leaf(ty, own))
                    .unwrap_or(Leaf::Opaque(ty.size)),
            ),
        })
    }

    fn fields(&mut self, fields: &[Field], bytes: &[u8]) -> Option<Vec<(Arc<str>, Node)>> {
        let mut parts = Vec::with_capacity(fields.len());
        for field in fields {
            let start = usize::try_from(field.offset).unwrap_or(usize::MAX);
            let node = match field.bits {
                Some(bits) => Node::Leaf(bit_field(&field.ty, bits, bytes)),
                None => self.node(&field.ty, bytes.get(start..).unwrap_or_default())?,
            };
            match node {
                Node::Struct(inner) if field.name.is_empty() => parts.extend(inner),
                node => parts.push((field.name.as_str().into(), node)),
            }
        }
        Some(parts)
    }

    fn array(&mut self, element: &Type, count: Option<u64>, bytes: &[u8]) -> Option<Node> {
        let size = usize::try_from(element.size).unwrap_or(usize::MAX);
        if size == 0 {
            return Some(Node::List(Vec::new()));
        }
        let there = bytes.len() / size;
        let count = count.map_or(there, |count| {
            there.min(usize::try_from(count).unwrap_or(there))
        });
        let bytes = &bytes[..count * size];
        if let Kind::CChar { .. } = element.kind {
            return Some(Node::Leaf(text(bytes)));
        }
        if count > self.left {
            return None;
        }
        let items = bytes
            .chunks_exact(size)
            .map(|bytes| self.node(element, bytes));
        Some(Node::List(items.collect::<Option<_>>()?))
    }
}

/// Up to the first NUL.
fn text(bytes: &[u8]) -> Leaf {
    let end = bytes
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(bytes.len());
    match String::from_utf8(bytes[..end].to_vec()) {
        Ok(text) => Leaf::Text(text),
        Err(error) => Leaf::Bytes(error.into_bytes()),
    }
}

/// A value without parts; `None` where no value is known.
fn leaf(ty: &Type, bytes: &[u8]) -> Option<Leaf> {
    Some(match &ty.kind {
        Kind::Bool => match unsigned(bytes)? {
            0 => Leaf::Bool(false),
            1 => Leaf::Bool(true),
            other => Leaf::UInt(other),
        },
        Kind::Int { signed } | Kind::CChar { signed } => integer(*signed, bytes)?,
        Kind::Char => match char::from_u32(unsigned(bytes)? as u32) {
            Some(c) => Leaf::Char(c),
            None => Leaf::UInt(unsigned(bytes)?),
        },
        Kind::Float => float(bytes)?,
        Kind::Text => text(bytes),
        Kind::Enum { signed, variants } => variant(variants, integer(*signed, bytes)?),
        Kind::Pointer { .. } => Leaf::Address(unsigned(bytes)? as u64),
        _ => return None,
    })
}

fn unsigned(bytes: &[u8]) -> Option<u128> {
    let mut wide = [0; 16];
    let len = bytes.len();
    if cfg!(target_endian = "little") {
        wide.get_mut(..len)?.copy_from_slice(bytes);
    } else {
        wide.get_mut(16_usize.checked_sub(len)?..)?
            .copy_from_slice(bytes);
    }
    Some(u128::from_ne_bytes(wide))
}

fn integer(signed: bool, bytes: &[u8]) -> Option<Leaf> {
    let value = unsigned(bytes)?;
    Some(extended(signed, value, bytes.len() as u64 * 8))
}

/// A number of so many bits.
fn extended(signed: bool, value: u128, bits: u64) -> Leaf {
    if !signed {
        return Leaf::UInt(value);
    }
    let unused = 128_u64.saturating_sub(bits).min(127) as u32;
    Leaf::Int(value.cast_signed() << unused >> unused)
}

/// By its name, or the number where it has none.
fn variant(variants: &[(String, i128)], value: Leaf) -> Leaf {
    let number = match value {
        Leaf::Int(number) => Some(number),
        Leaf::UInt(number) => i128::try_from(number).ok(),
        _ => None,
    };
    let found = variants.iter().find(|(_, value)| Some(*value) == number);
    found.map_or(value, |(name, _)| Leaf::Variant(name.as_str().into()))
}

fn float(bytes: &[u8]) -> Option<Leaf> {
    Some(match bytes.len() {
        4 => Leaf::F32(f32::from_ne_bytes(bytes.try_into().ok()?)),
        8 => Leaf::F64(f64::from_ne_bytes(bytes.try_into().ok()?)),
        12 | 16 if cfg!(any(target_arch = "x86_64", target_arch = "x86")) => {
            Leaf::F64(extended_precision(bytes))
        }
        _ => return None,
    })
}

/// x87's ten bytes: 64 bits of significand, 15 of exponent, a sign.
fn extended_precision(bytes: &[u8]) -> f64 {
    let bits = unsigned(&bytes[..10]).unwrap_or(0);
    let significand = bits as u64;
    let exponent = (bits >> 64) as i32 & 0x7fff;
    let sign = if bits >> 79 & 1 == 1 { -1.0 } else { 1.0 };
    match exponent {
        0x7fff if significand << 1 == 0 => sign * f64::INFINITY,
        0x7fff => f64::NAN,
        _ => sign * significand as f64 * 2_f64.powi(exponent - 16383 - 63),
    }
}

fn bit_field(ty: &Type, (first, count): (u64, u64), bytes: &[u8]) -> Leaf {
    let (start, end) = (first / 8, (first + count).div_ceil(8));
    let range = usize::try_from(start).ok().zip(usize::try_from(end).ok());
    let found = range
        .and_then(|(start, end)| bytes.get(start..end))
        .and_then(unsigned);
    let (Some(found), 1..=64) = (found, count) else {
        return Leaf::Opaque(0);
    };
    let behind = if cfg!(target_endian = "little") {
        first % 8
    } else {
        (end - start) * 8 - first % 8 - count
    };
    let value = (found >> behind) & ((1 << count) - 1);
    match &ty.kind {
        Kind::Bool => Leaf::Bool(value != 0),
        Kind::Enum { signed, variants } => variant(variants, extended(*signed, value, count)),
        Kind::Int { signed } | Kind::CChar { signed } => extended(*signed, value, count),
        _ => Leaf::UInt(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_taken_from_where_they_lie_with_their_sign() {
        let int = |signed| Type::plain(4, 4, Kind::Int { signed });
        let bytes = 0b1011_0110_u32.to_ne_bytes();
        if cfg!(target_endian = "little") {
            assert_eq!(bit_field(&int(false), (1, 3), &bytes), Leaf::UInt(0b011));
            assert_eq!(bit_field(&int(true), (4, 4), &bytes), Leaf::Int(-5));
        }
        assert_eq!(bit_field(&int(false), (100, 3), &bytes), Leaf::Opaque(0));
        assert_eq!(bit_field(&int(false), (0, 65), &bytes), Leaf::Opaque(0));
    }

    #[test]
    fn an_extended_float_is_read_as_far_as_a_double_goes() {
        // 1.5L
        let mut bytes = [0; 16];
        bytes[7] = 0xc0;
        bytes[8..10].copy_from_slice(&0x3fff_u16.to_le_bytes());
        if cfg!(target_endian = "little") {
            assert_eq!(extended_precision(&bytes), 1.5);
        }
    }
}
