//! What follows from a schema, computed at compile time for a program's own.

use super::{FieldSchema, Primitive, Schema, TypeKind, Variant};

/// What holds of a type by what is in it.
#[derive(Clone, Copy)]
enum Fact {
    AnyBits,
    ZerosAreValid,
    Bare,
    Opaque,
    PaddingFields,
    Others,
    Counters,
    /// Of what is inside.
    InnerCounters,
}

impl Fact {
    /// Whether it holds of a struct if it does of one field, and not only if it does of all.
    const fn is_of_any(self) -> bool {
        !matches!(self, Fact::AnyBits | Fact::ZerosAreValid | Fact::Bare)
    }

    /// What has to hold of the parts of a type.
    const fn of_parts(self) -> Fact {
        match self {
            Fact::InnerCounters => Fact::Counters,
            fact => fact,
        }
    }
}

impl Schema {
    /// Whether every bit pattern is a value: no `bool`, `char`, `NonZero`, enum or `FixedVec` is anywhere inside.
    pub const fn any_bits(&self) -> bool {
        self.is(Fact::AnyBits)
    }

    /// Whether bytes that are all zero are a value that may stand in a segment: each enum inside has a variant that is
    /// 0 and does not stand for others, and no `NonZero` is there.
    pub const fn zeros_are_valid(&self) -> bool {
        self.is(Fact::ZerosAreValid)
    }

    /// Whether no byte carries a value.
    pub(crate) const fn is_bare(&self) -> bool {
        self.is(Fact::Bare)
    }

    /// Whether bytes of another program are anywhere inside: see [`Opaque`](super::Opaque).
    pub(crate) const fn has_opaque(&self) -> bool {
        self.is(Fact::Opaque)
    }

    /// Whether a field that is padding is anywhere inside.
    pub(crate) const fn has_padding_fields(&self) -> bool {
        self.is(Fact::PaddingFields)
    }

    /// Whether an enum with a variant for unknown numbers is anywhere inside.
    pub(crate) const fn has_others(&self) -> bool {
        self.is(Fact::Others)
    }

    /// Whether a counter of a struct inside, at any depth, is none of this one's own.
    pub(crate) const fn has_inner_counters(&self) -> bool {
        self.is(Fact::InnerCounters)
    }

    const fn is(&self, fact: Fact) -> bool {
        match (self.kind(), fact) {
            (TypeKind::Array { len: 0, .. }, Fact::AnyBits | Fact::ZerosAreValid | Fact::Bare)
            | (TypeKind::Vec { .. }, Fact::ZerosAreValid)
            | (TypeKind::Str { .. }, Fact::AnyBits | Fact::ZerosAreValid) => true,
            // Its length is a number, and may be one that it has no room for.
            (TypeKind::Vec { .. }, Fact::AnyBits | Fact::Bare) => false,
            (TypeKind::Array { element, .. } | TypeKind::Vec { element, .. }, _) => {
                element.is(fact.of_parts())
            }
            (TypeKind::Struct { fields, .. }, _) => {
                match fact {
                    Fact::PaddingFields if !self.padding().is_empty() => return true,
                    Fact::Counters if !self.counters().is_empty() => return true,
                    _ => {}
                }
                let one_is_enough = fact.is_of_any();
                let mut i = 0;
                while i < fields.len() {
                    if fields[i].schema().is(fact.of_parts()) == one_is_enough {
                        return one_is_enough;
                    }
                    i += 1;
                }
                !one_is_enough
            }
            (TypeKind::Opaque { .. }, _) => matches!(fact, Fact::Opaque) || !fact.is_of_any(),
            (TypeKind::Primitive(primitive), Fact::AnyBits) => primitive.any_bits(),
            (TypeKind::Primitive(primitive), Fact::ZerosAreValid) => !primitive.is_non_zero(),
            (TypeKind::Enum { variants, .. }, Fact::ZerosAreValid) => {
                let mut i = 0;
                while i < variants.len() {
                    if variants[i].value == 0 && !variants[i].other {
                        return true;
                    }
                    i += 1;
                }
                false
            }
            (TypeKind::Enum { variants, .. }, Fact::Others) => other_of(variants).is_some(),
            _ => false,
        }
    }

    /// Whether it is a number that never ends, or an array of such.
    pub(super) const fn counts(&self) -> bool {
        match self.kind() {
            TypeKind::Primitive(primitive) => matches!(primitive, Primitive::U64),
            TypeKind::Array { element, len } => len > 0 && element.counts(),
            _ => false,
        }
    }

    /// The counter that has all of these bytes.
    pub(crate) const fn counter_at(
        &self,
        offset: usize,
        len: usize,
    ) -> Option<&'static FieldSchema> {
        let counters = self.counters();
        let mut i = 0;
        while i < counters.len() {
            let (at, size) = (counters[i].offset(), counters[i].schema().size());
            if offset >= at && offset + len <= at + size {
                return Some(&counters[i]);
            }
            i += 1;
        }
        None
    }

    /// The offsets of all words that are counters.
    pub(crate) fn counter_words(&self) -> impl Iterator<Item = usize> + use<> {
        let words = |counter: &'static FieldSchema| {
            let at = counter.offset();
            (at..at + counter.schema().size()).step_by(8)
        };
        self.counters().iter().flat_map(words)
    }

    /// How many types lie inside each other here; 1 for a type without parts.
    pub(super) const fn depth(&self) -> usize {
        match self.kind() {
            TypeKind::Array { element, .. } | TypeKind::Vec { element, .. } => 1 + element.depth(),
            TypeKind::Struct { fields, .. } => {
                let mut deepest = 0;
                let mut i = 0;
                while i < fields.len() {
                    let depth = fields[i].schema().depth();
                    if depth > deepest {
                        deepest = depth;
                    }
                    i += 1;
                }
                1 + deepest
            }
            _ => 1,
        }
    }
}

/// The index of the variant that unknown numbers read as.
pub(crate) const fn other_of(variants: &[Variant]) -> Option<usize> {
    let mut i = 0;
    while i < variants.len() {
        if variants[i].other {
            return Some(i);
        }
        i += 1;
    }
    None
}
