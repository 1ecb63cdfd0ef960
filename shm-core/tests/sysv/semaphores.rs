//! Semaphore sets: operations at once and after a wait, values, and what the kernel does when a
//! process ends.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use shm_core::sysv::sem::{self, GetFlags, Op};
use shm_core::sysv::{Error, Key, Kind, Limit, Mode};

use crate::support::{Set, me, unique_key};

/// Long enough for any machine; reached only where something is broken.
const LONG: Duration = Duration::from_secs(60);

/// Waits for something that another thread is about to bring about.
fn until(mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < LONG, "it never happened");
        std::thread::yield_now();
    }
}

#[test]
fn a_set_is_found_by_its_key_and_starts_at_zero() {
    let key = unique_key();
    let set = Set::with_key(key, 3, 0o640);
    assert_eq!(
        sem::get(key, 0, GetFlags::NONE, Mode::new(0)).unwrap(),
        set.0
    );
    assert_eq!(sem::values(set.0).unwrap(), [0, 0, 0]);

    let (uid, gid) = me();
    let stat = sem::stat(set.0).unwrap();
    assert_eq!(
        (stat.key, stat.count, stat.mode),
        (key, 3, Mode::new(0o640))
    );
    assert_eq!(
        (stat.uid, stat.gid, stat.cuid, stat.cgid),
        (uid, gid, uid, gid)
    );
    assert!(stat.otime.is_none() && stat.ctime.is_some(), "{stat:?}");
    sem::op(set.0, &[Op::add(0, 1)]).unwrap();
    assert!(sem::stat(set.0).unwrap().otime.is_some());
}

#[test]
fn operations_are_done_all_or_none() {
    let set = Set::private(2, 0o600);
    sem::op(set.0, &[Op::add(0, 2), Op::add(1, 5), Op::add(1, -1)]).unwrap();
    assert_eq!(sem::values(set.0).unwrap(), [2, 4]);

    let error = sem::op(set.0, &[Op::add(0, 1), Op::add(1, -5).nowait()]).unwrap_err();
    assert_eq!(
        (error.kind(), error.raw_os_error()),
        (Kind::WouldBlock, Some(libc::EAGAIN))
    );
    assert_eq!(
        sem::op(set.0, &[Op::wait_zero(0).nowait()])
            .unwrap_err()
            .kind(),
        Kind::WouldBlock
    );
    assert_eq!(sem::values(set.0).unwrap(), [2, 4]);
    assert_eq!(
        sem::pid(set.0, 0).unwrap().unsigned_abs(),
        std::process::id()
    );
}

#[test]
fn a_slot_is_taken_once() {
    let set = Set::private(1, 0o600);
    let take = [Op::wait_zero(0).nowait(), Op::add(0, 1).undo().nowait()];
    sem::op(set.0, &take).unwrap();
    assert_eq!(sem::op(set.0, &take).unwrap_err().kind(), Kind::WouldBlock);
    assert_eq!(
        format!("{take:?}"),
        "[wait_zero(0).nowait(), add(0, 1).nowait().undo()]"
    );
}

#[test]
fn a_wait_ends_when_another_thread_adds_or_takes() {
    let set = Set::private(2, 0o600);
    sem::set_value(set.0, 1, 1).unwrap();
    std::thread::scope(|scope| {
        let increase = scope.spawn(|| sem::op(set.0, &[Op::add(0, -1)]));
        let zero = scope.spawn(|| sem::op_timeout(set.0, &[Op::wait_zero(1)], LONG));
        until(|| {
            sem::waiting_increase(set.0, 0).unwrap() == 1
                && sem::waiting_zero(set.0, 1).unwrap() == 1
        });
        assert_eq!(
            (
                sem::waiting_zero(set.0, 0).unwrap(),
                sem::waiting_increase(set.0, 1).unwrap()
            ),
            (0, 0)
        );
        sem::op(set.0, &[Op::add(0, 1), Op::add(1, -1)]).unwrap();
        increase.join().unwrap().unwrap();
        zero.join().unwrap().unwrap();
    });
    assert_eq!(sem::values(set.0).unwrap(), [0, 0]);
}

