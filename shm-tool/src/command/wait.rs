//! `shm wait`: for scripts, until a field has a value, or changes.

use std::str::FromStr;
use std::time::{Duration, Instant};

use clap::Args;
use shm_core::Place;

use crate::cli::{place, seconds};
use crate::failure::{Exit, Failure, near};
use crate::output::visible;
use crate::rows;
use crate::shape::variants_at;
use crate::source::{Reading, Source, TypeArgs};
use crate::value::{Leaf, Node, Path, changes};

/// Wait until a field has a value, or changes
///
/// A field of a table's row is waited for until a process claims that row.
///
/// Examples:
///   shm wait 0x1234 state==Ready --timeout 30 && start-worker
///   shm wait 0x1234 'limits.cpu[2]>=10'
///   shm wait 0x1234 pid                    until it changes
///   shm wait 0x77 '[3].state==Ready'       in row 3 of a table; '[3]!=free' until a process claims it
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct Wait {
    /// The value: 0x1234, id:5, ftok:PATH:ID, file:PATH or posix:/NAME
    #[arg(value_parser = place)]
    place: Place,

    /// PATH==VALUE, also != < <= > >=, or PATH alone; without one until anything changes
    condition: Option<Condition>,

    /// Give up after so many seconds, with exit code 6
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    timeout: Option<Duration>,

    #[command(flatten)]
    told: TypeArgs,
}

