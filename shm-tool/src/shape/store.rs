//! Fields of a C program's struct, found by their paths and stored one by one: there are no commits to wait for, and no
//! lock to hold. What is stored is checked against the type first.

use super::{Field, Kind, Type};
use crate::failure::{Exit, Failure};
use crate::kernel::contents::Contents;
use crate::value::{Path, Step};

/// Bytes that are to be stored, and where.
pub struct Store {
    offset: usize,
    bytes: Vec<u8>,
}

impl Store {
    /// The field that the path leads to, with the value that the text says, in a struct that begins at `start`.
    pub fn of(ty: &Type, start: usize, path: &Path, text: &str) -> Result<Store, Failure> {
        let refused = |why: String| Failure::new(Exit::Misfit, format!("`{path}` {why}"));
        let (offset, found) = locate(ty, path.steps()).ok_or_else(|| {
            refused("can't be stored by itself; name a whole field that is no bit-field".to_owned())
        })?;
        let bytes = encode(found, text)
            .map_err(|wanted| refused(format!("can't be {text:?}; wanted is {wanted}")))?;
        let offset = usize::try_from(offset)
            .unwrap_or(usize::MAX)
            .saturating_add(start);
        Ok(Store { offset, bytes })
    }

    pub fn apply(&self, contents: &Contents) -> Result<(), Failure> {
        contents.store(self.offset, &self.bytes)
    }
}

/// Offset and type of a part; `None` of a bit-field, and where there is no such part.
fn locate<'a>(ty: &'a Type, steps: &[Step]) -> Option<(u64, &'a Type)> {
    let Some((step, rest)) = steps.split_first() else {
        return Some((0, ty));
    };
    let (offset, part) = match (step, &ty.kind) {
        (Step::Field(name), Kind::Struct { fields, .. } | Kind::Union { members: fields }) => {
            member(fields, name)?
        }
        (Step::Index(index), Kind::Array { element, count }) => {
            let index = *index as u64;
            if count.is_some_and(|count| index >= count) {
                return None;
            }
            (index.checked_mul(element.size)?, &**element)
        }
        (
            Step::Index(index),
            Kind::Vec {
                element,
                capacity,
                offset,
            },
        ) if (*index as u64) < *capacity => {
            let behind = (*index as u64).checked_mul(element.size)?;
            (offset.checked_add(behind)?, &**element)
        }
        _ => return None,
    };
    let (inner, found) = locate(part, rest)?;
    Some((offset.checked_add(inner)?, found))
}

/// The names that an enum at the path can have; `None` if none is there.
pub fn variants_at<'a>(ty: &'a Type, path: &Path) -> Option<Vec<&'a str>> {
    match &locate(ty, path.steps())?.1.kind {
        Kind::Enum { variants, .. } => Some(variants.iter().map(|(name, _)| &**name).collect()),
        _ => None,
    }
}

/// A member by its name, also one of an unnamed struct or union.
fn member<'a>(fields: &'a [Field], name: &str) -> Option<(u64, &'a Type)> {
    fields.iter().find_map(|field| match &field.ty.kind {
        _ if field.name == name => field.bits.is_none().then_some((field.offset, &*field.ty)),
        Kind::Struct { fields, .. } | Kind::Union { members: fields } if field.name.is_empty() => {
            let (offset, ty) = member(fields, name)?;
            Some((field.offset + offset, ty))
        }
        _ => None,
    })
}

/// Whether `inf` or `nan` is meant, and not digits that are beyond what can be stored.
fn says_so(text: &str) -> bool {
    !text.contains(|c: char| c.is_ascii_digit())
}

/// The bytes of a value, or what is wanted.
fn encode(ty: &Type, text: &str) -> Result<Vec<u8>, String> {
    match &ty.kind {
        Kind::Bool => match text {
            "true" | "1" => integer(1, ty.size, false),
            "false" | "0" => integer(0, ty.size, false),
            _ => None,
        }
        .ok_or_else(|| "true or false".to_owned()),
        Kind::Int { signed } | Kind::CChar { signed } => number(text)
            .and_then(|number| integer(number, ty.size, *signed))
            .ok_or_else(|| {
                let sign = if *signed { "" } else { "un" };
                format!(
                    "a number of {} bits, {sign}signed",
                    ty.size.saturating_mul(8)
                )
            }),
        Kind::Float if ty.size == 4 => text
            .parse::<f32>()
            .ok()
            .filter(|value| value.is_finite() || says_so(text))
            .map(|value| value.to_ne_bytes().into())
            .ok_or_else(|| format!("a number from {:e} to {:e}, or `inf`", f32::MIN, f32::MAX)),
        Kind::Float if ty.size == 8 => text
            .parse::<f64>()
            .ok()
            .filter(|value| value.is_finite() || says_so(text))
            .map(|value| value.to_ne_bytes().into())
            .ok_or_else(|| format!("a number from {:e} to {:e}, or `inf`", f64::MIN, f64::MAX)),
        Kind::Enum { signed, variants } => {
            let named = variants
                .iter()
                .find(|(name, _)| name == text)
                .map(|(_, value)| *value);
            let value = named
                .or_else(|| number(text).filter(|n| variants.iter().any(|(_, value)| value == n)));
            value
                .and_then(|value| integer(value, ty.size, *signed))
                .ok_or_else(|| {
                    let names: Vec<&str> =
                        variants.iter().take(8).map(|(name, _)| &**name).collect();
                    format!("one of {}", names.join(", "))
                })
        }
        Kind::Array {
            element,
            count: Some(count),
        } if matches!(element.kind, Kind::CChar { .. }) => {
            let count = usize::try_from(*count).unwrap_or(0);
            let mut bytes = text.as_bytes().to_vec();
            if bytes.len() >= count || bytes.contains(&0) {
                return Err(format!(
                    "a text of at most {} bytes",
                    count.saturating_sub(1)
                ));
            }
            bytes.resize(count, 0);
            Ok(bytes)
        }
        _ => Err("a number, a text or a variant: other fields are not stored by name".to_owned()),
    }
}

fn number(text: &str) -> Option<i128> {
    match text.strip_prefix("0x") {
        Some(digits) if digits.bytes().all(|digit| digit.is_ascii_hexdigit()) => {
            i128::from_str_radix(digits, 16).ok()
        }
        _ => text.parse().ok(),
    }
}

/// A number of so many bytes, if it has room there.
fn integer(value: i128, size: u64, signed: bool) -> Option<Vec<u8>> {
    let bits = u32::try_from(size.checked_mul(8)?)
        .ok()
        .filter(|bits| (8..=64).contains(bits))?;
    let (least, most) = if signed {
        (-(1_i128 << (bits - 1)), (1_i128 << (bits - 1)) - 1)
    } else {
        (0, (1_i128 << bits) - 1)
    };
    if !(least..=most).contains(&value) {
        return None;
    }
    let size = size as usize;
    Some(if cfg!(target_endian = "little") {
        value.to_le_bytes()[..size].into()
    } else {
        value.to_be_bytes()[16 - size..].into()
    })
}
