//! From a schema and bytes to a tree.
//!
//! The schema is prepared first: names are shared by all values that bear them, and the variants of
//! an enum are sorted. So a schema that names a thousand variants for each of a million bytes costs
//! a million short searches, and not a thousand million comparisons.

use std::fmt;
use std::sync::Arc;

use super::Value;
use crate::layout::facts::other_of;
use crate::layout::schema::Elements;
use crate::layout::validity::{self, InvalidValue};
use crate::layout::{Primitive, Schema, SharedLayout, TypeKind};

/// Why bytes are no value of a schema.
#[derive(Clone, Debug, PartialEq, Eq)]
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
        Value::decode_limited(schema, bytes, Value::MAX_PARTS)
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

    /// The same with another limit.
    pub(crate) fn decode_limited(
        schema: &Schema,
        bytes: &[u8],
        limit: usize,
    ) -> Result<Value, DecodeError> {
        let size = schema.size();
        let Some(value) = bytes.get(..size) else {
            let bytes = bytes.len();
            return Err(DecodeError::TooShort { bytes, size });
        };
        let mut left = limit;
        Plan::of(schema)
            .decode(value, &mut left)
            .map_err(|stop| match stop {
                Stop::Invalid(invalid) => DecodeError::Invalid(invalid.at_top()),
                Stop::TooManyParts => DecodeError::TooManyParts { limit },
            })
    }
}

enum Stop {
    Invalid(InvalidValue),
    TooManyParts,
}

/// A schema, prepared for decoding.
struct Plan<'a> {
    schema: &'a Schema,
    shape: Shape<'a>,
}

enum Shape<'a> {
    Primitive(Primitive),
    Text,
    Opaque,
    List(Elements<'a>, Box<Plan<'a>>),
    Struct {
        name: Arc<str>,
        fields: Vec<(Arc<str>, usize, Plan<'a>)>,
    },
    Enum {
        name: Arc<str>,
        repr: Primitive,
        /// In ascending order of the values.
        variants: Vec<(i128, Arc<str>)>,
        /// Whether a number that is none of theirs is a value, which has no name then.
        open: bool,
    },
}

impl<'a> Plan<'a> {
    fn of(schema: &'a Schema) -> Plan<'a> {
        if let Some(elements) = schema.elements() {
            let shape = Shape::List(elements, Box::new(Plan::of(elements.schema)));
            return Plan { schema, shape };
        }
        let shape = match schema.kind() {
            TypeKind::Primitive(primitive) => Shape::Primitive(primitive),
            // Those with elements are above.
            TypeKind::Str { .. } | TypeKind::Array { .. } | TypeKind::Vec { .. } => Shape::Text,
            TypeKind::Opaque { .. } => Shape::Opaque,
            TypeKind::Struct { name, fields, .. } => Shape::Struct {
                name: name.into(),
                fields: fields
                    .iter()
                    .map(|field| {
                        let plan = Plan::of(field.schema());
                        (field.name().into(), field.offset(), plan)
                    })
                    .collect(),
            },
            TypeKind::Enum {
                name,
                repr,
                variants,
            } => {
                let open = other_of(variants).is_some();
                let mut variants: Vec<(i128, Arc<str>)> = variants
                    .iter()
                    .map(|variant| (variant.value(), variant.name().into()))
                    .collect();
                // Stable, so that of two variants with one value the first one declared counts.
                variants.sort_by_key(|&(value, _)| value);
                variants.dedup_by_key(|&mut (value, _)| value);
                Shape::Enum {
                    name: name.into(),
                    repr,
                    variants,
                    open,
                }
            }
        };
        Plan { schema, shape }
    }

    /// The value in `bytes`, which are as many as the schema's size; `left` parts may still be
    /// made.
    fn decode(&self, bytes: &[u8], left: &mut usize) -> Result<Value, Stop> {
        *left = left.checked_sub(1).ok_or(Stop::TooManyParts)?;
        match &self.shape {
            Shape::Primitive(primitive) => {
                primitive_of(*primitive, bytes).ok_or_else(|| self.invalid(bytes))
            }
            Shape::Text => Ok(text_of(bytes)),
            Shape::Opaque => Ok(Value::Opaque(bytes.len())),
            Shape::List(elements, element) => {
                let there = elements.there(bytes).map_err(|_| self.invalid(bytes))?;
                element.decode_list(&bytes[there], left)
            }
            Shape::Struct { name, fields } => {
                let decode = |(name, offset, plan): &(Arc<str>, usize, Plan<'_>)| {
                    // In every schema the fields lie inside of their struct.
                    let bytes = &bytes[*offset..][..plan.schema.size()];
                    let value = plan
                        .decode(bytes, left)
                        .map_err(|stop| stop.within(|| format!(".{name}")))?;
                    Ok((name.clone(), value))
                };
                Ok(Value::Struct {
                    name: name.clone(),
                    fields: fields.iter().map(decode).collect::<Result<_, _>>()?,
                })
            }
            Shape::Enum {
                name,
                repr,
                variants,
                open,
            } => {
                let value = validity::load(*repr, bytes);
                let found = variants.binary_search_by_key(&value, |&(value, _)| value);
                if found.is_err() && *open {
                    return primitive_of(*repr, bytes).ok_or_else(|| self.invalid(bytes));
                }
                let (_, variant) = &variants[found.map_err(|_| self.invalid(bytes))?];
                Ok(Value::Enum {
                    name: name.clone(),
                    variant: variant.clone(),
                })
            }
        }
    }

    /// The elements of this plan that lie in `bytes`.
    fn decode_list(&self, bytes: &[u8], left: &mut usize) -> Result<Value, Stop> {
        let elements = bytes.chunks_exact(self.schema.size());
        // Not so much memory for what will not be decoded.
        if elements.len() > *left {
            return Err(Stop::TooManyParts);
        }
        let mut items = Vec::with_capacity(elements.len());
        for (i, bytes) in elements.enumerate() {
            let item = self.decode(bytes, left);
            items.push(item.map_err(|stop| stop.within(|| format!("[{i}]")))?);
        }
        Ok(Value::List(items))
    }

    #[cold]
    fn invalid(&self, bytes: &[u8]) -> Stop {
        Stop::Invalid(validity::misfit(self.schema, bytes))
    }
}

impl Stop {
    fn within(self, step: impl FnOnce() -> String) -> Stop {
        match self {
            Stop::Invalid(invalid) => Stop::Invalid(invalid.within(&step())),
            stop => stop,
        }
    }
}

fn primitive_of(primitive: Primitive, bytes: &[u8]) -> Option<Value> {
    let bits = validity::load(primitive, bytes);
    Some(match primitive {
        Primitive::Bool if bits > 1 => return None,
        Primitive::Bool => Value::Bool(bits == 1),
        Primitive::Char => Value::Char(char::from_u32(bits as u32)?),
        Primitive::F32 => Value::F32(f32::from_bits(bits as u32)),
        Primitive::F64 => Value::F64(f64::from_bits(bits as u64)),
        integer if integer.is_non_zero() && bits == 0 => return None,
        signed if signed.is_signed() => Value::Int(bits),
        _ => Value::UInt(bits as u128),
    })
}

fn text_of(bytes: &[u8]) -> Value {
    let end = bytes.iter().position(|&byte| byte == 0);
    let text = bytes[..end.unwrap_or(bytes.len())].to_vec();
    match String::from_utf8(text) {
        Ok(text) => Value::Text(text),
        Err(error) => Value::Bytes(error.into_bytes()),
    }
}
