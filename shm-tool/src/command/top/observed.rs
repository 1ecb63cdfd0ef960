//! What is there, what it holds, and what has changed since the last look.

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

use shm_core::{ErrorKind, Holder, HolderState, InspectedRow, Inspector, RowLife};

use crate::failure::Failure;
use crate::kernel::contents::Contents;
use crate::kernel::found::{Found, Inside, doing, inspect, type_text, who};
use crate::kernel::processes::{Attached, AttachedProcesses};
use crate::output::visible;
use crate::rows;
use crate::shape::raw_lines;
use crate::value::{Extent, Node, lines, one_line};

/// So many are attached; of more the kernel's figures are shown.
const MOST: usize = 1024;

/// Looks until one that said nothing of itself is asked again: a program may have adopted it.
const ASK_AGAIN: u32 = 10;

/// How long a change is lit, at least.
const LIT: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    #[default]
    Place,
    Rate,
    Bytes,
}

/// All of it, and which one is selected.
#[derive(Default)]
pub struct Observed {
    rows: Vec<Row>,
    order: Order,
    selected: Option<Identity>,
    scroll: usize,
    pane: Pane,
    last: Option<Instant>,
}

/// What tells a segment or a file from a later one in its place.
type Identity = (u64, u64);

/// A segment or a file.
pub struct Row {
    pub found: Found,
    pub place: String,
    pub name: Option<String>,
    pub version: Option<u64>,
    /// Commits a second.
    pub rate: Option<f64>,
    pub processes: Vec<Attached>,
    holder: Option<Holder>,
    inside: Inside,
    inspector: Option<Inspector>,
    looks: u32,
}

/// The value of the selected one.
#[derive(Default)]
pub struct Pane {
    of: Option<Identity>,
    pub title: String,
    pub lines: Vec<Line>,
    /// When each part was last seen to change.
    changed: HashMap<String, Instant>,
}

pub struct Line {
    pub name: String,
    pub text: String,
    pub lit: bool,
}

impl Observed {
    /// Looks at everything.
    pub fn look(&mut self) -> Result<(), Failure> {
        let now = Instant::now();
        let since = self.last.replace(now).map(|last| now - last);
        let (all, _) = Found::all()?;
        let mut old: HashMap<Identity, Row> = self
            .rows
            .drain(..)
            .map(|row| (row.identity(), row))
            .collect();
        let attached = AttachedProcesses::of_all(&all.iter().collect::<Vec<_>>());
        let own = std::process::id();
        let mut held = 0;
        for (found, mut attached) in all.into_iter().zip(attached) {
            attached.found.retain(|process| process.pid != own);
            let mut row = match old.remove(&identity(&found)) {
                Some(row) => Row { found, ..row },
                None => Row::new(found),
            };
            row.processes = attached.found;
            if held < MOST {
                row.look(since);
            }
            held += usize::from(row.inspector.is_some());
            self.rows.push(row);
        }
        self.arrange();
        self.look_at_selected(now);
        Ok(())
    }

    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    pub fn pane(&self) -> &Pane {
        &self.pane
    }

    pub fn order(&self) -> Order {
        self.order
    }

    pub fn sort_by(&mut self, order: Order) {
        self.order = order;
        self.arrange();
    }

    fn arrange(&mut self) {
        match self.order {
            // As they come: segments, and then files by their names.
            Order::Place => self.rows.sort_by(|a, b| a.rank().cmp(&b.rank())),
            Order::Rate => self.rows.sort_by(|a, b| {
                let rate = |row: &Row| row.rate.unwrap_or(-1.0);
                rate(b).total_cmp(&rate(a))
            }),
            Order::Bytes => self
                .rows
                .sort_by_key(|row| std::cmp::Reverse(row.found.size())),
        }
    }

    /// Which row is selected: the first, until another is.
    pub fn selected(&self) -> Option<usize> {
        let wanted = self.selected?;
        self.rows.iter().position(|row| row.identity() == wanted)
    }

