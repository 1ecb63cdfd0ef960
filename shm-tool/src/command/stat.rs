//! `shm stat`: all that is known of a segment but its value.

use std::time::Duration;

use clap::Args;
use serde::Serialize;
use shm_core::sysv::sem;
use shm_core::{Claimant, ErrorKind, HolderState, Inspector, Place};

use crate::cli::place;
use crate::command::ls::{Facts, LockedBy, inside_word, local_time};
use crate::failure::Failure;
use crate::kernel::found::{Found, Inside, doing, inspect, who};
use crate::kernel::processes::{self, with_name};
use crate::kernel::segments::Segment;
use crate::kernel::users::Names;
use crate::output::{HEADING, print, print_json, styled, two_columns, visible};

/// Show what is known of a segment or a file: the kernel's figures, its schema, its lock, and who may write
///
/// Example: shm stat 0x1234
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct Stat {
    /// The value: 0x1234, id:5, ftok:PATH:ID, file:PATH or posix:/NAME
    #[arg(value_parser = place)]
    place: Place,

    /// As JSON
    #[arg(long)]
    json: bool,
}

/// What a segment of the library's tells of itself.
#[derive(Serialize)]
struct Inner {
    r#type: String,
    schema: Option<u32>,
    fingerprint: String,
    value_bytes: usize,
    capacity: usize,
    version: u64,
    /// Of a table: how many it has, and how many belong to a process.
    rows: Option<Rows>,
    raw_writers: bool,
    slots: usize,
    /// Of a segment.
    semaphores: Option<Semaphores>,
    locked_by: Option<LockedBy>,
    #[serde(skip)]
    locked: String,
    writers: Vec<Writer>,
}

#[derive(Serialize)]
struct Rows {
    there: u32,
    taken: usize,
}

/// The set by which writers are told alive or dead.
#[derive(Serialize)]
struct Semaphores {
    id: Option<i32>,
    state: &'static str,
}

#[derive(Serialize)]
struct Writer {
    pid: u32,
    name: Option<String>,
    state: &'static str,
    holds_lock: bool,
    #[serde(skip)]
    text: String,
}

#[derive(Serialize)]
struct Answer {
    #[serde(flatten)]
    facts: Facts,
    inside: &'static str,
    #[serde(flatten)]
    inner: Option<Inner>,
}

impl Stat {
    pub fn run(self) -> Result<(), Failure> {
        let found = Found::at(&self.place)?;
        let names = Names::default();
        let inside = Inside::of(&found);
        let inner = match &inside {
            Inside::Typed(_) => {
                let inspector = inspect(&found.way(), Duration::from_secs(5));
                let inner = inspector.and_then(|inspector| Inner::of(&inspector));
                Some(inner.map_err(|error| Failure::of(&self.place, &error))?)
            }
            _ => None,
        };
        if self.json {
            let facts = Facts::of(&found, &names);
            return print_json(&Answer {
                facts,
                inside: inside_word(&inside),
                inner,
            });
        }
        let mut text = styled(HEADING, &visible(&found.place().to_string())) + "\n";
        text += &two_columns(&kernel_lines(&found, &names));
        match inner {
            Some(inner) => {
                text += &styled(HEADING, &visible(&inner.r#type));
                text.push('\n');
                text += &two_columns(&inner.lines());
            }
            None => {
                text += explained(&inside);
                text.push('\n');
            }
        }
        print(&text)
    }
}

fn explained(inside: &Inside) -> &'static str {
    match inside {
        Inside::Untyped => "another program laid it out, and it does not say how",
        Inside::Unfinished => "a program is creating it, or died when it was",
        Inside::Unfit("another format") => "a value of another version of the library",
        Inside::Unfit("not restored") => {
            "left by an earlier start of the machine, or a copy, and nothing durable in it is whole"
        }
        Inside::Unfit("not read") => "it could not be looked into just now; `shm show` says why",
        Inside::Unfit(_) => "a value of the library, overwritten or removed",
        Inside::Closed => "this user may not read it",
        _ => "",
    }
}

fn kernel_lines(found: &Found, names: &Names) -> Vec<(String, String)> {
    let process = |pid: i32| match u32::try_from(pid) {
        Ok(0) | Err(_) => "-".to_owned(),
        Ok(_) if !processes::lives(pid) => format!("{pid} (gone)"),
        Ok(pid) => with_name(pid),
    };
    let time = |time| local_time(time).unwrap_or_else(|| "never".to_owned());
    let user_and_group = |user, group| format!("{}:{}", names.user(user), names.group(group));
    let owner = user_and_group(found.uid(), found.gid());
    let mut lines = match found {
        Found::Segment(Segment { id, stat }) => vec![
            ("id", id.to_string()),
            ("bytes", stat.size.to_string()),
            ("attached", stat.attached.to_string()),
            ("owner", owner),
            ("creator", user_and_group(stat.cuid, stat.cgid)),
            ("mode", stat.mode.to_string()),
            ("created by", process(stat.cpid)),
            ("last used by", process(stat.lpid)),
            ("attached at", time(stat.atime)),
            ("detached at", time(stat.dtime)),
            ("changed at", time(stat.ctime)),
        ],
        Found::File(file) => vec![
            (
                "path",
                visible(&file.path.display().to_string()).into_owned(),
            ),
            ("bytes", found.size().to_string()),
            ("owner", owner),
            ("mode", found.mode().to_string()),
            ("written at", time(found.mtime())),
            ("changed at", time(found.ctime())),
        ],
    };
    if found.is_removed() {
        lines.push((
            "state",
            "removed; it goes when the last process detaches".to_owned(),
        ));
    } else if found.is_orphan() {
        lines.push((
            "state",
            "orphan: no key, no process, and its creator has gone".to_owned(),
        ));
    }
    lines
        .into_iter()
        .map(|(name, text)| (name.to_owned(), text))
        .collect()
}

impl Inner {
    fn of(inspector: &Inspector) -> Result<Inner, shm_core::Error> {
        let schema = inspector.schema()?;
        let mut writers = inspector.writers()?;
        writers.sort_by_key(|writer| writer.pid);
        let holder = inspector.holder()?;
        Ok(Inner {
            r#type: schema.to_string(),
            schema: schema.version(),
            fingerprint: format!("{:016x}", schema.fingerprint().to_bits()),
            value_bytes: schema.size(),
            capacity: inspector.capacity(),
            version: inspector.version(),
            rows: match inspector.row_count() {
                0 => None,
                there => Some(Rows {
                    there,
                    taken: inspector.rows()?.len(),
                }),
            },
            raw_writers: inspector.has_raw_writers(),
            slots: inspector.slots(),
            semaphores: inspector
                .place()
                .is_none_or(|place| place.path().is_none())
                .then(|| Semaphores::of(inspector.semaphores())),
            locked: holder.map_or("by no process".to_owned(), |holder| {
                format!("by {}", who(holder.pid, holder.state))
            }),
            locked_by: holder.map(LockedBy::of),
            writers: writers.iter().map(Writer::of).collect(),
        })
    }

