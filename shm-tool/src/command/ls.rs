//! `shm ls`: every segment that the kernel knows, what is in the shared-memory file system, and files that are named.

use std::cmp::Ordering;
use std::collections::HashMap;

use clap::{Args, ValueEnum};
use comfy_table::CellAlignment;
use jiff::Timestamp;
use serde::Serialize;
use shm_core::sysv::sem;
use shm_core::{HolderState, Place};

use crate::cli::place;
use crate::failure::{Exit, Failure};
use crate::kernel::files::SharedFile;
use crate::kernel::found::{Found, Inside, Typed, doing, who};
use crate::kernel::memory::{self, Memory};
use crate::kernel::processes;
use crate::kernel::segments::key_text;
use crate::kernel::users::Names;
use crate::output::{human_size, print, print_json, visible};
use crate::table::table;

/// List the segments and what lies in /dev/shm, typed or not
///
/// Examples:
///   shm ls /var/lib/app                    and the files in that folder that hold values
///   shm ls --mine --sort bytes
///   shm ls -o place,type,cpid,rss --noheadings
///   shm ls --json | jq '.segments[] | select(.attached == 0)'
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct Ls {
    /// Files to list too: file:PATH, or a path with a slash; of a folder those that hold a value of this library
    #[arg(value_name = "FILE", value_parser = place, conflicts_with_all = ["semaphores", "orphans"])]
    files: Vec<Place>,

    /// The columns, of: place, id, key, type, schema, bytes, version, nattch, owner, group, creator, mode, state, cpid,
    /// lpid, atime, dtime, ctime, mtime, rss, swap; of files those that files have
    #[arg(
        short,
        long,
        value_delimiter = ',',
        value_name = "COLUMNS",
        hide_possible_values = true
    )]
    output: Option<Vec<Column>>,

    /// Sort by a column
    #[arg(long, value_name = "COLUMN", hide_possible_values = true)]
    sort: Option<Column>,

    /// The other way round
    #[arg(short, long)]
    reverse: bool,

    /// Only what this user owns or created
    #[arg(long)]
    mine: bool,

    /// Only what says what is in it
    #[arg(long, conflicts_with = "no_attach")]
    typed: bool,

    /// Only what no process has attached and none will find: segments without a key whose creator has gone
    #[arg(long)]
    orphans: bool,

    /// The semaphore sets, with the segment that each belongs to
    #[arg(short = 's', long, conflicts_with_all = ["output", "sort", "typed"])]
    semaphores: bool,

    /// Attach nothing: an attachment changes lpid and atime
    #[arg(long)]
    no_attach: bool,

    /// Sizes in bytes, rather than for people
    #[arg(short, long)]
    bytes: bool,

    /// No line of headings
    #[arg(long)]
    noheadings: bool,

    /// As JSON, with all columns
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Column {
    Place,
    Id,
    Key,
    Type,
    Schema,
    Bytes,
    Version,
    Nattch,
    Owner,
    Group,
    Creator,
    Mode,
    State,
    Cpid,
    Lpid,
    Atime,
    Dtime,
    Ctime,
    Mtime,
    Rss,
    Swap,
}

const USUAL: &[Column] = &[
    Column::Place,
    Column::Type,
    Column::Schema,
    Column::Bytes,
    Column::Version,
    Column::Nattch,
    Column::Owner,
    Column::Mode,
    Column::State,
];

impl Ls {
    pub fn run(self) -> Result<(), Failure> {
        if self.semaphores {
            return self.list_sets();
        }
        let (mut all, silent) = Found::all()?;
        let own = rustix::process::geteuid().as_raw();
        let named = self.named()?;
        let is_mine = |found: &Found| !self.mine || found.is_of(own);
        all.retain(|found| is_mine(found) && (!self.orphans || found.is_orphan()));
        let memory = if self.json || self.names(Column::Rss) || self.names(Column::Swap) {
            memory::by_segment()
        } else {
            HashMap::new()
        };
        let names = Names::default();
        let mut rows: Vec<Row> = all
            .into_iter()
            .map(|found| self.row(found, &memory))
            .chain(named.into_iter().filter(|row| is_mine(&row.found)))
            .filter(|row| !self.typed || matches!(row.inside, Inside::Typed(_)))
            .collect();
        if let Some(column) = self.sort {
            rows.sort_by(|a, b| a.compare(b, column, &names));
        }
        if self.reverse {
            rows.reverse();
        }
        if self.json {
            let segments = rows.iter().map(|row| row.to_json(&names)).collect();
            print_json(&Segments { segments })?;
        } else {
            print(&self.table_of(&rows, &names))?;
        }
        told_in_part(silent)
    }

