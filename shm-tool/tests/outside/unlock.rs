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
    assert!(printed("unlock 0x1234").starts_with(&format!("took the lock over from {pid}")));
    assert_eq!(printed("unlock 0x1234"), "not locked\n");
    let seen = shared.snapshot().unwrap();
    assert_eq!((seen.version, seen.value), (1, worker()));
    fails("unlock 0x99", 1, "`shm ls`");
}
