//! Many processes at once: nothing is lost, nothing is torn, and one of them is the creator.

use std::collections::BTreeSet;
use std::sync::Barrier;
use std::time::Duration;

use shm_core::SharedBox;
use shm_tests::{Guard, Peer};

const PEER: &str = env!("CARGO_BIN_EXE_peer");

#[test]
fn no_increment_is_lost() {
    const PROCESSES: u64 = 6;
    const TIMES: u64 = 20_000;
    let guard = Guard::new();
    let shared = SharedBox::<u64>::create_new(guard.key(), 0).unwrap();
    let count = || Peer::start(PEER, ["count", &guard.arg(), &TIMES.to_string()]);
    let mut peers: Vec<Peer> = (0..PROCESSES).map(|_| count()).collect();
    for _ in 0..TIMES {
        shared.update(|n| *n += 1).unwrap();
    }
    for peer in &mut peers {
        peer.succeed();
    }
    let seen = shared.snapshot().unwrap();
    assert_eq!(seen.value, (PROCESSES + 1) * TIMES);
    assert_eq!(
        seen.version,
        seen.value + 1,
        "one version for each increment, and one for the birth"
    );
}

/// Readers of all kinds beside a process that writes without a pause.
fn is_never_torn<const N: usize>(times: u64) -> Result<(), Box<dyn std::error::Error>> {
    let guard = Guard::new();
    let size = size_of::<[u64; N]>().to_string();
    let shared = SharedBox::<[u64; N]>::create_new(guard.key(), [1; N]).unwrap();
    let mut writer = Peer::start(PEER, ["write-for-ever", &guard.arg(), &size]);
    writer.expect("writing");
    let read = |kind| {
        Peer::start(
            PEER,
            ["read", &guard.arg(), &size, kind, &times.to_string()],
        )
    };
    for peer in &mut ["box", "view"].map(read) {
        peer.succeed();
    }
    drop(writer);
    // It died at an arbitrary point; the next writer makes the value whole.
    let version = shared.update(|value| assert!(value.iter().all(|word| *word == value[0])))?;
    assert!(version > 100);
    Ok(())
}

#[test]
fn a_reader_never_sees_a_torn_small_value() -> Result<(), Box<dyn std::error::Error>> {
    is_never_torn::<8>(200_000)
}

#[test]
fn a_reader_never_sees_a_torn_large_value() -> Result<(), Box<dyn std::error::Error>> {
    is_never_torn::<8192>(3_000)
}

#[test]
fn of_32_processes_that_create_at_once_exactly_one_does() {
    let guard = Guard::new();
    let mut peers: Vec<Peer> = (0..32)
        .map(|_| Peer::start(PEER, ["create", &guard.arg()]))
        .collect();
    for peer in &mut peers {
        peer.expect("ready");
    }
    for peer in &mut peers {
        peer.tell("go");
    }
    let lines: Vec<String> = peers.iter_mut().map(Peer::line).collect();
    let (created, values): (Vec<_>, BTreeSet<_>) = lines
        .iter()
        .map(|line| line.split_once(' ').unwrap())
        .unzip();
    assert_eq!(
        created.iter().filter(|created| **created == "true").count(),
        1,
        "{lines:?}"
    );
    assert_eq!(values.len(), 1, "{lines:?}");
    assert_one_set_each(&guard);
}

#[test]
fn of_32_threads_that_create_at_once_exactly_one_does() {
    for _ in 0..20 {
        let guard = Guard::new();
        let start = Barrier::new(32);
        let create = |n: u64| {
            start.wait();
            let shared = SharedBox::open_or_create(guard.key(), || n).unwrap();
            (shared.created().then_some(n), shared.get().unwrap())
        };
        let results: Vec<_> = std::thread::scope(|s| {
            let threads: Vec<_> = (0..32).map(|n| s.spawn(move || create(n))).collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect()
        });
        let created: Vec<u64> = results.iter().filter_map(|(created, _)| *created).collect();
        assert_eq!(created.len(), 1, "{results:?}");
        assert!(
            results.iter().all(|(_, value)| *value == created[0]),
            "{results:?}"
        );
        assert_one_set_each(&guard);
    }
}

/// Removing the one segment leaves nothing behind: no loser's semaphore set either, as far as this
/// guard can see.
fn assert_one_set_each(guard: &Guard) {
    guard.memory();
    SharedBox::<u64>::open(guard.key())
        .unwrap()
        .remove()
        .unwrap();
    guard.assert_nothing_left();
}

#[test]
fn a_private_segment_is_shared_by_its_id() {
    let options = SharedBox::<u64>::options().remove_on_drop(true).clone();
    let shared = options.create_new(shm_core::Key::PRIVATE, 5).unwrap();
    let id = shared.id().unwrap().to_string();
    Peer::start(PEER, ["add-by-id", &id]).expect("6");
    assert_eq!(shared.get().unwrap(), 6);
}

#[test]
fn waiters_in_other_processes_wake_with_the_next_commit() {
    let guard = Guard::new();
    let shared = SharedBox::<u64>::create_new(guard.key(), 1).unwrap();
    let wait = |kind| Peer::start(PEER, ["wait", &guard.arg(), kind]);
    let mut peers = ["box", "view", "box"].map(wait);
    for peer in &mut peers {
        peer.expect("waiting");
    }
    // A peer may have printed its line and not yet asked for the version: so this goes on until all
    // have seen a commit.
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|s| {
        s.spawn(|| {
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                shared.update(|n| *n += 1).unwrap();
                std::thread::sleep(Duration::from_millis(10));
            }
        });
        for peer in &mut peers {
            assert!(peer.line().parse::<u64>().unwrap() > 1);
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}
