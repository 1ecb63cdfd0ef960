//! Counters of tables in one process: what adds to them, what leaves them alone, and who may use them.

use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use shm_core::sysv::Key;
use shm_core::sysv::shm::{self, Access, Attachment};
use shm_core::{
    ErrorKind, Inspector, OnDeath, Place, Seat, SharedBox, SharedLayout, SharedTable, field,
};

#[derive(SharedLayout, Clone, Copy, Debug, Default, PartialEq)]
#[repr(C)]
struct Worker {
    job: u32,
    state: u16,
    #[shared(counter)]
    served: u64,
    #[shared(counter)]
    by_size: [u64; 3],
    last: u64,
}

fn table(rows: u32) -> SharedTable<Worker> {
    let mut options = SharedTable::<Worker>::options();
    options.rows(rows).remove_on_drop(true);
    options.create_new(Key::PRIVATE).unwrap()
}

fn place<T: SharedLayout>(table: &SharedTable<T>) -> Place {
    table.place().expect("a segment has an id")
}

fn serve(seat: &mut Seat<Worker>, n: u64) {
    let before = seat.get().unwrap().served;
    assert_eq!(seat.fetch_add(field!(Worker.served), n).unwrap(), before);
    seat.fetch_add(field!(Worker.by_size[1]), 1).unwrap();
}

#[test]
fn a_count_is_its_owners_and_the_total_is_that_of_all_that_ever_were() {
    let table = table(2);
    let mut all = 0;
    for n in 1..=9 {
        // What is stored there counts for nothing.
        let first = Worker {
            served: 99,
            job: 7,
            ..Worker::default()
        };
        let mut seat = table.claim(first).unwrap();
        assert_eq!(seat.get().unwrap(), Worker { served: 0, ..first });
        serve(&mut seat, n);
        serve(&mut seat, 100);
        all += n + 100;
        let row = table.rows().next().unwrap();
        let seen = row.get().unwrap();
        assert_eq!(
            (seen.served, seen.by_size, seen.job),
            (n + 100, [0, 2, 0], 7)
        );
        assert_eq!(seat.get().unwrap(), seen);
        assert_eq!(table.total(field!(Worker.served)).unwrap(), all);
        assert_eq!(row.version(), 2 * n - 1, "an addition is no commit");
        let inspector = Inspector::open(place(&table)).unwrap();
        let rows = inspector.rows().unwrap();
        assert_eq!(rows.len(), inspector.rows().unwrap().len(), "judged before");
        assert_eq!(
            rows[0].value.get("served").unwrap().as_uint(),
            Some(u128::from(n + 100))
        );
    }
    assert_eq!(table.rows().count(), 0);
    assert_eq!(table.total(field!(Worker.by_size[1])).unwrap(), 18);
    assert_eq!(table.total(field!(Worker.by_size[2])).unwrap(), 0);
}

#[test]
fn no_commit_changes_a_counter() {
    let table = table(3);
    let mut seat = table.claim(Worker::default()).unwrap();
    serve(&mut seat, 5);
    seat.set(Worker {
        served: 77,
        by_size: [7; 3],
        last: 1,
        ..Worker::default()
    })
    .unwrap();
    let count = |seat: &Seat<Worker>| {
        let seen = seat.get().unwrap();
        (seen.served, seen.by_size, seen.last)
    };
    assert_eq!(count(&seat), (5, [0, 1, 0], 1));
    let update = |worker: &mut Worker| {
        assert_eq!((worker.served, worker.by_size), (5, [0, 1, 0]));
        (worker.served, worker.by_size, worker.last) = (0, [0; 3], 2);
    };
    seat.update(update).unwrap();
    assert_eq!(count(&seat), (5, [0, 1, 0], 2));
    seat.store(field!(Worker.last), 3).unwrap();
    assert_eq!(seat.fetch_add(field!(Worker.last), 4).unwrap(), 3);
    assert_eq!(count(&seat), (5, [0, 1, 0], 7));

    let stored = [
        seat.store(field!(Worker.served), 1).unwrap_err(),
        seat.store(field!(Worker.by_size), [1; 3]).unwrap_err(),
        seat.store(field!(Worker.by_size[2]), 1).unwrap_err(),
        table.total(field!(Worker.last)).map(|_| 0).unwrap_err(),
    ];
    for error in stored {
        assert_eq!(error.kind(), ErrorKind::Counter, "{error}");
    }
    assert_eq!(count(&seat), (5, [0, 1, 0], 7));
    assert_eq!(table.total(field!(Worker.served)).unwrap(), 5);
}

