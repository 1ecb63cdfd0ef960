//! Functions for single fields: a line for each, that a macro of the common part makes functions of.

use std::fmt::Write;

use super::bytes::{Member, flat, functions_of};
use super::names::primitive_type;
use super::structs::{member_names, type_of};
use crate::foreign::scope::{Scope, TypeNames};
use crate::layout::{FieldSchema, Primitive, Schema, TypeKind};

/// Longer names have no functions: a schema out of a segment may nest and repeat names as it likes.
const LONGEST: usize = 200;

const HEAD: &str = "
/*
 * For each field, also of structs inside and (`_at`) of elements of arrays: NAME_load_FIELD copies it, without a system
 * call. NAME_store_FIELD commits it alone, at the cost of its bytes: a text is stored from a string. NAME_add_FIELD adds to
 * an integer, which wraps, and tells what it was unless `before` is NULL.
 */
";

const ROW_HEAD: &str = "
/* For each field, named as in NAME_store_FIELD: NAME_table_store_FIELD commits it alone to a row of one's own, and
 * NAME_table_add_FIELD adds to an integer in it; to a counter by one atomic addition, and `before` is what this owner had counted. */
";

/// What the functions are of.
#[derive(Clone, Copy)]
pub(super) enum Of {
    /// The one value of a box.
    Value,
    /// A row of this process's own, with these counters.
    Row(&'static [FieldSchema]),
}

/// A way from the struct to something in it.
#[derive(Clone)]
struct Place {
    /// In the functions' names.
    path: String,
    /// In C, of the first element of each array on the way.
    member: String,
    /// Bytes from the start of the struct to the first of them.
    offset: u64,
    /// What the indices add to that.
    indexed: String,
    /// Whether the indices are ones.
    exists: String,
    /// The functions' parameters.
    parameters: String,
    arrays: usize,
}

impl Place {
    /// A member of this place, which is a struct.
    fn member(&self, member: &Member<'_>, name: &str) -> Place {
        let (to, dot) = if self.path.is_empty() {
            ("", "")
        } else {
            ("_", ".")
        };
        Place {
            path: format!("{}{to}{name}", self.path),
            member: format!("{}{dot}{name}", self.member),
            offset: self.offset + member.offset,
            ..self.clone()
        }
    }

