//! What another user may not do, and what the error tells: whose the object is, its mode, who we
//! are, what is missing.

use shm_core::sysv::shm::{self, Access, AttachOptions};
use shm_core::sysv::{Error, Kind, Limit, Mode, sem};

use crate::support::{NOBODY, Segment, Set, as_nobody, unique_key};

fn assert_denied(error: &Error, needed: &str, owner: &str) {
    assert_eq!(
        (error.kind(), error.raw_os_error()),
        (Kind::Denied, Some(libc::EACCES)),
        "{error}"
    );
    let expected = format!("uid {NOBODY}, gid {NOBODY} has no right to {needed} the {owner}");
    assert_eq!(error.cause(), expected);
}

fn assert_not_permitted(error: &Error, capability: &str) {
    assert_eq!(
        (error.kind(), error.raw_os_error()),
        (Kind::NotPermitted, Some(libc::EPERM)),
        "{error}"
    );
    let cause = error.cause();
    assert!(cause.contains("its owner and creator, uid 0,"), "{error}");
    assert!(
        cause.contains(&format!("uid {NOBODY} may not")) && cause.contains(capability),
        "{error}"
    );
}

#[test]
fn a_segment_without_any_right_is_described_but_not_opened() {
    let key = unique_key();
    let segment = Segment::with_key(key, 56, 0o600);
    as_nobody(|| {
        let error = shm::get(key, 56, shm::GetFlags::NONE, Mode::new(0o600)).unwrap_err();
        let owner = "segment, which belongs to uid 0, gid 0 with mode 0600";
        assert_denied(&error, "open with mode 0600", owner);

        // The id is for all, and the facts are in the list that needs no right.
        assert_eq!(
            shm::get(key, 0, shm::GetFlags::NONE, Mode::new(0)).unwrap(),
            segment.0
        );
        assert_denied(&shm::stat(segment.0).unwrap_err(), "read", owner);
        assert_denied(
            &shm::attach(segment.0, Access::ReadOnly).unwrap_err(),
            "read",
            owner,
        );
        let index = (0..=shm::usage().unwrap().highest_index).find(|i| {
            shm::stat_index_any(*i).is_ok_and(|(id, stat)| id == segment.0 && stat.size == 56)
        });
        let error = shm::stat_index(index.unwrap()).unwrap_err();
        assert_eq!(error.kind(), Kind::Denied);
        assert!(error.hint().contains("stat_index_any"), "{error}");
        assert!(
            shm::segments()
                .unwrap()
                .any(|found| found.unwrap().0 == segment.0)
        );

        // The size is looked at before the rights.
        let error = shm::get(key, 100, shm::GetFlags::NONE, Mode::new(0o600)).unwrap_err();
        assert!(
            error.cause().contains("has 56 bytes, 100 were asked for"),
            "{error}"
        );
    });
}

#[test]
fn a_reader_may_attach_read_only_and_is_told_so() {
    let segment = Segment::private(1, 0o604);
    as_nobody(|| {
        let error = shm::attach(segment.0, Access::ReadWrite).unwrap_err();
        assert_denied(
            &error,
            "read and write",
            "segment, which belongs to uid 0, gid 0 with mode 0604",
        );
        assert!(error.hint().contains("Access::ReadOnly"), "{error}");
        drop(shm::attach(segment.0, Access::ReadOnly).unwrap());
        assert_eq!(shm::stat(segment.0).unwrap().size, 1);
    });
}

#[test]
fn executing_needs_the_execute_bit() {
    let without = Segment::private(1, 0o604);
    let with = Segment::private(1, 0o605);
    as_nobody(|| {
        let options = AttachOptions::new(Access::ReadOnly).exec(true);
        let error = options.attach(without.0).unwrap_err();
        assert_denied(
            &error,
            "execute",
            "segment, which belongs to uid 0, gid 0 with mode 0604",
        );
        drop(options.attach(with.0).unwrap());
    });
}

#[test]
fn changing_a_segment_is_for_owner_and_creator() {
    let segment = Segment::private(1, 0o666);
    as_nobody(|| {
        assert_not_permitted(&shm::remove(segment.0).unwrap_err(), "CAP_SYS_ADMIN");
        let error = shm::set(segment.0, NOBODY, NOBODY, Mode::new(0o600)).unwrap_err();
        assert_not_permitted(&error, "CAP_SYS_ADMIN");
        assert_not_permitted(&shm::lock(segment.0).unwrap_err(), "CAP_IPC_LOCK");
        assert_not_permitted(&shm::unlock(segment.0).unwrap_err(), "CAP_IPC_LOCK");
    });
}

