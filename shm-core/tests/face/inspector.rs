//! `Inspector`: values are read without their type, and look as if they were read with it.

use std::fmt::Debug;
use std::path::Path;
use std::thread;
use std::time::Duration;

use shm_core::layout::Value;
use shm_core::sysv::{Mode, sem, shm};
use shm_core::{
    ErrorKind, FixedStr, Inspector, InspectorOptions, Key, Place, RawBox, RowLife, SharedBox,
    SharedLayout, SharedTable, Snapshot, field,
};

#[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
#[repr(C)]
struct Nine([u64; 9]);

#[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
#[repr(C)]
struct Everything {
    on: bool,
    letter: char,
    small: i8,
    huge: u128,
    negative: i128,
    single: f32,
    doubles: [f64; 5],
    name: FixedStr<16>,
    pair: Pair,
    nested: [[Inner; 2]; 2],
    mood: Mood,
}

#[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
#[repr(C)]
struct Pair(u16, FixedStr<4>);

#[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
#[repr(C)]
struct Inner {
    moods: [Mood; 2],
    at: u64,
}

#[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
#[repr(i16)]
enum Mood {
    Calm = -7,
    Wild = 300,
}

fn everything() -> Everything {
    let inner = |at| Inner {
        moods: [Mood::Wild, Mood::Calm],
        at,
    };
    Everything {
        on: true,
        letter: '\n',
        small: -128,
        huge: u128::MAX,
        negative: i128::MIN,
        single: 0.1,
        doubles: [1.0, -0.0, f64::NAN, f64::INFINITY, 1e300],
        name: FixedStr::from_raw(*b"it's \"\xc3\xbc\"\\\xff\0\0\0\0\0"),
        pair: Pair(9, FixedStr::new("ab").unwrap()),
        nested: [[inner(1), inner(2)], [inner(3), inner(u64::MAX)]],
        mood: Mood::Calm,
    }
}

fn private<T: SharedLayout>(value: T) -> SharedBox<T> {
    let mut options = SharedBox::options();
    let private = options.remove_on_drop(true).create_new(Key::PRIVATE, value);
    private.unwrap()
}

/// A table of four.
fn private_rows<T: SharedLayout>() -> SharedTable<T> {
    let mut options = SharedTable::options();
    let private = options
        .rows(4)
        .remove_on_drop(true)
        .create_new(Key::PRIVATE);
    private.unwrap()
}

fn decoded<T: SharedLayout>(value: T) -> Value {
    let shared = private(value);
    Inspector::open(shared.id().unwrap())
        .unwrap()
        .value()
        .unwrap()
}

#[test]
fn it_prints_what_the_derived_debug_prints() {
    fn same<T: SharedLayout + Debug>(original: T) {
        let value = decoded(original);
        assert_eq!(format!("{value:?}"), format!("{original:?}"));
        assert_eq!(format!("{value:#?}"), format!("{original:#?}"));
        assert_eq!(value.to_string(), format!("{original:#?}"));
    }
    same(everything());
    same([1_u8, 2, 3]);
    same(true);
    same(FixedStr::<4>::from_raw(*b"full"));
    same([f32::MIN_POSITIVE, f32::NEG_INFINITY, 16_777_216.0]);
}

#[test]
fn text_prints_as_a_str_does() {
    let text = "it's \"quoted\" \\ \n \u{301}e\u{301}";
    let value = FixedStr::<64>::new(text).unwrap();
    assert_eq!(format!("{value:?}"), format!("{text:?}"));
    assert_eq!(
        decoded(value),
        Value::Text(text.to_owned()),
        "and nothing of it is lost"
    );
    let raw = FixedStr::<4>::from_raw(*b"a\xff\0b");
    assert_eq!(decoded(raw), Value::Bytes(b"a\xff".to_vec()));
}

