//! Values that move to another segment under the same key while others use them.
//!
//! `stop_points/moves.rs` has the deaths. With `SHM_TESTS_FULL` in the environment the rounds are
//! as many as a release wants.
#![allow(clippy::unwrap_used, reason = "a test may")]

use std::collections::BTreeSet;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use shm_core::sysv::{Kind, Mode, shm};
use shm_core::{Error, Key, SharedBox, SharedLayout, SharedView};
use shm_tests::{
    Guard, Peer, Small, SmallGrown, Stop, carrier_key, dies, own_ipc_namespace, segments,
    semaphore_sets,
};

const PEER: &str = env!("CARGO_BIN_EXE_peer");

fn full() -> bool {
    std::env::var_os("SHM_TESTS_FULL").is_some()
}

fn small(number: u64) -> Small {
    Small { words: [number; 8] }
}

/// Moves the value to a segment with this capacity.
fn migrate<T: SharedLayout>(guard: &Guard, capacity: usize) -> SharedBox<T> {
    let moved = SharedBox::<T>::options()
        .capacity(capacity)
        .migrate(guard.key())
        .unwrap();
    guard.memory();
    moved
}

/// That nothing is left of the move but the segment under the key.
fn assert_moved(guard: &Guard) {
    let carrier = shm::get(
        carrier_key(guard.key()),
        0,
        shm::GetFlags::NONE,
        Mode::new(0),
    );
    assert!(carrier.is_err(), "a carrier is left");
}

#[test]
fn value_version_owner_mode_and_flags_stay_what_they_are() {
    let guard = Guard::new();
    let old = SharedBox::<u64>::options()
        .mode(0o640)
        .raw_writers(true)
        .create_new(guard.key(), 1)
        .unwrap();
    old.set(2).unwrap();
    let version = old.set(3).unwrap();
    let before = old.info().unwrap();
    guard.memory();
    let new = migrate::<u64>(&guard, 4096);
    let seen = new.snapshot().unwrap();
    assert_eq!((seen.value, seen.version), (3, version));
    assert_eq!((new.capacity(), new.created()), (4096, false));
    assert!(new.raw_writers());
    let after = new.info().unwrap();
    assert_eq!(
        (after.uid, after.gid, after.mode),
        (before.uid, before.gid, before.mode)
    );
    assert_ne!(new.id(), old.id());
    assert_moved(&guard);
    // And back to less.
    drop(old);
    assert_eq!(migrate::<u64>(&guard, 8).capacity(), 64);
    drop(new);
    SharedBox::<u64>::open(guard.key())
        .unwrap()
        .remove()
        .unwrap();
    guard.assert_nothing_left();
}

#[test]
fn what_is_as_it_should_be_stays() {
    let guard = Guard::new();
    let old = SharedBox::<u64>::options()
        .capacity(1000)
        .create_new(guard.key(), 1)
        .unwrap();
    let same = SharedBox::<u64>::options().migrate(guard.key()).unwrap();
    assert_eq!((same.id(), same.capacity()), (old.id(), 1024));
    let same = SharedBox::<u64>::options()
        .capacity(1024)
        .migrate(guard.key())
        .unwrap();
    assert_eq!(same.id(), old.id());
    old.set(2).unwrap();
    assert_eq!(same.get().unwrap(), 2);
}

