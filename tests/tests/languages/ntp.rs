//! NTP's shared clock, whose protocols are a few accesses in a stated order: the example's side of them against C at full
//! speed in both roles, and the example against `chronyd` and `ntpshmmon`.

use std::process::{Command, Stdio};
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use shm_core::field;
use shm_tests::{Compiler, Peer, in_own_ipc_namespace};

#[path = "../../../examples/ntp_shm/unit.rs"]
mod unit;

use unit::{Mode, Sample, ShmTime, Unit};

/// A unit that each user may use.
const UNIT: u8 = 2;
const KEY: &str = "0x4e545032";

fn full() -> bool {
    std::env::var_os("SHM_FULL").is_some()
}

/// How many samples go through.
fn count() -> i64 {
    if full() { 9_000_000 } else { 400_000 }
}

fn sample(number: i64) -> Sample {
    let at = (number, (number % 1_000_000_000) as u32);
    Sample {
        clock: at,
        receive: at,
        leap: (number % 4) as i32,
        precision: -((number % 30) as i32),
    }
}

fn c(mode: Mode, role: &str, count: i64) -> Peer {
    let compiler = Compiler::widths()[0];
    let out = env!("CARGO_TARGET_TMPDIR");
    let program =
        compiler.compile_with_header(out, "ntp.c", ("none.h", ""), &["-D_DEFAULT_SOURCE"]);
    let (mode, count) = ((mode as i32).to_string(), count.to_string());
    let mut peer = Peer::start(program.to_str().unwrap(), [KEY, &mode, role, &count]);
    peer.expect("ready");
    peer
}

#[test]
fn the_struct_lies_where_ntpd_has_it() {
    assert_eq!(size_of::<ShmTime>(), 96);
    assert_eq!(field!(ShmTime.receive_seconds).offset(), 24);
    assert_eq!(field!(ShmTime.valid).offset(), 48);
    assert_eq!(field!(ShmTime.dummy).offset(), 60);
}

#[test]
fn a_unit_has_the_mode_of_its_number() {
    in_own_ipc_namespace(|| {
        for (number, mode) in [(0, 0o600), (1, 0o600), (2, 0o666), (3, 0o666)] {
            let unit = Unit::open(number).unwrap();
            let info = unit.0.info().unwrap();
            assert_eq!((info.mode.bits(), info.size), (mode, 96));
        }
    });
}

#[test]
fn samples_that_c_counts_are_taken_whole_and_none_is_overwritten() {
    in_own_ipc_namespace(|| {
        let mut feeder = c(Mode::Count, "feed", i64::MAX);
        let unit = Unit::open(UNIT).unwrap();
        feeder.tell("");
        let (mut taken, mut torn, mut newest) = (0, 0, 0);
        while taken < count() / 50 || full() && newest < count() {
            if let Some(seen) = unit.take().unwrap() {
                (taken, newest) = (taken + 1, seen.clock.0);
                torn += u64::from(seen != sample(newest));
            }
        }
        unit.0.store(field!(ShmTime.dummy[0]), 1, Relaxed).unwrap();
        let fed = unit.copy().unwrap().clock.0;
        let said = feeder.succeed();
        println!("C feeds {fed} counted samples: {taken} taken, {torn} torn, {said}");
        assert_eq!((said.trim(), torn), ("overwritten 0", 0));
    });
}

#[test]
fn counted_samples_are_taken_whole_by_c_and_none_is_overwritten() {
    in_own_ipc_namespace(|| {
        let mut reader = c(Mode::Count, "read", count());
        let unit = Unit::open(UNIT).unwrap();
        reader.tell("");
        let mut overwritten = 0;
        for number in 1..=count() {
            assert!(unit.feed(Mode::Count, &sample(number)).unwrap());
            overwritten += u64::from(unit.copy().unwrap() != sample(number));
        }
        // Its acknowledgement of the one before may have met the last one.
        while !reader.has_ended() {
            unit.feed(Mode::Count, &sample(count())).unwrap();
        }
        let said = reader.succeed();
        println!(
            "C reads {} counted samples: {said}{overwritten} overwritten",
            count()
        );
        assert!(said.contains("torn 0 ") && overwritten == 0, "{said}");
    });
}

