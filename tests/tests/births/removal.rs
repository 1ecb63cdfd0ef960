//! Segments that are removed while others use them: by the library, by `ipcrm`, and created anew
//! under the same key.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use shm_core::sysv::{Kind, Mode, sem, shm};
use shm_core::{ErrorKind, Key, Place, SharedBox, SharedView};
use shm_tests::{Guard, Home, NOBODY, Peer, may_change_user};

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
        other.changes().next().unwrap().map(drop),
        view.get().map(drop),
        view.snapshot().map(drop),
        view.wait_timeout(view.version(), second).map(drop),
        shared.get().map(drop),
    ];
    for (index, result) in results.into_iter().enumerate() {
        assert!(
            result
                .as_ref()
                .is_err_and(|error| error.kind() == ErrorKind::Removed),
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
fn a_writer_that_is_held_meets_the_removal_at_its_next_call() {
    let guard = Guard::new();
    let shared = SharedBox::<u64>::create_new(guard.key(), 1).unwrap();
    let other = SharedBox::<u64>::open(guard.key()).unwrap();
    let view = SharedView::<u64>::open(guard.key()).unwrap();
    let mut writer = other.writer().unwrap();
    let memory = guard.memory();
    shared.remove().unwrap();
    let version = view.version();
    let closure_runs = |_: &mut u64| panic!("nothing is left to change");
    for (call, result) in [
        ("set", writer.set(2).map(drop)),
        ("set_from", writer.set_from(&2).map(drop)),
        ("update", writer.update(closure_runs).map(drop)),
        ("get", writer.get().map(drop)),
        ("get_boxed", writer.get_boxed().map(drop)),
    ] {
        assert!(
            result
                .as_ref()
                .is_err_and(|error| error.kind() == ErrorKind::Removed),
            "{call}: {result:?}"
        );
    }
    drop(writer);
    assert!(
        other
            .set(2)
            .is_err_and(|error| error.kind() == ErrorKind::Removed)
    );
    assert_eq!(view.version(), version, "nothing was committed");
    assert_eq!(memory.read(0, 8), 1_u64.to_ne_bytes());
    drop(memory);
    guard.assert_nothing_left();
}

#[test]
fn a_removal_inside_a_held_writers_update_commits_nothing() {
    let guard = Guard::new();
    let shared = SharedBox::<u64>::create_new(guard.key(), 1).unwrap();
    let other = SharedBox::<u64>::open(guard.key()).unwrap();
    let mut writer = other.writer().unwrap();
    let memory = guard.memory();
    let result = writer.update(|value| {
        *value = 2;
        shared.remove().unwrap();
    });
    assert!(
        result
            .as_ref()
            .is_err_and(|error| error.kind() == ErrorKind::Removed),
        "{result:?}"
    );
    drop(writer);
    assert_eq!(memory.read(0, 8), 1_u64.to_ne_bytes());
    drop(memory);
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
    assert!(
        result
            .as_ref()
            .is_err_and(|error| error.kind() == ErrorKind::Removed),
        "{result:?}"
    );
    // The waiting box told it to all when it detached.
    let result = shared.set(2);
    assert!(
        result
            .as_ref()
            .is_err_and(|error| error.kind() == ErrorKind::Removed),
        "{result:?}"
    );
    assert!(
        view.get()
            .is_err_and(|error| error.kind() == ErrorKind::Removed)
    );
    let error = SharedBox::<u64>::open(guard.key()).unwrap_err();
    assert!(
        error
            .sysv()
            .is_some_and(|error| error.kind() == Kind::NotFound),
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
    assert!(
        other
            .get()
            .is_err_and(|error| error.kind() == ErrorKind::Removed)
    );
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
            error
                .sysv()
                .is_some_and(|error| error.kind() == Kind::NotFound),
            "{error:?}"
        );
    }
    assert!(
        shared
            .get()
            .is_err_and(|error| error.kind() == ErrorKind::Removed)
    );
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
fn what_is_reopened_is_a_handle_of_its_own() {
    let guard = Guard::new();
    let old = SharedBox::<u64>::create_new(guard.key(), 1).unwrap();
    let view = SharedView::<u64>::open(guard.key()).unwrap();
    let second = old.reopen().unwrap();
    assert!(old.created() && !second.created());
    second.set(2).unwrap();
    assert_eq!(old.set(3).unwrap(), 3);
    guard.memory();
    old.remove().unwrap();
    SharedBox::<u64>::create_new(guard.key(), 10).unwrap();
    let (shared, again) = (old.reopen().unwrap(), view.reopen().unwrap());
    shared.set(11).unwrap();
    assert_eq!((again.get().unwrap(), again.version()), (11, 2));
    for stale in [old.get(), second.get(), view.get()] {
        assert!(
            stale
                .as_ref()
                .is_err_and(|error| error.kind() == ErrorKind::Removed),
            "{stale:?}"
        );
    }
}

#[test]
fn a_private_segment_has_no_key_to_find_it_by_again() {
    let mut shared = SharedBox::<u64>::options()
        .remove_on_drop(true)
        .create_new(Key::PRIVATE, 1)
        .unwrap();
    assert!(
        shared
            .reattach()
            .is_err_and(|error| error.kind() == ErrorKind::Options)
    );
    assert!(
        shared
            .reopen()
            .is_err_and(|error| error.kind() == ErrorKind::Options)
    );
    assert_eq!(shared.get().unwrap(), 1);
}

/// What the library can retry, it retries.
#[test]
fn open_or_create_beside_removals_never_says_that_the_segment_was_removed() {
    const ROUNDS: u32 = 4000;
    let guard = Guard::new();
    let key = guard.key();
    let mut created = 0;
    let over = &AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(move || {
                while !over.load(Relaxed) {
                    if let Ok(shared) = SharedBox::<u64>::open(key) {
                        let _ = shared.remove();
                    }
                }
            });
        }
        let results: Vec<_> = (0..ROUNDS)
            .map(|_| SharedBox::open_or_create(key, || 1_u64).map(|shared| shared.created()))
            .collect();
        over.store(true, Relaxed);
        for result in results {
            created += u32::from(result.unwrap());
        }
    });
    println!("{created} of {ROUNDS} created");
    let _ = SharedBox::<u64>::open(key).map(|shared| shared.remove());
}

