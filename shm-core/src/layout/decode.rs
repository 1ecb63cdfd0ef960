//! Bytes back to a schema. They come from a segment that any process may have written: every one is
//! doubted.

use std::borrow::Cow;
use std::fmt;

use super::canonical::{BYTE_ORDER, FORM, MAX_ENCODED, WITH_OTHER, tag};
use super::schema::{Names, Ref, Shape};
use super::{FieldSchema, Primitive, Schema, Variant};

impl Schema {
    /// The layout whose stored form is `bytes`, all of them.
    ///
    /// Takes time and memory in proportion to `bytes`, of which it accepts at most 1 MiB.
    ///
    /// # Errors
    ///
    /// If the bytes are not what [`encode`](Schema::encode) makes of some layout that could exist.
    pub fn decode(bytes: &[u8]) -> Result<Schema, SchemaError> {
        let mut source = Source { bytes, at: 0 };
        if bytes.len() > MAX_ENCODED {
            return Err(source.error(format!("it is longer than {MAX_ENCODED} bytes")));
        }
        let form = source.byte()?;
        if form != FORM {
            let fault = format!("its form is {form}, and this program knows form {FORM} only");
            return Err(source.error(fault));
        }
        let order = source.byte()?;
        if order != BYTE_ORDER {
            return Err(source.error(match order {
                1 => "its program stores integers little-endian, this one does not".to_owned(),
                2 => "its program stores integers big-endian, this one does not".to_owned(),
                other => format!("{other} names no byte order"),
            }));
        }
        let schema = source.sized(1)?;
        if source.at != bytes.len() {
            return Err(source.error("it goes on behind its end"));
        }
        Ok(schema)
    }
}

debug_as_text! { SchemaError }

/// Why the layout stored in a segment cannot be read.
#[derive(Clone, PartialEq, Eq)]
pub struct SchemaError {
    at: usize,
    fault: Cow<'static, str>,
}

impl fmt::Display for SchemaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SchemaError { at, fault } = self;
        write!(f, "the stored layout is damaged at its byte {at}: {fault}")
    }
}

impl std::error::Error for SchemaError {}

