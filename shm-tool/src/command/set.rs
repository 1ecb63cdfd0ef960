//! `shm set`: stores fields, as one commit.

use std::str::FromStr;
use std::time::Duration;

use clap::Args;
use serde::Serialize;
use shm_core::layout::Value;
use shm_core::{Error, ErrorKind, Inspector, Place};

use crate::cli::{place, seconds};
use crate::failure::{Exit, Failure, of_place};
use crate::kernel::found::{Found, Inside, inspect, inspect_to_write};
use crate::output::{CHANGED, print, print_json, quoted, styled, two_columns, visible};
use crate::rows::Row;
use crate::shape::{from_schema, sample};
use crate::source::{Source, TypeArgs};
use crate::value::{Extent, Node, Path, lines, one_line};

/// Store fields of a value, all of them as one commit
///
/// Each is checked against the schema: its range, its length, the variants that
/// there are. What does not fit leaves the value as it is. Rows of a table are
/// stored to by the processes that own them, and by no other.
///
/// Examples:
///   shm set 0x1234 pid=42 names=alice
///   shm set 0x1234 --if-version 7 'limits.cpu[2]=10'
///   shm set 0x2001 --type 'struct motion_status' --from ./motion --raw-write pos.x=2.5
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct Set {
    /// The value: 0x1234, id:5, ftok:PATH:ID, file:PATH or posix:/NAME
    #[arg(value_parser = place)]
    place: Place,

    /// A field and what it is to be: names=alice, 'limits.cpu[2]=10'
    #[arg(required = true, value_name = "PATH=VALUE")]
    fields: Vec<Assignment>,

    /// Only if the value still has this version; else exit code 3
    #[arg(long, value_name = "VERSION")]
    if_version: Option<u64>,

    /// Also if neither this user nor root owns the segment
    #[arg(long)]
    anybody: bool,

    /// How long to wait for other writers
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = seconds)]
    timeout: Duration,

    /// As JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    told: TypeArgs,

    /// Store to a segment of a program without this library, one field after the other: no lock keeps that program out
    #[arg(long, requires = "name", conflicts_with = "if_version")]
    raw_write: bool,
}

#[derive(Clone, Debug)]
struct Assignment {
    path: Path,
    value: String,
}

impl FromStr for Assignment {
    type Err = String;

    fn from_str(text: &str) -> Result<Assignment, String> {
        let (path, value) = text.split_once('=').ok_or("write PATH=VALUE")?;
        Ok(Assignment {
            path: path.trim().parse()?,
            value: value.to_owned(),
        })
    }
}

#[derive(Serialize)]
struct Answer {
    place: String,
    version: Option<u64>,
    changes: Vec<Change>,
}

#[derive(Serialize)]
struct Change {
    path: String,
    from: Node,
    to: Node,
}

/// The value; of one with a part that its type does not have, which is to be mended, the parts without their values.
fn looked(inspector: &Inspector) -> Result<Node, Error> {
    match inspector.value() {
        Err(error) if error.kind() == ErrorKind::Invalid => {
            Ok(sample(&from_schema(&inspector.schema()?)))
        }
        value => value.map(Node::from),
    }
}

impl Set {
    pub fn run(self) -> Result<(), Failure> {
        if self.told.is_given() {
            return self.store_raw();
        }
        let found = Found::at(&self.place)?;
        let failed = of_place(&self.place);
        let inspector = inspect_to_write(&found.way(), self.timeout, self.anybody)
            .map_err(|error| self.refusal(&found, &error))?;
        let before = looked(&inspector).map_err(&failed)?;
        for field in &self.fields {
            field.path.of(&before)?;
        }
        for (at, field) in self.fields.iter().enumerate() {
            let steps = field.path.steps();
            if self.fields[..at]
                .iter()
                .any(|other| other.path.steps() == steps)
            {
                return Err(Failure::usage(format!(
                    "`{}` is named twice; name each field once",
                    field.path
                )));
            }
        }
        let paths: Vec<String> = self
            .fields
            .iter()
            .map(|field| field.path.to_string())
            .collect();
        let parts: Vec<(&str, Value)> = paths
            .iter()
            .zip(&self.fields)
            .map(|(path, field)| (path.as_str(), Value::from(field.value.as_str())))
            .collect();
        let version = match self.if_version {
            None => inspector.set_all(&parts).map_err(&failed)?,
            Some(wanted) => {
                let set = inspector.set_if(wanted, &parts).map_err(&failed)?;
                set.ok_or_else(|| {
                    Failure::new(
                        Exit::Differs,
                        format!(
                            "{}: the version is {} and not {wanted}, so nothing was stored; look again with `shm show {}`",
                            self.place,
                            inspector.version(),
                            quoted(&self.place)
                        ),
                    )
                })?
            }
        };
        let after = looked(&inspector).map_err(&failed)?;
        self.print(&found, Some(version), &before, &after)
    }

