//! Names that are letters, digits and `_`, and that are given once.

use std::collections::{BTreeMap, BTreeSet};

use crate::layout::Schema;

/// Whether `list`, with spaces between its words, has this one.
pub(super) fn is_among(name: &str, list: &str) -> bool {
    list.split(' ').any(|taken| taken == name)
}

/// Letters beyond ASCII by their numbers: not every compiler takes them.
pub(super) fn ascii(name: &str) -> String {
    let mut plain = String::with_capacity(name.len());
    for letter in name.chars() {
        match letter {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '_' => plain.push(letter),
            other => plain.push_str(&format!("u{:04x}", u32::from(other))),
        }
    }
    plain
}

/// Names of one scope, each given once.
#[derive(Debug, Default)]
pub(super) struct Scope {
    given: BTreeSet<String>,
    /// From which number on to look, by name: else a thousand equal names would take a million
    /// looks.
    numbers: BTreeMap<String, u32>,
}

impl Scope {
    /// `name`, or with a number behind it if that was given before.
    pub(super) fn give(&mut self, name: String) -> String {
        if self.given.insert(name.clone()) {
            return name;
        }
        let number = self.numbers.entry(name.clone()).or_insert(2);
        let mut free = format!("{name}_{number}");
        while !self.given.insert(free.clone()) {
            *number += 1;
            free = format!("{name}_{number}");
        }
        free
    }
}

/// Names of types: one for each stored form, in which names count.
#[derive(Debug, Default)]
pub(super) struct TypeNames {
    of: BTreeMap<Vec<u8>, String>,
    pub(super) scope: Scope,
}

impl TypeNames {
    /// The name that this type was given.
    pub(super) fn of(&self, schema: &Schema) -> Option<String> {
        self.of.get(&schema.encode()).cloned()
    }

    /// Gives this type a name: `name`, or with a number behind it.
    pub(super) fn give(&mut self, schema: &Schema, name: String) -> String {
        let name = self.scope.give(name);
        self.of.insert(schema.encode(), name.clone());
        name
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn no_name_is_given_twice() {
        let mut scope = Scope::default();
        let mut give = |name: &str| scope.give(name.to_owned());
        assert_eq!(
            [give("a"), give("a_2"), give("a"), give("a")],
            ["a", "a_2", "a_3", "a_4"]
        );
    }
}
