//! Who holds the lock dies, or seems to.

use std::time::{Duration, Instant};

use shm_core::{ErrorKind, HolderState, SharedBox, SharedView};
use shm_tests::{Home, Peer, may_unshare};

use super::{PEER, TENANT};

const ROUNDS: usize = 50;

/// A box of a new value, which is 5.
fn shared(home: &Home) -> SharedBox<u64> {
    SharedBox::create_new(home.place(), 5).unwrap()
}

fn holder(home: &Home) -> Peer {
    let mut peer = Peer::start(PEER, ["hold-lock", &home.arg()]);
    peer.expect("locked");
    peer
}

/// An error that names the time limit, since the owner lives.
fn assert_busy(home: &Home) {
    let limit = Duration::from_millis(30);
    let patient = SharedBox::<u64>::options()
        .timeout(limit)
        .open(home.place())
        .unwrap();
    let error = patient.set(0).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
}

fn takes_over(shared: &SharedBox<u64>, view: &SharedView<u64>) -> Duration {
    let before = view.snapshot().unwrap();
    let start = Instant::now();
    let version = shared.update(|n| *n += 1).unwrap();
    let waited = start.elapsed();
    assert!(version > before.version, "{version} after {before:?}");
    assert_eq!(view.get().unwrap(), before.value + 1);
    waited
}

fn print_median(what: &str, home: &Home, mut times: Vec<Duration>) {
    times.sort();
    let (median, longest) = (times[times.len() / 2], times[times.len() - 1]);
    let place = home.arg();
    println!(
        "{what}: median {median:?}, longest {longest:?} of {} ({place})",
        times.len()
    );
}

#[test]
fn a_writer_takes_over_from_a_killed_one_that_is_not_reaped() {
    for home in Home::each() {
        let shared = shared(&home);
        let view = SharedView::<u64>::open(home.place()).unwrap();
        let times = (0..ROUNDS).map(|round| {
            let what = ["hold-lock", "hold-update"][round % 2];
            let mut peer = Peer::start(PEER, [what, &home.arg()]);
            peer.expect("locked");
            peer.kill();
            // It is a zombie until the drop.
            takes_over(&shared, &view)
        });
        let times = times.collect();
        print_median("takeover after kill -9", &home, times);
        assert_eq!(view.get().unwrap(), 5 + ROUNDS as u64);
    }
}

/// Those who share nothing but the file, as two containers share a volume: each kind of namespace alone, and all.
#[test]
fn a_writer_takes_over_from_one_killed_in_other_namespaces() {
    for options in [
        &["-i"][..],
        &["-m"],
        &["-p", "-f", "--kill-child"],
        &["-p", "-f", "--kill-child", "--mount-proc"],
        &["-i", "-m", "-p", "-f", "--kill-child", "--mount-proc"],
    ] {
        if !may_unshare("killed in other namespaces", options) {
            continue;
        }
        for home in Home::each() {
            let shared = shared(&home);
            let view = SharedView::<u64>::open(home.place()).unwrap();
            let (own, arg) = (["hold-lock"], home.arg());
            let mut times = Vec::new();
            for _ in 0..5 {
                let arguments = options.iter().chain(&[PEER]).chain(&own);
                let arguments = arguments.copied().chain([&arg[..]]);
                let mut peer = Peer::start("unshare", arguments);
                peer.expect("locked");
                assert_busy(&home);
                peer.kill();
                times.push(takes_over(&shared, &view));
            }
            print_median(&options.join(" "), &home, times);
        }
    }
}

