//! `shm who`: the processes behind the kernel's number of attachments.

use std::collections::HashMap;
use std::time::Duration;

use clap::Args;
use comfy_table::CellAlignment::{Left, Right};
use serde::Serialize;
use shm_core::{Claimant, HolderState, InspectedRow, Inspector, Place, RowLife};

use crate::cli::place;
use crate::failure::Failure;
use crate::kernel::found::{Found, doing, inspect};
use crate::kernel::processes::{Attached, AttachedProcesses};
use crate::kernel::users::Names;
use crate::output::{print, print_json};
use crate::table::table;

/// Show which processes have a segment attached or a file mapped, readers and writers apart
///
/// Example: shm who 0x1234
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct Who {
    /// The value: 0x1234, id:5, ftok:PATH:ID, file:PATH or posix:/NAME
    #[arg(value_parser = place)]
    place: Place,

    /// As JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Answer {
    place: String,
    id: Option<i32>,
    /// What the kernel counts; it does not count for a file.
    attached: Option<u64>,
    /// How many of these were found.
    found: u64,
    unreadable_processes: u64,
    processes: Vec<Process>,
}

#[derive(Serialize)]
struct Process {
    pid: u32,
    uid: u32,
    user: String,
    name: String,
    writable_attachments: u64,
    read_only_attachments: u64,
    /// What a segment of the library's tells besides.
    slots: usize,
    holds_lock: bool,
    /// Of a table: those that belong to it.
    rows: Vec<u32>,
    state: Option<&'static str>,
}

impl Who {
    pub fn run(self) -> Result<(), Failure> {
        let found = Found::at(&self.place)?;
        let inspector = inspect(&found.way(), Duration::ZERO).ok();
        let claimants = claimants(inspector.as_ref());
        let rows = inspector.and_then(|inspector| inspector.rows().ok());
        let rows = rows.unwrap_or_default();
        let processes = AttachedProcesses::of(&found);
        // Asked again, since this program was attached for a moment.
        let attached = Found::at(&self.place).map_or(found.attached(), |now| now.attached());
        let names = Names::default();
        let answer = Answer {
            place: found.place().to_string(),
            id: found.segment().map(|segment| segment.id.as_raw()),
            attached,
            found: processes.attachments(),
            unreadable_processes: processes.unreadable,
            processes: processes
                .found
                .into_iter()
                .map(|process| Process::of(process, &claimants, &rows, &names))
                .collect(),
        };
        if self.json {
            return print_json(&answer);
        }
        print(&answer.text())
    }
}

/// By pid; none of a stranger's segment.
fn claimants(inspector: Option<&Inspector>) -> HashMap<u32, Vec<Claimant>> {
    let claimants = inspector.and_then(|inspector| inspector.writers().ok());
    let claimants = claimants.unwrap_or_default();
    let mut by_pid: HashMap<u32, Vec<Claimant>> = HashMap::new();
    for claimant in claimants
        .into_iter()
        .filter(|claimant| claimant.state != HolderState::Gone)
    {
        by_pid.entry(claimant.pid).or_default().push(claimant);
    }
    by_pid
}

impl Process {
    fn of(
        process: Attached,
        claimants: &HashMap<u32, Vec<Claimant>>,
        rows: &[InspectedRow],
        names: &Names,
    ) -> Process {
        let claims = claimants.get(&process.pid).map_or(&[][..], Vec::as_slice);
        Process {
            pid: process.pid,
            uid: process.uid,
            user: names.user(process.uid),
            name: process.name,
            writable_attachments: process.writable,
            read_only_attachments: process.read_only,
            slots: claims.len(),
            holds_lock: claims.iter().any(|claim| claim.holds_lock),
            rows: rows
                .iter()
                .filter(|row| row.owner == Some(process.pid) && row.life == RowLife::Live)
                .map(|row| row.id.index())
                .collect(),
            state: claims.first().map(|claim| doing(claim.state)),
        }
    }

    fn cells(&self) -> Vec<String> {
        let access = match (self.writable_attachments, self.read_only_attachments) {
            (0, _) => "reads",
            (_, 0) => "writes",
            _ => "writes, reads",
        };
        let mut remarks = Vec::new();
        if self.slots > 0 {
            remarks.push("has a slot".to_owned());
        }
        match &self.rows[..] {
            [] => (),
            [row] => remarks.push(format!("owns row {row}")),
            rows => {
                let rows: Vec<String> = rows.iter().map(u32::to_string).collect();
                remarks.push(format!("owns rows {}", rows.join(", ")));
            }
        }
        if self.holds_lock {
            remarks.push("holds the lock".to_owned());
        }
        if let Some(state) = self.state.filter(|state| *state != "running") {
            remarks.push(state.to_owned());
        }
        let remarks = if remarks.is_empty() {
            "-".to_owned()
        } else {
            remarks.join(", ")
        };
        let times = self.writable_attachments + self.read_only_attachments;
        vec![
            self.pid.to_string(),
            self.user.clone(),
            self.name.clone(),
            access.to_owned(),
            times.to_string(),
            remarks,
        ]
    }
}

impl Answer {
    fn text(&self) -> String {
        let headings = vec!["PID", "USER", "PROGRAM", "ACCESS", "TIMES", "STATE"];
        let alignments = vec![Right, Left, Left, Left, Right, Left];
        let cells = self.processes.iter().map(Process::cells);
        let mut text = table(headings, alignments, cells, true);
        let (least, found, unreadable) =
            (self.processes.len(), self.found, self.unreadable_processes);
        let is_root = rustix::process::geteuid().is_root();
        let why = match unreadable {
            0 if is_root => {
                "the others are in another pid namespace; run outside of this container".to_owned()
            }
            // `/proc` may be mounted so that it shows a user no process of another (`hidepid`).
            0 => "the others are hidden from this user, or in another pid namespace; run as root, outside of containers".to_owned(),
            _ if is_root => {
                format!(
                    "{unreadable} processes may not be looked into; run outside of this container"
                )
            }
            _ => format!("{unreadable} processes may not be looked into; run as root"),
        };
        match self.attached {
            Some(attached) if found < attached => {
                text += &format!(
                    "≥ {least} processes: {found} of {attached} attachments were found, and {why}\n"
                );
            }
            None if unreadable > 0 => text += &format!("≥ {least} processes: {why}\n"),
            _ => {}
        }
        text
    }
}
