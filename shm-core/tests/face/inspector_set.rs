//! `Inspector::set`: a value is written without its type, and nothing goes in that its type would not have.

use std::num::NonZeroU16;
use std::time::{Duration, Instant};

use shm_core::layout::Value;
use shm_core::{
    ErrorKind, FixedStr, FixedVec, Id128, Inspector, Ipv4, Ipv6, Key, Nanoseconds, Opaque, RawBox,
    SharedBox, SharedLayout, Timestamp,
};

#[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
#[repr(C)]
struct Settings {
    on: bool,
    id: NonZeroU16,
    small: i8,
    huge: u128,
    negative: i128,
    ratio: f32,
    exact: f64,
    letter: char,
    name: FixedStr<6>,
    mood: Mood,
    jobs: FixedVec<Job, 3>,
    pair: [Pair; 2],
    theirs: Opaque<4>,
    open: Open,
}

#[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
#[repr(C)]
struct Job {
    id: u64,
    beat: u8,
}

#[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
#[repr(u8)]
enum Open {
    Known = 1,
    #[shared(other)]
    Other = 0,
}

#[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
#[repr(C)]
struct Pair(u16, FixedStr<4>);

#[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
#[repr(i16)]
enum Mood {
    Calm = -7,
    Wild = 300,
}

#[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
#[repr(C)]
struct Older {
    id: u32,
}

#[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
#[repr(C)]
#[shared(version = 2)]
struct Newer {
    id: u32,
    #[shared(since = 2, default = 0)]
    beat: u32,
}

fn private<T: SharedLayout>(value: T) -> SharedBox<T> {
    let mut options = SharedBox::options();
    let private = options.remove_on_drop(true).create_new(Key::PRIVATE, value);
    private.unwrap()
}

fn settings() -> Settings {
    Settings {
        on: false,
        id: NonZeroU16::MIN,
        small: 0,
        huge: 0,
        negative: 0,
        ratio: 0.0,
        exact: 0.0,
        letter: 'a',
        name: FixedStr::EMPTY,
        mood: Mood::Calm,
        jobs: FixedVec::from_slice(&[Job { id: 1, beat: 2 }]).unwrap(),
        pair: [Pair(1, FixedStr::EMPTY); 2],
        theirs: Opaque::default(),
        open: Open::Known,
    }
}

fn writing<T: SharedLayout>(shared: &SharedBox<T>) -> Inspector {
    let mut options = Inspector::options();
    options.write(true).open(shared.id().unwrap()).unwrap()
}

#[test]
fn a_field_is_set_by_path_as_its_layout_asks() {
    let shared = private(settings());
    let inspector = writing(&shared);
    let texts: &[(&str, &str)] = &[
        ("on", "true"),
        ("id", "0xffff"),
        ("small", "-128"),
        ("huge", &u128::MAX.to_string()),
        ("negative", &i128::MIN.to_string()),
        ("ratio", "0.1"),
        ("exact", "-1e300"),
        ("letter", "ß"),
        ("name", "alice"),
        ("mood", "Wild"),
        ("jobs[0].id", "0b101"),
        ("pair[1].0", "0o17"),
        ("pair[1].1", "abc"),
        ("open", "Known"),
    ];
    for (version, (path, text)) in (2..).zip(texts) {
        assert_eq!(inspector.set(path, *text).unwrap(), version, "{path}");
    }
    let mut wanted = settings();
    (wanted.on, wanted.id, wanted.small) = (true, NonZeroU16::MAX, i8::MIN);
    (wanted.huge, wanted.negative) = (u128::MAX, i128::MIN);
    (wanted.ratio, wanted.exact, wanted.letter) = (0.1, -1e300, 'ß');
    (wanted.name, wanted.mood) = (FixedStr::new("alice").unwrap(), Mood::Wild);
    wanted.jobs[0].id = 5;
    wanted.pair[1] = Pair(15, FixedStr::new("abc").unwrap());
    assert_eq!(shared.get().unwrap(), wanted);

    // Numbers by their own types, a list, and what was read, all as one commit.
    let version = shared.version();
    let job = Value::of(&Job { id: 7, beat: 8 }).unwrap();
    let parts = [
        ("small", Value::from(7_u64)),
        ("exact", 5.into()),
        ("ratio", 0.5_f64.into()),
        ("mood", (-7).into()),
        ("jobs", vec![job.clone(), job].into()),
        ("jobs[1].beat", 9_u8.into()),
        ("open", 77.into()),
    ];
    assert_eq!(inspector.set_all(&parts).unwrap(), version + 1);
    (wanted.small, wanted.exact, wanted.ratio, wanted.mood) = (7, 5.0, 0.5, Mood::Calm);
    wanted.jobs = FixedVec::from_slice(&[Job { id: 7, beat: 8 }, Job { id: 7, beat: 9 }]).unwrap();
    wanted.open = Open::Other;
    assert_eq!(shared.get().unwrap(), wanted);
    let read = inspector.get("jobs[1].beat").unwrap();
    assert_eq!(read, Value::UInt(9));
    assert_eq!(inspector.get("open").unwrap(), Value::UInt(77));
    // All that was read can be stored.
    let whole = inspector.value().unwrap();
    inspector.set("", whole.clone()).unwrap();
    assert_eq!(inspector.value().unwrap(), whole);
}

