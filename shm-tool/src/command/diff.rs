//! `shm diff`: two types side by side, and where they are one, the two values.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::Args;
use comfy_table::CellAlignment::Left;
use serde::Serialize;
use shm_core::Place;
use shm_core::layout::Schema;

use crate::cli::place;
use crate::failure::{Exit, Failure};
use crate::kept::{Held, Kept};
use crate::output::{print, print_json, two_columns, visible};
use crate::shape::{DebugInfo, Row, Type, from_json, from_schema, rows};
use crate::source::{Source, TypeArgs};
use crate::table::table;
use crate::value::{Extent, Node, changes, one_line};

/// Compare two types field by field, and the values where the types are one
///
/// Each side is a value, a file that `shm dump` or `shm schema --format json`
/// wrote, or a type from a program's debug information as FILE:NAME. Exit code 3
/// if anything differs.
///
/// Examples:
///   shm diff 0x1234 id:7
///   shm diff 0x1234 yesterday.dump
///   shm diff 0x1234 './st_pid:struct st_pid'
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct Diff {
    /// 0x1234, id:5, ftok:PATH:ID, file:PATH, posix:/NAME; the file of a dump or a schema; or FILE:NAME of a type
    a: Side,

    /// The other one
    b: Side,

    /// As JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Debug)]
enum Side {
    /// A place, or a file that was written by this program.
    Value(Place),
    /// A file, and the name of a type in it.
    Type(PathBuf, String),
}

impl FromStr for Side {
    type Err = String;

    fn from_str(text: &str) -> Result<Side, String> {
        let why = match text.parse::<Place>() {
            Ok(place) => return Ok(Side::Value(place)),
            Err(why) => why,
        };
        // A name in C++ has colons of its own.
        let ends = text.match_indices(':').map(|(at, _)| at);
        let mut files =
            ends.filter(|at| fs::metadata(&text[..*at]).is_ok_and(|meta| meta.is_file()));
        match files.next() {
            Some(at) => Ok(Side::Type(text[..at].into(), text[at + 1..].to_owned())),
            None if text.contains('/') => place(text).map(Side::Value),
            None if fs::metadata(text).is_ok() => Ok(Side::Value(Place::file(text))),
            None => Err(format!(
                "{why}; or write FILE:NAME, as './motion:struct motion_status'"
            )),
        }
    }
}

/// What is known of a side.
struct Known {
    ty: Type,
    schema: Option<Schema>,
    value: Option<Node>,
    /// Whether the value is that of a table's rows.
    is_table: bool,
}

impl Side {
    fn look(&self) -> Result<Known, Failure> {
        match self {
            Side::Type(file, name) => {
                let ty = DebugInfo::of(file)?.type_named(name)?;
                Ok(Known {
                    ty,
                    schema: None,
                    value: None,
                    is_table: false,
                })
            }
            Side::Value(place) => {
                if let Some(known) = place.path().and_then(|path| kept(&path)) {
                    return known;
                }
                let source = Source::open(place, &TypeArgs::default())?;
                Ok(Known {
                    ty: source.shape()?,
                    schema: source.schema()?,
                    value: Some(source.read()?.node),
                    is_table: source.row_count().is_some(),
                })
            }
        }
    }
}

/// What a file says that this program wrote; `None` of any other.
fn kept(path: &Path) -> Option<Result<Known, Failure>> {
    let mut start = [0; 8];
    let read = File::open(path).and_then(|mut file| file.read(&mut start));
    let start = &start[..read.ok()?];
    if Kept::begins(start) {
        return Some(Kept::read(path).and_then(|kept| {
            Ok(Known {
                ty: from_schema(&kept.schema),
                value: Some(kept.node(path)?),
                is_table: matches!(kept.held, Held::Rows { .. }),
                schema: Some(kept.schema),
            })
        }));
    }
    if !start.starts_with(b"{") {
        return None;
    }
    let json = fs::read(path).ok();
    let json: Option<serde_json::Value> = json.and_then(|json| serde_json::from_slice(&json).ok());
    let ty = json.and_then(|json| from_json(&json["type"]));
    let ty = ty.ok_or_else(|| {
        misfit(
            path,
            "it is no schema; name a file of `shm schema --format json`",
        )
    });
    Some(ty.map(|ty| Known {
        ty,
        schema: None,
        value: None,
        is_table: false,
    }))
}

fn misfit(path: &Path, why: &str) -> Failure {
    Failure::new(Exit::Misfit, format!("{}: {why}", path.display()))
}

#[derive(Serialize)]
struct Answer {
    same_layout: bool,
    /// Whether programs of either side may attach to the other's segment.
    verdict: String,
    fields: Vec<Pair>,
    values: Vec<ValueChange>,
}

/// A field on both sides, as `i32 @0`.
#[derive(Serialize)]
struct Pair {
    path: String,
    a: Option<String>,
    b: Option<String>,
}

#[derive(Serialize)]
struct ValueChange {
    path: String,
    a: Option<Node>,
    b: Option<Node>,
}

impl Diff {
    pub fn run(self) -> Result<(), Failure> {
        let (a, b) = (self.a.look()?, self.b.look()?);
        let fields = differing(&rows(&a.ty), &rows(&b.ty));
        let same_layout = match (&a.schema, &b.schema) {
            _ if of_two_kinds(&a, &b) => false,
            (Some(a), Some(b)) => a.fingerprint() == b.fingerprint(),
            _ => fields.is_empty() && a.ty.size == b.ty.size,
        };
        let values = match (&a.value, &b.value) {
            (Some(a), Some(b)) if same_layout => changes("", a, b)
                .into_iter()
                .map(|change| ValueChange {
                    path: change.path,
                    a: change.from.cloned(),
                    b: change.to.cloned(),
                })
                .collect(),
            _ => Vec::new(),
        };
        let answer = Answer {
            same_layout,
            verdict: verdict(&a, &b, same_layout),
            fields,
            values,
        };
        if self.json {
            print_json(&answer)?;
        } else {
            print(&answer.text())?;
        }
        if answer.same_layout && answer.values.is_empty() {
            return Ok(());
        }
        Err(Failure::silent(Exit::Differs))
    }
}

fn differing(a: &[Row], b: &[Row]) -> Vec<Pair> {
    let find = |rows: &[Row], path: &str| {
        rows.iter()
            .find(|row| row.path == path)
            .map(|row| format!("{} @{}", row.ty, row.offset))
    };
    let only_b = b
        .iter()
        .filter(|row| !a.iter().any(|other| other.path == row.path));
    a.iter()
        .chain(only_b)
        .map(|row| Pair {
            path: row.path.clone(),
            a: find(a, &row.path),
            b: find(b, &row.path),
        })
        .filter(|pair| pair.a != pair.b)
        .collect()
}

/// Whether one is a table and the other is not: a type by itself may be of either.
fn of_two_kinds(a: &Known, b: &Known) -> bool {
    a.value.is_some() && b.value.is_some() && a.is_table != b.is_table
}

fn verdict(a: &Known, b: &Known, same: bool) -> String {
    let sizes = format!("{} and {} bytes", a.ty.size, b.ty.size);
    if same {
        return "one layout: programs of either side may attach to the other".to_owned();
    }
    if of_two_kinds(a, b) {
        let side = if a.is_table { "first" } else { "second" };
        return format!(
            "the {side} is a table of rows, the other a single value ({sizes}): neither may attach to the other"
        );
    }
    match (&a.schema, &b.schema) {
        (Some(first), Some(second)) if second.extends(first).is_ok() => format!(
            "the second is a later version of the first ({sizes}): its programs may upgrade the first segment"
        ),
        (Some(first), Some(second)) if first.extends(second).is_ok() => format!(
            "the first is a later version of the second ({sizes}): its programs may upgrade the second segment"
        ),
        _ => format!("two layouts ({sizes}): neither may attach to the other"),
    }
}

impl Answer {
    fn text(&self) -> String {
        let mut text = format!("{}\n", self.verdict);
        if !self.fields.is_empty() {
            let or_dash = |cell: &Option<String>| {
                cell.as_deref()
                    .map_or("-".to_owned(), |cell| visible(cell).into_owned())
            };
            let cells = self.fields.iter().map(|pair| {
                vec![
                    visible(&pair.path).into_owned(),
                    or_dash(&pair.a),
                    or_dash(&pair.b),
                ]
            });
            text += &table(
                vec!["FIELD", "FIRST", "SECOND"],
                vec![Left, Left, Left],
                cells,
                true,
            );
        }
        let part = |node: &Option<Node>| {
            node.as_ref()
                .map_or("nothing".to_owned(), |node| one_line(node, Extent::Short))
        };
        let values: Vec<(String, String)> = self
            .values
            .iter()
            .map(|change| {
                (
                    change.path.clone(),
                    format!("{} | {}", part(&change.a), part(&change.b)),
                )
            })
            .collect();
        text + &two_columns(&values)
    }
}
