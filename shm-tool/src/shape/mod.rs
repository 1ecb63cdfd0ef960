//! Types as data, wherever they come from: a segment's own schema or a C program's debug information.

mod btf;
mod c;
mod debug_info;
mod decode;
mod dwarf;
mod from_json;
mod from_schema;
mod json;
mod raw;
mod rows;
mod rust;
mod sample;
mod store;

use std::sync::Arc;

pub use c::c_source;
pub use debug_info::DebugInfo;
pub use decode::decode;
pub use from_json::from_json;
pub use from_schema::from_schema;
pub use json::TypeJson;
pub use raw::raw_lines;
pub use rows::{Row, rows};
pub use rust::rust_source;
pub use sample::sample;
pub use store::{Store, variants_at};

/// The word for it in C.
const ATOMIC: &str = "_Atomic";

/// A type: what it is called, how large it is, what it consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Type {
    /// Of a struct, a union or an enum; as the source of the program has it. Of a number that is atomic in C, `_Atomic`.
    pub name: Option<String>,
    pub size: u64,
    pub align: u64,
    pub kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    Bool,
    Int {
        signed: bool,
    },
    /// C's `char`, of which arrays are text.
    CChar {
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
    /// Each member is the same bytes.
    Union {
        members: Vec<Field>,
    },
    /// No count: as many as the bytes behind it hold.
    Array {
        element: Arc<Type>,
        count: Option<u64>,
    },
    /// A length of 4 bytes, and elements from an offset on.
    Vec {
        element: Arc<Type>,
        capacity: u64,
        offset: u64,
    },
    /// An address in another process.
    Pointer {
        /// As in C: `struct node *`.
        written: String,
    },
    /// Bytes of which no value is known.
    Opaque,
}

/// A named part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Empty for an unnamed struct or union of C, whose parts are those of what it lies in.
    pub name: String,
    /// In bytes from the start of the struct.
    pub offset: u64,
    /// Of a bit-field: its first bit, counted from the start of the struct, and how many there are.
    pub bits: Option<(u64, u64)>,
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

    /// As C writes it: `struct motion_status`.
    pub fn written(&self) -> String {
        let word = match self.kind {
            Kind::Struct { version: None, .. } => "struct ",
            Kind::Union { .. } => "union ",
            Kind::Enum { .. } => "enum ",
            _ => "",
        };
        format!(
            "{word}{}",
            self.name.as_deref().unwrap_or("type without a name")
        )
    }

    /// Whether C accesses it by atomic operations alone.
    fn is_atomic(&self) -> bool {
        self.name.as_deref() == Some(ATOMIC)
    }

    /// How many members or variants it has of its own.
    fn parts(&self) -> usize {
        match &self.kind {
            Kind::Struct { fields, .. } | Kind::Union { members: fields } => fields.len(),
            Kind::Enum { variants, .. } => variants.len(),
            _ => 0,
        }
    }

    /// Whether it has no named or numbered parts.
    fn is_leaf(&self) -> bool {
        !matches!(
            self.kind,
            Kind::Struct { .. } | Kind::Union { .. } | Kind::Array { .. } | Kind::Vec { .. }
        )
    }
}
