//! The rows of a mismatch: which field of one layout is which of the other, and what differs
//! between them.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;

use super::rows::{Cell, Row, Rows};
use super::type_difference::{difference_of_type, innermost_are_structs, same_bytes};
use crate::layout::extends::only_adds;
use crate::layout::{FieldSchema, Schema, TypeKind};

/// One row for each field of either layout, and notes on what concerns the whole. At least one of
/// them tells something.
pub(super) fn rows_and_notes(stored: &Schema, mine: &Schema) -> (Rows, Vec<String>) {
    let whole = |schema| Place { schema, offset: 0 };
    let (stored, mine) = (whole(stored), whole(mine));
    let mut rows = Rows::default();
    let mut notes = Vec::new();
    match (stored.schema.kind(), mine.schema.kind()) {
        (TypeKind::Struct { .. }, TypeKind::Struct { .. }) => {
            compare_fields(Path::Whole, stored, mine, &mut rows);
            let rows_agree = rows.agree();
            notes.extend(differences_of_whole(stored.schema, mine.schema, rows_agree));
            if rows.has_pair && !rows_agree {
                notes.extend(broken_rule(stored.schema, mine.schema));
            }
        }
        _ => compare(Path::Whole, stored, mine, &mut rows),
    }
    if notes.is_empty() && rows.agree() {
        notes.push("no difference".to_owned());
    }
    (rows, notes)
}

/// What leads to a part of the value. It becomes text in a row that is kept: a hostile schema has
/// many rows, with long names.
#[derive(Clone, Copy)]
enum Path<'a> {
    Whole,
    Field(&'a Path<'a>, &'a str),
    First(&'a Path<'a>),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Path::Whole => Ok(()),
            Path::Field(Path::Whole, name) => f.write_str(name),
            Path::Field(outer, name) => write!(f, "{outer}.{name}"),
            Path::First(outer) => write!(f, "{outer}[0]"),
        }
    }
}

/// A type and where it lies, in bytes from the start of the whole value.
#[derive(Clone, Copy)]
struct Place<'a> {
    schema: &'a Schema,
    offset: u64,
}

impl<'a> Place<'a> {
    fn cell(self) -> Option<Cell> {
        Some(Cell {
            type_name: self.schema.to_string(),
            offset: self.offset,
        })
    }

    /// The first element of an array or a `FixedVec`; of anything else the thing itself.
    fn first_element(self) -> Place<'a> {
        self.schema.elements().map_or(self, |elements| Place {
            schema: elements.schema,
            offset: self.offset + elements.offset,
        })
    }

    fn field(self, field: &'a FieldSchema) -> Place<'a> {
        Place {
            schema: field.schema(),
            offset: self.offset + field.offset,
        }
    }
}

fn compare(path: Path<'_>, stored: Place<'_>, mine: Place<'_>, rows: &mut Rows) {
    let mut row = |mark: Option<String>| {
        rows.has_pair = true;
        rows.push(mark, |mark| Row {
            path: match path {
                Path::Whole => "(value)".to_owned(),
                path => path.to_string(),
            },
            stored: stored.cell(),
            mine: mine.cell(),
            mark,
        });
    };
    let moved = stored.offset != mine.offset;
    if same_bytes(stored.schema, mine.schema) {
        return row(moved.then(|| "offset differs".to_owned()));
    }
    match (stored.schema.kind(), mine.schema.kind()) {
        (TypeKind::Struct { .. }, TypeKind::Struct { .. }) => {
            let mut inner = Rows::default();
            compare_fields(path, stored, mine, &mut inner);
            let inner_agree = inner.agree();
            let whole = differences_of_whole(stored.schema, mine.schema, inner_agree);
            if !whole.is_empty() {
                row(Some(whole.join(", ")));
            }
            if !inner_agree || whole.is_empty() {
                rows.append(inner);
            }
        }
        _ if innermost_are_structs(stored.schema, mine.schema) => {
            let (a, b) = (stored.first_element(), mine.first_element());
            compare(Path::First(&path), a, b, rows);
        }
        _ => {
            let (what, detail) = difference_of_type(stored.schema, mine.schema);
            let and_place = if moved {
                " and offset differ"
            } else {
                " differs"
            };
            let detail = detail.map_or(String::new(), |detail| format!(": {detail}"));
            row(Some(format!("{what}{and_place}{detail}")));
        }
    }
}

