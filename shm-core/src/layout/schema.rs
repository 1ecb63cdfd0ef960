//! A layout as data: names, offsets, sizes, alignments, element types and enum variants,
//! recursively.

use std::fmt;

use super::Primitive;

/// Data that is either part of the program or was decoded from a segment.
///
/// A box and not an `Arc`: only a box can be looked into by a `const fn`, and a decoded schema is
/// seldom cloned.
#[derive(Debug)]
pub(super) enum Ref<T: ?Sized + 'static> {
    Static(&'static T),
    Owned(Box<T>),
}

impl<T: ?Sized> Ref<T> {
    pub(super) const fn get(&self) -> &T {
        match self {
            Ref::Static(data) => data,
            Ref::Owned(data) => data,
        }
    }
}

impl<T: ?Sized> Clone for Ref<T>
where
    Box<T>: Clone,
{
    fn clone(&self) -> Self {
        match self {
            Ref::Static(data) => Ref::Static(data),
            Ref::Owned(data) => Ref::Owned(data.clone()),
        }
    }
}

/// The layout of one type: its size, its alignment and what it consists of.
///
/// A program's own schemas are constants, found as
/// [`SharedLayout::SCHEMA`](super::SharedLayout::SCHEMA); those of other programs come out of a
/// segment by [`Schema::decode`]. Both are this type.
///
/// `Display` writes the type as a Rust programmer would: `i32`, `[u16; 4]`, `FixedStr<51>`, `FixedVec<i32, 8>`, or the
/// name of a struct or an enum. `==` compares everything, names of types included; two layouts that
/// differ in those alone have the same [`fingerprint`](Schema::fingerprint).
///
/// ```
/// use shm_core::SharedLayout;
///
/// let schema = <[u16; 4]>::SCHEMA;
/// assert_eq!((schema.size(), schema.align()), (8, 2));
/// assert_eq!(schema.to_string(), "[u16; 4]");
/// ```
#[derive(Clone)]
pub struct Schema {
    pub(super) size: u64,
    pub(super) align: u64,
    pub(super) shape: Shape,
}

/// What [`TypeKind`] shows, with its data owned or static.
#[derive(Clone)]
pub(super) enum Shape {
    Primitive(Primitive),
    Array {
        element: Ref<Schema>,
        len: u64,
    },
    Str,
    Opaque,
    /// Where the elements begin is the alignment of the whole: see [`TypeKind::Vec`].
    Vec {
        element: Ref<Schema>,
        capacity: u64,
    },
    Struct {
        name: Ref<str>,
        version: u32,
        fields: Ref<[FieldSchema]>,
        /// What is a field in this program only, `#[shared(padding)]`: no part of the layout.
        padding: &'static [FieldSchema],
        /// What this program counts in, `#[shared(counter)]`: a table says itself which these are.
        counters: &'static [FieldSchema],
    },
    Enum {
        name: Ref<str>,
        repr: Primitive,
        variants: Ref<[Variant]>,
    },
}

/// What sort of type a [`Schema`] describes, as [`Schema::kind`] shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TypeKind<'a> {
    /// A type without parts.
    Primitive(Primitive),
    /// `[element; len]`.
    #[non_exhaustive]
    Array {
        /// What each element is.
        element: &'a Schema,
        /// How many elements there are; 0 only where it is the field of a struct.
        len: u64,
    },
    /// `FixedStr<size>`, in C `char[size]`.
    #[non_exhaustive]
    Str {
        /// All its bytes, the one for the NUL included; at least 1.
        size: u64,
    },
    /// `Opaque<size, …>`: bytes that belong to another program.
    #[non_exhaustive]
    Opaque {
        /// How many there are; at least 1.
        size: u64,
    },
    /// `FixedVec<element, capacity>`, in C `struct { uint32_t len; element items[capacity]; }`.
    #[non_exhaustive]
    Vec {
        /// What each element is.
        element: &'a Schema,
        /// How many elements there is room for; at least 1, at most `u32::MAX`.
        capacity: u64,
        /// Where the first element lies, in bytes from the start of the length; the same number as
        /// the alignment of the whole.
        offset: u64,
    },
    /// A struct.
    #[non_exhaustive]
    Struct {
        /// Its name, without path and parameters.
        name: &'a str,
        /// Its schema version: `#[shared(version = …)]`, 1 unless given.
        version: u32,
        /// Its fields, in ascending order of their offsets.
        fields: &'a [FieldSchema],
    },
    /// A fieldless enum.
    #[non_exhaustive]
    Enum {
        /// Its name, without path.
        name: &'a str,
        /// The integer that stores it.
        repr: Primitive,
        /// Its variants, in the order of their declaration.
        variants: &'a [Variant],
    },
}

