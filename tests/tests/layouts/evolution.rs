//! Which versions of a struct attach to which, what they read, and what the errors say.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use shm_core::{Error, ErrorKind, FixedStr, SharedBox, SharedLayout, SharedView, field};
use shm_tests::family::{CAPACITY, FLAGS, MARK, TOTAL, Version, marks, v1, v2, v3, v4};
use shm_tests::{Guard, Memory};

const CONTROL: usize = 320;
/// Of 248 slots.
const RECORDS: usize = 1984;
const STATE: usize = 136;

fn create<V: Version>(guard: &Guard, capacity: usize) -> SharedBox<V> {
    let mut options = SharedBox::<V>::options();
    options.capacity(capacity);
    options.create_new(guard.key(), V::first()).unwrap()
}

fn upgraded<V: Version>(guard: &Guard) -> SharedBox<V> {
    let mut options = SharedBox::<V>::options();
    options.upgrade(true).open(guard.key()).unwrap()
}

fn bytes(memory: &Memory) -> Vec<u8> {
    memory.read(0, memory.len())
}

#[test]
fn what_a_segment_lacks_reads_as_its_default() {
    let guard = Guard::new();
    // 64 bytes: version 4 has more than the segment.
    let old = create::<v1::Station>(&guard, 56);
    let memory = guard.memory();
    memory.write(55, &[0xee]);
    let before = bytes(&memory);
    let view = SharedView::<v4::Station>::open(guard.key()).unwrap();
    let wanted = v4::Station::first();
    assert_eq!(view.get().unwrap(), wanted);
    assert_eq!(*view.get_boxed().unwrap(), wanted);
    assert_eq!(view.snapshot().unwrap().value, wanted);
    let mut read = v4::Station::first();
    read.step(1);
    assert_eq!(view.read_into(&mut read).unwrap(), 1);
    assert_eq!(read, wanted);
    assert_eq!(view.load(field!(<v4::Station>.flags)).unwrap(), FLAGS);
    assert_eq!(view.load(field!(<v4::Station>.total)).unwrap(), TOTAL);
    assert_eq!(view.load(field!(<v4::Station>.marks)).unwrap(), marks());
    assert_eq!(
        view.load(field!(<v4::Station>.marks[1])).unwrap(),
        marks()[1]
    );
    assert!(view.load(field!(<v4::Station>.even)).unwrap());
    assert_eq!(view.load(field!(<v4::Station>.left)).unwrap(), 0);
    assert_eq!(bytes(&memory), before, "reading changes nothing");

    let version = old.update(|value| value.step(0)).unwrap();
    let seen = view
        .wait_timeout(1, Duration::from_secs(2))
        .unwrap()
        .unwrap();
    assert_eq!(seen.version, version);
    assert_eq!(seen.value.fault([1, 4]), None);
    assert_eq!(seen.value.steps(), [1, 0]);
    assert_eq!(view.load(field!(<v4::Station>.left)).unwrap(), 1);
}

#[test]
fn a_view_that_is_attached_sees_the_real_bytes_from_the_upgrade_on() {
    let guard = Guard::new();
    let old = create::<v1::Station>(&guard, CAPACITY);
    let view = SharedView::<v4::Station>::open(guard.key()).unwrap();
    assert_eq!(view.get().unwrap(), v4::Station::first());
    let version = old.version();
    let middle = upgraded::<v3::Station>(&guard);
    assert_eq!(old.version(), version, "an upgrade is no commit");
    middle.update(|value| value.total = 5).unwrap();
    let seen = view.get().unwrap();
    assert_eq!((seen.total, seen.marks), (5, marks()));
    let new = upgraded::<v4::Station>(&guard);
    new.update(|value| value.even = false).unwrap();
    assert!(!view.load(field!(<v4::Station>.even)).unwrap());
    let seen = view.get().unwrap();
    assert_eq!((seen.total, seen.mark()), (5, Some(0)));
    // And so do those who write.
    assert_eq!(middle.get().unwrap().total, 5);
    old.update(|value| value.step(0)).unwrap();
    middle.store(field!(<v3::Station>.total), 6).unwrap();
    assert_eq!(new.get().unwrap().total, 6);
    assert!(!new.get().unwrap().even);
}

