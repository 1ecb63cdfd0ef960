//! The kernel's word on who lives is enough: whatever becomes of pids, leading threads, namespaces
//! and `/proc`.
//!
//! A killed owner that nobody reaps, and a stopped one: `death.rs`. Children: `fork.rs`. A slot
//! claimed again while the lock still names it: `stop_points.rs`.
#![allow(clippy::unwrap_used, reason = "a test may")]

use std::time::{Duration, Instant};

use nix::unistd::Uid;
use shm_core::sysv::{Mode, sem};
use shm_core::{Error, SharedBox, SharedView};
use shm_tests::{Guard, NOBODY, Peer, may_change_user, may_unshare, set_slots, slots};

const PEER: &str = env!("CARGO_BIN_EXE_peer");

/// A living owner is not waited for any longer than this.
const SHORT: Duration = Duration::from_millis(100);

fn patient_for(guard: &Guard, limit: Duration) -> SharedBox<u64> {
    SharedBox::options()
        .timeout(limit)
        .open(guard.key())
        .unwrap()
}

fn assert_busy(guard: &Guard) -> u32 {
    match patient_for(guard, SHORT).set(9) {
        Err(Error::Busy { owner, .. }) => owner,
        other => panic!("the owner lives: {other:?}"),
    }
}

/// A peer behind `unshare` with these options, which ends with it.
fn apart(options: &[&str], arguments: &[&str]) -> Peer {
    let all = options
        .iter()
        .copied()
        .chain(["--kill-child", PEER])
        .chain(arguments.iter().copied());
    Peer::start("unshare", all)
}

#[test]
fn an_owner_whose_leading_thread_has_ended_is_alive() {
    let guard = Guard::new();
    let shared = SharedBox::<u64>::create_new(guard.key(), 5).unwrap();
    let mut peer = Peer::start(PEER, ["hold-lock-in-thread", &guard.arg()]);
    peer.expect("locked");
    let status = std::fs::read_to_string(format!("/proc/{}/status", peer.pid())).unwrap();
    assert!(status.contains("State:\tZ"), "it looks dead:\n{status}");
    assert_eq!(assert_busy(&guard), peer.pid());
    assert_eq!(shared.get().unwrap(), 5);
    peer.kill();
    shared.set(6).unwrap();
}

#[test]
fn another_thread_of_this_process_is_alive() {
    let guard = Guard::new();
    let shared = SharedBox::<u64>::create_new(guard.key(), 5).unwrap();
    let writer = shared.writer().unwrap();
    // Its slot's last claimant has this very pid, as a slot from before an `exec` would.
    let owner = std::thread::scope(|s| s.spawn(|| assert_busy(&guard)).join().unwrap());
    assert_eq!(owner, std::process::id());
    drop(writer);
    shared.set(6).unwrap();
}

#[test]
fn a_recycled_pid_does_not_bring_a_dead_owner_back() {
    let guard = Guard::new();
    let shared = SharedBox::<u64>::create_new(guard.key(), 5).unwrap();
    let mut dead = Peer::start(PEER, ["hold-lock", &guard.arg()]);
    dead.expect("locked");
    let pid = dead.pid();
    dead.kill();
    dead.finish();
    for _ in 0..200 {
        if std::fs::write("/proc/sys/kernel/ns_last_pid", (pid - 1).to_string()).is_err() {
            eprintln!("SKIPPED: a recycled pid: this machine does not let the next pid be chosen");
            return;
        }
        let mut heir = Peer::start(PEER, ["try-set", &guard.arg(), "1000"]);
        if heir.pid() != pid {
            drop(heir);
            continue;
        }
        // It must not take the lock for its own, nor for that of somebody alive.
        heir.expect("9");
        heir.succeed();
        assert_eq!(shared.get().unwrap(), 9);
        return;
    }
    eprintln!("SKIPPED: a recycled pid: others were faster to get pid {pid}");
}

#[test]
fn a_living_process_with_a_dead_owners_pid_is_not_taken_for_it() {
    let guard = Guard::new();
    let shared = SharedBox::<u64>::create_new(guard.key(), 5).unwrap();
    let mut dead = Peer::start(PEER, ["hold-lock", &guard.arg()]);
    dead.expect("locked");
    let pid = dead.pid();
    dead.kill();
    dead.finish();
    for _ in 0..200 {
        if std::fs::write("/proc/sys/kernel/ns_last_pid", (pid - 1).to_string()).is_err() {
            eprintln!(
                "SKIPPED: a recycled pid, alive: this machine does not let the next pid be chosen"
            );
            return;
        }
        // It is attached and alive, and has nothing to do with the lock.
        let mut other = Peer::start(PEER, ["wait", &guard.arg(), "box"]);
        if other.pid() != pid {
            drop(other);
            continue;
        }
        other.expect("waiting");
        shared.set(6).unwrap();
        other.expect("6");
        return;
    }
    eprintln!("SKIPPED: a recycled pid, alive: others were faster to get pid {pid}");
}