#[test]
fn a_new_owner_may_what_the_creator_may_and_both_are_named() {
    let segment = Segment::private(1, 0o600);
    as_nobody(|| {
        assert_eq!(
            shm::remove(segment.0).unwrap_err().kind(),
            Kind::NotPermitted
        )
    });
    if shm::set(segment.0, 4242, 4242, Mode::new(0o600)).is_ok() {
        as_nobody(|| {
            let error = shm::remove(segment.0).unwrap_err();
            assert!(
                error
                    .cause()
                    .contains("its owner, uid 4242, its creator, uid 0,"),
                "{error}"
            );
        });
        shm::set(segment.0, NOBODY, NOBODY, Mode::new(0o600)).unwrap();
        as_nobody(|| shm::remove(segment.0).unwrap());
    }
}

#[test]
fn locking_beyond_the_limit_names_it() {
    let own = Segment::private(1 << 20, 0o600);
    let soft_limit = |bytes: libc::rlim_t| {
        // SAFETY: both calls are given a `rlimit` that is ours. No other test here locks without
        // privilege.
        unsafe {
            let mut limit: libc::rlimit = core::mem::zeroed();
            assert_eq!(libc::getrlimit(libc::RLIMIT_MEMLOCK, &raw mut limit), 0);
            let before = limit.rlim_cur;
            limit.rlim_cur = bytes.min(limit.rlim_max);
            assert_eq!(libc::setrlimit(libc::RLIMIT_MEMLOCK, &raw const limit), 0);
            before
        }
    };
    if shm::set(own.0, NOBODY, NOBODY, Mode::new(0o600)).is_err() {
        return;
    }
    let before = soft_limit(65536);
    as_nobody(|| {
        let error = shm::lock(own.0).unwrap_err();
        assert_eq!(
            (error.kind(), error.raw_os_error()),
            (Kind::NoSpace(Limit::Memlock), Some(libc::ENOMEM))
        );
        assert!(
            error
                .cause()
                .contains("locking 1048576 more bytes would exceed RLIMIT_MEMLOCK"),
            "{error}"
        );
        assert!(error.cause().ends_with(", 65536 bytes"), "{error}");
    });
    soft_limit(0);
    as_nobody(|| {
        let error = shm::lock(own.0).unwrap_err();
        assert_eq!(
            (error.kind(), error.raw_os_error()),
            (Kind::NoSpace(Limit::Memlock), Some(libc::EPERM))
        );
        assert!(error.cause().ends_with(", 0 bytes"), "{error}");
    });
    soft_limit(before);
}

#[test]
fn semaphores_are_read_and_altered_by_those_who_may() {
    let key = unique_key();
    let hidden = Set::with_key(key, 1, 0o600);
    let readable = Set::private(1, 0o604);
    let owner = |mode| format!("semaphore set, which belongs to uid 0, gid 0 with mode {mode}");
    as_nobody(|| {
        let error = sem::get(key, 1, sem::GetFlags::NONE, Mode::new(0o400)).unwrap_err();
        assert_denied(&error, "open with mode 0400", &owner("0600"));
        assert_denied(&sem::stat(hidden.0).unwrap_err(), "read", &owner("0600"));
        assert_denied(
            &sem::value(hidden.0, 0).unwrap_err(),
            "read",
            &owner("0600"),
        );
        assert_denied(
            &sem::op(hidden.0, &[sem::Op::wait_zero(0)]).unwrap_err(),
            "read",
            &owner("0600"),
        );

        assert_eq!(sem::value(readable.0, 0).unwrap(), 0);
        sem::op(readable.0, &[sem::Op::wait_zero(0)]).unwrap();
        let error = sem::op(readable.0, &[sem::Op::add(0, 1)]).unwrap_err();
        assert_denied(&error, "alter", &owner("0604"));
        let both = [sem::Op::wait_zero(0), sem::Op::add(0, 1)];
        assert_denied(
            &sem::op(readable.0, &both).unwrap_err(),
            "read and alter",
            &owner("0604"),
        );
        assert_denied(
            &sem::set_value(readable.0, 0, 1).unwrap_err(),
            "alter",
            &owner("0604"),
        );
        assert_denied(
            &sem::set_values(readable.0, &[1]).unwrap_err(),
            "alter",
            &owner("0604"),
        );

        assert_not_permitted(&sem::remove(readable.0).unwrap_err(), "CAP_SYS_ADMIN");
        let error = sem::set(readable.0, NOBODY, NOBODY, Mode::new(0o600)).unwrap_err();
        assert_not_permitted(&error, "CAP_SYS_ADMIN");
        assert!(
            sem::sets()
                .unwrap()
                .any(|found| found.unwrap().0 == hidden.0)
        );
    });
}