#[test]
fn only_the_bytes_of_the_field_are_stored() {
    let shared = private(settings());
    let raw = RawBox::<[u8; size_of::<Settings>()]>::open(shared.id().unwrap()).unwrap();
    let gap = std::mem::offset_of!(Settings, on) + 1;
    let theirs = std::mem::offset_of!(Settings, theirs);
    let mut bytes = raw.get().unwrap();
    for at in [gap, theirs, theirs + 3] {
        bytes[at] = 0xbb;
    }
    raw.set(bytes);
    let inspector = writing(&shared);
    inspector.set("on", true).unwrap();
    bytes[0] = 1;
    assert_eq!(raw.get().unwrap(), bytes);
    let whole = inspector.value().unwrap();
    inspector.set("", whole).unwrap();
    assert_eq!(raw.get().unwrap(), bytes, "also of a value that was read");
}

#[test]
fn what_does_not_go_with_the_layout_is_refused_with_what_would_and_changes_nothing() {
    let shared = private(settings());
    let inspector = writing(&shared);
    let before = inspector.snapshot_bytes().unwrap();
    let refused = |path: &str, value: Value, kind, what: &str| {
        let error = inspector.set(path, value).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(what), "{error}");
        assert_eq!(inspector.snapshot_bytes().unwrap(), before);
    };
    for (path, what) in [
        (
            "smal",
            "the value has no field `smal`; did you mean `small`?",
        ),
        (
            "jobs[0].bear",
            "`jobs[0]` has no field `bear`; did you mean `beat`?",
        ),
        ("xyzxyzxyz", "there is `on`, `id`,"),
        (
            "jobs[1]",
            "`jobs` has no element 1; it has 1, numbered from 0",
        ),
        ("pair[2]", "it has 2"),
        ("jobs.id", "it is a list: name an element"),
        ("small.x", "it is `i8`, which has no parts"),
        ("small[0]", "`small` is `i8` and has no elements"),
        ("[0]", "name a field, as in `.on`"),
        ("jobs[+0]", "`jobs[+0]` is no path"),
        ("jobs[0]id", "is no path"),
    ] {
        refused(path, "1".into(), ErrorKind::Path, what);
        let error = inspector.get(path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Path);
        assert!(error.to_string().contains(what), "{error}");
    }
    let long = "x".repeat(300);
    refused(&long, 1.into(), ErrorKind::Path, "there is `on`");
    for (path, value, what) in [
        (
            "small",
            Value::from("128"),
            "`small` is `i8` and can't be \"128\"; wanted is an integer from -128 to 127",
        ),
        ("small", "0x".into(), "wanted is"),
        ("small", "+-1".into(), "wanted is"),
        ("small", "--1".into(), "wanted is"),
        ("small", "0x+1".into(), "wanted is"),
        ("small", 1.0_f64.into(), "wanted is"),
        ("small", true.into(), "wanted is"),
        ("id", 0.into(), "an integer from 1 to 65535"),
        (
            "huge",
            (-1).into(),
            "from 0 to 340282366920938463463374607431768211455",
        ),
        ("negative", u128::MAX.into(), "from -1701"),
        ("on", 1.into(), "`true` or `false`"),
        ("on", "yes".into(), "`true` or `false`"),
        ("letter", "ab".into(), "one character"),
        ("ratio", 1e300.into(), "a number"),
        ("ratio", "1e39".into(), "a number from -3.4028235e38 to"),
        ("ratio", u128::MAX.into(), "a number"),
        ("exact", "-1e309".into(), "a number"),
        ("exact", "fast".into(), "a number"),
        (
            "name",
            "alice!".into(),
            "text of at most 5 bytes without a NUL",
        ),
        ("name", "a\0b".into(), "without a NUL"),
        ("name", 7.into(), "text of"),
        (
            "mood",
            "Wield".into(),
            "can't be \"Wield\"; did you mean `Wild`?",
        ),
        (
            "mood",
            7.into(),
            "the name of a variant: there is `Calm`, `Wild`",
        ),
        (
            "open",
            "Other".into(),
            "does not stand for others: there is `Known`",
        ),
        ("open", "Othe".into(), "can't be \"Othe\"; there is `Known`"),
        ("open", 0.into(), "the name of a variant"),
        (
            "jobs",
            Value::List(vec![1.into(); 4]),
            "`jobs` is `FixedVec<Job, 3>` and can't be a list of 4 elements; wanted is a list of at most 3",
        ),
        ("pair", Value::List(Vec::new()), "a list of 2 elements"),
        (
            "jobs",
            Value::List(vec![1.into()]),
            "`jobs[0]` is `Job` and can't be 1; wanted is a path to one of its fields",
        ),
        ("theirs", "x".into(), "belong to another program"),
        ("", "x".into(), "the value is `Settings`"),
    ] {
        refused(path, value, ErrorKind::Value, what);
    }
    // Of several parts all or none.
    let error = inspector.set_all(&[("small", 1.into()), ("name", "alices".into())]);
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Value);
    assert_eq!(inspector.snapshot_bytes().unwrap(), before);
    // A length that a peer stored.
    let raw = RawBox::<[u8; size_of::<Settings>()]>::open(shared.id().unwrap()).unwrap();
    let mut bytes = raw.get().unwrap();
    bytes[std::mem::offset_of!(Settings, jobs)] = 4;
    raw.set(bytes);
    let error = inspector.set("jobs[0].id", 1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(
        error
            .to_string()
            .contains("field `jobs` holds a length of 4"),
        "{error}"
    );
    inspector.set("jobs", Value::List(Vec::new())).unwrap();
    assert!(shared.get().is_ok());
}

