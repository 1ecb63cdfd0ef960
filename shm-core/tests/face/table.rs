//! Tables in one process: what a row shows, to whom it belongs, and what can't be had.

use std::thread;

use shm_core::sysv::Key;
use shm_core::{
    ErrorKind, FixedStr, Inspector, OnDeath, Place, RowId, RowLife, Seat, SharedBox, SharedLayout,
    SharedTable, SharedView, field,
};

#[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
#[repr(C)]
struct Worker {
    beats: u64,
    state: u8,
    name: FixedStr<20>,
}

fn worker(beats: u64) -> Worker {
    Worker {
        beats,
        state: 7,
        name: FixedStr::truncated(&format!("worker {beats}")),
    }
}

fn table(rows: u32) -> SharedTable<Worker> {
    let mut options = SharedTable::<Worker>::options();
    options.rows(rows).remove_on_drop(true);
    options.create_new(Key::PRIVATE).unwrap()
}

fn place(table: &SharedTable<Worker>) -> Place {
    table.place().expect("a segment has an id")
}

fn beats(table: &SharedTable<Worker>) -> Vec<u64> {
    let beats = table.rows().map(|row| row.get().unwrap().beats);
    beats.collect()
}

#[test]
fn a_row_shows_what_its_owner_committed_until_it_is_let_go() {
    let table = table(3);
    assert_eq!((table.row_count(), table.rows().count()), (3, 0));
    let mut first = table.claim(worker(1)).unwrap();
    let second = table.claim(worker(2)).unwrap();
    assert_eq!(beats(&table), [1, 2]);

    assert_eq!(first.set(worker(3)).unwrap(), 2);
    assert_eq!(first.update(|worker| worker.beats += 1).unwrap(), 3);
    assert_eq!(first.store(field!(Worker.state), 9).unwrap(), 4);
    assert_eq!(first.fetch_add(field!(Worker.beats), 6).unwrap(), 4);
    let now = Worker {
        beats: 10,
        state: 9,
        ..worker(3)
    };
    assert_eq!(first.get().unwrap(), now);
    let view = SharedTable::<Worker>::options()
        .open_read_only(place(&table))
        .unwrap();
    assert_eq!(view.get(first.id()).unwrap(), now);
    let row = view.rows().next().unwrap();
    assert_eq!((row.id(), row.version()), (first.id(), 5));
    assert_eq!(row.owner(), Some(std::process::id()));
    assert_eq!(row.life(), RowLife::Live);
    assert_eq!(row.snapshot().unwrap().value, now);
    assert_eq!(view.look().unwrap().count(), 2);

    let id = first.id();
    drop(first);
    assert_eq!(row.get().unwrap_err().kind(), ErrorKind::Stale);
    assert_eq!(view.get(id).unwrap_err().kind(), ErrorKind::Stale);
    assert_eq!(beats(&table), [2]);
    let third = table.claim(worker(5)).unwrap();
    assert_eq!(third.id().index(), id.index(), "the same row");
    assert_ne!(third.id(), id);
    assert_eq!(row.get().unwrap_err().kind(), ErrorKind::Stale);
    assert_eq!(view.get(third.id()).unwrap(), worker(5));
    drop((second, third));
    assert_eq!(table.rows().count(), 0);
}

#[test]
fn a_full_table_names_owners() {
    let table = table(2);
    let seats = [1, 2].map(|beats| table.claim(worker(beats)).unwrap());
    let full = table.claim(worker(3)).unwrap_err();
    assert_eq!(full.kind(), ErrorKind::Full);
    assert_eq!(full.claimants(), [std::process::id()]);
    let text = full.to_string();
    let wanted = format!(
        "all 2 rows have owners that live, among others by process {}",
        std::process::id()
    );
    assert!(text.contains(&wanted), "{text}");
    drop(seats);
    table.claim(worker(3)).unwrap();
}

#[test]
fn a_seat_keeps_the_table_and_goes_to_any_thread() {
    fn is_send<S: Send + 'static>(_: &S) {}
    let place;
    let mut seat = {
        let mut options = SharedTable::<Worker>::options();
        let table = options.rows(4).create_new(Key::PRIVATE).unwrap();
        place = self::place(&table);
        table.claim(worker(1)).unwrap()
    };
    is_send(&seat);
    let seat: Seat<Worker> = thread::spawn(move || {
        seat.set(worker(2)).unwrap();
        seat
    })
    .join()
    .unwrap();
    let table = SharedTable::<Worker>::open(place).unwrap();
    assert_eq!(beats(&table), [2]);
    table.remove().unwrap();
    drop(seat);
}

