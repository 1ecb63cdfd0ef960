//! The rows of a table, as `shm show` prints them: each with its owner, and whether that lives.

use comfy_table::CellAlignment::{Left, Right};

use crate::failure::Failure;
use crate::output::visible;
use crate::rows::{Row, with_values};
use crate::table::table;
use crate::value::{Extent, Node, Path, lines, one_line};

/// Parts of a row that have a column each; a row of more has one column for all.
const PARTS: usize = 8;

/// A line for each row, with the parts that were named, or with all.
pub fn text(rows: &[Row], whole: &Node, paths: &[Path], extent: Extent) -> Result<String, Failure> {
    let mut shown = Vec::new();
    for (_, value) in with_values(rows, whole) {
        shown.push(parts(value, paths, extent)?);
    }
    let alike = shown.iter().all(|parts| {
        let names = |parts: &[(String, String)]| -> Vec<String> {
            parts.iter().map(|(name, _)| name.clone()).collect()
        };
        names(parts) == names(&shown[0]) && parts.len() <= PARTS
    });
    let mut headings = vec!["ROW", "OWNER", "LIFE", "VERSION"];
    let mut alignments = vec![Right, Left, Left, Right];
    match shown.first().filter(|_| alike) {
        Some(first) => headings.extend(first.iter().map(|(name, _)| &**name)),
        None => headings.push("VALUE"),
    }
    alignments.resize(headings.len(), Left);
    let cells = with_values(rows, whole).zip(&shown);
    let cells = cells.map(|((row, value), parts)| {
        let mut cells = vec![
            row.row.to_string(),
            row.owner(),
            row.life.word().to_owned(),
            row.version.to_string(),
        ];
        if alike {
            cells.extend(parts.iter().map(|(_, text)| text.clone()));
        } else {
            cells.push(one_line(value, extent));
        }
        cells
    });
    Ok(table(headings, alignments, cells, true))
}

/// Names and texts.
fn parts(value: &Node, paths: &[Path], extent: Extent) -> Result<Vec<(String, String)>, Failure> {
    let mut parts = Vec::new();
    if paths.is_empty() {
        parts = lines("", value, extent);
    }
    for path in paths {
        let name = visible(&path.to_string()).into_owned();
        parts.push((name, one_line(path.of(value)?, extent)));
    }
    if let [(name, _)] = &mut parts[..]
        && name.is_empty()
    {
        *name = "VALUE".to_owned();
    }
    Ok(parts)
}
