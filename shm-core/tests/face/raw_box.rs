//! `RawBox` within one process: what its options make, and what one field's access touches.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering::{self, *};

use shm_core::sysv::shm::{self, Access, Attachment, GetFlags};
use shm_core::sysv::{Key, Kind, Mode};
use shm_core::{ErrorKind, Field, RawBox, RawOptions, SharedLayout, field};

#[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
#[repr(u16)]
enum Light {
    Off = 0,
    On = 7,
}

#[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
#[repr(C, align(8))]
struct Sample {
    valid: bool,
    light: Light,
    count: u32,
    seconds: i64,
    clock: f64,
    rows: [u8; 3],
}

/// Detached and removed with the test.
struct Bytes(Attachment);

impl Bytes {
    fn of(id: shm::Id) -> Bytes {
        Bytes(shm::attach(id, Access::ReadWrite).unwrap())
    }

    fn made(key: Key, size: usize) -> Bytes {
        Bytes::of(shm::get(key, size, GetFlags::CREATE, Mode::new(0o600)).unwrap())
    }

    fn all(&self) -> Vec<u8> {
        use std::sync::atomic::AtomicU8;
        let byte = |at| self.0.load::<AtomicU8>(at, Relaxed).unwrap();
        (0..self.0.len()).map(byte).collect()
    }

    fn fill(&self, byte: u8) {
        use std::sync::atomic::AtomicU8;
        for at in 0..self.0.len() {
            self.0.atomic::<AtomicU8>(at).unwrap().store(byte, Relaxed);
        }
    }
}

impl Drop for Bytes {
    fn drop(&mut self) {
        let _ = shm::remove(self.0.id());
    }
}

/// A key of this test's own.
fn key(number: u32) -> Key {
    Key::new(0x3000_0000 | std::process::id() << 6 | number)
}

fn exact() -> RawOptions<Sample> {
    let mut options = RawBox::options();
    options.create_exact(true);
    options
}

#[test]
fn what_is_made_has_the_size_and_mode_that_c_would_give_it() {
    let made = exact().mode(0o640).open(key(1)).unwrap();
    let _bytes = Bytes::of(made.id().unwrap());
    let info = made.info().unwrap();
    assert!(made.created());
    assert_eq!((info.size, info.mode.bits()), (size_of::<Sample>(), 0o640));
    made.store(field!(Sample.count), 7, Relaxed).unwrap();
    // Who comes second takes it as it is.
    let second = exact().mode(0o600).open(key(1)).unwrap();
    assert!(!second.created() && second.id() == made.id());
    assert_eq!(second.get().unwrap().count, 7);
    assert_eq!(second.info().unwrap().mode.bits(), 0o640);
    // To read makes none.
    let error = exact().open_read_only(key(2)).unwrap_err();
    assert_eq!(error.sysv().unwrap().kind(), Kind::NotFound, "{error}");
}

#[test]
fn a_group_is_given_or_nothing_is_left() {
    let made = exact().mode(0o660).group(4711).open(key(3));
    let Ok(made) = made else {
        // An ordinary user may not give what is not theirs.
        let error = exact().open_read_only(key(3)).unwrap_err();
        assert_eq!(error.sysv().unwrap().kind(), Kind::NotFound, "{error}");
        return;
    };
    let _bytes = Bytes::of(made.id().unwrap());
    let info = made.info().unwrap();
    assert_eq!((info.gid, info.mode.bits()), (4711, 0o660));
}

#[test]
fn what_no_segment_can_have_is_refused_and_nothing_made() {
    let refused = |options: &RawOptions<Sample>| {
        let error = options.open(key(4)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Options, "{error}");
        shm::get(key(4), 0, GetFlags::NONE, Mode::new(0)).unwrap_err();
        error.to_string()
    };
    assert!(refused(exact().mode(0o1600)).contains("no permissions"));
    assert!(refused(exact().mode(0o060)).contains("its own creator"));
    assert!(refused(exact().group(u32::MAX)).contains("group -1"));
    assert!(refused(exact().offset(4)).contains("a multiple of 8"));
    assert!(refused(exact().offset(usize::MAX - 7)).contains("beyond any segment"));
}

