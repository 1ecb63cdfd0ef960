//! A schema as bytes: the form that lies in a segment, and the fingerprint, which is a hash of the
//! same bytes.
//!
//! One walk writes both, so that nothing can be stored and yet escape the fingerprint by accident.
//! Four things do on purpose: the names of structs and enums, since two programs may call the same
//! bytes by two names; alignment, which says where a value may lie and not how it is read (a `u64`
//! aligns to 4 in a 32-bit x86 program and to 8 in a 64-bit one); the history of a field, which
//! says how other versions read it; and which variant unknown numbers read as. `FORMAT.md`, section "Schema", gives the recipe byte by byte.

use std::fmt;

use super::facts::other_of;
use super::{FieldSchema, Schema, TypeKind};

/// Goes before all else, so that a later form of these bytes cannot be taken for this one.
pub(super) const FORM: u8 = 1;

/// How the *payload* stores its integers; the integers of the form itself are little-endian
/// everywhere.
pub(crate) const BYTE_ORDER: u8 = if cfg!(target_endian = "little") { 1 } else { 2 };

/// What each node of the tree begins with. 1 to 24 are the primitives.
pub(super) mod tag {
    pub const ARRAY: u8 = 0x20;
    pub const STR: u8 = 0x21;
    pub const STRUCT: u8 = 0x22;
    pub const ENUM: u8 = 0x23;
    pub const VEC: u8 = 0x24;
    pub const OPAQUE: u8 = 0x25;
}

/// Beside the integer of an enum: the index of a variant follows, which unknown numbers read as.
pub(super) const WITH_OTHER: u8 = 0x80;

/// The longest form that is stored or accepted, in bytes.
pub(crate) const MAX_ENCODED: usize = 1 << 20;

/// 64 bits that stand for everything that decides whether two programs read the same bytes the same
/// way.
///
/// Shown as `0x` and sixteen hexadecimal digits. Equal layouts have equal fingerprints, whatever
/// their structs and enums are called; unequal ones differ except by a chance of 1 in 2^64. It is
/// no defence against a program that *wants* two layouts to collide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint(u64);

impl Fingerprint {
    /// The fingerprint whose bits are `bits`, as found in a segment.
    pub const fn from_bits(bits: u64) -> Fingerprint {
        Fingerprint(bits)
    }

    /// The hash of any other bytes.
    pub(crate) const fn of_bytes(bytes: &[u8]) -> Fingerprint {
        let mut sink = Sink::new();
        sink.bytes(bytes);
        Fingerprint(sink.hash)
    }

    /// The bits, as stored in a segment.
    pub const fn to_bits(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#018x}", self.0)
    }
}

impl Schema {
    /// The fingerprint of this layout: FNV-1a over its stored form without the names and alignments
    /// of structs, without the alignments of opaque bytes and the names of enums, and without `since` and the former names of fields.
    ///
    /// Field names and order, offsets, sizes, signedness, schema versions, and the names and values
    /// of enum variants all count.
    pub const fn fingerprint(&self) -> Fingerprint {
        let mut sink = Sink {
            stored: false,
            ..Sink::new()
        };
        sink.document(self);
        Fingerprint(sink.hash)
    }

    /// The length of [`encode`](Schema::encode)'s answer, in bytes.
    pub const fn encoded_len(&self) -> usize {
        let mut sink = Sink::new();
        sink.document(self);
        sink.len
    }

    /// The stored form of this layout, from which [`decode`](Schema::decode) makes an equal one.
    ///
    /// ```
    /// use shm_core::SharedLayout;
    /// use shm_core::layout::Schema;
    ///
    /// let bytes = <[u16; 4]>::SCHEMA.encode();
    /// assert_eq!(Schema::decode(&bytes).as_ref(), Ok(<[u16; 4]>::SCHEMA));
    /// ```
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.encoded_len()];
        let mut sink = Sink {
            out: Some(&mut bytes),
            ..Sink::new()
        };
        sink.document(self);
        bytes
    }
}