#[test]
fn parts_are_found_by_name_index_and_path() {
    let value = decoded(everything());
    assert_eq!(value.get("small").and_then(Value::as_int), Some(-128));
    assert_eq!(value.get("small").and_then(Value::as_uint), None);
    assert_eq!(value.get("huge").and_then(Value::as_uint), Some(u128::MAX));
    assert_eq!(value.get("huge").and_then(Value::as_int), None);
    assert_eq!(value.get("on").and_then(Value::as_bool), Some(true));
    assert_eq!(value.get("mood").and_then(Value::as_str), Some("Calm"));
    assert_eq!(value.get("moods"), None);
    let doubles = value.get("doubles").unwrap();
    assert_eq!(doubles.at(4).and_then(Value::as_f64), Some(1e300));
    assert_eq!(doubles.at(5), None);
    let path = |path| value.path(path).map(|value| format!("{value:?}"));
    assert_eq!(path("nested[1][0].at").as_deref(), Some("3"));
    assert_eq!(path("nested[1][0].moods[0]").as_deref(), Some("Wild"));
    assert_eq!(path("pair.0").as_deref(), Some("9"));
    assert_eq!(path("").as_deref(), Some(&*format!("{value:?}")));
    for none in [
        "nested[2]",
        "nested[1]at",
        "nested[+1]",
        "nested[",
        "nested[]",
        "nested[99999999999999999999]",
        ".nested..at",
        "on.x",
        "on[0]",
        "..on",
        "[0]",
        " on",
    ] {
        assert_eq!(path(none), None, "{none}");
    }
}

#[test]
fn it_follows_commits_and_tells_their_versions() {
    let shared = private([1_u16, 2]);
    let inspector = Inspector::open(shared.id().unwrap()).unwrap();
    assert_eq!(inspector.version(), 1);
    shared.set([3, 4]).unwrap();
    let seen = inspector.snapshot().unwrap();
    assert_eq!(seen.version, 2);
    assert_eq!(format!("{:?}", seen.value), "[3, 4]");
    assert_eq!(&inspector.schema().unwrap(), <[u16; 2]>::SCHEMA);
    assert_eq!(inspector.id(), shared.id());
    assert_eq!(inspector.info().unwrap().size, shared.info().unwrap().size);
}

#[test]
fn it_follows_an_upgrade_while_it_reads() {
    #[derive(SharedLayout, Clone, Copy, Debug)]
    #[repr(C)]
    struct Job {
        number: u32,
    }

    #[derive(SharedLayout, Clone, Copy, Debug)]
    #[repr(C)]
    #[shared(version = 2)]
    struct LaterJob {
        number: u32,
        #[shared(since = 2, default = Mood::Wild)]
        mood: Mood,
    }

    for number in 0..50 {
        let mut options = SharedBox::options();
        options.capacity(64).remove_on_drop(true);
        let shared = options.create_new(Key::PRIVATE, Job { number }).unwrap();
        let inspector = Inspector::open(shared.id().unwrap()).unwrap();
        let (before, after) = (
            format!("Job {{ number: {number} }}"),
            format!("LaterJob {{ number: {number}, mood: Wild }}"),
        );
        thread::scope(|scope| {
            let reader = scope.spawn(|| {
                let mut seen = 0;
                loop {
                    let value = format!("{:?}", inspector.value().unwrap());
                    if value == after {
                        return seen;
                    }
                    assert_eq!(value, before);
                    seen += 1;
                }
            });
            let mut options = SharedBox::<LaterJob>::options();
            options.upgrade(true).open(shared.id().unwrap()).unwrap();
            reader.join().unwrap();
        });
        assert_eq!(&inspector.schema().unwrap(), LaterJob::SCHEMA);
    }
}

#[test]
fn after_a_removal_it_goes_to_what_was_made_anew() {
    let key = Key::new(0x7b5d_2006);
    let old = SharedBox::create_new(key, 5_u32).unwrap();
    let mut options = SharedBox::options();
    options.remove_on_drop(true);
    let mut inspector = Inspector::open(key).unwrap();
    old.remove().unwrap();
    let new = options.create_new(key, 6_u64).unwrap();
    assert!(
        inspector
            .value()
            .is_err_and(|error| error.kind() == ErrorKind::Removed)
    );
    inspector.reattach().unwrap();
    assert_eq!(inspector.value().unwrap(), Value::UInt(6));
    assert_eq!(inspector.id(), new.id());
}

