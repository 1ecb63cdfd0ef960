//! The rows of a mismatch: which field of one layout is which of the other, and what differs
//! between them.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap, HashSet};

use super::extends::only_adds;
use super::mismatch::{Cell, Row};
use super::{Field, Kind, Schema};

mod types;

use types::{difference_of_type, innermost_are_structs, same_bytes};

/// One row for each field of either layout, and notes on what concerns the whole. At least one of
/// them tells something.
pub(super) fn rows_and_notes(stored: &Schema, mine: &Schema) -> (Vec<Row>, Vec<String>) {
    let (stored, mine) = (
        Place {
            schema: stored,
            offset: 0,
        },
        Place {
            schema: mine,
            offset: 0,
        },
    );
    let mut rows = Vec::new();
    let mut notes = Vec::new();
    match (stored.schema.kind(), mine.schema.kind()) {
        (Kind::Struct { fields: a, .. }, Kind::Struct { fields: b, .. }) => {
            compare_fields("", (stored, a), (mine, b), &mut rows);
            let rows_agree = rows.iter().all(|row| row.mark.is_none());
            notes.extend(differences_of_whole(stored.schema, mine.schema, rows_agree));
            let are_relatives = rows
                .iter()
                .any(|row| row.stored.is_some() && row.mine.is_some());
            if are_relatives && !rows_agree {
                notes.extend(broken_rule(stored.schema, mine.schema));
            }
        }
        _ => compare("", stored, mine, &mut rows),
    }
    if notes.is_empty() && rows.iter().all(|row| row.mark.is_none()) {
        notes.push("no difference".to_owned());
    }
    (rows, notes)
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
        let (schema, begin) = match self.schema.kind() {
            Kind::Array { element, .. } => (element, 0),
            Kind::Vec {
                element, offset, ..
            } => (element, offset),
            _ => (self.schema, 0),
        };
        Place {
            schema,
            offset: self.offset + begin,
        }
    }

    fn field(self, field: &'a Field) -> Place<'a> {
        Place {
            schema: field.schema(),
            offset: self.offset + field.offset,
        }
    }
}

fn compare(path: &str, stored: Place<'_>, mine: Place<'_>, rows: &mut Vec<Row>) {
    let mut row = |mark: Option<String>| {
        let path = if path.is_empty() { "(value)" } else { path };
        rows.push(Row {
            path: path.to_owned(),
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
        (Kind::Struct { fields: a, .. }, Kind::Struct { fields: b, .. }) => {
            let mut inner = Vec::new();
            compare_fields(path, (stored, a), (mine, b), &mut inner);
            let inner_agree = inner.iter().all(|row| row.mark.is_none());
            let whole = differences_of_whole(stored.schema, mine.schema, inner_agree);
            if !whole.is_empty() {
                row(Some(whole.join(", ")));
            }
            if !inner_agree || whole.is_empty() {
                rows.append(&mut inner);
            }
        }
        _ if innermost_are_structs(stored.schema, mine.schema) => {
            let (a, b) = (stored.first_element(), mine.first_element());
            compare(&format!("{path}[0]"), a, b, rows);
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
fn compare_fields(
    path: &str,
    (stored, stored_fields): (Place<'_>, &[Field]),
    (mine, mine_fields): (Place<'_>, &[Field]),
    rows: &mut Vec<Row>,
) {
    let full_path = |field: &Field| match path {
        "" => field.name().to_owned(),
        path => format!("{path}.{}", field.name()),
    };
    let (partners, only_mine) = pair(stored_fields, mine_fields);
    let mut only_mine = only_mine.into_iter().peekable();
    let mut put_only_mine = |rows: &mut Vec<Row>, before: u64| {
        while let Some(field) = only_mine.next_if(|field| field.offset < before) {
            rows.push(Row {
                path: full_path(field),
                stored: None,
                mine: mine.field(field).cell(),
                mark: Some("only in this program".to_owned()),
            });
        }
    };
    for (field, partner) in stored_fields.iter().zip(partners) {
        put_only_mine(rows, field.offset);
        let place = stored.field(field);
        let mark = match partner {
            Some(partner) if partner.name() == field.name() => {
                compare(&full_path(field), place, mine.field(partner), rows);
                continue;
            }
            Some(renamed) => format!("renamed? `{}` in this program", full_path(renamed)),
            None => "only in the segment".to_owned(),
        };
        rows.push(Row {
            path: full_path(field),
            stored: place.cell(),
            mine: partner.and_then(|partner| mine.field(partner).cell()),
            mark: Some(mark),
        });
    }
    put_only_mine(rows, u64::MAX);
}

/// For each stored field the one of mine with its name or, failing that, a new name for the same
/// bytes; then those of mine that are left over.
fn pair<'a>(
    stored: &[Field],
    mine: &'a [Field],
) -> (
    Vec<Option<&'a Field>>,
    impl IntoIterator<Item = &'a Field> + use<'a>,
) {
    let stored_names: HashSet<&str> = stored.iter().map(Field::name).collect();
    let by_name: HashMap<&str, &Field> = mine.iter().map(|field| (field.name(), field)).collect();
    let mut left: BTreeMap<u64, &Field> = mine
        .iter()
        .filter(|field| !stored_names.contains(field.name()))
        .map(|field| (field.offset, field))
        .collect();
    let partners = stored
        .iter()
        .map(|field| {
            by_name.get(field.name()).copied().or_else(|| {
                let renamed = left.get(&field.offset)?;
                let same = same_bytes(field.schema(), renamed.schema());
                same.then(|| left.remove(&field.offset))?
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
        Ordering::Greater => {
            let obstacle = mine.extends(stored).err()?;
            Some(format!(
                "version {in_program} cannot follow version {in_segment}: {obstacle}"
            ))
        }
        Ordering::Less => {
            let obstacle = stored.extends(mine).err()?;
            Some(format!(
                "version {in_segment} cannot follow version {in_program}: {obstacle}"
            ))
        }
    }
}

/// What differs between two structs beside their fields, and counts in the fingerprint. The size
/// follows from the fields where those differ.
fn differences_of_whole(stored: &Schema, mine: &Schema, fields_agree: bool) -> Vec<String> {
    let mut differences = Vec::new();
    if let (Some(a), Some(b)) = (stored.version(), mine.version())
        && a != b
    {
        differences.push(format!("version {a} in the segment, {b} in this program"));
    }
    if fields_agree && stored.size != mine.size {
        differences.push(format!(
            "size {} bytes in the segment, {} in this program",
            stored.size, mine.size
        ));
    }
    differences
}
