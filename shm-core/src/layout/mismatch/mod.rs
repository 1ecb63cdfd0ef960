//! Two layouts side by side, for the message of a program that finds another one than its own.

use std::fmt;

use super::Schema;

mod compare;
mod rows;
mod type_difference;

use compare::rows_and_notes;
use rows::{Cell, Row};

/// The difference between the layout in a segment and this program's, as a table.
///
/// `Display` gives a line for each field with its type and offset on either side, and says in words
/// what differs. Nested structs that differ are taken apart into `outer.inner`; of arrays of such
/// structs the first element stands for all. At most 40 fields are listed, the differing ones first
/// of all. The text has no newline at its end.
///
/// ```text
///   field   in the segment        in this program
///   pid     i32           @0      i32           @0
///   names   FixedStr<51>  @4      FixedStr<64>  @4   <- size differs
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    rows: Vec<Row>,
    notes: Vec<String>,
}

impl Mismatch {
    /// The difference between the layout `stored` in a segment and `mine`, this program's.
    pub fn new(stored: &Schema, mine: &Schema) -> Mismatch {
        let (rows, mut notes) = rows_and_notes(stored, mine);
        let rows = rows.shown(&mut notes);
        Mismatch { rows, notes }
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const HEAD: [&str; 3] = ["field", "in the segment", "in this program"];
        /// Room for the offsets of most structs, so that the columns stand where one expects them.
        const USUAL_OFFSET: usize = "@0000".len();

        let chars = |text: &str| text.chars().count();
        let widest = |column: fn(&Row) -> &Option<Cell>| {
            let cells = || self.rows.iter().filter_map(|row| column(row).as_ref());
            let type_name = cells()
                .map(|cell| chars(&cell.type_name))
                .max()
                .unwrap_or(0);
            let offset = cells()
                .map(|cell| chars(&cell.offset_text()))
                .max()
                .unwrap_or(0);
            (type_name, offset)
        };
        let path_width = self
            .rows
            .iter()
            .map(|row| chars(&row.path))
            .chain([chars(HEAD[0])])
            .max()
            .unwrap_or(0);
        let (mut stored_width, stored_offset) = widest(|row| &row.stored);
        let stored_offset = stored_offset.max(USUAL_OFFSET);
        stored_width = stored_width.max(chars(HEAD[1]) - USUAL_OFFSET - 2);
        let (mine_width, mine_offset) = widest(|row| &row.mine);

        let head_width = stored_width + 2 + stored_offset;
        write!(
            f,
            "  {:path_width$}   {:head_width$}   {}",
            HEAD[0], HEAD[1], HEAD[2]
        )?;
        for row in &self.rows {
            let (stored, stored_at) = Cell::texts(&row.stored);
            let (mine, mine_at) = Cell::texts(&row.mine);
            let line = format!(
                "  {:path_width$}   {stored:stored_width$}  {stored_at:stored_offset$}   {mine:mine_width$}  {mine_at:mine_offset$}",
                row.path
            );
            match &row.mark {
                Some(mark) => write!(f, "\n{line}   <- {mark}")?,
                None => write!(f, "\n{}", line.trim_end())?,
            }
        }
        for note in &self.notes {
            write!(f, "\n  {note}")?;
        }
        Ok(())
    }
}