#[test]
fn a_later_version_that_has_no_room_moves_in_and_the_earlier_one_goes_on() {
    let guard = Guard::new();
    let mut old = SharedBox::create_new(guard.key(), small(5)).unwrap();
    let error = SharedBox::<SmallGrown>::options()
        .upgrade(true)
        .open(guard.key())
        .unwrap_err();
    assert!(matches!(error, Error::NoRoom { .. }), "{error:?}");
    assert!(error.to_string().contains("`Options::migrate`"), "{error}");
    guard.memory();
    let new = SharedBox::<SmallGrown>::options()
        .migrate(guard.key())
        .unwrap();
    guard.memory();
    let value = SmallGrown {
        words: [5; 8],
        more: [77; 4],
    };
    assert_eq!(new.get().unwrap(), value);
    old.reattach().unwrap();
    old.update(|value| value.words[0] = 6).unwrap();
    new.update(|value| value.more[3] = 7).unwrap();
    assert_eq!(old.get().unwrap().words, [6, 5, 5, 5, 5, 5, 5, 5]);
    assert_eq!(new.get().unwrap().more, [77, 77, 77, 7]);
    // A program that would lose the new fields does not move it.
    let error = SharedBox::<Small>::options()
        .capacity(4096)
        .migrate(guard.key())
        .unwrap_err();
    assert!(matches!(error, Error::Options { .. }), "{error:?}");
    let told = "than this program knows: a program that knows it must move it";
    assert!(error.to_string().contains(told), "{error}");
    assert_eq!(old.get().unwrap().words[0], 6);
}

#[test]
fn every_call_of_those_attached_says_that_it_moved_and_waiters_are_woken() {
    let guard = Guard::new();
    let shared = SharedBox::<u64>::create_new(guard.key(), 1).unwrap();
    let mut other = SharedBox::<u64>::open(guard.key()).unwrap();
    let version = other.set(2).unwrap();
    let mut view = SharedView::<u64>::open(guard.key()).unwrap();
    let mut peers = ["box", "view"].map(|kind| {
        let mut peer = Peer::start(PEER, ["wait", &guard.arg(), kind]);
        peer.expect("waiting");
        peer
    });
    guard.memory();
    let new = migrate::<u64>(&guard, 4096);
    for peer in &mut peers {
        let line = peer.line();
        assert!(
            line.contains("has moved") && line.contains("`reattach`"),
            "{line}"
        );
    }
    let mut value = 0;
    let second = Duration::from_secs(60);
    let results = [
        other.get().map(drop),
        other.get_boxed().map(drop),
        other.snapshot().map(drop),
        other.read_into(&mut value).map(drop),
        other.set(3).map(drop),
        other.set_from(&3).map(drop),
        other.set_if(2, 3).map(drop),
        other.update(|_| ()).map(drop),
        other.writer().map(drop),
        other.wait_timeout(other.version(), second).map(drop),
        other.remove(),
        view.get().map(drop),
        view.snapshot().map(drop),
        view.wait_timeout(view.version(), second).map(drop),
        shared.get().map(drop),
        // One that has not written yet.
        shared.set(4).map(drop),
    ];
    for (index, result) in results.into_iter().enumerate() {
        assert!(
            matches!(result, Err(Error::Moved { .. })),
            "call {index}: {result:?}"
        );
    }
    let error = SharedBox::<u64>::open_id(other.id()).unwrap_err();
    assert!(
        matches!(&error, Error::Moved { .. } | Error::System { .. }),
        "{error:?}"
    );
    assert!(other.is_removed().unwrap() && view.is_removed().unwrap());
    other.reattach().unwrap();
    view.reattach().unwrap();
    assert!(!other.is_removed().unwrap());
    assert_eq!(view.snapshot().unwrap().version, version);
    assert!(other.set(5).unwrap() > version);
    assert_eq!((view.get().unwrap(), new.get().unwrap()), (5, 5));
}

#[test]
fn reattach_also_finds_what_was_created_anew() {
    let guard = Guard::new();
    let mut shared = SharedBox::<u64>::create_new(guard.key(), 1).unwrap();
    shared.set(2).unwrap();
    guard.memory();
    SharedBox::<u64>::open(guard.key())
        .unwrap()
        .remove()
        .unwrap();
    let error = shared.reattach().unwrap_err();
    assert!(
        matches!(&error, Error::System { source, .. } if source.kind() == Kind::NotFound),
        "{error:?}"
    );
    assert!(matches!(shared.get(), Err(Error::Removed { .. })));
    let _anew = SharedBox::<u64>::create_new(guard.key(), 10).unwrap();
    shared.reattach().unwrap();
    assert_eq!((shared.get().unwrap(), shared.version()), (10, 1));
    // Where nothing has happened, nothing does.
    shared.reattach().unwrap();
    assert_eq!(shared.set(11).unwrap(), 2);
}

