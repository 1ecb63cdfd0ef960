//! Parts of a value: what `load`, `store`, `batch` and a large `update` move, and that the mirrors
//! keep up.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::atomic::Ordering::Relaxed;

use shm_core::sysv::shm;
use shm_core::{
    ErrorKind, Field, FixedStr, FixedVec, Key, RawBox, SharedBox, SharedLayout, SharedView, field,
};

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
    let view = SharedView::<Table>::open(shared.id().unwrap()).unwrap();
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
    let raw = RawBox::<[u8; size_of::<Table>()]>::open(shared.id().unwrap()).unwrap();
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
        let again = SharedBox::<Table>::open(shared.id().unwrap()).unwrap();
        (shared, again)
    });
    for (seed, (shared, again)) in boxes.into_iter().enumerate() {
        let bytes = Bytes::of(shared.id().unwrap());
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
    let other = SharedBox::<Table>::open(shared.id().unwrap()).unwrap();
    let bytes = Bytes::of(shared.id().unwrap());
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

/// A vector of structs, in structs in a vector.
#[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
#[repr(C)]
struct Fleet {
    ships: FixedVec<Ship, 3>,
    count: u32,
}

#[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
#[repr(C)]
struct Ship {
    name: FixedStr<7>,
    on: bool,
    crew: FixedVec<Row, 4>,
    marks: [[u16; 3]; 2],
}

const MARK: Field<Fleet, u16> = field!(Fleet.ships[1].marks[1][2]);

fn fleet() -> Fleet {
    let row = Row {
        id: 1,
        count: 2,
        on: true,
    };
    let ship = Ship {
        name: FixedStr::new("a").unwrap(),
        on: true,
        crew: FixedVec::from_slice(&[row; 2]).unwrap(),
        marks: [[0; 3]; 2],
    };
    Fleet {
        ships: FixedVec::from_slice(&[ship; 2]).unwrap(),
        count: 0,
    }
}

#[test]
fn elements_of_vectors_and_their_fields_are_fields() {
    let mut options = SharedBox::options();
    let shared = options
        .remove_on_drop(true)
        .create_new(Key::PRIVATE, fleet())
        .unwrap();
    let mut expected = fleet();

    shared.store(MARK, 7).unwrap();
    expected.ships[1].marks[1][2] = 7;
    for (ship, member) in [(0, 1), (1, 0)] {
        let count = field!(Fleet.ships[ship].crew[member].count);
        assert_eq!(shared.fetch_add(count, 5).unwrap(), 2);
        expected.ships[ship].crew[member].count = 7;
    }
    shared
        .update_field(field!(Fleet.ships[0].crew[1]), |row| row.id = 9)
        .unwrap();
    expected.ships[0].crew[1].id = 9;
    let mut writer = shared.writer().unwrap();
    writer
        .store(field!(Fleet.ships[1].crew[1].on), false)
        .unwrap();
    let batch = writer.batch().store(field!(Fleet.ships[1].on), false);
    batch.store(field!(Fleet.count), 3).commit().unwrap();
    drop(writer);
    expected.ships[1].crew[1].on = false;
    (expected.ships[1].on, expected.count) = (false, 3);
    assert_eq!(shared.get().unwrap(), expected);
    assert_eq!(
        shared.load(field!(Fleet.ships[1])).unwrap(),
        expected.ships[1]
    );
    assert_eq!(
        shared.load(field!(Fleet.ships[0].crew[1].count)).unwrap(),
        7
    );
    let view = SharedView::<Fleet>::open(shm_core::Place::id(shared.id().unwrap())).unwrap();
    assert_eq!(view.load(MARK).unwrap(), 7);
    let raw = RawBox::<Fleet>::open(shared.id().unwrap()).unwrap();
    assert_eq!(raw.load(MARK, Relaxed).unwrap(), 7);
}

#[test]
fn an_element_that_is_not_there_is_neither_stored_nor_loaded() {
    let mut options = SharedBox::options();
    let shared = options
        .remove_on_drop(true)
        .create_new(Key::PRIVATE, fleet())
        .unwrap();
    let bytes = Bytes::of(shared.id().unwrap());
    let before = bytes.copy();
    let absent = field!(Fleet.ships[2].marks[0][0]);
    let deeper = field!(Fleet.ships[1].crew[3].count);
    let raw = RawBox::<Fleet>::open(shared.id().unwrap()).unwrap();
    let mut writer = shared.writer().unwrap();
    let errors = [
        writer.load(absent).unwrap_err(),
        writer.store(absent, 1).unwrap_err(),
        writer.update_field(absent, |_| unreachable!()).unwrap_err(),
        writer.fetch_add(absent, 1).unwrap_err(),
        writer
            .batch()
            .store(field!(Fleet.count), 1)
            .store(absent, 1)
            .commit()
            .unwrap_err(),
    ];
    drop(writer);
    let more = [
        shared.load(absent).unwrap_err(),
        shared.store(absent, 1).unwrap_err(),
        shared.update_field(absent, |_| unreachable!()).unwrap_err(),
        shared.fetch_add(absent, 1).unwrap_err(),
        raw.load(absent, Relaxed).unwrap_err(),
        raw.store(absent, 1, Relaxed).unwrap_err(),
    ];
    for error in errors.into_iter().chain(more) {
        assert_eq!(error.kind(), ErrorKind::NoElement, "{error}");
        let text = error.to_string();
        assert!(
            text.contains("`ships[2].marks[0][0]` is not there: the `FixedVec` has 2 elements"),
            "{text}"
        );
    }
    let error = shared.store(deeper, 1).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("`ships[1].crew[3].count` is not there"),
        "{error}"
    );
    assert!(
        bytes.copy() == before,
        "nothing is stored, and no version used up"
    );

    // The advice of the message.
    shared
        .update(|fleet| fleet.ships.push(fleet.ships[0]).unwrap())
        .unwrap();
    shared.store(absent, 1).unwrap();
    assert_eq!(shared.get().unwrap().ships[2].marks[0][0], 1);
    assert!(field!(Fleet.ships).at(3).is_none());
}

