//! From a tree, or a text, to the bytes of a part of a value: what [`Value::decode`] reads. And what
//! is said where a path, or what is to be stored, does not go with the schema.

use std::fmt;

use super::{Value, ready_made};
use crate::layout::enums::{Enums, Variants};
use crate::layout::validity::{self, InvalidValue};
use crate::layout::{FieldSchema, Primitive, Schema, TypeKind};

/// Why a part can't be found, or can't be what is asked for.
#[derive(Debug)]
pub(crate) enum Unfit {
    /// No part has this path: what is wrong with it, and what would be right.
    Path { what: String, hint: String },
    /// What is to be stored is no value of the part's type.
    Value {
        path: String,
        what: String,
        hint: String,
    },
    /// The segment holds no value there.
    Invalid(InvalidValue),
}

/// How many names a message gives.
const FEW: usize = 8;

/// The longest name that is compared with others by its letters.
const LONGEST: usize = 64;

fn named(walked: &str) -> String {
    match walked.trim_start_matches('.') {
        "" => "the value".to_owned(),
        walked => format!("`{walked}`"),
    }
}

impl Unfit {
    pub(super) fn no_path(path: &str) -> Unfit {
        Unfit::Path {
            what: format!("`{}` is no path", path.escape_debug()),
            hint: "write the way to a field as in `names`, `limits.cpu[2]` or `[0].x`".to_owned(),
        }
    }

    pub(super) fn no_field(walked: &str, name: &str, part: &Schema) -> Unfit {
        let names = part.fields().iter().map(FieldSchema::name);
        let hint = match part.elements() {
            Some(_) => "it is a list: name an element, as in `[0]`".to_owned(),
            None if part.fields().is_empty() => format!("it is `{part}`, which has no parts"),
            None => nearest(name, names),
        };
        Unfit::Path {
            what: format!("{} has no field `{}`", named(walked), name.escape_debug()),
            hint,
        }
    }

    pub(super) fn no_list(walked: &str, part: &Schema) -> Unfit {
        Unfit::Path {
            what: format!("{} is `{part}` and has no elements", named(walked)),
            hint: match part.fields().first() {
                Some(field) => format!("name a field, as in `.{}`", field.name()),
                None => "name it without an index".to_owned(),
            },
        }
    }

    pub(super) fn beyond(walked: &str, index: usize, len: u64) -> Unfit {
        Unfit::Path {
            what: format!("{} has no element {index}", named(walked)),
            hint: match len {
                0 => "it has none".to_owned(),
                len => format!("it has {len}, numbered from 0"),
            },
        }
    }

    fn value(what: String, hint: String) -> Unfit {
        Unfit::Value {
            path: String::new(),
            what,
            hint,
        }
    }

    /// The same, seen from one step further up.
    pub(crate) fn within(self, step: &str) -> Unfit {
        match self {
            Unfit::Value { path, what, hint } => Unfit::Value {
                path: format!("{step}{path}"),
                what,
                hint,
            },
            other => other,
        }
    }

    /// What would be right.
    pub(crate) fn hint(&self) -> &str {
        match self {
            Unfit::Path { hint, .. } | Unfit::Value { hint, .. } => hint,
            Unfit::Invalid(_) => "",
        }
    }
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unfit::Path { what, .. } => f.write_str(what),
            Unfit::Value { path, what, .. } => write!(f, "{} {what}", named(path)),
            Unfit::Invalid(invalid) => invalid.fmt(f),
        }
    }
}

/// Which of the names was meant, or which there are.
fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str> + Clone) -> String {
    let near = names
        .clone()
        .filter(|known| known.len() <= LONGEST && name.len() <= LONGEST)
        .map(|known| (distance(name, known), known))
        .min()
        .filter(|(distance, _)| *distance <= name.chars().count().div_ceil(2));
    if let Some((_, near)) = near {
        return format!("did you mean `{near}`?");
    }
    listed(names)
}

