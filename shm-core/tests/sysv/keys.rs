//! Keys, and the faults found before the kernel is asked.

use std::ffi::CString;

use shm_core::sysv::{Key, Kind, Mode, ParseKeyError, sem, shm};

#[test]
fn text_forms_of_one_number_are_one_key() {
    for text in ["0x1234", "0X1234", "0x00001234", "4660", "0004660"] {
        assert_eq!(text.parse(), Ok(Key::new(0x1234)), "{text}");
    }
    for text in ["0xffffffff", "-1", "4294967295"] {
        assert_eq!(text.parse(), Ok(Key::new(u32::MAX)), "{text}");
    }
    assert_eq!("-2147483648".parse(), Ok(Key::from_raw(i32::MIN)));
}

#[test]
fn a_number_and_a_key_t_are_the_same_32_bits() {
    for (number, raw) in [
        (0x1234, 0x1234),
        (0x8000_0000, i32::MIN),
        (0xdead_beef, -559_038_737),
        (u32::MAX, -1),
    ] {
        assert_eq!(Key::from(number), Key::new(number));
        assert_eq!(Key::from_raw(raw), Key::new(number));
        assert_eq!(Key::new(number).raw(), raw);
    }
    // A literal needs no suffix, and both may stand in a constant.
    assert_eq!(Key::from(0xdead_beef).to_string(), "0xdeadbeef");
    const KEYS: [Key; 2] = [Key::new(0xdead_beef), Key::from_raw(-559_038_737)];
    assert_eq!(KEYS[0], KEYS[1]);
    assert_ne!(Key::from_raw(0), Key::PRIVATE);
}

#[test]
fn text_that_is_no_key_is_told_what_is_expected() {
    let told = |text: &str| {
        text.parse::<Key>()
            .map_err(|e: ParseKeyError| e.to_string())
            .unwrap_err()
    };
    for text in [
        "", "0x", "alice", "12a", "0x12g4", "+5", "--5", "-0x5", " 7", "7 ", "0x+7", "1_000", "٣",
    ] {
        let message = told(text);
        assert!(
            message.contains("is no key; write a number such as 0x1234"),
            "{text}: {message}"
        );
        assert!(message.contains(&format!("{text:?}")), "{message}");
    }
    for text in [
        "0x100000000",
        "4294967296",
        "-2147483649",
        "99999999999999999999",
    ] {
        assert!(told(text).contains("32 bits"), "{text}: {}", told(text));
    }
    for text in ["0", "0x0", "-0", "00"] {
        assert!(
            told(text).contains("Key::PRIVATE"),
            "{text}: {}",
            told(text)
        );
    }
}

#[test]
fn keys_print_as_ipcs_prints_them() {
    assert_eq!(Key::new(0x1234).to_string(), "0x00001234");
    assert_eq!(Key::from_raw(-1).to_string(), "0xffffffff");
    assert_eq!(Key::PRIVATE.to_string(), "private");
    assert_eq!(format!("{:?}", Key::new(0x1234)), "Key(0x00001234)");
}

#[test]
fn the_number_zero_is_not_the_private_key_and_creates_nothing() {
    assert_ne!(Key::new(0), Key::PRIVATE);
    let shm = shm::get(Key::new(0), 64, shm::GetFlags::CREATE, Mode::new(0o600)).unwrap_err();
    let sem = sem::get(Key::from(0), 1, sem::GetFlags::CREATE, Mode::new(0o600)).unwrap_err();
    for error in [shm, sem] {
        assert_eq!((error.kind(), error.raw_os_error()), (Kind::Invalid, None));
        let message = error.to_string();
        assert!(
            message.contains("key 0 is IPC_PRIVATE, which never leads to an existing"),
            "{message}"
        );
        assert!(message.contains("say Key::PRIVATE"), "{message}");
    }
}

#[test]
fn ftok_gives_the_key_of_c() {
    for (path, id) in [
        ("/", 1_u8),
        ("/", 0),
        ("/proc", b'R'),
        ("/tmp", 0xff),
        ("/usr", 0x80),
    ] {
        let name = CString::new(path).unwrap();
        // SAFETY: `name` is a C string.
        let theirs = unsafe { libc::ftok(name.as_ptr(), id.into()) };
        assert_eq!(Key::ftok(path, id).unwrap().raw(), theirs, "{path} {id}");
    }
}

#[test]
fn ftok_names_the_path_it_cannot_examine() {
    let error = Key::ftok("/no/such/file", 1).unwrap_err();
    assert_eq!(
        (error.kind(), error.raw_os_error()),
        (Kind::NotFound, Some(libc::ENOENT))
    );
    assert!(
        error
            .to_string()
            .starts_with("ftok(\"/no/such/file\", 1): cannot examine /no/such/file: "),
        "{error}"
    );
    assert!(Key::ftok("a\0b", 1).is_err());
}

#[test]
fn mode_bits_outside_0777_are_refused_before_the_call() {
    for bits in [0o1640, u32::MAX, 0o100_640] {
        let mode = Mode::new(bits);
        let errors = [
            shm::get(Key::PRIVATE, 64, shm::GetFlags::CREATE, mode).unwrap_err(),
            shm::set(shm::Id::from_raw(-1), 0, 0, mode).unwrap_err(),
            sem::get(Key::PRIVATE, 1, sem::GetFlags::CREATE, mode).unwrap_err(),
            sem::set(sem::Id::from_raw(-1), 0, 0, mode).unwrap_err(),
        ];
        for error in errors {
            assert_eq!((error.kind(), error.raw_os_error()), (Kind::Invalid, None));
            assert!(error.to_string().contains("bits outside 0777"), "{error}");
        }
    }
}