#[test]
fn after_the_removal_it_says_so() {
    let shared = private(1_u32);
    let inspector = Inspector::open(shared.id().unwrap()).unwrap();
    shared.remove().unwrap();
    assert!(
        inspector
            .value()
            .is_err_and(|error| error.kind() == ErrorKind::Removed)
    );
    assert!(
        inspector
            .schema()
            .is_err_and(|error| error.kind() == ErrorKind::Removed)
    );
}

#[test]
fn what_is_too_large_is_not_read() {
    let shared = private([0_u8; 1000]);
    let inspector = Inspector::open(shared.id().unwrap()).unwrap().limit(999);
    assert_eq!(
        inspector.value().unwrap_err().to_string(),
        format!(
            "Inspector::value on segment with id {}: the value has more than 999 bytes, the limit \
             of this inspector; if memory allows, read more with `Inspector::limit`",
            shared.id().unwrap()
        )
    );
    let inspector = inspector.limit(1000);
    let error = inspector.value().unwrap_err().to_string();
    assert!(error.contains("more than 1000 parts"), "{error}");
    assert!(inspector.limit(1001).value().is_ok());
}

#[cfg(feature = "serde")]
#[test]
fn it_is_serialised_by_serde() {
    let mut value = everything();
    value.name = FixedStr::new("it's").unwrap();
    let text = serde_json::to_string(&decoded(value)).unwrap();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["on"], true);
    assert_eq!(json["letter"], "\n");
    assert_eq!(json["small"], -128);
    assert_eq!(json["name"], "it's");
    assert_eq!(json["doubles"][0], 1.0);
    assert!(json["doubles"][2].is_null(), "JSON has no NaN");
    assert_eq!(json["pair"]["1"], "ab");
    assert_eq!(json["mood"], "Calm");
    assert_eq!(json["nested"][1][1]["at"], u64::MAX);
    assert_eq!(json["nested"][1][1]["moods"][0], "Wild");
    let text = serde_json::to_string(&decoded([u128::MAX])).unwrap();
    assert_eq!(text, format!("[{}]", u128::MAX));
    let bytes = decoded(FixedStr::<4>::from_raw(*b"\xff\0\0\0"));
    assert_eq!(serde_json::to_string(&bytes).unwrap(), "[255]");
}

