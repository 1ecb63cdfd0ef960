//! The tree.

use std::sync::Arc;

use shm_core::layout::Value;

/// A value, or a part of one.
#[derive(Clone, Debug, PartialEq)]
pub enum Node {
    /// Named parts, in the order in which they lie.
    Struct(Vec<(Arc<str>, Node)>),
    /// Numbered parts.
    List(Vec<Node>),
    /// A part without parts.
    Leaf(Leaf),
}

/// A part without parts.
#[derive(Clone, Debug, PartialEq)]
pub enum Leaf {
    Bool(bool),
    Int(i128),
    UInt(u128),
    F32(f32),
    F64(f64),
    Char(char),
    Text(String),
    /// Text that is not UTF-8.
    Bytes(Vec<u8>),
    /// A variant of an enum, by its name.
    Variant(Arc<str>),
    /// An address in another process.
    Address(u64),
    /// So many bytes of which no value is known.
    Opaque(u64),
    /// A row of a table that belongs to no process.
    Free,
}

impl From<Value> for Node {
    fn from(value: Value) -> Node {
        Node::Leaf(match value {
            Value::Bool(value) => Leaf::Bool(value),
            Value::Int(value) => Leaf::Int(value),
            Value::UInt(value) => Leaf::UInt(value),
            Value::F32(value) => Leaf::F32(value),
            Value::F64(value) => Leaf::F64(value),
            Value::Char(value) => Leaf::Char(value),
            Value::Text(text) => Leaf::Text(text),
            Value::Bytes(bytes) => Leaf::Bytes(bytes),
            Value::Opaque(size) => Leaf::Opaque(size as u64),
            Value::Enum { variant, .. } => Leaf::Variant(variant),
            Value::List(items) => return Node::List(items.into_iter().map(Node::from).collect()),
            Value::Struct { fields, .. } => {
                let fields = fields.into_iter();
                return Node::Struct(fields.map(|(name, value)| (name, value.into())).collect());
            }
            // Later versions of the library may know more.
            other => Leaf::Text(other.to_string()),
        })
    }
}

impl Node {
    /// Whether it has no parts.
    pub fn is_leaf(&self) -> bool {
        matches!(self, Node::Leaf(_))
    }

    /// Whether it is a row that belongs to no process.
    pub fn is_free(&self) -> bool {
        matches!(self, Node::Leaf(Leaf::Free))
    }
}
