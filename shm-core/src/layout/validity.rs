//! Bytes judged by a schema, slowly and with names: for the message when a fast check has failed,
//! and for the repair of a value that must not stay invalid.

use std::fmt;
use std::ops::{ControlFlow, Range};

use super::facts::other_of;
use super::schema::Elements;
use super::{Primitive, Schema, TypeKind, Variant};

/// The first part of `bytes` that is not valid for its type in `schema`, by name; `None` if all
/// are.
///
/// Meant for after [`bits_are_valid`](super::SharedLayout::bits_are_valid) said no: it walks the
/// schema and, when it finds something, allocates. Parts for which `bytes` is too short are passed
/// over.
///
/// ```
/// use shm_core::SharedLayout;
/// use shm_core::layout::first_invalid;
///
/// let invalid = first_invalid(<[bool; 3]>::SCHEMA, &[0, 1, 7]).unwrap();
/// assert_eq!(invalid.to_string(), "field `[2]` holds 7, which is no `bool`");
/// ```
pub fn first_invalid(schema: &Schema, bytes: &[u8]) -> Option<InvalidValue> {
    find(schema, bytes.get(..schema.size()).unwrap_or(bytes)).map(InvalidValue::at_top)
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
    let mut path = String::new();
    let part = descend(schema, offset, bytes.len(), &mut |step| {
        step.write(&mut path)
    })?;
    Some(find(part, bytes)?.within(&path).at_top())
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

/// The first part that is a variant for others: there is no number in a segment which that could keep.
pub(crate) fn first_other(schema: &Schema, bytes: &[u8]) -> Option<InvalidValue> {
    let other = |schema: &Schema, bytes: &[u8]| {
        let TypeKind::Enum {
            name,
            repr,
            variants,
            ..
        } = schema.kind()
        else {
            return None;
        };
        let other = &variants[other_of(variants)?];
        (load(repr, bytes) == other.value()).then(|| InvalidValue {
            path: String::new(),
            holds: format!("`{name}::{}`", other.name()),
            expected: name.to_owned(),
            newer: None,
            is_other: true,
        })
    };
    find_by(schema, bytes, &other).map(InvalidValue::at_top)
}

/// The variant that `later` calls the first part of `bytes` that is not valid for its type in
/// `schema`, if that part is an enum, and `later` a [later version](Schema::extends) of `schema`.
/// Offset and bytes are those of [`first_invalid_at`].
pub(crate) fn later_variant<'a>(
    schema: &Schema,
    later: &'a Schema,
    offset: usize,
    bytes: &[u8],
) -> Option<&'a Variant> {
    let (mut mine, mut theirs, mut offset) = (schema, later, offset);
    while mine.size() > bytes.len() {
        if let (Some(elements), Some(others)) = (mine.elements(), theirs.elements()) {
            offset = offset.checked_sub(elements.offset as usize)? % elements.schema.size();
            (mine, theirs) = (elements.schema, others.schema);
            continue;
        }
        match (mine.kind(), theirs.kind()) {
            // The fields of the earlier one are the first fields of the later one.
            (TypeKind::Struct { fields, .. }, TypeKind::Struct { fields: all, .. }) => {
                let last = fields.iter().rposition(|field| field.offset() <= offset)?;
                offset -= fields[last].offset();
                mine = fields[last].schema();
                theirs = all.get(last)?.schema();
            }
            _ => break,
        }
    }
    find_variant(mine, theirs, bytes).break_value()?
}

/// Stops at the first part that is not valid.
fn find_variant<'a>(
    mine: &Schema,
    later: &'a Schema,
    bytes: &[u8],
) -> ControlFlow<Option<&'a Variant>> {
    if mine.any_bits() {
        return ControlFlow::Continue(());
    }
    if let (Some(mine), Some(later)) = (mine.elements(), later.elements()) {
        return match mine.there(bytes) {
            Ok(there) => bytes[there]
                .chunks_exact(mine.schema.size())
                .try_for_each(|bytes| find_variant(mine.schema, later.schema, bytes)),
            Err(_) => ControlFlow::Break(None),
        };
    }
    match (mine.kind(), later.kind()) {
        (TypeKind::Struct { fields, .. }, TypeKind::Struct { fields: all, .. }) => {
            fields.iter().zip(all).try_for_each(|(field, other)| {
                let end = field.offset() + field.schema().size();
                match bytes.get(field.offset()..end) {
                    Some(bytes) => find_variant(field.schema(), other.schema(), bytes),
                    None => ControlFlow::Continue(()),
                }
            })
        }
        (TypeKind::Enum { repr, variants, .. }, TypeKind::Enum { variants: all, .. })
            if !reads_as_variant(repr, variants, bytes) =>
        {
            let value = load(repr, bytes);
            ControlFlow::Break(all.iter().find(|variant| variant.value() == value))
        }
        _ if find(mine, bytes).is_some() => ControlFlow::Break(None),
        _ => ControlFlow::Continue(()),
    }
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
    if schema.any_bits() {
        return;
    }
    if let Some(elements) = schema.elements() {
        match elements.there(bytes) {
            Ok(there) => bytes[there]
                .chunks_exact_mut(elements.schema.size())
                .for_each(|bytes| make_valid(elements.schema, bytes)),
            Err(_) => bytes[..Primitive::U32.size()].fill(0),
        }
        return;
    }
    match schema.kind() {
        TypeKind::Struct { fields, .. } => {
            for field in fields {
                if let Some(bytes) =
                    bytes.get_mut(field.offset()..field.offset() + field.schema().size())
                {
                    make_valid(field.schema(), bytes);
                }
            }
        }
        TypeKind::Enum { repr, variants, .. } if !is_variant(repr, variants, bytes) => {
            store(variants[other_of(variants).unwrap_or(0)].value(), bytes);
        }
        TypeKind::Primitive(primitive) if !accepts(primitive, bytes) => {
            store(i128::from(primitive.is_non_zero()), bytes);
        }
        _ => {}
    }
}