#[test]
fn what_has_been_removed_says_so() {
    let table = table(2);
    let mut seat = table.claim(worker(1)).unwrap();
    table.remove().unwrap();
    assert!(table.is_removed().unwrap());
    assert_eq!(seat.set(worker(2)).unwrap_err().kind(), ErrorKind::Removed);
    assert_eq!(seat.get().unwrap_err().kind(), ErrorKind::Removed);
    let removed = [
        table.claim(worker(1)).unwrap_err(),
        table.get(seat.id()).unwrap_err(),
        table.look().unwrap_err(),
        table.reap(|_, _| ()).unwrap_err(),
    ];
    for error in removed {
        assert_eq!(error.kind(), ErrorKind::Removed, "{error}");
    }
}

#[test]
fn a_table_is_no_box_and_a_box_no_table_and_each_error_says_what_to_call() {
    let table = table(2);
    let errors = [
        SharedBox::<Worker>::open(place(&table)).unwrap_err(),
        SharedView::<Worker>::open(place(&table)).unwrap_err(),
        Inspector::options()
            .write(true)
            .open(place(&table))
            .unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::OtherKind);
        let text = error.to_string();
        assert!(text.contains("it holds a table of 2 rows"), "{text}");
        assert!(text.contains("`SharedTable::open`"), "{text}");
    }
    let mut options = SharedBox::<Worker>::options();
    options.remove_on_drop(true);
    let shared = options.create_new(Key::PRIVATE, worker(1)).unwrap();
    let place = Place::id(shared.id().unwrap());
    let errors = [
        SharedTable::<Worker>::open(place.clone()).unwrap_err(),
        SharedTable::<Worker>::options()
            .open_read_only(place)
            .unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::OtherKind);
        assert!(error.to_string().contains("`SharedBox::open`"), "{error}");
    }
}

#[test]
fn the_schema_is_checked() {
    let table = table(2);
    let other = SharedTable::<u64>::open(place(&table)).unwrap_err();
    assert_eq!(other.kind(), ErrorKind::Mismatch);
    assert!(other.mismatch().is_some());
}

#[test]
fn numbers_of_rows_that_no_table_has_are_refused() {
    for rows in [0, (1 << 20) + 1, u32::MAX] {
        let mut options = SharedTable::<Worker>::options();
        let refused = options.rows(rows).create_new(Key::PRIVATE).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Options, "{refused}");
    }
}

#[test]
fn a_panic_in_an_update_commits_nothing() {
    let table = table(1);
    let mut seat = table.claim(worker(1)).unwrap();
    let panics = std::panic::AssertUnwindSafe(|| {
        seat.update(|worker| {
            worker.beats = 9;
            std::panic::resume_unwind(Box::new(()));
        })
    });
    assert!(std::panic::catch_unwind(panics).is_err());
    assert_eq!(seat.get().unwrap(), worker(1));
    assert_eq!(seat.set(worker(2)).unwrap(), 2);
}

#[test]
fn rows_of_the_living_are_neither_reaped_nor_freed() {
    for on_death in [OnDeath::Keep, OnDeath::Free] {
        let mut options = SharedTable::<Worker>::options();
        options.rows(2).on_death(on_death).remove_on_drop(true);
        let table = options.create_new(Key::PRIVATE).unwrap();
        let _seat = table.claim(worker(1)).unwrap();
        let other = SharedTable::<Worker>::open(place(&table)).unwrap();
        assert_eq!(other.reap(|id, _| panic!("{id}")).unwrap(), 0);
        assert_eq!(other.look().unwrap().count(), 1);
        assert_eq!(beats(&other), [1]);
    }
}

#[test]
fn a_row_as_long_as_pages_is_read_whole() {
    let mut options = SharedTable::<[u64; 2000]>::options();
    let table = options
        .rows(3)
        .remove_on_drop(true)
        .create_new(Key::PRIVATE)
        .unwrap();
    let mut seat = table.claim([1; 2000]).unwrap();
    seat.update(|row| row[1000] = 2).unwrap();
    let row = table.rows().next().unwrap().get().unwrap();
    assert_eq!(row.iter().sum::<u64>(), 2001);
    assert_eq!(seat.get().unwrap(), row);
}