    /// The elements of this place, which is an array.
    fn element(&self, of: &Schema, count: u64) -> Place {
        let arrays = self.arrays + 1;
        let also = if arrays == 1 { "" } else { " && " };
        let before = if arrays == 1 { "" } else { &*self.exists };
        Place {
            path: format!("{}_at", self.path),
            member: format!("{}[0]", self.member),
            offset: self.offset,
            indexed: format!("{} + i{arrays} * {}", self.indexed, of.size()),
            exists: format!("{before}{also}i{arrays} < {count}"),
            parameters: format!("{}, size_t i{arrays}", self.parameters),
            arrays,
        }
    }
}

/// The functions of all fields of a struct: its name, and what C calls it.
pub(super) fn functions(
    what: Of,
    names: &TypeNames,
    exists: bool,
    (name, of): (&str, &str),
    members: &[Member<'_>],
) -> String {
    let (handle, head) = match what {
        Of::Value => ("shmbox *box", HEAD),
        Of::Row(_) => ("const shmbox_seat *seat", ROW_HEAD),
    };
    let mut fields = Fields {
        what,
        names,
        exists,
        name,
        of,
        scope: Scope::default(),
        text: head.replace("NAME", name),
    };
    let root = Place {
        path: String::new(),
        member: String::new(),
        offset: 0,
        indexed: String::new(),
        exists: "1".to_owned(),
        parameters: handle.to_owned(),
        arrays: 0,
    };
    fields.members(&root, members);
    fields.text
}

struct Fields<'a> {
    what: Of,
    names: &'a TypeNames,
    exists: bool,
    name: &'a str,
    of: &'a str,
    scope: Scope,
    text: String,
}

impl Fields<'_> {
    fn members(&mut self, place: &Place, members: &[Member<'_>]) {
        for (member, name) in members.iter().zip(member_names(members, self.exists)) {
            self.walk(&place.member(member, &name), member.schema);
        }
    }

    fn walk(&mut self, place: &Place, schema: &Schema) {
        // What is bare is another program's: no call stores it.
        if schema.size() == 0 || schema.is_bare() || place.path.len() > LONGEST {
            return;
        }
        let (element, count) = flat(schema, 1);
        let part = format!(
            "shmbox_part_at_({}, {}{}, {}, {count}, {})",
            place.exists,
            place.offset,
            place.indexed,
            element.size(),
            functions_of(self.names, element),
        );
        let path = &*self.scope.give(place.path.clone());
        let end = &*format!("{part}, {}", place.parameters);
        let lies_in = |counter: &FieldSchema| {
            let at = counter.offset();
            (at..at + counter.schema().size()).contains(&(place.offset as usize))
        };
        if matches!(self.what, Of::Row(counters) if counters.iter().any(lies_in)) {
            if let TypeKind::Array { element, len } = schema.kind() {
                self.walk(&place.element(element, len), element);
            } else {
                self.call("ADD", ("add", "count"), path, "uint64_t", end);
            }
            return;
        }
        let c_type = match schema.kind() {
            TypeKind::Primitive(integer) | TypeKind::Enum { repr: integer, .. } => {
                let c_type = primitive_type(integer);
                c_type.split(' ').next().unwrap_or(c_type).to_owned()
            }
            _ => type_of((self.of, &place.member)),
        };
        let pointer = &*format!("{c_type} *value");
        match schema.kind() {
            TypeKind::Primitive(_) | TypeKind::Enum { .. } => {
                self.both(path, pointer, &format!("{c_type} value, &value"), end);
            }
            TypeKind::Str { size } => {
                // The array is one element to the schema.
                self.load(path, &format!("char (*value)[{size}]"), end);
                self.call("TEXT", ("store", "set"), path, &size.to_string(), end);
            }
            TypeKind::Array { .. } => self.both(path, pointer, &format!("{pointer}, value"), end),
            _ => self.both(path, pointer, &format!("const {pointer}, value"), end),
        }
        match schema.kind() {
            TypeKind::Primitive(primitive) if is_integer(primitive) => {
                self.call("ADD", ("add", "increase"), path, &c_type, end);
            }
            TypeKind::Array { element, len } => self.walk(&place.element(element, len), element),
            TypeKind::Struct { .. } => self.members(place, &Member::of(schema)),
            _ => {}
        }
    }

    /// What loads, and what stores: the parameter for the value, and what is stored of it.
    fn both(&mut self, path: &str, loaded: &str, stored: &str, end: &str) {
        self.load(path, loaded, end);
        self.call("STORE", ("store", "set"), path, stored, end);
    }

    fn load(&mut self, path: &str, loaded: &str, end: &str) {
        // A row is read whole: it may be another's.
        if let Of::Value = self.what {
            let name = self.name;
            let _ = writeln!(
                self.text,
                "SHMBOX_LOAD_({name}_load_{path}, {name}_type_, {loaded}, {end})"
            );
        }
    }

    fn call(&mut self, form: &str, (verb, calls): (&str, &str), path: &str, how: &str, end: &str) {
        let (to, of, owner) = match self.what {
            Of::Value => ("", "", "box"),
            Of::Row(_) => ("table_", "row_", "seat"),
        };
        let name = self.name;
        let _ = writeln!(
            self.text,
            "SHMBOX_{form}_({name}_{to}{verb}_{path}, shmbox_{calls}_{of}, {owner}, {name}_type_, {how}, {end})"
        );
    }
}

/// Whether it can be added to.
fn is_integer(primitive: Primitive) -> bool {
    let other = matches!(
        primitive,
        Primitive::F32 | Primitive::F64 | Primitive::Bool | Primitive::Char
    );
    !other && !primitive.is_non_zero()
}