/// A part of a value whose bytes are not valid for its type.
///
/// Shown as ``field `flags[2].on` holds 7, which is no `bool` ``.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidValue {
    path: String,
    holds: String,
    expected: String,
    newer: Option<Newer>,
    /// A variant that stands for others, where there is none.
    is_other: bool,
}

/// What a later version of the type says of the part.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Newer {
    variant: String,
    version: u32,
}

impl InvalidValue {
    /// Where it is, as one would write it in Rust: `flags[2].on`. Empty if it is the value itself.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The name of the variant, if the part is an enum that a later version of the type gave this
    /// variant, and the version: of the layout in the segment.
    pub fn newer(&self) -> Option<(&str, u32)> {
        let Newer { variant, version } = self.newer.as_ref()?;
        Some((variant, *version))
    }

    /// This part, which a later version of the type calls by the name of this variant.
    pub(crate) fn known_as(mut self, variant: &Variant, version: u32) -> InvalidValue {
        self.newer = Some(Newer {
            variant: variant.name().to_owned(),
            version,
        });
        self
    }

    /// Whether it is a variant that stands for others, where a segment or a field begins.
    pub(crate) fn is_other(&self) -> bool {
        self.is_other
    }

    /// This part, which is in a field of this name, or is one.
    pub(crate) fn in_field(self, name: &str) -> InvalidValue {
        let dot = if self.path.is_empty() || self.path.starts_with('[') {
            ""
        } else {
            "."
        };
        self.within(&format!("{name}{dot}"))
    }

    /// This part, seen from one step further up.
    pub(super) fn within(mut self, step: &str) -> InvalidValue {
        self.path.insert_str(0, step);
        self
    }

    /// This part, seen from the value itself: there is no dot before the first field.
    pub(crate) fn at_top(mut self) -> InvalidValue {
        self.path = self.path.trim_start_matches('.').to_owned();
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
            Some(Newer { variant, version }) => write!(
                f,
                "is `{expected}::{variant}` in version {version}, the segment's: this program's \
                 version does not know that variant"
            ),
        }
    }
}

impl std::error::Error for InvalidValue {}

fn find(schema: &Schema, bytes: &[u8]) -> Option<InvalidValue> {
    let wrong = |schema: &Schema, bytes: &[u8]| match schema.kind() {
        TypeKind::Enum { repr, variants, .. } if reads_as_variant(repr, variants, bytes) => None,
        TypeKind::Primitive(primitive) if accepts(primitive, bytes) => None,
        _ => Some(misfit(schema, bytes)),
    };
    find_by(schema, bytes, &wrong)
}

/// Builds the path on the way back, so that a walk which finds nothing allocates nothing. `wrong` is asked
/// of enums and primitives.
fn find_by(
    schema: &Schema,
    bytes: &[u8],
    wrong: &dyn Fn(&Schema, &[u8]) -> Option<InvalidValue>,
) -> Option<InvalidValue> {
    if schema.any_bits() {
        return None;
    }
    if let Some(elements) = schema.elements() {
        let Ok(there) = elements.there(bytes) else {
            return Some(misfit(schema, bytes));
        };
        return bytes[there]
            .chunks_exact(elements.schema.size())
            .enumerate()
            .find_map(|(i, bytes)| {
                Some(find_by(elements.schema, bytes, wrong)?.within(&format!("[{i}]")))
            });
    }
    match schema.kind() {
        TypeKind::Struct { fields, .. } => fields.iter().find_map(|field| {
            let bytes = bytes.get(field.offset()..field.offset() + field.schema().size())?;
            Some(find_by(field.schema(), bytes, wrong)?.within(&format!(".{}", field.name())))
        }),
        TypeKind::Enum { .. } | TypeKind::Primitive(_) => wrong(schema, bytes),
        _ => None,
    }
}

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
        path: String::new(),
        holds,
        expected: schema.to_string(),
        newer: None,
        is_other: false,
    }
}

impl Elements<'_> {
    /// Where in `bytes` those lie that are there: all places of an array, as many of a `FixedVec` as
    /// its length says. `Err` is a length for which there are too few places.
    pub(super) fn there(&self, bytes: &[u8]) -> Result<Range<usize>, u64> {
        if !self.counted {
            return Ok(0..bytes.len());
        }
        let len = bytes.get(..Primitive::U32.size());
        let len = len.map_or(0, |len| load(Primitive::U32, len) as u64);
        if len > self.places {
            return Err(len);
        }
        let start = bytes.len().min(self.offset as usize);
        let end = start + len as usize * self.schema.size();
        Ok(start..end.min(bytes.len()))
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

/// The same, or there is a variant for all others.
fn reads_as_variant(repr: Primitive, variants: &[Variant], bytes: &[u8]) -> bool {
    is_variant(repr, variants, bytes) || other_of(variants).is_some()
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
