//! `RawTable`: rows that are counted at run time, and none beyond them.

use std::sync::atomic::AtomicU8;
use std::sync::atomic::Ordering::Relaxed;

use shm_core::sysv::shm::{self, Access, Attachment, GetFlags};
use shm_core::sysv::{Key, Mode};
use shm_core::{ErrorKind, FixedStr, RawTable, SharedLayout, field};

#[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
#[repr(C, align(8))]
struct Head {
    epoch: u64,
    used: i32,
}

#[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
#[repr(C)]
struct Row {
    pid: i32,
    on: bool,
    name: FixedStr<7>,
}

struct Bytes(Attachment);

impl Bytes {
    fn under(key: Key, size: usize) -> Bytes {
        let id = shm::get(key, size, GetFlags::CREATE, Mode::new(0o600)).unwrap();
        Bytes(shm::attach(id, Access::ReadWrite).unwrap())
    }

    fn of(size: usize) -> Bytes {
        let id = shm::get(Key::PRIVATE, size, GetFlags::CREATE, Mode::new(0o600)).unwrap();
        let memory = shm::attach(id, Access::ReadWrite).unwrap();
        shm::remove(id).unwrap();
        Bytes(memory)
    }

    fn all(&self) -> Vec<u8> {
        let byte = |at| self.0.load::<AtomicU8>(at, Relaxed).unwrap();
        (0..self.0.len()).map(byte).collect()
    }
}

#[test]
fn there_are_as_many_rows_as_the_segment_has_room_for() {
    for (size, rows) in [(16, 0), (27, 0), (28, 1), (16 + 12 * 5 + 11, 5)] {
        let bytes = Bytes::of(size);
        let table = RawTable::<Head, Row>::open(bytes.0.id()).unwrap();
        assert_eq!((table.capacity(), table.len().unwrap()), (rows, rows));
        assert_eq!(table.rows().unwrap().len(), rows);
        assert_eq!(table.is_empty().unwrap(), rows == 0);
        for index in [rows, rows + 1, usize::MAX] {
            let error = table.row(index).map(drop).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::TooSmall);
            let says = format!("it has {rows} rows, and none with index {index}");
            assert!(error.to_string().contains(&says), "{error}");
        }
    }
    let bytes = Bytes::of(15);
    let error = RawTable::<Head, Row>::open(bytes.0.id()).unwrap_err();
    assert!(error.to_string().contains("it has 15 bytes"), "{error}");
    let bare = RawTable::<(), Row>::open(bytes.0.id()).unwrap();
    assert_eq!(bare.len().unwrap(), 1);
}

#[test]
fn a_field_of_the_header_counts_them_and_never_beyond_the_room() {
    let bytes = Bytes::of(16 + 12 * 4);
    let mut options = RawTable::<Head, Row>::options();
    let table = options
        .count_from(field!(Head.used))
        .open(bytes.0.id())
        .unwrap();
    assert!(table.is_empty().unwrap() && table.capacity() == 4);
    table.store_header(field!(Head.used), 4, Relaxed).unwrap();
    assert_eq!(table.header().unwrap().used, 4);
    for row in table.rows().unwrap() {
        let pid = 7 + row.index() as i32;
        row.store(field!(Row.pid), pid, Relaxed).unwrap();
    }
    assert_eq!(table.row(3).unwrap().get().unwrap().pid, 10);
    for lie in [5, -1, i32::MAX, i32::MIN] {
        table.store_header(field!(Head.used), lie, Relaxed).unwrap();
        for error in [
            table.len().map(drop).unwrap_err(),
            table.row(0).map(drop).unwrap_err(),
            table.rows().map(drop).unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::Damaged, "{error}");
            assert!(
                error.to_string().contains("without `count_from`"),
                "{error}"
            );
        }
    }
    table.store_header(field!(Head.used), 2, Relaxed).unwrap();
    let pids = table
        .rows()
        .unwrap()
        .map(|row| row.load(field!(Row.pid), Relaxed).unwrap());
    assert_eq!(pids.collect::<Vec<_>>(), [7, 8]);
    #[cfg(target_pointer_width = "64")]
    assert_eq!(table.load_header(field!(Head.epoch), Relaxed).unwrap(), 0);
}