/// The path is another one there, and the survivor sits in the namespaces.
#[test]
fn a_writer_in_other_namespaces_takes_over_from_one_killed_here() {
    let options = ["-i", "-m", "-p", "-f", "--kill-child", "--mount-proc"];
    if !may_unshare("a survivor in other namespaces", &options) {
        return;
    }
    for home in Home::files() {
        let shared = shared(&home);
        let view = SharedView::<u64>::open(home.place()).unwrap();
        let there = "mount --bind \"$0\" /mnt && exec \"$1\" after-exec file:/mnt/state";
        let folder = home.folder().path().display().to_string();
        let arguments = options
            .into_iter()
            .chain(["sh", "-c", there, &folder, PEER]);
        let mut survivor = Peer::start("unshare", arguments);
        if survivor.line().is_empty() {
            eprintln!("SKIPPED: no mount in a namespace of its own is to be had");
            return;
        }
        for order in ["open", "write"] {
            survivor.tell(order);
            while survivor.line() != "done" {}
        }
        assert_eq!(shared.get().unwrap(), 6);
        let times = (0..10).map(|_| {
            let before = view.snapshot().unwrap();
            let peer = holder(&home);
            peer.kill();
            let start = Instant::now();
            survivor.tell("write");
            assert!(survivor.line().parse::<u64>().unwrap() > before.version);
            survivor.expect("done");
            assert_eq!(view.get().unwrap(), before.value + 1);
            start.elapsed()
        });
        let times = times.collect();
        print_median("survivor elsewhere", &home, times);
        drop(shared);
        survivor.succeed();
    }
}

#[test]
fn a_child_that_lives_on_keeps_nothing_of_its_killed_parent() {
    for home in Home::each() {
        let shared = shared(&home);
        let view = SharedView::<u64>::open(home.place()).unwrap();
        for first in ["the child idles", "the child writes"] {
            let mut times = Vec::new();
            for _ in 0..10 {
                shared.set(5).unwrap();
                let mut parent = Peer::start(TENANT, ["fork-under-lock", &home.arg()]);
                parent.expect("forked");
                assert_busy(&home);
                parent.kill();
                if first == "the child idles" {
                    times.push(takes_over(&shared, &view));
                    parent.tell("drop writer");
                    parent.expect("dropped");
                } else {
                    let start = Instant::now();
                    parent.tell("drop writer");
                    parent.expect("dropped");
                    parent.tell("write");
                    let version = parent.line().parse::<u64>().unwrap();
                    times.push(start.elapsed());
                    assert!(version > 2);
                }
                assert_eq!(view.get().unwrap(), 7);
                // Each has a slot of its own: none is taken for dead while it has the lock.
                for _ in 0..3 {
                    parent.tell("write");
                    parent.line().parse::<u64>().unwrap();
                    shared.update(|n| *n += 1).unwrap();
                }
                parent.tell("read");
                parent.expect("13");
                let mut writers = shared.writers().unwrap();
                writers.retain(|writer| writer.state != HolderState::Gone);
                assert_eq!(writers.len(), 2, "{writers:?}");
                let (_, rest) = parent.finish();
                assert_eq!(rest, "");
            }
            print_median(first, &home, times);
        }
    }
}

#[test]
fn of_a_process_with_several_threads_another_one_may_have_the_lock() {
    for home in Home::each() {
        let shared = shared(&home);
        let view = SharedView::<u64>::open(home.place()).unwrap();
        let mut peer = Peer::start(PEER, ["hold-lock-in-thread", &home.arg()]);
        peer.expect("locked");
        // Its leading thread has ended.
        assert_busy(&home);
        peer.kill();
        takes_over(&shared, &view);
    }
}

#[test]
fn what_becomes_another_program_under_the_lock_is_alive_until_it_opens_or_ends() {
    for home in Home::each() {
        let shared = shared(&home);
        let view = SharedView::<u64>::open(home.place()).unwrap();
        let mut peer = Peer::start(PEER, ["exec-with-lock", &home.arg()]);
        peer.expect("another program");
        let limit = Duration::from_millis(30);
        let mut options = SharedBox::<u64>::options();
        let patient = options.timeout(limit).open(home.place()).unwrap();
        let error = patient.set(0).unwrap_err();
        let holder = error.holder().unwrap_or_else(|| panic!("{error}"));
        assert_eq!(holder.pid, peer.pid(), "{error}");
        peer.tell("open");
        peer.expect("done");
        patient.set(8).unwrap();
        peer.tell("write");
        peer.line().parse::<u64>().unwrap();
        peer.expect("done");
        assert_eq!(view.get().unwrap(), 9);
        peer.succeed();

        let mut peer = Peer::start(PEER, ["exec-with-lock", &home.arg()]);
        peer.expect("another program");
        peer.kill();
        takes_over(&shared, &view);
    }
}