/// One field of a struct.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldSchema {
    pub(super) name: Ref<str>,
    pub(super) offset: u64,
    pub(super) schema: Ref<Schema>,
    pub(super) since: u32,
    pub(super) former_names: Names,
}

/// The former names of a field.
///
/// No `Ref<[Ref<str>]>`: the derive writes constants of `&str`, and a `const fn` cannot turn a
/// slice of those into a slice of anything else.
#[derive(Clone, Debug)]
pub(super) enum Names {
    Static(&'static [&'static str]),
    Owned(Box<[Box<str>]>),
}

/// One variant of a fieldless enum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variant {
    pub(super) name: Ref<str>,
    pub(super) value: i128,
    pub(super) other: bool,
}

/// The elements of an array or a `FixedVec`.
#[derive(Clone, Copy)]
pub(super) struct Elements<'a> {
    /// What each of them is.
    pub(super) schema: &'a Schema,
    /// How many places there are for one.
    pub(super) places: u64,
    /// Where the first one lies.
    pub(super) offset: u64,
    /// Whether a length before them says how many there are, as in a `FixedVec`.
    pub(super) counted: bool,
}

impl Elements<'_> {
    /// Whether there are as many places at the same offset.
    pub(super) const fn lie_as(&self, other: &Elements<'_>) -> bool {
        self.counted == other.counted && self.places == other.places && self.offset == other.offset
    }
}

impl Schema {
    /// The largest alignment that a shared type may have: a segment keeps every copy of the value
    /// on 64-byte boundaries.
    pub const MAX_ALIGN: usize = 64;

    /// How deep types may nest. A bound is what lets [`Schema::decode`] face any bytes.
    pub const MAX_DEPTH: usize = 32;

    /// How many bytes the name of a type, a field or a variant may have.
    pub const MAX_NAME: usize = 255;

    /// Size in bytes, padding included.
    pub const fn size(&self) -> usize {
        self.size as usize
    }

    /// Alignment in bytes: a power of two, at most [`Schema::MAX_ALIGN`].
    ///
    /// That of a decoded struct is what the program that stored it had; that of a primitive is
    /// always this target's.
    pub const fn align(&self) -> usize {
        self.align as usize
    }

    /// What sort of type this is, with its parts.
    pub const fn kind(&self) -> TypeKind<'_> {
        match &self.shape {
            Shape::Primitive(primitive) => TypeKind::Primitive(*primitive),
            Shape::Array { element, len } => TypeKind::Array {
                element: element.get(),
                len: *len,
            },
            Shape::Str => TypeKind::Str { size: self.size },
            Shape::Opaque => TypeKind::Opaque { size: self.size },
            Shape::Vec { element, capacity } => TypeKind::Vec {
                element: element.get(),
                capacity: *capacity,
                offset: self.align,
            },
            Shape::Struct {
                name,
                version,
                fields,
                ..
            } => TypeKind::Struct {
                name: name.get(),
                version: *version,
                fields: fields.get(),
            },
            Shape::Enum {
                name,
                repr,
                variants,
            } => TypeKind::Enum {
                name: name.get(),
                repr: *repr,
                variants: variants.get(),
            },
        }
    }

    /// The name of a struct or an enum, without path and parameters.
    pub const fn name(&self) -> Option<&str> {
        match self.kind() {
            TypeKind::Struct { name, .. } | TypeKind::Enum { name, .. } => Some(name),
            _ => None,
        }
    }

    /// The schema version of a struct.
    pub const fn version(&self) -> Option<u32> {
        match self.shape {
            Shape::Struct { version, .. } => Some(version),
            _ => None,
        }
    }

    /// The elements of an array or a `FixedVec`.
    pub(super) const fn elements(&self) -> Option<Elements<'_>> {
        let (schema, places, offset, counted) = match &self.shape {
            Shape::Array { element, len } => (element.get(), *len, 0, false),
            Shape::Vec { element, capacity } => (element.get(), *capacity, self.align, true),
            _ => return None,
        };
        Some(Elements {
            schema,
            places,
            offset,
            counted,
        })
    }

    /// The fields of a struct that are padding to other programs.
    pub(super) const fn padding(&self) -> &'static [FieldSchema] {
        match self.shape {
            Shape::Struct { padding, .. } => padding,
            _ => &[],
        }
    }

    /// The fields of a struct that are counters of a table's row.
    pub(crate) const fn counters(&self) -> &'static [FieldSchema] {
        match self.shape {
            Shape::Struct { counters, .. } => counters,
            _ => &[],
        }
    }

    /// The fields of a struct, in ascending order of their offsets; none for any other type.
    pub const fn fields(&self) -> &[FieldSchema] {
        match self.kind() {
            TypeKind::Struct { fields, .. } => fields,
            _ => &[],
        }
    }
}