#[test]
fn a_row_is_stored_and_its_neighbours_are_not() {
    let bytes = Bytes::of(16 + 12 * 3 + 4);
    let table = RawTable::<Head, Row>::open(bytes.0.id()).unwrap();
    let row = Row {
        pid: -1,
        on: true,
        name: FixedStr::new("alice").unwrap(),
    };
    table.row(1).unwrap().set(row).unwrap();
    assert_eq!(table.row(1).unwrap().get().unwrap(), row);
    let all = bytes.all();
    assert!(all[..28].iter().chain(&all[40..]).all(|byte| *byte == 0));
    bytes.0.atomic::<AtomicU8>(32).unwrap().store(7, Relaxed);
    let error = table.row(1).unwrap().get().unwrap_err();
    assert_eq!(
        (error.kind(), error.operation()),
        (ErrorKind::Invalid, Some("RawRow::get"))
    );
}

#[test]
fn for_reading_only_nothing_is_stored() {
    let bytes = Bytes::of(16 + 12);
    let table = RawTable::<Head, Row>::open_read_only(bytes.0.id()).unwrap();
    let row = table.row(0).unwrap();
    for error in [
        row.set(row.get().unwrap()),
        row.store(field!(Row.pid), 1, Relaxed),
        table.store_header(field!(Head.used), 1, Relaxed),
    ] {
        assert_eq!(error.unwrap_err().kind(), ErrorKind::Options);
    }
    assert!(bytes.all().iter().all(|byte| *byte == 0));
}

/// C: `struct { int64_t epoch; int32_t used; struct row rows[]; }` has 16 bytes, and its rows begin at 12.
#[test]
fn rows_may_begin_in_the_padding_at_the_end_of_the_header() {
    let bytes = Bytes::of(12 + 12 * 2);
    let mut options = RawTable::<Head, Row>::options();
    let table = options.rows_at(12).open(bytes.0.id()).unwrap();
    assert_eq!(table.capacity(), 2);
    table
        .row(0)
        .unwrap()
        .store(field!(Row.pid), -1, Relaxed)
        .unwrap();
    assert_eq!(bytes.all()[12..16], [0xff; 4]);
    let error = options.rows_at(13).open(bytes.0.id()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Options);
    let error = options.rows_at(40).open(bytes.0.id()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooSmall);
}

#[test]
fn a_count_of_a_packed_header_that_is_not_aligned_is_refused() {
    #[derive(SharedLayout, Clone, Copy)]
    #[repr(C, packed)]
    struct Packed {
        small: u8,
        used: u32,
    }
    let bytes = Bytes::of(64);
    let mut options = RawTable::<Packed, Row>::options();
    let used = shm_core::Field::<Packed, u32>::__new(1, |packed| packed.used);
    let table = options.count_from(used).open(bytes.0.id()).unwrap();
    assert_eq!(table.len().unwrap_err().kind(), ErrorKind::Options);
}

#[test]
fn a_table_that_is_made_anew_is_attached_again_with_its_new_rows() {
    let key = Key::new(0x3100_0000 | std::process::id());
    let removed = |bytes: Bytes| shm::remove(bytes.0.id()).unwrap();
    let old = Bytes::under(key, 16 + 12);
    let mut options = RawTable::<Head, Row>::options();
    let options = options.count_from(field!(Head.used));
    let mut table = options.open(key).unwrap();
    let mut view = options.open_read_only(key).unwrap();
    removed(old);
    assert!(table.is_removed().unwrap());
    // The key leads nowhere yet, and then to one without room for a header: all stays as it is.
    let error = table.reattach().unwrap_err();
    assert_eq!(error.operation(), Some("RawTable::open"));
    let small = Bytes::under(key, 15);
    let error = view.reattach().unwrap_err();
    assert_eq!(error.operation(), Some("RawTable::open_read_only"));
    assert_eq!((error.kind(), view.capacity()), (ErrorKind::TooSmall, 1));
    removed(small);
    let new = Bytes::under(key, 16 + 12 * 3);
    table.reattach().unwrap();
    view.reattach().unwrap();
    assert_eq!(
        (table.id(), view.id()),
        (Some(new.0.id()), Some(new.0.id()))
    );
    assert_eq!((table.capacity(), table.len().unwrap()), (3, 0));
    table.store_header(field!(Head.used), 2, Relaxed).unwrap();
    assert_eq!(view.len().unwrap(), 2);
    assert!(view.store_header(field!(Head.used), 1, Relaxed).is_err());
    removed(new);

    let private = Bytes::of(16);
    let mut table = RawTable::<Head, Row>::open(private.0.id()).unwrap();
    assert_eq!(table.reattach().unwrap_err().kind(), ErrorKind::Options);
}
