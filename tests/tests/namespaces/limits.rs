//! Limits of the system reached: the error names the limit and its use, and nothing half-made stays behind.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use shm_core::sysv::{Kind, Limit, Mode, sem, shm};
use shm_core::{Error, Inspector, Key, RawBox, SharedBox, SharedView};
use shm_tests::{Guard, NOBODY, Peer, in_own_ipc_namespace, may_change_user};

const KEY: Key = Key::new(0x11);

/// Runs `test` in a thread with an empty IPC namespace where `limits` are in force. Says so if that
/// can't be had.
fn with_limits(limits: &[(&str, &str)], test: impl FnOnce() + Send) {
    in_own_ipc_namespace(|| {
        for (name, value) in limits {
            if let Err(error) = set_limit(name, value) {
                eprintln!("SKIPPED: kernel.{name} can't be set: {error}");
                return;
            }
        }
        test();
    });
}

fn set_limit(name: &str, value: &str) -> std::io::Result<()> {
    std::fs::write(format!("/proc/sys/kernel/{name}"), value)
}

fn in_use() -> (u64, u64) {
    (shm::usage().unwrap().segments, sem::usage().unwrap().sets)
}

fn assert_names(error: &Error, limit: Limit, cause: &str) {
    assert_eq!(
        error.sysv().unwrap().kind(),
        Kind::NoSpace(limit),
        "{error}"
    );
    assert_eq!(error.raw_os_error(), Some(28));
    assert!(error.to_string().contains(cause), "{error}");
}

#[test]
fn too_many_segments_names_shmmni_and_its_use() {
    with_limits(&[("shmmni", "2")], || {
        let mut options = SharedBox::<u64>::options();
        options.remove_on_drop(true);
        let _kept = [1, 2].map(|n| options.create_new(Key::PRIVATE, n).unwrap());
        for error in [
            options.create_new(Key::PRIVATE, 3).unwrap_err(),
            options.create_new(KEY, 3).unwrap_err(),
            options.open_or_create(KEY, || 3).unwrap_err(),
        ] {
            assert_names(
                &error,
                Limit::Shmmni,
                "shmmni allows 2 segments, and 2 exist",
            );
        }
        assert_eq!(in_use(), (2, 2));
    });
}

#[test]
fn too_many_pages_names_shmall_and_its_use() {
    with_limits(&[("shmall", "20")], || {
        let mut options = SharedBox::<[u64; 2048]>::options();
        let _kept = options
            .remove_on_drop(true)
            .create_new(Key::PRIVATE, [1; 2048])
            .unwrap();
        let error = options.create_new(KEY, [2; 2048]).unwrap_err();
        assert_names(
            &error,
            Limit::Shmall,
            "shmall allows 20 pages in all segments; 13 are in use",
        );
        assert_eq!(in_use(), (1, 1));
    });
}

#[test]
fn too_many_semaphore_sets_names_semmni_and_leaves_no_newborn_behind() {
    // semmsl, semmns, semopm, semmni
    with_limits(&[("sem", "250 32000 500 1")], || {
        let mut options = SharedBox::<u64>::options();
        options.remove_on_drop(true);
        let kept = options.create_new(Key::PRIVATE, 1).unwrap();
        for error in [
            options.create_new(Key::PRIVATE, 2).unwrap_err(),
            options.create_new(KEY, 2).unwrap_err(),
            options.open_or_create(KEY, || 2).unwrap_err(),
        ] {
            assert_names(
                &error,
                Limit::Semmni,
                "semmni allows 1 semaphore sets, and 1 exist",
            );
            assert_eq!(in_use(), (1, 1), "after {error}");
        }
        // No process waits for another to end a birth that failed.
        let start = Instant::now();
        for error in [
            SharedBox::<u64>::open(KEY).unwrap_err(),
            SharedView::<u64>::open(KEY).unwrap_err(),
        ] {
            assert!(
                error
                    .sysv()
                    .is_some_and(|error| error.kind() == Kind::NotFound),
                "{error:?}"
            );
        }
        assert!(start.elapsed() < Duration::from_secs(4));
        drop(kept);
        assert_eq!(options.create_new(KEY, 2).unwrap().get().unwrap(), 2);
        assert_eq!(in_use(), (0, 0));
    });
}

#[test]
fn too_many_semaphores_names_semmns_and_leaves_no_newborn_behind() {
    with_limits(&[("sem", "250 300 500 100")], || {
        let mut options = SharedBox::<u64>::options();
        let _kept = options
            .remove_on_drop(true)
            .create_new(Key::PRIVATE, 1)
            .unwrap();
        let error = options.create_new(KEY, 2).unwrap_err();
        assert_names(
            &error,
            Limit::Semmns,
            "semmns allows 300 semaphores in all sets; 250 exist",
        );
        assert_eq!(in_use(), (1, 1));
    });
}

#[test]
fn a_panic_of_the_creators_closure_leaves_no_newborn_behind() {
    with_limits(&[], || {
        let result = catch_unwind(AssertUnwindSafe(|| {
            SharedBox::<u64>::open_or_create(KEY, || panic!("on purpose"))
        }));
        assert!(result.is_err());
        assert_eq!(in_use(), (0, 0));
        let shared = SharedBox::options()
            .remove_on_drop(true)
            .create_new(KEY, 2_u64)
            .unwrap();
        assert_eq!(shared.get().unwrap(), 2);
    });
}

#[test]
fn a_mode_that_shuts_its_creator_out_leaves_no_newborn_behind() {
    if !may_change_user("a_mode_that_shuts_its_creator_out_leaves_no_newborn_behind") {
        return;
    }
    let guard = Guard::new();
    let user = NOBODY.to_string();
    for mode in ["400", "200", "0"] {
        let arguments = ["--user", &user, "make", &guard.arg(), mode];
        let (status, _) = Peer::start(env!("CARGO_BIN_EXE_peer"), arguments).finish();
        assert!(!status.success(), "mode {mode}");
        guard.assert_nothing_left();
    }
}

/// Such a segment is made where the pool is empty, and its first byte costs a `SIGBUS`.
#[test]
fn huge_pages_that_are_not_there_are_an_error_and_no_signal() {
    with_limits(&[], || {
        let flags = shm::GetFlags::CREATE | shm::GetFlags::HUGETLB | shm::GetFlags::NORESERVE;
        let pool = std::fs::read_to_string("/proc/sys/vm/nr_hugepages").unwrap_or_default();
        let made = shm::get(KEY, 4 << 20, flags, Mode::new(0o600));
        let (Ok(id), "0") = (made, pool.trim()) else {
            eprintln!("SKIPPED: huge pages are set aside here, or not to be had at all");
            return;
        };
        let adopt = SharedBox::<u64>::options().adopt(true).open(KEY);
        let errors = [
            SharedView::<u64>::open(KEY).unwrap_err(),
            SharedBox::<u64>::open(KEY).unwrap_err(),
            SharedBox::open_or_create(KEY, || 1_u64).unwrap_err(),
            RawBox::<u64>::open(KEY).unwrap_err(),
            Inspector::open(id).unwrap_err(),
            adopt.unwrap_err(),
        ];
        shm::remove(id).unwrap();
        for error in errors {
            assert_eq!(error.sysv().unwrap().kind(), Kind::NoMemory, "{error}");
            assert!(error.to_string().contains("huge pages"), "{error}");
        }
        assert_eq!(in_use(), (0, 0));
    });
}