#[test]
fn writing_takes_an_upgrade_and_the_error_says_which_call() {
    let guard = Guard::new();
    let _old = create::<v1::Station>(&guard, CAPACITY);
    let before = bytes(&guard.memory());
    let refused = [
        SharedBox::<v2::Station>::open(guard.key()),
        SharedBox::<v2::Station>::open_or_create(guard.key(), v2::Station::first),
        SharedBox::<v2::Station>::options()
            .upgrade(false)
            .open(guard.key()),
    ];
    for refused in refused {
        let error = refused.map(drop).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NeedsUpgrade, "{error:?}");
        let text = error.to_string();
        assert!(text.contains("holds version 1 of"), "{text}");
        assert!(text.contains("this program writes version 2"), "{text}");
        assert!(
            text.ends_with(
                "the segment holds version 1 of `Station`, and this program writes version 2; \
                 to extend it in place, call `SharedBox::options().upgrade(true)` before `open`; \
                 to read only, use `SharedView`"
            ),
            "{text}"
        );
    }
    assert_eq!(bytes(&guard.memory()), before, "refusing changes nothing");
    let mut options = SharedBox::<v2::Station>::options();
    let options = options.upgrade(true);
    let new = options
        .open_or_create(guard.key(), v2::Station::first)
        .unwrap();
    assert!(!new.created());
    assert_eq!(new.get().unwrap(), v2::Station::first());
    // By id, and again: nothing is left to do.
    drop(options.open(new.id().unwrap()).unwrap());
    drop(SharedBox::<v2::Station>::open(guard.key()).unwrap());
}

#[test]
fn without_room_the_error_says_how_many_bytes_are_missing() {
    let guard = Guard::new();
    let old = create::<v1::Station>(&guard, 56);
    let before = bytes(&guard.memory());
    let error = SharedBox::<v4::Station>::options()
        .upgrade(true)
        .open(guard.key())
        .map(drop)
        .unwrap_err();
    let missing = size_of::<v4::Station>() - 64;
    assert!(
        error
            .missing()
            .is_some_and(|lacks| (lacks.value, lacks.schema) == (missing, 0)),
        "{error:?}"
    );
    let text = error.to_string();
    assert!(
        text.contains(&format!("{missing} bytes are missing for the value;")),
        "{text}"
    );
    assert!(text.contains("`Options::capacity`"), "{text}");
    let after = bytes(&guard.memory());
    let differing = (0..before.len()).filter(|at| before[*at] != after[*at]);
    let control = before.len() - CONTROL;
    // The claim of a slot, and no more.
    assert!(
        differing
            .clone()
            .all(|at| (control + 64..control + 72).contains(&at))
    );
    // The second version has room, in the padding of the first.
    let new = upgraded::<v2::Station>(&guard);
    old.update(|value| value.step(0)).unwrap();
    assert_eq!(new.get().unwrap().fault([1, 2]), None);
}