fn listed<'a>(names: impl Iterator<Item = &'a str> + Clone) -> String {
    let few = names.clone().take(FEW).map(|name| format!("`{name}`"));
    let few: Vec<String> = few.collect();
    let more = match names.count() {
        0 => "none",
        1..=FEW => "",
        _ => ", …",
    };
    format!("there is {}{more}", few.join(", "))
}

/// How many letters to insert, to leave out or to change (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, left) in a.chars().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, right) in b.chars().enumerate() {
            let changed = diagonal + usize::from(left != right);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[row.len() - 1]
}

/// Where the bytes of values go.
pub(crate) trait Sink {
    /// Bytes of a value, which begin at `offset`.
    fn bytes(&mut self, offset: usize, bytes: &[u8]);

    /// How many elements the `FixedVec` at `offset` has.
    fn length(&mut self, offset: usize, length: u32);
}

/// Gives `sink` all that makes the part at `offset`, of this layout, be `value`. A text is read as the layout
/// asks.
pub(crate) fn encode<'a>(
    schema: &'a Schema,
    offset: usize,
    value: &Value,
    enums: &mut Enums<'a>,
    sink: &mut impl Sink,
) -> Result<(), Unfit> {
    if let Some(elements) = schema.elements() {
        let items = value.as_list();
        let fits = |items: &&[Value]| match items.len() as u64 {
            len if elements.counted => len <= elements.places,
            len => len == elements.places,
        };
        let Some(items) = items.filter(fits) else {
            let most = if elements.counted { "at most " } else { "" };
            let wanted = format!("a list of {most}{} elements", elements.places);
            return Err(refused(schema, value, &wanted));
        };
        if elements.counted {
            sink.length(offset, items.len() as u32);
        }
        let first = offset + elements.offset as usize;
        for (i, item) in items.iter().enumerate() {
            let at = first + i * elements.schema.size();
            encode(elements.schema, at, item, enums, sink)
                .map_err(|unfit| unfit.within(&format!("[{i}]")))?;
        }
        return Ok(());
    }
    match (schema.kind(), value) {
        (TypeKind::Struct { fields, .. }, Value::Struct { fields: values, .. }) => {
            for (i, (name, value)) in values.iter().enumerate() {
                let is_named = |field: &&FieldSchema| field.name() == &**name;
                // Of a value that was read they are in this order.
                let field = fields.get(i).filter(is_named);
                let field = field.or_else(|| fields.iter().find(is_named));
                let field = field.ok_or_else(|| Unfit::no_field("", name, schema))?;
                encode(field.schema(), offset + field.offset(), value, enums, sink)
                    .map_err(|unfit| unfit.within(&format!(".{name}")))?;
            }
            Ok(())
        }
        (TypeKind::Struct { .. }, _) => {
            if let Value::Text(text) = value {
                if let Some(bytes) = ready_made::parsed(schema, text) {
                    sink.bytes(offset, &bytes);
                    return Ok(());
                }
            }
            let wanted = "a path to one of its fields, or the text of a ready-made type";
            Err(refused(schema, value, wanted))
        }
        // Nothing is stored there: so a struct that was read can be stored.
        (TypeKind::Opaque { size }, Value::Opaque(len)) if *len as u64 == size => Ok(()),
        (TypeKind::Opaque { .. }, _) => {
            let what = "can't be set: its bytes belong to another program";
            Err(Unfit::value(what.to_owned(), "leave it out".to_owned()))
        }
        (TypeKind::Str { size }, _) => {
            let text = match value {
                Value::Text(text) => Some(text.as_bytes()),
                Value::Bytes(bytes) => Some(&**bytes),
                _ => None,
            };
            let Some(text) = text.filter(|text| (text.len() as u64) < size && !text.contains(&0))
            else {
                let wanted = format!("text of at most {} bytes without a NUL", size - 1);
                return Err(refused(schema, value, &wanted));
            };
            let mut bytes = vec![0; size as usize];
            bytes[..text.len()].copy_from_slice(text);
            sink.bytes(offset, &bytes);
            Ok(())
        }
        (TypeKind::Enum { repr, variants, .. }, _) => {
            if let Some(number) = variant_of(schema, repr, enums.of(variants), value)? {
                store_number(number, repr, offset, sink);
            }
            Ok(())
        }
        (TypeKind::Primitive(primitive), _) => {
            let bits = bits_of(primitive, value).ok_or_else(|| {
                let wanted = wanted(primitive);
                refused(schema, value, &wanted)
            })?;
            store_number(bits, primitive, offset, sink);
            Ok(())
        }
        // Lists, which were encoded above.
        _ => Ok(()),
    }
}

