//! Moves in bad company: other programs' segments in the way, strangers, carriers that lie.
#![allow(clippy::unwrap_used, reason = "a test may")]

use shm_core::sysv::{Kind, Mode, shm};
use shm_core::{Error, Key, SharedBox, SharedView};
use shm_tests::attack::{Attacker, Stroke};
use shm_tests::every_call::{LIMIT, Tally, every_call};
use shm_tests::{
    Guard, Memory, NOBODY, Peer, Small, SmallGrown, Stop, carrier_key, dies, may_change_user,
    own_ipc_namespace,
};

const PEER: &str = env!("CARGO_BIN_EXE_peer");

fn small(number: u64) -> Small {
    Small { words: [number; 8] }
}

fn find(key: Key) -> Option<shm::Id> {
    shm::get(key, 0, shm::GetFlags::NONE, Mode::new(0)).ok()
}

fn assert_moved(guard: &Guard) {
    assert_eq!(find(carrier_key(guard.key())), None, "a carrier is left");
}

#[test]
fn another_programs_segment_under_the_carriers_key_stops_the_move_before_it_begins() {
    let guard = Guard::new();
    let shared = SharedBox::<u64>::create_new(guard.key(), 1).unwrap();
    let flags = shm::GetFlags::CREATE | shm::GetFlags::EXCLUSIVE;
    for size in [8, 4096] {
        let id = shm::get(carrier_key(guard.key()), size, flags, Mode::new(0o600)).unwrap();
        let memory = Memory::attach(guard.watch(id));
        memory.write(0, &[7; 8]);
        let before = memory.bytes();
        let error = SharedBox::<u64>::options()
            .capacity(4096)
            .migrate(guard.key())
            .unwrap_err();
        assert!(
            matches!(error, Error::Occupied { needed, .. } if needed == carrier_key(guard.key())),
            "{error:?}"
        );
        assert!(
            error
                .to_string()
                .contains(&carrier_key(guard.key()).to_string()),
            "{error}"
        );
        assert_eq!(memory.bytes(), before);
        assert_eq!(shared.set(1).unwrap(), shared.version());
        shm::remove(id).unwrap();
    }
    let moved = SharedBox::<u64>::options()
        .capacity(4096)
        .migrate(guard.key());
    assert_eq!(moved.unwrap().get().unwrap(), 1);
    guard.memory();
}

/// One of ours, as it happens: its key follows from the other's.
#[test]
fn a_segment_of_this_library_under_the_carriers_key_is_left_alone_too() {
    let guard = Guard::new();
    let _shared = SharedBox::<u64>::create_new(guard.key(), 1).unwrap();
    let other = SharedBox::<u64>::options()
        .remove_on_drop(true)
        .create_new(carrier_key(guard.key()), 5)
        .unwrap();
    let error = SharedBox::<u64>::options()
        .capacity(4096)
        .migrate(guard.key())
        .unwrap_err();
    assert!(matches!(error, Error::Occupied { .. }), "{error:?}");
    assert_eq!(other.set(6).unwrap(), 2);
}

/// The segment of another program that comes in the gap stands in the way, and nothing is lost.
#[test]
fn who_makes_a_segment_in_the_gap_does_not_make_the_value_vanish() {
    let guard = Guard::new();
    let old = SharedBox::create_new(guard.key(), small(5)).unwrap();
    let version = old.set(small(6)).unwrap();
    guard.memory();
    let gap = Stop {
        point: "move: old removed".to_owned(),
        pass: 1,
    };
    assert!(dies("migrate", &guard, 64, 0, Some(&gap)));
    let zeros = guard.foreign(1000);
    let carrier = shm::get(
        carrier_key(guard.key()),
        0,
        shm::GetFlags::NONE,
        Mode::new(0),
    )
    .unwrap();
    guard.watch(carrier);
    // Nobody can take it for a segment of his own meanwhile.
    let error = SharedBox::<Small>::open(carrier_key(guard.key())).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("carries the value of another key"),
        "{error}"
    );
    let error = SharedBox::<Small>::open(guard.key()).unwrap_err();
    assert!(matches!(error, Error::Foreign { .. }), "{error:?}");
    shm::remove(zeros.id()).unwrap();
    let seen = SharedView::<Small>::open(guard.key())
        .unwrap()
        .snapshot()
        .unwrap();
    assert_eq!((seen.value, seen.version), (small(6), version));
    guard.memory();
    assert_moved(&guard);
    drop(old);
}

