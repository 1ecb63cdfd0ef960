//! The tables of `FORMAT.md` on segment, control block, state, lock and slots, compared with the
//! code.

use super::lock::claim::Claim;
use super::lock::lock::WAITERS;
use super::lock::record::Record;
use super::memory::control::{ALWAYS_NOTIFY, CONTROL, FORMAT, Geometry, KNOWN_FLAGS, MAGIC, State};
use super::memory::control::{Control, RAW_WRITERS};
use super::rows::own::{Life, Own};
use super::rows::words::RowWords;
use crate::format_tables::{bits, mask, section, table};
use std::mem::offset_of;

#[test]
fn each_word_of_the_control_block_lies_where_the_format_says() {
    macro_rules! words {
        ($($word:ident: $kind:literal),+ $(,)?) => {
            [$((offset_of!(Control, $word), format!("`{}`", $kind), stringify!($word).to_owned())),+]
        };
    }
    let ours = words![
        magic: "u64", format: "u32", flags: "u32", capacity: "u64", room: "u64", unique: "u64",
        slots: "u32", rows: "u32", set: "u32", claims: "u32", replaced: "u32", durable: "u32", life: "u64", ids: "u64", seq: "u64", state: "u32", range: "u64", lock: "u32",
        awaited: "u64",
    ];
    let theirs: Vec<_> = table("The control block")
        .iter()
        .map(|row| {
            (
                row[0].parse().expect("an offset"),
                row[1].clone(),
                row[2].clone(),
            )
        })
        .collect();
    assert_eq!(theirs, ours);
}

/// What the control block's table says of a word.
fn content(word: &str) -> String {
    let row = table("The control block").into_iter();
    row.filter(|row| row[2] == word)
        .map(|row| row[3].clone())
        .next()
        .expect("a word of the control block")
}

#[test]
fn magic_format_and_flags_are_those_of_the_format() {
    let magic = MAGIC.to_le_bytes().escape_ascii().to_string();
    assert_eq!(content("magic"), format!("the bytes `{magic}`"));
    assert_eq!(content("format"), FORMAT.to_string());
    let mut all = 0;
    for flag in content("flags").split("; ") {
        let (bit, meaning) = flag.split_once(": ").expect("`bit n: meaning`");
        let bit = mask(bits(bit.trim_start_matches("bit ")).expect("a bit"));
        all |= bit;
        if bit == RAW_WRITERS {
            assert!(meaning.contains("without this protocol store"), "{flag}");
        }
        if bit == ALWAYS_NOTIFY {
            assert!(meaning.contains("every commit wakes"), "{flag}");
        }
    }
    assert_eq!(all, KNOWN_FLAGS);
}

#[test]
fn the_parts_of_a_segment_lie_where_the_format_says() {
    let geometry = Geometry {
        capacity: 1024,
        room: 64,
        slots: 17,
        snapshots: false,
        rows: 0,
        counters: false,
    };
    let records = 192;
    assert_eq!(
        geometry.records_at() + records + CONTROL,
        geometry.total().expect("small")
    );
    // `3C+2S+R+320`.
    let value = |sum: &str| -> Option<usize> {
        let times = |number: &str, of: usize| match number {
            "" => Some(of),
            number => number.parse::<usize>().ok().map(|times| times * of),
        };
        sum.split('+')
            .map(|term| match term.chars().last()? {
                'C' => times(term.strip_suffix('C')?, geometry.capacity),
                'S' => times(term.strip_suffix('S')?, geometry.room),
                'R' => times(term.strip_suffix('R')?, records),
                _ => term.parse().ok(),
            })
            .sum()
    };
    let text = section("The segment");
    let mut drawing = text.split("```").nth(1).expect("a drawing").trim().lines();
    let places: Vec<usize> = drawing
        .next()
        .expect("a line of places")
        .split_whitespace()
        .map_while(value)
        .collect();
    let total = geometry.total().expect("it is small");
    let (mirrors, rooms) = (
        [0, 1].map(|mirror| geometry.mirror(mirror)),
        [0, 1].map(|room| geometry.schema_room(room)),
    );
    let ours = [
        0,
        mirrors[0],
        mirrors[1],
        rooms[0],
        rooms[1],
        geometry.records_at(),
        total - CONTROL,
        total,
    ];
    assert_eq!(places, ours);
    let names = drawing.next().expect("a line of names");
    let names: Vec<&str> = names.trim_matches('|').split('|').map(str::trim).collect();
    let rows = table("The segment");
    let listed: Vec<&str> = rows.iter().flat_map(|row| row[0].split(", ")).collect();
    assert_eq!(names, listed);
    let mut sizes = places.windows(2).map(|ends| ends[1] - ends[0]);
    for row in &rows {
        for _ in row[0].split(", ") {
            let size = row[1].split([' ', ',', ':']).next().and_then(value);
            assert_eq!(size, sizes.next(), "{row:?}");
        }
    }
}

