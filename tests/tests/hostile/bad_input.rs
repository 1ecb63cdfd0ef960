//! Whatever a key leads to: a clear error, and every byte of the segment as it was.

use std::time::{Duration, Instant};

use shm_core::sysv::{Mode, shm};
use shm_core::{
    Error, ErrorKind, FixedStr, Inspector, Key, RawBox, SharedBox, SharedLayout, SharedView,
};
use shm_tests::Guard;

/// Pseudo-random bytes, the same in every run (xorshift64).
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }
}

/// The errors of every way to attach.
fn attach<T: SharedLayout + Default>(key: Key) -> Vec<Error> {
    let attempts = [
        SharedBox::<T>::open(key).map(drop),
        SharedBox::<T>::open_or_create(key, T::default).map(drop),
        SharedView::<T>::open(key).map(drop),
    ];
    attempts.into_iter().filter_map(Result::err).collect()
}

#[test]
fn a_segment_of_another_application_is_refused_and_left_alone() {
    let mut noise = Noise(0x9e37_79b9_7f4a_7c15);
    for size in [1, 8, 56, 319, 320, 321, 384, 4096, 4160, 65_536] {
        for content in [vec![0; size], vec![0xff; size], noise.bytes(size)] {
            let guard = Guard::new();
            let memory = guard.foreign(size);
            memory.write(0, &content);
            let errors = attach::<u64>(guard.key());
            assert_eq!(errors.len(), 3);
            for error in errors {
                assert!(
                    error.kind() == ErrorKind::Foreign
                        && error.to_string().contains(&format!("its {size} bytes")),
                    "{error:?}"
                );
                let text = error.to_string();
                assert!(
                    text.contains("RawBox") && text.contains(&guard.arg()),
                    "{text}"
                );
            }
            let error = SharedBox::<u64>::create_new(guard.key(), 1).unwrap_err();
            assert!(error.to_string().contains(&guard.arg()), "{error}");
            assert!(
                memory.bytes() == content,
                "{size} bytes are not what they were"
            );
        }
    }
}

#[test]
fn the_mode_bits_of_another_application_do_not_pass_for_a_birth_under_way() {
    for mode in [0o777, 0o711, 0o755] {
        let guard = Guard::new();
        let memory = guard.foreign(4096);
        let stat = shm::stat(memory.id()).unwrap();
        shm::set(memory.id(), stat.uid, stat.gid, Mode::new(mode)).unwrap();
        for error in attach::<u64>(guard.key()) {
            assert!(error.kind() == ErrorKind::Foreign, "{mode:o}: {error:?}");
        }
        assert!(memory.bytes() == vec![0; 4096]);
    }
}

#[test]
fn a_damaged_segment_is_an_error_or_harmless_and_never_written_by_attaching() {
    const TOMBSTONE: u8 = 2;
    let guard = Guard::new();
    let shared = SharedBox::<u64>::create_new(guard.key(), 0x0102_0304).unwrap();
    let room = 3 * shared.capacity();
    drop(shared);
    let memory = guard.memory();
    let good = memory.bytes();
    let control = good.len() - 320;
    let state = control + 136;
    let mut noise = Noise(42);
    let mut refused = 0;
    for round in 0..3_000 {
        let mut bad = good.clone();
        for _ in 0..=round % 4 {
            let (from, bytes) = if noise.next() < u64::MAX / 2 {
                (room, 64)
            } else {
                (control, 320)
            };
            bad[from + noise.next() as usize % bytes] ^= 1 << (noise.next() % 8);
        }
        if bad[state] == TOMBSTONE {
            continue; // the next that finds one ends the removal
        }
        memory.write(0, &bad);
        let mut options = SharedBox::<u64>::options();
        options.timeout(Duration::from_millis(1));
        let view = options.open_read_only(memory.id());
        refused += u32::from(view.is_err());
        // It may not be the value, but it may not be a panic, a hang or a crash.
        let _ = view.and_then(|view| view.get());
        assert!(memory.bytes() == bad, "a view changed a byte");
        let shared = options.open(memory.id());
        let claimed = shared.is_ok();
        drop(shared.and_then(|shared| shared.get()));
        if claimed {
            // It claimed a slot, repaired what the owner of a made-up lock left, and made a semaphore
            // set where the segment named none that exists.
            guard.watch(memory.id());
            continue;
        }
        assert!(memory.bytes() == bad, "attaching changed a byte");
    }
    assert!(refused > 500, "{refused}");
    memory.write(0, &good);
    assert_eq!(
        SharedView::<u64>::open(guard.key()).unwrap().get().unwrap(),
        0x0102_0304
    );
}

#[test]
fn a_write_to_a_damaged_segment_ends_within_its_time_limit() {
    let mut noise = Noise(7);
    for _ in 0..100 {
        let guard = Guard::new();
        let limit = Duration::from_millis(20);
        let mut options = SharedBox::<[u64; 8]>::options();
        let shared = options
            .timeout(limit)
            .create_new(guard.key(), [1; 8])
            .unwrap();
        shared.set([2; 8]).unwrap();
        let memory = guard.memory();
        let hot = memory.len() - 320 + 128;
        // Sequence, state, lock and announcements: what a peer gone wild may overwrite while others
        // are attached.
        memory.write(hot, &noise.bytes(192));
        let start = Instant::now();
        let _ = (
            shared.get(),
            shared.set([3; 8]),
            shared.update(|value| value[0] = 4),
        );
        let _ = shared.wait_timeout(shared.version(), limit);
        assert!(
            start.elapsed() < Duration::from_secs(5),
            "{:?}",
            start.elapsed()
        );
    }
}