#[test]
fn a_time_limit_is_kept_and_told_apart_from_nowait() {
    let set = Set::private(1, 0o600);
    for timeout in [Duration::ZERO, Duration::from_millis(20)] {
        let start = Instant::now();
        let error = sem::op_timeout(set.0, &[Op::add(0, -1)], timeout).unwrap_err();
        assert_eq!((error.kind(), error.call()), (Kind::TimedOut, "semtimedop"));
        assert!(start.elapsed() >= timeout);
    }
    let error = sem::op_timeout(set.0, &[Op::add(0, -1).nowait()], LONG).unwrap_err();
    assert_eq!(error.kind(), Kind::WouldBlock);
    // A time that no clock can reach is no limit, and no error.
    sem::op_timeout(set.0, &[Op::add(0, 1)], Duration::MAX).unwrap();
}

static SIGNALS: AtomicU32 = AtomicU32::new(0);

extern "C" fn count_signal(_: libc::c_int) {
    SIGNALS.fetch_add(1, Ordering::SeqCst);
}

#[test]
fn signals_neither_end_a_wait_nor_stretch_its_time_limit() {
    // SAFETY: a zeroed `sigaction` is valid (no flags, an empty mask); the handler only counts,
    // which is async-signal-safe.
    unsafe {
        let mut action: libc::sigaction = core::mem::zeroed();
        action.sa_sigaction = count_signal as *const () as usize;
        assert_eq!(
            libc::sigaction(libc::SIGUSR1, &raw const action, core::ptr::null_mut()),
            0
        );
    }
    let set = Set::private(2, 0o600);
    let interrupt = |thread: libc::pthread_t| {
        let before = SIGNALS.load(Ordering::SeqCst);
        // SAFETY: the thread has not ended: it waits, and is joined later.
        assert_eq!(unsafe { libc::pthread_kill(thread, libc::SIGUSR1) }, 0);
        until(|| SIGNALS.load(Ordering::SeqCst) > before);
    };
    std::thread::scope(|scope| {
        let (tell, told) = mpsc::channel();
        let waiter = scope.spawn(move || {
            // SAFETY: always succeeds.
            tell.send(unsafe { libc::pthread_self() } as usize).unwrap();
            sem::op(set.0, &[Op::add(0, -1)])?;
            sem::op_timeout(set.0, &[Op::add(0, -1)], LONG)
        });
        let thread = told.recv().unwrap() as libc::pthread_t;
        for _ in 0..2 {
            until(|| sem::waiting_increase(set.0, 0).unwrap() == 1);
            interrupt(thread);
            until(|| sem::waiting_increase(set.0, 0).unwrap() == 1);
            sem::op(set.0, &[Op::add(0, 1)]).unwrap();
        }
        waiter.join().unwrap().unwrap();

        // A signal comes more often than the limit is long: a limit that began anew each time would
        // never be over.
        let (tell, told) = mpsc::channel();
        let waiter = scope.spawn(move || {
            // SAFETY: always succeeds.
            tell.send(unsafe { libc::pthread_self() } as usize).unwrap();
            let error =
                sem::op_timeout(set.0, &[Op::add(0, -1)], Duration::from_millis(300)).unwrap_err();
            sem::op(set.0, &[Op::add(1, 1)]).unwrap();
            // Stays until no signals are sent to it any more.
            sem::op(set.0, &[Op::wait_zero(1)]).unwrap();
            error.kind()
        });
        let thread = told.recv().unwrap() as libc::pthread_t;
        until(|| {
            interrupt(thread);
            std::thread::sleep(Duration::from_millis(5));
            sem::value(set.0, 1).unwrap() == 1
        });
        sem::op(set.0, &[Op::add(1, -1)]).unwrap();
        assert_eq!(waiter.join().unwrap(), Kind::TimedOut);
    });
}

#[test]
fn removal_wakes_those_who_wait() {
    let set = Set::private(1, 0o600);
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| sem::op(set.0, &[Op::add(0, -1)]));
        until(|| sem::waiting_increase(set.0, 0).unwrap() == 1);
        sem::remove(set.0).unwrap();
        let error = waiter.join().unwrap().unwrap_err();
        assert_eq!(
            (error.kind(), error.raw_os_error()),
            (Kind::Removed, Some(libc::EIDRM))
        );
    });
    let errors: [Result<(), Error>; 7] = [
        sem::stat(set.0).map(drop),
        sem::op(set.0, &[Op::add(0, 1)]),
        sem::value(set.0, 0).map(drop),
        sem::set_value(set.0, 0, 1),
        sem::values(set.0).map(drop),
        sem::set(set.0, 0, 0, Mode::new(0o600)),
        sem::remove(set.0),
    ];
    for error in errors.map(Result::unwrap_err) {
        assert_eq!(
            (error.kind(), error.id()),
            (Kind::Removed, Some(set.0.as_raw())),
            "{error}"
        );
    }
}