#[test]
fn an_owner_in_another_pid_namespace_is_alive_until_it_is_killed() {
    if !may_unshare("another pid namespace", &["--pid", "--fork"]) {
        return;
    }
    let guard = Guard::new();
    let shared = SharedBox::<u64>::create_new(guard.key(), 5).unwrap();
    let mut owner = apart(&["--pid", "--fork"], &["hold-lock", &guard.arg()]);
    owner.expect("locked");
    // Both are pid 1, each in a namespace of its own.
    let try_set = || apart(&["--pid", "--fork"], &["try-set", &guard.arg(), "100"]);
    let said = try_set().line();
    assert!(said.contains("another pid namespace"), "{said}");
    assert_ne!(assert_busy(&guard), 0, "from outside it can be seen");
    assert_eq!(shared.get().unwrap(), 5);
    owner.kill();
    // The parent's signal reaches pid 1 of that namespace a little later.
    owner.finish();
    let start = Instant::now();
    while try_set().line() != "9" {
        assert!(start.elapsed() < Duration::from_secs(5));
    }
    assert_eq!(shared.get().unwrap(), 9);
}

#[test]
fn an_owner_in_another_time_namespace_is_alive_until_it_is_killed() {
    let guard = Guard::new();
    let shared = SharedBox::<u64>::create_new(guard.key(), 5).unwrap();
    let later = [
        "--time",
        "--monotonic",
        "10000000",
        "--boottime",
        "10000000",
        "--fork",
    ];
    if !may_unshare("another time namespace", &later) {
        return;
    }
    let mut owner = apart(&later, &["hold-lock", &guard.arg()]);
    owner.expect("locked");
    assert_busy(&guard);
    let said = apart(&later, &["try-set", &guard.arg(), "100"]).line();
    assert!(said.contains("which is alive"), "{said}");
    owner.kill();
    owner.finish();
    let start = Instant::now();
    while apart(&later, &["try-set", &guard.arg(), "100"]).line() != "9" {
        assert!(start.elapsed() < Duration::from_secs(5));
    }
    // A waiter's time is its own as well.
    let mut waiter = apart(&later, &["wait", &guard.arg(), "box"]);
    waiter.expect("waiting");
    shared.set(10).unwrap();
    waiter.expect("10");
}

#[test]
fn an_owner_that_proc_hides_is_alive_until_it_is_killed() {
    let mount = "mount -t proc -o hidepid=2 proc /proc && exec \"$0\"";
    let mount = ["--mount", "sh", "-c", mount];
    if !may_unshare("hidepid", &mount) || !may_change_user("hidepid") {
        return;
    }
    let guard = Guard::new();
    SharedBox::<u64>::options()
        .mode(0o666)
        .create_new(guard.key(), 5)
        .unwrap();
    let mut owner = Peer::start(PEER, ["hold-lock", &guard.arg()]);
    owner.expect("locked");
    let pid = owner.pid();
    let script = format!(
        "mount -t proc -o hidepid=2 proc /proc && exec setpriv --reuid 65534 --regid 65534 --clear-groups \
         sh -c 'test ! -e /proc/{pid} && exec \"$0\" \"$@\"' {PEER} try-set {} 100",
        guard.arg()
    );
    let nobody = || Peer::start("unshare", ["--mount", "sh", "-c", &script]);
    let said = nobody().line();
    assert!(
        said.contains(&format!("process {pid}, which is alive")),
        "{said}"
    );
    owner.kill();
    nobody().expect("9");
}

#[test]
fn when_all_slots_are_taken_a_new_writer_is_told_and_readers_go_on() {
    let guard = Guard::new();
    let shared = SharedBox::<u64>::create_new(guard.key(), 5).unwrap();
    shared.set(6).unwrap();
    let set = guard.set();
    let mine = slots(set);
    set_slots(set, &vec![1; mine.len()]);
    let late = SharedBox::<u64>::open(guard.key()).unwrap();
    let error = late.set(7).unwrap_err();
    assert!(
        matches!(error, Error::SlotsTaken { slots: 249, .. }),
        "{error:?}"
    );
    assert!(error.to_string().contains("all 249 slots"), "{error}");
    assert_eq!(late.get().unwrap(), 6);
    shared.set(7).unwrap();
    set_slots(set, &mine);
    assert_eq!(late.update(|n| *n += 1).unwrap(), late.version());
}