/// A new segment is zeros, over which no program stores where they stand for what it does not know.
#[test]
fn none_is_made_whose_zeros_stand_for_an_unknown_variant() {
    #[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
    #[repr(u32)]
    enum Speed {
        Slow = 1,
        #[shared(other)]
        Unknown = 9,
    }
    let mut options = RawBox::<[Speed; 2]>::options();
    options.create_exact(true);
    for place in [key(6), Key::PRIVATE] {
        let error = options.open(place).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
        assert!(error.to_string().contains("a variant that is 0"), "{error}");
    }
    shm::get(key(6), 0, GetFlags::NONE, Mode::new(0)).unwrap_err();
    // One that another program made is taken as it is.
    let _bytes = Bytes::made(key(6), 8);
    let raw = options.open(key(6)).unwrap();
    assert!(!raw.created());
    assert_eq!(raw.get().unwrap(), [Speed::Unknown; 2]);
    raw.set([Speed::Slow; 2]);
    assert_eq!(raw.get().unwrap(), [Speed::Slow; 2]);
}

#[test]
fn behind_an_offset_nothing_before_or_after_is_touched() {
    let size = size_of::<Sample>();
    let bytes = Bytes::made(Key::PRIVATE, 16 + size + 5);
    bytes.fill(0);
    let raw = RawBox::<Sample>::options()
        .offset(16)
        .open(bytes.0.id())
        .unwrap();
    raw.store(field!(Sample.count), 15, Relaxed).unwrap();
    assert_eq!(raw.get().unwrap().count, 15);
    bytes.fill(0xff);
    raw.set(Sample {
        valid: true,
        light: Light::On,
        count: 0,
        seconds: 0,
        clock: 0.0,
        rows: [0; 3],
    });
    let all = bytes.all();
    assert!(
        all[..16]
            .iter()
            .chain(&all[16 + size..])
            .all(|byte| *byte == 0xff)
    );
    for offset in [24, 4096] {
        let mut options = RawBox::<Sample>::options();
        let error = options.offset(offset).open(bytes.0.id()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooSmall);
        assert!(
            error
                .to_string()
                .contains(&format!("from byte {offset} on")),
            "{error}"
        );
        assert!(error.to_string().contains("an `offset` from"), "{error}");
    }
    // Exactly as large as it must be.
    let made = exact().offset(32).open(Key::PRIVATE).unwrap();
    let _bytes = Bytes::of(made.id().unwrap());
    assert_eq!(made.info().unwrap().size, 32 + size);
}

#[test]
fn a_store_of_one_field_touches_its_bytes_and_no_other() {
    let bytes = Bytes::made(Key::PRIVATE, size_of::<Sample>());
    let raw = RawBox::<Sample>::open(bytes.0.id()).unwrap();
    fn check<F: SharedLayout + PartialEq + std::fmt::Debug>(
        (bytes, raw): (&Bytes, &RawBox<Sample>),
        field: Field<Sample, F>,
        value: F,
    ) {
        for order in [Relaxed, Release, SeqCst] {
            bytes.fill(0x55);
            raw.store(field, value, order).unwrap();
            for order in [Relaxed, Acquire, SeqCst] {
                assert_eq!(raw.load(field, order).unwrap(), value);
            }
            let own = field.offset()..field.offset() + size_of::<F>();
            for (at, byte) in bytes.all().into_iter().enumerate() {
                assert!(own.contains(&at) || byte == 0x55, "byte {at} of {field:?}");
            }
        }
    }
    let on = (&bytes, &raw);
    check(on, field!(Sample.valid), true);
    check(on, field!(Sample.light), Light::On);
    check(on, field!(Sample.count), 0xdead_beef);
    // With 32 bits 8 bytes are aligned to 4, and may lie across two words.
    #[cfg(target_pointer_width = "64")]
    {
        check(on, field!(Sample.seconds), -1);
        check(on, field!(Sample.clock), 0.25);
    }
    check(on, field!(Sample.rows[1]), 9);
    bytes.fill(0x55);
    for (error, says) in [
        (
            raw.load(field!(Sample.valid), Acquire).map(drop),
            "`valid` holds 85",
        ),
        (
            raw.load(field!(Sample.light), Acquire).map(drop),
            "`light` holds 21845",
        ),
    ] {
        let error = error.unwrap_err();
        assert_eq!(
            (error.kind(), error.operation()),
            (ErrorKind::Invalid, Some("RawBox::load"))
        );
        assert!(error.to_string().contains(says), "{error}");
    }
}