macro_rules! wide {
    ($($field:ident)+) => {
        /// So many long names that their schema does not fit the room that `Narrow` gets.
        #[derive(SharedLayout, Clone, Copy)]
        #[shared(version = 2)]
        #[repr(C)]
        struct Wide {
            first: u8,
            $(#[shared(since = 2)] $field: u8,)+
        }
    };
}

wide!(
    the_first_of_many_fields_whose_names_are_so_long_that_they_take_much_room_in_a_schema_a
    the_first_of_many_fields_whose_names_are_so_long_that_they_take_much_room_in_a_schema_b
    the_first_of_many_fields_whose_names_are_so_long_that_they_take_much_room_in_a_schema_c
    the_first_of_many_fields_whose_names_are_so_long_that_they_take_much_room_in_a_schema_d
    the_first_of_many_fields_whose_names_are_so_long_that_they_take_much_room_in_a_schema_e
    the_first_of_many_fields_whose_names_are_so_long_that_they_take_much_room_in_a_schema_f
    the_first_of_many_fields_whose_names_are_so_long_that_they_take_much_room_in_a_schema_g
    the_first_of_many_fields_whose_names_are_so_long_that_they_take_much_room_in_a_schema_h
    the_first_of_many_fields_whose_names_are_so_long_that_they_take_much_room_in_a_schema_i
    the_first_of_many_fields_whose_names_are_so_long_that_they_take_much_room_in_a_schema_j
);

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
struct Narrow {
    first: u8,
}

#[test]
fn a_schema_needs_room_too() {
    let guard = Guard::new();
    let _narrow = SharedBox::create_new(guard.key(), Narrow { first: 1 }).unwrap();
    let error = SharedBox::<Wide>::options()
        .upgrade(true)
        .open(guard.key())
        .map(drop)
        .unwrap_err();
    let missing = 32 + Wide::SCHEMA.encode().len() - 640;
    assert!(
        error
            .missing()
            .is_some_and(|lacks| (lacks.value, lacks.schema) == (0, missing)),
        "{error:?}"
    );
    assert!(
        error
            .to_string()
            .contains("bytes are missing for the schema;")
    );
    assert_eq!(
        SharedView::<Wide>::open(guard.key())
            .unwrap()
            .get()
            .unwrap()
            .first,
        1
    );
}

#[test]
fn who_reserves_room_for_later_values_has_it_for_their_schemas() {
    let guard = Guard::new();
    let mut options = SharedBox::<Narrow>::options();
    let _narrow = options
        .capacity(4096)
        .create_new(guard.key(), Narrow { first: 1 })
        .unwrap();
    let wide = SharedBox::<Wide>::options().upgrade(true).open(guard.key());
    assert_eq!(wide.unwrap().get().unwrap().first, 1);
}

/// What is no successor of the first version.
mod strangers {
    use super::*;

    macro_rules! stranger {
        ($name:ident { $($field:ident: $type:ty),+ $(,)? }) => {
            #[derive(SharedLayout, Clone, Copy, Debug)]
            #[shared(version = 2)]
            #[repr(C)]
            pub struct $name {
                $(pub $field: $type,)+
            }
        };
    }

    #[derive(SharedLayout, Clone, Copy, Debug)]
    #[repr(C)]
    pub struct First {
        pub count: u32,
        pub name: FixedStr<8>,
    }

    stranger!(Moved { name: FixedStr<8>, count: u32, });
    stranger!(Retyped { count: f32, name: FixedStr<8>, });
    stranger!(Resigned { count: i32, name: FixedStr<8>, });
    stranger!(Removed { count: u32 });
    stranger!(Grown { count: u32, name: FixedStr<9>, });
    stranger!(Renamed { count: u32, label: FixedStr<8>, });
    stranger!(Between { count: u32, more: u32, name: FixedStr<8>, });
}

#[test]
fn whatever_is_no_successor_is_refused_with_both_layouts() {
    use strangers::*;
    fn is_refused<T: SharedLayout + std::fmt::Debug>(guard: &Guard) {
        let mut options = SharedBox::<T>::options();
        let boxed = options.upgrade(true).open(guard.key()).map(drop);
        let viewed = options.open_read_only(guard.key()).map(drop);
        for result in [boxed, viewed] {
            let error = result.unwrap_err();
            assert!(error.kind() == ErrorKind::Mismatch, "{error:?}");
            assert!(error.to_string().contains("in the segment"), "{error}");
        }
    }
    let guard = Guard::new();
    let first = First {
        count: 1,
        name: FixedStr::new("one").unwrap(),
    };
    let mut options = SharedBox::options();
    let _created = options
        .capacity(256)
        .create_new(guard.key(), first)
        .unwrap();
    let before = bytes(&guard.memory());
    is_refused::<Moved>(&guard);
    is_refused::<Retyped>(&guard);
    is_refused::<Resigned>(&guard);
    is_refused::<Removed>(&guard);
    is_refused::<Grown>(&guard);
    is_refused::<Renamed>(&guard);
    is_refused::<Between>(&guard);
    assert_eq!(bytes(&guard.memory()), before);
}

/// A newer writer may store what an older one's type does not have.
#[test]
fn a_variant_that_an_older_program_does_not_know_is_an_error_that_names_the_field() {
    let guard = Guard::new();
    let old = create::<v1::Station>(&guard, CAPACITY);
    let new = upgraded::<v2::Station>(&guard);
    new.update(|value| value.mode = v2::Mode::Standby).unwrap();
    let error = old.get().map(drop).unwrap_err();
    assert!(error.kind() == ErrorKind::Invalid, "{error:?}");
    assert!(error.to_string().contains("`mode` holds 7"), "{error}");
    assert_eq!(old.load(field!(<v1::Station>.left)).unwrap(), 0);
    new.update(|value| value.mode = v2::Mode::Off).unwrap();
    assert_eq!(old.get().unwrap(), v1::Station::first());
}

/// Whichever program wrote it: a schema that is no other version of the program's own is refused from the next
/// call on, and what was refused works again when the old one stands again.
#[test]
fn those_attached_refuse_a_schema_that_is_not_theirs() {
    let guard = Guard::new();
    let shared = create::<v2::Station>(&guard, CAPACITY);
    shared.update(|value| value.step(1)).unwrap();
    let view = SharedView::<v2::Station>::open(guard.key()).unwrap();
    let newer_view = SharedView::<v3::Station>::open(guard.key()).unwrap();
    let memory = guard.memory();
    let state = memory.len() - CONTROL + STATE;
    let room = (memory.len() - CONTROL - RECORDS - 3 * CAPACITY) / 2;
    let second = 3 * CAPACITY + room;

    let stranger = Guard::new();
    let other = SharedBox::create_new(stranger.key(), Narrow { first: 1 }).unwrap();
    let strange = stranger.memory();
    let strange = strange.read(3 * other.capacity(), room.min(640));
    let mut short = memory.read(3 * CAPACITY, room);
    // The version of an older schema, with a newer one's length.
    short[8..16].copy_from_slice(&u64::MAX.to_ne_bytes());
    for (contents, mismatch) in [(strange, true), (vec![0xff; room], false), (short, false)] {
        memory.write(second, &contents);
        memory.write(state, &0x101_u32.to_ne_bytes());
        let results = [
            shared.get().map(drop),
            shared.set(v2::Station::first()).map(drop),
            shared.update(|_| ()).map(drop),
            shared.writer().map(drop),
            view.get().map(drop),
            view.load(field!(<v2::Station>.left)).map(drop),
            newer_view.get().map(drop),
            SharedBox::<v2::Station>::open(guard.key()).map(drop),
        ];
        for result in results {
            let error = result.unwrap_err();
            let right = if mismatch {
                error.kind() == ErrorKind::Mismatch
            } else {
                error.kind() == ErrorKind::Damaged
            };
            assert!(right, "{error}");
        }
        memory.write(state, &1_u32.to_ne_bytes());
        assert_eq!(shared.get().unwrap().steps(), [0, 1]);
        assert_eq!(newer_view.get().unwrap().total, TOTAL);
        shared.update(|_| ()).unwrap();
    }
}

/// Two processes that upgrade at the same moment, and one that removes.
#[test]
fn upgrades_at_the_same_moment_and_a_removal_do_not_meet() {
    for round in 0..50 {
        let guard = Guard::new();
        let old = create::<v1::Station>(&guard, CAPACITY);
        let start = std::sync::Barrier::new(3);
        let upgrade = |version| {
            start.wait();
            let mut third = SharedBox::<v3::Station>::options();
            let mut fourth = SharedBox::<v4::Station>::options();
            if version == 3 {
                third.upgrade(true).open(guard.key()).map(drop)
            } else {
                fourth.upgrade(true).open(guard.key()).map(drop)
            }
        };
        std::thread::scope(|scope| {
            let upgrades = [3, 4].map(|version| scope.spawn(move || upgrade(version)));
            start.wait();
            if round % 2 == 1 {
                old.remove().unwrap();
            }
            for result in upgrades.map(|thread| thread.join().unwrap()) {
                let gone = match &result {
                    Err(error) if error.kind() == ErrorKind::Removed => true,
                    Err(error) => error
                        .sysv()
                        .is_some_and(|error| error.kind() == shm_core::sysv::Kind::NotFound),
                    Ok(_) => false,
                };
                assert!(result.is_ok() || gone && round % 2 == 1, "{result:?}");
            }
        });
        if round % 2 == 1 {
            assert!(
                old.get()
                    .is_err_and(|error| error.kind() == ErrorKind::Removed),
                "the tombstone stays"
            );
        } else {
            let value = SharedBox::<v4::Station>::open(guard.key())
                .unwrap()
                .get()
                .unwrap();
            assert_eq!((value.fault([1, 4]), value.mark()), (None, Some(MARK)));
        }
    }
}

#[test]
fn a_schema_may_change_more_often_than_there_are_rooms() {
    let guard = Guard::new();
    let old = create::<v1::Station>(&guard, CAPACITY);
    for _ in 0..2 {
        drop(upgraded::<v2::Station>(&guard));
        drop(upgraded::<v3::Station>(&guard));
        drop(upgraded::<v4::Station>(&guard));
    }
    let memory = guard.memory();
    let state = memory.read(memory.len() - CONTROL + STATE, 4);
    assert_eq!(
        u32::from_ne_bytes(state.try_into().unwrap()),
        0x301,
        "three generations"
    );
    old.update(|value| value.step(0)).unwrap();
    assert_eq!(
        upgraded::<v4::Station>(&guard).get().unwrap().fault([1, 4]),
        None
    );
}

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
struct Switch {
    on: bool,
}

#[derive(SharedLayout, Clone, Copy)]
#[shared(version = 2)]
#[repr(C)]
struct Dimmer {
    on: bool,
    #[shared(since = 2, default = no_default())]
    level: u8,
}

fn no_default() -> u8 {
    panic!("a panic that the test wants")
}

#[test]
fn a_default_that_panics_leaves_no_invalid_value_in_the_callers_place() {
    let guard = Guard::new();
    let _old = SharedBox::create_new(guard.key(), Switch { on: true }).unwrap();
    let view = SharedView::<Dimmer>::open(guard.key()).unwrap();
    // No `bool`, in the field that the default has nothing to do with.
    guard.memory().write(0, &[7]);
    let mut value = Dimmer { on: true, level: 3 };
    let read = catch_unwind(AssertUnwindSafe(|| view.read_into(&mut value)));
    assert!(read.is_err());
    // SAFETY: a byte of a value that lives; every bit pattern is a `u8`.
    let on = unsafe { (&raw const value.on).cast::<u8>().read_volatile() };
    assert!(on < 2, "a `bool` of {on}");
}

/// Words of a value that an update writes in part.
const WORDS: usize = 1500;

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
struct Short {
    body: [u32; WORDS],
}

#[derive(SharedLayout, Clone, Copy)]
#[shared(version = 2)]
#[repr(C)]
struct Long {
    body: [u32; WORDS],
    #[shared(since = 2)]
    tail: u32,
}

#[test]
fn every_way_to_commit_part_or_all_of_a_large_value_keeps_a_newer_field_in_all_copies() {
    type Write = fn(&SharedBox<Short>, u32) -> Result<u64, Error>;
    let writes: [(&str, Write); 7] = [
        ("set_from", |old, n| {
            old.set_from(&Short { body: [n; WORDS] })
        }),
        ("set_if", |old, n| {
            let value = Short { body: [n; WORDS] };
            Ok(old.set_if(old.version(), value)?.unwrap())
        }),
        ("update", |old, n| old.update(|value| value.body[9] = n)),
        ("store", |old, n| old.store(field!(Short.body[3]), n)),
        ("Writer::set", |old, n| {
            old.writer()?.set(Short { body: [n; WORDS] })
        }),
        ("Writer::update", |old, n| {
            old.writer()?.update(|value| value.body[9] = n)
        }),
        ("Batch::commit", |old, n| {
            old.writer()?
                .batch()
                .store(field!(Short.body[3]), n)
                .commit()
        }),
    ];
    for (name, write) in writes {
        let guard = Guard::new();
        let mut options = SharedBox::<Short>::options();
        options.capacity(size_of::<Long>());
        let old = options
            .create_new(guard.key(), Short { body: [0; WORDS] })
            .unwrap();
        // A part, so that the next commit may be one; and it claims its slot.
        old.store(field!(Short.body[0]), 1).unwrap();
        let mut options = SharedBox::<Long>::options();
        let new = options.upgrade(true).open(guard.key()).unwrap();
        new.store(field!(Long.tail), 7).unwrap();
        // Each mirror follows one of them.
        write(&old, 2).unwrap();
        write(&old, 3).unwrap();
        let memory = guard.memory();
        for copy in 0..3 {
            let tail = memory.read(copy * new.capacity() + size_of::<Short>(), 4);
            assert_eq!(tail, 7_u32.to_ne_bytes(), "{name}: copy {copy}");
        }
    }
}

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
struct Config {
    words: [u64; 246],
}

#[derive(SharedLayout, Clone, Copy)]
#[shared(version = 2)]
#[repr(C)]
struct LaterConfig {
    words: [u64; 246],
    #[shared(since = 2, default = [3; 7])]
    more: [u64; 7],
}

#[derive(SharedLayout, Clone, Copy)]
#[shared(version = 3)]
#[repr(C)]
struct LatestConfig {
    words: [u64; 246],
    #[shared(since = 2, default = [3; 7])]
    more: [u64; 7],
    #[shared(since = 3, default = [4; 30])]
    most: [u64; 30],
}

/// 1,968 bytes used to get 1,984, with 1.6 KB unused in the last page.
#[test]
fn a_segment_has_room_for_later_versions_though_nobody_asked_for_it() {
    let guard = Guard::new();
    let old = SharedBox::create_new(guard.key(), Config { words: [1; 246] }).unwrap();
    guard.memory();
    let mut options = SharedBox::<LaterConfig>::options();
    let later = options.upgrade(true).open(guard.key()).unwrap();
    assert_eq!(later.get().unwrap().more, [3; 7]);
    old.update(|config| config.words[245] = 2).unwrap();
    let mut options = SharedBox::<LatestConfig>::options();
    let latest = options.upgrade(true).open(guard.key()).unwrap();
    let seen = latest.get().unwrap();
    assert_eq!(
        (seen.words[245], seen.more, seen.most),
        (2, [3; 7], [4; 30])
    );
    assert_eq!(latest.id(), old.id());
}

#[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
#[repr(C)]
struct Lamp {
    volts: u32,
}

#[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
#[repr(C)]
#[shared(version = 2)]
struct Switched {
    volts: u32,
    #[shared(since = 2)]
    on: bool,
}

/// The next version, with a default that is none.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(transparent)]
struct Careless(Switched);

// SAFETY: a transparent wrapper of a type that is shared itself. The default is what the test is
// about: it is judged wherever it goes, so it becomes no value.
unsafe impl SharedLayout for Careless {
    const SCHEMA: &'static shm_core::layout::Schema = Switched::SCHEMA;

    fn bits_are_valid(bytes: &[u8]) -> bool {
        Switched::bits_are_valid(bytes)
    }

    fn for_each_missing(_: u32, each: &mut dyn FnMut(usize, &[u8])) {
        each(4, &[7]);
    }
}

#[test]
fn a_default_that_is_no_value_is_not_put_in_force() {
    let guard = Guard::new();
    let old = SharedBox::create_new(guard.key(), Lamp { volts: 12 }).unwrap();
    let memory = guard.memory();
    let before = bytes(&memory);
    let view = SharedView::<Careless>::open(guard.key()).unwrap();
    let mut options = SharedBox::<Careless>::options();
    let upgraded = options.upgrade(true).open(guard.key());
    for error in [view.get().unwrap_err(), upgraded.unwrap_err()] {
        assert!(error.kind() == ErrorKind::Invalid, "{error:?}");
        assert!(error.to_string().contains("`on` holds 7"), "{error}");
    }
    let same_but_for_the_lock = |all: &[u8]| all[..all.len() - 320].to_vec();
    assert_eq!(
        same_but_for_the_lock(&bytes(&memory)),
        same_but_for_the_lock(&before)
    );
    assert_eq!(old.get().unwrap(), Lamp { volts: 12 });
}