impl FieldSchema {
    /// The field's name; `0`, `1`, … in a tuple struct.
    pub const fn name(&self) -> &str {
        self.name.get()
    }

    /// Where the field begins, in bytes from the start of its struct.
    pub const fn offset(&self) -> usize {
        self.offset as usize
    }

    /// The layout of the field's type.
    pub const fn schema(&self) -> &Schema {
        self.schema.get()
    }

    /// The schema version of the struct that brought this field: `#[shared(since = …)]`, 1 unless
    /// given.
    pub const fn since(&self) -> u32 {
        self.since
    }

    /// What earlier versions called this field: `#[shared(was = "…")]`, in the order in which they
    /// are written.
    pub fn former_names(&self) -> impl ExactSizeIterator<Item = &str> {
        let names = &self.former_names;
        (0..names.len()).map(|i| names.at(i))
    }
}

impl Names {
    pub(super) const fn len(&self) -> usize {
        match self {
            Names::Static(names) => names.len(),
            Names::Owned(names) => names.len(),
        }
    }

    pub(super) const fn at(&self, index: usize) -> &str {
        match self {
            Names::Static(names) => names[index],
            Names::Owned(names) => &names[index],
        }
    }
}

impl Variant {
    /// The variant's name.
    pub const fn name(&self) -> &str {
        self.name.get()
    }

    /// The variant's value. That of an enum stored as `u128` is to be read `as u128`.
    pub const fn value(&self) -> i128 {
        self.value
    }

    /// Whether a number that is no variant's reads as this one: `#[shared(other)]`. To store it leaves
    /// in the segment what is there.
    pub const fn is_other(&self) -> bool {
        self.other
    }
}

impl<T: ?Sized + PartialEq> PartialEq for Ref<T> {
    fn eq(&self, other: &Self) -> bool {
        self.get() == other.get()
    }
}

impl<T: ?Sized + Eq> Eq for Ref<T> {}

impl PartialEq for Names {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && (0..self.len()).all(|i| self.at(i) == other.at(i))
    }
}

impl Eq for Names {}

impl PartialEq for Schema {
    fn eq(&self, other: &Self) -> bool {
        self.size == other.size && self.align == other.align && self.kind() == other.kind()
    }
}

impl Eq for Schema {}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Schema")
            .field("size", &self.size)
            .field("align", &self.align)
            .field("kind", &self.kind())
            .finish()
    }
}

impl fmt::Display for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind() {
            TypeKind::Primitive(primitive) => fmt::Display::fmt(&primitive, f),
            TypeKind::Array { element, len } => write!(f, "[{element}; {len}]"),
            TypeKind::Str { size } => write!(f, "FixedStr<{size}>"),
            TypeKind::Opaque { size } => write!(f, "Opaque<{size}, {}>", self.align),
            TypeKind::Vec {
                element, capacity, ..
            } => write!(f, "FixedVec<{element}, {capacity}>"),
            TypeKind::Struct { name, .. } | TypeKind::Enum { name, .. } => f.write_str(name),
        }
    }
}