    pub fn select(&mut self, by: isize) {
        let Some(last) = self.rows.len().checked_sub(1) else {
            return;
        };
        let at = self.selected().unwrap_or(0);
        let to = at.saturating_add_signed(by).min(last);
        self.selected = Some(self.rows[to].identity());
        self.look_at_selected(Instant::now());
    }

    pub fn scroll(&mut self, by: isize) {
        self.scroll = self.scroll.saturating_add_signed(by);
    }

    /// Where the pane begins, if it shows so many lines.
    pub fn scrolled(&mut self, shown: usize) -> usize {
        self.scroll = self.scroll.min(self.pane.lines.len().saturating_sub(shown));
        self.scroll
    }

    fn look_at_selected(&mut self, now: Instant) {
        let at = self.selected().unwrap_or(0);
        let Some(row) = self.rows.get(at) else {
            (self.selected, self.pane) = (None, Pane::default());
            return;
        };
        let identity = row.identity();
        self.selected = Some(identity);
        if self.pane.of != Some(identity) {
            self.scroll = 0;
            self.pane = Pane {
                of: Some(identity),
                ..Pane::default()
            };
            self.pane.show(row, None);
        } else {
            self.pane.show(row, Some(now));
        }
    }
}

impl Row {
    fn new(found: Found) -> Row {
        Row {
            place: visible(&found.place().to_string()).into_owned(),
            found,
            name: None,
            version: None,
            rate: None,
            processes: Vec::new(),
            holder: None,
            inside: Inside::NotAsked,
            inspector: None,
            looks: 0,
        }
    }

    fn identity(&self) -> Identity {
        identity(&self.found)
    }

    fn rank(&self) -> (bool, u64, &str) {
        match &self.found {
            Found::Segment(segment) => (
                false,
                u64::from(segment.id.as_raw().cast_unsigned()),
                &self.place,
            ),
            Found::File(_) => (true, 0, &self.place),
        }
    }

    /// Attaches it, unless it is, and sees what has been committed since.
    fn look(&mut self, since: Option<Duration>) {
        if self.inspector.is_none() {
            self.open();
        }
        let Some(inspector) = &self.inspector else {
            return;
        };
        match inspector.schema() {
            Ok(schema) => {
                self.name = Some(type_text(schema, inspector.row_count()));
            }
            Err(_) => {
                // Removed, or overwritten: the next look says which.
                (self.inspector, self.rate, self.version) = (None, None, None);
                return;
            }
        }
        let version = inspector.version();
        self.rate = self.version.zip(since).map(|(last, since)| {
            version.saturating_sub(last) as f64 / since.as_secs_f64().max(1e-3)
        });
        self.version = Some(version);
        self.holder = inspector.holder().ok().flatten();
    }

    fn open(&mut self) {
        let asked = self.looks;
        self.looks = self.looks.wrapping_add(1);
        // A process that has it attached keeps a removed one.
        if self.found.is_removed()
            || self.inside == Inside::Untyped && !asked.is_multiple_of(ASK_AGAIN)
        {
            return;
        }
        self.inside = Inside::of(&self.found);
        if let Inside::Typed(_) = self.inside {
            self.inspector = inspect(&self.found.way(), Duration::from_millis(50)).ok();
        }
    }

    /// How often it is attached, not counting this program.
    pub fn attached(&self) -> Option<u64> {
        let own = u64::from(self.inspector.is_some());
        self.found.attached().map(|all| all.saturating_sub(own))
    }

    /// The names of those that have it attached: `worker ×3, st_pid`.
    pub fn names(&self) -> String {
        let mut names: Vec<(&str, usize)> = Vec::new();
        for process in &self.processes {
            match names.iter_mut().find(|(name, _)| *name == process.name) {
                Some((_, count)) => *count += 1,
                None => names.push((&process.name, 1)),
            }
        }
        let names = names.into_iter().map(|(name, count)| match count {
            1 => name.to_owned(),
            _ => format!("{name} ×{count}"),
        });
        names.collect::<Vec<_>>().join(", ")
    }

