//! How the program speaks: colour where a terminal wants it, nothing that a stranger's bytes could do to one, and an
//! end without noise when the reader has gone.

use std::borrow::Cow;
use std::fmt::{Display, Write as _};
use std::io::{self, Write as _};

use anstyle::{AnsiColor, Style};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::Serialize;

use crate::failure::Failure;

/// When to print in colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    Always,
    Never,
}

pub const HEADING: Style = Style::new().bold();
pub const FAINT: Style = Style::new().dimmed();
pub const CHANGED: Style = AnsiColor::Yellow.on_default();

pub fn choose_colour(color: Color) {
    match color {
        Color::Auto => anstream::ColorChoice::Auto,
        Color::Always => anstream::ColorChoice::AlwaysAnsi,
        Color::Never => anstream::ColorChoice::Never,
    }
    .write_global();
}

/// Whether the terminal that is printed to is given colour.
pub fn has_colour() -> bool {
    anstream::AutoStream::choice(&io::stdout()) != anstream::ColorChoice::Never
}

/// Text in a style.
pub fn styled(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

/// Prints the whole of a text at once.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut out = anstream::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    let next = "print to a place with room";
    written.map_err(|error| Failure::of_file("standard output", "written", &error, next))
}

/// Whether the reader of the output has gone: a command that seldom prints would not notice else.
pub fn is_closed() -> bool {
    let stdout = rustix::stdio::stdout();
    let mut fds = [PollFd::new(&stdout, PollFlags::empty())];
    let polled = poll(&mut fds, Some(&Timespec::default()));
    polled.is_ok() && fds[0].revents().intersects(PollFlags::ERR)
}

/// The version of the shape of what `--json` prints. It rises when a name goes or changes its meaning, not when one
/// comes.
const JSON_FORMAT: u32 = 1;

/// An answer of `--json`: the answer's own members, behind the version of their shape.
#[derive(Serialize)]
struct Envelope<'a, T> {
    format: u32,
    #[serde(flatten)]
    answer: &'a T,
}

/// Prints an answer as JSON: for people on a terminal, else on one line.
pub fn print_json(answer: &impl Serialize) -> Result<(), Failure> {
    let pretty = io::IsTerminal::is_terminal(&io::stdout());
    print_json_as(answer, pretty)
}

/// Prints an answer on one line, however long.
pub fn print_json_line(answer: &impl Serialize) -> Result<(), Failure> {
    print_json_as(answer, false)
}

fn print_json_as(answer: &impl Serialize, pretty: bool) -> Result<(), Failure> {
    let format = JSON_FORMAT;
    let answer = Envelope { format, answer };
    let text = if pretty {
        serde_json::to_string_pretty(&answer)
    } else {
        serde_json::to_string(&answer)
    };
    print(&(text.map_err(io::Error::from)? + "\n"))
}

/// A stranger's text, with all that a terminal would not show as a character escaped: control characters, and those
/// that turn the direction or have no width.
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_hidden) {
        return text.into();
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_hidden(c) {
            let _ = write!(shown, "{}", c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown.into()
}

/// A place or a path as a shell reads it.
pub fn quoted(text: impl Display) -> String {
    let text = text.to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-:+@%,".contains(c);
    if text.chars().all(plain) {
        return text;
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
                | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
        )
}

/// `42`, `5.5K`, `16M`: as `lsipc` shows sizes.
pub fn human_size(bytes: u64) -> String {
    let mut unit = 0;
    let mut size = bytes as f64;
    while size >= 1024.0 && unit < 6 {
        size /= 1024.0;
        unit += 1;
    }
    match unit {
        0 => format!("{bytes}B"),
        _ if size < 10.0 && size.fract() > 0.0 => {
            format!("{size:.1}{}", b"BKMGTPE"[unit] as char)
        }
        _ => format!("{size:.0}{}", b"BKMGTPE"[unit] as char),
    }
}

/// Lines of a name and what belongs to it, in two columns.
pub fn two_columns(lines: &[(String, String)]) -> String {
    let width = |text: &str| text.chars().count();
    let names = lines.iter().map(|(name, _)| width(name));
    let widest = names.filter(|width| *width <= 40).max().unwrap_or(0);
    let mut text = String::new();
    for (name, value) in lines {
        let gap = widest.saturating_sub(width(name)) + 2;
        let _ = writeln!(text, "  {name}{:gap$}{value}", "");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_move_a_cursor_is_escaped() {
        assert_eq!(visible("alice"), "alice");
        assert_eq!(
            visible("a\x1b[2Jb\n\u{202e}c\u{9b}"),
            "a\\u{1b}[2Jb\\n\\u{202e}c\\u{9b}"
        );
    }

    #[test]
    fn sizes_are_short() {
        let shown = [0, 1023, 1024, 5632, 10 << 10, 3 << 30].map(human_size);
        assert_eq!(shown, ["0B", "1023B", "1K", "5.5K", "10K", "3G"]);
    }
}
