//! Bytes judged by a schema, slowly and with names: for the message when a fast check has failed,
//! and for the repair of a value that must not stay invalid.

use std::fmt;

use super::enums::Enums;
use super::facts::other_of;
use super::schema::Elements;
use super::walk::{ALL, walk};
use super::{Primitive, Schema, TypeKind, Variant};

/// The first part of `bytes` that is not valid for its type in `schema`, by name; `None` if all
/// are.
///
/// Meant for after [`bits_are_valid`](super::SharedLayout::bits_are_valid) said no: it walks the
/// schema and allocates. Parts for which `bytes` is too short are passed over.
///
/// ```
/// use shm_core::SharedLayout;
/// use shm_core::layout::first_invalid;
///
/// let invalid = first_invalid(<[bool; 3]>::SCHEMA, &[0, 1, 7]).unwrap();
/// assert_eq!(invalid.to_string(), "field `[2]` holds 7, which is no `bool`");
/// ```
pub fn first_invalid(schema: &Schema, bytes: &[u8]) -> Option<InvalidValue> {
    first_invalid_at(schema, 0, bytes)
}

/// The first part that is not valid in a part of a value: `bytes` lie at `offset` of a value of this schema and are a
/// field, or a field of one.
///
/// ```
/// use shm_core::SharedLayout;
/// use shm_core::layout::first_invalid_at;
///
/// let invalid = first_invalid_at(<[bool; 3]>::SCHEMA, 2, &[7]).unwrap();
/// assert_eq!(invalid.to_string(), "field `[2]` holds 7, which is no `bool`");
/// ```
pub fn first_invalid_at(schema: &Schema, offset: usize, bytes: &[u8]) -> Option<InvalidValue> {
    let mut enums = Enums::default();
    find(schema, offset, bytes, &mut |part, bytes| {
        let valid = match part.kind() {
            TypeKind::Enum { repr, variants, .. } => {
                let variants = enums.of(variants);
                variants.is_open() || variants.numbered(load(repr, bytes)).is_some()
            }
            TypeKind::Primitive(primitive) => accepts(primitive, bytes),
            _ => true,
        };
        (!valid).then(|| misfit(part, bytes))
    })
}

/// One step from a value towards a part of it.
pub(crate) enum Step<'a> {
    /// To a field.
    Field(&'a str),
    /// To an element; of a `FixedVec` also where its length lies in the value.
    Element {
        index: usize,
        counted: Option<usize>,
    },
}

impl Step<'_> {
    fn write(&self, path: &mut String) {
        match self {
            Step::Field(name) => {
                path.push('.');
                path.push_str(name);
            }
            Step::Element { index, .. } => path.push_str(&format!("[{index}]")),
        }
    }
}

/// Goes from a value to the part of `size` bytes at `offset`, and tells each step; what it comes to is at
/// most as large, or has no parts. `None` in front of the first field.
pub(crate) fn descend<'a>(
    schema: &'a Schema,
    offset: usize,
    size: usize,
    step: &mut dyn FnMut(Step<'a>),
) -> Option<&'a Schema> {
    let (mut part, mut within) = (schema, offset);
    while part.size() > size {
        if let Some(elements) = part.elements() {
            let Some(behind) = within.checked_sub(elements.offset as usize) else {
                break;
            };
            let each = elements.schema.size();
            step(Step::Element {
                index: behind / each,
                counted: elements.counted.then_some(offset - within),
            });
            (part, within) = (elements.schema, behind % each);
        } else if part.fields().is_empty() {
            break;
        } else {
            let mut fields = part.fields().iter();
            let field = fields.rfind(|field| field.offset() <= within)?;
            step(Step::Field(field.name()));
            within -= field.offset();
            part = field.schema();
        }
    }
    Some(part)
}

/// The path of the part of `size` bytes at `offset`, as one would write it in Rust.
pub(crate) fn path_of(schema: &Schema, offset: usize, size: usize) -> String {
    let mut path = String::new();
    descend(schema, offset, size, &mut |step| step.write(&mut path));
    path.trim_start_matches('.').to_owned()
}

/// The first part that is a variant for others: there is no number in a segment which that could keep. Offset and bytes
/// are those of [`first_invalid_at`].
pub(crate) fn first_other(schema: &Schema, offset: usize, bytes: &[u8]) -> Option<InvalidValue> {
    find(schema, offset, bytes, &mut |part, bytes| {
        let TypeKind::Enum {
            name,
            repr,
            variants,
        } = part.kind()
        else {
            return None;
        };
        let other = &variants[other_of(variants)?];
        (load(repr, bytes) == other.value()).then(|| InvalidValue {
            holds: format!("`{name}::{}`", other.name()),
            is_other: true,
            ..misfit(part, bytes)
        })
    })
}