#[test]
fn undo_takes_back_what_the_dead_had_added() {
    let set = Set::private(2, 0o600);
    std::thread::scope(|scope| {
        scope
            .spawn(|| {
                // SAFETY: takes a number; gives this thread undo structures of its own, as a
                // process has.
                assert_eq!(unsafe { libc::unshare(libc::CLONE_SYSVSEM) }, 0);
                sem::op(set.0, &[Op::add(0, 1).undo(), Op::add(1, 1)]).unwrap();
                assert_eq!(sem::value(set.0, 0).unwrap(), 1);
            })
            .join()
            .unwrap();
    });
    sem::op_timeout(set.0, &[Op::wait_zero(0)], LONG).unwrap();
    assert_eq!(sem::value(set.0, 1).unwrap(), 1);
}

#[test]
fn values_are_set_and_read_singly_and_together() {
    let set = Set::private(4, 0o600);
    sem::set_values(set.0, &[1, 2, 3, 32767]).unwrap();
    assert_eq!(sem::values(set.0).unwrap(), [1, 2, 3, 32767]);
    sem::set_value(set.0, 2, 9).unwrap();
    assert_eq!(sem::value(set.0, 2).unwrap(), 9);

    for given in [&[1, 2, 3][..], &[1, 2, 3, 4, 5], &[]] {
        let error = sem::set_values(set.0, given).unwrap_err();
        let expected = format!(
            "the set has 4 semaphores, 0 to 3; {} values were given",
            given.len()
        );
        assert_eq!((error.kind(), error.cause()), (Kind::Invalid, &*expected));
    }
    assert_eq!(sem::values(set.0).unwrap(), [1, 2, 9, 32767]);
}

#[test]
fn a_value_stays_within_its_range() {
    let set = Set::private(1, 0o600);
    sem::set_value(set.0, 0, 32767).unwrap();
    let errors = [
        sem::op(set.0, &[Op::add(0, 1)]),
        sem::set_value(set.0, 0, 32768),
        sem::set_values(set.0, &[u16::MAX]),
        sem::op(
            set.0,
            &[Op::add(0, i16::MIN).nowait(), Op::add(0, i16::MAX)],
        ),
    ];
    let [first, second, third, fourth] = errors.map(Result::unwrap_err);
    for error in [first, second, third] {
        assert_eq!(
            (error.kind(), error.raw_os_error()),
            (Kind::OutOfRange, Some(libc::ERANGE)),
            "{error}"
        );
    }
    assert_eq!(fourth.kind(), Kind::WouldBlock);
    assert_eq!(sem::value(set.0, 0).unwrap(), 32767);
}

#[test]
fn a_semaphore_the_set_does_not_have_is_named() {
    let set = Set::private(2, 0o600);
    let error = sem::op(set.0, &[Op::add(0, 1), Op::add(5, 1)]).unwrap_err();
    assert_eq!(
        (error.kind(), error.raw_os_error()),
        (Kind::Invalid, Some(libc::EFBIG))
    );
    assert_eq!(
        error.cause(),
        "the set has 2 semaphores, 0 to 1; an operation is for semaphore 5"
    );

    let errors = [
        sem::value(set.0, 5).map(drop),
        sem::set_value(set.0, 5, 0),
        sem::pid(set.0, 5).map(drop),
    ];
    for error in errors.map(Result::unwrap_err) {
        assert_eq!(
            (error.kind(), error.raw_os_error()),
            (Kind::Invalid, Some(libc::EINVAL))
        );
        assert!(
            error
                .to_string()
                .contains(&format!("(id {}, semaphore 5, ", set.0)),
            "{error}"
        );
        assert!(
            error.cause().contains("the set has 2 semaphores, 0 to 1"),
            "{error}"
        );
    }
}

