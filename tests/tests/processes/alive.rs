//! Who is alive is told by two witnesses, the kernel's semaphores and the claimants' records: whatever
//! becomes of either, of pids, leading threads, namespaces and `/proc`.
//!
//! A killed owner that is not reaped, and a stopped one: `deaths.rs`. Children: `children.rs`. A slot
//! claimed again while the lock still names it: `stop_points`.

use std::collections::HashSet;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use nix::libc;
use shm_core::sysv::{Mode, sem};
use shm_core::{Claimant, ErrorKind, HolderState, Inspector, SharedBox, SharedView};
use shm_tests::{Guard, Peer, may_change_user, may_unshare, set_slots, slots};

const PEER: &str = env!("CARGO_BIN_EXE_peer");

/// A living owner is not waited for any longer than this.
const SHORT: Duration = Duration::from_millis(100);

fn patient_for(guard: &Guard, limit: Duration) -> SharedBox<u64> {
    SharedBox::options()
        .timeout(limit)
        .open(guard.key())
        .unwrap()
}

fn patient_for_new(guard: &Guard, limit: Duration) -> SharedBox<u64> {
    SharedBox::options()
        .timeout(limit)
        .create_new(guard.key(), 5)
        .unwrap()
}

fn assert_busy(guard: &Guard) -> u32 {
    match patient_for(guard, SHORT).set(9) {
        Err(error) if error.holder().is_some() => error.holder().unwrap().pid,
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

/// One handle, one claim: the word that a thread waits for is the very one that it would store.
#[test]
fn a_thread_waits_for_another_threads_commit_by_the_same_box() {
    let guard = Guard::new();
    let shared = patient_for_new(&guard, SHORT);
    let (locked, waited) = (Barrier::new(2), Barrier::new(2));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            shared.update(|n| {
                *n = 6;
                locked.wait();
                waited.wait();
            })
        });
        locked.wait();
        for _ in 0..2 {
            let error = shared.set(9).unwrap_err();
            assert!(error.kind() == ErrorKind::Busy, "{error:?}");
        }
        waited.wait();
    });
    assert_eq!(shared.get().unwrap(), 6);
    shared.set(7).unwrap();
}

/// Kills an owner of the lock, and starts peers until one has its pid; `None`, and says so, where
/// that can't be had.
fn with_a_dead_owners_pid(what: &str, guard: &Guard, arguments: &[&str]) -> Option<Peer> {
    let mut dead = Peer::start(PEER, ["hold-lock", &guard.arg()]);
    dead.expect("locked");
    let pid = dead.pid();
    dead.kill();
    dead.finish();
    // The kernel counts starts in hundredths of a second: no pid comes back in the same one by itself.
    std::thread::sleep(Duration::from_millis(20));
    for _ in 0..200 {
        if std::fs::write("/proc/sys/kernel/ns_last_pid", (pid - 1).to_string()).is_err() {
            eprintln!("SKIPPED: {what}: this machine does not let the next pid be chosen");
            return None;
        }
        let heir = Peer::start(PEER, arguments.iter().copied());
        if heir.pid() == pid {
            return Some(heir);
        }
    }
    eprintln!("SKIPPED: {what}: others were faster to get pid {pid}");
    None
}

#[test]
fn a_recycled_pid_does_not_bring_a_dead_owner_back() {
    let guard = Guard::new();
    let shared = SharedBox::<u64>::create_new(guard.key(), 5).unwrap();
    let arguments = ["try-set", &guard.arg(), "1000"];
    // It must not take the lock for its own, nor for that of a living process.
    if let Some(mut heir) = with_a_dead_owners_pid("a recycled pid", &guard, &arguments) {
        heir.expect("9");
        heir.succeed();
        assert_eq!(shared.get().unwrap(), 9);
    }
}

