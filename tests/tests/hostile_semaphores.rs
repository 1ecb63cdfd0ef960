//! A peer that sets, removes or replaces the semaphores that tell who is alive.
#![allow(clippy::unwrap_used, reason = "a test may")]

use shm_core::sysv::{Mode, sem};
use shm_core::{Error, Key, SharedBox, SharedView};
use shm_tests::every_call::{LIMIT, Plain};
use shm_tests::{Guard, Memory};

/// Removed at the end.
struct Set(sem::Id);

impl Set {
    fn new(key: Key, count: u16) -> Set {
        Set(sem::get(key, count, sem::GetFlags::CREATE, Mode::new(0o600)).unwrap())
    }
}

impl Drop for Set {
    fn drop(&mut self) {
        let _ = sem::remove(self.0);
    }
}

fn name_set(memory: &Memory, set: sem::Id) {
    memory.store(
        memory.len() - 256,
        u64::from(set.as_raw().cast_unsigned() + 1),
        4,
    );
}

#[test]
fn the_semaphores_of_another_application_are_not_touched() {
    let guard = Guard::new();
    let shared = SharedBox::<Plain>::create_new(guard.key(), [1; 8]).unwrap();
    let memory = guard.memory();
    let keyed = Set::new(guard.key(), 250);
    let alike = Set::new(Key::PRIVATE, 250);
    for set in [keyed.0, alike.0] {
        name_set(&memory, set);
        let fresh = SharedBox::<Plain>::open(guard.key()).unwrap();
        let error = fresh.set([2; 8]).unwrap_err();
        assert!(matches!(error, Error::Damaged { .. }), "{error:?}");
        assert!(error.to_string().contains("not its own"), "{error}");
        assert!(sem::values(set).unwrap().iter().all(|value| *value == 0));
        // Readers go on, and so does the one who looked before.
        assert_eq!(
            (fresh.get().unwrap(), shared.get().unwrap()),
            ([1; 8], [1; 8])
        );
    }
    // Not even whoever ends a removal removes them.
    memory.store(memory.len() - 184, 2, 4);
    assert!(SharedBox::<Plain>::open(guard.key()).is_err());
    drop(SharedBox::<Plain>::open_or_create(guard.key(), || [2; 8]).unwrap());
    assert!(sem::stat(alike.0).is_ok());
}

#[test]
fn semaphores_that_others_set_are_an_error_or_a_takeover_and_readers_go_on() {
    let guard = Guard::new();
    let mut options = SharedBox::<Plain>::options();
    let shared = options
        .timeout(LIMIT)
        .create_new(guard.key(), [1; 8])
        .unwrap();
    let memory = guard.memory();
    let word = memory.read(memory.len() - 256, 4);
    let set = sem::Id::from_raw(i32::from_ne_bytes(word.try_into().unwrap()) - 1);

    // What this process calls itself in the lock's word.
    let writer = shared.writer().unwrap();
    let lock = memory.read(memory.len() - 128, 4);
    let image = u32::from_ne_bytes(lock.try_into().unwrap()) >> 23;
    drop(writer);
    // The last semaphore is no slot.
    let all_slots = |value| {
        let mut values = sem::values(set).unwrap();
        values[..249].fill(value);
        sem::set_values(set, &values).unwrap();
    };

    // Nobody has these slots, and yet they are taken.
    all_slots(1);
    let other = options.open(guard.key()).unwrap();
    let error = other.set([2; 8]).unwrap_err();
    assert!(
        matches!(error, Error::SlotsTaken { slots: 249, .. }),
        "{error:?}"
    );
    // A dead owner that somebody keeps alive with SETVAL.
    memory.store(memory.len() - 128, u64::from(5 | image << 23), 4);
    shared.set([2; 8]).unwrap_err();
    assert_eq!(shared.get().unwrap(), [1; 8]);
    // And one more that somebody declares dead.
    all_slots(0);
    other.set([3; 8]).unwrap();
    shared.set([4; 8]).unwrap();
    assert_eq!(other.get().unwrap(), [4; 8]);
    // A living owner that somebody declares dead loses the lock, and keeps whole what it reads.
    let mut writer = shared.writer().unwrap();
    all_slots(0);
    std::thread::scope(|scope| scope.spawn(|| other.set([5; 8])).join().unwrap()).unwrap();
    let _ = writer.set([6; 8]);
    drop(writer);
    sem::remove(set).unwrap();
    assert_eq!(
        other.get().unwrap(),
        SharedView::<Plain>::open(guard.key())
            .unwrap()
            .get()
            .unwrap()
    );
    let error = options.open(guard.key()).unwrap().set([7; 8]).unwrap_err();
    assert!(error.to_string().contains("has been removed"), "{error}");
}