/// The same for one of the right size, which is to be adopted.
#[test]
fn what_is_made_in_the_gap_is_not_adopted_over_the_value() {
    let guard = Guard::new();
    let _old = SharedBox::create_new(guard.key(), small(5)).unwrap();
    guard.memory();
    let gap = Stop {
        point: "move: old removed".to_owned(),
        pass: 1,
    };
    assert!(dies("migrate", &guard, 64, 0, Some(&gap)));
    let _zeros = guard.foreign(SharedBox::<SmallGrown>::segment_size().unwrap());
    let shared = SharedBox::<SmallGrown>::options()
        .adopt(true)
        .open(guard.key())
        .unwrap();
    assert_eq!(
        shared.get().unwrap(),
        SmallGrown {
            words: [5; 8],
            more: [77; 4]
        }
    );
    guard.memory();
    assert_moved(&guard);
}

#[test]
fn only_who_may_remove_the_segment_may_move_it() {
    if !may_change_user("only_who_may_remove_the_segment_may_move_it") {
        return;
    }
    let guard = Guard::new();
    let shared = SharedBox::<u64>::options()
        .mode(0o666)
        .create_new(guard.key(), 5)
        .unwrap();
    let user = NOBODY.to_string();
    let line = Peer::start(PEER, ["--user", &user, "migrate", &guard.arg()]).succeed();
    assert!(line.contains("may"), "{line}");
    assert_eq!(shared.get().unwrap(), 5);
    assert_moved(&guard);
    // Root moves another user's, and leaves it to him.
    shm::set(shared.id(), NOBODY, NOBODY, Mode::new(0o640)).unwrap();
    let moved = SharedBox::<u64>::options()
        .owner(shm_core::Owner::User(NOBODY))
        .capacity(4096)
        .migrate(guard.key())
        .unwrap();
    guard.memory();
    let stat = moved.info().unwrap();
    assert_eq!(
        (stat.uid, stat.gid, stat.mode),
        (NOBODY, NOBODY, Mode::new(0o640))
    );
    let line = Peer::start(PEER, ["--user", &user, "open", &guard.arg()]).succeed();
    assert_eq!(line.trim_end(), "5");
}

/// It used to be told to remove what it can't see under the key.
#[test]
fn who_may_not_end_a_move_is_told_who_may() {
    if !may_change_user("who_may_not_end_a_move_is_told_who_may") {
        return;
    }
    let guard = Guard::new();
    let _old = SharedBox::<Small>::options()
        .mode(0o644)
        .create_new(guard.key(), small(5))
        .unwrap();
    guard.memory();
    let gap = Stop {
        point: "move: old removed".to_owned(),
        pass: 1,
    };
    assert!(dies("migrate", &guard, 64, 0, Some(&gap)));
    guard.watch(find(carrier_key(guard.key())).unwrap());
    let user = NOBODY.to_string();
    let said = Peer::start(PEER, ["--user", &user, "try-view", &guard.arg(), "20"]).succeed();
    assert!(said.contains("began to move its value"), "{said}");
    assert!(said.contains("as the segment's owner or root"), "{said}");
    assert!(!said.contains("ipcrm"), "{said}");
    // As it said.
    assert_eq!(
        SharedView::<Small>::open(guard.key())
            .unwrap()
            .get()
            .unwrap(),
        small(5)
    );
    guard.memory();
    assert_moved(&guard);
}