#[test]
fn a_row_as_long_as_pages_keeps_its_counters_too() {
    #[derive(SharedLayout, Clone, Copy)]
    #[repr(C)]
    struct Long {
        bytes: [u8; 5000],
        #[shared(counter)]
        n: u64,
        more: [u16; 800],
    }
    let value = |byte| Long {
        bytes: [byte; 5000],
        n: 9,
        more: [byte.into(); 800],
    };
    let mut options = SharedTable::<Long>::options();
    options.rows(2).on_death(OnDeath::Free);
    let table = options.anonymous().unwrap();
    for round in 1..4 {
        let mut seat = table.claim(value(1)).unwrap();
        seat.fetch_add(field!(Long.n), 3).unwrap();
        seat.set(value(2)).unwrap();
        seat.update(|long| long.more[3] = 5).unwrap();
        let seen = table.rows().next().unwrap().get().unwrap();
        assert_eq!((seen.n, seen.bytes[4999], seen.more[3]), (3, 2, 5));
        assert_eq!(table.total(field!(Long.n)).unwrap(), 3 * round);
    }
}

mod plain {
    #[derive(shm_core::SharedLayout, Clone, Copy, Debug, Default)]
    #[repr(C)]
    pub struct Worker {
        pub job: u32,
        pub state: u16,
        pub served: u64,
        pub by_size: [u64; 3],
        pub last: u64,
    }
}

mod earlier {
    #[derive(shm_core::SharedLayout, Clone, Copy, Debug, Default)]
    #[repr(C)]
    pub struct Worker {
        pub job: u32,
        pub state: u16,
        #[shared(counter)]
        pub served: u64,
    }
}

mod later {
    #[derive(shm_core::SharedLayout, Clone, Copy, Debug, Default)]
    #[repr(C)]
    #[shared(version = 2)]
    pub struct Worker {
        pub job: u32,
        pub state: u16,
        #[shared(counter)]
        pub served: u64,
        #[shared(since = 2, counter)]
        pub failed: u64,
    }
}

#[test]
fn who_does_not_count_where_a_table_does_is_refused_and_the_other_way_round() {
    let table = table(3);
    let opened = SharedTable::<plain::Worker>::options().open(place(&table));
    let error = opened.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Mismatch);
    assert!(
        error
            .to_string()
            .contains("`served` is a counter in this table"),
        "{error}"
    );
    let read = SharedTable::<plain::Worker>::options().open_read_only(place(&table));
    assert_eq!(read.unwrap_err().kind(), ErrorKind::Mismatch);

    let mut options = SharedTable::<plain::Worker>::options();
    options.rows(3).remove_on_drop(true);
    let plain = options.create_new(Key::PRIVATE).unwrap();
    let error = SharedTable::<Worker>::options()
        .open(place(&plain))
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Mismatch);
    assert!(
        error
            .to_string()
            .contains("`served` is a counter in `Worker`"),
        "{error}"
    );

    // In a box they are numbers like others, by either type.
    let mut options = SharedBox::options();
    options.remove_on_drop(true);
    let single = options.create_new(Key::PRIVATE, Worker::default()).unwrap();
    single.fetch_add(field!(Worker.served), 3).unwrap();
    single.update(|worker| worker.by_size[0] += 4).unwrap();
    let other = SharedBox::<plain::Worker>::open(single.place().unwrap()).unwrap();
    let seen = other.get().unwrap();
    assert_eq!((seen.served, seen.by_size), (3, [4, 0, 0]));
}