/// What is waited for.
#[derive(Clone, Debug)]
struct Condition {
    path: Path,
    /// `None`: a change.
    wanted: Option<(Is, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Is {
    Equal,
    Unequal,
    Less,
    AtMost,
    More,
    AtLeast,
}

/// The longer ones first: one begins as the other does.
const SIGNS: &[(&str, Is)] = &[
    ("==", Is::Equal),
    ("!=", Is::Unequal),
    ("<=", Is::AtMost),
    (">=", Is::AtLeast),
    ("<", Is::Less),
    (">", Is::More),
];

impl FromStr for Condition {
    type Err = String;

    fn from_str(text: &str) -> Result<Condition, String> {
        let signs = SIGNS
            .iter()
            .filter_map(|(sign, is)| Some((text.find(sign)?, sign, is)));
        let first = signs.min_by_key(|(at, sign, _)| (*at, usize::MAX - sign.len()));
        let Some((at, sign, is)) = first else {
            if text.contains('=') {
                return Err("write PATH==VALUE, with two signs".to_owned());
            }
            return Ok(Condition {
                path: text.parse()?,
                wanted: None,
            });
        };
        let path = text[..at].trim().parse()?;
        let value = text[at + sign.len()..].trim().to_owned();
        Ok(Condition {
            path,
            wanted: Some((*is, value)),
        })
    }
}

/// Between two looks whether the time is over.
const SLICE: Duration = Duration::from_millis(200);

impl Wait {
    pub fn run(self) -> Result<(), Failure> {
        let end = self
            .timeout
            .and_then(|timeout| Instant::now().checked_add(timeout));
        let source = Source::open(&self.place, &self.told)?;
        let whole = Condition {
            path: "".parse().map_err(Failure::usage)?,
            wanted: None,
        };
        let condition = self.condition.as_ref().unwrap_or(&whole);
        let first = source.read()?;
        if first.rows.is_some() {
            condition.check_rows(&source)?;
        }
        condition.check_variant(&source)?;
        let mut last = first.clone();
        loop {
            if condition.holds(&first, &last)? {
                return Ok(());
            }
            let left = end.map_or(SLICE, |end| end.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return Err(Failure::new(
                    Exit::TimeOut,
                    format!(
                        "{}: the time is over; allow more with --timeout",
                        source.found.place()
                    ),
                ));
            }
            if let Some(next) = source.wait(&last, left.min(SLICE))? {
                last = next;
            }
        }
    }
}

impl Condition {
    /// Of a table: whether the path leads somewhere in a row that a process has claimed.
    fn check_rows(&self, source: &Source) -> Result<(), Failure> {
        if self.path.of_row().is_none() && !self.path.steps().is_empty() {
            return Err(Failure::usage(format!(
                "each row of a table has its own `{0}`; name a row, as in [0].{0}",
                self.path
            )));
        }
        source.check_in_rows(&self.path)
    }

    /// A name that no variant has would be waited for without end.
    fn check_variant(&self, source: &Source) -> Result<(), Failure> {
        if self.is_of_free(source.row_count().is_some()) {
            return Ok(());
        }
        let inner = match source.row_count() {
            Some(_) => self.path.of_row().map(|(_, inner)| inner),
            None => Some(self.path.clone()),
        };
        let (Some(path), Some((_, value))) = (inner, &self.wanted) else {
            return Ok(());
        };
        let shape = source.shape()?;
        let names = variants_at(&shape, &path).unwrap_or_default();
        if names.is_empty() || names.contains(&&**value) || value.parse::<i128>().is_ok() {
            return Ok(());
        }
        let shown = &names[..names.len().min(8)];
        let hint = match near(value, names.iter().copied()) {
            Some(near) => format!("did you mean `{}`?", visible(near)),
            None => format!("write one of {}", visible(&shown.join(", "))),
        };
        Err(Failure::usage(format!(
            "`{}` is never {value:?}; {hint}",
            self.path
        )))
    }

    /// Whether a row of a table is waited for, until a process claims it or lets it go.
    fn is_of_free(&self, is_table: bool) -> bool {
        let wants_free = self
            .wanted
            .as_ref()
            .is_some_and(|(_, value)| value == "free");
        is_table && wants_free && self.path.steps().len() == 1
    }

    fn holds(&self, first: &Reading, now: &Reading) -> Result<bool, Failure> {
        let part = self.path.in_rows(&now.node)?;
        let Some((is, value)) = &self.wanted else {
            let owners = match (&first.rows, &now.rows) {
                (Some(first), Some(now)) if self.path.steps().is_empty() => {
                    !rows::changes(first, now).is_empty()
                }
                _ => false,
            };
            return Ok(match (self.path.in_rows(&first.node)?, part) {
                (Some(first), Some(now)) => owners || !changes("", first, now).is_empty(),
                (first, now) => first.is_some() != now.is_some(),
            });
        };
        let is_free = part.is_none_or(Node::is_free);
        if self.is_of_free(now.rows.is_some()) {
            return Ok(is_free == (*is == Is::Equal));
        }
        match part {
            _ if is_free => Ok(false),
            Some(Node::Leaf(leaf)) => compare(leaf, *is, value),
            _ => Err(Failure::usage(format!(
                "`{}` is no single value; name one of its parts",
                self.path
            ))),
        }
    }
}

/// Numbers by their size, all else by its text.
fn compare(leaf: &Leaf, is: Is, value: &str) -> Result<bool, Failure> {
    use std::cmp::Ordering::{Equal, Greater, Less};

    let not = |what: &str| {
        Failure::usage(format!(
            "{value:?} is no {what}; the field holds {}",
            leaf.bare()
        ))
    };
    let number = || value.parse::<f64>().map_err(|_| not("number"));
    let order = match leaf {
        Leaf::Int(n) => match value.parse::<i128>() {
            Ok(value) => Some(n.cmp(&value)),
            Err(_) => (*n as f64).partial_cmp(&number()?),
        },
        Leaf::UInt(n) => match value.parse::<u128>() {
            Ok(value) => Some(n.cmp(&value)),
            Err(_) => (*n as f64).partial_cmp(&number()?),
        },
        Leaf::F32(n) => n.partial_cmp(&value.parse::<f32>().map_err(|_| not("number"))?),
        Leaf::F64(n) => n.partial_cmp(&number()?),
        Leaf::Bool(b) => Some(b.cmp(&value.parse::<bool>().map_err(|_| not("bool"))?)),
        text => Some(text.bare().as_str().cmp(value)),
    };
    Ok(match is {
        Is::Equal => order == Some(Equal),
        Is::Unequal => order != Some(Equal),
        Is::Less => order == Some(Less),
        Is::AtMost => matches!(order, Some(Less | Equal)),
        Is::More => order == Some(Greater),
        Is::AtLeast => matches!(order, Some(Greater | Equal)),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_read_and_judged() {
        let judged = |leaf: Leaf, text: &str| {
            let condition: Condition = text.parse().unwrap();
            let reading = Reading {
                node: Node::Leaf(leaf),
                version: None,
                rows: None,
            };
            condition.holds(&reading, &reading).map_err(|f| f.exit)
        };
        assert_eq!(judged(Leaf::Int(-5), "==-5"), Ok(true));
        assert_eq!(judged(Leaf::Int(-5), "< 0"), Ok(true));
        assert_eq!(
            judged(Leaf::UInt(u128::MAX), &format!(">={}", u128::MAX)),
            Ok(true)
        );
        assert_eq!(judged(Leaf::UInt(3), ">2.5"), Ok(true));
        assert_eq!(judged(Leaf::F64(f64::NAN), "!=1"), Ok(true));
        assert_eq!(judged(Leaf::F32(0.1), "==0.1"), Ok(true));
        assert_eq!(judged(Leaf::Bool(true), "==true"), Ok(true));
        assert_eq!(judged(Leaf::Text("a=b".into()), "==a=b"), Ok(true));
        assert_eq!(judged(Leaf::Variant("Calm".into()), "!=Wild"), Ok(true));
        assert_eq!(judged(Leaf::Int(1), "==x"), Err(Exit::Usage));
        assert!("a=b".parse::<Condition>().is_err());
    }
}
