//! `FORMAT.md` is a contract with programs in other languages: the tests named `contract` read its
//! tables and compare them with the code. This is how they read it, and the list of its tables.

use std::ops::Range;

use crate::FixedStr;
use crate::layout::SharedLayout;
use crate::typed::room;

/// The cells of each row.
pub(crate) type Table = Vec<Vec<String>>;

fn text() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/FORMAT.md");
    std::fs::read_to_string(path).expect("FORMAT.md lies in the package")
}

/// What stands under a heading, up to the next one.
pub(crate) fn section(heading: &str) -> String {
    let text = text();
    let mut lines = text.lines();
    lines
        .by_ref()
        .find(|line| line.starts_with('#') && line.trim_start_matches('#').trim() == heading)
        .unwrap_or_else(|| panic!("FORMAT.md has no section `{heading}`"));
    let body: Vec<&str> = lines.take_while(|line| !line.starts_with('#')).collect();
    body.join("\n")
}

/// The tables under a heading, without their heads.
pub(crate) fn tables(heading: &str) -> Vec<Table> {
    let section = section(heading);
    let mut tables = Vec::new();
    let mut lines = section.lines().peekable();
    while let Some(line) = lines.next() {
        // The line below a table's head.
        if !line.starts_with("|---") {
            continue;
        }
        let mut table = Table::new();
        while let Some(row) = lines.next_if(|line| line.starts_with('|')) {
            let cells = row.trim_matches('|').split('|');
            table.push(cells.map(|cell| cell.trim().to_owned()).collect());
        }
        tables.push(table);
    }
    tables
}

/// The only table under a heading.
#[track_caller]
pub(crate) fn table(heading: &str) -> Table {
    let mut tables = tables(heading);
    assert_eq!(tables.len(), 1, "tables in section `{heading}`");
    tables.remove(0)
}

/// The bits that a cell such as `0..10` or `31` names; `None` if it names none.
pub(crate) fn bits(cell: &str) -> Option<Range<u32>> {
    match cell.split_once("..") {
        Some((first, end)) => Some(first.parse().ok()?..end.parse().ok()?),
        None => cell.parse().ok().map(|bit: u32| bit..bit + 1),
    }
}

/// The word in which just these bits are set.
pub(crate) fn mask(bits: Range<u32>) -> u32 {
    bits.fold(0, |word, bit| word | 1 << bit)
}

#[test]
fn each_table_of_the_format_has_a_test() {
    /// Sections with tables, and how many.
    const TESTED: [(&str, usize); 12] = [
        ("The segment", 1),
        ("The control block", 1),
        ("state", 1),
        ("lock", 1),
        ("Slots", 1),
        ("Records", 1),
        ("Verdict", 1),
        ("Snapshots", 1),
        ("Row words", 1),
        ("own", 1),
        ("Schema room", 2),
        ("Stored form", 2),
    ];
    /// Not numbers but steps: the models of the protocol test them.
    const STEPS: [(&str, usize); 1] = [("The sequence", 1)];
    let text = text();
    let mut headings = text.lines().filter(|line| line.starts_with('#'));
    let found: Vec<(&str, usize)> = headings
        .by_ref()
        .map(|line| line.trim_start_matches('#').trim())
        .map(|heading| (heading, tables(heading).len()))
        .filter(|&(_, tables)| tables > 0)
        .collect();
    let mut known = [&TESTED[..], &STEPS[..]].concat();
    known.sort();
    let mut sorted = found.clone();
    sorted.sort();
    assert_eq!(sorted, known, "a table came or went: test it, and list it");
}

#[test]
fn the_schema_room_begins_as_the_format_says() {
    type T = [FixedStr<7>; 3];
    let room = room::contents(T::SCHEMA, T::FINGERPRINT);
    // The other one says what programs do with it.
    let rows = tables("Schema room").swap_remove(0);
    for row in &rows {
        let [offset, kind, content] = &row[..] else {
            panic!("{row:?}");
        };
        let offset: usize = offset.parse().expect("an offset");
        let at = |bytes: usize| room[offset..offset + bytes].to_vec();
        let wanted = match content.split([' ', ':']).collect::<Vec<_>>()[..] {
            ["fingerprint", ..] => T::FINGERPRINT.to_bits().to_ne_bytes().to_vec(),
            ["size", "of", "the", "value", ..] => (size_of::<T>() as u64).to_ne_bytes().to_vec(),
            ["length", "of", "the", "stored", "form", ..] => {
                (T::SCHEMA.encoded_len() as u64).to_ne_bytes().to_vec()
            }
            ["schema", "version", ..] => 1_u32.to_ne_bytes().to_vec(),
            ["alignment", ..] => (align_of::<T>() as u32).to_ne_bytes().to_vec(),
            ["the", "stored", "form", ..] => T::SCHEMA.encode(),
            _ => panic!("a word that this test does not know: {row:?}"),
        };
        match kind.trim_matches('`') {
            "u64" => assert_eq!(wanted.len(), 8, "{row:?}"),
            "u32" => assert_eq!(wanted.len(), 4, "{row:?}"),
            _ => assert_eq!(offset + wanted.len(), room.len(), "{row:?}"),
        }
        assert_eq!(at(wanted.len()), wanted, "{row:?}");
    }
    assert_eq!(rows.len(), 6);
}

#[test]
fn a_segment_has_the_size_that_the_format_says() {
    let text = section("Birth and removal");
    assert!(
        text.contains("S is twice the length of what the schema room is to hold, at least 640")
    );
    let computed = text.split("```").nth(1).expect("how C is computed");
    // Below in Rust: who changes one of them is told to change the other.
    assert_eq!(
        computed.lines().skip(1).collect::<Vec<_>>(),
        [
            "fixed = 2 * S + R + 320;",
            "pages = (3 * ((size + 63) / 64 * 64) + fixed + 64 + 4095) / 4096;",
            "C = (pages * 4096 - 64 - fixed) / 3 / 64 * 64;",
        ]
    );
    fn same<T: SharedLayout>() {
        let room = (2 * room::contents(T::SCHEMA, T::FINGERPRINT).len()).max(640);
        let records = (8 * 248_usize).next_multiple_of(64);
        let fixed = 2 * room.next_multiple_of(64) + records + 320;
        let pages = (3 * size_of::<T>().next_multiple_of(64) + fixed + 64).div_ceil(4096);
        let capacity = (pages * 4096 - 64 - fixed) / 3 / 64 * 64;
        let total = 3 * capacity + fixed;
        assert_eq!(room::segment_size(T::SCHEMA), Some(total));
    }
    same::<u8>();
    same::<[FixedStr<7>; 100]>();
    same::<[u64; 246]>();
    same::<[u64; 8192]>();
}
