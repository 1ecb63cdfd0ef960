//! How it looks: a line of sums, the table, the value of the selected one, the keys.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Cell, Paragraph, Row as TableRow, Table, TableState};

use super::observed::{Observed, Order, Row};
use crate::output::human_size;

/// Styles, with or without colour.
pub struct Look {
    heading: Style,
    faint: Style,
    selected: Style,
    lit: Style,
}

impl Look {
    pub fn of(colour: bool) -> Look {
        let plain = Style::new();
        let (faint, lit) = if colour {
            (plain.fg(Color::DarkGray), plain.fg(Color::Yellow))
        } else {
            (plain.add_modifier(Modifier::DIM), plain)
        };
        Look {
            heading: plain.add_modifier(Modifier::BOLD),
            faint,
            selected: plain.add_modifier(Modifier::REVERSED),
            lit: lit.add_modifier(Modifier::BOLD),
        }
    }
}

pub struct Screen {
    look: Look,
}

/// Rows below which there is no room for more than the table.
const SMALL: u16 = 9;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Column {
    Place,
    Type,
    Version,
    Rate,
    Bytes,
    Nattch,
    Processes,
    State,
}

impl Screen {
    pub fn new(look: Look) -> Screen {
        Screen { look }
    }

    pub fn draw(&self, frame: &mut Frame<'_>, observed: &mut Observed, paused: bool) {
        let area = frame.area();
        let rows = u16::try_from(observed.rows().len()).unwrap_or(u16::MAX);
        let has_pane = area.height >= SMALL;
        // The table as long as it is, but for half of the screen.
        let table = if has_pane {
            rows.saturating_add(1).clamp(2, (area.height / 2).max(2))
        } else {
            area.height.saturating_sub(1)
        };
        let parts = Layout::vertical([
            Constraint::Length(1),
            Constraint::Length(table),
            Constraint::Min(0),
            Constraint::Length(u16::from(has_pane)),
        ]);
        let [head, table, pane, foot] = parts.areas(area);
        self.draw_head(frame, head, observed, paused);
        self.draw_table(frame, table, observed);
        if has_pane {
            self.draw_pane(frame, pane, observed);
            let keys = "↑↓ select  PgUp PgDn scroll  s sort  blank pause  q end";
            frame.render_widget(Paragraph::new(keys).style(self.look.faint), foot);
        }
    }

    fn draw_head(&self, frame: &mut Frame<'_>, area: Rect, observed: &Observed, paused: bool) {
        let rows = observed.rows();
        let segments = rows
            .iter()
            .filter(|row| row.found.segment().is_some())
            .count();
        let files = rows.len() - segments;
        let rate: f64 = rows.iter().filter_map(|row| row.rate).sum();
        let order = match observed.order() {
            Order::Place => "",
            Order::Rate => " · by commits",
            Order::Bytes => " · by size",
        };
        let paused = if paused { " · paused" } else { "" };
        let (segments, files) = (counted(segments, "segment"), counted(files, "file"));
        let text = format!(
            "shm top · {segments}, {files} · {} commits/s{order}{paused}",
            short(rate)
        );
        frame.render_widget(Paragraph::new(text).style(self.look.heading), area);
    }

    fn draw_table(&self, frame: &mut Frame<'_>, area: Rect, observed: &Observed) {
        let columns = columns(area.width);
        let rows = observed.rows();
        let widths: Vec<usize> = columns
            .iter()
            .map(|column| {
                let cells = rows.iter().map(|row| column.cell(row).chars().count());
                let widest = cells.max().unwrap_or(0).max(column.heading().len());
                widest.min(column.most())
            })
            .collect();
        let constraints = columns
            .iter()
            .zip(&widths)
            .map(|(column, width)| match column {
                // What is left.
                Column::State | Column::Processes if columns.last() == Some(column) => {
                    Constraint::Min(1)
                }
                _ => Constraint::Length(u16::try_from(*width).unwrap_or(u16::MAX)),
            });
        let aligned = |column: &Column, width: usize, text: String| {
            if column.is_number() {
                format!("{text:>width$}")
            } else {
                text
            }
        };
        let heading = columns
            .iter()
            .zip(&widths)
            .map(|(column, width)| aligned(column, *width, column.heading().to_owned()));
        let cells = rows.iter().map(|row| {
            TableRow::new(columns.iter().zip(&widths).map(|(column, width)| {
                let style = match column {
                    Column::Rate if row.rate.is_some_and(|rate| rate > 0.0) => self.look.lit,
                    _ => Style::new(),
                };
                Cell::new(aligned(column, *width, column.cell(row))).style(style)
            }))
        });
        let table = Table::new(cells, constraints)
            .header(TableRow::new(heading).style(self.look.heading))
            .column_spacing(2)
            .highlight_symbol("> ")
            .row_highlight_style(self.look.selected);
        let mut state = TableState::default().with_selected(observed.selected());
        frame.render_stateful_widget(table, area, &mut state);
    }

