//! Limits: what is in force, and what it says when one is hit; each in an IPC namespace of the
//! test's own.

use shm_core::sysv::{Key, Kind, Limit, Mode, sem, shm};

use crate::support::{in_own_namespace, sysctl};

fn new_segment(size: usize) -> Result<shm::Id, shm_core::sysv::Error> {
    shm::get(Key::PRIVATE, size, shm::GetFlags::CREATE, Mode::new(0o600))
}

fn new_set(count: u16) -> Result<sem::Id, shm_core::sysv::Error> {
    sem::get(Key::PRIVATE, count, sem::GetFlags::CREATE, Mode::new(0o600))
}

#[test]
fn limits_are_those_of_proc() {
    let read = |name: &str| std::fs::read_to_string(format!("/proc/sys/kernel/{name}")).unwrap();
    let figure = |name: &str| read(name).trim().parse::<u64>().unwrap();
    // The kernel tells programs of 32 bits no more than they can have.
    let most = if cfg!(target_pointer_width = "32") {
        i32::MAX as u64
    } else {
        u64::MAX
    };
    let shm = shm::limits().unwrap();
    assert_eq!(
        (shm.shmmax, shm.shmmin, shm.shmmni),
        (figure("shmmax").min(most), 1, figure("shmmni"))
    );
    assert_eq!(shm.shmall, figure("shmall") as usize as u64);

    let sem = sem::limits().unwrap();
    let figures: Vec<u64> = read("sem")
        .split_whitespace()
        .map(|word| word.parse().unwrap())
        .collect();
    assert_eq!(
        [sem.semmsl, sem.semmns, sem.semopm, sem.semmni],
        figures[..]
    );
    assert_eq!(sem.semvmx, 32767);
}

#[test]
fn an_empty_namespace_has_nothing_in_use() {
    in_own_namespace(|| {
        let usage = shm::usage().unwrap();
        assert_eq!(
            (usage.segments, usage.pages, usage.highest_index),
            (0, 0, 0)
        );
        assert_eq!(shm::segments().unwrap().count(), 0);
        assert_eq!(
            (sem::usage().unwrap().sets, sem::sets().unwrap().count()),
            (0, 0)
        );
    });
}

#[test]
fn too_many_segments_names_shmmni() {
    in_own_namespace(|| {
        if !sysctl("shmmni", "2") {
            return;
        }
        new_segment(1).unwrap();
        new_segment(1).unwrap();
        let error = new_segment(1).unwrap_err();
        assert_eq!(
            (error.kind(), error.raw_os_error()),
            (Kind::NoSpace(Limit::Shmmni), Some(libc::ENOSPC))
        );
        assert_eq!(error.cause(), "shmmni allows 2 segments, and 2 exist");
    });
}

#[test]
fn too_many_pages_names_shmall() {
    in_own_namespace(|| {
        if !sysctl("shmall", "3") {
            return;
        }
        let page = usize::try_from(shm::limits().unwrap().shmmin).unwrap();
        new_segment(page).unwrap();
        let error = new_segment(3 * 65536).unwrap_err();
        assert_eq!(
            (error.kind(), error.raw_os_error()),
            (Kind::NoSpace(Limit::Shmall), Some(libc::ENOSPC))
        );
        let cause = error.cause();
        assert!(
            cause.starts_with("shmall allows 3 pages in all segments; 1 are in use, "),
            "{error}"
        );
        assert!(
            cause.ends_with("more (196608 bytes) were asked for"),
            "{error}"
        );
    });
}

#[test]
fn too_large_a_segment_names_shmmax() {
    in_own_namespace(|| {
        if !sysctl("shmmax", "10000") {
            return;
        }
        let error = new_segment(10001).unwrap_err();
        assert_eq!(
            (error.kind(), error.raw_os_error()),
            (Kind::NoSpace(Limit::Shmmax), Some(libc::EINVAL))
        );
        assert_eq!(
            error.cause(),
            "10001 bytes are more than shmmax allows for one segment, 10000 bytes"
        );
        new_segment(10000).unwrap();
    });
}

#[test]
fn semaphore_limits_are_named_each_by_its_own_name() {
    in_own_namespace(|| {
        // semmsl, semmns, semopm, semmni
        if !sysctl("sem", "5 8 4 2") {
            return;
        }
        let kind_and_cause = |count| {
            let error = new_set(count).unwrap_err();
            (error.kind(), error.cause().to_owned())
        };
        let (kind, cause) = kind_and_cause(6);
        assert_eq!(kind, Kind::NoSpace(Limit::Semmsl));
        assert_eq!(
            cause,
            "6 semaphores are more than semmsl allows for one set, 5"
        );

        let first = new_set(5).unwrap();
        let (kind, cause) = kind_and_cause(4);
        assert_eq!(kind, Kind::NoSpace(Limit::Semmns));
        assert_eq!(
            cause,
            "semmns allows 8 semaphores in all sets; 5 exist, 4 more were asked for"
        );

        new_set(1).unwrap();
        let (kind, cause) = kind_and_cause(1);
        assert_eq!(
            (kind, &*cause),
            (
                Kind::NoSpace(Limit::Semmni),
                "semmni allows 2 semaphore sets, and 2 exist"
            )
        );

        let error = sem::op(first, &[sem::Op::add(0, 1); 5]).unwrap_err();
        assert_eq!(error.kind(), Kind::NoSpace(Limit::Semopm));
    });
}

#[test]
fn a_set_larger_than_the_lowered_limit_is_still_read_whole() {
    in_own_namespace(|| {
        let set = new_set(300).unwrap();
        if !sysctl("sem", "5 32000 500 10") {
            return;
        }
        let values: Vec<u16> = (0..300).collect();
        sem::set_values(set, &values).unwrap();
        assert_eq!(sem::values(set).unwrap(), values);
    });
}
