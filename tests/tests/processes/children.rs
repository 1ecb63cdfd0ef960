//! A child after `fork` is another process. The peer forks, since it has a single thread.

use nix::libc;
use shm_tests::{Guard, Peer};

const PEER: &str = env!("CARGO_BIN_EXE_peer");

fn peer(case: &str) -> (Guard, String) {
    let guard = Guard::new();
    let printed = Peer::start(PEER, [case, &guard.arg()]).succeed();
    (guard, printed)
}

/// As emulators do, the kernel answers 0 to each `madvise` and does nothing: no page is wiped in a child.
#[test]
fn a_child_is_told_from_its_parent_where_no_advice_on_memory_is_followed() {
    let madvise = libc::SYS_madvise.to_string();
    for case in [
        "fork-and-write",
        "fork-and-claim-in-threads",
        "fork-and-drop",
        "fork-with-writer",
    ] {
        let guard = Guard::new();
        let arguments = ["exec-without", &madvise, "0", PEER, case, &guard.arg()];
        let mut peer = Peer::start(PEER, arguments);
        if peer.line() != "filtered" {
            eprintln!("SKIPPED: no seccomp filter is to be had here");
            return;
        }
        peer.succeed();
    }
}

#[test]
fn parent_and_child_write_through_one_box_with_a_slot_each() {
    peer("fork-and-write");
}

#[test]
fn threads_of_a_child_that_claim_for_one_box_at_once_take_one_slot() {
    peer("fork-and-claim-in-threads");
}

#[test]
fn what_a_child_drops_stays_its_parents() {
    let (guard, _) = peer("fork-and-drop");
    guard.assert_nothing_left();
}

/// The child of this case ends by saying that it was refused.
fn child_is_refused(case: &str) {
    let (_guard, printed) = peer(case);
    let refused = printed.starts_with("Exited(") && printed.trim_end().ends_with(", 42)");
    assert!(refused, "{printed}");
}

#[test]
fn a_child_born_inside_update_commits_nothing() {
    child_is_refused("fork-in-update");
    child_is_refused("fork-in-try-update");
    child_is_refused("fork-in-update-field");
}

#[test]
fn a_child_born_while_the_first_value_is_made_leaves_the_birth_to_its_parent() {
    child_is_refused("fork-in-birth");
}

#[test]
fn a_child_born_in_a_default_leaves_the_upgrade_to_its_parent() {
    child_is_refused("fork-in-upgrade");
}

#[test]
fn a_child_can_neither_use_nor_release_its_parents_writer() {
    peer("fork-with-writer");
}
