//! `shm watch`: each change as it comes.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use clap::Args;
use jiff::Timestamp;
use serde::Serialize;
use shm_core::Place;

use crate::cli::place;
use crate::command::show::title;
use crate::command::show_rows;
use crate::failure::{Exit, Failure};
use crate::output::{
    CHANGED, FAINT, HEADING, is_closed, print, print_json_line, styled, two_columns, visible,
};
use crate::rows::{self, Row, RowJson, with_values};
use crate::source::{Reading, Source, TypeArgs};
use crate::value::{Change, Extent, Node, Path, changes, lines_at, one_line};

/// Show each change of a value, until Ctrl-C
///
/// First the value, then only what changed, with the time and the version. A
/// reader sees the newest value: it says how many versions it skipped. Of a
/// table: the rows, and then who claims one, dies or lets one go, and what
/// changes in them.
///
/// Examples:
///   shm watch 0x1234
///   shm watch --json 0x1234 limits.cpu | jq .changes
///   shm watch 0x77 '[3]' state             row 3 of a table, and the field of each row
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct Watch {
    /// The value: 0x1234, id:5, ftok:PATH:ID, file:PATH or posix:/NAME
    #[arg(value_parser = place)]
    place: Place,

    /// Only changes of these parts: names, limits.cpu[2]; of a table a field of each row, or of one: [3].state
    #[arg(value_name = "PATH")]
    paths: Vec<Path>,

    /// A line of JSON for each change
    #[arg(long)]
    json: bool,

    /// End after so many changes
    #[arg(short = 'n', long, value_name = "CHANGES")]
    count: Option<u64>,

    #[command(flatten)]
    told: TypeArgs,
}

/// Between two looks whether the reader of the output is still there.
const SLICE: Duration = Duration::from_millis(200);

#[derive(Serialize)]
struct First<'a> {
    time: Timestamp,
    version: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<&'a Node>,
    /// Of a table.
    #[serde(skip_serializing_if = "Option::is_none")]
    rows: Option<Vec<RowJson<'a>>>,
}

#[derive(Serialize)]
struct Next<'a> {
    time: Timestamp,
    version: Option<u64>,
    /// Versions between this one and the last one that was seen.
    skipped: u64,
    changes: Vec<ChangeJson<'a>>,
    /// Of a table: who came and went.
    #[serde(skip_serializing_if = "Option::is_none")]
    owners: Option<Vec<rows::Change>>,
}

#[derive(Serialize)]
struct ChangeJson<'a> {
    path: &'a str,
    from: Option<&'a Node>,
    to: Option<&'a Node>,
}

impl Watch {
    pub fn run(self) -> Result<(), Failure> {
        static STOPPED: AtomicBool = AtomicBool::new(false);
        ctrlc::set_handler(|| STOPPED.store(true, Relaxed))
            .map_err(|error| Failure::new(Exit::Other, error))?;
        let source = Source::open(&self.place, &self.told)?;
        let mut last = source.read()?;
        self.check_paths(&source, &last)?;
        self.print_first(&source, &last)?;
        let mut left = self.count.unwrap_or(u64::MAX);
        while left > 0 && !STOPPED.load(Relaxed) && !is_closed() {
            let Some(next) = source.wait(&last, SLICE)? else {
                continue;
            };
            if self.print_next(&last, &next)? {
                left -= 1;
            }
            last = next;
        }
        Ok(())
    }

    /// Whether each path leads somewhere.
    fn check_paths(&self, source: &Source, first: &Reading) -> Result<(), Failure> {
        self.paths.iter().try_for_each(|path| match first.rows {
            Some(_) => source.check_in_rows(path),
            None => path.of(&first.node).map(drop),
        })
    }

    /// The rows of which something is to be seen.
    fn named(&self, rows: &[Row]) -> Vec<Row> {
        let is_named = |row: &&Row| {
            let in_it = |path: &Path| path.of_row().is_none_or(|(of, _)| of == row.row as usize);
            self.paths.is_empty() || self.paths.iter().any(in_it)
        };
        rows.iter().filter(is_named).cloned().collect()
    }

