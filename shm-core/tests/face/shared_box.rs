//! `SharedBox` within one process: each method does what it says.

use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use shm_core::{ErrorKind, Key, SharedBox, SharedLayout, SharedView};

fn private<T: SharedLayout>(value: T) -> SharedBox<T> {
    SharedBox::options()
        .timeout(Duration::from_millis(300))
        .remove_on_drop(true)
        .create_new(Key::PRIVATE, value)
        .unwrap()
}

#[test]
fn a_value_set_is_the_value_read() {
    let shared = private([1u64; 8]);
    assert!(shared.created());
    assert_eq!(shared.get().unwrap(), [1; 8]);
    assert_eq!(shared.version(), 1);
    for n in 2..10 {
        assert_eq!(shared.set([n; 8]).unwrap(), n);
        assert_eq!(shared.snapshot().unwrap().value, [n; 8]);
        assert_eq!(shared.version(), n);
    }
    let other = SharedView::<[u64; 8]>::open(shared.id().unwrap()).unwrap();
    assert_eq!(other.get().unwrap(), [9; 8]);
    shared.update(|v| v[3] = 77).unwrap();
    assert_eq!(other.snapshot().unwrap().value[3], 77);
    assert_eq!(other.snapshot().unwrap().version, 10);
}

#[test]
fn sizes_that_are_no_multiple_of_a_word_keep_their_neighbours() {
    let shared = private([1u8; 13]);
    shared.set([2; 13]).unwrap();
    assert_eq!(shared.get().unwrap(), [2; 13]);
    let shared = private([1u8; 1037]);
    shared.set([2; 1037]).unwrap();
    assert_eq!(shared.get().unwrap(), [2; 1037]);
}

#[test]
fn writing_beside_this_threads_own_writer_is_an_error_at_once() {
    let shared = private(1u32);
    let again = SharedBox::<u32>::open(shared.id().unwrap()).unwrap();
    let mut writer = shared.writer().unwrap();
    assert!(
        shared
            .set(2)
            .is_err_and(|error| error.kind() == ErrorKind::Reentrant)
    );
    assert!(
        again
            .set(2)
            .is_err_and(|error| error.kind() == ErrorKind::Reentrant)
    );
    writer.set(3).unwrap();
    writer.update(|v| *v += 1).unwrap();
    assert_eq!(writer.get().unwrap(), 4);
    drop(writer);
    assert_eq!(shared.get().unwrap(), 4);
    again.set(5).unwrap();
    let result = shared.update(|_| {
        assert!(
            again
                .set(9)
                .is_err_and(|error| error.kind() == ErrorKind::Reentrant)
        )
    });
    assert_eq!(result.unwrap(), 5);
}

#[test]
fn a_removed_segment_says_so_in_every_call() {
    let shared = private(1u32);
    let view = SharedView::<u32>::open(shared.id().unwrap()).unwrap();
    assert!(!shared.is_removed().unwrap());
    shared.remove().unwrap();
    assert!(shared.is_removed().unwrap());
    assert!(
        shared
            .get()
            .is_err_and(|error| error.kind() == ErrorKind::Removed)
    );
    assert!(
        shared
            .set(2)
            .is_err_and(|error| error.kind() == ErrorKind::Removed)
    );
    assert!(
        shared
            .update(|_| ())
            .is_err_and(|error| error.kind() == ErrorKind::Removed)
    );
    assert!(
        view.get()
            .is_err_and(|error| error.kind() == ErrorKind::Removed)
    );
    let error = view.wait_timeout(5, Duration::from_secs(9)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Removed);
}

type Facts = (u64, u64, usize, bool, Option<Key>);

fn facts(view: &SharedView<u64>) -> Facts {
    let (value, version) = (view.get().unwrap(), view.version());
    let (capacity, raw_writers) = (view.capacity(), view.raw_writers());
    (value, version, capacity, raw_writers, view.key())
}

fn facts_of_either(either: impl AsRef<SharedView<u64>>) -> Facts {
    facts(either.as_ref())
}