#[test]
fn a_box_that_is_dropped_gives_its_slot_back() {
    let guard = Guard::new();
    SharedBox::<u64>::create_new(guard.key(), 5).unwrap();
    for n in 0..600 {
        SharedBox::<u64>::open(guard.key()).unwrap().set(n).unwrap();
    }
    assert!(slots(guard.set()).iter().all(|value| *value == 0));
}

#[test]
fn without_its_semaphores_a_segment_says_so_to_writers_and_readers_go_on() {
    let guard = Guard::new();
    let shared = SharedBox::<u64>::create_new(guard.key(), 5).unwrap();
    let mut owner = Peer::start(PEER, ["hold-lock", &guard.arg()]);
    owner.expect("locked");
    sem::remove(guard.set()).unwrap();
    let said = |result: Result<u64, Error>| match result {
        Err(error @ Error::Damaged { .. }) => {
            assert!(error.to_string().contains("semaphore set"), "{error}");
        }
        other => panic!("{other:?}"),
    };
    let start = Instant::now();
    said(shared.set(6));
    owner.kill();
    owner.finish();
    said(SharedBox::<u64>::open(guard.key()).unwrap().set(6));
    assert!(start.elapsed() < Duration::from_secs(2));
    assert_eq!(shared.get().unwrap(), 5);
    assert_eq!(
        SharedView::<u64>::open(guard.key()).unwrap().get().unwrap(),
        5
    );
    shared.remove().unwrap();
}

#[test]
fn semaphores_that_somebody_else_got_are_not_trusted() {
    let guard = Guard::new();
    let shared = SharedBox::<u64>::create_new(guard.key(), 5).unwrap();
    let other = if Uid::effective().as_raw() == NOBODY {
        1
    } else {
        NOBODY
    };
    if let Err(refusal) = sem::set(guard.set(), other, other, Mode::new(0o666)) {
        eprintln!("SKIPPED: semaphores of another user: {refusal}");
        return;
    }
    match shared.set(6) {
        Err(Error::Damaged { what, .. }) => assert!(what.contains("not its own"), "{what}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(shared.get().unwrap(), 5);
}

#[test]
fn a_living_owner_whose_semaphore_somebody_set_to_0_breaks_nobodys_lock() {
    let guard = Guard::new();
    let shared = SharedBox::<u64>::create_new(guard.key(), 5).unwrap();
    let mut owner = Peer::start(PEER, ["hold-lock", &guard.arg()]);
    owner.expect("locked");
    let set = guard.set();
    set_slots(set, &vec![0; slots(set).len()]);
    // It looks dead, so it loses the lock; when it lets go it leaves the lock of the one who has it
    // now.
    let writer = shared.writer().unwrap();
    owner.succeed();
    let said = Peer::start(PEER, ["try-set", &guard.arg(), "100"]).line();
    let own = format!("process {}, which is alive", std::process::id());
    assert!(said.contains(&own), "{said}");
    drop(writer);
    shared.set(6).unwrap();
    assert_eq!(shared.get().unwrap(), 6);
}

#[test]
fn a_lock_held_across_exec_is_free_at_the_programs_next_write() {
    let guard = Guard::new();
    let shared = SharedBox::<u64>::create_new(guard.key(), 5).unwrap();
    // It knows its former self by eight random bits: once in 256 times they are the same.
    for _ in 0..3 {
        let mut peer = Peer::start(PEER, ["exec-with-lock", &guard.arg()]);
        peer.expect("another program");
        // The process lives, and it is the process that holds the slot.
        assert_eq!(assert_busy(&guard), peer.pid());
        assert_eq!(
            shared.get().unwrap(),
            6,
            "the commit before the exec stands"
        );
        peer.tell("open");
        peer.expect("done");
        peer.tell("write");
        let said = peer.line();
        if said.contains("the lock is still held") {
            continue;
        }
        assert_eq!(said, shared.version().to_string());
        assert_eq!(shared.get().unwrap(), 7);
        peer.expect("done");
        shared.set(7).unwrap();
        peer.succeed();
        shared.set(8).unwrap();
        return;
    }
    panic!("it never knew its former self");
}

#[test]
fn a_lock_held_across_exec_is_free_when_the_program_ends() {
    let guard = Guard::new();
    let shared = SharedBox::<u64>::create_new(guard.key(), 5).unwrap();
    let mut peer = Peer::start(PEER, ["exec-with-lock", &guard.arg()]);
    peer.expect("another program");
    assert_eq!(assert_busy(&guard), peer.pid());
    peer.succeed();
    shared.set(7).unwrap();
    assert_eq!(shared.get().unwrap(), 7);
}