    fn row(&self, found: Found, by_segment: &HashMap<i32, Memory>) -> Row {
        Row {
            inside: if self.no_attach {
                Inside::NotAsked
            } else {
                Inside::of(&found)
            },
            memory: match &found {
                Found::Segment(segment) => by_segment.get(&segment.id.as_raw()).copied(),
                Found::File(file) => Memory::of(file),
            },
            found,
        }
    }

    /// The files that were named, and those that hold values in folders that were.
    fn named(&self) -> Result<Vec<Row>, Failure> {
        let mut rows = Vec::new();
        for place in &self.files {
            let Some(path) = place.path() else {
                return Err(Failure::usage(format!(
                    "{place}: segments are listed anyway; name files"
                )));
            };
            let row = |file| self.row(Found::File(file), &HashMap::new());
            if path.is_dir() {
                let files = SharedFile::in_folder(&path).into_iter().map(row);
                rows.extend(files.filter(|row| row.inside != Inside::Untyped));
            } else {
                rows.push(row(SharedFile::at(place, &path)?));
            }
        }
        Ok(rows)
    }

    fn names(&self, column: Column) -> bool {
        let shown = self
            .output
            .as_ref()
            .is_some_and(|columns| columns.contains(&column));
        shown || self.sort == Some(column)
    }

    fn table_of(&self, rows: &[Row], names: &Names) -> String {
        let columns = self.output.as_deref().unwrap_or(USUAL);
        let headings = columns.iter().map(|column| column.heading()).collect();
        let alignments = columns.iter().map(|column| column.alignment()).collect();
        let cells = rows.iter().map(|row| {
            columns
                .iter()
                .map(|column| row.cell(*column, self.bytes, names))
                .collect()
        });
        table(headings, alignments, cells, !self.noheadings)
    }

    fn list_sets(&self) -> Result<(), Failure> {
        let (all, _) = Found::all()?;
        let mut segment_of = HashMap::new();
        if !self.no_attach {
            for found in &all {
                if let Inside::Typed(typed) = Inside::of(found)
                    && let Some(set) = typed.set
                {
                    segment_of.insert(set, found.place().to_string());
                }
            }
        }
        let failed = |error| Failure::of_sysv("semaphore sets", &error);
        let orphans = shm_core::orphaned_sets().map_err(failed)?;
        let own = rustix::process::geteuid().as_raw();
        let names = Names::default();
        let mut silent = 0;
        let mut sets = Vec::new();
        for set in sem::sets().map_err(failed)? {
            let Ok((id, stat)) = set else {
                silent += 1;
                continue;
            };
            let orphan = orphans.contains(&id);
            let mine = [stat.uid, stat.cuid].contains(&own);
            if (self.mine && !mine) || (self.orphans && !orphan) {
                continue;
            }
            sets.push(Set {
                id: id.as_raw(),
                key: key_text(stat.key),
                semaphores: stat.count,
                uid: stat.uid,
                owner: names.user(stat.uid),
                mode: stat.mode.to_string(),
                segment: segment_of.get(&id).cloned(),
                orphan,
            });
        }
        if self.json {
            print_json(&Sets { sets })?;
        } else {
            let headings = vec!["ID", "KEY", "NSEMS", "OWNER", "MODE", "SEGMENT", "STATE"];
            let left = CellAlignment::Left;
            let right = CellAlignment::Right;
            let cells = sets.iter().map(Set::cells);
            let alignments = vec![right, left, right, left, left, left, left];
            print(&table(headings, alignments, cells, !self.noheadings))?;
        }
        told_in_part(silent)
    }
}

/// Kernels before 4.17 tell of an object only to those who may read it.
fn told_in_part(silent: u64) -> Result<(), Failure> {
    if silent == 0 {
        return Ok(());
    }
    Err(Failure::new(
        Exit::InPart,
        format!("this kernel does not tell this user of {silent} more; run as root"),
    ))
}

struct Row {
    found: Found,
    inside: Inside,
    memory: Option<Memory>,
}

impl Row {
    fn typed(&self) -> Option<&Typed> {
        match &self.inside {
            Inside::Typed(typed) => Some(typed),
            _ => None,
        }
    }

