//! Segments that are removed while others use them: by the library, by `ipcrm`, and created anew
//! under the same key.
#![allow(clippy::unwrap_used, reason = "a test may")]

use std::time::Duration;

use shm_core::sysv::Kind;
use shm_core::{Error, Key, SharedBox, SharedView};
use shm_tests::{Guard, Peer};

const PEER: &str = env!("CARGO_BIN_EXE_peer");

fn waiting(guard: &Guard, kind: &str) -> Peer {
    let mut peer = Peer::start(PEER, ["wait", &guard.arg(), kind]);
    peer.expect("waiting");
    peer
}

#[test]
fn every_call_of_those_attached_says_that_it_was_removed() {
    let guard = Guard::new();
    let shared = SharedBox::<u64>::create_new(guard.key(), 1).unwrap();
    let other = SharedBox::<u64>::open(guard.key()).unwrap();
    other.set(2).unwrap();
    let view = SharedView::<u64>::open(guard.key()).unwrap();
    let mut peers = ["box", "view"].map(|kind| waiting(&guard, kind));
    guard.memory();
    shared.remove().unwrap();

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
        view.get().map(drop),
        view.snapshot().map(drop),
        view.wait_timeout(view.version(), second).map(drop),
        shared.get().map(drop),
    ];
    for (index, result) in results.into_iter().enumerate() {
        assert!(
            matches!(result, Err(Error::Removed { .. })),
            "call {index}: {result:?}"
        );
    }
    assert!(other.is_removed().unwrap() && view.is_removed().unwrap());
    for peer in &mut peers {
        let line = peer.line();
        assert!(line.contains("has been removed"), "{line}");
    }
    guard.assert_nothing_left();
}

#[test]
fn a_writer_meets_the_removal_at_its_next_commit_or_afterwards() {
    let guard = Guard::new();
    let shared = SharedBox::<u64>::create_new(guard.key(), 1).unwrap();
    let other = SharedBox::<u64>::open(guard.key()).unwrap();
    let mut writer = other.writer().unwrap();
    guard.memory();
    shared.remove().unwrap();
    let _ = writer.set(2);
    drop(writer);
    assert!(matches!(other.set(2), Err(Error::Removed { .. })));
    guard.assert_nothing_left();
}

#[test]
fn removing_twice_is_an_error_that_says_so() {
    let guard = Guard::new();
    let shared = SharedBox::<u64>::create_new(guard.key(), 1).unwrap();
    let other = SharedBox::<u64>::open(guard.key()).unwrap();
    shared.remove().unwrap();
    for shared in [shared, other] {
        let error = shared.remove().unwrap_err();
        assert!(error.to_string().contains("removed"), "{error}");
    }
}

#[test]
fn waits_notice_a_foreign_ipcrm() {
    let guard = Guard::new();
    let shared = SharedBox::<u64>::create_new(guard.key(), 1).unwrap();
    let view = SharedView::<u64>::open(guard.key()).unwrap();
    let mut peers = ["box", "view"].map(|kind| waiting(&guard, kind));
    assert!(!shared.is_removed().unwrap());
    guard.ipcrm();
    assert!(shared.is_removed().unwrap() && view.is_removed().unwrap());
    for peer in &mut peers {
        let line = peer.line();
        assert!(line.contains("has been removed"), "{line}");
    }
    let result = shared.wait_timeout(shared.version(), Duration::from_secs(60));
    assert!(matches!(result, Err(Error::Removed { .. })), "{result:?}");
    // Those attached still share the memory: the kernel frees it with the last of them.
    shared.set(2).unwrap();
    assert_eq!(view.get().unwrap(), 2);
    let error = SharedBox::<u64>::open(guard.key()).unwrap_err();
    assert!(
        matches!(&error, Error::System { source, .. } if source.kind() == Kind::NotFound),
        "{error:?}"
    );
}

#[test]
fn a_box_of_the_first_life_says_that_its_key_leads_to_the_second() {
    for own in [true, false] {
        let guard = Guard::new();
        let first = SharedBox::<u64>::create_new(guard.key(), 1).unwrap();
        let view = SharedView::<u64>::open(guard.key()).unwrap();
        if own {
            first.remove().unwrap();
        } else {
            guard.ipcrm();
        }
        let second = SharedBox::<u64>::create_new(guard.key(), 10).unwrap();
        assert!(first.is_removed().unwrap() && view.is_removed().unwrap());
        assert!(!second.is_removed().unwrap());
        assert_ne!(first.id(), second.id());
        second.set(11).unwrap();
        assert_eq!(
            SharedBox::<u64>::open(guard.key()).unwrap().get().unwrap(),
            11
        );
    }
}

#[test]
fn remove_on_drop_removes_for_everybody() {
    let guard = Guard::new();
    let mut options = SharedBox::<u64>::options();
    let owner = options
        .remove_on_drop(true)
        .create_new(guard.key(), 1)
        .unwrap();
    let other = SharedBox::<u64>::open(guard.key()).unwrap();
    guard.memory();
    drop(owner);
    assert!(matches!(other.get(), Err(Error::Removed { .. })));
    guard.assert_nothing_left();
}

#[test]
fn reattach_finds_what_was_created_anew() {
    let guard = Guard::new();
    let mut shared = SharedBox::<u64>::create_new(guard.key(), 1).unwrap();
    let mut view = SharedView::<u64>::open(guard.key()).unwrap();
    shared.set(2).unwrap();
    guard.memory();
    SharedBox::<u64>::open(guard.key())
        .unwrap()
        .remove()
        .unwrap();
    for error in [shared.reattach().unwrap_err(), view.reattach().unwrap_err()] {
        assert!(
            matches!(&error, Error::System { source, .. } if source.kind() == Kind::NotFound),
            "{error:?}"
        );
    }
    assert!(matches!(shared.get(), Err(Error::Removed { .. })));
    let _anew = SharedBox::<u64>::create_new(guard.key(), 10).unwrap();
    shared.reattach().unwrap();
    view.reattach().unwrap();
    assert_eq!((shared.get().unwrap(), shared.version()), (10, 1));
    // Where nothing has happened, nothing does.
    shared.reattach().unwrap();
    assert_eq!(shared.set(11).unwrap(), 2);
    assert_eq!(view.get().unwrap(), 11);
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
    drop(shared);
    guard.assert_nothing_left();
}

#[test]
fn a_private_segment_has_no_key_to_find_it_by_again() {
    let mut shared = SharedBox::<u64>::options()
        .remove_on_drop(true)
        .create_new(Key::PRIVATE, 1)
        .unwrap();
    assert!(matches!(shared.reattach(), Err(Error::Options { .. })));
    assert_eq!(shared.get().unwrap(), 1);
}
