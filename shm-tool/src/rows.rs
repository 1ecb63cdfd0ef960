//! The rows of a table: whose they are, and how those come and go.

use serde::Serialize;
use shm_core::{InspectedRow, RowLife};

use crate::kernel::processes::with_name;
use crate::value::{Leaf, Node};

/// A row that shows a value, but for the value.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    pub row: u32,
    /// Which claim of the table it is.
    pub claim: u64,
    pub owner: Option<u32>,
    pub life: Life,
    pub version: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Life {
    Live,
    Dead,
    Unknown,
}

/// A row with its value.
#[derive(Serialize)]
pub struct RowJson<'a> {
    #[serde(flatten)]
    pub row: &'a Row,
    pub value: &'a Node,
}

/// What became of a row's owner.
#[derive(Serialize)]
pub struct Change {
    pub row: u32,
    /// `claimed`, `died` or `freed`.
    pub what: &'static str,
    pub owner: Option<u32>,
    pub claim: u64,
}

impl Life {
    pub fn word(self) -> &'static str {
        match self {
            Life::Live => "live",
            Life::Dead => "dead",
            Life::Unknown => "unknown",
        }
    }
}

impl From<&InspectedRow> for Row {
    fn from(row: &InspectedRow) -> Row {
        Row {
            row: row.id.index(),
            claim: row.id.number(),
            owner: row.owner,
            life: match row.life {
                RowLife::Live => Life::Live,
                RowLife::Dead => Life::Dead,
                _ => Life::Unknown,
            },
            version: row.version,
        }
    }
}

impl Row {
    /// `4711 (worker)`; the number of one that is dead may be another process's by now.
    pub fn owner(&self) -> String {
        match (self.owner, self.life) {
            (None, _) => "?".to_owned(),
            (Some(pid), Life::Dead) => pid.to_string(),
            (Some(pid), _) => with_name(pid),
        }
    }
}

/// The table as one value: its rows by their numbers, free ones too.
pub fn whole(count: usize, shown: impl IntoIterator<Item = (u32, Node)>) -> Node {
    let mut rows = vec![Node::Leaf(Leaf::Free); count];
    for (row, value) in shown {
        if let Some(place) = rows.get_mut(row as usize) {
            *place = value;
        }
    }
    Node::List(rows)
}

/// Rows with their values.
pub fn with_values<'a>(
    rows: &'a [Row],
    whole: &'a Node,
) -> impl Iterator<Item = (&'a Row, &'a Node)> {
    let values = match whole {
        Node::List(values) => &values[..],
        _ => &[],
    };
    let found = |row: &'a Row| Some((row, values.get(row.row as usize)?));
    rows.iter().filter_map(found)
}

/// The row in another look, if it still has the same owner.
fn same<'a>(row: &Row, others: &'a [Row]) -> Option<&'a Row> {
    let found = others.binary_search_by_key(&row.row, |other| other.row);
    Some(&others[found.ok()?]).filter(|other| other.claim == row.claim)
}

/// Who came and went from one look to the next. Both are in the order of the rows.
pub fn changes(last: &[Row], next: &[Row]) -> Vec<Change> {
    let change = |row: &Row, what| Change {
        row: row.row,
        what,
        owner: row.owner,
        claim: row.claim,
    };
    let gone = last.iter().filter(|row| same(row, next).is_none());
    let mut found: Vec<Change> = gone.map(|row| change(row, "freed")).collect();
    for row in next {
        let before = same(row, last);
        if before.is_none() {
            found.push(change(row, "claimed"));
        }
        if row.life == Life::Dead && before.is_none_or(|before| before.life != Life::Dead) {
            found.push(change(row, "died"));
        }
    }
    found.sort_by_key(|change| change.row);
    found
}

/// How many commits of rows that stayed were not seen.
pub fn skipped(last: &[Row], next: &[Row]) -> u64 {
    let of_row = |row: &Row| {
        let before = same(row, last)?;
        Some(row.version.saturating_sub(before.version).saturating_sub(1))
    };
    next.iter().filter_map(of_row).sum()
}

impl Change {
    /// `claimed by 4711 (worker)`.
    pub fn text(&self) -> String {
        let owner = self
            .owner
            .map_or("a process".to_owned(), |pid| pid.to_string());
        match self.what {
            "claimed" => format!("claimed by {}", self.owner.map_or(owner, with_name)),
            "died" => format!("{owner} has died"),
            _ => format!("free, and was of {owner}"),
        }
    }
}
