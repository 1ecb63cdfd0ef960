//! Tables for people and for `awk`: no lines, and no blanks at the ends of rows.

use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};

use crate::output::{HEADING, styled};

/// A table, with or without its line of headings.
pub fn table(
    headings: Vec<impl Into<Cell>>,
    alignments: Vec<CellAlignment>,
    rows: impl Iterator<Item = Vec<String>>,
    with_headings: bool,
) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled);
    table.add_row(headings);
    for row in rows {
        table.add_row(row);
    }
    let last = alignments.len() - 1;
    for (i, alignment) in alignments.into_iter().enumerate() {
        if let Some(column) = table.column_mut(i) {
            column.set_cell_alignment(alignment);
            column.set_padding((0, if i == last { 0 } else { 2 }));
        }
    }
    let mut text = String::new();
    for (i, line) in table.lines().enumerate() {
        let line = line.trim_end();
        match i {
            0 if with_headings => text += &styled(HEADING, line),
            0 => continue,
            _ => text += line,
        }
        text.push('\n');
    }
    text
}
