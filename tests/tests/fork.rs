//! A child after `fork` is somebody else. The peer forks, since it has a single thread.

use shm_tests::{Guard, Peer};

fn peer(case: &str) -> (Guard, String) {
    let guard = Guard::new();
    let printed = Peer::start(env!("CARGO_BIN_EXE_peer"), [case, &guard.arg()]).succeed();
    (guard, printed)
}

#[test]
fn parent_and_child_write_through_one_box_with_a_slot_each() {
    peer("fork-and-write");
}

#[test]
fn what_a_child_drops_stays_its_parents() {
    let (guard, _) = peer("fork-and-drop");
    guard.assert_nothing_left();
}

#[test]
fn a_child_born_inside_update_commits_nothing() {
    let (_guard, printed) = peer("fork-in-update");
    assert!(
        printed.contains("Exited") && printed.contains("42"),
        "{printed}"
    );
}

#[test]
fn a_child_can_neither_use_nor_release_its_parents_writer() {
    peer("fork-with-writer");
}