#[test]
fn an_add_of_zero_is_no_wait() {
    let set = Set::private(1, 0o600);
    for result in [
        sem::op(set.0, &[Op::add(0, 0)]),
        sem::op_timeout(set.0, &[Op::add(0, 0).undo().nowait()], LONG),
    ] {
        let error = result.unwrap_err();
        assert_eq!((error.kind(), error.raw_os_error()), (Kind::Invalid, None));
        assert!(error.hint().contains("wait_zero"), "{error}");
    }
}

#[test]
fn no_operation_and_too_many_are_errors() {
    let set = Set::private(1, 0o600);
    let error = sem::op(set.0, &[]).unwrap_err();
    assert_eq!(
        (error.kind(), error.cause()),
        (Kind::Invalid, "no operation was given")
    );

    let semopm = sem::limits().unwrap().semopm;
    let many = vec![Op::add(0, 1); usize::try_from(semopm).unwrap() + 1];
    let error = sem::op(set.0, &many).unwrap_err();
    assert_eq!(
        (error.kind(), error.raw_os_error()),
        (Kind::NoSpace(Limit::Semopm), Some(libc::E2BIG))
    );
    assert!(
        error
            .cause()
            .ends_with(&format!("semopm allows in one call, {semopm}")),
        "{error}"
    );
}

#[test]
fn faults_of_get_are_told_apart() {
    let key = unique_key();
    let none = sem::get(key, 1, GetFlags::NONE, Mode::new(0o600)).unwrap_err();
    assert_eq!(
        (none.kind(), none.raw_os_error()),
        (Kind::NotFound, Some(libc::ENOENT))
    );
    assert!(
        none.to_string()
            .starts_with(&format!("semget({key}): no semaphore set has this key")),
        "{none}"
    );

    let set = Set::with_key(key, 2, 0o640);
    let flags = GetFlags::CREATE | GetFlags::EXCLUSIVE;
    let exists = sem::get(key, 2, flags, Mode::new(0o600)).unwrap_err();
    assert_eq!(exists.kind(), Kind::Exists);
    assert!(
        exists
            .cause()
            .contains(&format!(": id {}, 2 semaphores, of uid", set.0)),
        "{exists}"
    );

    let small = sem::get(key, 3, GetFlags::NONE, Mode::new(0o600)).unwrap_err();
    assert_eq!(small.kind(), Kind::Invalid);
    assert_eq!(
        small.cause(),
        format!("the set under {key} has 2 semaphores, 3 were asked for")
    );

    let empty = sem::get(Key::PRIVATE, 0, GetFlags::CREATE, Mode::new(0o600)).unwrap_err();
    assert_eq!(
        (empty.kind(), empty.cause()),
        (Kind::Invalid, "a new set of 0 semaphores was asked for")
    );
}

#[test]
fn set_changes_owner_and_mode() {
    let set = Set::private(1, 0o600);
    let (uid, gid) = me();
    sem::set(set.0, uid, gid, Mode::new(0o644)).unwrap();
    let stat = sem::stat(set.0).unwrap();
    assert_eq!(
        (stat.uid, stat.gid, stat.mode),
        (uid, gid, Mode::new(0o644))
    );
    assert_eq!(
        sem::set(set.0, uid, u32::MAX, Mode::new(0o600))
            .unwrap_err()
            .kind(),
        Kind::Invalid
    );
}

#[test]
fn the_walk_finds_each_set_by_index_and_skips_holes() {
    let mine = [Set::private(3, 0o600), Set::private(4, 0o600)];
    let usage = sem::usage().unwrap();
    assert!(usage.sets >= 2 && usage.semaphores >= 7, "{usage:?}");
    let seen: Vec<_> = sem::sets().unwrap().map(Result::unwrap).collect();
    for (set, count) in [(&mine[0], 3), (&mine[1], 4)] {
        assert_eq!(
            seen.iter().find(|(id, _)| *id == set.0).unwrap().1.count,
            count
        );
    }
    let index = (0..=usage.highest_index)
        .find(|i| sem::stat_index(*i).is_ok_and(|(id, _)| id == mine[1].0))
        .unwrap();
    assert_eq!(
        sem::stat_index_any(index).unwrap(),
        sem::stat_index(index).unwrap()
    );
    assert_eq!(
        sem::stat_index_any(u32::MAX >> 1).unwrap_err().kind(),
        Kind::NotFound
    );
}
