//! What follows from a schema, computed at compile time for a program's own.

use super::{Schema, TypeKind};

impl Schema {
    /// Whether every bit pattern is a value: no `bool`, `char`, `NonZero`, enum or `FixedVec` is anywhere inside.
    pub const fn any_bits(&self) -> bool {
        match self.kind() {
            TypeKind::Primitive(primitive) => primitive.any_bits(),
            TypeKind::Array { element, len } => len == 0 || element.any_bits(),
            TypeKind::Str { .. } | TypeKind::Opaque { .. } => true,
            TypeKind::Vec { .. } => false,
            TypeKind::Struct { fields, .. } => {
                let mut i = 0;
                while i < fields.len() {
                    if !fields[i].schema().any_bits() {
                        return false;
                    }
                    i += 1;
                }
                true
            }
            TypeKind::Enum { .. } => false,
        }
    }

    /// Whether bytes that are all zero are a value: each enum inside has a variant that is 0, and no
    /// `NonZero` is there.
    pub const fn zeros_are_valid(&self) -> bool {
        match self.kind() {
            TypeKind::Primitive(primitive) => !primitive.is_non_zero(),
            TypeKind::Str { .. } | TypeKind::Vec { .. } | TypeKind::Opaque { .. } => true,
            TypeKind::Array { element, len } => len == 0 || element.zeros_are_valid(),
            TypeKind::Struct { fields, .. } => {
                let mut i = 0;
                while i < fields.len() {
                    if !fields[i].schema().zeros_are_valid() {
                        return false;
                    }
                    i += 1;
                }
                true
            }
            TypeKind::Enum { variants, .. } => {
                let mut i = 0;
                while i < variants.len() {
                    if variants[i].value == 0 {
                        return true;
                    }
                    i += 1;
                }
                false
            }
        }
    }

    /// Whether bytes of another program are anywhere inside: see [`Opaque`](super::Opaque).
    pub(crate) const fn has_opaque(&self) -> bool {
        match self.kind() {
            TypeKind::Opaque { .. } => true,
            TypeKind::Array { element, .. } | TypeKind::Vec { element, .. } => element.has_opaque(),
            TypeKind::Struct { fields, .. } => {
                let mut i = 0;
                while i < fields.len() {
                    if fields[i].schema().has_opaque() {
                        return true;
                    }
                    i += 1;
                }
                false
            }
            _ => false,
        }
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