    fn print_first(&self, source: &Source, reading: &Reading) -> Result<(), Failure> {
        if self.json {
            let named = reading.rows.as_ref().map(|rows| self.named(rows));
            let rows = named.as_ref().map(|rows| {
                let rows = with_values(rows, &reading.node);
                rows.map(|(row, value)| RowJson { row, value }).collect()
            });
            return print_json_line(&First {
                time: Timestamp::now(),
                version: reading.version,
                value: rows.is_none().then_some(&reading.node),
                rows,
            });
        }
        let mut text = styled(HEADING, &title(source, reading)?) + "\n";
        if let Some(rows) = &reading.rows {
            let in_each = self.paths.iter().all(|path| path.of_row().is_none());
            let paths = if in_each { &self.paths[..] } else { &[] };
            text += &show_rows::text(&self.named(rows), &reading.node, paths, Extent::Short)?;
            return print(&text);
        }
        text += &two_columns(&lines_at(&self.paths, &reading.node, Extent::Short)?);
        print(&text)
    }

    /// What changed of the parts that were named, or of the whole.
    fn changed<'a>(
        &self,
        last: &'a Reading,
        next: &'a Reading,
    ) -> Result<Vec<Change<'a>>, Failure> {
        if self.paths.is_empty() {
            return Ok(changes("", &last.node, &next.node));
        }
        let mut changed = Vec::new();
        for path in &self.paths {
            let each = match &next.rows {
                Some(_) => path.in_each_row(&next.node),
                None => vec![path.clone()],
            };
            for path in each {
                let name = visible(&path.to_string()).into_owned();
                match (path.in_rows(&last.node)?, path.in_rows(&next.node)?) {
                    (Some(from), Some(to)) => changed.extend(changes(&name, from, to)),
                    (None, None) => (),
                    (from, to) => changed.push(Change {
                        path: name,
                        from,
                        to,
                    }),
                }
            }
        }
        Ok(changed)
    }

    /// Whether there was anything to print.
    fn print_next(&self, last: &Reading, next: &Reading) -> Result<bool, Failure> {
        let changed = self.changed(last, next)?;
        let (owners, skipped) = match (&last.rows, &next.rows) {
            (Some(last), Some(next)) => {
                let (last, next) = (self.named(last), self.named(next));
                (
                    Some(rows::changes(&last, &next)),
                    rows::skipped(&last, &next),
                )
            }
            _ => match (last.version, next.version) {
                (Some(last), Some(next)) => (None, next.saturating_sub(last).saturating_sub(1)),
                _ => (None, 0),
            },
        };
        // A commit of the same value is one of those that a watcher of all may want to see.
        let tells_commits = next.version.is_some() || next.rows.is_some();
        let no_one_came = owners.as_ref().is_none_or(Vec::is_empty);
        if changed.is_empty() && no_one_came && (!self.paths.is_empty() || !tells_commits) {
            return Ok(false);
        }
        if self.json {
            print_json_line(&Next {
                time: Timestamp::now(),
                version: next.version,
                skipped,
                changes: changed.iter().map(ChangeJson::of).collect(),
                owners,
            })?;
        } else {
            let owners = owners.unwrap_or_default();
            print(&text_of(next.version, skipped, &owners, &changed))?;
        }
        Ok(true)
    }
}

impl<'a> ChangeJson<'a> {
    fn of(change: &'a Change<'a>) -> ChangeJson<'a> {
        ChangeJson {
            path: &change.path,
            from: change.from,
            to: change.to,
        }
    }
}

fn text_of(
    version: Option<u64>,
    skipped: u64,
    owners: &[rows::Change],
    changed: &[Change<'_>],
) -> String {
    let time = Timestamp::now().to_zoned_datetime(jiff::tz::TimeZone::system());
    let mut head = time.strftime("%H:%M:%S%.3f").to_string();
    if let Some(version) = version {
        let _ = write!(head, "  version {version}");
    }
    if skipped > 0 {
        let _ = write!(head, "  ({skipped} skipped)");
    }
    if changed.is_empty() && owners.is_empty() {
        head += "  (the same value)";
    }
    let part =
        |node: Option<&Node>| node.map_or("nothing".into(), |node| one_line(node, Extent::Short));
    let owners = owners
        .iter()
        .map(|change| (format!("[{}]", change.row), change.text()));
    let changed = changed.iter().map(|change| {
        let to = styled(CHANGED, &part(change.to));
        (change.path.clone(), format!("{} → {to}", part(change.from)))
    });
    let shown: Vec<(String, String)> = owners.chain(changed).collect();
    styled(FAINT, &head) + "\n" + &two_columns(&shown)
}
