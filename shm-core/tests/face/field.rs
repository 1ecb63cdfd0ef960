//! Parts of a value: what `load`, `store`, `batch` and a large `update` move, and that the mirrors
//! keep up.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

use shm_core::sysv::shm;
use shm_core::{ErrorKind, Field, Key, RawBox, SharedBox, SharedLayout, SharedView, field};

#[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
#[repr(C)]
struct Row {
    id: u8,
    count: u64,
    on: bool,
}

const ROWS: usize = 400;

#[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
#[repr(C)]
struct Table {
    used: u16,
    rows: [Row; ROWS],
    last: u8,
}

const EMPTY: Table = Table {
    used: 0,
    rows: [Row {
        id: 0,
        count: 0,
        on: false,
    }; ROWS],
    last: 0,
};

fn shared() -> SharedBox<Table> {
    SharedBox::options()
        .remove_on_drop(true)
        .create_new(Key::PRIVATE, EMPTY)
        .unwrap()
}

/// All bytes of the segment, as they lie there.
struct Bytes(shm::Attachment, usize);

impl Bytes {
    fn of(id: shm::Id) -> Bytes {
        let size = shm::stat(id).unwrap().size;
        Bytes(shm::attach(id, shm::Access::ReadOnly).unwrap(), size)
    }

    fn copy(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.1];
        // SAFETY: the mapping has this size, and no process writes while the test looks.
        unsafe { ptr::copy_nonoverlapping(self.0.as_ptr(), bytes.as_mut_ptr(), self.1) };
        bytes
    }
}

#[test]
fn a_part_stored_is_the_part_loaded_and_nothing_else_changes() {
    let shared = shared();
    let view = SharedView::<Table>::open(shared.id()).unwrap();
    assert_eq!(shared.store(field!(Table.used), 7).unwrap(), 2);
    let row = Row {
        id: 3,
        count: 9,
        on: true,
    };
    assert_eq!(shared.store(field!(Table.rows[399]), row).unwrap(), 3);
    assert_eq!(view.load(field!(Table.rows[399])).unwrap(), row);
    assert_eq!(view.load(field!(Table.used)).unwrap(), 7);
    let mut wanted = EMPTY;
    wanted.used = 7;
    wanted.rows[399] = row;
    assert_eq!(view.get().unwrap(), wanted);
}

#[test]
fn several_stores_become_one_commit() {
    let shared = shared();
    let mut writer = shared.writer().unwrap();
    let count: Field<Table, u64> = field!(Table.rows[5]).then(field!(Row.count));
    let version = writer
        .batch()
        .store(count, 1)
        .store(field!(Table.last), 2)
        .store(count, 3)
        .commit()
        .unwrap();
    assert_eq!(version, 2);
    assert_eq!(writer.load(count).unwrap(), 3);
    let _ = writer.batch().store(count, 99);
    assert_eq!(
        writer.version(),
        2,
        "a batch that is dropped commits nothing"
    );
    assert_eq!(writer.batch().commit().unwrap(), 3);
}

#[test]
fn a_wrong_part_is_named_by_its_path_in_the_whole() {
    let shared = shared();
    let place = field!(Table.rows[2]).then(field!(Row.on)).offset();
    let raw = RawBox::<[u8; size_of::<Table>()]>::open(shared.id()).unwrap();
    let mut bytes = raw.get().unwrap();
    bytes[place] = 7;
    raw.set(bytes);
    for error in [
        shared.get().map(drop).unwrap_err(),
        shared.load(field!(Table.rows)).map(drop).unwrap_err(),
        shared.load(field!(Table.rows[2])).map(drop).unwrap_err(),
        shared
            .load(field!(Table.rows[2]).then(field!(Row.on)))
            .map(drop)
            .unwrap_err(),
    ] {
        assert!(error.kind() == ErrorKind::Invalid, "{error}");
        assert!(
            error.to_string().contains("field `rows[2].on` holds 7"),
            "{error}"
        );
    }
    assert_eq!(shared.load(field!(Table.rows[1])).unwrap(), EMPTY.rows[1]);
}

