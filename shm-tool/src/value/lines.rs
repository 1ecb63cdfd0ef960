//! Values for people: a line for each part, by its path; what is long is cut short and says so.

use std::fmt::Write as _;

use super::{Leaf, Node};
use crate::output::visible;

/// How much is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// As much of each list as people read.
    Short,
    /// Everything.
    Full,
}

/// Elements of a list of numbers that a short line shows.
const ITEMS: usize = 16;

/// Elements of a list of structs that are shown in short.
const STRUCTS: usize = 32;

/// Path and text of each part.
pub fn lines(path: &str, node: &Node, extent: Extent) -> Vec<(String, String)> {
    let mut found = Vec::new();
    collect(path, node, extent, &mut found);
    found
}

fn collect(path: &str, node: &Node, extent: Extent, found: &mut Vec<(String, String)>) {
    match node {
        Node::Struct(fields) if !fields.is_empty() => {
            for (name, part) in fields {
                let name = visible(name);
                let path = if path.is_empty() {
                    name.into_owned()
                } else {
                    format!("{path}.{name}")
                };
                collect(&path, part, extent, found);
            }
        }
        Node::List(items) if !items.iter().all(Node::is_leaf) => {
            let shown = match extent {
                Extent::Short => STRUCTS,
                Extent::Full => items.len(),
            };
            for (i, item) in items.iter().take(shown).enumerate() {
                collect(&format!("{path}[{i}]"), item, extent, found);
            }
            if items.len() > shown {
                let more = format!("… {} more (--all shows them)", items.len() - shown);
                found.push((format!("{path}[{shown}]"), more));
            }
        }
        _ => found.push((path.to_owned(), one_line(node, extent))),
    }
}

/// A part on one line.
pub fn one_line(node: &Node, extent: Extent) -> String {
    match node {
        Node::Leaf(leaf) => leaf_text(leaf),
        Node::Struct(fields) => {
            let parts: Vec<String> = fields
                .iter()
                .map(|(name, part)| format!("{}: {}", visible(name), one_line(part, extent)))
                .collect();
            format!("{{{}}}", parts.join(", "))
        }
        Node::List(items) => list_text(items, extent),
    }
}

fn list_text(items: &[Node], extent: Extent) -> String {
    let shown = match extent {
        Extent::Short => ITEMS,
        Extent::Full => items.len(),
    };
    if items.len() <= shown {
        let items: Vec<String> = items.iter().map(|item| one_line(item, extent)).collect();
        return format!("[{}]", items.join(", "));
    }
    // What is all alike, as most long arrays are at first.
    let first = one_line(&items[0], extent);
    if items.iter().all(|item| *item == items[0]) {
        return format!("[{first}; {}]", items.len());
    }
    let items_shown: Vec<String> = items
        .iter()
        .take(shown)
        .map(|item| one_line(item, extent))
        .collect();
    format!(
        "[{}, … {} more]",
        items_shown.join(", "),
        items.len() - shown
    )
}

fn leaf_text(leaf: &Leaf) -> String {
    match leaf {
        Leaf::Text(text) => {
            let mut shown = String::from("\"");
            for c in text.chars() {
                match c {
                    '"' | '\\' => shown.extend(['\\', c]),
                    _ => shown.push_str(&visible(c.encode_utf8(&mut [0; 4]))),
                }
            }
            shown + "\""
        }
        Leaf::Bytes(bytes) => format!("b\"{}\"", bytes.escape_ascii()),
        Leaf::Char(c) => format!("'{}'", visible(c.encode_utf8(&mut [0; 4]))),
        leaf => leaf.bare(),
    }
}

impl Leaf {
    /// For scripts: text without its quotes. What would move a cursor is escaped all the same.
    pub fn bare(&self) -> String {
        let mut shown = String::new();
        let _ = match self {
            Leaf::Bool(value) => write!(shown, "{value}"),
            Leaf::Int(value) => write!(shown, "{value}"),
            Leaf::UInt(value) => write!(shown, "{value}"),
            Leaf::F32(value) => write!(shown, "{value:?}"),
            Leaf::F64(value) => write!(shown, "{value:?}"),
            Leaf::Char(value) => write!(shown, "{}", visible(value.encode_utf8(&mut [0; 4]))),
            Leaf::Text(text) => write!(shown, "{}", visible(text)),
            Leaf::Variant(name) => write!(shown, "{}", visible(name)),
            Leaf::Bytes(bytes) => write!(shown, "{}", bytes.escape_ascii()),
            Leaf::Address(0) => write!(shown, "null"),
            Leaf::Address(address) => write!(shown, "{address:#x}"),
            Leaf::Opaque(size) => write!(shown, "{size} opaque bytes"),
            Leaf::Free => write!(shown, "free"),
        };
        shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(n: i128) -> Node {
        Node::Leaf(Leaf::Int(n))
    }

    #[test]
    fn long_lists_are_cut_short_unless_all_is_asked_for() {
        let even = Node::List(vec![number(0); 100]);
        assert_eq!(one_line(&even, Extent::Short), "[0; 100]");
        let odd = Node::List((0..100).map(number).collect());
        assert!(one_line(&odd, Extent::Short).ends_with("14, 15, … 84 more]"));
        assert!(one_line(&odd, Extent::Full).ends_with("98, 99]"));
        let point = || Node::Struct(vec![("x".into(), number(1))]);
        let points = Node::List((0..40).map(|_| point()).collect());
        let shown = lines("p", &points, Extent::Short);
        assert_eq!(shown[1], ("p[1].x".into(), "1".into()));
        assert_eq!(
            shown[32],
            ("p[32]".into(), "… 8 more (--all shows them)".into())
        );
        assert_eq!(lines("p", &points, Extent::Full).len(), 40);
    }

    #[test]
    fn hostile_text_and_names_do_nothing_to_a_terminal() {
        let text = Node::Leaf(Leaf::Text("\x1b]0;x\x07\"".into()));
        let node = Node::Struct(vec![("a\x1bb".into(), text)]);
        let shown = lines("", &node, Extent::Short);
        assert_eq!(
            shown,
            [("a\\u{1b}b".to_owned(), r#""\u{1b}]0;x\u{7}\"""#.to_owned())]
        );
    }
}
