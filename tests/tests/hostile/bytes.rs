//! A peer that overwrites anything: no call crashes, panics, hangs or yields what is no value. Each
//! attack has a process of its own, so that a crash is a failed test. `SHM_FULL=1` makes the long
//! run.

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Once;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use shm_core::sysv::{Mode, shm};
use shm_core::{ErrorKind, SharedBox, SharedLayout, SharedView};
use shm_tests::attack::{Attacker, Stroke};
use shm_tests::every_call::{Large, Plain};
use shm_tests::{Guard, Memory};

const VICTIM: &str = env!("CARGO_BIN_EXE_victim");
const TYPES: [&str; 6] = ["plain", "strict", "padded", "large", "earlier", "later"];

fn full() -> bool {
    std::env::var_os("SHM_FULL").is_some_and(|value| value == "1")
}

/// Runs the victim; what it printed, or how it ended.
fn victim(arguments: &[&str], input: &str) -> Result<String, String> {
    let mut child = Command::new(VICTIM)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // One that skips the attack, or dies of it, reads no more: how it ended tells.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let complaint = String::from_utf8_lossy(&output.stderr);
    if output.status.success() {
        if said.starts_with("SKIPPED") {
            static ONCE: Once = Once::new();
            ONCE.call_once(|| eprint!("{said}"));
        }
        Ok(said.into_owned())
    } else {
        Err(format!(
            "{arguments:?} ended with {}: {complaint}",
            output.status
        ))
    }
}

fn stroke() -> impl Strategy<Value = Stroke> {
    let near = |value: u64| (value.saturating_sub(2)..=value.saturating_add(2)).boxed();
    let sizes = [
        0,
        64,
        128,
        512,
        1024,
        2560,
        65_536,
        1 << 32,
        u64::MAX / 3,
        1 << 63,
        u64::MAX,
    ];
    let plausible = prop_oneof![
        proptest::sample::select(sizes.to_vec()).prop_flat_map(near),
        (0_u64..2048).prop_map(|lines| lines * 64),
        (0_u64..4).prop_map(|small| small | 0xffff_ff00),
        any::<u64>(),
        0_u64..300,
        // Slot 1 to 300 with a generation and the waiters' bit: an owner that was never born.
        (1_u64..300, any::<u32>())
            .prop_map(|(slot, high)| slot | u64::from(high) << 10 & 0xffff_fc00),
    ];
    // Words 0 to 12 of the control block but the set's id, which might be another program's outside of a
    // namespace.
    let word = (0..Attacker::words()).prop_filter("the set is for OtherSet", |index| *index != 6);
    prop_oneof![
        3 => (any::<u32>(), any::<u8>()).prop_map(|(at, value)| Stroke::Byte(at, value)),
        4 => any::<u32>().prop_map(Stroke::Flip),
        8 => (word, plausible.clone()).prop_map(|(index, value)| Stroke::Word(index, value)),
        3 => (0_usize..6, plausible).prop_map(|(index, value)| Stroke::Room(index, value)),
        2 => (any::<u16>(), any::<u16>()).prop_map(|(index, value)| Stroke::Semaphore(index, value)),
        1 => Just(Stroke::RemoveSet),
        1 => Just(Stroke::GiveSetAway),
        1 => (0_u8..3).prop_map(Stroke::OtherSet),
        1 => Just(Stroke::RemoveSegment),
    ]
}

#[test]
fn after_any_strokes_each_call_is_an_error_or_a_valid_value() {
    const ATTACKS: usize = 16;
    let config = Config {
        cases: if full() { 4000 } else { 30 },
        failure_persistence: None,
        ..Config::default()
    };
    let attacks = prop::collection::vec(prop::collection::vec(stroke(), 1..6), 1..=ATTACKS);
    let run = TestRunner::new(config).run(
        &(prop::sample::select(TYPES.to_vec()), attacks),
        |(kind, attacks)| {
            let lines = |strokes: &Vec<Stroke>| {
                strokes
                    .iter()
                    .map(|stroke| format!("{stroke}\n"))
                    .collect::<String>()
            };
            let input = attacks
                .iter()
                .map(lines)
                .collect::<Vec<_>>()
                .join("again\n");
            victim(&["struck", kind], &input)
                .map(drop)
                .map_err(TestCaseError::fail)
        },
    );
    if let Err(failure) = run {
        panic!("{failure}");
    }
}

#[test]
fn under_strokes_that_never_end_each_call_ends_as_an_error_or_a_valid_value() {
    let rounds = if full() { "40" } else { "1" };
    for mode in 0..12 {
        for (seed, kind) in TYPES.iter().enumerate() {
            // The short run meets each way with half of the types, and each type with half of the ways.
            if !full() && (mode + seed) % 2 == 1 {
                continue;
            }
            let said = victim(
                &[
                    "storm",
                    kind,
                    &mode.to_string(),
                    &(seed + 1).to_string(),
                    rounds,
                ],
                "",
            );
            match said {
                Ok(said) => eprint!("storm {mode} on {kind}: {said}"),
                Err(end) => panic!("storm {mode}: {end}"),
            }
        }
    }
}