/// Each mirror holds the whole of the version that FORMAT.md says it holds, after any mixture of
/// whole and partial commits by two writers. A range forgotten on the way would show here, and
/// nowhere else until a writer dies.
#[test]
fn mirrors_hold_whole_versions_after_any_mixture_of_commits() {
    let boxes = [shared(), shared()].map(|shared| {
        let again = SharedBox::<Table>::open(shared.id()).unwrap();
        (shared, again)
    });
    for (seed, (shared, again)) in boxes.into_iter().enumerate() {
        let bytes = Bytes::of(shared.id());
        let capacity = shared.capacity();
        let mut model = EMPTY;
        let mut before = bytes.copy()[..size_of::<Table>()].to_vec();
        let mut random = 0x9e37_79b9_7f4a_7c15 ^ seed as u64;
        let mut next = move || {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random as usize
        };
        for _ in 0..500 {
            let writer = if next() % 2 == 0 { &shared } else { &again };
            let (i, n) = (next() % ROWS, next() as u64);
            let row = Row {
                id: n as u8,
                count: n,
                on: n % 2 == 0,
            };
            let version = match next() % 6 {
                0 => {
                    model.used = n as u16;
                    writer.set_from(&model)
                }
                1 => {
                    model.rows[i] = row;
                    writer.store(field!(Table.rows).at(i).unwrap(), row)
                }
                2 => {
                    model.last = n as u8;
                    writer.store(field!(Table.last), n as u8)
                }
                3 => {
                    model.rows[i].count = n;
                    model.rows[0].id = n as u8;
                    writer.update(|table| *table = model)
                }
                4 => writer.update(|_| ()),
                _ => {
                    model.rows[i].on = row.on;
                    model.used = n as u16;
                    let on = field!(Table.rows).at(i).unwrap().then(field!(Row.on));
                    let mut writer = writer.writer().unwrap();
                    writer
                        .batch()
                        .store(on, row.on)
                        .store(field!(Table.used), n as u16)
                        .commit()
                }
            };
            let version = version.unwrap() as usize;
            assert_eq!(shared.get().unwrap(), model);
            let now = bytes.copy();
            let copy = |index: usize| &now[capacity * index..][..size_of::<Table>()];
            assert_eq!(
                copy(1 + version % 2),
                copy(0),
                "the mirror of version {version}"
            );
            assert_eq!(
                copy(1 + (version - 1) % 2),
                before,
                "the mirror of the version before {version}"
            );
            before = copy(0).to_vec();
        }
    }
}

#[test]
fn threads_that_change_one_field_at_once_lose_nothing() {
    const COUNT: Field<Table, u64> = field!(Table.rows[7]).then(field!(Row.count));
    let shared = shared();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..500 {
                    shared.fetch_add(COUNT, 1).unwrap();
                    shared.update_field(COUNT, |count| *count += 1).unwrap();
                }
                let mut writer = shared.writer().unwrap();
                let before = writer.fetch_add(COUNT, 1).unwrap();
                writer.update_field(COUNT, |count| *count += 1).unwrap();
                assert_eq!(writer.load(COUNT).unwrap(), before + 2);
            });
        }
    });
    let mut wanted = EMPTY;
    wanted.rows[7].count = 4 * (2 * 500 + 2);
    assert_eq!(shared.get().unwrap(), wanted);
    assert_eq!(shared.version(), 1 + wanted.rows[7].count);
}

#[test]
fn fetch_add_gives_the_value_before_and_wraps_around() {
    #[derive(SharedLayout, Clone, Copy)]
    #[repr(C)]
    struct Limits {
        low: i8,
        high: u16,
    }
    let limits = Limits {
        low: i8::MIN,
        high: u16::MAX,
    };
    let shared = SharedBox::options()
        .remove_on_drop(true)
        .create_new(Key::PRIVATE, limits)
        .unwrap();
    assert_eq!(shared.fetch_add(field!(Limits.low), -1).unwrap(), i8::MIN);
    assert_eq!(shared.fetch_add(field!(Limits.high), 2).unwrap(), u16::MAX);
    let Limits { low, high } = shared.get().unwrap();
    assert_eq!((low, high), (i8::MAX, 1));
}

#[test]
fn a_panic_or_a_removal_inside_update_field_commits_nothing() {
    let shared = shared();
    let other = SharedBox::<Table>::open(shared.id()).unwrap();
    let bytes = Bytes::of(shared.id());
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        shared.update_field(field!(Table.last), |last| {
            *last = 9;
            panic!("wanted");
        })
    }));
    assert!(panicked.is_err());
    assert_eq!(shared.get().unwrap(), EMPTY);
    let count = field!(Table.rows[7]).then(field!(Row.count));
    assert_eq!(
        other
            .fetch_add(count, u64::from_ne_bytes([0x7a; 8]))
            .unwrap(),
        0
    );
    let removed = other.update_field(count, |count| {
        *count = u64::from_ne_bytes([0x5b; 8]);
        shared.remove().unwrap();
    });
    let error = removed.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Removed);
    assert_eq!(error.operation(), Some("update_field"));
    let stands = |count: [u8; 8]| bytes.copy().windows(8).any(|found| found == count);
    assert!(stands([0x7a; 8]) && !stands([0x5b; 8]));
    let error = other.fetch_add(count, 1).unwrap_err();
    assert_eq!(error.operation(), Some("fetch_add"));
}
