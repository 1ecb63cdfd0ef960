//! What follows from a schema, computed at compile time for a program's own.

use super::{Kind, Schema};

impl Schema {
    /// Whether every bit pattern is a value: no `bool`, `char`, enum or `FixedVec` is anywhere inside.
    pub const fn any_bits(&self) -> bool {
        match self.kind() {
            Kind::Primitive(primitive) => primitive.any_bits(),
            Kind::Array { element, .. } => element.any_bits(),
            Kind::Str { .. } => true,
            Kind::Vec { .. } => false,
            Kind::Struct { fields, .. } => {
                let mut i = 0;
                while i < fields.len() {
                    if !fields[i].schema().any_bits() {
                        return false;
                    }
                    i += 1;
                }
                true
            }
            Kind::Enum { .. } => false,
        }
    }

    /// Whether bytes that are all zero are a value: each enum inside has a variant that is 0.
    pub const fn zeros_are_valid(&self) -> bool {
        match self.kind() {
            Kind::Primitive(_) | Kind::Str { .. } | Kind::Vec { .. } => true,
            Kind::Array { element, .. } => element.zeros_are_valid(),
            Kind::Struct { fields, .. } => {
                let mut i = 0;
                while i < fields.len() {
                    if !fields[i].schema().zeros_are_valid() {
                        return false;
                    }
                    i += 1;
                }
                true
            }
            Kind::Enum { variants, .. } => {
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

    /// How many types lie inside each other here; 1 for a type without parts.
    pub(super) const fn depth(&self) -> usize {
        match self.kind() {
            Kind::Array { element, .. } | Kind::Vec { element, .. } => 1 + element.depth(),
            Kind::Struct { fields, .. } => {
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