#[test]
fn open_or_create_beside_removals_opens_or_creates() {
    const TIMES: u32 = 6000;
    let guard = Guard::new();
    let key = guard.key();
    let refused = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut calls = 0;
                for _ in 0..TIMES {
                    let shared = SharedBox::open_or_create(key, || {
                        calls += 1;
                        7_u64
                    });
                    assert!(calls <= 1, "the closure was called twice by one call");
                    calls = 0;
                    match shared {
                        Ok(shared) => drop(shared.remove()),
                        Err(error) => refused.lock().unwrap().push(error.to_string()),
                    }
                }
            });
        }
    });
    let refused = refused.into_inner().unwrap();
    assert!(
        refused.is_empty(),
        "{} of {} calls: {}",
        refused.len(),
        4 * TIMES,
        refused[0]
    );
    guard.assert_nothing_left();
}

#[test]
fn removing_by_the_key_takes_the_semaphores_and_tells_those_attached() {
    let guard = Guard::new();
    let shared = SharedBox::<u64>::create_new(guard.key(), 1).unwrap();
    let mut writer = SharedBox::<u64>::open(guard.key()).unwrap();
    writer.set(2).unwrap();
    let mut peers = ["box", "view"].map(|kind| waiting(&guard, kind));
    guard.memory();
    shm_core::remove(guard.key()).unwrap();
    for peer in &mut peers {
        let line = peer.line();
        assert!(line.contains("has been removed"), "{line}");
    }
    assert!(
        shared
            .get()
            .is_err_and(|error| error.kind() == ErrorKind::Removed)
    );
    assert!(
        writer
            .set(3)
            .is_err_and(|error| error.kind() == ErrorKind::Removed)
    );
    guard.assert_nothing_left();
    let error = shm_core::remove(guard.key()).unwrap_err();
    assert!(
        error.to_string().contains("nothing is left to remove"),
        "{error}"
    );
    let _anew = SharedBox::<[u8; 9]>::create_new(guard.key(), [5; 9]).unwrap();
    assert!(writer.reattach().is_err());
}

