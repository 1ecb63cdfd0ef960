//! The variants of enums, found by name or number in a short search: a schema of another program may name thousands, for
//! each of a million bytes.

use std::collections::BTreeMap;

use super::Variant;

/// The variants of each enum that was met, by the place of the first: searched through once for all values.
#[derive(Default)]
pub(crate) struct Enums<'a>(BTreeMap<*const Variant, Variants<'a>>);

/// Those of one enum.
pub(super) struct Variants<'a> {
    all: &'a [Variant],
    is_open: bool,
    by_name: BTreeMap<&'a str, &'a Variant>,
    by_number: BTreeMap<i128, &'a Variant>,
}

impl<'a> Enums<'a> {
    pub(super) fn of(&mut self, variants: &'a [Variant]) -> &Variants<'a> {
        let known = self.0.entry(variants.as_ptr());
        known.or_insert_with(|| Variants::of(variants))
    }
}

impl<'a> Variants<'a> {
    pub(super) fn of(all: &'a [Variant]) -> Variants<'a> {
        // Backwards, so that of two with one name or value the first one declared counts.
        let last_first = all.iter().rev();
        Variants {
            all,
            is_open: all.iter().any(Variant::is_other),
            by_name: last_first.clone().map(|one| (one.name(), one)).collect(),
            by_number: last_first.map(|one| (one.value(), one)).collect(),
        }
    }

    pub(super) fn named(&self, name: &str) -> Option<&'a Variant> {
        self.by_name.get(name).copied()
    }

    pub(super) fn numbered(&self, number: i128) -> Option<&'a Variant> {
        self.by_number.get(&number).copied()
    }

    /// Whether a number that is no variant's is a value as well.
    pub(super) fn is_open(&self) -> bool {
        self.is_open
    }

    /// The names of those that can be stored.
    pub(super) fn names(&self) -> impl Iterator<Item = &'a str> + Clone {
        let named = self.all.iter().filter(|variant| !variant.is_other());
        named.map(Variant::name)
    }
}