#[test]
fn reattaching_removes_nothing_on_drop() {
    let guard = Guard::new();
    let mut shared = SharedBox::<u64>::options()
        .remove_on_drop(true)
        .create_new(guard.key(), 1)
        .unwrap();
    shared.reattach().unwrap();
    assert!(!shared.is_removed().unwrap());
    guard.memory();
    drop(migrate::<u64>(&guard, 4096));
    shared.reattach().unwrap();
    assert_eq!(shared.get().unwrap(), 1);
    drop(shared);
    guard.assert_nothing_left();
}

#[test]
fn a_private_segment_has_no_key_to_move_under() {
    let mut shared = SharedBox::<u64>::options()
        .remove_on_drop(true)
        .create_new(Key::PRIVATE, 1)
        .unwrap();
    let error = SharedBox::<u64>::options()
        .migrate(Key::PRIVATE)
        .unwrap_err();
    assert!(matches!(error, Error::Options { .. }), "{error:?}");
    assert!(matches!(shared.reattach(), Err(Error::Options { .. })));
    assert_eq!(shared.get().unwrap(), 1);
}

#[test]
fn the_lock_of_a_living_writer_is_waited_for() {
    let guard = Guard::new();
    let shared = SharedBox::<u64>::create_new(guard.key(), 1).unwrap();
    let writer = shared.writer().unwrap();
    let key = guard.key();
    let error = std::thread::spawn(move || {
        let mut options = SharedBox::<u64>::options();
        options
            .capacity(4096)
            .timeout(Duration::from_millis(20))
            .migrate(key)
            .unwrap_err()
    });
    let error = error.join().unwrap();
    assert!(matches!(error, Error::Busy { .. }), "{error:?}");
    let error = SharedBox::<u64>::options()
        .capacity(4096)
        .migrate(key)
        .unwrap_err();
    assert!(matches!(error, Error::Reentrant { .. }) || matches!(error, Error::Busy { .. }));
    drop(writer);
    assert_eq!(shared.set(2).unwrap(), 2);
    assert_moved(&guard);
}

#[test]
fn removing_a_segment_removes_a_carrier_that_was_left_behind() {
    for point in [
        "move: carrier made",
        "move: carrier whole",
        "move: successor ready",
    ] {
        let guard = Guard::new();
        let mut shared = SharedBox::create_new(guard.key(), small(5)).unwrap();
        guard.memory();
        let stop = Stop {
            point: point.to_owned(),
            pass: 1,
        };
        assert!(dies("migrate", &guard, 64, 0, Some(&stop)));
        let carrier = shm::get(
            carrier_key(guard.key()),
            0,
            shm::GetFlags::NONE,
            Mode::new(0),
        );
        guard.watch(carrier.unwrap());
        guard.memory();
        // Whoever opens it may do it before.
        if shared.remove().is_err() {
            shared.reattach().unwrap();
            shared.remove().unwrap();
        }
        drop(shared);
        guard.assert_nothing_left();
        assert_moved(&guard);
        let anew = SharedBox::open_or_create(guard.key(), || small(9)).unwrap();
        assert!(anew.created(), "{point}");
    }
}

/// Sets its word when it is dropped.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

/// The segments and semaphore sets of an IPC namespace of this thread's own, if it may have one.
fn own_world() -> Option<(BTreeSet<i32>, BTreeSet<i32>)> {
    own_ipc_namespace().then(|| (segments(), semaphore_sets()))
}