fn store_number(number: i128, primitive: Primitive, offset: usize, sink: &mut impl Sink) {
    let mut bytes = [0; size_of::<i128>()];
    let bytes = &mut bytes[..primitive.size()];
    validity::store(number, bytes);
    sink.bytes(offset, bytes);
}

fn refused(schema: &Schema, value: &Value, wanted: &str) -> Unfit {
    let given = match value {
        Value::Struct { name, .. } => format!("a struct `{name}`"),
        Value::List(items) => format!("a list of {} elements", items.len()),
        other => format!("{other:?}").chars().take(LONGEST).collect(),
    };
    Unfit::value(
        format!("is `{schema}` and can't be {given}"),
        format!("wanted is {wanted}"),
    )
}

/// The number of the variant that is named; or a number that one has, or that may stand for one
/// which is not known here. None is stored for a variant that was read and stands for others.
fn variant_of(
    schema: &Schema,
    repr: Primitive,
    variants: &Variants<'_>,
    value: &Value,
) -> Result<Option<i128>, Unfit> {
    let refused = |wanted: &str| {
        let names = listed(variants.names());
        refused(schema, value, &format!("{wanted}: {names}"))
    };
    let name = match value {
        Value::Text(name) => &**name,
        Value::Enum { variant, .. } => variant,
        _ => {
            let may_be = |number: &i128| match variants.numbered(*number) {
                Some(variant) => !variant.is_other(),
                None => variants.is_open(),
            };
            let number = integer_of(repr, value).filter(may_be);
            return number
                .map(Some)
                .ok_or_else(|| refused("the name of a variant"));
        }
    };
    match variants.named(name) {
        Some(other) if other.is_other() => match value {
            Value::Enum { .. } => Ok(None),
            _ => Err(refused("a variant that does not stand for others")),
        },
        Some(variant) => Ok(Some(variant.value())),
        None => {
            let mut unfit = refused("");
            if let Unfit::Value { hint, .. } = &mut unfit {
                *hint = nearest(name, variants.names());
            }
            Err(unfit)
        }
    }
}

fn wanted(primitive: Primitive) -> String {
    let stored = primitive.stored_as();
    let bits = 8 * stored.size() as u32;
    let (least, most) = if stored.is_signed() {
        let most = i128::MAX >> (128 - bits);
        ((-1 - most).to_string(), most.to_string())
    } else {
        let least = u8::from(primitive.is_non_zero());
        (least.to_string(), (u128::MAX >> (128 - bits)).to_string())
    };
    let but = if primitive.is_non_zero() && stored.is_signed() {
        ", not 0"
    } else {
        ""
    };
    match stored {
        Primitive::Bool => "`true` or `false`".to_owned(),
        Primitive::Char => "one character".to_owned(),
        Primitive::F32 => format!("a number from {:e} to {:e}, or `inf`", f32::MIN, f32::MAX),
        Primitive::F64 => format!("a number from {:e} to {:e}, or `inf`", f64::MIN, f64::MAX),
        _ => format!("an integer from {least} to {most}{but}"),
    }
}

