//! Two layouts side by side, for the message of a program that finds another one than its own.

use std::fmt;

use super::Schema;

mod compare;
mod rows;
mod type_difference;

use compare::rows_and_notes;
use rows::Row;

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
        const STORED: &str = "in the segment";
        /// Room for the offsets of most structs, so that the columns stand where one expects them.
        const USUAL_OFFSET: usize = "@0000".len();

        let mut widths = [
            "field".len(),
            STORED.len() - "  ".len() - USUAL_OFFSET,
            USUAL_OFFSET,
            0,
            0,
        ];
        let lines: Vec<[String; 5]> = self.rows.iter().map(Row::columns).collect();
        for line in &lines {
            for (width, column) in widths.iter_mut().zip(line) {
                *width = column.chars().count().max(*width);
            }
        }
        let [path, stored, stored_at, mine, mine_at] = widths;
        let head = stored + "  ".len() + stored_at;
        write!(f, "  {:path$}   {STORED:head$}   in this program", "field")?;
        for (row, [a, b, c, d, e]) in self.rows.iter().zip(&lines) {
            let line =
                format!("  {a:path$}   {b:stored$}  {c:stored_at$}   {d:mine$}  {e:mine_at$}");
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
