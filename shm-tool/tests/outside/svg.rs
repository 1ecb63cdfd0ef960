//! The screen of a terminal as a picture.

use std::fmt::Write as _;

use vt100::{Cell, Color, Screen};

/// Of one cell, in pixels.
const WIDTH: f64 = 8.4;
const HEIGHT: f64 = 18.0;
const MARGIN: f64 = 12.0;

const GROUND: &str = "#1b1f24";
const INK: &str = "#d7dde4";

/// A line of the file for each line of the screen.
pub fn of(screen: &Screen, title: &str) -> String {
    let (rows, columns) = screen.size();
    let width = MARGIN * 2.0 + WIDTH * f64::from(columns);
    let height = MARGIN * 2.0 + HEIGHT * f64::from(rows);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" \
         height=\"{height:.0}\" font-family=\"ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace\" \
         font-size=\"14\" fill=\"{INK}\" role=\"img\">\n<title>{}</title>\n\
         <rect width=\"{width:.0}\" height=\"{height:.0}\" rx=\"8\" fill=\"{GROUND}\"/>\n",
        escaped(title)
    );
    for row in 0..rows {
        line(&mut svg, screen, row, columns);
    }
    svg + "</svg>\n"
}

fn line(svg: &mut String, screen: &Screen, row: u16, columns: u16) {
    let y = MARGIN + HEIGHT * f64::from(row);
    let cell = |column: u16| screen.cell(row, column).unwrap();
    let mut text = String::new();
    let mut column = 0;
    while column < columns {
        let style = Style::of(cell(column));
        let is_blank = |column| cell(column).contents().trim().is_empty();
        if is_blank(column) && !style.inverse {
            column += 1;
            continue;
        }
        let start = column;
        let mut run = String::new();
        while column < columns && Style::of(cell(column)) == style {
            // A word stands where it does, whatever the font.
            if is_blank(column) && !style.inverse && run.ends_with(' ') {
                break;
            }
            run += if is_blank(column) {
                " "
            } else {
                cell(column).contents()
            };
            column += 1;
        }
        if style.inverse {
            // A little wider: beside another one there is no line between them.
            let (x, width) = (x_of(start), WIDTH * f64::from(column - start) + 0.4);
            let _ = writeln!(
                svg,
                "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{HEIGHT:.1}\" fill=\"{INK}\"/>"
            );
        }
        let shown = run.trim_end();
        if !shown.is_empty() {
            let length = WIDTH * shown.chars().count() as f64;
            let _ = write!(
                text,
                "<tspan x=\"{:.1}\" textLength=\"{length:.1}\"{}>{}</tspan>",
                x_of(start),
                style.attributes(),
                escaped(shown)
            );
        }
    }
    if !text.is_empty() {
        let base = y + 13.5;
        let _ = writeln!(
            svg,
            "<text y=\"{base:.1}\" xml:space=\"preserve\">{text}</text>"
        );
    }
}

fn x_of(column: u16) -> f64 {
    MARGIN + WIDTH * f64::from(column)
}

#[derive(PartialEq)]
struct Style {
    colour: Color,
    bold: bool,
    dim: bool,
    inverse: bool,
}

impl Style {
    fn of(cell: &Cell) -> Style {
        Style {
            colour: cell.fgcolor(),
            bold: cell.bold(),
            dim: cell.dim(),
            inverse: cell.inverse(),
        }
    }

    fn attributes(&self) -> String {
        let fill = match self.colour {
            _ if self.inverse => GROUND,
            Color::Idx(3) => "#e6c35c",
            Color::Idx(8) => "#7d8794",
            _ if self.dim => "#7d8794",
            _ => "",
        };
        let mut attributes = String::new();
        if !fill.is_empty() {
            let _ = write!(attributes, " fill=\"{fill}\"");
        }
        if self.bold {
            attributes += " font-weight=\"bold\"";
        }
        attributes
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// What a picture says: its lines, without what differs from run to run, which is numbers and where words stand.
pub fn said(svg: &str) -> Vec<String> {
    let texts = svg.lines().filter(|line| line.starts_with("<text "));
    texts
        .map(|line| {
            let mut plain = String::new();
            for part in line.split('<').skip(1) {
                let (_, text) = part.split_once('>').unwrap();
                plain.extend([text, " "]);
            }
            let mut said = String::new();
            for c in plain.chars() {
                let c = if c.is_ascii_digit() { '0' } else { c };
                let repeats = said.ends_with(c) && "0 ─".contains(c);
                if !repeats {
                    said.push(c);
                }
            }
            said.trim().trim_start_matches("* ").to_owned()
        })
        .collect()
}
