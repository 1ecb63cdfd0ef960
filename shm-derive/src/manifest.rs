//! Reads as much of a `Cargo.toml` as finding one dependency takes: which keys hold which strings
//! and booleans.
//!
//! Cargo has parsed the file before it calls a compiler, so what arrives here is valid TOML. A
//! reader that meets something it does not know stops and keeps what it has; it never loops and
//! never panics.

use std::iter::Peekable;
use std::str::Chars;

/// The entries of a TOML file with their full paths: `[a.b]` with `c.d = "x"` is `["a", "b", "c",
/// "d"]` → `x`.
///
/// Numbers and dates are kept as they are spelled; what an array holds is left out.
pub(crate) struct Manifest {
    entries: Vec<(Vec<String>, String)>,
}

impl Manifest {
    pub(crate) fn read(toml: &str) -> Manifest {
        let mut reader = Reader {
            chars: toml.chars().peekable(),
            entries: Vec::new(),
        };
        reader.document();
        Manifest {
            entries: reader.entries,
        }
    }

    pub(crate) fn entries(&self) -> impl Iterator<Item = (&[String], &str)> {
        self.entries
            .iter()
            .map(|(path, value)| (path.as_slice(), value.as_str()))
    }

    pub(crate) fn get(&self, path: &[&str]) -> Option<&str> {
        self.entries()
            .find(|(at, _)| *at == path)
            .map(|(_, value)| value)
    }

    /// Whether `table` or anything below it is there.
    pub(crate) fn has(&self, table: &str) -> bool {
        self.entries()
            .any(|(at, _)| at.first().is_some_and(|first| first == table))
    }
}

struct Reader<'a> {
    chars: Peekable<Chars<'a>>,
    entries: Vec<(Vec<String>, String)>,
}

impl Reader<'_> {
    fn document(&mut self) -> Option<()> {
        let mut table = Vec::new();
        loop {
            self.blank(true);
            match self.chars.peek()? {
                '[' => {
                    while self.take('[') {}
                    table = self.key()?;
                    while self.take(']') {}
                    // An empty `[workspace]` says something too.
                    self.entries.push((table.clone(), String::new()));
                }
                _ => self.pair(&table)?,
            }
        }
    }

    fn pair(&mut self, table: &[String]) -> Option<()> {
        let mut path = table.to_vec();
        path.extend(self.key()?);
        self.blank(false);
        self.take('=').then_some(())?;
        self.value(path)
    }

    /// A dotted key: bare and quoted names, with blanks around the dots.
    fn key(&mut self) -> Option<Vec<String>> {
        let mut names = Vec::new();
        loop {
            self.blank(false);
            names.push(match self.chars.peek()? {
                '"' | '\'' => self.string()?,
                _ => self.while_some(|c| c.is_alphanumeric() || matches!(c, '-' | '_')),
            });
            if names.last().is_some_and(String::is_empty) {
                return None;
            }
            self.blank(false);
            if !self.take('.') {
                return Some(names);
            }
        }
    }

    fn value(&mut self, path: Vec<String>) -> Option<()> {
        self.blank(false);
        match self.chars.peek()? {
            '"' | '\'' => {
                let text = self.string()?;
                self.entries.push((path, text));
            }
            '{' => {
                self.chars.next();
                loop {
                    self.blank(true);
                    if self.take('}') {
                        break;
                    }
                    if !self.take(',') {
                        self.pair(&path)?;
                    }
                }
            }
            '[' => {
                self.chars.next();
                loop {
                    self.blank(true);
                    if self.take(']') {
                        break;
                    }
                    if !self.take(',') {
                        let kept = self.entries.len();
                        self.value(Vec::new())?;
                        self.entries.truncate(kept);
                    }
                }
            }
            _ => {
                let scalar =
                    self.while_some(|c| !c.is_whitespace() && !matches!(c, ',' | ']' | '}' | '#'));
                if scalar.is_empty() {
                    return None;
                }
                self.entries.push((path, scalar));
            }
        }
        Some(())
    }

    /// Any of the four kinds of strings. Escapes are kept as they are: no name that matters here
    /// needs one.
    fn string(&mut self) -> Option<String> {
        let quote = self.chars.next()?;
        let mut quotes = 1;
        while quotes < 3 && self.take(quote) {
            quotes += 1;
        }
        if quotes == 2 {
            return Some(String::new());
        }
        let mut text = String::new();
        let mut ending = 0;
        loop {
            let c = self.chars.next()?;
            if c == quote {
                ending += 1;
                if ending == quotes {
                    // A multi-line string may end in up to two quotes of its own.
                    while quotes == 3 && self.take(quote) {}
                    return Some(text);
                }
                continue;
            }
            text.extend(std::iter::repeat_n(quote, ending));
            ending = 0;
            text.push(c);
            if c == '\\' && quote == '"' {
                text.push(self.chars.next()?);
            }
        }
    }

    fn take(&mut self, wanted: char) -> bool {
        self.chars.next_if_eq(&wanted).is_some()
    }

    fn while_some(&mut self, wanted: impl Fn(char) -> bool) -> String {
        let mut text = String::new();
        while let Some(c) = self.chars.next_if(|&c| wanted(c)) {
            text.push(c);
        }
        text
    }

    /// Skips blanks, and with `lines` also line ends and comments.
    fn blank(&mut self, lines: bool) {
        while let Some(&c) = self.chars.peek() {
            match c {
                ' ' | '\t' | '\u{feff}' => {}
                '\n' | '\r' if lines => {}
                '#' if lines => {
                    while self.chars.next_if(|&c| c != '\n').is_some() {}
                    continue;
                }
                _ => return,
            }
            self.chars.next();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flat(toml: &str) -> Vec<String> {
        let manifest = Manifest::read(toml);
        manifest
            .entries()
            .filter(|(_, value)| !value.is_empty())
            .map(|(path, value)| format!("{}={value}", path.join("/")))
            .collect()
    }

    #[test]
    fn tables_dotted_keys_and_inline_tables_read_alike() {
        let wanted = ["dependencies/a/package=b"];
        assert_eq!(flat("[dependencies]\na = { package = \"b\" }"), wanted);
        assert_eq!(flat("[dependencies]\na.package = \"b\""), wanted);
        assert_eq!(flat("[dependencies.a]\npackage = 'b'"), wanted);
        assert_eq!(
            flat("[ dependencies . \"a\" ] # note\n  package=\"\"\"b\"\"\"\r\n"),
            wanted
        );
        assert_eq!(flat("dependencies = { a = { package = 'b' } }"), wanted);
        assert_eq!(
            flat("[dependencies]\na = {\n  package = \"b\", # TOML 1.1\n}"),
            wanted
        );
    }

    #[test]
    fn arrays_comments_and_odd_strings_do_not_derail_it() {
        let toml = r##"
            # [dependencies]
            features = ["a = b", 'c', { x = "y" }, [1, 2], # no
            ]
            text = """
            [dependencies]
            shm = "no" \""" """
            quote = "a \" b # c"
            literal = 'a\'
            date = 1979-05-27
            after = true
        "##;
        let flat = flat(toml);
        assert_eq!(flat.len(), 5, "{flat:?}");
        assert_eq!(flat[4], "after=true");
    }

    #[test]
    fn broken_files_end_the_reading_and_nothing_else() {
        for toml in [
            "[", "a =", "a = {", "a = [", "\"", "a = \"x", "= 1", "a.", "[[[", "a = ,", "a b", "]",
        ] {
            assert!(flat(toml).is_empty(), "{toml}");
        }
        assert_eq!(flat("a = 1\n= 2\nb = 3"), ["a=1"]);
    }
}