#[test]
fn versions_of_a_row_share_the_counters_that_both_have() {
    let mut options = SharedTable::<later::Worker>::options();
    options.rows(3).remove_on_drop(true);
    let new = options.create_new(Key::PRIVATE).unwrap();
    let old = SharedTable::<earlier::Worker>::options()
        .open(place(&new))
        .unwrap();
    let mut seat = new.claim(later::Worker::default()).unwrap();
    seat.fetch_add(field!(later::Worker.failed), 2).unwrap();
    drop(seat);
    // An older program has the row, and knows nothing of the newer counter.
    let mut seat = old.claim(earlier::Worker::default()).unwrap();
    seat.fetch_add(field!(earlier::Worker.served), 3).unwrap();
    seat.set(earlier::Worker::default()).unwrap();
    let seen = new.rows().next().unwrap().get().unwrap();
    assert_eq!((seen.served, seen.failed), (3, 0));
    drop(seat);
    assert_eq!(new.total(field!(later::Worker.failed)).unwrap(), 2);
    assert_eq!(old.total(field!(earlier::Worker.served)).unwrap(), 3);

    // A view of a newer program on an older table: what it lacks was counted by none.
    let mut options = SharedTable::<earlier::Worker>::options();
    options.rows(3).remove_on_drop(true);
    let old = options.create_new(Key::PRIVATE).unwrap();
    let mut seat = old.claim(earlier::Worker::default()).unwrap();
    seat.fetch_add(field!(earlier::Worker.served), 3).unwrap();
    let view = SharedTable::<later::Worker>::options().open_read_only(place(&old));
    let view = view.unwrap();
    let seen = view.rows().next().unwrap().get().unwrap();
    assert_eq!((seen.served, seen.failed), (3, 0));
    assert_eq!(view.total(field!(later::Worker.failed)).unwrap(), 0);
    assert_eq!(view.total(field!(later::Worker.served)).unwrap(), 3);
}

mod later_plain {
    #[derive(shm_core::SharedLayout, Clone, Copy, Debug, Default)]
    #[repr(C)]
    #[shared(version = 2)]
    pub struct Worker {
        pub job: u32,
        pub state: u16,
        pub served: u64,
        pub by_size: [u64; 3],
        pub last: u64,
        #[shared(since = 2, counter)]
        pub failed: u64,
    }
}

#[test]
fn no_schema_that_a_peer_puts_in_force_makes_a_table_count_that_has_no_counters() {
    fn made<T: SharedLayout>() -> (SharedTable<T>, Attachment) {
        let mut options = SharedTable::<T>::options();
        options.rows(3).remove_on_drop(true);
        let table = options.create_new(Key::PRIVATE).unwrap();
        let id = place(&table).segment_id().unwrap();
        (table, shm::attach(id, Access::ReadWrite).unwrap())
    }
    let (table, memory) = made::<plain::Worker>();
    let (_new, other) = made::<later_plain::Worker>();
    let _seat = table.claim(plain::Worker::default()).unwrap();
    let options = SharedTable::<later_plain::Worker>::options();
    let view = options.open_read_only(place(&table)).unwrap();
    let read = || view.rows().next().unwrap().get();
    assert_eq!(read().unwrap().failed, 0);

    let control = memory.len() - 320;
    let word = |at| memory.load::<AtomicU64>(control + at, Relaxed).unwrap() as usize;
    let (capacity, room) = (word(16), word(24));
    let state = memory.atomic::<AtomicU32>(control + 136).unwrap();
    let copies = 3 * 4 * capacity;
    let in_force = (state.load(Relaxed) >> 8) as usize % 2;
    let next = copies + room * (1 - in_force);
    // Where there are bases, they lie before the rooms.
    let theirs = copies + 4 * capacity;
    for at in 0..room {
        let byte = other.load::<AtomicU8>(theirs + at, Relaxed).unwrap();
        memory
            .atomic::<AtomicU8>(next + at)
            .unwrap()
            .store(byte, Relaxed);
    }
    state.fetch_add(1 << 8, Relaxed);
    // Again: what the first one has found must not make the second one trust it.
    for _ in 0..2 {
        let error = read().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Mismatch, "{error}");
    }
}

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
struct Large<const WORDS: usize> {
    #[shared(counter)]
    served: u64,
    rest: [u64; WORDS],
}

/// The shortest of some births of a table with rows of so many words beside the counter.
fn birth<const WORDS: usize>() -> Duration {
    let mut options = SharedTable::<Large<WORDS>>::options();
    options.rows(512).remove_on_drop(true);
    let births = (0..5).map(|_| {
        let start = Instant::now();
        let table = options.create_new(Key::PRIVATE).unwrap();
        assert_eq!(table.row_count(), 512);
        start.elapsed()
    });
    births.min().unwrap()
}

/// Each row's counters are touched, and none of its other words: 16 times as many take no 8 times as long.
#[test]
fn a_birth_takes_time_for_the_counters_of_its_rows_and_not_for_their_size() {
    let (small, large) = (birth::<511>(), birth::<8191>());
    println!("512 rows of 4 KiB: {small:?}, of 64 KiB: {large:?}");
    assert!(large < 8 * small, "{small:?}, then {large:?}");
}