#[test]
fn the_list_of_writers_of_a_damaged_segment_ends() {
    let mut noise = Noise(8);
    let guard = Guard::new();
    let shared = SharedBox::<u64>::create_new(guard.key(), 1).unwrap();
    let view = SharedView::<u64>::open(guard.key()).unwrap();
    let inspector = Inspector::open(guard.key()).unwrap();
    let memory = guard.memory();
    let whole = memory.read(0, memory.len());
    for _ in 0..20 {
        let mut bytes = noise.bytes(memory.len());
        // Else it is most likely a removed one.
        let hot = bytes.len() - 320 + 128;
        bytes[hot..hot + 16].copy_from_slice(&whole[hot..hot + 16]);
        memory.write(0, &bytes);
        let slots = view.writers().map_or(0, |writers| writers.len());
        assert!(slots <= 1022);
        let _ = (shared.writers(), inspector.holder());
    }
    memory.write(0, &whole);
    assert_eq!(inspector.writers().unwrap().len(), 1);
    drop(shared);
}

#[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
#[repr(C)]
struct Switch {
    id: u32,
    on: bool,
}

#[test]
fn a_byte_that_is_no_bool_is_an_error_that_names_the_field() {
    let guard = Guard::new();
    let shared = SharedBox::create_new(guard.key(), Switch { id: 1, on: true }).unwrap();
    guard.memory().write(4, &[7]);
    for error in [
        shared.get().unwrap_err(),
        SharedView::<Switch>::open(guard.key())
            .unwrap()
            .get()
            .unwrap_err(),
        shared.update(|switch| switch.id = 2).unwrap_err(),
        RawBox::<Switch>::open(guard.key())
            .unwrap()
            .get()
            .unwrap_err(),
    ] {
        assert!(error.kind() == ErrorKind::Invalid, "{error:?}");
        let text = error.to_string();
        assert!(text.contains("`on`") && text.contains('7'), "{text}");
    }
    let mut value = Switch { id: 0, on: false };
    assert!(shared.read_into(&mut value).is_err());
    shared.set(Switch { id: 3, on: false }).unwrap();
    assert_eq!(shared.get().unwrap(), Switch { id: 3, on: false });
}

#[test]
fn key_0_as_a_number_is_refused() {
    for error in attach::<u64>(Key::new(0)) {
        let text = error.to_string();
        assert!(
            text.contains("IPC_PRIVATE") && text.contains("Key::PRIVATE"),
            "{text}"
        );
    }
    assert_eq!(attach::<u64>(Key::new(0)).len(), 3);
    assert!(SharedBox::<u64>::create_new(0, 1).is_err());
    assert!(RawBox::<u64>::open(0).is_err());
}

#[test]
fn a_private_key_leads_to_no_segment() {
    assert_eq!(attach::<u64>(Key::PRIVATE).len(), 3);
    assert!(RawBox::<u64>::open(Key::PRIVATE).is_err());
}

#[test]
fn text_that_is_no_key_is_quoted_in_the_error() {
    for text in [
        "",
        "alice",
        "0x",
        "0x12g4",
        "12 34",
        " 0x1234",
        "0x123456789",
        "99999999999",
    ] {
        let error = Error::from(text.parse::<Key>().unwrap_err()).to_string();
        assert!(
            error.contains(&format!("{text:?}")) && error.contains("0x"),
            "{error}"
        );
    }
    assert!(
        "0".parse::<Key>()
            .unwrap_err()
            .to_string()
            .contains("IPC_PRIVATE")
    );
}

#[test]
fn sizes_that_no_segment_can_have_leave_nothing_behind() {
    let guard = Guard::new();
    // In 64 bits no processor reaches so far; in 32 the copies of a value do not.
    let few = if usize::BITS == 64 { 18 } else { 1 };
    for capacity in [
        0,
        7,
        usize::MAX >> few,
        usize::MAX >> few.min(3),
        isize::MAX as usize,
        usize::MAX,
    ] {
        let mut options = SharedBox::<u64>::options();
        for error in [
            options
                .capacity(capacity)
                .create_new(guard.key(), 1)
                .unwrap_err(),
            options
                .capacity(capacity)
                .open_or_create(guard.key(), || 1)
                .unwrap_err(),
        ] {
            assert!(
                matches!(error.kind(), ErrorKind::Options | ErrorKind::System),
                "{error:?}"
            );
            let text = error.to_string();
            assert!(text.contains(&guard.arg()), "{text}");
        }
        guard.assert_nothing_left();
    }
}

#[test]
fn a_mode_that_is_no_permission_is_refused() {
    let guard = Guard::new();
    let error = SharedBox::<u64>::options()
        .mode(0o1640)
        .create_new(guard.key(), 1)
        .unwrap_err();
    assert!(
        error.kind() == ErrorKind::Options && error.to_string().contains("0o1640"),
        "{error}"
    );
    guard.assert_nothing_left();
}

#[test]
fn text_that_does_not_fit_is_an_error_and_not_an_overflow() {
    for length in [51, 52, 10_000] {
        let error = Error::from(FixedStr::<51>::new(&"x".repeat(length)).unwrap_err());
        let text = error.to_string();
        assert!(
            text.contains(&length.to_string()) && text.contains("50 bytes"),
            "{text}"
        );
    }
    assert!(FixedStr::<51>::new("a\0b").is_err());
    assert_eq!(FixedStr::<51>::new(&"x".repeat(50)).unwrap().len(), 50);
}