#[test]
fn a_private_segment_is_removed_by_its_id() {
    let guard = Guard::new();
    let private = SharedBox::<u64>::create_new(Key::PRIVATE, 1).unwrap();
    let id = guard.watch(private.id().unwrap());
    drop(private);
    shm_core::remove(id).unwrap();
    guard.assert_nothing_left();
    let error = shm_core::remove(id).unwrap_err();
    assert!(error.kind() == ErrorKind::Removed, "{error}");
    let error = shm_core::remove(Key::PRIVATE).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Options, "{error}");
}

/// Word by word.
#[test]
fn a_damaged_segment_is_removed_with_its_semaphores() {
    const CONTROL: usize = 320;
    let mut foreign = 0;
    for at in (0..CONTROL).step_by(8) {
        // They name the semaphore set, and tell it from others: see the next test.
        if [32, 64].contains(&at) {
            continue;
        }
        let guard = Guard::new();
        drop(SharedBox::<u64>::create_new(guard.key(), 1).unwrap());
        let memory = guard.memory();
        memory.write(memory.len() - CONTROL + at, &[0xa5; 8]);
        match shm_core::remove(guard.key()) {
            Ok(()) => {
                drop(memory);
                guard.assert_nothing_left();
            }
            // Without the magic number it could be another program's.
            Err(error) if error.kind() == ErrorKind::Foreign => foreign += 1,
            Err(error) => panic!("word at {at}: {error}"),
        }
    }
    assert_eq!(foreign, 1);
}

#[test]
fn a_semaphore_set_that_is_not_the_segments_own_stays() {
    let (guard, other) = (Guard::new(), Guard::new());
    let _kept = SharedBox::<u64>::create_new(other.key(), 1).unwrap();
    drop(SharedBox::<u64>::create_new(guard.key(), 1).unwrap());
    let memory = guard.memory();
    let own = guard.set();
    let word = other.set().as_raw() as u32 + 1;
    memory.write(memory.len() - 320 + 64, &word.to_ne_bytes());
    assert_eq!(guard.set(), other.set());
    shm_core::remove(guard.key()).unwrap();
    sem::stat(other.set()).unwrap();
    sem::remove(own).unwrap();
    assert!(SharedBox::<u64>::open(other.key()).unwrap().set(2).is_ok());
}

#[test]
fn an_unfinished_birth_is_removed() {
    let guard = Guard::new();
    let size = SharedBox::<u64>::segment_size().unwrap();
    let memory = guard.foreign(size);
    // The newborn's mark, as a creator that died at once leaves it.
    let (user, group) = (nix::unistd::geteuid(), nix::unistd::getegid());
    shm::set(memory.id(), user.as_raw(), group.as_raw(), Mode::new(0o601)).unwrap();
    let mut options = SharedBox::<u64>::options();
    let error = options.timeout(Duration::from_millis(5)).open(guard.key());
    let error = error.unwrap_err();
    assert!(
        error.kind() == ErrorKind::Unfinished && error.to_string().contains("shm_core::remove"),
        "{error}"
    );
    shm_core::remove(guard.key()).unwrap();
    drop(memory);
    guard.assert_nothing_left();
}

