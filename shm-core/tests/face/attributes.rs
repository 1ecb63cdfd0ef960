//! `#[shared(name)]`, `#[shared(padding)]`, `#[shared(other)]`: what is read, what is stored, and
//! what stays in the segment as it was.

use std::sync::atomic::Ordering::Relaxed;

use shm_core::layout::Value;
use shm_core::{
    ErrorKind, FixedVec, Inspector, Key, Place, RawBox, SharedBox, SharedLayout, SharedView, field,
};

/// As a header has it, with padding that has a name.
#[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
#[repr(C)]
#[shared(name = "st_mode")]
struct Explicit {
    on: bool,
    #[shared(padding)]
    _pad: [u8; 3],
    count: u32,
    #[shared(padding)]
    _reserved: u64,
}

/// The same with padding that the compiler leaves.
#[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
#[repr(C, align(8))]
struct StMode {
    on: bool,
    count: u32,
    rest: Rest,
}

#[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
#[repr(C, align(8))]
struct Rest(u8, #[shared(padding)] [u8; 7]);

/// What all bytes of `Explicit` show.
type Bytes = [u8; size_of::<Explicit>()];

const SEEN: Explicit = Explicit {
    on: true,
    _pad: [0; 3],
    count: 7,
    _reserved: 0,
};

/// A segment whose padding is not zero, and its raw bytes.
fn beside<T: SharedLayout>(value: T) -> (SharedBox<T>, RawBox<Bytes>) {
    let mut options = SharedBox::options();
    let shared = options
        .remove_on_drop(true)
        .create_new(Key::PRIVATE, value)
        .unwrap();
    let raw = RawBox::open(shared.id().unwrap()).unwrap();
    (shared, raw)
}

#[test]
fn a_named_type_and_one_with_padding_are_what_c_declares() {
    #[derive(SharedLayout, Clone, Copy)]
    #[repr(C)]
    struct Implicit {
        on: bool,
        count: u32,
    }

    #[derive(SharedLayout, Clone, Copy)]
    #[repr(C)]
    #[shared(name = "Implicit")]
    struct Padded {
        on: bool,
        #[shared(padding)]
        _pad: [u8; 3],
        count: u32,
    }

    assert_eq!(Padded::SCHEMA, Implicit::SCHEMA);
    assert_eq!(Padded::FINGERPRINT, Implicit::FINGERPRINT);
    assert_eq!(Padded::SCHEMA.encode(), Implicit::SCHEMA.encode());
    assert_eq!(Padded::c_header(), Implicit::c_header());
    assert_eq!(Padded::python_module(), Implicit::python_module());
    assert_eq!(Explicit::SCHEMA.to_string(), "st_mode");
    assert!(Explicit::c_header().contains(" st_mode {"));
    assert!(Explicit::python_module().contains("class st_mode(_Struct):"));
}

#[test]
fn padding_reads_as_zeros_and_stays_what_it_was() {
    let full = Explicit {
        _pad: [9; 3],
        _reserved: u64::MAX,
        ..SEEN
    };
    let (shared, raw) = beside(full);
    let mut bytes = raw.get().unwrap();
    assert_eq!(
        (&bytes[1..4], &bytes[8..]),
        (&[0; 3][..], &[0; 8][..]),
        "not stored at birth"
    );
    bytes[1..4].fill(0xaa);
    bytes[8..].fill(0xbb);
    raw.set(bytes);
    let unchanged = |what: &str| {
        let now = raw.get().unwrap();
        assert_eq!(
            (&now[1..4], &now[8..]),
            (&[0xaa; 3][..], &[0xbb; 8][..]),
            "{what}"
        );
    };

    assert_eq!(shared.get().unwrap(), SEEN);
    assert_eq!(shared.snapshot().unwrap().value, SEEN);
    assert_eq!(*shared.get_boxed().unwrap(), SEEN);
    shared.read_with(|value| assert_eq!(*value, SEEN)).unwrap();
    let mut value = full;
    shared.read_into(&mut value).unwrap();
    assert_eq!(value, SEEN);
    assert_eq!(shared.load(field!(Explicit._pad)).unwrap(), [0; 3]);
    assert_eq!(
        RawBox::<Explicit>::open(shared.id().unwrap())
            .unwrap()
            .get()
            .unwrap(),
        SEEN
    );

    shared.set(full).unwrap();
    unchanged("set");
    shared.update(|value| value._reserved = 5).unwrap();
    unchanged("update");
    shared.store(field!(Explicit._pad), [7; 3]).unwrap();
    unchanged("store to padding");
    shared
        .update_field(field!(Explicit._reserved), |word| *word = 7)
        .unwrap();
    unchanged("update of padding");
    let mut writer = shared.writer().unwrap();
    assert_eq!(writer.get().unwrap(), SEEN);
    writer.set(full).unwrap();
    let batch = writer.batch().store(field!(Explicit.count), 8);
    batch.store(field!(Explicit._reserved), 7).commit().unwrap();
    drop(writer);
    unchanged("writer and batch");
    RawBox::<Explicit>::open(shared.id().unwrap())
        .unwrap()
        .set(full);
    unchanged("raw set");
    assert_eq!(shared.get().unwrap(), SEEN);
}

/// Where there is more of it than a few gaps, and not at the top.
#[test]
fn padding_within_arrays_and_vectors_reads_as_zeros() {
    #[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
    #[repr(C)]
    struct Many {
        rows: [Explicit; 300],
        list: FixedVec<StMode, 4>,
    }

    let row = Explicit {
        _pad: [9; 3],
        ..SEEN
    };
    let rest = StMode {
        on: true,
        count: 1,
        rest: Rest(3, [9; 7]),
    };
    let list = FixedVec::from_slice(&[rest; 3]).unwrap();
    let (shared, _) = beside([row; 1]);
    assert_eq!(shared.get().unwrap(), [SEEN]);
    let mut options = SharedBox::options();
    let value = Many {
        rows: [row; 300],
        list,
    };
    let shared = options
        .remove_on_drop(true)
        .create_new(Key::PRIVATE, value)
        .unwrap();
    let raw = RawBox::<[u8; size_of::<Many>()]>::open(shared.id().unwrap()).unwrap();
    let mut bytes = raw.get().unwrap();
    bytes
        .iter_mut()
        .skip(2)
        .step_by(16)
        .take(300)
        .for_each(|byte| *byte = 0xaa);
    raw.set(bytes);
    let expected = Many {
        rows: [SEEN; 300],
        list: FixedVec::from_slice(
            &[StMode {
                rest: Rest(3, [0; 7]),
                ..rest
            }; 3],
        )
        .unwrap(),
    };
    assert_eq!(*shared.get_boxed().unwrap(), expected);
    assert_eq!(shared.load(field!(Many.rows[7])).unwrap(), SEEN);
    shared
        .update(|many| many.rows[200] = Explicit { count: 8, ..row })
        .unwrap();
    let now = raw.get().unwrap();
    assert_eq!((now[200 * 16 + 2], now[200 * 16 + 4]), (0xaa, 8));
}

/// What a first release knows.
#[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
#[repr(u8)]
enum Mode {
    Idle,
    Busy,
    #[shared(other)]
    Unknown = 255,
}

/// What a later one knows.
#[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
#[repr(u8)]
#[shared(name = "Mode")]
enum LaterMode {
    Idle,
    Busy,
    Paused = 7,
    #[shared(other)]
    Unknown = 255,
}

#[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
#[repr(C)]
struct Config {
    count: u32,
    mode: Mode,
    modes: [Mode; 3],
}

#[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
#[repr(C)]
#[shared(version = 2, name = "Config")]
struct LaterConfig {
    count: u32,
    mode: LaterMode,
    modes: [LaterMode; 3],
}

shm_core::assert_extends!(LaterConfig, Config);

const LATER: LaterConfig = LaterConfig {
    count: 1,
    mode: LaterMode::Paused,
    modes: [LaterMode::Busy, LaterMode::Paused, LaterMode::Idle],
};

const SEEN_BEFORE: Config = Config {
    count: 1,
    mode: Mode::Unknown,
    modes: [Mode::Busy, Mode::Unknown, Mode::Idle],
};

#[test]
fn an_unknown_number_reads_as_other_and_is_kept_by_every_way_to_write() {
    let mut options = SharedBox::options();
    let later = options
        .remove_on_drop(true)
        .create_new(Key::PRIVATE, LATER)
        .unwrap();
    let shared = SharedBox::<Config>::open(Place::id(later.id().unwrap())).unwrap();
    let kept = |count, what: &str| {
        assert_eq!(
            later.get().unwrap(),
            LaterConfig { count, ..LATER },
            "{what}"
        );
    };

    assert_eq!(shared.get().unwrap(), SEEN_BEFORE);
    assert_eq!(shared.load(field!(Config.mode)).unwrap(), Mode::Unknown);
    assert_eq!(*shared.get_boxed().unwrap(), SEEN_BEFORE);
    let mut value = Config {
        mode: Mode::Busy,
        ..SEEN_BEFORE
    };
    shared.read_into(&mut value).unwrap();
    assert_eq!(value, SEEN_BEFORE);

    shared.update(|value| value.count = 2).unwrap();
    kept(2, "update");
    shared
        .set(Config {
            count: 3,
            ..SEEN_BEFORE
        })
        .unwrap();
    kept(3, "set");
    let version = shared.version();
    shared
        .set_if(
            version,
            Config {
                count: 4,
                ..SEEN_BEFORE
            },
        )
        .unwrap()
        .unwrap();
    kept(4, "set_if");
    shared.store(field!(Config.mode), Mode::Unknown).unwrap();
    shared
        .store(field!(Config.modes[1]), Mode::Unknown)
        .unwrap();
    kept(4, "store");
    shared
        .update_field(field!(Config.modes), |modes| *modes = SEEN_BEFORE.modes)
        .unwrap();
    kept(4, "update_field");
    shared.fetch_add(field!(Config.count), 1).unwrap();
    kept(5, "fetch_add");
    shared
        .try_update(|value| {
            value.count = 6;
            Ok::<_, shm_core::Error>(())
        })
        .unwrap();
    kept(6, "try_update");
    let mut writer = shared.writer().unwrap();
    writer.update(|value| value.count = 7).unwrap();
    let value = writer.get().unwrap();
    writer.set_from(&Config { count: 8, ..value }).unwrap();
    let batch = writer.batch().store(field!(Config.mode), Mode::Busy);
    batch
        .store(field!(Config.mode), Mode::Unknown)
        .store(field!(Config.count), 9)
        .commit()
        .unwrap();
    drop(writer);
    kept(9, "writer");

    // What it does know replaces what it does not.
    shared.store(field!(Config.mode), Mode::Idle).unwrap();
    assert_eq!(later.get().unwrap().mode, LaterMode::Idle);
}

/// Of a value that is changed in part, and copied on the heap.
#[test]
fn a_large_value_keeps_unknown_numbers_too() {
    #[derive(SharedLayout, Clone, Copy)]
    #[repr(C)]
    struct Large {
        modes: [Mode; 9000],
    }

    let mut options = SharedBox::options();
    let shared = options
        .remove_on_drop(true)
        .create_new(
            Key::PRIVATE,
            Large {
                modes: [Mode::Idle; 9000],
            },
        )
        .unwrap();
    let raw = RawBox::<[u8; 9000]>::open(shared.id().unwrap()).unwrap();
    raw.set([7; 9000]);
    assert!(
        shared
            .get()
            .unwrap()
            .modes
            .iter()
            .all(|mode| *mode == Mode::Unknown)
    );
    shared
        .update(|large| large.modes[8000] = Mode::Busy)
        .unwrap();
    shared.set(shared.get().unwrap()).unwrap();
    let mut expected = [7; 9000];
    expected[8000] = 1;
    assert!(raw.get().unwrap() == expected);
}

/// By a box that knows no lock.
#[test]
fn a_raw_box_keeps_unknown_numbers_too() {
    let mut options = SharedBox::options();
    let later = options
        .remove_on_drop(true)
        .create_new(Key::PRIVATE, LATER)
        .unwrap();
    let raw = RawBox::<Config>::open(later.id().unwrap()).unwrap();
    assert_eq!(raw.get().unwrap(), SEEN_BEFORE);
    raw.set(Config {
        count: 2,
        ..SEEN_BEFORE
    });
    raw.store(field!(Config.mode), Mode::Unknown, Relaxed)
        .unwrap();
    assert_eq!(
        raw.load(field!(Config.mode), Relaxed).unwrap(),
        Mode::Unknown
    );
    raw.store(field!(Config.modes[0]), Mode::Idle, Relaxed)
        .unwrap();
    let seen = RawBox::<LaterConfig>::open(later.id().unwrap())
        .unwrap()
        .get()
        .unwrap();
    let mut modes = LATER.modes;
    modes[0] = LaterMode::Idle;
    assert_eq!(
        seen,
        LaterConfig {
            count: 2,
            modes,
            ..LATER
        }
    );
}

#[test]
fn no_segment_begins_with_a_variant_that_stands_for_others() {
    let key = Key::new(0x7b5d_1c01);
    let modes = [Mode::Busy, Mode::Unknown, Mode::Idle];
    let value = Config {
        count: 1,
        mode: Mode::Idle,
        modes,
    };
    let new = SharedBox::create_new(key, value).unwrap_err();
    let or = SharedBox::open_or_create(key, || value).unwrap_err();
    let place = Place::posix("/shm-core-7b5d1c01");
    let in_file = SharedBox::open_or_create(place, || value).unwrap_err();
    let in_memory = SharedBox::anonymous(value).unwrap_err();
    for error in [new, or, in_file, in_memory] {
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
        let text = error.to_string();
        assert!(
            text.contains("field `modes[1]` holds `Mode::Unknown`"),
            "{text}"
        );
        assert!(
            text.contains("begin with a variant that this program knows"),
            "{text}"
        );
    }
    let gone = SharedBox::<Config>::open(key).unwrap_err();
    assert_eq!(
        gone.sysv().unwrap().kind(),
        shm_core::sysv::Kind::NotFound,
        "{gone}"
    );
}

#[test]
fn an_upgrade_does_not_bring_a_variant_that_stands_for_others() {
    #[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
    #[repr(C)]
    struct V1 {
        count: u32,
    }

    #[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
    #[repr(C)]
    #[shared(version = 2)]
    struct V2 {
        count: u32,
        #[shared(since = 2, default = Mode::Unknown)]
        mode: Mode,
    }

    let mut options = SharedBox::options();
    let old = options
        .remove_on_drop(true)
        .create_new(Key::PRIVATE, V1 { count: 1 })
        .unwrap();
    let place = Place::id(old.id().unwrap());
    let view = SharedView::<V2>::open(place.clone()).unwrap();
    assert_eq!(
        view.get().unwrap(),
        V2 {
            count: 1,
            mode: Mode::Unknown
        }
    );
    let error = SharedBox::<V2>::options()
        .upgrade(true)
        .open(place.clone())
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    assert!(
        error
            .to_string()
            .contains("field `mode` holds `Mode::Unknown`"),
        "{error}"
    );
    assert_eq!(
        Inspector::open(place).unwrap().schema().unwrap().version(),
        Some(1)
    );
}

#[test]
fn what_is_untyped_shows_the_number_and_the_schema_tells_which_variant_it_is() {
    let mut options = SharedBox::options();
    let first = Config {
        count: 1,
        mode: Mode::Idle,
        modes: [Mode::Idle; 3],
    };
    let shared = options
        .remove_on_drop(true)
        .create_new(Key::PRIVATE, first)
        .unwrap();
    let raw = RawBox::<[u8; 8]>::open(shared.id().unwrap()).unwrap();
    let mut bytes = raw.get().unwrap();
    bytes[4] = 7;
    raw.set(bytes);
    let inspector = Inspector::open(Place::id(shared.id().unwrap())).unwrap();
    assert_eq!(
        inspector.value().unwrap().path("mode"),
        Some(&Value::UInt(7))
    );
    let schema = inspector.schema().unwrap();
    assert_eq!(&schema, Config::SCHEMA);
    let shm_core::layout::TypeKind::Enum { variants, .. } = schema.fields()[1].schema().kind()
    else {
        panic!("an enum");
    };
    assert!(variants[2].is_other() && !variants[1].is_other());
}

/// What one program marks says nothing of the bytes: it goes with one that does not.
#[test]
fn a_mark_needs_no_new_version() {
    #[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
    #[repr(u8)]
    #[shared(name = "Mode")]
    enum Unmarked {
        Idle,
        Busy,
        Unknown = 255,
    }
    assert_eq!(Unmarked::FINGERPRINT, Mode::FINGERPRINT);
    assert_ne!(Unmarked::SCHEMA, Mode::SCHEMA);
    assert_eq!(shm_core::layout::first_invalid(Mode::SCHEMA, &[7]), None);
    let mut bytes = [7];
    shm_core::layout::make_valid(Mode::SCHEMA, &mut bytes);
    assert_eq!(bytes, [255]);
}
