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
use crate::failure::{Exit, Failure};
use crate::output::{
    CHANGED, FAINT, HEADING, is_closed, print, print_json_line, styled, two_columns, visible,
};
use crate::source::{Reading, Source, TypeArgs};
use crate::value::{Change, Extent, Node, Path, changes, lines, one_line};

/// Show each change of a value, until Ctrl-C
///
/// First the value, then only what changed, with the time and the version. A reader sees the newest value: it says how
/// many versions it skipped.
///
/// Examples:
///   shm watch 0x1234
///   shm watch --json 0x1234 limits.cpu | jq .changes
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct Watch {
    /// The value: 0x1234, id:5, ftok:PATH:ID, file:PATH or posix:/NAME
    #[arg(value_parser = place)]
    place: Place,

    /// Only changes of these parts
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
    value: &'a Node,
}

#[derive(Serialize)]
struct Next<'a> {
    time: Timestamp,
    version: Option<u64>,
    /// Versions between this one and the last one that was seen.
    skipped: u64,
    changes: Vec<ChangeJson<'a>>,
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
        for path in &self.paths {
            path.of(&last.node)?;
        }
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

    fn print_first(&self, source: &Source, reading: &Reading) -> Result<(), Failure> {
        if self.json {
            let (time, version) = (Timestamp::now(), reading.version);
            return print_json_line(&First {
                time,
                version,
                value: &reading.node,
            });
        }
        let mut text = styled(HEADING, &title(source, reading)?) + "\n";
        let mut shown = Vec::new();
        if self.paths.is_empty() {
            shown = lines("", &reading.node, Extent::Short);
        }
        for path in &self.paths {
            let name = visible(&path.to_string()).into_owned();
            shown.extend(lines(&name, path.of(&reading.node)?, Extent::Short));
        }
        text += &two_columns(&shown);
        print(&text)
    }

    /// Whether there was anything to print.
    fn print_next(&self, last: &Reading, next: &Reading) -> Result<bool, Failure> {
        let mut changed = Vec::new();
        if self.paths.is_empty() {
            changed = changes("", &last.node, &next.node);
        }
        for path in &self.paths {
            let name = visible(&path.to_string()).into_owned();
            changed.extend(changes(&name, path.of(&last.node)?, path.of(&next.node)?));
        }
        // A commit of the same value is one of those that a watcher of all may want to see.
        if changed.is_empty() && (!self.paths.is_empty() || next.version.is_none()) {
            return Ok(false);
        }
        let skipped = match (last.version, next.version) {
            (Some(last), Some(next)) => next.saturating_sub(last).saturating_sub(1),
            _ => 0,
        };
        if self.json {
            print_json_line(&Next {
                time: Timestamp::now(),
                version: next.version,
                skipped,
                changes: changed.iter().map(ChangeJson::of).collect(),
            })?;
        } else {
            print(&text_of(next.version, skipped, &changed))?;
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

fn text_of(version: Option<u64>, skipped: u64, changed: &[Change<'_>]) -> String {
    let time = Timestamp::now().to_zoned_datetime(jiff::tz::TimeZone::system());
    let mut head = time.strftime("%H:%M:%S%.3f").to_string();
    if let Some(version) = version {
        let _ = write!(head, "  version {version}");
    }
    if skipped > 0 {
        let _ = write!(head, "  ({skipped} skipped)");
    }
    if changed.is_empty() {
        head += "  (the same value)";
    }
    let part =
        |node: Option<&Node>| node.map_or("nothing".into(), |node| one_line(node, Extent::Short));
    let shown: Vec<(String, String)> = changed
        .iter()
        .map(|change| {
            let to = styled(CHANGED, &part(change.to));
            (change.path.clone(), format!("{} → {to}", part(change.from)))
        })
        .collect();
    styled(FAINT, &head) + "\n" + &two_columns(&shown)
}