#[test]
fn in_turns_every_sample_goes_through_once_in_both_directions() {
    let count = count() / 100;
    in_own_ipc_namespace(|| {
        let mut feeder = c(Mode::Turns, "feed", count);
        let unit = Unit::open(UNIT).unwrap();
        feeder.tell("");
        for number in 1..=count {
            let seen = loop {
                if let Some(seen) = unit.take().unwrap() {
                    break seen;
                }
                std::thread::yield_now();
            };
            assert_eq!(seen, sample(number));
        }
        feeder.succeed();

        let mut reader = c(Mode::Turns, "read", count);
        reader.tell("");
        for number in 1..=count {
            while !unit.feed(Mode::Turns, &sample(number)).unwrap() {
                std::thread::yield_now();
            }
        }
        assert_eq!(
            reader.succeed().trim(),
            format!("taken {count} torn 0 lost 0")
        );
    });
}

/// The test above would notice: an acknowledgement that stores the whole value puts an old sample over a new one.
#[test]
fn an_acknowledgement_by_the_whole_value_overwrites_samples() {
    in_own_ipc_namespace(|| {
        let unit = Unit::open(UNIT).unwrap();
        let raw = &unit.0;
        let limit = Instant::now() + Duration::from_secs(120);
        let mut overwritten = 0;
        while overwritten == 0 {
            assert!(Instant::now() < limit, "no sample was overwritten");
            let mut feeder = c(Mode::Count, "feed", 100_000);
            feeder.tell("");
            while !feeder.has_ended() {
                for _ in 0..10_000 {
                    let mut seen = raw.get().unwrap();
                    if seen.valid != 0
                        && raw.load(field!(ShmTime.count), Relaxed).unwrap() == seen.count
                    {
                        seen.valid = 0;
                        raw.set(seen);
                    }
                }
            }
            let said = feeder.succeed();
            overwritten = said
                .trim()
                .strip_prefix("overwritten ")
                .unwrap()
                .parse::<u64>()
                .unwrap();
            println!("with `set`: {overwritten} of 100000 overwritten");
        }
    });
}

/// Whether a program of Debian's is there; says so if it is not.
fn there(test: &str, program: &str) -> bool {
    let found = Command::new("sh")
        .args(["-c", &format!("PATH=$PATH:/usr/sbin command -v {program}")])
        .stdout(Stdio::null())
        .status();
    let there = found.is_ok_and(|status| status.success());
    if !there {
        eprintln!("SKIPPED: {test}: no {program} here");
    }
    there
}

/// Feeds a unit by the example while a program runs; what that one prints.
fn beside_a_feeder(mode: &str, script: &str) -> String {
    let mut feeder = Peer::start(env!("CARGO_BIN_EXE_ntp_shm"), ["2", mode, "100000", "50"]);
    // The first one may be refused: what an earlier feeder left was not read.
    assert_ne!(feeder.line(), "");
    let script = format!("PATH=$PATH:/usr/sbin; exec 2>&1; {script}");
    let output = Command::new("sh").args(["-c", &script]).output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{output:?}");
    assert!(!feeder.has_ended());
    feeder.kill();
    printed
}

#[test]
fn chronyd_takes_what_the_example_feeds_in_both_modes() {
    if !there(
        "chronyd_takes_what_the_example_feeds_in_both_modes",
        "chronyd",
    ) {
        return;
    }
    in_own_ipc_namespace(|| {
        for mode in ["feed", "turns"] {
            // It sets no clock, and ends by itself once it knows the offset, which is that of this machine to itself.
            let said = beside_a_feeder(
                mode,
                "chronyd -U -x -Q -t 60 'refclock SHM 2:perm=0666 refid TEST poll 0 dpoll -4 filter 4'",
            );
            println!("{mode}: {said}");
            assert!(said.contains("System clock wrong by"), "{said}");
        }
    });
}

#[test]
fn ntpshmmon_shows_what_the_example_feeds() {
    if !there("ntpshmmon_shows_what_the_example_feeds", "ntpshmmon") {
        return;
    }
    in_own_ipc_namespace(|| {
        let said = beside_a_feeder("feed", "ntpshmmon -n 5 -t 60");
        println!("{said}");
        let samples = said.lines().filter(|line| line.starts_with("sample NTP2 "));
        assert_eq!(samples.count(), 5, "{said}");
    });
}

#[test]
fn the_example_reads_what_the_example_feeds() {
    in_own_ipc_namespace(|| {
        for mode in ["feed", "turns"] {
            let mut reader = Peer::start(env!("CARGO_BIN_EXE_ntp_shm"), ["2", "read", "3"]);
            let mut feeder = Peer::start(env!("CARGO_BIN_EXE_ntp_shm"), ["2", mode, "100000", "5"]);
            let said = reader.succeed();
            feeder.kill();
            assert_eq!(
                said.lines()
                    .filter(|line| line.starts_with("clock "))
                    .count(),
                3,
                "{said}"
            );
            feeder.finish();
        }
    });
}