#[test]
fn without_being_asked_to_it_writes_nothing_and_takes_no_slot() {
    let shared = private(5_u32);
    let reading = Inspector::open(shared.id().unwrap()).unwrap();
    assert_eq!(shared.writers().unwrap().len(), 1);
    let error = reading.set("", 6).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Options);
    assert!(
        error
            .to_string()
            .contains("Inspector::options().write(true)"),
        "{error}"
    );
    let inspector = writing(&shared);
    assert_eq!(shared.writers().unwrap().len(), 2);
    assert_eq!(inspector.set_if(2, &[("", 6.into())]).unwrap(), None);
    assert_eq!(inspector.set_if(1, &[("", 6.into())]).unwrap(), Some(2));
    assert_eq!(inspector.set_all(&[]).unwrap(), 3);
    let writer = shared.writer().unwrap();
    assert_eq!(
        inspector.set("", 7).unwrap_err().kind(),
        ErrorKind::Reentrant
    );
    drop(writer);
    assert_eq!(shared.get().unwrap(), 6);
}

#[test]
fn it_writes_by_the_schema_in_force_after_an_upgrade() {
    let key = Key::new(0x7b5d_2007);
    let shared = SharedBox::create_new(key, Older { id: 1 }).unwrap();
    let inspector = Inspector::options().write(true).open(key).unwrap();
    inspector.set("id", 2).unwrap();
    assert_eq!(
        inspector.set("beat", 3).unwrap_err().kind(),
        ErrorKind::Path
    );
    let mut options = SharedBox::<Newer>::options();
    let newer = options
        .upgrade(true)
        .remove_on_drop(true)
        .open(key)
        .unwrap();
    inspector.set("beat", 3).unwrap();
    assert_eq!(newer.get().unwrap(), Newer { id: 2, beat: 3 });
    inspector.remove().unwrap();
    for error in [inspector.remove().unwrap_err(), shared.get().unwrap_err()] {
        assert_eq!(error.kind(), ErrorKind::Removed);
    }
    assert_eq!(
        inspector.set("id", 2).unwrap_err().kind(),
        ErrorKind::Removed
    );
    assert_eq!(
        inspector.remove().unwrap_err().hint(),
        "nothing is left to remove"
    );
}

