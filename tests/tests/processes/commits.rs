//! A commit is all or nothing, also where `update` panics, where another writer was faster, and for
//! values larger than a stack.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use shm_core::layout::Value;
use shm_core::{Inspector, Key, SharedBox, SharedLayout, SharedView};
use shm_tests::{Guard, Peer};

const PEER: &str = env!("CARGO_BIN_EXE_peer");

#[test]
fn a_panic_inside_update_commits_nothing_and_lets_the_lock_go() {
    let guard = Guard::new();
    let shared = SharedBox::<u64>::create_new(guard.key(), 5).unwrap();
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        shared.update(|n| {
            *n = 666;
            panic!("a panic that the test wants");
        })
    }));
    assert!(panicked.is_err());
    assert_eq!(
        shared
            .snapshot()
            .map(|seen| (seen.value, seen.version))
            .unwrap(),
        (5, 1)
    );
    Peer::start(PEER, ["count", &guard.arg(), "1"]).succeed();
    shared.update(|n| *n += 1).unwrap();
    assert_eq!(
        shared
            .snapshot()
            .map(|seen| (seen.value, seen.version))
            .unwrap(),
        (7, 3)
    );
}

#[test]
fn a_panic_inside_a_writers_update_commits_nothing_and_keeps_the_lock() {
    let guard = Guard::new();
    let shared = SharedBox::<u64>::create_new(guard.key(), 5).unwrap();
    let mut writer = shared.writer().unwrap();
    let panicked = catch_unwind(AssertUnwindSafe(|| writer.update(|_| panic!("wanted"))));
    assert!(panicked.is_err());
    writer.update(|n| *n += 1).unwrap();
    drop(writer);
    assert_eq!(
        shared
            .snapshot()
            .map(|seen| (seen.value, seen.version))
            .unwrap(),
        (6, 2)
    );
}

#[test]
fn set_if_commits_only_where_nobody_was_faster() {
    let guard = Guard::new();
    let shared = SharedBox::<u64>::create_new(guard.key(), 5).unwrap();
    let seen = shared.snapshot().unwrap();
    Peer::start(PEER, ["count", &guard.arg(), "1"]).succeed();
    assert_eq!(shared.set_if(seen.version, 100).unwrap(), None);
    assert_eq!(shared.get().unwrap(), 6);
    assert_eq!(
        shared.set_if(seen.version + 1, 100).unwrap(),
        Some(seen.version + 2)
    );
    assert_eq!(shared.get().unwrap(), 100);
}

#[test]
fn increments_by_set_if_are_not_lost_either() {
    let guard = Guard::new();
    let shared = SharedBox::<u64>::create_new(guard.key(), 0).unwrap();
    thread::scope(|s| {
        for _ in 0..4 {
            s.spawn(|| {
                for _ in 0..1_000 {
                    loop {
                        let seen = shared.snapshot().unwrap();
                        if shared
                            .set_if(seen.version, seen.value + 1)
                            .unwrap()
                            .is_some()
                        {
                            break;
                        }
                    }
                }
            });
        }
    });
    assert_eq!(shared.get().unwrap(), 4_000);
}

#[test]
fn an_inspector_that_writes_loses_no_other_process_s_increment() {
    let guard = Guard::new();
    let shared = SharedBox::<u64>::create_new(guard.key(), 0).unwrap();
    let inspector = Inspector::options().write(true).open(guard.key()).unwrap();
    let mut peer = Peer::start(PEER, ["count", &guard.arg(), "2000"]);
    let mut added = 0;
    while added < 500 {
        let seen = inspector.snapshot().unwrap();
        let next = Value::from(seen.value.as_uint().unwrap() + 1);
        let set = inspector.set_if(seen.version, &[("", next)]).unwrap();
        added += u64::from(set.is_some());
    }
    peer.succeed();
    assert_eq!(shared.get().unwrap(), 2_500);
    assert_eq!(shared.version(), 2_501);
}

const MEGABYTE: usize = 1 << 20;

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
struct Large {
    head: u64,
    body: [u8; MEGABYTE],
    tail: u8,
}

fn on_stack_of<R: Send>(bytes: usize, work: impl FnOnce() -> R + Send) -> R {
    thread::scope(|s| {
        let thread = thread::Builder::new()
            .stack_size(bytes)
            .spawn_scoped(s, work);
        thread.unwrap().join().unwrap()
    })
}

#[test]
fn a_value_larger_than_the_stack_is_read_replaced_and_changed() {
    // A new value is passed by value, and that takes a stack.
    let shared = on_stack_of(16 * MEGABYTE, || {
        let value = Large {
            head: 1,
            body: [1; MEGABYTE],
            tail: 1,
        };
        SharedBox::options()
            .remove_on_drop(true)
            .create_new(Key::PRIVATE, value)
            .unwrap()
    });
    on_stack_of(MEGABYTE / 4, || {
        let mut value = shared.get_boxed().unwrap();
        assert_eq!(
            (value.head, value.body[MEGABYTE - 1], value.tail),
            (1, 1, 1)
        );
        value.head = 2;
        value.body.fill(2);
        assert_eq!(shared.set_from(&value).unwrap(), 2);
        let version = shared.update(|value| {
            value.head += 1;
            value.tail = 3;
        });
        assert_eq!(version.unwrap(), 3);
        assert_eq!(shared.read_into(&mut value).unwrap(), 3);
        assert_eq!(
            (value.head, value.body[MEGABYTE / 2], value.tail),
            (3, 2, 3)
        );
        let mut writer = shared.writer().unwrap();
        writer.update(|value| value.head = 9).unwrap();
        value.head = 10;
        writer.set_from(&value).unwrap();
        drop(writer);
        let view = SharedView::<Large>::open(shared.id().unwrap()).unwrap();
        assert_eq!(view.get_boxed().unwrap().head, 10);
    });
}
