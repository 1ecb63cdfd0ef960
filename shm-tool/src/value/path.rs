//! `limits.cpu[2]`: the way to a part of a value, written as in Rust and C.

use std::fmt;
use std::str::FromStr;

use super::{Extent, Leaf, Node, lines};
use crate::failure::{Exit, Failure, near};
use crate::output::visible;

/// The way to a part. An empty one leads to the whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    steps: Vec<Step>,
    text: String,
}

/// One step of the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    Field(String),
    Index(usize),
}

impl FromStr for Path {
    type Err = String;

    fn from_str(text: &str) -> Result<Path, String> {
        let mut steps = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            if let Some(index) = rest.strip_prefix('[') {
                let index = index.split_once(']').and_then(|(index, behind)| {
                    // `parse` also reads a plus.
                    let digits = index.bytes().all(|byte| byte.is_ascii_digit());
                    Some((index.parse().ok().filter(|_| digits)?, behind))
                });
                let (index, behind) = index.ok_or_else(|| NO_PATH.to_owned())?;
                steps.push(Step::Index(index));
                rest = behind;
                continue;
            }
            let field = match rest.strip_prefix('.') {
                Some(field) => field,
                None if steps.is_empty() => rest,
                None => return Err(NO_PATH.to_owned()),
            };
            let end = field.find(['.', '[']).unwrap_or(field.len());
            if end == 0 {
                return Err(NO_PATH.to_owned());
            }
            steps.push(Step::Field(field[..end].to_owned()));
            rest = &field[end..];
        }
        let text = text.to_owned();
        Ok(Path { steps, text })
    }
}

const NO_PATH: &str = "write the way to a field as in names, limits.cpu[2] or [0].x";

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Path {
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Of a path as in `[3].state`: the row of a table, and the path in that.
    pub fn of_row(&self) -> Option<(usize, Path)> {
        let (Step::Index(row), rest) = self.steps.split_first()? else {
            return None;
        };
        let behind = self.text.split_once(']').map_or("", |(_, behind)| behind);
        let path = Path {
            steps: rest.to_vec(),
            text: behind.to_owned(),
        };
        Some((*row, path))
    }

    /// The same path in each row of a table, unless it names one.
    pub fn in_each_row(&self, table: &Node) -> Vec<Path> {
        let (Node::List(rows), None | Some(Step::Field(_))) = (table, self.steps.first()) else {
            return vec![self.clone()];
        };
        let dot = if self.text.starts_with('.') { "" } else { "." };
        let of_row = |row| Path {
            steps: [vec![Step::Index(row)], self.steps.clone()].concat(),
            text: format!("[{row}]{dot}{}", self.text),
        };
        (0..rows.len()).map(of_row).collect()
    }

    /// The part that it leads to; `None` where that lies in a row that is free.
    pub fn in_rows<'a>(&self, table: &'a Node) -> Result<Option<&'a Node>, Failure> {
        let row = match (table, self.steps.first()) {
            (Node::List(rows), Some(Step::Index(row))) => rows.get(*row),
            _ => None,
        };
        if row.is_some_and(Node::is_free) && self.steps.len() > 1 {
            return Ok(None);
        }
        self.of(table).map(Some)
    }

    /// The part that it leads to.
    pub fn of<'a>(&self, whole: &'a Node) -> Result<&'a Node, Failure> {
        let mut part = whole;
        let mut walked = String::new();
        for step in &self.steps {
            part = match (step, part) {
                (Step::Field(name), Node::Struct(fields)) => {
                    let found = fields.iter().find(|(field, _)| **field == **name);
                    let names = || fields.iter().map(|(name, _)| &**name);
                    found
                        .map(|(_, part)| part)
                        .ok_or_else(|| unknown(&walked, name, names()))?
                }
                (Step::Index(index), Node::List(items)) => items
                    .get(*index)
                    .ok_or_else(|| beyond(&walked, *index, items.len()))?,
                (Step::Field(name), _) => return Err(partless(&walked, &format!(".{name}"), part)),
                (Step::Index(index), _) => {
                    return Err(partless(&walked, &format!("[{index}]"), part));
                }
            };
            match step {
                Step::Field(name) if walked.is_empty() => walked.push_str(name),
                Step::Field(name) => walked.extend([".", name]),
                Step::Index(index) => walked += &format!("[{index}]"),
            }
        }
        Ok(part)
    }
}

