//! A peer that sets, removes or replaces the semaphores that tell who is alive.

use shm_core::sysv::{Mode, sem};
use shm_core::{ErrorKind, Key, SharedBox, SharedView};
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
    memory.store(memory.len() - 256, u64::from(set.as_raw() as u32 + 1), 4);
}

#[test]
fn the_semaphores_of_another_application_are_not_touched() {
    let guard = Guard::new();
    let shared = SharedBox::<Plain>::create_new(guard.key(), [1; 8]).unwrap();
    let memory = guard.memory();
    let keyed = Set::new(guard.key(), 250);
    let alike = Set::new(Key::PRIVATE, 250);
    let other = SharedBox::<Plain>::open(guard.key()).unwrap();
    other.set([2; 8]).unwrap();
    let named = memory.read(memory.len() - 256, 4);
    // One with a key is not taken for the segment's; one that no process has used is not used either: it
    // counts as lost, and a new one is made.
    name_set(&memory, keyed.0);
    let error = SharedBox::<Plain>::open(guard.key()).unwrap_err();
    assert!(error.kind() == ErrorKind::Damaged, "{error:?}");
    assert!(error.to_string().contains("not its own"), "{error}");
    name_set(&memory, alike.0);
    let fresh = SharedBox::<Plain>::open(guard.key()).unwrap();
    let made = guard.set();
    assert_ne!(made, alike.0);
    for set in [keyed.0, alike.0] {
        assert!(sem::values(set).unwrap().iter().all(|value| *value == 0));
    }
    // Nor is one that is in use, and whose last semaphore fits what a peer wrote.
    let used = Set::new(Key::PRIVATE, 250);
    sem::op(used.0, &[sem::Op::add(249, 1), sem::Op::add(248, 7)]).unwrap();
    let before = sem::values(used.0).unwrap();
    let unique = memory.read(memory.len() - 288, 8);
    let stands = memory.read(memory.len() - 256, 4);
    name_set(&memory, used.0);
    memory.write(memory.len() - 288, &[0; 8]);
    let error = SharedBox::<Plain>::open(guard.key()).unwrap_err();
    assert!(error.to_string().contains("not its own"), "{error}");
    assert_eq!(sem::values(used.0).unwrap(), before);
    memory.write(memory.len() - 288, &unique);
    memory.write(memory.len() - 256, &stands);
    // Readers go on, and so do the writers that looked before.
    let view = SharedView::<Plain>::open(guard.key()).unwrap();
    for (number, writer) in [(3, &shared), (4, &other), (5, &fresh)] {
        writer.set([number; 8]).unwrap();
        assert_eq!(view.get().unwrap(), [number; 8]);
    }
    let first = i32::from_ne_bytes(named.try_into().unwrap()) - 1;
    sem::remove(sem::Id::from_raw(first)).unwrap();
    name_set(&memory, alike.0);
    // Not even who ends a removal removes them.
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
    let own = u32::from_ne_bytes(lock.try_into().unwrap());
    drop(writer);
    // The last semaphore is no slot.
    let all_slots = |value| {
        let mut values = sem::values(set).unwrap();
        values[..248].fill(value);
        sem::set_values(set, &values).unwrap();
    };

    // No process has these slots, and yet they are taken.
    let other = options.open(guard.key()).unwrap();
    all_slots(1);
    let error = options.open(guard.key()).unwrap_err();
    assert!(
        error.kind() == ErrorKind::SlotsTaken && error.to_string().contains("all 248 slots"),
        "{error:?}"
    );
    // A made-up owner without a record, kept alive with SETVAL, in a slot far from those that the
    // handles here took, which follow each other.
    let far = (own % 1024 + 100) % 248 + 1;
    memory.store(memory.len() - 128, u64::from(far | own >> 23 << 23), 4);
    let error = shared.set([2; 8]).unwrap_err();
    assert!(error.kind() == ErrorKind::Busy, "{error:?}");
    assert_eq!(shared.get().unwrap(), [1; 8]);
    // And declared dead.
    all_slots(0);
    other.set([3; 8]).unwrap();
    shared.set([4; 8]).unwrap();
    assert_eq!(other.get().unwrap(), [4; 8]);
    // A word with the slot of the asking handle that is not its claim.
    memory.store(memory.len() - 128, u64::from(own ^ 1 << 12), 4);
    shared.set([5; 8]).unwrap();
    // A living owner that a peer declares dead has a record, and keeps the lock.
    let mut writer = shared.writer().unwrap();
    all_slots(0);
    let from_outside = || std::thread::scope(|s| s.spawn(|| other.set([6; 8])).join().unwrap());
    let error = from_outside().unwrap_err();
    assert!(error.kind() == ErrorKind::Busy, "{error:?}");
    writer.set([7; 8]).unwrap();
    // Not so if the record goes too: then it keeps whole what it reads.
    let records = memory.len() - 320 - 1984;
    memory.write(records, &[0; 248 * 8]);
    all_slots(0);
    from_outside().unwrap();
    let _ = writer.set([8; 8]);
    drop(writer);
    // Records of processes that never were take no slot from others for good.
    memory.write(records, &[0xff; 248 * 8]);
    options.open(guard.key()).unwrap().set([9; 8]).unwrap();
    sem::remove(set).unwrap();
    let said = options.open(guard.key()).map(|shared| shared.set([9; 8]));
    println!("with a set lost beside such records: {said:?}");
    assert_eq!(
        other.get().unwrap(),
        SharedView::<Plain>::open(guard.key())
            .unwrap()
            .get()
            .unwrap()
    );
}