#[cfg(feature = "serde")]
#[test]
fn text_and_vectors_are_read_from_a_file_and_written_as_their_trees_are() {
    type Names = shm_core::FixedVec<FixedStr<5>, 3>;

    let text = r#"["blue","a"]"#;
    let names: Names = serde_json::from_str(text).unwrap();
    assert_eq!((names.len(), names[0]), (2, FixedStr::new("blue").unwrap()));
    assert_eq!(serde_json::to_string(&names).unwrap(), text);
    let tree = Value::of(&names).unwrap();
    assert_eq!(serde_json::to_string(&tree).unwrap(), text);
    let latin = FixedStr::<4>::from_raw(*b"\xff\0\0\0");
    let bytes = serde_json::to_string(&latin).unwrap();
    assert_eq!(
        bytes,
        serde_json::to_string(&Value::of(&latin).unwrap()).unwrap()
    );

    assert_eq!(serde_json::from_str::<FixedStr<4>>(&bytes).unwrap(), latin);
    let refused = |text| serde_json::from_str::<Names>(text).unwrap_err().to_string();
    assert!(refused(r#"["yellow"]"#).contains("does not fit `FixedStr<5>`"));
    assert!(refused(r#"["a","b","c","d"]"#).contains("do not fit a `FixedVec` for 3"));
    assert!(refused("[7]").contains("text of at most 4 bytes"));
}

#[test]
fn it_tells_what_was_reserved_and_which_semaphores_belong_to_the_segment() {
    let mut options = SharedBox::<u64>::options();
    let options = options.remove_on_drop(true).slots(3).capacity(1000);
    let shared = options.create_new(Key::PRIVATE, 5).unwrap();
    let inspector = Inspector::open(shared.id().unwrap()).unwrap();
    assert_eq!(inspector.capacity(), shared.capacity());
    assert_eq!(inspector.slots(), 3);
    assert!(!inspector.has_raw_writers());
    let set = inspector.semaphores().unwrap();
    assert_eq!(sem::stat(set).unwrap().count, 3 + 2);
    sem::remove(set).unwrap();
    let error = inspector.semaphores().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SetLost);
}

#[test]
fn it_waits_for_a_newer_version_and_reads_its_bytes() {
    let mut options = SharedBox::<[u16; 2]>::options();
    let shared = options.remove_on_drop(true);
    let shared = shared.create_new(Key::PRIVATE, [1, 2]).unwrap();
    let inspector = Inspector::open(shared.id().unwrap()).unwrap();
    let seen = inspector.snapshot_bytes().unwrap();
    assert_eq!(seen.value, [1_u16, 2].map(u16::to_ne_bytes).concat());
    let none = inspector
        .wait_timeout(seen.version, Duration::ZERO)
        .unwrap();
    assert!(none.is_none());
    thread::scope(|scope| {
        let waiting = scope.spawn(|| inspector.wait_timeout(seen.version, Duration::from_secs(60)));
        let version = shared.set([3, 4]).unwrap();
        let next = waiting.join().unwrap().unwrap().expect("a newer one");
        assert_eq!(next.version, version);
        assert_eq!(next.value.path("[1]"), Some(&Value::UInt(4)));
    });
}

#[test]
fn a_set_that_bears_the_tags_of_no_segment_and_that_no_process_uses_is_orphaned() {
    let set_with_tag = |tag: i16| {
        let set = sem::get(Key::PRIVATE, 5, sem::GetFlags::CREATE, Mode::new(0o600)).unwrap();
        sem::op(set, &[sem::Op::add(3, tag), sem::Op::add(4, 9)]).unwrap();
        set
    };
    let mut options = SharedBox::options();
    let shared = options.remove_on_drop(true).create_new(Key::PRIVATE, 0_u8);
    let shared = shared.unwrap();
    let tag_of = |id: shm::Id| (id.as_raw() % 0x7fff) as i16 + 1;
    let taken: Vec<_> = shm::segments()
        .unwrap()
        .map(|s| tag_of(s.unwrap().0))
        .collect();
    let free = (1..i16::MAX).find(|tag| !taken.contains(tag)).unwrap();

    let (orphan, owned, used) = (
        set_with_tag(free),
        set_with_tag(tag_of(shared.id().unwrap())),
        set_with_tag(free),
    );
    sem::op(used, &[sem::Op::add(0, 1)]).unwrap();
    // A table has no slot there, but a count of deaths; a box has a slot, which this process has.
    let (table, last_slot) = (set_with_tag(free), set_with_tag(free));
    sem::op(table, &[sem::Op::add(2, 7)]).unwrap();
    sem::op(last_slot, &[sem::Op::add(2, 1)]).unwrap();
    let found = shm_core::orphaned_sets().unwrap();
    assert!(found.contains(&orphan) && found.contains(&table));
    assert!(!found.contains(&owned) && !found.contains(&used) && !found.contains(&last_slot));
    for set in [orphan, owned, used, table, last_slot] {
        sem::remove(set).unwrap();
    }
}

#[test]
fn bytes_of_any_segment_are_read_from_any_offset() {
    let id = shm::get(Key::PRIVATE, 21, shm::GetFlags::CREATE, Mode::new(0o600)).unwrap();
    let options = RawBox::<[u8; 21]>::options();
    let raw = options.open(id).unwrap();
    let all: [u8; 21] = std::array::from_fn(|i| i as u8 + 1);
    raw.set(all);
    let memory = shm::attach(id, shm::Access::ReadOnly).unwrap();
    for offset in 0..24 {
        for len in 0..24 {
            let mut read = vec![0; len];
            let count = memory.read_at(&mut read, offset).unwrap();
            let there = all.get(offset..(offset + len).min(21)).unwrap_or_default();
            assert_eq!(&read[..count], there, "{len} bytes at {offset}");
        }
    }
    shm::remove(id).unwrap();
}

#[cfg(feature = "serde")]
#[test]
fn ready_made_types_are_texts_and_opaque_bytes_nothing() {
    use shm_core::{Id128, Ipv4, Ipv6, Nanoseconds, Opaque, Timestamp};

    let text = r#"["2026-11-26T02:52:23Z","20ms","10.0.0.1","::1","67e55044-10b1-426f-9247-bb680e5fe0c8",null]"#;
    type All = (Timestamp, Nanoseconds, Ipv4, Ipv6, Id128, Opaque<8>);
    let all: All = serde_json::from_str(text).unwrap();
    assert_eq!(all.1, Nanoseconds::from_nanos(20_000_000));
    assert_eq!(serde_json::to_string(&all).unwrap(), text);
    let tree = |value| serde_json::to_string(&Value::of(&value).unwrap()).unwrap();
    assert_eq!(
        tree([all.0; 2]),
        r#"["2026-11-26T02:52:23Z","2026-11-26T02:52:23Z"]"#
    );
    assert_eq!(
        serde_json::to_string(&Value::of(&all.3).unwrap()).unwrap(),
        r#""::1""#
    );
    assert_eq!(
        serde_json::to_string(&Value::of(&all.5).unwrap()).unwrap(),
        "null"
    );
    let refused = serde_json::from_str::<Nanoseconds>("\"soon\"").unwrap_err();
    assert!(refused.to_string().contains("span of time"), "{refused}");
}

#[test]
fn a_value_is_made_anew_by_its_schema_and_bytes_with_more_room_for_it() {
    let old = private(everything());
    old.update(|value| value.small = 7).unwrap();
    let read = Inspector::open(Place::id(old.id().unwrap())).unwrap();
    let (schema, bytes) = (read.schema().unwrap(), read.snapshot_bytes().unwrap().value);
    let path =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("described-{}", std::process::id()));
    let mut options = Inspector::options();
    options.capacity(8192).slots(7).raw_writers(true);
    for place in [Place::from(Key::PRIVATE), Place::file(&path)] {
        let mut new = options.create_new(&place, &schema, &bytes).unwrap();
        assert_eq!((new.capacity(), new.slots()), (8192, 7));
        assert!(new.has_raw_writers());
        assert_eq!(new.version(), 1);
        let found = new.place().unwrap();
        // By programs that have the type, too.
        let shared = SharedBox::<Everything>::open(&found).unwrap();
        assert_eq!(shared.get().unwrap().small, 7);
        new.set("small", -9).unwrap();
        assert_eq!(shared.get().unwrap().small, -9);
        if found.path().is_some() {
            new.reattach().unwrap();
            let again = options.create_new(&place, &schema, &bytes).unwrap_err();
            assert_eq!(again.kind(), ErrorKind::System);
        }
        new.remove().unwrap();
    }
    let refused = |options: &mut InspectorOptions, bytes: &[u8]| {
        let made = options.create_new(Key::PRIVATE, &schema, bytes);
        made.unwrap_err().kind()
    };
    assert_eq!(refused(&mut options, &bytes[1..]), ErrorKind::Options);
    assert_eq!(refused(options.capacity(1), &bytes), ErrorKind::Options);
    let mut invalid = bytes.clone();
    invalid[0] = 7;
    let of_type = refused(options.capacity(8192), &invalid);
    assert_eq!(of_type, ErrorKind::Invalid, "a bool of 7");
}

#[test]
fn a_copy_has_the_versions_of_the_original_and_readers_and_later_commits_get_along_with_gaps() {
    let old = private(Nine([0; 9]));
    let read = Inspector::open(Place::id(old.id().unwrap())).unwrap();
    let schema = read.schema().unwrap();
    let bytes = |n: u64| [n; 9].map(u64::to_ne_bytes).concat();
    let mut options = Inspector::options();
    let copy = options
        .version(40)
        .create_new(Key::PRIVATE, &schema, &bytes(40))
        .unwrap();
    assert!(copy.creation() != read.creation() && copy.creation() != 0);
    let shared = SharedBox::<Nine>::open(copy.place().unwrap()).unwrap();
    let mut stands = 40;
    for later in [1, 2, 3, 1, 7, 8, 1, 1, 1000, 2] {
        stands += later;
        thread::scope(|scope| {
            let waiter = scope.spawn(|| shared.wait_timeout(stands - later, Duration::MAX));
            let store = |n| copy.store_version(n, &schema, &bytes(n)).unwrap();
            assert!(store(stands));
            assert!(!store(stands) && !store(stands - later));
            let seen = waiter.join().unwrap().unwrap().unwrap();
            assert_eq!((seen.version, seen.value), (stands, Nine([stands; 9])));
        });
        // A commit of one field brings the mirror what the gap left out.
        stands = shared.update_field(field!(Nine.0[3]), |n| *n += 1).unwrap();
        assert_eq!(
            shared.get().unwrap().0[2..5],
            [stands - 1, stands, stands - 1]
        );
        shared.set(Nine([stands + 1; 9])).unwrap();
        stands += 1;
        assert_eq!(
            shared.snapshot().unwrap(),
            Snapshot {
                version: stands,
                value: Nine([stands; 9])
            }
        );
    }
    let refused = |version, schema, bytes: &[u8]| {
        let stored = copy.store_version(version, schema, bytes);
        stored.unwrap_err().kind()
    };
    let (other, last) = (<[u8; 4]>::SCHEMA, u64::MAX / 4);
    assert_eq!(refused(9999, other, &[0; 4]), ErrorKind::Mismatch);
    assert_eq!(refused(9999, &schema, &[0; 4]), ErrorKind::Options);
    assert_eq!(refused(last + 1, &schema, &bytes(0)), ErrorKind::Options);
    assert_eq!(shared.version(), stands);
    copy.remove().unwrap();
}

#[test]
fn a_tables_rows_are_read_without_their_type() {
    let table = private_rows::<Inner>();
    let place = table.place().unwrap();
    let inspector = Inspector::open(&place).unwrap();
    assert_eq!(
        (inspector.row_count(), inspector.rows().unwrap().len()),
        (4, 0)
    );
    let inner = |at| Inner {
        moods: [Mood::Wild, Mood::Calm],
        at,
    };
    let first = table.claim(inner(1)).unwrap();
    let mut second = table.claim(inner(2)).unwrap();
    second.set(inner(3)).unwrap();
    drop(first);
    let rows = inspector.rows().unwrap();
    assert_eq!(rows.len(), 1);
    let row = &rows[0];
    assert_eq!(
        (row.owner, row.life),
        (Some(std::process::id()), RowLife::Live)
    );
    assert_eq!((row.id.index(), row.id.number()), (1, 2));
    assert_eq!(row.value.path("at"), Some(&Value::UInt(3)));
    assert_eq!(inspector.schema().unwrap().name(), Some("Inner"));
    assert_eq!(inspector.value().unwrap_err().kind(), ErrorKind::OtherKind);
    assert_eq!(
        inspector.get("at").unwrap_err().kind(),
        ErrorKind::OtherKind
    );
    let writing = Inspector::options().write(true).open(&place).unwrap_err();
    assert_eq!(writing.kind(), ErrorKind::OtherKind);
    let too_large = Inspector::open(&place)
        .unwrap()
        .limit(1)
        .rows()
        .unwrap_err();
    assert_eq!(too_large.kind(), ErrorKind::TooLarge);
    let single = private(5_u32);
    let single = Inspector::open(Place::id(single.id().unwrap())).unwrap();
    assert_eq!((single.row_count(), single.rows().unwrap().len()), (0, 0));
}

#[derive(SharedLayout, Clone, Copy, Debug)]
#[repr(C)]
struct Hollow([u8; 0], [u8; 0], [u8; 0], [u8; 0], u8);

#[test]
fn the_parts_of_all_rows_together_are_limited() {
    let table = private_rows::<Hollow>();
    let _seats = [0; 4].map(|of| table.claim(Hollow([], [], [], [], of)).unwrap());
    let rows = |limit| {
        let inspector = Inspector::open(table.place().unwrap()).unwrap();
        inspector.limit(limit).rows()
    };
    // Each row has one byte and six parts.
    assert_eq!(rows(24).unwrap().len(), 4);
    let error = rows(23).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert!(error.to_string().contains("23 parts"), "{error}");
}