#[test]
fn what_another_program_made_is_left_to_ipcrm() {
    let whole = SharedBox::<u64>::segment_size().unwrap();
    for (size, by_id) in [(8, false), (56, true), (4096, false), (whole, true)] {
        let guard = Guard::new();
        let memory = guard.foreign(size);
        let removed = if by_id {
            shm_core::remove(memory.id())
        } else {
            shm_core::remove(guard.key())
        };
        let error = removed.unwrap_err();
        assert!(error.kind() == ErrorKind::Foreign, "{error}");
        assert!(shm::stat(memory.id()).is_ok_and(|stat| !stat.dest));
        assert!(memory.bytes().iter().all(|byte| *byte == 0));
        let text = error.to_string();
        let line = text.split('`').nth(1).unwrap();
        assert!(line.starts_with("ipcrm -"), "{text}");
        let shell = Command::new("sh").args(["-c", line]).status().unwrap();
        assert!(shell.success(), "{line}");
        drop(memory);
        guard.assert_nothing_left();
    }
}

#[test]
fn who_may_not_remove_is_told_who_may_and_nothing_happens() {
    if !may_change_user("who_may_not_remove_is_told_who_may_and_nothing_happens") {
        return;
    }
    let guard = Guard::new();
    let shared = SharedBox::<u64>::options()
        .mode(0o666)
        .create_new(guard.key(), 1)
        .unwrap();
    let user = NOBODY.to_string();
    let said = Peer::start(PEER, ["--user", &user, "remove", &guard.arg()]).succeed();
    assert!(
        said.contains("its owner and creator, uid 0,") && said.contains("run as one of them"),
        "{said}"
    );
    assert_eq!(shared.set(2).unwrap(), 2);
    assert!(!shared.is_removed().unwrap());
    let as_owner = Peer::start(PEER, ["remove", &guard.arg()]).succeed();
    assert_eq!(as_owner.trim_end(), "0");
}

/// The byte of a file that is locked by who takes its name away.
const NAME_BYTE: i64 = (1 << 32) + 2;

/// The call that has offsets of 64 bits.
#[cfg(target_pointer_width = "64")]
const FCNTL: libc::c_long = libc::SYS_fcntl;
#[cfg(target_pointer_width = "32")]
const FCNTL: libc::c_long = libc::SYS_fcntl64;

/// A lock on it that nothing lets go of.
fn keep_name(path: &Path) -> File {
    let file = File::options().read(true).write(true).open(path).unwrap();
    // SAFETY: all zeros are a `flock64`, which has integers alone.
    let mut lock: libc::flock64 = unsafe { std::mem::zeroed() };
    lock.l_type = libc::F_WRLCK as _;
    (lock.l_start, lock.l_len) = (NAME_BYTE, 1);
    // SAFETY: `fcntl(2)` reads the lock that the pointer leads to.
    let code = unsafe {
        let (fd, command) = (file.as_raw_fd(), libc::F_OFD_SETLK);
        libc::syscall(FCNTL, fd, command, &raw const lock)
    };
    assert_eq!(code, 0);
    file
}

#[test]
fn a_removal_waits_for_a_holder_of_the_name_as_long_as_its_caller_says_and_for_one_of_the_lock_not_at_all()
 {
    let limit = Duration::from_millis(50);
    let by_default = Duration::from_secs(5);
    let guard = Guard::new();
    let files = Home::files();
    let places = [Place::from(guard.key())].into_iter();
    for place in places.chain(files.iter().map(|home| home.place().clone())) {
        let mut options = SharedBox::options();
        let shared = options.timeout(limit).create_new(&place, 1_u64).unwrap();
        let other = SharedBox::<u64>::open(&place).unwrap();
        let mut writer = other.writer().unwrap();
        let kept = place.path().map(|path| keep_name(&path));
        let start = Instant::now();
        shared.remove().unwrap();
        let took = start.elapsed();
        assert!(took < by_default, "{place}: {took:?}");
        assert!(kept.is_none() || took >= limit, "{place}: {took:?}");
        assert_eq!(writer.set(2).unwrap_err().kind(), ErrorKind::Removed);
        SharedBox::<u64>::open(&place).unwrap_err();
    }
}