/// It used to take the lock, and to remove what a dead mover left, before it looked at the schema.
#[test]
fn a_program_that_is_refused_changes_nothing_after_a_dead_mover_either() {
    let guard = Guard::new();
    let shared = SharedBox::create_new(guard.key(), small(5)).unwrap();
    let stop = Stop {
        point: "move: carrier whole".to_owned(),
        pass: 1,
    };
    assert!(dies("migrate", &guard, 64, 0, Some(&stop)));
    let carrier = guard.watch(find(carrier_key(guard.key())).unwrap());
    let memory = guard.memory();
    let before = memory.bytes();
    for error in [
        SharedBox::<u64>::open(guard.key()).map(drop).unwrap_err(),
        SharedBox::<SmallGrown>::open(guard.key())
            .map(drop)
            .unwrap_err(),
    ] {
        assert!(
            matches!(error, Error::Mismatch { .. } | Error::NeedsUpgrade { .. }),
            "{error:?}"
        );
        assert_eq!(memory.bytes(), before);
        assert_eq!(find(carrier_key(guard.key())), Some(carrier));
    }
    drop(SharedBox::<Small>::open(guard.key()).unwrap());
    assert_moved(&guard);
    assert_eq!(shared.get().unwrap(), small(5));
}

/// A carrier in force that a stranger has put there is none.
#[test]
fn a_strangers_carrier_brings_no_value() {
    if !may_change_user("a_strangers_carrier_brings_no_value") {
        return;
    }
    let guard = Guard::new();
    let _old = SharedBox::create_new(guard.key(), small(5)).unwrap();
    guard.memory();
    let gap = Stop {
        point: "move: old removed".to_owned(),
        pass: 1,
    };
    assert!(dies("migrate", &guard, 64, 0, Some(&gap)));
    let id = shm::get(
        carrier_key(guard.key()),
        0,
        shm::GetFlags::NONE,
        Mode::new(0),
    )
    .unwrap();
    guard.watch(id);
    shm::set(id, NOBODY, NOBODY, Mode::new(0o610)).unwrap();
    let error = SharedBox::<Small>::open(guard.key()).unwrap_err();
    assert!(
        matches!(&error, Error::System { source, .. } if source.kind() == Kind::NotFound),
        "{error:?}"
    );
    let anew = SharedBox::open_or_create(guard.key(), || small(9)).unwrap();
    assert_eq!((anew.get().unwrap(), anew.created()), (small(9), true));
}

/// Whatever somebody with write access makes of a carrier: each call is an error or a value, and
/// none hangs.
#[test]
fn a_carrier_that_lies_is_an_error_or_a_value() {
    if !own_ipc_namespace() {
        eprintln!("SKIPPED: no IPC namespace of its own is to be had");
        return;
    }
    let rounds = if std::env::var_os("SHM_FULL").is_some() {
        5000
    } else {
        150
    };
    let mut noise = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        noise ^= noise << 13;
        noise ^= noise >> 7;
        noise ^= noise << 17;
        noise
    };
    let points = [
        "move: carrier whole",
        "move: old says moved",
        "move: old removed",
        "move: successor made",
        "move: successor filled",
        "move: carrier delivered",
        "move: successor ready",
    ];
    let mut tally = Tally::new(LIMIT);
    for round in 0..rounds {
        let guard = Guard::new();
        let old = SharedBox::create_new(guard.key(), small(5)).unwrap();
        guard.memory();
        let stop = Stop {
            point: points[round % points.len()].to_owned(),
            pass: 1,
        };
        assert!(dies("migrate", &guard, 64, 0, Some(&stop)));
        let carrier = guard.watch(find(carrier_key(guard.key())).unwrap());
        let attacker = Attacker::new(carrier);
        for _ in 0..1 + round / points.len() % 4 {
            let random = next();
            let word = random as usize % Attacker::words();
            attacker.strike(&match random >> 60 {
                0 => Stroke::RemoveSet,
                1 => Stroke::OtherSet((random >> 16) as u8),
                2 => Stroke::Room((random >> 8) as usize, random >> 16),
                3 => Stroke::Semaphore((random >> 8) as u16, (random >> 24) as u16 % 3),
                4 => Stroke::Byte((random >> 8) as u32, random as u8),
                _ => Stroke::Word(word, attacker.plausible(word, random)),
            });
        }
        every_call::<Small>(&mut tally, Some(guard.key()), old.id());
        every_call::<Small>(&mut tally, Some(carrier_key(guard.key())), carrier);
    }
    println!(
        "{rounds} rounds: {} good, {} refused, longest {:?}",
        tally.good, tally.refused, tally.longest
    );
}
