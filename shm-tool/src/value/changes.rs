//! What differs between two values.

use super::{Leaf, Node};
use crate::output::visible;

/// A part that is not what it was.
#[derive(Clone, Debug)]
pub struct Change<'a> {
    /// As people write it, with what would move a cursor escaped.
    pub path: String,
    /// `None`: the part is new.
    pub from: Option<&'a Node>,
    /// `None`: the part is gone.
    pub to: Option<&'a Node>,
}

/// The smallest parts that differ.
pub fn changes<'a>(path: &str, from: &'a Node, to: &'a Node) -> Vec<Change<'a>> {
    let mut found = Vec::new();
    collect(path, from, to, &mut found);
    found
}

fn collect<'a>(path: &str, from: &'a Node, to: &'a Node, found: &mut Vec<Change<'a>>) {
    match (from, to) {
        (Node::Leaf(a), Node::Leaf(b)) if is_same(a, b) => {}
        (Node::Struct(old), Node::Struct(new)) if have_same_names(old, new) => {
            for ((name, a), (_, b)) in old.iter().zip(new) {
                let dot = if path.is_empty() { "" } else { "." };
                collect(&format!("{path}{dot}{}", visible(name)), a, b, found);
            }
        }
        (Node::List(old), Node::List(new)) => {
            for i in 0..old.len().max(new.len()) {
                let path = format!("{path}[{i}]");
                match (old.get(i), new.get(i)) {
                    (Some(a), Some(b)) => collect(&path, a, b, found),
                    (from, to) => found.push(Change { path, from, to }),
                }
            }
        }
        _ => found.push(Change {
            path: path.to_owned(),
            from: Some(from),
            to: Some(to),
        }),
    }
}

fn have_same_names<T: PartialEq, A, B>(old: &[(T, A)], new: &[(T, B)]) -> bool {
    old.len() == new.len() && old.iter().zip(new).all(|((a, _), (b, _))| a == b)
}

/// Whether the bytes are the same: a NaN that stays is no change.
fn is_same(a: &Leaf, b: &Leaf) -> bool {
    match (a, b) {
        (Leaf::F32(a), Leaf::F32(b)) => a.to_bits() == b.to_bits(),
        (Leaf::F64(a), Leaf::F64(b)) => a.to_bits() == b.to_bits(),
        _ => a == b,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_told() {
        let leaf = |n| Node::Leaf(Leaf::Int(n));
        let value = |x, list: &[i128], nan| {
            Node::Struct(vec![
                ("x".into(), leaf(x)),
                (
                    "list".into(),
                    Node::List(list.iter().map(|n| leaf(*n)).collect()),
                ),
                ("nan".into(), Node::Leaf(Leaf::F64(nan))),
            ])
        };
        let (from, to) = (value(1, &[1, 2, 3], f64::NAN), value(2, &[1, 5], f64::NAN));
        let told: Vec<_> = changes("", &from, &to)
            .into_iter()
            .map(|c| (c.path, c.to))
            .collect();
        let (two, five) = (leaf(2), leaf(5));
        let wanted = [
            ("x", Some(&two)),
            ("list[1]", Some(&five)),
            ("list[2]", None),
        ];
        assert_eq!(told, wanted.map(|(path, to)| (path.to_owned(), to)));
    }
}