#[test]
fn the_parts_of_a_table_lie_where_the_format_says() {
    let geometry = Geometry {
        capacity: 128,
        room: 64,
        slots: 17,
        snapshots: false,
        rows: 6,
        counters: false,
    };
    let (p, c, s, q, r) = (7, 128, 64, 6, 192);
    assert!(section("Tables").contains(
        "0            PC           2PC          3PC        3PC+S       3PC+2S      3PC+2S+64Q   3PC+2S+64Q+R  3PC+2S+64Q+R+320"
    ));
    let words = 3 * p * c + 2 * s;
    let ours = [
        geometry.mirror(0),
        geometry.mirror(1),
        geometry.schema_room(0),
        geometry.schema_room(1),
        geometry.row_words_at(),
        geometry.records_at(),
    ];
    let theirs = [
        p * c,
        2 * p * c,
        3 * p * c,
        3 * p * c + s,
        words,
        words + 64 * q,
    ];
    assert_eq!(ours, theirs);
    assert_eq!(geometry.total(), Some(words + 64 * q + r + CONTROL));
    let counting = Geometry {
        counters: true,
        ..geometry
    };
    assert!(
        section("Tables")
            .contains("the [bases](#counters), PC bytes more, lie between mirror 1 and room 0")
    );
    assert_eq!(counting.mirror(2), 3 * p * c);
    assert_eq!(counting.schema_room(0), 4 * p * c);
    assert_eq!(counting.total(), Some(words + p * c + 64 * q + r + CONTROL));
}

#[test]
fn the_words_of_a_row_lie_where_the_format_says() {
    let ours = [
        (offset_of!(RowWords, own), "own"),
        (offset_of!(RowWords, seq), "seq"),
        (offset_of!(RowWords, range), "range"),
        (offset_of!(RowWords, id), "id"),
        (offset_of!(RowWords, owner), "owner"),
        (offset_of!(RowWords, schema), "schema"),
    ];
    let rows = table("Row words");
    let theirs: Vec<(usize, &str)> = rows
        .iter()
        .map(|row| (row[0].parse().expect("an offset"), &*row[2]))
        .collect();
    assert_eq!(theirs, ours);
    assert!(rows.iter().all(|row| row[1] == "`u64`"));
}

#[test]
fn the_word_of_a_row_has_the_bits_that_the_format_says() {
    let rows = table("own");
    let [claim, life, generation] = &rows[..] else {
        panic!("{rows:?}");
    };
    let none = Claim { word: 0 };
    let of = |row: &Vec<String>| {
        let range = bits(&row[0]).expect("bits");
        (u64::MAX >> (64 - (range.end - range.start))) << range.start
    };
    let all = Claim { word: u32::MAX };
    assert_eq!(Own::of(all, Life::Free, 0).0, of(claim));
    assert_eq!(Own::of(none, Life::Free, u64::MAX).0, of(generation));
    let lives = life[1].strip_prefix("life: ").expect("`life: …`");
    let lives: Vec<String> = lives.split(", ").map(str::to_owned).collect();
    let ours = Life::ALL.map(|life| {
        let word = Own::of(none, life, 0).0;
        assert_eq!(word & of(&rows[1]), word);
        assert_eq!(Own(word).life(), life);
        format!("{} {life:?}", word >> 32).to_lowercase()
    });
    assert_eq!(lives, ours);
}

