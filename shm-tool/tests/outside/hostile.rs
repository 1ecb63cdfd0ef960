//! Segments that a peer has scribbled over: no command dies of one, or passes on what would move a cursor.

use shm_core::{RawBox, SharedBox};

use crate::space::*;

/// Every command that looks into a segment.
const COMMANDS: &[&str] = &[
    "ls",
    "ls --json",
    "ls -s",
    "show 0x1234",
    "show 0x1234 --json",
    "show 0x1234 --raw",
    "show 0x1234 pid",
    "show 0x1234 [1]",
    "stat 0x1234",
    "stat 0x1234 --json",
    "schema 0x1234",
    "schema 0x1234 --format c",
    "schema 0x1234 --format python",
    "schema 0x1234 --format json",
    "who 0x1234",
    "who 0x1234 --json",
    "watch 0x1234 -n 0",
    "watch 0x1234 -n 0 --json",
    "wait 0x1234 --timeout 0",
    "doctor",
    "doctor 0x1234 --json",
    "diff 0x1234 0x1234",
    "unlock 0x1234 --timeout 0",
    "set 0x1234 pid=1 --timeout 0",
    "dump 0x1234 /dev/null/none",
    "rm --dry-run --force 0x1234",
];

fn survives_all(what: &str) {
    for arguments in COMMANDS {
        let ran = shm(arguments);
        assert!(
            [0, 1, 4, 5, 6, 8].contains(&ran.code),
            "{arguments}, {what}: {} {}",
            ran.code,
            ran.err
        );
        for text in [&ran.out, &ran.err] {
            let harmless = |c: char| matches!(c, '\n' | '\t') || !c.is_control();
            assert!(text.chars().all(harmless), "{arguments}, {what}: {text:?}");
        }
        assert!(
            ran.err.lines().count() <= 1,
            "{arguments}, {what}: {}",
            ran.err
        );
    }
}

#[test]
fn a_type_with_a_hostile_name_goes_through_every_command() {
    in_own_namespace!();
    let _shared = worker_box();
    let raw = RawBox::<[u8; SIZE]>::open(KEY).unwrap();
    let mut bytes = raw.get().unwrap();
    let name = b"Worker";
    let places: Vec<_> = (0..SIZE - name.len())
        .filter(|at| bytes[*at..].starts_with(name))
        .collect();
    assert!(!places.is_empty());
    for at in places {
        bytes[at..at + name.len()].copy_from_slice(b"\x1b[2J\n\x07");
    }
    raw.set(bytes);
    survives_all("a name");
}

const SIZE: usize = 3968;

#[test]
fn scribbled_words_and_bytes_go_through_every_command() {
    in_own_namespace!();
    assert_eq!(SharedBox::<Worker>::segment_size().unwrap(), SIZE);
    // Each part of the segment in turn: payload, mirrors, schema rooms, records, control block.
    for (i, at) in (0..SIZE).step_by(SIZE / 24).enumerate() {
        let shared = worker_box();
        let raw = RawBox::<[u8; SIZE]>::open(KEY).unwrap();
        let mut bytes = raw.get().unwrap();
        let len = 160.min(SIZE - at);
        for (j, byte) in bytes[at..at + len].iter_mut().enumerate() {
            *byte = [0xff, 0x1b, 0x00, 0x0a][(i + j) % 4];
        }
        raw.set(bytes);
        survives_all(&format!("from {at}"));
        drop(raw);
        drop(shared);
        let _ = shm("rm --force 0x1234");
    }
}

#[test]
fn a_scribbled_table_goes_through_every_command() {
    in_own_namespace!();
    let size = {
        let table = crate::tables::workers();
        let _seat = table.claim(crate::tables::LIMITS).unwrap();
        table.info().unwrap().size
    };
    // Each part in turn: rows, mirrors, schema rooms, row words, records, control block.
    for (i, at) in (0..size).step_by(size / 8).enumerate() {
        let _ = shm("rm --force 0x1234");
        let table = crate::tables::workers();
        let _seat = table.claim(crate::tables::LIMITS).unwrap();
        let mut options = RawBox::<[u8; 64]>::options();
        for at in (at..(at + size / 16).min(size - 64)).step_by(64) {
            let raw = options.offset(at).open(KEY).unwrap();
            let byte = [0xff, 0x1b, 0x01, 0x0a][i % 4];
            raw.set([byte; 64]);
        }
        survives_all(&format!("a table from {at}"));
    }
}
