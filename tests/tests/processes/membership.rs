//! What comes between a process and its segment without a store: it leaves the IPC namespace, gives
//! up its rights, lives where the kernel undoes no semaphores, or another program removes the
//! segment.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use nix::libc;
use shm_core::sysv::{Key, sem, shm};
use shm_core::{ErrorKind, SharedBox, SharedView};
use shm_tests::{Guard, Peer, may_change_user, semaphores, slots};

const PEER: &str = env!("CARGO_BIN_EXE_peer");

/// Commits between two looks of a writer, as `FORMAT.md` has it.
const EACH: u64 = 1024;

type Large = [u64; 8192];

fn is_whole(value: &Large) -> bool {
    value.iter().all(|word| *word == value[0])
}

/// What a process that left its namespace wrote before it was told that it must not; `None` if it
/// could not leave.
fn leave_and_write(guard: &Guard) -> Option<u64> {
    let mut leaver = Peer::start(PEER, ["leave-and-write", &guard.arg(), "2000"]);
    leaver.expect("open");
    leaver.tell("");
    let said = leaver.line();
    if said != "left" {
        eprintln!("SKIPPED: leaving an IPC namespace: {said}");
        return None;
    }
    let written = leaver.line().parse().unwrap();
    let refusal = leaver.line();
    assert!(refusal.contains("has left the IPC namespace"), "{refusal}");
    // Update and writer are refused the same way; reads go on; removal and the kernel's facts are
    // refused; the stranger's segments stay.
    for _ in 0..5 {
        leaver.expect("true");
    }
    leaver.succeed();
    Some(written)
}

/// The kernel undoes the semaphores of a process that leaves its namespace, while its mapping stays:
/// by them alone, its lock was taken away while it wrote.
#[test]
fn no_read_is_torn_while_processes_that_left_their_namespace_write_beside_another() {
    let guard = Guard::new();
    let shared = SharedBox::<Large>::create_new(guard.key(), [1; 8192]).unwrap();
    // Alone, it notices by the count of commits; beside another writer, when it has to wait.
    let Some(alone) = leave_and_write(&guard) else {
        return;
    };
    assert!(
        (1..=EACH).contains(&alone),
        "{alone} commits before it noticed"
    );
    let (stop, reads) = (AtomicBool::new(false), AtomicU64::new(0));
    let written = std::thread::scope(|scope| {
        scope.spawn(|| {
            let view = SharedView::<Large>::open(guard.key()).unwrap();
            let mut value = [0; 8192];
            while !stop.load(Relaxed) {
                view.read_into(&mut value).unwrap();
                assert!(is_whole(&value), "a torn read");
                reads.fetch_add(1, Relaxed);
            }
        });
        scope.spawn(|| {
            let mut number = 1;
            while !stop.load(Relaxed) {
                let written = shared.update(|value| {
                    assert!(is_whole(value), "torn under the lock");
                    number += 1;
                    *value = [number; 8192];
                });
                written.unwrap();
                // Time in which the leaver finds the lock free.
                (0..number % 20_000).for_each(|_| std::hint::spin_loop());
            }
        });
        let written: u64 = (0..10).filter_map(|_| leave_and_write(&guard)).sum();
        stop.store(true, Relaxed);
        written
    });
    println!("{} reads, {written} commits by leavers", reads.into_inner());
    shared.set([7; 8192]).unwrap();
    assert!(is_whole(&shared.get_boxed().unwrap()));
    // Neither their drops nor their exits touched what is not their own.
    let held = slots(guard.set())
        .iter()
        .filter(|value| **value != 0)
        .count();
    assert_eq!(held, 1);
}

#[test]
fn a_daemon_that_gives_up_its_rights_can_do_what_it_could() {
    if !may_change_user("giving up rights") {
        return;
    }
    let guard = Guard::new();
    let shared = SharedBox::<u64>::create_new(guard.key(), 9).unwrap();
    let mut daemon = Peer::start(PEER, ["give-up-rights", &guard.arg()]);
    daemon.expect("ready");
    daemon.tell("");
    daemon.expect("9");
    for wait in ["box", "view"] {
        assert_eq!(daemon.line(), "0", "a wait of a {wait} that no commit ends");
    }
    for write in ["set", "update", "Writer::set"] {
        let version = daemon.line().parse::<u64>();
        assert!(version.is_ok_and(|version| version > 1), "{write}");
    }
    daemon.expect("3");
    daemon.expect("0");
    daemon.expect("contend");
    assert_eq!(shared.get().unwrap(), 12);
    // It judges the owner by its record: alive while it lives, dead when it has been killed.
    let mut owner = Peer::start(PEER, ["hold-lock", &guard.arg()]);
    owner.expect("locked");
    daemon.tell("");
    owner.kill();
    owner.finish();
    let version = daemon.line().parse::<u64>();
    assert_eq!(version.unwrap(), shared.version());
    assert_eq!(shared.get().unwrap(), 13);
    let said = daemon.line();
    assert!(
        said.contains("a forked child claims a slot of its own"),
        "{said}"
    );
    daemon.succeed();
}

