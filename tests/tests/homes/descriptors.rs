//! What programs do to descriptors and locks that are not theirs.

use std::time::Duration;

use shm_core::{SharedBox, SharedView};
use shm_tests::{Folder, Home, Peer};

use super::{PEER, TENANT};

#[test]
fn a_daemon_that_closes_all_descriptors_keeps_lock_and_slot() {
    for home in Home::each() {
        let shared = SharedBox::create_new(home.place(), 1_u64).unwrap();
        let view = SharedView::<u64>::open(home.place()).unwrap();
        let mut daemon = Peer::start(TENANT, ["shut", &home.arg()]);
        let said = daemon.line();
        if said != "locked" {
            eprintln!("SKIPPED: closing all descriptors: {said}");
            return;
        }
        let limit = Duration::from_millis(100);
        let mut options = SharedBox::<u64>::options();
        let patient = options.timeout(limit).open(home.place()).unwrap();
        for _ in 0..2 {
            let error = patient.set(0).unwrap_err();
            let holder = error.holder().unwrap_or_else(|| panic!("{error}"));
            assert_eq!(holder.pid, daemon.pid(), "{error}");
            daemon.tell("set");
            let version = daemon.line().parse::<u64>().unwrap();
            assert_eq!(view.snapshot().unwrap().version, version);
        }
        // A slot for each of many, and none is the daemon's.
        let many: Vec<_> = (0..40)
            .map(|_| SharedBox::<u64>::open(home.place()).unwrap())
            .collect();
        let writers = shared.writers().unwrap();
        let daemons = writers.iter().filter(|writer| writer.pid == daemon.pid());
        assert_eq!((writers.len(), daemons.count()), (43, 1), "{writers:?}");
        drop(many);
        let before = view.get().unwrap();
        daemon.tell("go on");
        daemon.expect("16 of 16 are open");
        daemon.succeed();
        assert_eq!(shared.update(|n| *n += 1).unwrap(), view.version());
        assert_eq!(view.get().unwrap(), before + 2001);
        assert_eq!(shared.writers().unwrap().len(), 2);
    }
}

#[test]
fn a_reader_that_locks_all_it_can_denies_slots_and_no_more() {
    for home in Home::each() {
        let shared = SharedBox::create_new(home.place(), 5_u64).unwrap();
        let view = SharedView::<u64>::open(home.place()).unwrap();
        let owner = || {
            let mut owner = Peer::start(PEER, ["hold-lock", &home.arg()]);
            owner.expect("locked");
            owner
        };
        let dying = owner();
        let path = home.path().display().to_string();
        let mut reader = Peer::start(TENANT, ["share-locks", &path]);
        // Two claims are out of its reach.
        reader.expect(&(1024 + 3 - 2).to_string());
        dying.kill();
        shared.update(|n| *n += 1).unwrap();
        assert_eq!(view.get().unwrap(), 6);
        // The dead one's, which was held when the reader came, is to be had.
        let last = SharedBox::<u64>::open(home.place()).unwrap();
        let error = SharedBox::<u64>::open(home.place()).unwrap_err();
        assert!(error.to_string().contains("slot"), "{error}");
        assert_eq!(
            SharedView::<u64>::open(home.place())
                .unwrap()
                .get()
                .unwrap(),
            6
        );
        drop(last);
        reader.succeed();
        // It looked like no claimant, and is gone without a trace.
        let second = owner();
        second.kill();
        shared.update(|n| *n += 1).unwrap();
        assert_eq!(view.get().unwrap(), 7);
    }
}

/// What the bytes behind the slots are for: a reader that has them locked keeps values from the disk, in words.
#[test]
fn a_reader_that_locks_the_disk_byte_makes_persist_an_error() {
    let home = Home::file(Folder::new());
    let mut options = SharedBox::<u64>::options();
    options.timeout(Duration::from_millis(30));
    let shared = options.create_new(home.place(), 5).unwrap();
    let path = home.path().display().to_string();
    let mut reader = Peer::start(TENANT, ["share-locks", &path]);
    assert!(!reader.line().is_empty());
    shared.set(6).unwrap();
    let error = shared.persist().unwrap_err();
    assert!(error.to_string().contains("another process"), "{error}");
    reader.succeed();
    shared.persist().unwrap();
}
