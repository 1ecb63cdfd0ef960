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
    for (what, most) in [("box", 16), ("view", 550)] {
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

#[test]
fn where_the_kernel_or_a_sandbox_does_not_wait_for_many_words_the_thread_looks() {
    let guard = Guard::new();
    let shared = SharedBox::<u64>::create_new(guard.key(), 0).unwrap();
    for errno in [libc::ENOSYS, libc::EPERM] {
        shared.set(0).unwrap();
        let errno = errno.to_string();
        let key = guard.arg();
        let play = [
            "exec-without-waitv",
            &errno,
            TASKS,
            "play",
            &key,
            "10",
            "one",
        ];
        let mut player = Peer::start(PEER, play);
        if player.line().is_empty() {
            println!("SKIPPED: no seccomp filter is to be had here");
            return;
        }
        let mut seen = shared.snapshot().unwrap();
        while seen.value < 19 {
            seen = shared.wait(seen.version).unwrap();
            if seen.value % 2 == 1 && seen.value < 19 {
                shared.set(seen.value + 1).unwrap();
            }
        }
        player.expect("played");
        player.succeed();
    }
}