#[test]
fn a_box_is_a_view_that_may_write() {
    let shared = SharedBox::options()
        .capacity(100)
        .raw_writers(true)
        .remove_on_drop(true)
        .create_new(Key::PRIVATE, 5u64)
        .unwrap();
    shared.set(6).unwrap();
    let view = SharedView::<u64>::open(shared.id().unwrap()).unwrap();
    let all = (6, 2, 128, true, None);
    assert_eq!(facts(&view), all);
    assert_eq!(facts(&shared), all);
    assert_eq!(facts_of_either(&view), all);
    assert_eq!(facts_of_either(&shared), all);
    let shown = [format!("{shared:?}"), format!("{:?}", *shared)];
    assert!(shown[0].starts_with("SharedBox<u64> {"), "{shown:?}");
    assert!(shown[1].starts_with("SharedView<u64> {"), "{shown:?}");
}

#[test]
fn a_view_is_told_the_version_that_came() {
    let shared = private(1u64);
    let view = SharedView::<u64>::open(shared.id().unwrap()).unwrap();
    let none = view.wait_version(1, Duration::from_millis(5));
    assert_eq!(none.unwrap(), None);
    std::thread::scope(|s| {
        let waiter = s.spawn(|| view.wait_version(1, Duration::MAX).unwrap());
        shared.set(2).unwrap();
        assert_eq!(waiter.join().unwrap(), Some(2));
    });
}

#[test]
fn changes_are_the_value_that_stands_then_the_newest_and_end_with_an_error() {
    let shared = private(1u64);
    let view = SharedView::<u64>::open(shared.id().unwrap()).unwrap();
    for mut changes in [view.changes(), shared.changes()] {
        let mut next = || changes.next().unwrap().unwrap();
        let first = next();
        assert_eq!(
            (first.value, first.version),
            (view.version(), view.version())
        );
        for _ in 0..3 {
            shared.update(|value| *value += 1).unwrap();
        }
        assert_eq!(next().version, first.version + 3, "no backlog");
        std::thread::scope(|s| {
            let waiter = s.spawn(next);
            shared.update(|value| *value += 1).unwrap();
            assert_eq!(waiter.join().unwrap().value, first.value + 4);
        });
    }
    let mut changes = view.changes();
    changes.next().unwrap().unwrap();
    shared.remove().unwrap();
    let end = changes.next().unwrap().unwrap_err();
    assert_eq!(end.kind(), ErrorKind::Removed);
    assert!(end.to_string().contains("changes"), "{end}");
    assert!(
        changes.next().is_none() && changes.next().is_none(),
        "fused"
    );
}

#[test]
fn a_waiter_is_woken_by_the_next_commit() {
    let shared = private(1u32);
    std::thread::scope(|s| {
        let waiter = s.spawn(|| shared.wait(1).unwrap());
        shared.set(2).unwrap();
        let seen = waiter.join().unwrap();
        assert_eq!((seen.value, seen.version), (2, 2));
    });
    assert!(
        shared
            .wait_timeout(2, Duration::from_millis(5))
            .unwrap()
            .is_none()
    );
}

/// A time that the kernel takes for another one makes a call of each look: thousands.
#[test]
fn a_waiter_sleeps_in_the_kernel_whatever_the_width_of_times() {
    let sleeps = || -> u64 {
        let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        line.unwrap().trim().parse().unwrap()
    };
    let shared = private(1_u32);
    let before = sleeps();
    let seen = shared.wait_timeout(1, Duration::from_millis(600));
    assert!(seen.unwrap().is_none());
    let slept = sleeps() - before;
    println!("{slept} sleeps in 600 ms");
    assert!((1..30).contains(&slept), "{slept}");
}

#[test]
fn key_names_what_is_wrong_with_it() {
    println!("{}", SharedBox::<u32>::open(0).unwrap_err());
    println!("{}", SharedBox::<u32>::open(Key::PRIVATE).unwrap_err());
    println!("{}", SharedBox::<u32>::open(0x7b5d_4444).unwrap_err());
}