/// Those who write count what they have committed; at the end all of it stands.
#[test]
fn no_commit_is_lost_while_the_value_moves_to_and_fro() {
    let world = own_world();
    let guard = Guard::new();
    let key = guard.key();
    let first = SharedBox::create_new(key, small(0)).unwrap();
    guard.memory();
    let (over, commits, moved) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
    let rounds = if full() { 5000 } else { 300 };
    std::thread::scope(|scope| {
        // Two that stay attached and follow.
        for _ in 0..2 {
            scope.spawn(|| {
                let mut shared = SharedBox::<Small>::open(key).unwrap();
                while !over.load(Relaxed) {
                    match shared.update(|value| *value = small(value.words[0] + 1)) {
                        Ok(_) => commits.fetch_add(1, Relaxed),
                        Err(Error::Moved { .. }) => {
                            shared.reattach().unwrap();
                            moved.fetch_add(1, Relaxed)
                        }
                        Err(error) => panic!("{error}"),
                    };
                }
            });
        }
        // One that comes and goes, and would create.
        scope.spawn(|| {
            while !over.load(Relaxed) {
                let shared = SharedBox::open_or_create(key, || small(u64::MAX)).unwrap();
                assert!(!shared.created());
                match shared.update(|value| *value = small(value.words[0] + 1)) {
                    Ok(_) => {
                        commits.fetch_add(1, Relaxed);
                    }
                    Err(Error::Moved { .. }) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        });
        // One that reads: whole values, and versions that never run back.
        scope.spawn(|| {
            let mut view = SharedView::<Small>::open(key).unwrap();
            let mut last = 0;
            while !over.load(Relaxed) {
                match view.snapshot() {
                    Ok(seen) => {
                        assert_eq!(seen.value, small(seen.value.words[0]));
                        assert!(seen.version >= last, "{} after {last}", seen.version);
                        assert_eq!(seen.version, seen.value.words[0] + 1);
                        last = seen.version;
                    }
                    Err(Error::Moved { .. }) => view.reattach().unwrap(),
                    Err(error) => panic!("{error}"),
                }
            }
        });
        // Whatever happens: the others wait for it.
        let _over = Over(&over);
        for round in 0..rounds {
            drop(migrate::<Small>(&guard, [4096, 64][round % 2]));
        }
    });
    drop(first);
    let last = SharedBox::<Small>::open(key).unwrap();
    let (commits, moved) = (commits.into_inner(), moved.into_inner());
    println!("{rounds} moves, {commits} commits, {moved} times followed");
    assert_eq!(last.get().unwrap(), small(commits));
    assert!(commits > 0 && moved > 0);
    last.remove().unwrap();
    drop(last);
    guard.assert_nothing_left();
    assert_moved(&guard);
    assert!(world.is_none_or(|world| world == (segments(), semaphore_sets())));
}

#[test]
fn of_some_that_move_at_once_all_get_the_value() {
    let world = own_world();
    for round in 0..if full() { 1000 } else { 100 } {
        let guard = Guard::new();
        let first = SharedBox::create_new(guard.key(), small(5)).unwrap();
        guard.memory();
        let barrier = Barrier::new(3);
        let key = guard.key();
        std::thread::scope(|scope| {
            for capacity in [1024, 4096, 4096] {
                let barrier = &barrier;
                scope.spawn(move || {
                    barrier.wait();
                    let mut options = SharedBox::<Small>::options();
                    let mut shared = options.capacity(capacity).migrate(key).unwrap();
                    loop {
                        match shared.get() {
                            Ok(value) => break assert_eq!(value, small(5)),
                            Err(Error::Moved { .. }) => shared.reattach().unwrap(),
                            Err(error) => panic!("round {round}: {error}"),
                        }
                    }
                });
            }
        });
        drop(first);
        let last = SharedBox::<Small>::open(key).unwrap();
        assert!([1024, 4096].contains(&last.capacity()));
        guard.memory();
        last.remove().unwrap();
        drop(last);
        guard.assert_nothing_left();
        assert_moved(&guard);
    }
    assert!(world.is_none_or(|world| world == (segments(), semaphore_sets())));
}

/// How long the key leads nowhere, and how long a writer stands still: printed, not judged.
#[test]
fn how_long_a_move_takes() {
    for (what, words) in [("64 B", 64), ("1 MiB", 1 << 20)] {
        let guard = Guard::new();
        let shared = SharedBox::<Small>::options()
            .capacity(words)
            .create_new(guard.key(), small(5))
            .unwrap();
        guard.memory();
        let start = Instant::now();
        drop(migrate::<Small>(&guard, 2 * words));
        println!("capacity {what}: {:?}", start.elapsed());
        drop(shared);
    }
}