/// A length of one commit and an element of another are not taken together.
#[test]
fn a_load_of_an_element_sees_one_version_of_vector_and_element() {
    let mut options = SharedBox::options();
    let value = FixedVec::<u64, 4>::from_slice(&[1]).unwrap();
    let shared = options
        .remove_on_drop(true)
        .create_new(Key::PRIVATE, Wrapped { list: value })
        .unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0..20_000_u64 {
                // There with an even number, or gone and stale with an odd one.
                let list: &[u64] = if n % 2 == 0 { &[1, 2] } else { &[1] };
                let mut list = FixedVec::from_slice(list).unwrap();
                if n % 2 == 1 {
                    list.push(3).unwrap();
                    list.truncate(1);
                }
                shared.set(Wrapped { list }).unwrap();
            }
        });
        for _ in 0..20_000 {
            match shared.load(field!(Wrapped.list[1])) {
                Ok(seen) => assert_eq!(seen, 2),
                Err(error) => assert_eq!(error.kind(), ErrorKind::NoElement, "{error}"),
            }
        }
    });
}

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
struct Wrapped {
    list: FixedVec<u64, 4>,
}

#[test]
fn a_wrong_element_of_a_vector_is_named() {
    let mut options = SharedBox::options();
    let shared = options
        .remove_on_drop(true)
        .create_new(Key::PRIVATE, fleet())
        .unwrap();
    let on = field!(Fleet.ships[1].crew[1].on);
    let raw = RawBox::<[u8; size_of::<Fleet>()]>::open(shared.id().unwrap()).unwrap();
    let mut bytes = raw.get().unwrap();
    bytes[on.offset()] = 7;
    raw.set(bytes);
    for error in [
        shared.load(on).unwrap_err(),
        shared.load(field!(Fleet.ships[1].crew[1])).unwrap_err(),
        shared.get().unwrap_err(),
    ] {
        let text = error.to_string();
        assert!(
            text.contains("field `ships[1].crew[1].on` holds 7"),
            "{text}"
        );
    }
}