/// Values on the stack, and on the heap.
fn refuses_and_answers<const N: usize>() {
    let shared = private([1_u64; N]);
    let refused: Result<_, Box<dyn Error>> = shared.try_update(|value| {
        value[N - 1] = 2;
        Err::<(), _>("no".into())
    });
    assert_eq!(refused.unwrap_err().to_string(), "no");
    assert_eq!(shared.snapshot().unwrap().value, [1; N]);
    assert_eq!(shared.version(), 1);
    let answered = shared.try_update(|value| {
        value[N - 1] = 3;
        Ok::<_, shm_core::Error>("yes")
    });
    let answered = answered.unwrap();
    assert_eq!((answered.value, answered.version), ("yes", 2));
    assert_eq!(shared.get().unwrap()[N - 1], 3);
}

#[test]
fn an_update_that_refuses_commits_nothing_and_one_that_agrees_answers() {
    refuses_and_answers::<1>();
    refuses_and_answers::<100>();
    refuses_and_answers::<1000>();
}

#[test]
fn a_panic_inside_try_update_commits_nothing_and_lets_the_lock_go() {
    let shared = private(5_u64);
    let panics = || shared.try_update(|_| -> Result<(), shm_core::Error> { panic!("wanted") });
    assert!(catch_unwind(AssertUnwindSafe(panics)).is_err());
    assert_eq!(shared.update(|n| *n += 1).unwrap(), 2);
}

#[test]
fn a_removal_inside_try_update_is_said_by_its_name() {
    let shared = private(5_u64);
    let other = SharedBox::<u64>::open(shared.id().unwrap()).unwrap();
    let removes = other.try_update(|_| shared.remove());
    let error = removes.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Removed);
    assert_eq!(error.operation(), Some("try_update"));
}

#[test]
fn a_segment_of_zeros_is_made_on_a_stack_that_is_smaller_and_keeps_its_value_when_found() {
    type Large = [u64; 2 << 20];
    let make = || {
        let mut options = SharedBox::<Large>::options();
        options.remove_on_drop(true);
        let key = Key::new(0x7b5d_2021);
        let shared = options.open_or_create_zeroed(key).unwrap();
        assert!(shared.created() && shared.version() == 1);
        let is_zero = |words: &Large| words.iter().all(|word| *word == 0);
        assert!(is_zero(&shared.get_boxed().unwrap()));
        shared.update(|words| words[1] = 7).unwrap();
        let again = options.open_or_create_zeroed(key).unwrap();
        assert_eq!((again.created(), again.get_boxed().unwrap()[1]), (false, 7));
    };
    let small = std::thread::Builder::new().stack_size(256 << 10);
    small.spawn(make).unwrap().join().unwrap();
}

#[derive(SharedLayout, Clone, Copy, Debug)]
#[repr(C)]
struct Eight(u8, u8, u8, u8, u8, u8, u8, u8);

#[derive(SharedLayout, Clone, Copy, Debug)]
#[repr(C)]
struct Many(Eight, Eight, Eight, Eight, Eight, Eight, Eight, Eight);

mod short {
    use super::*;

    #[derive(SharedLayout, Clone, Copy, Debug)]
    #[repr(C)]
    pub struct Grown {
        pub value: u32,
    }
}

mod long {
    use super::*;

    #[derive(SharedLayout, Clone, Copy, Debug)]
    #[repr(C)]
    #[shared(version = 2)]
    pub struct Grown {
        pub value: u32,
        #[shared(since = 2)]
        pub one: Many,
        #[shared(since = 2)]
        pub two: Many,
        #[shared(since = 2)]
        pub three: Many,
        #[shared(since = 2)]
        pub four: Many,
    }
}

/// As the message says that refuses it.
#[test]
fn a_larger_capacity_has_room_for_a_longer_schema() {
    let upgraded = |capacity| {
        let mut options = SharedBox::<short::Grown>::options();
        options.capacity(capacity).remove_on_drop(true);
        let value = short::Grown { value: 5 };
        let old = options.create_new(Key::PRIVATE, value).unwrap();
        let mut options = SharedBox::<long::Grown>::options();
        let new = options.upgrade(true).open(old.id().unwrap())?;
        Ok::<_, shm_core::Error>(new.get().unwrap().value)
    };
    let error = upgraded(65_536).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoRoom);
    assert!(error.missing().unwrap().schema > 0, "{error}");
    assert_eq!(upgraded(524_288).unwrap(), 5);
}