/// Path and text of each part that was named; of the whole, if none was.
pub fn lines_at(
    paths: &[Path],
    whole: &Node,
    extent: Extent,
) -> Result<Vec<(String, String)>, Failure> {
    if paths.is_empty() {
        return Ok(lines("", whole, extent));
    }
    let each = paths.iter().map(|path| {
        let part = path.of(whole)?;
        Ok(lines(&visible(&path.to_string()), part, extent))
    });
    Ok(each.collect::<Result<Vec<_>, Failure>>()?.concat())
}

fn whole_or(walked: &str) -> String {
    if walked.is_empty() {
        "the value".to_owned()
    } else {
        format!("`{}`", visible(walked))
    }
}

fn unknown<'a>(walked: &str, name: &str, names: impl Iterator<Item = &'a str> + Clone) -> Failure {
    let hint = match near(name, names.clone()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => {
            let few: Vec<&str> = names.clone().take(8).collect();
            let more = if names.count() > few.len() {
                ", …"
            } else {
                ""
            };
            format!("it has {}{more}", few.join(", "))
        }
    };
    Failure::not_found(format!(
        "{} has no field `{name}`; {hint}",
        whole_or(walked)
    ))
}

pub fn beyond(walked: &str, index: usize, len: usize) -> Failure {
    Failure::not_found(format!(
        "{} has no element {index}; it has {len}, numbered from 0",
        whole_or(walked)
    ))
}

fn partless(walked: &str, step: &str, part: &Node) -> Failure {
    let what = match part {
        Node::Struct(_) => "a struct: name one of its fields",
        Node::List(_) => "a list: name an element, as in [0]",
        Node::Leaf(Leaf::Free) => "a free row, until a process claims it",
        Node::Leaf(_) => "no struct and no list",
    };
    let whole = whole_or(walked);
    Failure::new(
        Exit::NotFound,
        format!("{whole} has no `{step}`; it is {what}"),
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn tree() -> Node {
        let number = |n| Node::Leaf(Leaf::Int(n));
        let inner = Node::Struct(vec![("cpu".into(), Node::List(vec![number(1), number(2)]))]);
        Node::Struct(vec![("limits".into(), inner), ("pid".into(), number(7))])
    }

    fn led(path: &str) -> Result<Node, String> {
        let path: Path = path.parse()?;
        let found = path.of(&tree()).cloned();
        found.map_err(|failure| format!("{failure:?}"))
    }

    #[test]
    fn a_path_leads_to_a_part() {
        assert_eq!(led("limits.cpu[1]"), Ok(Node::Leaf(Leaf::Int(2))));
        assert_eq!(led(".limits.cpu[1]"), Ok(Node::Leaf(Leaf::Int(2))));
        assert_eq!(led(""), Ok(tree()));
    }

    #[test]
    fn a_path_that_leads_nowhere_is_told_the_nearest_name() {
        assert!(
            led("limit.cpu")
                .unwrap_err()
                .contains("did you mean `limits`?")
        );
        assert!(led("xyz").unwrap_err().contains("it has limits, pid"));
        assert!(led("limits.cpu[2]").unwrap_err().contains("it has 2"));
        assert!(led("pid.x").unwrap_err().contains("no struct and no list"));
        assert!(led("limits[0]").unwrap_err().contains("a struct"));
        for none in ["a..b", "[", "[+1]", "[1]b", "a.", "[99999999999999999999]"] {
            assert_eq!(led(none), Err(NO_PATH.to_owned()), "{none}");
        }
    }
}