    fn draw_pane(&self, frame: &mut Frame<'_>, area: Rect, observed: &mut Observed) {
        let shown = usize::from(area.height.saturating_sub(1));
        let from = observed.scrolled(shown);
        let pane = observed.pane();
        let names = pane.lines.iter().map(|line| line.name.chars().count());
        let widest = names.filter(|width| *width <= 40).max().unwrap_or(0);
        let lines = pane.lines.iter().skip(from).take(shown).map(|line| {
            let mark = if line.lit { "* " } else { "  " };
            let gap = widest.saturating_sub(line.name.chars().count()) + 2;
            let style = if line.lit {
                self.look.lit
            } else {
                Style::new()
            };
            Line::from(vec![
                Span::styled(mark, style),
                Span::raw(format!("{}{:gap$}", line.name, "")),
                Span::styled(line.text.as_str(), style),
            ])
        });
        let behind = pane.lines.len().saturating_sub(from + shown);
        let mut block = Block::new()
            .borders(Borders::TOP)
            .border_style(self.look.faint)
            .title(Span::styled(
                format!("─ {} ", pane.title),
                self.look.heading,
            ));
        if behind > 0 {
            block = block.title(Line::from(format!(" {behind} more ")).right_aligned());
        }
        let text = Paragraph::new(lines.collect::<Vec<_>>()).block(block);
        frame.render_widget(text, area);
    }
}

/// As many as there is room for, those first that tell most.
fn columns(width: u16) -> &'static [Column] {
    use Column::{Bytes, Nattch, Place, Processes, Rate, State, Type, Version};
    match width {
        110.. => &[Place, Type, Version, Rate, Bytes, Nattch, State, Processes],
        76.. => &[Place, Type, Version, Rate, State, Processes],
        50.. => &[Place, Type, Rate, Processes],
        _ => &[Place, Rate, Type],
    }
}

impl Column {
    fn heading(self) -> &'static str {
        match self {
            Column::Place => "PLACE",
            Column::Type => "TYPE",
            Column::Version => "VERSION",
            Column::Rate => "COMMITS/S",
            Column::Bytes => "BYTES",
            Column::Nattch => "NATTCH",
            Column::Processes => "ATTACHED BY",
            Column::State => "STATE",
        }
    }

    fn is_number(self) -> bool {
        use Column::{Bytes, Nattch, Rate, Version};
        matches!(self, Version | Rate | Bytes | Nattch)
    }

    /// How wide it may be.
    fn most(self) -> usize {
        match self {
            Column::Place => 24,
            Column::Type => 20,
            Column::State => 30,
            _ => usize::MAX,
        }
    }

    fn cell(self, row: &Row) -> String {
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        match self {
            Column::Place => row.place.clone(),
            Column::Type => or_dash(row.name.clone()),
            Column::Version => or_dash(row.version.map(|version| version.to_string())),
            Column::Rate => or_dash(row.rate.map(short)),
            Column::Bytes => human_size(row.found.size()),
            Column::Nattch => or_dash(row.attached().map(|attached| attached.to_string())),
            Column::Processes => or_dash(Some(row.names()).filter(|names| !names.is_empty())),
            Column::State => or_dash(Some(row.state()).filter(|state| !state.is_empty())),
        }
    }
}

/// `1 file`, `2 files`
fn counted(count: usize, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}

/// `0`, `2.5`, `120`, `35K`.
fn short(rate: f64) -> String {
    match rate {
        0.0 => "0".to_owned(),
        ..10.0 => format!("{rate:.1}"),
        ..10_000.0 => format!("{rate:.0}"),
        ..10_000_000.0 => format!("{:.0}K", rate / 1e3),
        _ => format!("{:.0}M", rate / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_short() {
        let shown = [0.0, 0.25, 9.96, 120.4, 9999.6, 35_000.0, 2.5e7].map(short);
        assert_eq!(shown, ["0", "0.2", "10.0", "120", "10000", "35K", "25M"]);
    }
}