#[test]
fn an_order_that_is_none_is_refused_as_the_standard_library_does() {
    let bytes = Bytes::made(Key::PRIVATE, size_of::<Sample>());
    let raw = RawBox::<Sample>::open(bytes.0.id()).unwrap();
    let panics =
        |act: &dyn Fn(Ordering), order| catch_unwind(AssertUnwindSafe(|| act(order))).is_err();
    let load = |order| drop(raw.load(field!(Sample.count), order));
    let store = |order| drop(raw.store(field!(Sample.count), 1, order));
    assert!(panics(&load, Release) && panics(&load, AcqRel));
    assert!(panics(&store, Acquire) && panics(&store, AcqRel));
    assert_eq!(raw.load(field!(Sample.count), Relaxed).unwrap(), 0);
}

#[test]
fn a_field_of_a_packed_part_that_is_not_aligned_is_refused() {
    #[derive(SharedLayout, Clone, Copy)]
    #[repr(C, packed)]
    struct Packed {
        small: u8,
        wide: u32,
    }
    #[derive(SharedLayout, Clone, Copy)]
    #[repr(C)]
    struct Outer {
        packed: Packed,
        count: u32,
    }
    let bytes = Bytes::made(Key::PRIVATE, size_of::<Outer>());
    let raw = RawBox::<Outer>::open(bytes.0.id()).unwrap();
    let wide = field!(Outer.packed).then(field!(Packed.wide));
    let errors = [
        raw.load(wide, Relaxed).map(drop),
        raw.store(wide, u32::MAX, Relaxed),
    ];
    for error in errors {
        let error = error.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Options);
        assert!(error.to_string().contains("across two words"), "{error}");
    }
    assert!(bytes.all().iter().all(|byte| *byte == 0));
}

#[test]
fn a_segment_that_is_made_anew_is_noticed_and_attached_again() {
    let key = key(5);
    let old = Bytes::made(key, size_of::<Sample>());
    let mut raw = RawBox::<Sample>::open(key).unwrap();
    let mut view = RawBox::<Sample>::open_read_only(key).unwrap();
    raw.store(field!(Sample.count), 1, Relaxed).unwrap();
    assert!(!raw.is_removed().unwrap() && !view.is_removed().unwrap());
    drop(old);
    assert!(raw.is_removed().unwrap() && view.is_removed().unwrap());
    // The key leads nowhere yet: all stays as it is.
    let error = raw.reattach().unwrap_err();
    assert_eq!(error.sysv().unwrap().kind(), Kind::NotFound, "{error}");
    assert_eq!(raw.get().unwrap().count, 1);
    // Too small a one is refused as at first.
    let small = Bytes::made(key, 8);
    assert_eq!(view.reattach().unwrap_err().kind(), ErrorKind::TooSmall);
    drop(small);
    let new = Bytes::made(key, size_of::<Sample>());
    raw.reattach().unwrap();
    view.reattach().unwrap();
    assert_eq!((raw.id(), view.id()), (Some(new.0.id()), Some(new.0.id())));
    assert!(!raw.is_removed().unwrap() && raw.get().unwrap().count == 0);
    raw.store(field!(Sample.count), 2, Relaxed).unwrap();
    assert_eq!(view.load(field!(Sample.count), Relaxed).unwrap(), 2);
}

#[test]
fn a_private_segment_leads_to_no_other_and_none_is_made() {
    let mut made = exact().open(Key::PRIVATE).unwrap();
    let _bytes = Bytes::of(made.id().unwrap());
    let id = made.id();
    assert_eq!(made.reattach().unwrap_err().kind(), ErrorKind::Options);
    assert_eq!(made.id(), id);
}