#[test]
fn where_the_kernel_undoes_no_semaphores_open_says_so_and_views_read() {
    let guard = Guard::new();
    SharedBox::<u64>::create_new(guard.key(), 5).unwrap();
    for errno in [libc::ENOTSUP, libc::EINVAL, libc::ENOSYS] {
        let mut peer = Peer::start(PEER, ["without-undo", &guard.arg(), &errno.to_string()]);
        let said = peer.line();
        if said.is_empty() {
            eprintln!("SKIPPED: no seccomp filter is to be had here");
            return;
        }
        assert!(said.contains("`SEM_UNDO`"), "errno {errno}: {said}");
        assert!(said.contains("open_read_only"), "errno {errno}: {said}");
        peer.expect("5");
        peer.succeed();
    }
}

#[test]
fn writers_notice_that_another_program_removed_the_segment_and_tell_all() {
    let guard = Guard::new();
    let shared = SharedBox::<u64>::create_new(guard.key(), 5).unwrap();
    let other = SharedBox::<u64>::open(guard.key()).unwrap();
    let view = SharedView::<u64>::open(guard.key()).unwrap();
    let mut waiter = Peer::start(PEER, ["wait", &guard.arg(), "view"]);
    waiter.expect("waiting");
    guard.ipcrm();
    // Until then all say `Ok`, as if nothing had happened.
    let written = (0..=EACH).take_while(|n| shared.set(*n).is_ok()).count() as u64;
    assert!(written <= EACH, "{written} commits");
    for result in [
        shared.set(1),
        other.set(1),
        shared.get(),
        view.get(),
        other.update(|_| ()),
        other.writer().map(|_| 0),
        view.wait(u64::MAX - 1).map(|_| 0),
    ] {
        assert!(
            result
                .as_ref()
                .is_err_and(|error| error.kind() == ErrorKind::Removed),
            "{result:?}"
        );
    }
    waiter.succeed();
    // The second truth is the only one.
    let anew = SharedBox::<u64>::create_new(guard.key(), 6).unwrap();
    assert_eq!(anew.get().unwrap(), 6);
    anew.remove().unwrap();
}

/// The habit of C programs: made, attached, marked for removal at once, so that it goes with its last
/// process.
#[test]
fn a_segment_that_was_marked_for_removal_at_birth_works_and_leaves_no_set() {
    let shared = SharedBox::<u64>::create_new(Key::PRIVATE, 5).unwrap();
    let id = shared.id().unwrap();
    let set = semaphores(id);
    shm::remove(id).unwrap();
    let other = SharedBox::<u64>::open(id).unwrap();
    let view = SharedView::<u64>::open(id).unwrap();
    for _ in 0..2 * EACH {
        shared.update(|n| *n += 1).unwrap();
        other.update(|n| *n += 1).unwrap();
    }
    assert_eq!(view.get().unwrap(), 5 + 4 * EACH);
    let short = Duration::from_millis(400);
    assert!(view.wait_timeout(view.version(), short).unwrap().is_none());
    assert!(
        shared
            .wait_timeout(shared.version(), short)
            .unwrap()
            .is_none()
    );
    assert!(!shared.is_removed().unwrap() && !view.is_removed().unwrap());
    assert_eq!(shared.writer().unwrap().set(1).unwrap(), view.version());
    drop((shared, other));
    assert!(sem::stat(set).is_ok(), "a view is attached still");
    drop(view);
    assert!(shm::stat(id).is_err());
    assert!(sem::stat(set).is_err(), "the set is left");
}

#[test]
fn a_view_that_detaches_last_from_a_removed_segment_leaves_no_set() {
    let guard = Guard::new();
    let shared = SharedBox::<u64>::create_new(guard.key(), 5).unwrap();
    let view = SharedView::<u64>::open(guard.key()).unwrap();
    let set = guard.set();
    guard.ipcrm();
    // It has not noticed, and tells those who stay.
    drop(shared);
    let result = view.get();
    assert!(
        result
            .as_ref()
            .is_err_and(|error| error.kind() == ErrorKind::Removed),
        "{result:?}"
    );
    drop(view);
    assert!(sem::stat(set).is_err(), "the set is left");
}

#[test]
fn of_several_that_detach_at_once_the_last_one_takes_the_set_with_it() {
    for _ in 0..50 {
        let shared = SharedBox::<u64>::create_new(Key::PRIVATE, 5).unwrap();
        let (id, set) = (shared.id().unwrap(), semaphores(shared.id().unwrap()));
        shm::remove(id).unwrap();
        let boxes: Vec<_> = (0..4)
            .map(|_| SharedBox::<u64>::open(id).unwrap())
            .collect();
        drop(shared);
        std::thread::scope(|scope| {
            boxes.into_iter().for_each(|shared| {
                scope.spawn(move || drop(shared));
            });
        });
        assert!(sem::stat(set).is_err(), "the set is left");
    }
}