struct Source<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Source<'a> {
    fn error(&self, fault: impl Into<Cow<'static, str>>) -> SchemaError {
        SchemaError {
            at: self.at,
            fault: fault.into(),
        }
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], SchemaError> {
        let taken = self
            .bytes
            .get(self.at..)
            .and_then(|rest| rest.get(..len))
            .ok_or_else(|| self.error("it ends in the middle"))?;
        self.at += len;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], SchemaError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    fn byte(&mut self) -> Result<u8, SchemaError> {
        self.array().map(u8::from_le_bytes)
    }

    fn u32(&mut self) -> Result<u32, SchemaError> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, SchemaError> {
        self.array().map(u64::from_le_bytes)
    }

    /// A size that an object of this program can have, so that it is safe to add offsets to and to
    /// cast to `usize`.
    fn size(&mut self, size: Option<u64>) -> Result<u64, SchemaError> {
        match size {
            Some(size) if size > 0 && size <= isize::MAX as u64 => Ok(size),
            _ => Err(self.bad_size(size.unwrap_or(u64::MAX))),
        }
    }

    fn bad_size(&self, size: u64) -> SchemaError {
        self.error(format!(
            "a size of {size} bytes, which no such type can have"
        ))
    }

    fn name(&mut self) -> Result<Box<str>, SchemaError> {
        let len = self.byte()?;
        let name = self.take(usize::from(len))?;
        match std::str::from_utf8(name) {
            Ok(name) if is_identifier(name) => Ok(name.into()),
            _ => Err(self
                .error("a name is empty, is not UTF-8 or has characters that no identifier has")),
        }
    }

    fn former_names(&mut self) -> Result<Names, SchemaError> {
        let count = self.byte()?;
        let names: Result<_, _> = (0..count).map(|_| self.name()).collect();
        Ok(Names::Owned(names?))
    }

    /// Never trusts a count: each item takes bytes, so the bytes run out first.
    fn items<T>(
        &mut self,
        none: &'static str,
        mut item: impl FnMut(&mut Self) -> Result<T, SchemaError>,
    ) -> Result<Ref<[T]>, SchemaError> {
        let count = self.u64()?;
        if count == 0 {
            return Err(self.error(none));
        }
        let mut items = Vec::new();
        for _ in 0..count {
            items.push(item(self)?);
        }
        Ok(Ref::Owned(items.into_boxed_slice()))
    }

    /// An alignment that a type may have.
    fn align(&mut self) -> Result<u64, SchemaError> {
        let align = self.u64()?;
        if align.is_power_of_two() && align <= Schema::MAX_ALIGN as u64 {
            return Ok(align);
        }
        let most = Schema::MAX_ALIGN;
        Err(self.error(format!(
            "an alignment of {align}, which is no power of two up to {most}"
        )))
    }

    /// A type that has bytes: all but the fields of structs.
    fn sized(&mut self, depth: usize) -> Result<Schema, SchemaError> {
        let schema = self.schema(depth)?;
        self.size(Some(schema.size))?;
        Ok(schema)
    }

    fn schema(&mut self, depth: usize) -> Result<Schema, SchemaError> {
        if depth > Schema::MAX_DEPTH {
            let most = Schema::MAX_DEPTH;
            return Err(self.error(format!("its types nest deeper than {most}")));
        }
        match self.byte()? {
            tag::ARRAY => {
                let len = self.u64()?;
                let element = self.sized(depth + 1)?;
                let size = match len {
                    0 => 0,
                    _ => self.size(element.size.checked_mul(len))?,
                };
                let align = element.align;
                let element = Ref::Owned(Box::new(element));
                Ok(Schema::of(size, align, Shape::Array { element, len }))
            }
            tag::STR => {
                let size = self.u64()?;
                Ok(Schema::of(self.size(Some(size))?, 1, Shape::Str))
            }
            tag::VEC => self.vec(depth),
            tag::OPAQUE => {
                let size = self.u64()?;
                let (size, align) = (self.size(Some(size))?, self.align()?);
                if size % align != 0 {
                    return Err(self.bad_size(size));
                }
                Ok(Schema::of(size, align, Shape::Opaque))
            }
            tag::STRUCT => self.structure(depth),
            tag::ENUM => self.enumeration(),
            other => match Primitive::from_tag(other) {
                Some(primitive) => Ok(Schema::primitive(primitive)),
                None => Err(self.error(format!("{other:#04x} stands for no type"))),
            },
        }
    }

    fn vec(&mut self, depth: usize) -> Result<Schema, SchemaError> {
        let capacity = self.u64()?;
        if capacity == 0 || capacity > u64::from(u32::MAX) {
            return Err(self.error(format!("a `FixedVec` for {capacity} elements")));
        }
        let align = self.u64()?;
        if !align.is_power_of_two() || !(4..=Schema::MAX_ALIGN as u64).contains(&align) {
            let most = Schema::MAX_ALIGN;
            return Err(self.error(format!(
                "a `FixedVec` whose elements begin at {align}, which is no power of two from 4 to {most}"
            )));
        }
        let element = self.sized(depth + 1)?;
        let size = self.size(Schema::vec_size(&element, capacity, align))?;
        let element = Ref::Owned(Box::new(element));
        Ok(Schema::of(size, align, Shape::Vec { element, capacity }))
    }

    fn structure(&mut self, depth: usize) -> Result<Schema, SchemaError> {
        let name = Ref::Owned(self.name()?);
        let version = self.u32()?;
        if version == 0 {
            return Err(self.error("a struct of version 0"));
        }
        let size = self.u64()?;
        let size = self.size(Some(size))?;
        let align = self.align()?;
        if size % align != 0 {
            return Err(self.bad_size(size));
        }
        let mut free = 0;
        let mut last_since = 1;
        let fields = self.items("there is a struct without fields", |source| {
            let name = Ref::Owned(source.name()?);
            let offset = source.u64()?;
            let schema = source.schema(depth + 1)?;
            let end = offset.checked_add(schema.size);
            free = match end {
                Some(end) if offset >= free && end <= size => end,
                _ => {
                    return Err(source.error(format!(
                        "a field at offset {offset} overlaps the one before or leaves its struct"
                    )));
                }
            };
            let since = source.u32()?;
            if since == 0 || since > version {
                let fault =
                    format!("a field since version {since} in a struct of version {version}");
                return Err(source.error(fault));
            }
            if since < last_since {
                return Err(source.error(format!(
                    "a field since version {since} behind one since version {last_since}"
                )));
            }
            last_since = since;
            Ok(FieldSchema {
                name,
                offset,
                schema: Ref::Owned(Box::new(schema)),
                since,
                former_names: source.former_names()?,
            })
        })?;
        let shape = Shape::Struct {
            name,
            version,
            fields,
            padding: &[],
            counters: &[],
        };
        Ok(Schema::of(size, align, shape))
    }

    fn enumeration(&mut self) -> Result<Schema, SchemaError> {
        let name = Ref::Owned(self.name()?);
        let byte = self.byte()?;
        let repr = match Primitive::from_tag(byte & !WITH_OTHER) {
            Some(repr) if repr.is_integer() => repr,
            _ => return Err(self.error("an enum is not stored as an integer")),
        };
        let mut variants = self.items("there is an enum without variants", |source| {
            let name = Ref::Owned(source.name()?);
            let value = i128::from_le_bytes(source.array()?);
            if !repr.holds(value) {
                let fault = format!("a variant's value {value} does not fit its enum");
                return Err(source.error(fault));
            }
            let other = false;
            Ok(Variant { name, value, other })
        })?;
        if byte & WITH_OTHER != 0 {
            let index = usize::try_from(self.u64()?).unwrap_or(usize::MAX);
            match &mut variants {
                Ref::Owned(variants) if index < variants.len() => variants[index].other = true,
                _ => return Err(self.error("unknown numbers read as a variant that is none")),
            }
        }
        Ok(Schema {
            shape: Shape::Enum {
                name,
                repr,
                variants,
            },
            ..Schema::primitive(repr)
        })
    }
}

/// Lenient where Unicode is large, strict where a terminal could be fooled: in ASCII letters,
/// digits and `_`; beyond it whatever `escape_debug` prints as it is, which no control, blank or
/// change of writing direction is.
fn is_identifier(name: &str) -> bool {
    !name.is_empty()
        && name
            .chars()
            .all(|c| !c.is_ascii() || c == '_' || c.is_ascii_alphanumeric())
        && name.escape_debug().eq(name.chars())
}
