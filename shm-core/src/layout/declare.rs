//! How a program's own schemas come to be: at compile time, refusing in words what may not be
//! shared.

use super::message::Message;
use super::message::Piece::{Number, Text, Type};
use super::schema::{Names, Ref, Shape};
use super::shared_layout::Part;
use super::{FieldSchema, Primitive, Schema, Variant};

impl Schema {
    pub(super) const fn of(size: u64, align: u64, shape: Shape) -> Schema {
        Schema { size, align, shape }
    }

    pub(super) const fn primitive(primitive: Primitive) -> Schema {
        let (size, align) = (primitive.size() as u64, primitive.align() as u64);
        Schema::of(size, align, Shape::Primitive(primitive))
    }

    #[track_caller]
    pub(super) const fn array(element: &'static Schema, len: usize) -> Schema {
        assert!(
            element.size > 0,
            "an array of arrays of length 0 has no bytes to share: give each at least one element"
        );
        let Some(size) = element.size.checked_mul(len as u64) else {
            panic!("this array is larger than an address space");
        };
        let (len, align) = (len as u64, element.align);
        let element = Ref::Static(element);
        Schema::of(size, align, Shape::Array { element, len })
    }

    #[track_caller]
    pub(super) const fn fixed_str(size: usize) -> Schema {
        assert!(
            size > 0,
            "`FixedStr<0>` has no room for the NUL that ends it: the smallest is `FixedStr<1>`"
        );
        Schema::of(size as u64, 1, Shape::Str)
    }

    #[track_caller]
    pub(super) const fn opaque(size: usize, align: usize) -> Schema {
        assert!(
            size > 0 && size % align == 0,
            "an `Opaque<N, ALIGN>` has a multiple of ALIGN bytes, and some: raise N"
        );
        Schema::of(size as u64, align as u64, Shape::Opaque)
    }

    #[track_caller]
    pub(super) const fn fixed_vec(element: &'static Schema, capacity: usize) -> Schema {
        assert!(
            capacity > 0 && element.size > 0,
            "`FixedVec<T, 0>` has no room for an element: give it at least one"
        );
        assert!(
            capacity as u64 <= u32::MAX as u64,
            "a `FixedVec` counts its elements in 32 bits: give it fewer"
        );
        let align = if element.align > Primitive::U32.align() as u64 {
            element.align
        } else {
            Primitive::U32.align() as u64
        };
        let capacity = capacity as u64;
        let Some(size) = Schema::vec_size(element, capacity, align) else {
            panic!("this `FixedVec` is larger than an address space");
        };
        let element = Ref::Static(element);
        Schema::of(size, align, Shape::Vec { element, capacity })
    }

    /// The size of a `FixedVec` whose elements begin at `offset`, which is its alignment as well:
    /// the length has 4 bytes, so what aligns to more begins at once where it may.
    pub(super) const fn vec_size(element: &Schema, capacity: u64, offset: u64) -> Option<u64> {
        let Some(items) = element.size.checked_mul(capacity) else {
            return None;
        };
        match items.checked_add(offset) {
            Some(end) => end.checked_next_multiple_of(offset),
            None => None,
        }
    }

    /// For the derive: a struct of `size` bytes. To other programs `padding` is padding; `counters` are among the fields.
    ///
    /// # Panics
    ///
    /// At compile time, with the reason, if no such struct may live in shared memory.
    #[doc(hidden)]
    #[track_caller]
    pub const fn structure(
        name: &'static str,
        version: u32,
        size: usize,
        align: usize,
        fields: &'static [FieldSchema],
        padding: &'static [FieldSchema],
        counters: &'static [FieldSchema],
    ) -> Schema {
        check_name(name);
        assert!(
            size > 0,
            "a type without bytes has nothing to share: give it a field"
        );
        assert!(
            !fields.is_empty(),
            "a struct without fields has nothing to share: give it a field"
        );
        assert!(
            align.is_power_of_two() && align <= Schema::MAX_ALIGN,
            "a shared type aligns to at most 64 bytes: lower its `align(…)`"
        );
        assert!(version > 0, "schema versions begin with 1");
        let mut end = 0;
        let mut since = 1;
        let mut i = 0;
        while i < fields.len() {
            let field = &fields[i];
            assert!(
                field.since >= since,
                "a field is older than the one before it: new fields go behind all others"
            );
            assert!(
                field.since <= version,
                "a field is newer than its struct: raise the struct's `version`"
            );
            since = field.since;
            assert!(
                field.offset >= end,
                "the fields of a shared struct lie in the order of their declaration: use `#[repr(C)]`"
            );
            end = field.offset + field.schema().size;
            i += 1;
        }
        assert!(
            end <= size as u64,
            "a field reaches beyond the end of its struct"
        );
        let mut i = 0;
        while i < counters.len() {
            let end = counters[i].offset + counters[i].schema().size;
            assert!(
                end <= size as u64 && counters[i].offset % 8 == 0,
                "a counter is a field of its struct"
            );
            i += 1;
        }
        let shape = Shape::Struct {
            name: Ref::Static(name),
            version,
            fields: Ref::Static(fields),
            padding,
            counters,
        };
        Schema::of(size as u64, align as u64, shape)
    }

