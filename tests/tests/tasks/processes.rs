//! What needs a process of its own: threads that are counted, calls that are refused, children.

use shm_core::SharedBox;
use shm_tests::{Guard, Peer};

use crate::{PEER, TASKS};

#[test]
fn ten_thousand_waits_for_a_thousand_boxes_take_eight_threads_that_no_signal_reaches() {
    let mut crowd = Peer::start(TASKS, ["crowd", "1000", "10000"]);
    let threads: usize = crowd.line().parse().unwrap();
    assert!((1..=8).contains(&threads), "{threads} threads");
    crowd.expect("true");
    crowd.expect("woken");
    crowd.succeed();
}

#[test]
fn a_process_that_waits_sleeps() {
    let each = [
        ("box", 16),
        ("view", 550),
        ("table", 80),
        ("view of a table", 80),
        ("table in a file", 80),
    ];
    for (what, most) in each {
        let mut rest = Peer::start(TASKS, ["rest", what]);
        let sleeps: u32 = rest.line().parse().unwrap();
        println!("{what}: wakes {sleeps} times a second");
        assert!(sleeps <= most, "{what}: wakes {sleeps} times a second");
        rest.succeed();
    }
}

#[test]
fn a_child_waits_and_its_parent_is_not_woken_by_it() {
    let mut parent = Peer::start(TASKS, ["fork"]);
    parent.expect("0");
    parent.expect("both");
    parent.succeed();
}

/// Starts the program where a call is answered with this errno; `None` where no filter is to be had.
fn without(call: libc::c_long, errno: i32, program: &[&str]) -> Option<Peer> {
    let (call, errno) = (call.to_string(), errno.to_string());
    let filter = ["exec-without", &call, &errno];
    let mut peer = Peer::start(PEER, filter.iter().chain(program).copied());
    let is_filtered = !peer.line().is_empty();
    if !is_filtered {
        println!("SKIPPED: no seccomp filter is to be had here");
    }
    is_filtered.then_some(peer)
}

#[test]
fn where_the_kernel_or_a_sandbox_does_not_wait_for_many_words_one_thread_looks() {
    let guard = Guard::new();
    let shared = SharedBox::<u64>::create_new(guard.key(), 0).unwrap();
    for errno in [libc::ENOSYS, libc::EPERM] {
        shared.set(0).unwrap();
        // The first move may come before this process runs again.
        let mut seen = shared.snapshot().unwrap();
        let play = [TASKS, "play", &guard.arg(), "10", "one"];
        let Some(mut player) = without(libc::SYS_futex_waitv, errno, &play) else {
            return;
        };
        while seen.value < 19 {
            seen = shared.wait(seen.version).unwrap();
            if seen.value % 2 == 1 && seen.value < 19 {
                shared.set(seen.value + 1).unwrap();
            }
        }
        player.expect("played");
        player.succeed();
        let crowd = [TASKS, "crowd", "300", "600"];
        let mut crowd = without(libc::SYS_futex_waitv, errno, &crowd).unwrap();
        for line in ["1", "true", "woken"] {
            crowd.expect(line);
        }
        crowd.succeed();
    }
}

#[test]
fn where_no_thread_can_be_started_the_stream_says_so() {
    let guard = Guard::new();
    SharedBox::<u64>::create_new(guard.key(), 1).unwrap();
    let again = libc::EAGAIN.to_string();
    let clone = libc::SYS_clone.to_string();
    let (key, filter) = (guard.arg(), ["exec-without", &clone, &again]);
    let play = [TASKS, "play", &key, "10", "one"];
    let program = [&[PEER], &filter[..], &play[..]].concat();
    if let Some(mut player) = without(libc::SYS_clone3, libc::EAGAIN, &program) {
        player.expect("filtered");
        let said = player.line();
        assert!(said.contains("no thread could be started"), "{said}");
        assert!(said.contains("pids.max"), "{said}");
        player.succeed();
    }
}
