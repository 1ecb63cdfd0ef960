//! `shm show`: the value in a segment.

use std::fmt::Write as _;

use clap::Args;
use serde::Serialize;
use shm_core::{HolderState, Place};

use crate::cli::place;
use crate::command::show_rows;
use crate::failure::{Exit, Failure};
use crate::kernel::contents::Contents;
use crate::kernel::found::Found;
use crate::kernel::processes::with_name;
#[cfg(feature = "mirror")]
use crate::mirror::Mirrored;
use crate::output::{HEADING, print, print_json, styled, two_columns};
use crate::rows::{Row, RowJson, with_values};
use crate::shape::raw_lines;
use crate::source::{Reading, Source, TypeArgs};
use crate::value::{Extent, Node, Path, lines_at};

/// Show the value in a segment or a file, all of one commit
///
/// Examples:
///   shm show 0x1234
///   shm show 0x1234 limits.cpu[2]          the bare value, for scripts
///   shm show --json 0x1234 pid names
///   shm show 0x77 [3].state                of row 3 of a table; without a number of each row
///   shm show --raw id:5                    bytes, beside the names of the fields
///   shm show 0x2001 --type 'struct motion_status' --from ./motion
///                                          of a C program that knows nothing of this library
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct Show {
    /// The value: 0x1234, id:5, ftok:PATH:ID, file:PATH or posix:/NAME
    #[arg(value_parser = place)]
    place: Place,

    /// Parts of the value: names, limits.cpu[2]; of a table a field of each row, or of one: [3].state
    #[arg(value_name = "PATH")]
    paths: Vec<Path>,

    /// As JSON
    #[arg(long, conflicts_with = "raw")]
    json: bool,

    /// Bytes beside the names of the fields, also of a segment that tells nothing of itself
    #[arg(long, conflicts_with = "paths")]
    raw: bool,

    /// All of long lists
    #[arg(short, long)]
    all: bool,

    #[command(flatten)]
    told: TypeArgs,
}

#[derive(Serialize)]
struct Answer<'a> {
    place: String,
    id: Option<i32>,
    r#type: String,
    schema: Option<u32>,
    version: Option<u64>,
    #[cfg(feature = "mirror")]
    #[serde(skip_serializing_if = "Option::is_none")]
    mirror: Option<Mirrored>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<&'a Node>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parts: Option<serde_json::Map<String, serde_json::Value>>,
}

#[derive(Serialize)]
struct RowsAnswer<'a> {
    place: String,
    id: Option<i32>,
    r#type: String,
    schema: Option<u32>,
    rows: Vec<RowJson<'a>>,
}

impl Show {
    pub fn run(self) -> Result<(), Failure> {
        if self.raw {
            return self.show_raw();
        }
        let source = Source::open(&self.place, &self.told)?;
        let reading = source.read()?;
        let of_rows = self.paths.iter().any(|path| path.of_row().is_some());
        if let Some(rows) = reading.rows.as_ref().filter(|_| !of_rows) {
            return self.show_rows(&source, rows, &reading.node);
        }
        if self.json {
            return self.show_json(&source, &reading);
        }
        if self.paths.is_empty() {
            let mut text = styled(HEADING, &title(&source, &reading)?) + "\n";
            text += &two_columns(&lines_at(&[], &reading.node, self.extent())?);
            return print(&text);
        }
        print(&self.parts_of(&reading)?)
    }

    fn show_rows(&self, source: &Source, rows: &[Row], whole: &Node) -> Result<(), Failure> {
        if self.json {
            let schema = source.schema()?;
            return print_json(&RowsAnswer {
                place: source.found.place().to_string(),
                id: source.found.segment().map(|segment| segment.id.as_raw()),
                r#type: schema.as_ref().map_or(String::new(), ToString::to_string),
                schema: schema.and_then(|schema| schema.version()),
                rows: with_values(rows, whole)
                    .map(|(row, value)| RowJson { row, value })
                    .collect(),
            });
        }
        let mut text = String::new();
        if self.paths.is_empty() {
            text = styled(HEADING, &source.title()?) + "\n";
        }
        print(&(text + &show_rows::text(rows, whole, &self.paths, self.extent())?))
    }