#[derive(SharedLayout, Clone, Copy, Debug, Default, PartialEq)]
#[repr(C)]
struct Host {
    seen: Timestamp,
    pause: Nanoseconds,
    old: Ipv4,
    new: Ipv6,
    id: Id128,
}

#[test]
fn a_ready_made_type_is_set_by_its_text() {
    let shared = private(Host::default());
    let inspector = writing(&shared);
    let texts = [
        ("seen", "2026-11-26T04:25:00.5Z"),
        ("pause", "1.5ms"),
        ("old", "10.1.2.3"),
        ("new", "fe80::1"),
        ("id", "00000000-0000-0000-0000-000000000007"),
    ];
    let parts = texts.map(|(path, text)| (path, Value::from(text)));
    inspector.set_all(&parts).unwrap();
    let host = shared.get().unwrap();
    let shown = [
        host.seen.to_string(),
        host.pause.to_string(),
        host.old.to_string(),
        host.new.to_string(),
        host.id.to_string(),
    ];
    assert_eq!(shown, texts.map(|(_, text)| text.to_owned()));
    let error = inspector.set("old", "10.1.2").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Value);
    assert!(
        error.hint().contains("the text of a ready-made type"),
        "{error}"
    );
    inspector.set("pause.nanoseconds", 7).unwrap();
    assert_eq!(shared.get().unwrap().pause.to_string(), "7ns");
}

#[test]
fn a_text_that_says_so_stores_infinity() {
    let shared = private(settings());
    let inspector = writing(&shared);
    let parts = [("ratio", "-inf".into()), ("exact", "Infinity".into())];
    inspector.set_all(&parts).unwrap();
    let stored = shared.get().unwrap();
    assert_eq!(
        (stored.ratio, stored.exact),
        (f32::NEG_INFINITY, f64::INFINITY)
    );
}

#[test]
fn a_variant_that_stands_for_others_and_was_read_can_be_set_and_is_left_as_it_is() {
    let shared = private(settings());
    let raw = RawBox::<[u8; size_of::<Settings>()]>::open(shared.id().unwrap()).unwrap();
    let mut bytes = raw.get().unwrap();
    bytes[std::mem::offset_of!(Settings, open)] = Open::Other as u8;
    raw.set(bytes);
    let inspector = writing(&shared);
    for path in ["open", ""] {
        let read = inspector.get(path).unwrap();
        inspector.set(path, read).unwrap();
        assert_eq!(raw.get().unwrap(), bytes);
    }
    assert_eq!(inspector.get("open").unwrap().as_str(), Some("Other"));
}

/// How long one batch takes that sets a field of each of the elements.
fn batch<T: SharedLayout>(shared: &SharedBox<T>, elements: usize) -> Duration {
    let inspector = writing(shared);
    let paths: Vec<String> = (0..elements).map(|i| format!("[{i}].id")).collect();
    let parts: Vec<_> = paths.iter().map(|path| (&**path, Value::from(7))).collect();
    let took = (0..3).map(|_| {
        let start = Instant::now();
        inspector.set_all(&parts).unwrap();
        start.elapsed()
    });
    took.min().unwrap()
}

#[test]
fn a_batch_takes_about_as_long_for_elements_of_a_fixed_vec_as_for_those_of_an_array() {
    const MANY: usize = 8000;
    let jobs = [Job { id: 1, beat: 2 }; MANY];
    let array = batch(&private(jobs), MANY);
    let counted = FixedVec::<Job, MANY>::from_slice(&jobs).unwrap();
    let counted = batch(&private(counted), MANY);
    assert!(counted < 8 * array, "{counted:?}, {array:?}");
}