    fn cell(&self, column: Column, bytes: bool, names: &Names) -> String {
        let found = &self.found;
        let stat = found.segment().map(|segment| &segment.stat);
        let id = found.segment().map(|segment| segment.id);
        let size = |figure: u64| {
            if bytes {
                figure.to_string()
            } else {
                human_size(figure)
            }
        };
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".into());
        match column {
            Column::Place => visible(&found.place().to_string()).into_owned(),
            Column::Id => or_dash(id.map(|id| id.to_string())),
            Column::Key => or_dash(stat.and_then(|stat| key_text(stat.key))),
            Column::Type => or_dash(self.typed().map(Typed::written)),
            Column::Schema => or_dash(self.typed().and_then(|t| t.schema).map(|v| v.to_string())),
            Column::Bytes => size(found.size()),
            Column::Version => or_dash(self.typed().map(|typed| typed.version.to_string())),
            Column::Nattch => or_dash(found.attached().map(|attached| attached.to_string())),
            Column::Owner => names.user(found.uid()),
            Column::Group => names.group(found.gid()),
            Column::Creator => or_dash(stat.map(|stat| names.user(stat.cuid))),
            Column::Mode => found.mode().to_string(),
            Column::State => self.state(),
            Column::Cpid => or_dash(stat.map(|stat| stat.cpid.to_string())),
            Column::Lpid => or_dash(stat.map(|stat| stat.lpid.to_string())),
            Column::Atime => or_dash(local_time(found.atime())),
            Column::Dtime => or_dash(local_time(found.dtime())),
            Column::Ctime => or_dash(local_time(found.ctime())),
            Column::Mtime => or_dash(local_time(found.mtime())),
            Column::Rss => or_dash(self.memory.map(|memory| size(memory.resident))),
            Column::Swap => or_dash(self.memory.map(|memory| size(memory.swapped))),
        }
    }

    /// What is remarkable, or a dash.
    fn state(&self) -> String {
        let mut states = Vec::new();
        if let Some(holder) = self.typed().and_then(|typed| typed.holder) {
            states.push(format!("locked by {}", who(holder.pid, holder.state)));
        }
        let set_flaw = self.typed().and_then(|typed| typed.set_flaw);
        states.extend(set_flaw.map(str::to_owned));
        let remarks = [self.inside.flaw(), self.found.fate()];
        states.extend(remarks.into_iter().flatten().map(str::to_owned));
        if self
            .found
            .segment()
            .is_some_and(|segment| segment.stat.locked)
        {
            states.push("unswappable".to_owned());
        }
        if states.is_empty() {
            "-".to_owned()
        } else {
            states.join(", ")
        }
    }

    /// Numbers by their size, all else by its text.
    fn compare(&self, other: &Row, column: Column, names: &Names) -> Ordering {
        let number = |row: &Row| {
            let cell = row.cell(column, true, names);
            cell.parse::<u64>().ok()
        };
        match column {
            _ if column.is_number() => number(self).cmp(&number(other)),
            Column::Atime => self.found.atime().cmp(&other.found.atime()),
            Column::Dtime => self.found.dtime().cmp(&other.found.dtime()),
            Column::Ctime => self.found.ctime().cmp(&other.found.ctime()),
            Column::Mtime => self.found.mtime().cmp(&other.found.mtime()),
            _ => self
                .cell(column, true, names)
                .cmp(&other.cell(column, true, names)),
        }
    }

    fn to_json(&self, names: &Names) -> Segment {
        let typed = self.typed();
        Segment {
            facts: Facts::of(&self.found, names),
            inside: inside_word(&self.inside),
            r#type: typed.map(|typed| typed.name.clone()),
            schema: typed.and_then(|typed| typed.schema),
            version: typed.map(|typed| typed.version),
            rows: typed.and_then(|typed| typed.rows),
            locked_by: typed.and_then(|typed| typed.holder).map(LockedBy::of),
            orphan: self.found.is_orphan() && !self.found.is_removed(),
            rss: self.memory.map(|memory| memory.resident),
            swap: self.memory.map(|memory| memory.swapped),
        }
    }
}

/// What JSON says of the contents.
pub fn inside_word(inside: &Inside) -> &'static str {
    match inside {
        Inside::Typed(_) => "typed",
        Inside::Untyped => "untyped",
        Inside::Unfinished => "unfinished",
        Inside::Unfit(why) => why,
        Inside::Closed => "closed",
        Inside::NotAsked => "not asked",
    }
}

impl Column {
    /// As it is asked for.
    fn heading(self) -> String {
        let name = self.to_possible_value();
        name.map_or_else(String::new, |name| name.get_name().to_uppercase())
    }