    fn lines(&self) -> Vec<(String, String)> {
        let semaphores = match &self.semaphores {
            None => "none: locks on the file tell which writers live".to_owned(),
            Some(Semaphores {
                id: Some(id),
                state,
            }) => format!("set {id}, {state}"),
            Some(Semaphores { state, .. }) => (*state).to_owned(),
        };
        let raw = if self.raw_writers { "yes" } else { "no" };
        let mut lines = vec![
            (
                "schema",
                self.schema
                    .map_or("-".to_owned(), |version| format!("v{version}")),
            ),
            ("fingerprint", self.fingerprint.clone()),
            (
                "value",
                format!("{} bytes, room for {}", self.value_bytes, self.capacity),
            ),
            ("version", self.version.to_string()),
            ("raw writers", raw.to_owned()),
            ("locked", self.locked.clone()),
            ("semaphores", semaphores),
            (
                "slots",
                format!("{} of {} taken", self.writers.len(), self.slots),
            ),
        ];
        let rows = self.rows.as_ref();
        let rows = rows.map(|Rows { there, taken }| format!("{taken} of {there} taken"));
        if let Some(rows) = rows {
            lines.push(("rows", rows));
        }
        for writer in &self.writers {
            let holds = if writer.holds_lock {
                ", holds the lock"
            } else {
                ""
            };
            lines.push(("  slot of", format!("{}{holds}", writer.text)));
        }
        lines
            .into_iter()
            .map(|(name, text)| (name.to_owned(), text))
            .collect()
    }
}

impl Semaphores {
    fn of(set: Result<sem::Id, shm_core::Error>) -> Semaphores {
        let state = match &set {
            Ok(_) => "there",
            Err(error) if error.kind() == ErrorKind::SetLost => {
                "removed; the next program that opens the segment for writing makes them anew"
            }
            Err(error) if error.kind() == ErrorKind::System => "not to be read by this user",
            Err(_) => "not this segment's",
        };
        Semaphores {
            id: set.ok().map(sem::Id::as_raw),
            state,
        }
    }
}

impl Writer {
    fn of(claimant: &Claimant) -> Writer {
        let lives = claimant.state != HolderState::Gone;
        Writer {
            pid: claimant.pid,
            name: processes::name(claimant.pid).filter(|_| lives),
            state: doing(claimant.state),
            holds_lock: claimant.holds_lock,
            text: who(claimant.pid, claimant.state),
        }
    }
}
