//! `shm unlock`.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::space::*;

#[test]
fn the_lock_of_the_dead_is_taken_over_and_that_of_the_living_is_not() {
    in_own_namespace!();
    let shared = worker_box();
    assert_eq!(printed("unlock 0x1234"), "not locked\n");
    let holder = Peer::start("holder");
    let pid = holder.pid();
    fails("unlock 0x1234", 4, &format!("held by {pid} (outside"));
    kill(Pid::from_raw(pid.cast_signed()), Signal::SIGSTOP).unwrap();
    while !shm("unlock 0x1234").err.contains("stopped; kill -CONT") {}
    assert_eq!(json("stat 0x1234 --json")["locked_by"]["pid"], pid);
    holder.kill();
    assert_eq!(
        printed("unlock 0x1234"),
        format!("took the lock over from {pid}, gone, and let it go\n")
    );
    assert_eq!(printed("unlock 0x1234"), "not locked\n");
    let seen = shared.snapshot().unwrap();
    assert_eq!((seen.version, seen.value), (1, worker()));
    fails("unlock 0x99", 1, "`shm ls`");
}

#[test]
fn the_lock_of_a_process_that_called_exec_is_let_go() {
    in_own_namespace!();
    let shared = worker_box();
    let holder = Peer::start("holder that calls exec");
    let pid = holder.pid();
    // Until then it is the holder itself, which may not be robbed.
    while json("stat 0x1234 --json")["locked_by"]["state"] != "has called exec" {}
    assert_eq!(
        printed("unlock 0x1234"),
        format!(
            "took the lock over from {pid} (cat), which has called exec and maps it no more, and let it go\n"
        )
    );
    assert_eq!(printed("unlock 0x1234"), "not locked\n");
    shared.set(worker()).unwrap();
    assert_eq!(shared.version(), 2);
}