/// The first part without parts for which `judge` has something to say, and which `bytes` have whole; or the first
/// `FixedVec` with an impossible length.
fn find<'a>(
    schema: &'a Schema,
    offset: usize,
    bytes: &[u8],
    judge: &mut dyn FnMut(&'a Schema, &[u8]) -> Option<InvalidValue>,
) -> Option<InvalidValue> {
    let mut found = None;
    let span = offset..offset.saturating_add(bytes.len());
    walk(schema, 0, &span, &mut |part, at| {
        if part.any_bits() {
            return Some(0);
        }
        let held = at.checked_sub(offset).map_or(&[][..], |at| &bytes[at..]);
        let held = held.get(..part.size()).unwrap_or(held);
        let there = part.elements().map_or(Ok(ALL), |of| of.there(held));
        found = match there {
            Ok(_) if held.len() < part.size() => None,
            Ok(_) => judge(part, held),
            Err(_) => Some(misfit(part, held)),
        };
        if let Some(found) = &mut found {
            found.at = at;
            found.path = path_of(schema, at, 0);
            return None;
        }
        there.ok()
    });
    found
}

/// Overwrites each part of `bytes` that is not valid for its type in `schema`: a `bool` with
/// `false`, a `char` with NUL, a `NonZero` with 1, an enum with its first variant, or the one for unknown
/// numbers, the length of a `FixedVec` with 0.
/// Valid parts and padding stay as they
/// are.
///
/// This is how a caller's `&mut T` is kept a valid `T` when another program's bytes were not. Parts
/// for which `bytes` is too short are passed over. Does not allocate.
///
/// ```
/// use shm_core::SharedLayout;
/// use shm_core::layout::make_valid;
///
/// let mut bytes = [0, 1, 7];
/// make_valid(<[bool; 3]>::SCHEMA, &mut bytes);
/// assert_eq!(bytes, [0, 1, 0]);
/// ```
pub fn make_valid(schema: &Schema, bytes: &mut [u8]) {
    walk(schema, 0, &(0..bytes.len()), &mut |part, at| {
        if part.any_bits() {
            return Some(0);
        }
        let end = bytes.len().min(at + part.size());
        let bytes = &mut bytes[at..end];
        let there = part.elements().map_or(Ok(ALL), |of| of.there(bytes));
        match part.kind() {
            TypeKind::Vec { .. } if there.is_err() => store(0, &mut bytes[..Primitive::U32.size()]),
            _ if bytes.len() < part.size() => {}
            TypeKind::Enum { repr, variants, .. } if !is_variant(repr, variants, bytes) => {
                store(variants[other_of(variants).unwrap_or(0)].value(), bytes);
            }
            TypeKind::Primitive(primitive) if !accepts(primitive, bytes) => {
                store(i128::from(primitive.is_non_zero()), bytes);
            }
            _ => {}
        }
        Some(there.unwrap_or(0))
    });
}

debug_as_text! { InvalidValue }

/// A part of a value whose bytes are not valid for its type.
///
/// Shown as ``field `flags[2].on` holds 7, which is no `bool` ``.
#[derive(Clone, PartialEq, Eq)]
pub struct InvalidValue {
    /// Where it lies.
    at: usize,
    path: String,
    holds: String,
    expected: String,
    /// The variant that a later version of the type has for it, and that version.
    newer: Option<(String, u32)>,
    /// A variant that stands for others, where there is none.
    is_other: bool,
}

impl InvalidValue {
    /// Where it is, as one would write it in Rust: `flags[2].on`. Empty if it is the value itself.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The name of the variant, if the part is an enum that a later version of the type gave this
    /// variant, and the version: of the layout in the segment.
    pub fn newer(&self) -> Option<(&str, u32)> {
        let (variant, version) = self.newer.as_ref()?;
        Some((variant, *version))
    }

    /// This part, with the name of the variant that `later`, a [later version](Schema::extends) of the layout, has for it.
    /// Offset and bytes are those that were given to [`first_invalid_at`].
    pub(crate) fn known_to(mut self, later: &Schema, offset: usize, bytes: &[u8]) -> InvalidValue {
        // What a version had the later ones have in the same place.
        let part = descend(later, self.at, 0, &mut |_| ()).map(Schema::kind);
        if let (Some(TypeKind::Enum { repr, variants, .. }), false) = (part, self.is_other) {
            let number = load(repr, &bytes[self.at - offset..][..repr.size()]);
            let variant = variants.iter().find(|variant| variant.value() == number);
            let version = later.version().unwrap_or(1);
            self.newer = variant.map(|variant| (variant.name().to_owned(), version));
        }
        self
    }

