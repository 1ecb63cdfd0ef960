//! A value as a tree of named parts, for those who do not have its Rust type: bytes and a schema
//! are enough to make one.
//!
//! Both may come from any process. Bytes that are no value are an error that names the part; time and
//! memory are bounded by the schema, the bytes, and a number of parts.

use std::fmt;
use std::sync::Arc;

use super::fixed_str::fmt_text;

mod decode;
mod encode;
mod path;
mod ready_made;
#[cfg(feature = "serde")]
mod serialize;

pub use decode::DecodeError;
pub(crate) use encode::{Sink, Unfit, encode};
pub(crate) use path::locate;

/// A value of a type that this program does not have, as a tree of named parts.
///
/// Made by [`Inspector::value`](crate::Inspector::value) from a segment, or by [`Value::decode`]
/// from a schema and bytes. `{:?}` and `{:#?}` print what the derived `Debug` of the original type
/// prints; `Display` is `{:#?}`. With the feature `serde` it can be serialised: a struct as a map,
/// a list as a sequence, an enum as the name of its variant, text as a string.
///
/// ```
/// use shm_core::layout::Value;
/// use shm_core::{FixedStr, SharedLayout};
///
/// #[derive(SharedLayout, Clone, Copy, Debug)]
/// #[repr(C)]
/// struct StPid {
///     pid: i32,
///     names: FixedStr<4>,
///     marks: [u8; 2],
/// }
///
/// let bytes = [7, 0, 0, 0, b'b', b'o', b'b', 0, 1, 2, 0, 0]; // on a little-endian machine
/// # let mut bytes = bytes;
/// # bytes[..4].copy_from_slice(&7_i32.to_ne_bytes());
/// let value = Value::decode(StPid::SCHEMA, &bytes)?;
/// assert_eq!(value.get("pid").and_then(Value::as_int), Some(7));
/// assert_eq!(value.path("names").and_then(Value::as_str), Some("bob"));
/// assert_eq!(value.path("marks[1]"), Some(&Value::UInt(2)));
///
/// let original = StPid { pid: 7, names: FixedStr::new("bob")?, marks: [1, 2] };
/// assert_eq!(value.to_string(), format!("{original:#?}"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// A `bool`.
    Bool(bool),
    /// An integer with a sign, of any width.
    Int(i128),
    /// An integer without a sign, of any width.
    UInt(u128),
    /// An `f32`.
    F32(f32),
    /// An `f64`.
    F64(f64),
    /// A `char`.
    Char(char),
    /// A `FixedStr`: the text before the first NUL, or all of it if there is none.
    Text(String),
    /// A `FixedStr` whose text is not UTF-8.
    Bytes(Vec<u8>),
    /// So many bytes that belong to another program: an `Opaque`.
    Opaque(usize),
    /// The elements of an array, or those that are in use of a `FixedVec`.
    List(Vec<Value>),
    /// A struct.
    #[non_exhaustive]
    Struct {
        /// Its name, without path and parameters.
        name: Arc<str>,
        /// Names and values of its fields, in ascending order of their offsets.
        fields: Vec<(Arc<str>, Value)>,
    },
    /// A fieldless enum. A number that its `#[shared(other)]` variant stands for is an integer.
    #[non_exhaustive]
    Enum {
        /// The enum's name, without path.
        name: Arc<str>,
        /// The variant's name.
        variant: Arc<str>,
    },
}

impl Value {
    /// The field of this name, if this is a struct that has one.
    pub fn get(&self, field: &str) -> Option<&Value> {
        let (_, value) = self.fields().iter().find(|(name, _)| **name == *field)?;
        Some(value)
    }

    /// The element with this index, if this is a list that has one.
    pub fn at(&self, index: usize) -> Option<&Value> {
        self.as_list()?.get(index)
    }

    /// The fields of a struct; none for anything else.
    pub fn fields(&self) -> &[(Arc<str>, Value)] {
        match self {
            Value::Struct { fields, .. } => fields,
            _ => &[],
        }
    }

    /// The elements of a list.
    pub fn as_list(&self) -> Option<&[Value]> {
        match self {
            Value::List(items) => Some(items),
            _ => None,
        }
    }

    /// A `bool`.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Value::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// An integer of either sign that fits `i128`.
    pub fn as_int(&self) -> Option<i128> {
        match self {
            Value::Int(value) => Some(*value),
            Value::UInt(value) => i128::try_from(*value).ok(),
            _ => None,
        }
    }

    /// An integer that is not negative.
    pub fn as_uint(&self) -> Option<u128> {
        match self {
            Value::Int(value) => u128::try_from(*value).ok(),
            Value::UInt(value) => Some(*value),
            _ => None,
        }
    }

    /// A floating-point number of either width.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Value::F32(value) => Some(f64::from(*value)),
            Value::F64(value) => Some(*value),
            _ => None,
        }
    }

    /// A text, or the name of an enum's variant.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            Value::Enum { variant, .. } => Some(variant),
            _ => None,
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:#?}")
    }
}

impl fmt::Debug for Value {
    /// As the derived `Debug` of the original type.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(text) = self.ready_made() {
            return f.write_str(&text);
        }
        match self {
            Value::Bool(value) => fmt::Debug::fmt(value, f),
            Value::Int(value) => fmt::Debug::fmt(value, f),
            Value::UInt(value) => fmt::Debug::fmt(value, f),
            Value::F32(value) => fmt::Debug::fmt(value, f),
            Value::F64(value) => fmt::Debug::fmt(value, f),
            Value::Char(value) => fmt::Debug::fmt(value, f),
            Value::Text(text) => fmt_text(text.as_bytes(), f),
            Value::Bytes(bytes) => fmt_text(bytes, f),
            Value::Opaque(size) => write!(f, "{size} opaque bytes"),
            Value::List(items) => f.debug_list().entries(items).finish(),
            // Fields of a tuple struct are numbered; no other name begins with a digit.
            Value::Struct { name, fields } if fields.iter().all(|(name, _)| is_number(name)) => {
                let mut tuple = f.debug_tuple(name);
                for (_, value) in fields {
                    tuple.field(value);
                }
                tuple.finish()
            }
            Value::Struct { name, fields } => {
                let mut structure = f.debug_struct(name);
                for (name, value) in fields {
                    structure.field(name, value);
                }
                structure.finish()
            }
            Value::Enum { variant, .. } => f.write_str(variant),
        }
    }
}

fn is_number(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_digit())
}