/// A row for each field of either struct, in the order of the segment.
fn compare_fields(path: Path<'_>, stored: Place<'_>, mine: Place<'_>, rows: &mut Rows) {
    let full_path = |field: &FieldSchema| Path::Field(&path, field.name()).to_string();
    let stored_fields = stored.schema.fields();
    let (partners, only_mine) = pair(stored_fields, mine.schema.fields());
    let mut only_mine = only_mine.into_iter().peekable();
    let mut put_only_mine = |rows: &mut Rows, before: u64| {
        while let Some(field) = only_mine.next_if(|field| field.offset < before) {
            rows.push(Some("only in this program".to_owned()), |mark| Row {
                path: full_path(field),
                stored: None,
                mine: mine.field(field).cell(),
                mark,
            });
        }
    };
    for (field, partner) in stored_fields.iter().zip(partners) {
        put_only_mine(rows, field.offset);
        let place = stored.field(field);
        let mark = match partner {
            Some(partner) if partner.name() == field.name() => {
                let path = Path::Field(&path, field.name());
                compare(path, place, mine.field(partner), rows);
                continue;
            }
            Some(renamed) => format!("renamed? `{}` in this program", full_path(renamed)),
            None => "only in the segment".to_owned(),
        };
        rows.has_pair |= partner.is_some();
        rows.push(Some(mark), |mark| Row {
            path: full_path(field),
            stored: place.cell(),
            mine: partner.and_then(|partner| mine.field(partner).cell()),
            mark,
        });
    }
    put_only_mine(rows, u64::MAX);
}

/// For each stored field the one of mine with its name or, failing that, a new name for the same
/// bytes; then those of mine that are left over. Each of mine is one field's partner: of stored ones
/// that repeat a name, the first one's.
fn pair<'a>(
    stored: &[FieldSchema],
    mine: &'a [FieldSchema],
) -> (
    Vec<Option<&'a FieldSchema>>,
    impl IntoIterator<Item = &'a FieldSchema> + use<'a>,
) {
    // Of two fields at one offset one has no bytes.
    let place = |field: &FieldSchema| (field.offset, field.schema().size);
    let stored_names: HashSet<&str> = stored.iter().map(FieldSchema::name).collect();
    let mut by_name: HashMap<&str, &FieldSchema> =
        mine.iter().map(|field| (field.name(), field)).collect();
    let mut left: BTreeMap<(u64, u64), &FieldSchema> = mine
        .iter()
        .filter(|field| !stored_names.contains(field.name()))
        .map(|field| (place(field), field))
        .collect();
    let partners = stored
        .iter()
        .map(|field| {
            by_name.remove(field.name()).or_else(|| {
                let renamed = left.get(&place(field))?;
                let same = same_bytes(field.schema(), renamed.schema());
                same.then(|| left.remove(&place(field)))?
            })
        })
        .collect();
    (partners, left.into_values())
}

/// What keeps two versions of a struct from living together.
fn broken_rule(stored: &Schema, mine: &Schema) -> Option<String> {
    let (in_segment, in_program) = (stored.version()?, mine.version()?);
    match in_program.cmp(&in_segment) {
        Ordering::Equal => {
            let whose = if only_adds(mine, stored) {
                "this program"
            } else if only_adds(stored, mine) {
                "the program that made the segment"
            } else {
                return None;
            };
            let next = in_segment.checked_add(1)?;
            let and_fields = if stored.fields().len() == mine.fields().len() {
                String::new()
            } else {
                format!(", and `#[shared(since = {next})]` above each new field")
            };
            Some(format!(
                "{whose} changes version {in_segment} without a higher one: \
                 write `#[shared(version = {next})]` there{and_fields}"
            ))
        }
        Ordering::Greater => cannot_follow(mine, stored),
        Ordering::Less => cannot_follow(stored, mine),
    }
}

fn cannot_follow(newer: &Schema, older: &Schema) -> Option<String> {
    let obstacle = newer.extends(older).err()?;
    let (newer, older) = (newer.version()?, older.version()?);
    Some(format!(
        "version {newer} cannot follow version {older}: {obstacle}"
    ))
}

/// What differs between two structs beside their fields, and counts in the fingerprint. The size
/// follows from the fields where those differ.
fn differences_of_whole(stored: &Schema, mine: &Schema, fields_agree: bool) -> Vec<String> {
    let mut differences = Vec::new();
    if let (Some(a), Some(b)) = (stored.version(), mine.version()) {
        if a != b {
            differences.push(format!("version {a} in the segment, {b} in this program"));
        }
    }
    if fields_agree && stored.size != mine.size {
        differences.push(format!(
            "size {} bytes in the segment, {} in this program",
            stored.size, mine.size
        ));
    }
    differences
}