    fn extent(&self) -> Extent {
        if self.all {
            Extent::Full
        } else {
            Extent::Short
        }
    }

    /// A value alone on its line for one part without parts; else each with its path.
    fn parts_of(&self, reading: &Reading) -> Result<String, Failure> {
        let parts = self.paths.iter().map(|path| path.of(&reading.node));
        let parts = parts.collect::<Result<Vec<&Node>, Failure>>()?;
        if parts.iter().all(|part| part.is_leaf()) {
            let mut text = String::new();
            for part in parts {
                if let Node::Leaf(leaf) = part {
                    let _ = writeln!(text, "{}", leaf.bare());
                }
            }
            return Ok(text);
        }
        let shown = lines_at(&self.paths, &reading.node, self.extent())?;
        Ok(two_columns(&shown))
    }

    fn show_json(&self, source: &Source, reading: &Reading) -> Result<(), Failure> {
        let schema = source.schema()?;
        let name = match &schema {
            Some(schema) => schema.to_string(),
            None => source.called().to_owned(),
        };
        let mut answer = Answer {
            place: source.found.place().to_string(),
            id: source.found.segment().map(|segment| segment.id.as_raw()),
            r#type: name,
            schema: schema.and_then(|schema| schema.version()),
            version: reading.version,
            #[cfg(feature = "mirror")]
            mirror: source.inspector().and_then(Mirrored::of),
            value: None,
            parts: None,
        };
        if self.paths.is_empty() {
            answer.value = Some(&reading.node);
            return print_json(&answer);
        }
        let mut parts = serde_json::Map::new();
        for path in &self.paths {
            let part = serde_json::to_value(path.of(&reading.node)?);
            parts.insert(path.to_string(), part.map_err(std::io::Error::from)?);
        }
        answer.parts = Some(parts);
        print_json(&answer)
    }

    fn show_raw(&self) -> Result<(), Failure> {
        // A segment of the library's shows the bytes of one commit, any other what lies there now.
        let read = || {
            let source = Source::open(&self.place, &self.told)?;
            Ok((source.bytes()?, source.shape()?))
        };
        let text = match read() {
            Ok((bytes, shape)) => raw_lines(&bytes, Some(&shape), self.extent()),
            // Also of a value that is too large for an inspector.
            Err(Failure { exit, .. }) if !self.told.is_given() && exit != Exit::TimeOut => {
                let contents = Contents::open(&Found::at(&self.place)?, false)?;
                let bytes = contents.from(0)?;
                let text = raw_lines(&bytes, None, self.extent());
                match contents.len() - bytes.len() {
                    0 => text,
                    rest => format!("{text}{rest} bytes more are not looked at\n"),
                }
            }
            Err(failure) => return Err(failure),
        };
        print(&text)
    }
}

/// `StPid v1 · version 42 · may write: 4711 (st_pid)`
pub fn title(source: &Source, reading: &Reading) -> Result<String, Failure> {
    let mut title = source.title()?;
    if let Some(version) = reading.version {
        let _ = write!(title, " · version {version}");
    }
    // Rows say themselves whose they are.
    let Some(inspector) = source.inspector().filter(|_| reading.rows.is_none()) else {
        return Ok(title);
    };
    let claimants = inspector.writers().map_err(source.failed())?;
    let mut pids: Vec<u32> = claimants
        .iter()
        .filter(|claimant| claimant.state != HolderState::Gone)
        .map(|claimant| claimant.pid)
        .collect();
    pids.sort_unstable();
    pids.dedup();
    #[cfg(feature = "mirror")]
    if let Some(mirrored) = Mirrored::of(inspector) {
        let _ = write!(title, " · {mirrored}");
    }
    if !pids.is_empty() {
        let who: Vec<String> = pids.into_iter().map(with_name).collect();
        let _ = write!(title, " · may write: {}", who.join(", "));
    }
    Ok(title)
}
