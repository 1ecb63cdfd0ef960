//! Processes that die or stop while they hold the lock.

use std::time::{Duration, Instant};

use shm_core::{SharedBox, SharedView};
use shm_tests::{Guard, Peer};

const PEER: &str = env!("CARGO_BIN_EXE_peer");

fn locked_by(what: &str, guard: &Guard) -> Peer {
    let mut peer = Peer::start(PEER, [what, &guard.arg()]);
    peer.expect("locked");
    peer
}

#[test]
fn a_writer_takes_over_from_a_killed_one() {
    for what in ["hold-lock", "hold-update"] {
        let guard = Guard::new();
        let shared = SharedBox::<u64>::create_new(guard.key(), 5).unwrap();
        shared.set(6).unwrap();
        let peer = locked_by(what, &guard);
        // Its parent does not wait for it: it stays a zombie, which has a pid and holds nothing.
        peer.kill();
        let version = shared.update(|n| *n += 1).unwrap();
        assert_eq!(
            shared.get().unwrap(),
            7,
            "what the dead one had in mind was never committed"
        );
        assert!(version >= 3);
    }
}

#[test]
fn a_writer_killed_anywhere_leaves_a_whole_value_and_blocks_nobody() {
    let guard = Guard::new();
    let shared = SharedBox::<[u64; 8192]>::create_new(guard.key(), [1; 8192]).unwrap();
    let view = SharedView::<[u64; 8192]>::open(guard.key()).unwrap();
    let mut last = shared.version();
    for round in 0..25_u64 {
        let mut peer = Peer::start(PEER, ["write-for-ever", &guard.arg(), "65536"]);
        peer.expect("writing");
        // Kill it at another point each time: after so many more commits.
        let until = last + 1 + round % 7;
        while view.version() < until {
            std::hint::spin_loop();
        }
        peer.kill();
        let start = Instant::now();
        let version = shared
            .update(|value| assert_eq!(*value, [value[0]; 8192]))
            .unwrap();
        assert!(
            start.elapsed() < Duration::from_secs(2),
            "{:?}",
            start.elapsed()
        );
        assert!(version > last, "version {version} after {last}");
        last = version;
        let seen = view.snapshot().unwrap();
        assert_eq!((seen.value, seen.version), ([seen.value[0]; 8192], version));
        // So that the next writer's values and versions agree again.
        last = shared.set([last + 1; 8192]).unwrap();
    }
}

#[test]
fn a_stopped_owner_is_named_and_readers_go_on() {
    let guard = Guard::new();
    let shared = SharedBox::<u64>::create_new(guard.key(), 5).unwrap();
    let peer = locked_by("hold-lock", &guard);
    peer.stop();
    let limit = Duration::from_millis(150);
    let patient = SharedBox::<u64>::options()
        .timeout(limit)
        .open(guard.key())
        .unwrap();
    let start = Instant::now();
    let error = patient.set(6).unwrap_err();
    let waited = start.elapsed();
    assert!(
        error
            .holder()
            .is_some_and(|holder| holder.pid == peer.pid()),
        "{error:?}"
    );
    assert!(
        error
            .to_string()
            .contains(&format!("process {}", peer.pid())),
        "{error}"
    );
    assert!(waited >= limit && waited < limit * 20, "{waited:?}");
    assert_eq!(shared.get().unwrap(), 5);
    assert_eq!(
        SharedView::<u64>::open(guard.key()).unwrap().get().unwrap(),
        5
    );

    let mut peer = peer;
    peer.go_on();
    peer.succeed();
    patient.set(6).unwrap();
    assert_eq!(shared.get().unwrap(), 6);
}

#[test]
fn a_stopped_owner_that_is_killed_frees_the_lock_for_those_who_wait() {
    let guard = Guard::new();
    let shared = SharedBox::<u64>::create_new(guard.key(), 5).unwrap();
    let peer = locked_by("hold-update", &guard);
    peer.stop();
    std::thread::scope(|s| {
        let waiter = s.spawn(|| shared.update(|n| *n += 1));
        peer.kill();
        waiter.join().unwrap().unwrap();
    });
    assert_eq!(shared.get().unwrap(), 6);
}