    /// Why nothing can be stored; of a table, whose rows have no lock that keeps their owners out, who these are.
    fn refusal(&self, found: &Found, error: &Error) -> Failure {
        let rows = match error.kind() {
            ErrorKind::OtherKind => inspect(&found.way(), Duration::ZERO).and_then(|of| of.rows()),
            _ => return Failure::of(&self.place, error),
        };
        let rows = match rows {
            Ok(rows) => rows,
            Err(error) => return Failure::of(&self.place, &error),
        };
        let row = self.fields.iter().find_map(|field| field.path.of_row());
        let row = row.map(|(row, _)| row);
        let mut owners = rows.iter().map(Row::from);
        let place = quoted(&self.place);
        let said = match (
            row,
            owners.find(|of| row.is_none_or(|row| of.row as usize == row)),
        ) {
            (Some(row), Some(owner)) => format!(
                "row {row} belongs to {}, which alone may store to it; have that program do it",
                owner.owner()
            ),
            (Some(row), None) => format!(
                "row {row} is free, and only the process that claims it may store to it; `shm show {place}` lists those that are taken"
            ),
            (None, Some(owner)) => format!(
                "each row of a table is stored to by its owner alone, as row {} by {}; have that program do it",
                owner.row,
                owner.owner()
            ),
            (None, None) => format!(
                "all rows of the table are free, and only a process that claims one may store to it; `shm wait {place}` waits \
                 for one"
            ),
        };
        Failure::new(Exit::NotPermitted, format!("{}: {said}", self.place))
    }

    fn store_raw(&self) -> Result<(), Failure> {
        if !self.raw_write {
            return Err(Failure::usage(
                "no lock keeps the other program out while a field of its segment is stored; say --raw-write if that may be",
            ));
        }
        let source = Source::open(&self.place, &self.told)?;
        if let Inside::Typed(_) = Inside::of(&source.found) {
            return Err(Failure::new(
                Exit::Misfit,
                format!(
                    "{}: it says itself what is in it; set its fields without --type, as a commit",
                    self.place
                ),
            ));
        }
        let before = source.read()?.node;
        for field in &self.fields {
            field.path.of(&before)?;
        }
        let fields = self
            .fields
            .iter()
            .map(|field| (&field.path, field.value.as_str()));
        source.store(&fields.collect::<Vec<_>>())?;
        self.print(&source.found, None, &before, &source.read()?.node)
    }

    /// Before and after, each as it was seen: other writers may have come in between.
    fn print(
        &self,
        found: &Found,
        version: Option<u64>,
        before: &Node,
        after: &Node,
    ) -> Result<(), Failure> {
        let mut changes = Vec::new();
        for Assignment { path, .. } in &self.fields {
            let (from, to) = (path.of(before)?.clone(), path.of(after)?.clone());
            changes.push(Change {
                path: path.to_string(),
                from,
                to,
            });
        }
        if self.json {
            return print_json(&Answer {
                place: found.place().to_string(),
                version,
                changes,
            });
        }
        let mut shown = Vec::new();
        for Change { path, from, to } in &changes {
            if from.is_leaf() || matches!(from, Node::List(_)) {
                let to = styled(CHANGED, &one_line(to, Extent::Short));
                shown.push((
                    visible(path).into_owned(),
                    format!("{} → {to}", one_line(from, Extent::Short)),
                ));
            } else {
                shown.extend(lines(&visible(path), to, Extent::Short));
            }
        }
        let version = version.map_or(String::new(), |version| format!("version {version}\n"));
        print(&(version + &two_columns(&shown)))
    }
}