#[test]
fn the_state_has_the_bits_that_the_format_says() {
    let rows = table("state");
    let [life, generation] = &rows[..] else {
        panic!("{rows:?}");
    };
    let (first, last) = (State(mask(0..8)), State(mask(8..32)));
    assert_eq!(bits(&life[0]), Some(0..8));
    assert_eq!(bits(&generation[0]), Some(8..32));
    assert_eq!(State(last.0).removed().0 & last.0, last.0, "{generation:?}");
    assert_eq!([0, 1, 2].map(|of| State(of << 8 | 1).room()), [0, 1, 0]);
    assert!(!first.is_ready() && State(last.0 | 1).is_ready());
    let lives = life[1].split_once(": ").expect("`life: …`").1;
    let lives: Vec<(u32, &str)> = lives
        .split(", ")
        .filter_map(|life| life.split_once(' '))
        .filter_map(|(number, name)| Some((number.parse().ok()?, name)))
        .collect();
    assert!(lives.len() >= 3, "{lives:?}");
    for (number, name) in lives {
        let name = name.split(' ').next().unwrap_or_default();
        let ours = match name {
            "newborn" => State::NEWBORN,
            "ready" => State::READY,
            "removed" => State::NEWBORN.removed(),
            "adopted" => State::ADOPTED,
            "reserved" => {
                assert!(!State(number).is_ready());
                continue;
            }
            _ => panic!("a life that this test does not know: {name}"),
        };
        assert_eq!(State(number), ours, "{name}");
    }
}

#[test]
fn records_have_the_bits_that_the_format_says() {
    let rows = table("Records");
    let ranges: Vec<_> = rows.iter().filter_map(|row| bits(&row[0])).collect();
    let [pid, start, space, image] = &ranges[..] else {
        panic!("{ranges:?}");
    };
    let of =
        |range: &std::ops::Range<u32>| ((1_u64 << (range.end - range.start)) - 1) << range.start;
    let whole = of(pid) | of(start) | of(space) | of(image);
    assert_eq!(whole, u64::MAX);
    for (range, record) in [
        (pid, Record::of(u64::MAX, 0, 0, 0)),
        (start, Record::of(0, u64::MAX, 0, 0)),
        (space, Record::of(0, 0, u64::MAX, 0)),
        (image, Record::of(0, 0, 0, 0xff)),
    ] {
        assert_eq!(record.0, of(range));
    }
}

#[test]
fn lock_and_claims_have_the_bits_that_the_format_says() {
    let ranges = |heading| -> Vec<_> {
        let rows = table(heading);
        rows.iter().filter_map(|row| bits(&row[0])).collect()
    };
    let claim = |slot, number, image| Claim::new(slot, number, image).word;
    let slots = ranges("Slots");
    let [slot, number, image] = &slots[..] else {
        panic!("{slots:?}");
    };
    assert_eq!(claim(mask(slot.clone()) - 1, 0, 0), mask(slot.clone()));
    assert_eq!(claim(0, u32::MAX, 0) - 1, mask(number.clone()));
    assert_eq!(claim(0, 0, u32::MAX) - 1, mask(image.clone()));
    let lock = ranges("lock");
    let [owner, rest, waiters] = &lock[..] else {
        panic!("{lock:?}");
    };
    assert_eq!(owner, slot);
    assert_eq!(
        mask(rest.clone()),
        mask(number.clone()) | mask(image.clone())
    );
    assert_eq!(mask(waiters.clone()), WAITERS);
    assert_eq!(table("lock")[0], ["all 0", "free"]);
}
