//! Types as data, wherever they come from: a segment's own schema or a C program's debug information.

mod from_schema;
mod json;
mod raw;
mod rust;

use std::sync::Arc;

pub use from_schema::from_schema;
pub use json::TypeJson;
pub use raw::raw_lines;
pub use rust::rust_source;

/// A type: what it is called, how large it is, what it consists of.
#[derive(Clone, Debug, PartialEq)]
pub struct Type {
    /// Of a struct, a union or an enum; as the source of the program has it.
    pub name: Option<String>,
    pub size: u64,
    pub align: u64,
    pub kind: Kind,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    Bool,
    Int {
        signed: bool,
    },
    Float,
    /// Rust's `char`, of 4 bytes.
    Char,
    /// Bytes up to a NUL.
    Text,
    Enum {
        signed: bool,
        variants: Vec<(String, i128)>,
    },
    Struct {
        version: Option<u32>,
        fields: Vec<Field>,
    },
    Array {
        element: Arc<Type>,
        count: u64,
    },
    /// A length of 4 bytes, and elements from an offset on.
    Vec {
        element: Arc<Type>,
        capacity: u64,
        offset: u64,
    },
}

/// A named part.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    pub name: String,
    /// In bytes from the start of the struct.
    pub offset: u64,
    pub ty: Arc<Type>,
    /// The schema version that brought it.
    pub since: u32,
    pub former_names: Vec<String>,
}

impl Type {
    /// A type without a name.
    fn plain(size: u64, align: u64, kind: Kind) -> Type {
        Type {
            name: None,
            size,
            align,
            kind,
        }
    }

    /// Whether it has no named or numbered parts.
    fn is_leaf(&self) -> bool {
        !matches!(
            self.kind,
            Kind::Struct { .. } | Kind::Array { .. } | Kind::Vec { .. }
        )
    }
}