#[test]
fn every_word_of_the_header_at_its_borders_is_refused_or_harmless() {
    let mut input = Vec::new();
    let sizes = [
        0,
        1,
        63,
        64,
        65,
        512,
        1024,
        1 << 31,
        1 << 32,
        u64::MAX / 3 + 1,
        1 << 63,
        u64::MAX - 63,
        u64::MAX,
    ];
    for index in (0..Attacker::words()).filter(|index| *index != 6) {
        input.extend(sizes.map(|value| format!("word {index} {value}\n")));
    }
    // Sizes that add up to the segment's, other than the real ones: 3 * capacity + 2 * room + 8 * slots
    // (rounded up to a multiple of 64) + 320.
    for (capacity, room, slots) in [
        (448, 64, 248),
        (320, 256, 248),
        (0, 736, 248),
        (1 << 63, 736, 248),
        (u64::MAX - 63, 832, 248),
        (960, 256, 1),
        (64, 1600, 8),
        (128, 512, 256),
        (128, 1536, 0),
    ] {
        input.push(format!(
            "word 3 {capacity}\nword 4 {room}\nword 13 {slots}\n"
        ));
    }
    for index in 0..6 {
        input.extend(sizes.map(|value| format!("room {index} {value}\n")));
    }
    for (index, kind) in TYPES.iter().enumerate() {
        let mine = input
            .iter()
            .skip(index)
            .step_by(if full() { 1 } else { TYPES.len() });
        let mine: Vec<&str> = mine.map(String::as_str).collect();
        victim(&["struck", kind], &mine.join("again\n")).unwrap();
    }
}

#[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
#[repr(C)]
struct Words {
    a: [u64; 8],
}

#[test]
fn a_schema_whose_header_lies_is_refused_or_read_as_what_the_header_says() {
    let guard = Guard::new();
    let shared = SharedBox::<Plain>::create_new(guard.key(), [7; 8]).unwrap();
    let room = 3 * shared.capacity();
    drop(shared);
    let memory = guard.memory();
    let good = memory.bytes();
    let fingerprint = u64::from_ne_bytes(memory.read(room, 8).try_into().unwrap());
    // The fingerprint of another layout over this one's tree: the program of that layout takes the
    // header's word, and any bytes are its value.
    memory.store(room, <Words as SharedLayout>::FINGERPRINT.to_bits(), 8);
    assert_eq!(
        SharedBox::<Words>::open(guard.key())
            .unwrap()
            .get()
            .unwrap(),
        Words { a: [7; 8] }
    );
    // The tree says that it is this layout, the header does not.
    let error = SharedBox::<Plain>::open(guard.key()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Damaged, "{error}");
    memory.store(room, fingerprint, 8);
    for (at, value) in [(8, 0), (8, 63), (8, 65), (8, 1 << 40), (8, u64::MAX)] {
        memory.write(0, &good);
        memory.store(room + at, value, 8);
        let error = SharedBox::<Plain>::open(guard.key()).unwrap_err();
        assert!(error.kind() == ErrorKind::Damaged, "{value}: {error:?}");
    }
    for len in [0, 1, 991, 993, 1 << 20, 1 << 40, u64::MAX - 31, u64::MAX] {
        memory.write(0, &good);
        memory.store(room + 16, len, 8);
        // Who needs the tree only for a message does not look at its length.
        assert!(SharedBox::<Plain>::open(guard.key()).is_ok());
        let error = SharedBox::<Words>::open(guard.key()).unwrap_err();
        assert!(error.kind() == ErrorKind::Damaged, "{len}: {error:?}");
    }
}

#[test]
fn a_schema_room_as_large_as_the_segment_costs_no_memory() {
    let guard = Guard::new();
    let Ok(size) = usize::try_from(3 * 64 + 2 * (1 << 36) + 1984 + 320_u64) else {
        eprintln!("SKIPPED: no address of 32 bits reaches so far");
        return;
    };
    // Without memory behind it, where the kernel gives that much address space.
    let flags = shm::GetFlags::CREATE | shm::GetFlags::EXCLUSIVE | shm::GetFlags::NORESERVE;
    let Ok(id) = shm::get(guard.key(), size, flags, Mode::new(0o600)) else {
        eprintln!("SKIPPED: no segment of {size} bytes is to be had");
        return;
    };
    let memory = Memory::attach(guard.watch(id));
    for (from_end, value) in [
        (320, u64::from_le_bytes(*b"SHMBOX\x1a\n")),
        (312, 1),
        (304, 64),
        (296, 1 << 36),
        (280, 248),
        (184, 1),
    ] {
        memory.store(
            size - from_end,
            value,
            if from_end % 8 == 0 && value > 1 { 8 } else { 4 },
        );
    }
    let error = SharedBox::<Plain>::open(guard.key()).unwrap_err();
    assert!(error.kind() == ErrorKind::Damaged, "{error:?}");
    let resident = |line: &str| {
        line.strip_prefix("VmHWM:")
            .and_then(|rest| rest.trim().strip_suffix(" kB")?.parse().ok())
    };
    let peak: u64 = std::fs::read_to_string("/proc/self/status")
        .unwrap()
        .lines()
        .find_map(resident)
        .unwrap();
    assert!(peak < 2_000_000, "{peak} kB were needed to say no");
}

#[test]
fn segments_too_small_or_odd_for_a_control_block_are_foreign() {
    for size in [
        1, 63, 64, 128, 319, 320, 321, 384, 448, 512, 576, 639, 641, 4095,
    ] {
        let guard = Guard::new();
        let memory = guard.foreign(size);
        for from_end in [320, 256, 192, 64] {
            if size >= from_end {
                memory.write(size - from_end, b"SHMBOX\x1a\n");
            }
        }
        if size >= 184 {
            memory.write(size - 184, &[1]);
        }
        for error in [
            SharedBox::<Plain>::open(guard.key()).unwrap_err(),
            SharedBox::<Large>::open_or_create(guard.key(), || [0; 8192]).unwrap_err(),
            SharedView::<Plain>::open(guard.key()).unwrap_err(),
        ] {
            let expected = matches!(
                error.kind(),
                ErrorKind::Foreign | ErrorKind::Damaged | ErrorKind::Format
            );
            assert!(expected, "{size}: {error:?}");
        }
    }
}