    /// What is remarkable.
    pub fn state(&self) -> String {
        let mut states = Vec::new();
        if let Some(Holder { pid, state, .. }) = self.holder {
            // One that is at work is through before this is read. The names stand beside it.
            if state != HolderState::Running || self.rate == Some(0.0) {
                states.push(match pid {
                    0 => format!("locked by {}", who(pid, state)),
                    _ => format!("locked by {pid}, {}", doing(state)),
                });
            }
        }
        let remarks = [self.inside.flaw(), self.found.fate()];
        states.extend(remarks.into_iter().flatten().map(str::to_owned));
        states.join(", ")
    }
}

fn identity(found: &Found) -> Identity {
    match found {
        Found::Segment(segment) => (u64::MAX, u64::from(segment.id.as_raw().cast_unsigned())),
        Found::File(file) => (file.meta.dev(), file.meta.ino()),
    }
}

impl Pane {
    /// Reads the value. `now`: what is not as it was is lit.
    fn show(&mut self, row: &Row, now: Option<Instant>) {
        self.title = match (&row.name, row.version) {
            (Some(name), Some(version)) => format!("{} · {name} · version {version}", row.place),
            _ => row.place.clone(),
        };
        let parts = parts(row);
        let before: HashMap<&str, &str> = self
            .lines
            .iter()
            .map(|line| (&*line.name, &*line.text))
            .collect();
        if let Some(now) = now {
            for (name, text) in &parts {
                if before.get(&**name) != Some(&&**text) {
                    self.changed.insert(name.clone(), now);
                }
            }
            self.changed.retain(|_, changed| now - *changed <= LIT);
        }
        self.lines = parts
            .into_iter()
            .map(|(name, text)| Line {
                lit: self.changed.contains_key(&name),
                name,
                text,
            })
            .collect();
    }
}

/// Name and text of each part of the value; of what has no names the bytes.
fn parts(row: &Row) -> Vec<(String, String)> {
    let said = |text: String| vec![(String::new(), text)];
    if let Some(inspector) = &row.inspector {
        if inspector.row_count() > 0 {
            return match inspector.rows() {
                Ok(rows) => rows.into_iter().map(row_line).collect(),
                Err(error) => said(visible(&error.to_string()).into_owned()),
            };
        }
        return match inspector.snapshot() {
            Ok(seen) => lines("", &Node::from(seen.value), Extent::Short),
            Err(error) if error.kind() == ErrorKind::Overtaken => {
                said("writers are faster than it can be read".to_owned())
            }
            Err(error) => said(visible(&error.to_string()).into_owned()),
        };
    }
    if row.inside != Inside::Untyped {
        return said(row.state());
    }
    let bytes = Contents::open(&row.found, false).and_then(|contents| contents.up_to(BYTES));
    let Ok(bytes) = bytes else {
        return said("another program laid it out".to_owned());
    };
    let shown = raw_lines(&bytes, None, Extent::Short);
    let plain = anstream::adapter::strip_str(&shown).to_string();
    plain
        .lines()
        .map(|line| {
            let (offset, bytes) = line.split_once("  ").unwrap_or((line, ""));
            (offset.to_owned(), bytes.to_owned())
        })
        .collect()
}

/// `[3] 4711 (worker)` and the value, or that its owner is dead.
fn row_line(row: InspectedRow) -> (String, String) {
    let owner = rows::Row::from(&row).owner();
    let dead = if row.life == RowLife::Dead {
        ", dead"
    } else {
        ""
    };
    let value = one_line(&Node::from(row.value), Extent::Short);
    (format!("[{}] {owner}{dead}", row.id.index()), value)
}

/// Bytes of a segment without names that are shown.
const BYTES: usize = 4096;