/// Counts, hashes and, if there is somewhere to, writes the bytes it is given.
struct Sink<'a> {
    len: usize,
    hash: u64,
    /// Whether this is the stored form, or what the fingerprint is made of.
    stored: bool,
    out: Option<&'a mut [u8]>,
}

impl Sink<'_> {
    /// The offset basis and prime of FNV-1a with 64 bits:
    /// <http://www.isthe.com/chongo/tech/comp/fnv/>.
    const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;

    const fn new() -> Self {
        Sink {
            len: 0,
            hash: Self::BASIS,
            stored: true,
            out: None,
        }
    }

    const fn byte(&mut self, byte: u8) {
        if let Some(out) = &mut self.out {
            out[self.len] = byte;
        }
        self.len += 1;
        self.hash = (self.hash ^ byte as u64).wrapping_mul(Self::PRIME);
    }

    const fn bytes(&mut self, bytes: &[u8]) {
        let mut i = 0;
        while i < bytes.len() {
            self.byte(bytes[i]);
            i += 1;
        }
    }

    const fn u64(&mut self, value: u64) {
        self.bytes(&value.to_le_bytes());
    }

    /// A length before each name: else the fields `ab`, `c` and `a`, `bc` would give the same
    /// bytes.
    const fn name(&mut self, name: &str) {
        self.byte(name.len() as u8);
        self.bytes(name.as_bytes());
    }

    const fn type_name(&mut self, name: &str) {
        if self.stored {
            self.name(name);
        }
    }

    const fn align(&mut self, schema: &Schema) {
        if self.stored {
            self.u64(schema.align);
        }
    }

    const fn field(&mut self, field: &FieldSchema) {
        self.name(field.name());
        self.u64(field.offset);
        self.schema(field.schema());
        if self.stored {
            self.bytes(&field.since.to_le_bytes());
            self.byte(field.former_names.len() as u8);
            let mut i = 0;
            while i < field.former_names.len() {
                self.name(field.former_names.at(i));
                i += 1;
            }
        }
    }

    const fn document(&mut self, schema: &Schema) {
        self.byte(FORM);
        self.byte(BYTE_ORDER);
        self.schema(schema);
    }

    const fn schema(&mut self, schema: &Schema) {
        match schema.kind() {
            TypeKind::Primitive(primitive) => self.byte(primitive.tag()),
            TypeKind::Array { element, len } => {
                self.byte(tag::ARRAY);
                self.u64(len);
                self.schema(element);
            }
            TypeKind::Str { size } => {
                self.byte(tag::STR);
                self.u64(size);
            }
            TypeKind::Opaque { size } => {
                self.byte(tag::OPAQUE);
                self.u64(size);
                self.align(schema);
            }
            TypeKind::Vec {
                element,
                capacity,
                offset,
            } => {
                self.byte(tag::VEC);
                self.u64(capacity);
                // No mere alignment: programs that place the elements differently do not agree.
                self.u64(offset);
                self.schema(element);
            }
            TypeKind::Struct {
                name,
                version,
                fields,
            } => {
                self.byte(tag::STRUCT);
                self.type_name(name);
                self.bytes(&version.to_le_bytes());
                self.u64(schema.size);
                self.align(schema);
                self.u64(fields.len() as u64);
                let mut i = 0;
                while i < fields.len() {
                    self.field(&fields[i]);
                    i += 1;
                }
            }
            TypeKind::Enum {
                name,
                repr,
                variants,
            } => {
                self.byte(tag::ENUM);
                self.type_name(name);
                // How a program takes unknown numbers, as the history, says nothing of the bytes.
                let other = if self.stored {
                    other_of(variants)
                } else {
                    None
                };
                self.byte(repr.tag() | if other.is_some() { WITH_OTHER } else { 0 });
                self.u64(variants.len() as u64);
                let mut i = 0;
                while i < variants.len() {
                    self.name(variants[i].name());
                    self.bytes(&variants[i].value.to_le_bytes());
                    i += 1;
                }
                if let Some(index) = other {
                    self.u64(index as u64);
                }
            }
        }
    }
}