    /// Whether it is a variant that stands for others, where a segment or a field begins.
    pub(crate) fn is_other(&self) -> bool {
        self.is_other
    }

    /// This part, seen from the value that has `path` lead to what it was found in.
    pub(crate) fn below(mut self, path: &str) -> InvalidValue {
        let dot = match self.path.chars().next() {
            None | Some('[') => "",
            Some(_) => ".",
        };
        let path = format!("{path}{dot}{}", self.path);
        self.path = path.trim_start_matches('.').to_owned();
        self
    }
}

impl fmt::Display for InvalidValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let InvalidValue {
            path,
            holds,
            expected,
            newer,
            is_other,
            ..
        } = self;
        match path.as_str() {
            "" => write!(f, "the value is {holds}, which ")?,
            path => write!(f, "field `{path}` holds {holds}, which ")?,
        }
        match newer {
            None if *is_other => f.write_str(
                "stands for variants that a program does not know, and there is none to keep",
            ),
            None => write!(f, "is no `{expected}`"),
            Some((variant, version)) => write!(
                f,
                "is `{expected}::{variant}` in version {version}, the segment's: this program's \
                 version does not know that variant"
            ),
        }
    }
}

impl std::error::Error for InvalidValue {}

/// That `bytes` are not valid for a type without parts, or that a `FixedVec` has an impossible
/// length.
pub(super) fn misfit(schema: &Schema, bytes: &[u8]) -> InvalidValue {
    let holds = match schema.kind() {
        TypeKind::Primitive(Primitive::Char) => format!("{:#x}", load(Primitive::U32, bytes)),
        TypeKind::Enum {
            repr: Primitive::U128,
            ..
        } => (load(Primitive::U128, bytes) as u128).to_string(),
        TypeKind::Primitive(primitive)
        | TypeKind::Enum {
            repr: primitive, ..
        } => load(primitive, bytes).to_string(),
        TypeKind::Vec { .. } => {
            let len = load(Primitive::U32, &bytes[..Primitive::U32.size()]);
            format!("a length of {len}")
        }
        _ => "something else".to_owned(),
    };
    InvalidValue {
        at: 0,
        path: String::new(),
        holds,
        expected: schema.to_string(),
        newer: None,
        is_other: false,
    }
}

impl Elements<'_> {
    /// How many of the places have an element in a value that begins with these bytes: all of an array's, as many of a
    /// `FixedVec`'s as its length says, and all if the length is not there. `Err` is a length for which there are too few
    /// places.
    pub(super) fn there(&self, bytes: &[u8]) -> Result<u64, u64> {
        match bytes.first_chunk().filter(|_| self.counted) {
            Some(len) => match u32::from_ne_bytes(*len).into() {
                len if len > self.places => Err(len),
                len => Ok(len),
            },
            None => Ok(self.places),
        }
    }
}

fn accepts(primitive: Primitive, bytes: &[u8]) -> bool {
    let bits = load(primitive, bytes);
    match primitive {
        Primitive::Bool => bits <= 1,
        Primitive::Char => u32::try_from(bits).is_ok_and(|bits| char::from_u32(bits).is_some()),
        primitive => bits != 0 || !primitive.is_non_zero(),
    }
}

pub(super) fn is_variant(repr: Primitive, variants: &[Variant], bytes: &[u8]) -> bool {
    let value = load(repr, bytes);
    variants.iter().any(|variant| variant.value() == value)
}

/// The integer that lies in `bytes` in this machine's order, at most 16 of them.
pub(super) fn load(primitive: Primitive, bytes: &[u8]) -> i128 {
    let append = |value: u128, byte: &u8| (value << 8) | u128::from(*byte);
    let value = if cfg!(target_endian = "big") {
        bytes.iter().fold(0, append)
    } else {
        bytes.iter().rev().fold(0, append)
    };
    let unused = 128_u32.saturating_sub(8 * bytes.len() as u32);
    if primitive.is_signed() && unused < 128 {
        (value << unused) as i128 >> unused
    } else {
        value as i128
    }
}

pub(super) fn store(value: i128, bytes: &mut [u8]) {
    let all = value.to_ne_bytes();
    let len = bytes.len().min(all.len());
    let used = if cfg!(target_endian = "big") {
        &all[all.len() - len..]
    } else {
        &all[..len]
    };
    bytes[..len].copy_from_slice(used);
}