#[test]
fn a_living_process_with_a_dead_owners_pid_is_not_taken_for_it() {
    let guard = Guard::new();
    let shared = SharedBox::<u64>::create_new(guard.key(), 5).unwrap();
    let arguments = ["wait", &guard.arg(), "box"];
    // It is attached and alive, and has nothing to do with the lock.
    if let Some(mut other) = with_a_dead_owners_pid("a recycled pid, alive", &guard, &arguments) {
        other.expect("waiting");
        shared.set(6).unwrap();
        other.expect("6");
    }
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
fn when_all_slots_are_taken_a_new_writer_is_told_by_whom_and_readers_go_on() {
    let guard = Guard::new();
    let shared = SharedBox::<u64>::options()
        .slots(3)
        .create_new(guard.key(), 5)
        .unwrap();
    let mut owner = Peer::start(PEER, ["hold-lock", &guard.arg()]);
    owner.expect("locked");
    let second = SharedBox::<u64>::open(guard.key()).unwrap();
    let error = SharedBox::<u64>::open(guard.key()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SlotsTaken, "{error}");
    assert!(error.to_string().contains("all 3 slots"), "{error}");
    for pid in [owner.pid(), std::process::id()] {
        assert!(error.claimants().contains(&pid), "{error}");
        assert!(error.to_string().contains(&pid.to_string()), "{error}");
    }
    let view = SharedView::<u64>::open(guard.key()).unwrap();
    assert_eq!(view.get().unwrap(), 5);
    owner.succeed();
    shared.set(6).unwrap();
    drop(second);
    let late = SharedBox::<u64>::open(guard.key()).unwrap();
    assert_eq!(late.update(|n| *n += 1).unwrap(), late.version());
}

#[test]
fn as_many_boxes_as_there_are_slots_write_at_once() {
    const SLOTS: u16 = 1022;
    let guard = Guard::new();
    let mut options = SharedBox::<u64>::options();
    options.slots(SLOTS);
    let first = match options.create_new(guard.key(), 0) {
        Ok(first) => first,
        Err(error) => {
            eprintln!("SKIPPED: {SLOTS} slots: {error}");
            return;
        }
    };
    let boxes: Vec<_> = (1..SLOTS)
        .map(|_| SharedBox::<u64>::open(guard.key()).unwrap())
        .collect();
    let error = SharedBox::<u64>::open(guard.key()).unwrap_err();
    assert!(error.kind() == ErrorKind::SlotsTaken, "{error}");
    for shared in &boxes {
        shared.update(|n| *n += 1).unwrap();
    }
    assert_eq!(first.get().unwrap(), u64::from(SLOTS) - 1);
    for slots in [0, SLOTS + 1, u16::MAX] {
        let error = options.slots(slots).create_new(guard.key(), 0).unwrap_err();
        assert!(error.to_string().contains("1 to 1022"), "{error}");
    }
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
fn a_set_that_was_removed_is_made_anew_by_who_opens_and_locks_no_living_writer_out() {
    let guard = Guard::new();
    let shared = SharedBox::<u64>::create_new(guard.key(), 5).unwrap();
    let mut owner = Peer::start(PEER, ["hold-lock", &guard.arg()]);
    owner.expect("locked");
    let lost = guard.set();
    sem::remove(lost).unwrap();
    // By its record the owner is known to live.
    assert_eq!(assert_busy(&guard), owner.pid());
    let made_anew = guard.set();
    assert_ne!(made_anew, lost);
    // This process has found the new set on the way, and has raised its slot there.
    shared.set_if(u64::MAX, 0).unwrap_err();
    assert_eq!(
        slots(made_anew).iter().filter(|value| **value != 0).count(),
        1
    );
    owner.kill();
    owner.finish();
    shared.set(6).unwrap();
    assert_eq!(
        SharedView::<u64>::open(guard.key()).unwrap().get().unwrap(),
        6
    );
}

/// As under an emulator, which wipes no page in a child: this process knows itself by its pid.
#[test]
fn a_writer_raises_its_slot_in_a_set_made_anew_where_no_advice_on_memory_is_followed() {
    let guard = Guard::new();
    let shared = SharedBox::<u64>::create_new(guard.key(), 0).unwrap();
    let madvise = libc::SYS_madvise.to_string();
    let key = guard.arg();
    let arguments = [
        "exec-without",
        &madvise,
        "0",
        PEER,
        "count",
        &key,
        "1000000000",
    ];
    let mut writer = Peer::start(PEER, arguments);
    if writer.line() != "filtered" {
        eprintln!("SKIPPED: no seccomp filter is to be had here");
        return;
    }
    let start = Instant::now();
    let wait_until = |done: &dyn Fn() -> bool| {
        while !done() {
            assert!(start.elapsed() < Duration::from_secs(60));
        }
    };
    wait_until(&|| shared.get().unwrap() > 0);
    sem::remove(guard.set()).unwrap();
    let _opened = SharedBox::<u64>::open(guard.key()).unwrap();
    let raised = || {
        slots(guard.set())
            .iter()
            .filter(|value| **value != 0)
            .count()
    };
    wait_until(&|| raised() == 2);
}

#[test]
fn a_child_with_the_pid_of_its_parent_is_told_from_it_where_no_advice_on_memory_is_followed() {
    let options = ["--pid", "--fork"];
    if !may_unshare("a pid namespace in another", &options) {
        return;
    }
    let guard = Guard::new();
    let (madvise, key) = (libc::SYS_madvise.to_string(), guard.arg());
    let arguments = [
        "exec-without",
        &madvise,
        "0",
        PEER,
        "fork-with-one-pid",
        &key,
    ];
    let mut parent = apart(&options, &arguments);
    if parent.line() != "filtered" {
        eprintln!("SKIPPED: no seccomp filter is to be had here");
        return;
    }
    parent.succeed();
}

/// Semaphores of a new set say nothing of a writer that claimed under the one before, and records
/// nothing of another pid namespace.
#[test]
fn after_a_lost_set_no_owner_in_another_pid_namespace_is_taken_for_dead() {
    if !may_unshare("another pid namespace", &["--pid", "--fork"]) {
        return;
    }
    let guard = Guard::new();
    let shared = SharedBox::<u64>::create_new(guard.key(), 5).unwrap();
    let mut writer = shared.writer().unwrap();
    sem::remove(guard.set()).unwrap();
    drop(SharedBox::<u64>::open(guard.key()).unwrap());
    let try_set = || apart(&["--pid", "--fork"], &["try-set", &guard.arg(), "100"]).line();
    let said = try_set();
    assert!(said.contains("can't be told from here"), "{said}");
    assert_eq!(writer.set(6).unwrap(), 2, "no other commit, and no repair");
    drop(writer);
    assert_eq!(try_set(), "9");
}

/// Writers that go on, and others that come and go, while the set is removed again and again.
#[test]
fn no_update_is_lost_while_the_set_is_removed_again_and_again() {
    let guard = Guard::new();
    let shared = SharedBox::<u64>::create_new(guard.key(), 0).unwrap();
    let mut counters: Vec<_> = (0..3)
        .map(|_| Peer::start(PEER, ["count", &guard.arg(), "20000"]))
        .collect();
    let mut rounds = 0;
    while counters.iter_mut().any(|counter| !counter.has_ended()) {
        let _ = sem::remove(guard.set());
        // Who opens makes it anew.
        SharedBox::<u64>::open(guard.key()).unwrap();
        rounds += 1;
    }
    for counter in &mut counters {
        counter.succeed();
    }
    assert_eq!(shared.get().unwrap(), 60_000, "{rounds} removals");
    guard.memory();
}

#[test]
fn semaphores_that_another_user_got_are_not_trusted() {
    if !may_change_user("semaphores of another user") {
        return;
    }
    let guard = Guard::new();
    let shared = SharedBox::<u64>::create_new(guard.key(), 5).unwrap();
    sem::set(guard.set(), 65534, 65534, Mode::new(0o666)).unwrap();
    let error = SharedBox::<u64>::open(guard.key()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Damaged, "{error}");
    assert!(error.to_string().contains("not its own"), "{error}");
    assert_eq!(shared.get().unwrap(), 5);
}

#[test]
fn a_living_owner_whose_semaphore_a_peer_set_to_0_keeps_the_lock() {
    let guard = Guard::new();
    let shared = SharedBox::<u64>::create_new(guard.key(), 5).unwrap();
    let mut owner = Peer::start(PEER, ["hold-lock", &guard.arg()]);
    owner.expect("locked");
    let set = guard.set();
    set_slots(set, &vec![0; slots(set).len()]);
    assert_eq!(assert_busy(&guard), owner.pid());
    owner.succeed();
    shared.set(6).unwrap();
    assert_eq!(shared.get().unwrap(), 6);
}

#[test]
fn a_dead_owner_whose_semaphore_a_peer_set_to_1_loses_the_lock_at_the_time_limit() {
    let guard = Guard::new();
    let shared = patient_for_new(&guard, SHORT);
    let mut owner = Peer::start(PEER, ["hold-lock", &guard.arg()]);
    owner.expect("locked");
    owner.kill();
    owner.finish();
    let set = guard.set();
    let mut values = slots(set);
    values.fill(1);
    set_slots(set, &values);
    assert_eq!(shared.set(6).unwrap(), shared.version());
    assert_eq!(shared.get().unwrap(), 6);
    set_slots(set, &vec![0; values.len()]);
}

#[test]
fn the_error_of_a_time_limit_says_what_the_owner_is_doing() {
    let guard = Guard::new();
    SharedBox::<u64>::create_new(guard.key(), 5).unwrap();
    let said = |state, words: &str| match patient_for(&guard, SHORT).set(9) {
        Err(error) if error.kind() == ErrorKind::Busy => {
            assert_eq!(error.holder().unwrap().state, state, "{error}");
            assert!(error.to_string().contains(words), "{error}");
        }
        other => panic!("the owner lives: {other:?}"),
    };
    let mut owner = Peer::start(PEER, ["hold-lock", &guard.arg()]);
    owner.expect("locked");
    said(HolderState::Running, "which is alive");
    owner.stop();
    said(HolderState::Stopped, "which is stopped");
    owner.go_on();
    owner.succeed();
    let mut program = Peer::start(PEER, ["exec-with-lock", &guard.arg()]);
    program.expect("another program");
    said(HolderState::Replaced, "has called `exec`");
    program.succeed();
}

#[test]
fn a_lock_held_across_exec_is_free_when_the_program_opens_the_segment_again() {
    let guard = Guard::new();
    let shared = SharedBox::<u64>::create_new(guard.key(), 5).unwrap();
    // It knows its former self by sixteen random bits: once in 65,536 times they are the same.
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
    shared.set(7).unwrap();
    peer.tell("write");
    assert_eq!(peer.line(), shared.version().to_string());
    assert_eq!(shared.get().unwrap(), 8);
    peer.expect("done");
    assert_eq!(
        slots(guard.set())
            .iter()
            .filter(|value| **value != 0)
            .count(),
        2,
        "its former slot is free"
    );
    peer.succeed();
    shared.set(9).unwrap();
}

#[test]
fn a_lock_held_across_exec_is_let_go_where_people_say_so_and_no_other() {
    let guard = Guard::new();
    let shared = patient_for_new(&guard, SHORT);
    let mut options = Inspector::options();
    let inspector = options
        .timeout(SHORT)
        .write(true)
        .open(guard.key())
        .unwrap();
    inspector.unlock().unwrap();
    let mut peer = Peer::start(PEER, ["exec-with-lock", &guard.arg()]);
    peer.expect("another program");
    assert_eq!(shared.set(7).unwrap_err().kind(), ErrorKind::Busy);
    inspector.unlock().unwrap();
    shared.set(7).unwrap();
    assert_eq!(
        (shared.get().unwrap(), inspector.version()),
        (7, shared.version())
    );
    // It goes on as before: its former slot is given back when it opens the segment again.
    peer.tell("open");
    peer.expect("done");
    peer.tell("write");
    assert_eq!(peer.line(), shared.version().to_string());
    peer.expect("done");
    peer.succeed();
    let mut owner = Peer::start(PEER, ["hold-lock", &guard.arg()]);
    owner.expect("locked");
    for stopped in [false, true] {
        if stopped {
            owner.stop();
        }
        let error = inspector.unlock().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
        assert_eq!(error.holder().unwrap().pid, owner.pid());
    }
    owner.go_on();
    owner.succeed();
    let view = Inspector::open(guard.key()).unwrap();
    assert_eq!(view.unlock().unwrap_err().kind(), ErrorKind::Options);
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

#[test]
fn writers_are_listed_alive_or_gone_with_or_without_the_lock() {
    let guard = Guard::new();
    let shared = SharedBox::<u64>::create_new(guard.key(), 5).unwrap();
    let view = SharedView::<u64>::open(guard.key()).unwrap();
    let inspector = Inspector::open(guard.key()).unwrap();
    let seen = || {
        let writers = view.writers().unwrap();
        assert_eq!(inspector.writers().unwrap(), writers);
        assert_eq!(shared.writers().unwrap(), writers);
        let holder = writers.iter().find(|writer| writer.holds_lock);
        let holder = holder.map(|writer| (writer.pid, writer.state));
        let said = inspector.holder().unwrap();
        assert_eq!(said.map(|said| (said.pid, said.state)), holder);
        let fact = |of: &Claimant| (of.pid, of.state == HolderState::Gone, of.holds_lock);
        writers.iter().map(fact).collect::<HashSet<_>>()
    };
    let own = std::process::id();
    assert_eq!(seen(), [(own, false, false)].into());
    let mut peer = Peer::start(PEER, ["hold-lock", &guard.arg()]);
    peer.expect("locked");
    let pid = peer.pid();
    assert_eq!(seen(), [(own, false, false), (pid, false, true)].into());
    peer.kill();
    let start = Instant::now();
    let lives = |writer: &Claimant| writer.pid == pid && writer.state != HolderState::Gone;
    while view.writers().unwrap().iter().any(lives) {
        assert!(start.elapsed() < Duration::from_secs(60));
    }
    assert_eq!(seen(), [(own, false, false), (pid, true, true)].into());
    shared.set(6).unwrap();
    assert_eq!(seen(), [(own, false, false), (pid, true, false)].into());
    shared.remove().unwrap();
    let error = view.writers().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Removed);
}

#[test]
fn a_writer_in_another_pid_namespace_is_listed_alive() {
    if !may_unshare("another pid namespace", &["--pid", "--fork"]) {
        return;
    }
    let guard = Guard::new();
    let shared = SharedBox::<u64>::create_new(guard.key(), 5).unwrap();
    let mut peer = apart(&["--pid", "--fork"], &["hold-lock", &guard.arg()]);
    peer.expect("locked");
    let view = SharedView::<u64>::open(guard.key()).unwrap();
    let writers = view.writers().unwrap();
    assert_eq!(writers.len(), 2, "{writers:?}");
    let other = writers.iter().find(|writer| writer.holds_lock).unwrap();
    assert_ne!(other.state, HolderState::Gone);
    assert!(
        ![0, 1, std::process::id()].contains(&other.pid),
        "{other:?}"
    );
    peer.kill();
    peer.finish();
    drop(shared);
}
