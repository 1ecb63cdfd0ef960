//! Functions for single fields: a line for each, that a macro of the common part makes functions of.

use std::fmt::Write;

use super::bytes::{Member, flat, is_stored_whole, judge};
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
    let (macros, handle, head) = match what {
        Of::Value => ("SHMBOX", "shmbox *box", HEAD),
        Of::Row(_) => ("SHMBOX_ROW", "const shmbox_seat *seat", ROW_HEAD),
    };
    let counters = match what {
        Of::Value => &[],
        Of::Row(counters) => counters,
    };
    let mut fields = Fields {
        macros,
        counters,
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
    /// What the macros' names begin with.
    macros: &'a str,
    /// The fields of a row that are counters.
    counters: &'static [FieldSchema],
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
        if schema.size() == 0 || schema.is_bare() || place.path.len() > LONGEST {
            return;
        }
        let (element, count) = flat(schema, 1);
        let function = |name: Option<String>| name.unwrap_or_else(|| "SHMBOX_NULL_".to_owned());
        let store = (!is_stored_whole(element))
            .then(|| self.names.of(element))
            .flatten();
        let part = format!(
            "shmbox_part_at_({}, {}{}, {}, {count}, {}, {})",
            place.exists,
            place.offset,
            place.indexed,
            element.size(),
            function(judge(self.names, element)),
            function(store.map(|name| format!("{name}_store_"))),
        );
        let (macros, name) = (self.macros, self.name);
        let path = self.scope.give(place.path.clone());
        let end = format!("{part}, {})", place.parameters);
        let is_counter = |counter: &FieldSchema| {
            (counter.offset()..counter.offset() + counter.schema().size())
                .contains(&(place.offset as usize))
        };
        if self.counters.iter().any(is_counter) {
            if let TypeKind::Array { element, len } = schema.kind() {
                self.walk(&place.element(element, len), element);
            } else {
                let _ = writeln!(self.text, "{macros}_COUNT_({name}, {path}, uint64_t, {end}");
            }
            return;
        }
        let mut by_value = |integer, c_type: &str| {
            let start = format!("({name}, {path}, {c_type}");
            let _ = writeln!(
                self.text,
                "{macros}_FIELD_{start} *value, {c_type} value, &value, {end}"
            );
            if integer {
                let _ = writeln!(self.text, "{macros}_ADD_{start}, {end}");
            }
        };
        match schema.kind() {
            TypeKind::Primitive(primitive) => {
                let (c_type, _) = primitive_type(primitive)
                    .split_once(' ')
                    .unwrap_or((primitive_type(primitive), ""));
                by_value(is_integer(primitive), c_type);
            }
            TypeKind::Enum { repr, .. } => by_value(false, primitive_type(repr)),
            TypeKind::Str { size } => {
                // The array is one element to the schema.
                let _ = writeln!(self.text, "{macros}_TEXT_({name}, {path}, {size}, {end}");
            }
            TypeKind::Array { element, len } => {
                let c_type = type_of((self.of, &place.member));
                let _ = writeln!(
                    self.text,
                    "{macros}_FIELD_({name}, {path}, {c_type} *value, {c_type} *value, value, {end}"
                );
                self.walk(&place.element(element, len), element);
            }
            // Of another program: no call stores them.
            TypeKind::Opaque { .. } => {}
            TypeKind::Struct { .. } | TypeKind::Vec { .. } => {
                let c_type = type_of((self.of, &place.member));
                let _ = writeln!(
                    self.text,
                    "{macros}_FIELD_({name}, {path}, {c_type} *value, const {c_type} *value, value, {end}"
                );
                if let TypeKind::Struct { .. } = schema.kind() {
                    self.members(place, &Member::of(schema));
                }
            }
        }
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
