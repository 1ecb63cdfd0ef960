//! From a schema and bytes to a tree.
//!
//! The bytes are judged once the tree is made: so there is nothing to say of them meanwhile, and none are judged that have more
//! parts than are allowed, which a hostile schema has without bytes.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::Value;
use crate::layout::enums::Enums;
use crate::layout::validity::{self, InvalidValue, first_invalid};
use crate::layout::{Primitive, Schema, SharedLayout, TypeKind};

debug_as_text! { DecodeError }

/// Why bytes are no value of a schema.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecodeError {
    /// A part is not valid for its type.
    Invalid(InvalidValue),
    /// There are fewer bytes than the schema's size.
    #[non_exhaustive]
    TooShort {
        /// How many there are.
        bytes: usize,
        /// The schema's size.
        size: usize,
    },
    /// The value has more parts than the caller allows.
    #[non_exhaustive]
    TooManyParts {
        /// How many are allowed.
        limit: usize,
    },
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DecodeError::Invalid(invalid) => fmt::Display::fmt(invalid, f),
            DecodeError::TooShort { bytes, size } => {
                write!(f, "{bytes} bytes are too few for a value that has {size}")
            }
            DecodeError::TooManyParts { limit } => write!(
                f,
                "the value has more than {limit} parts: decode it with a type of its own"
            ),
        }
    }
}

impl std::error::Error for DecodeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            DecodeError::Invalid(invalid) => Some(invalid),
            _ => None,
        }
    }
}

impl Value {
    /// How many parts [`Value::decode`] makes at most: 2^24. (A `[u8; 100]` has 101, itself
    /// included.) Each takes 48 bytes, and a text its length besides.
    pub const MAX_PARTS: usize = 1 << 24;

    /// The value that lies at the start of `bytes`, in this machine's byte order.
    ///
    /// # Errors
    ///
    /// If the bytes are no value of this schema, or too few, or the value has more than
    /// [`Value::MAX_PARTS`] parts.
    ///
    /// ```
    /// use shm_core::SharedLayout;
    /// use shm_core::layout::Value;
    ///
    /// assert_eq!(Value::decode(bool::SCHEMA, &[1]), Ok(Value::Bool(true)));
    /// let error = Value::decode(<[bool; 2]>::SCHEMA, &[1, 7]).unwrap_err();
    /// assert_eq!(error.to_string(), "field `[1]` holds 7, which is no `bool`");
    /// ```
    pub fn decode(schema: &Schema, bytes: &[u8]) -> Result<Value, DecodeError> {
        Value::decode_limited(schema, bytes, &mut { Value::MAX_PARTS })
    }

    /// The tree of a value of this process.
    ///
    /// # Errors
    ///
    /// If the value has more than [`Value::MAX_PARTS`] parts.
    ///
    /// ```
    /// use shm_core::layout::Value;
    ///
    /// assert_eq!(Value::of(&[1_u8, 2])?.path("[1]"), Some(&Value::UInt(2)));
    /// # Ok::<(), shm_core::layout::DecodeError>(())
    /// ```
    pub fn of<T: SharedLayout>(value: &T) -> Result<Value, DecodeError> {
        let mut bytes = vec![0; size_of::<T>()];
        value.for_each_byte(0, &mut |at, stretch| {
            bytes[at..at + stretch.len()].copy_from_slice(stretch);
        });
        Value::decode(T::SCHEMA, &bytes)
    }

    /// The same with a limit from which the parts are taken.
    pub(crate) fn decode_limited(
        schema: &Schema,
        bytes: &[u8],
        left: &mut usize,
    ) -> Result<Value, DecodeError> {
        let size = schema.size();
        let Some(value) = bytes.get(..size) else {
            let bytes = bytes.len();
            return Err(DecodeError::TooShort { bytes, size });
        };
        let limit = *left;
        let mut decoder = Decoder {
            left: limit,
            names: BTreeMap::new(),
            enums: Enums::default(),
        };
        let tree = decoder.value(schema, value);
        *left = decoder.left;
        let tree = tree.ok_or(DecodeError::TooManyParts { limit })?;
        match first_invalid(schema, value) {
            Some(invalid) => Err(DecodeError::Invalid(invalid)),
            None => Ok(tree),
        }
    }
}

struct Decoder<'a> {
    /// How many parts may still be made.
    left: usize,
    /// Shared by all values that bear them; by their places, since a hostile one is long.
    names: BTreeMap<*const str, Arc<str>>,
    enums: Enums<'a>,
}

impl<'a> Decoder<'a> {
    fn name(&mut self, name: &str) -> Arc<str> {
        let known = self.names.entry(name);
        known.or_insert_with(|| name.into()).clone()
    }

    /// The value in `bytes`, which are as many as the schema's size, and a value; `None` if it has too many parts.
    fn value(&mut self, schema: &'a Schema, bytes: &[u8]) -> Option<Value> {
        self.left = self.left.checked_sub(1)?;
        if let Some(elements) = schema.elements() {
            let len = elements.there(bytes).unwrap_or(0) as usize;
            // Not so much memory for what will not be decoded.
            if len > self.left {
                return None;
            }
            let mut items = Vec::with_capacity(len);
            let places = bytes[elements.offset as usize..].chunks_exact(elements.schema.size());
            for item in places.take(len) {
                items.push(self.value(elements.schema, item)?);
            }
            return Some(Value::List(items));
        }
        Some(match schema.kind() {
            TypeKind::Primitive(primitive) => primitive_of(primitive, bytes),
            TypeKind::Opaque { .. } => Value::Opaque(bytes.len()),
            TypeKind::Struct { name, fields, .. } => {
                let fields = fields.iter().map(|field| {
                    // In every schema the fields lie inside of their struct.
                    let bytes = &bytes[field.offset()..][..field.schema().size()];
                    let value = self.value(field.schema(), bytes)?;
                    Some((self.name(field.name()), value))
                });
                let fields = fields.collect::<Option<_>>()?;
                let name = self.name(name);
                Value::Struct { name, fields }
            }
            TypeKind::Enum {
                name,
                repr,
                variants,
            } => {
                let number = validity::load(repr, bytes);
                match self.enums.of(variants).numbered(number) {
                    Some(variant) => Value::Enum {
                        name: self.name(name),
                        variant: self.name(variant.name()),
                    },
                    // The variant for all others has no name then.
                    None => primitive_of(repr, bytes),
                }
            }
            // Those with elements are above.
            TypeKind::Str { .. } | TypeKind::Array { .. } | TypeKind::Vec { .. } => text_of(bytes),
        })
    }
}

/// The value of bits that are one.
fn primitive_of(primitive: Primitive, bytes: &[u8]) -> Value {
    let bits = validity::load(primitive, bytes);
    match primitive {
        Primitive::Bool => Value::Bool(bits == 1),
        Primitive::Char => Value::Char(char::from_u32(bits as u32).unwrap_or_default()),
        Primitive::F32 => Value::F32(f32::from_bits(bits as u32)),
        Primitive::F64 => Value::F64(f64::from_bits(bits as u64)),
        signed if signed.is_signed() => Value::Int(bits),
        _ => Value::UInt(bits as u128),
    }
}

fn text_of(bytes: &[u8]) -> Value {
    let end = bytes.iter().position(|&byte| byte == 0);
    let text = bytes[..end.unwrap_or(bytes.len())].to_vec();
    match String::from_utf8(text) {
        Ok(text) => Value::Text(text),
        Err(error) => Value::Bytes(error.into_bytes()),
    }
}