    fn is_number(self) -> bool {
        matches!(
            self,
            Column::Id
                | Column::Schema
                | Column::Bytes
                | Column::Version
                | Column::Nattch
                | Column::Cpid
                | Column::Lpid
                | Column::Rss
                | Column::Swap
        )
    }

    fn alignment(self) -> CellAlignment {
        if self.is_number() {
            CellAlignment::Right
        } else {
            CellAlignment::Left
        }
    }
}

/// A time of the kernel's, as the clock on the wall shows it.
pub fn local_time(time: Option<std::time::SystemTime>) -> Option<String> {
    let time = Timestamp::try_from(time?).ok()?;
    let time = time.to_zoned_datetime(jiff::tz::TimeZone::system());
    Some(time.strftime("%Y-%m-%dT%H:%M:%S").to_string())
}

/// The kernel's figures of a segment or a file, as JSON has them.
#[derive(Serialize)]
pub struct Facts {
    place: String,
    id: Option<i32>,
    key: Option<String>,
    path: Option<String>,
    bytes: u64,
    attached: Option<u64>,
    uid: u32,
    owner: String,
    gid: u32,
    group: String,
    cuid: Option<u32>,
    cgid: Option<u32>,
    mode: String,
    dest: bool,
    unswappable: bool,
    cpid: Option<i32>,
    cpid_lives: Option<bool>,
    lpid: Option<i32>,
    atime: Option<Timestamp>,
    dtime: Option<Timestamp>,
    ctime: Option<Timestamp>,
    mtime: Option<Timestamp>,
}

impl Facts {
    pub fn of(found: &Found, names: &Names) -> Facts {
        let segment = found.segment();
        let stat = segment.map(|segment| &segment.stat);
        let path = match found {
            Found::File(file) => Some(file.path.display().to_string()),
            Found::Segment(_) => None,
        };
        let time = |time: Option<std::time::SystemTime>| Timestamp::try_from(time?).ok();
        Facts {
            place: found.place().to_string(),
            id: segment.map(|segment| segment.id.as_raw()),
            key: stat.and_then(|stat| key_text(stat.key)),
            path,
            bytes: found.size(),
            attached: found.attached(),
            uid: found.uid(),
            owner: names.user(found.uid()),
            gid: found.gid(),
            group: names.group(found.gid()),
            cuid: stat.map(|stat| stat.cuid),
            cgid: stat.map(|stat| stat.cgid),
            mode: found.mode().to_string(),
            dest: found.is_removed(),
            unswappable: stat.is_some_and(|stat| stat.locked),
            cpid: stat.map(|stat| stat.cpid),
            // That of another pid namespace is 0.
            cpid_lives: stat
                .filter(|stat| stat.cpid > 0)
                .map(|stat| processes::lives(stat.cpid)),
            lpid: stat.map(|stat| stat.lpid),
            atime: time(found.atime()),
            dtime: time(found.dtime()),
            ctime: time(found.ctime()),
            mtime: time(found.mtime()),
        }
    }
}

#[derive(Serialize)]
struct Segments {
    segments: Vec<Segment>,
}

#[derive(Serialize)]
struct Segment {
    #[serde(flatten)]
    facts: Facts,
    inside: &'static str,
    r#type: Option<String>,
    schema: Option<u32>,
    version: Option<u64>,
    rows: Option<u32>,
    locked_by: Option<LockedBy>,
    orphan: bool,
    rss: Option<u64>,
    swap: Option<u64>,
}

/// The owner of a segment's lock, as JSON has it.
#[derive(Serialize)]
pub struct LockedBy {
    pid: u32,
    name: Option<String>,
    state: &'static str,
}

impl LockedBy {
    pub fn of(holder: shm_core::Holder) -> LockedBy {
        LockedBy {
            pid: holder.pid,
            name: processes::name(holder.pid).filter(|_| holder.state != HolderState::Gone),
            state: doing(holder.state),
        }
    }
}

#[derive(Serialize)]
struct Sets {
    sets: Vec<Set>,
}

#[derive(Serialize)]
struct Set {
    id: i32,
    key: Option<String>,
    semaphores: usize,
    uid: u32,
    owner: String,
    mode: String,
    segment: Option<String>,
    orphan: bool,
}

impl Set {
    fn cells(&self) -> Vec<String> {
        let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".into());
        vec![
            self.id.to_string(),
            or_dash(&self.key),
            self.semaphores.to_string(),
            self.owner.clone(),
            self.mode.clone(),
            or_dash(&self.segment),
            if self.orphan { "orphan" } else { "-" }.to_owned(),
        ]
    }
}