/// The bits of a value without parts, as an integer of its size.
fn bits_of(primitive: Primitive, value: &Value) -> Option<i128> {
    match (primitive, value) {
        (Primitive::Bool, Value::Bool(on)) => Some(i128::from(*on)),
        (Primitive::Bool, Value::Text(text)) => text.parse().ok().map(|on: bool| i128::from(on)),
        (Primitive::Char, Value::Char(letter)) => Some(i128::from(u32::from(*letter))),
        (Primitive::Char, Value::Text(text)) => {
            let letter: char = text.parse().ok()?;
            Some(i128::from(u32::from(letter)))
        }
        (Primitive::Bool | Primitive::Char, _) => None,
        (Primitive::F32, Value::F32(number)) => Some(number.to_bits().into()),
        (Primitive::F64, Value::F32(number)) => Some(f64::from(*number).to_bits().into()),
        (Primitive::F64, Value::F64(number)) => Some(number.to_bits().into()),
        (Primitive::F32, Value::F64(number)) => {
            let short = *number as f32;
            (short.is_finite() || !number.is_finite()).then(|| short.to_bits().into())
        }
        (Primitive::F32 | Primitive::F64, _) => {
            let text = decimal(value)?;
            let (short, long): (f32, f64) = (text.parse().ok()?, text.parse().ok()?);
            let (bits, is_finite) = match primitive {
                Primitive::F32 => (short.to_bits().into(), short.is_finite()),
                _ => (long.to_bits().into(), long.is_finite()),
            };
            // `inf` is meant; digits that are beyond what can be stored are not.
            (is_finite || !text.contains(|c: char| c.is_ascii_digit())).then_some(bits)
        }
        (integer, _) => {
            integer_of(integer.stored_as(), value).filter(|n| *n != 0 || !integer.is_non_zero())
        }
    }
}

fn decimal(value: &Value) -> Option<String> {
    match value {
        Value::Text(text) => Some(text.clone()),
        Value::Int(number) => Some(number.to_string()),
        Value::UInt(number) => Some(number.to_string()),
        _ => None,
    }
}

/// An integer in the range of `primitive`; of a `u128` above `i128::MAX` the two's complement.
fn integer_of(primitive: Primitive, value: &Value) -> Option<i128> {
    let (negative, size) = match value {
        Value::Int(number) => (*number < 0, number.unsigned_abs()),
        Value::UInt(number) => (false, *number),
        Value::Text(text) => parsed(text)?,
        _ => return None,
    };
    if primitive == Primitive::U128 {
        return (!negative || size == 0).then_some(size as i128);
    }
    let number = match negative {
        true => 0_i128.checked_sub_unsigned(size)?,
        false => i128::try_from(size).ok()?,
    };
    primitive.holds(number).then_some(number)
}

/// Sign and absolute value of `-7`, `0x2a`, `0o52` or `0b101010`.
fn parsed(text: &str) -> Option<(bool, u128)> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let (radix, digits) = match digits.get(..2) {
        Some("0x") => (16, &digits[2..]),
        Some("0o") => (8, &digits[2..]),
        Some("0b") => (2, &digits[2..]),
        _ => (10, digits),
    };
    // Not what `from_str_radix` takes besides digits: a sign.
    let size = u128::from_str_radix(digits, radix).ok();
    Some((negative, size.filter(|_| !digits.starts_with('+'))?))
}

macro_rules! from {
    ($($of:ty => $variant:ident($wide:ty)),+ $(,)?) => {$(
        impl From<$of> for Value {
            fn from(value: $of) -> Value {
                Value::$variant(<$wide>::from(value))
            }
        }
    )+};
}

from! {
    bool => Bool(bool), char => Char(char), f32 => F32(f32), f64 => F64(f64), &str => Text(String), String => Text(String),
    i8 => Int(i128), i16 => Int(i128), i32 => Int(i128), i64 => Int(i128), i128 => Int(i128),
    u8 => UInt(u128), u16 => UInt(u128), u32 => UInt(u128), u64 => UInt(u128), u128 => UInt(u128),
}

impl From<Vec<Value>> for Value {
    fn from(items: Vec<Value>) -> Value {
        Value::List(items)
    }
}