    /// For the derive: a fieldless enum stored as `repr`, a primitive integer's schema.
    ///
    /// # Panics
    ///
    /// At compile time, with the reason, if no such enum may live in shared memory.
    #[doc(hidden)]
    #[track_caller]
    pub const fn enumeration(
        name: &'static str,
        repr: &'static Schema,
        variants: &'static [Variant],
    ) -> Schema {
        check_name(name);
        let primitive = match repr.shape {
            Shape::Primitive(primitive) if primitive.is_integer() => primitive,
            _ => panic!(
                "a shared enum is stored as an integer of fixed width: write `#[repr(u8)]` or another one above it"
            ),
        };
        assert!(
            !variants.is_empty(),
            "an enum without variants has no value to share: give it one"
        );
        let mut i = 0;
        while i < variants.len() {
            assert!(
                primitive.holds(variants[i].value),
                "a variant's value does not fit the integer that stores the enum"
            );
            i += 1;
        }
        let shape = Shape::Enum {
            name: Ref::Static(name),
            repr: primitive,
            variants: Ref::Static(variants),
        };
        Schema::of(repr.size, repr.align, shape)
    }
}

impl FieldSchema {
    /// A count of one byte says how many there are.
    const MAX_FORMER_NAMES: usize = 255;

    /// For the derive: a field of type `F`.
    #[doc(hidden)]
    pub const fn of<F>(name: &'static str, offset: usize, part: Part<F>) -> FieldSchema {
        FieldSchema::evolved(name, offset, part.schema(), 1, &[], false)
    }

    /// For the derive: a field that is padding to other programs.
    ///
    /// # Panics
    ///
    /// At compile time if not all bytes are a value of its type.
    #[doc(hidden)]
    #[track_caller]
    pub const fn padding_of<F>(name: &'static str, offset: usize, part: Part<F>) -> FieldSchema {
        let schema = part.schema();
        if !schema.any_bits() {
            let mut message = Message::new();
            message.write(
                "padding may hold anything, and not all bytes are a `{}`: make `{}` an array of bytes",
                &[Type(schema), Text(name)],
            );
            panic!("{}", message.as_str());
        }
        FieldSchema::of(name, offset, part)
    }

    /// For the derive: a field that is a counter.
    ///
    /// # Panics
    ///
    /// At compile time if it can't be one.
    #[doc(hidden)]
    #[track_caller]
    pub const fn counter_of<F>(name: &'static str, offset: usize, part: Part<F>) -> FieldSchema {
        let schema = part.schema();
        let wrong = if !schema.counts() {
            "a counter only grows, over all owners of its row, and a `{}` would end: make `{}` a `u64`, or an array of them"
        } else if offset % 8 != 0 {
            "processors count in whole words, and this `{}` does not lie at a multiple of 8 bytes: move `{}` to one"
        } else {
            return FieldSchema::of(name, offset, part);
        };
        let mut message = Message::new();
        message.write(wrong, &[Type(schema), Text(name)]);
        panic!("{}", message.as_str());
    }

    /// For the derive: the same with a history, as for [`FieldSchema::evolved`].
    #[doc(hidden)]
    #[track_caller]
    pub const fn evolved_of<F>(
        name: &'static str,
        offset: usize,
        part: Part<F>,
        since: u32,
        former_names: &'static [&'static str],
        has_default: bool,
    ) -> FieldSchema {
        FieldSchema::evolved(
            name,
            offset,
            part.schema(),
            since,
            former_names,
            has_default,
        )
    }

    /// A field with a history. An older segment without it has a default for it if
    /// `has_default`, else zeros.
    ///
    /// # Panics
    ///
    /// At compile time, with the reason, if that is no history that a field can have.
    #[track_caller]
    pub(super) const fn evolved(
        name: &'static str,
        offset: usize,
        schema: &'static Schema,
        since: u32,
        former_names: &'static [&'static str],
        has_default: bool,
    ) -> FieldSchema {
        check_name(name);
        assert!(since > 0, "schema versions begin with 1");
        assert!(
            former_names.len() <= FieldSchema::MAX_FORMER_NAMES,
            "a field keeps at most 255 former names: remove the oldest ones"
        );
        let mut i = 0;
        while i < former_names.len() {
            check_name(former_names[i]);
            i += 1;
        }
        if since > 1 && !has_default && !schema.zeros_are_valid() {
            let mut message = Message::new();
            message.write(
                "a segment older than version {} lacks field `{}`, and zero bytes are no \
                 `{}`: write `#[shared(since = {}, default = …)]` to say what it is there",
                &[
                    Number(since as i128),
                    Text(name),
                    Type(schema),
                    Number(since as i128),
                ],
            );
            panic!("{}", message.as_str());
        }
        FieldSchema {
            name: Ref::Static(name),
            offset: offset as u64,
            schema: Ref::Static(schema),
            since,
            former_names: Names::Static(former_names),
        }
    }
}

impl Variant {
    /// For the derive. A `u128` above `i128::MAX` is given as its two's complement.
    #[doc(hidden)]
    pub const fn new(name: &'static str, value: i128) -> Variant {
        Variant::declared(name, value, false)
    }

    /// For the derive: the variant that a number which is no variant's reads as.
    #[doc(hidden)]
    pub const fn other(name: &'static str, value: i128) -> Variant {
        Variant::declared(name, value, true)
    }

    const fn declared(name: &'static str, value: i128, other: bool) -> Variant {
        check_name(name);
        let name = Ref::Static(name);
        Variant { name, value, other }
    }
}

#[track_caller]
const fn check_name(name: &str) {
    assert!(
        !name.is_empty() && name.len() <= Schema::MAX_NAME,
        "a shared name has 1 to 255 bytes"
    );
}