#[test]
fn tables_lie_in_memory_without_a_name_as_well() {
    let mut options = SharedTable::<Worker>::options();
    let table = options.rows(2).anonymous().unwrap();
    let mut seat = table.claim(worker(1)).unwrap();
    let other = SharedTable::<Worker>::options()
        .from_fd(table.as_fd().unwrap())
        .unwrap();
    seat.set(worker(2)).unwrap();
    assert_eq!(beats(&other), [2]);
    let refused = SharedBox::<Worker>::from_fd(table.as_fd().unwrap()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::OtherKind);
}

#[test]
fn the_text_of_a_row_leads_back_to_it_and_no_other_text_does() {
    let table = table(2);
    let _first = table.claim(worker(1)).unwrap();
    let seat = table.claim(worker(2)).unwrap();
    let read: RowId = seat.id().to_string().parse().unwrap();
    assert_eq!((read, table.get(read).unwrap()), (seat.id(), worker(2)));
    let last: RowId = "4294967295#18446744073709551615".parse().unwrap();
    assert_eq!((last.index(), last.number()), (u32::MAX, u64::MAX));
    for text in [
        "",
        "1",
        "1#",
        "#1",
        "1#0",
        "01#2",
        "1#+2",
        " 1#2",
        "1#2#3",
        "4294967296#1",
        "-1#2",
    ] {
        let refused = text.parse::<RowId>().unwrap_err();
        assert_eq!(
            refused.to_string(),
            "the text is not a row and a claim of it: `3#17`"
        );
    }
}

#[cfg(feature = "serde")]
#[test]
fn rows_are_serialised_with_owner_and_life_and_read_back_by_their_ids() {
    use serde_json::json;

    let mut options = SharedTable::<FixedStr<12>>::options();
    let table = options
        .rows(3)
        .remove_on_drop(true)
        .create_new(Key::PRIVATE);
    let table = table.unwrap();
    let mut seat = table.claim(FixedStr::new("alice").unwrap()).unwrap();
    seat.set(FixedStr::new("bob").unwrap()).unwrap();
    let wanted = json!({
        "id": "0#1", "life": "live", "owner": std::process::id(), "version": 2, "value": "bob",
    });
    let row = table.rows().next().unwrap();
    assert_eq!(serde_json::to_value(&row).unwrap(), wanted);
    let snapshot = serde_json::to_value(row.snapshot().unwrap()).unwrap();
    assert_eq!(snapshot, json!({ "version": 2, "value": "bob" }));
    let inspected = Inspector::open(table.place().unwrap()).unwrap().rows();
    assert_eq!(
        serde_json::to_value(inspected.unwrap()).unwrap(),
        json!([wanted])
    );

    let id: RowId = serde_json::from_str("\"0#1\"").unwrap();
    assert_eq!(id, seat.id());
    let refused = serde_json::from_str::<RowId>("\"0#x\"").unwrap_err();
    assert!(
        refused.to_string().contains("a row and a claim of it"),
        "{refused}"
    );
    for (life, text) in [(RowLife::Live, "\"live\""), (RowLife::Dead, "\"dead\"")] {
        assert_eq!(serde_json::to_string(&life).unwrap(), text);
        assert_eq!(serde_json::from_str::<RowLife>(text).unwrap(), life);
    }
    for (on_death, text) in [(OnDeath::Keep, "\"keep\""), (OnDeath::Free, "\"free\"")] {
        assert_eq!(serde_json::to_string(&on_death).unwrap(), text);
        assert_eq!(serde_json::from_str::<OnDeath>(text).unwrap(), on_death);
    }
    assert!(serde_json::from_str::<OnDeath>("\"Keep\"").is_err());

    // What is no value any more is an error, and not half a row.
    drop(seat);
    let error = serde_json::to_string(&row).unwrap_err().to_string();
    assert_eq!(error, row.get().unwrap_err().to_string());
}

#[cfg(feature = "serde")]
#[test]
fn formats_that_are_not_for_people_have_the_numbers_of_a_row_id() {
    use serde::{Deserialize, de::value::SeqDeserializer};

    struct Numbers;
    impl<'de> serde::Deserializer<'de> for Numbers {
        type Error = serde::de::value::Error;
        fn is_human_readable(&self) -> bool {
            false
        }
        fn deserialize_any<V: serde::de::Visitor<'de>>(
            self,
            visitor: V,
        ) -> Result<V::Value, Self::Error> {
            visitor.visit_seq(SeqDeserializer::new([3_u64, 17].into_iter()))
        }
        serde::forward_to_deserialize_any! {
            bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
            unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
        }
    }
    let id = RowId::deserialize(Numbers).unwrap();
    assert_eq!(id.to_string(), "3#17");
}
