//! Two layouts side by side, for the message of a program that finds another one than its own.

use std::fmt;

use super::Schema;
use super::compare::rows_and_notes;

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

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub path: String,
    pub stored: Option<Cell>,
    pub mine: Option<Cell>,
    /// What differs, in words; `None` where nothing does.
    pub mark: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cell {
    pub type_name: String,
    pub offset: u64,
}

impl Mismatch {
    /// The longest table, in rows.
    const MAX_ROWS: usize = 40;

    /// The difference between the layout `stored` in a segment and `mine`, this program's.
    pub fn new(stored: &Schema, mine: &Schema) -> Mismatch {
        let (mut rows, mut notes) = rows_and_notes(stored, mine);
        keep_the_telling(&mut rows, &mut notes);
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

impl Cell {
    fn offset_text(&self) -> String {
        format!("@{}", self.offset)
    }

    fn texts(cell: &Option<Cell>) -> (&str, String) {
        match cell {
            Some(cell) => (&cell.type_name, cell.offset_text()),
            None => ("-", String::new()),
        }
    }
}

/// Shortens a long table: differing rows stay before agreeing ones, and notes count what is left
/// out.
fn keep_the_telling(rows: &mut Vec<Row>, notes: &mut Vec<String>) {
    let differing = rows.iter().filter(|row| row.mark.is_some()).count();
    let agreeing = rows.len() - differing;
    let shown_differing = differing.min(Mismatch::MAX_ROWS);
    let shown_agreeing = agreeing.min(Mismatch::MAX_ROWS - shown_differing);
    let (mut room_for_differing, mut room_for_agreeing) = (shown_differing, shown_agreeing);
    rows.retain(|row| {
        let room = if row.mark.is_some() {
            &mut room_for_differing
        } else {
            &mut room_for_agreeing
        };
        let fits = *room > 0;
        *room -= usize::from(fits);
        fits
    });
    if differing > shown_differing {
        notes.push(format!(
            "... and {} more that differ",
            differing - shown_differing
        ));
    }
    if agreeing > shown_agreeing {
        notes.push(format!(
            "... and {} more that agree",
            agreeing - shown_agreeing
        ));
    }
}
