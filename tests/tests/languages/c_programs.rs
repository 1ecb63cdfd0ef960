//! C programs that know only the struct and the key, and this library, in both orders.

use std::path::Path;
use std::process::Command;

use shm_core::layout::TextError;
use shm_core::{ErrorKind, FixedStr, RawBox, SharedBox, SharedLayout, SharedView, field};
use shm_tests::{Guard, compile_c};

#[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
#[repr(C)]
struct StPid {
    pid: i32,
    names: FixedStr<51>,
}

const NOTHING: StPid = StPid {
    pid: 0,
    names: FixedStr::EMPTY,
};

/// Runs the C program of the examples; returns its lines.
fn c(guard: &Guard, name: &str) -> Vec<String> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/c/st_pid.c");
    let program = compile_c(&source, env!("CARGO_TARGET_TMPDIR"));
    let output = Command::new(program)
        .args(["--key", &guard.arg(), name])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(str::to_owned)
        .collect()
}

fn shared(guard: &Guard) -> SharedBox<StPid> {
    SharedBox::options()
        .mode(0o640)
        .raw_writers(true)
        .create_new(guard.key(), NOTHING)
        .unwrap()
}

#[test]
fn rust_creates_and_c_reads_and_writes() {
    let guard = Guard::new();
    let shared = shared(&guard);
    shared
        .set(StPid {
            pid: 7,
            names: FixedStr::new("alice").unwrap(),
        })
        .unwrap();
    let lines = c(&guard, "bob");
    assert_eq!(lines[0], "pid=7,name=alice");
    let seen = shared.get().unwrap();
    assert_eq!(lines[1], format!("pid={},name=bob", seen.pid));
    assert_eq!(seen.names, "bob");
    assert_eq!(
        SharedView::<StPid>::open(guard.key())
            .unwrap()
            .get()
            .unwrap(),
        seen
    );
}

#[test]
fn what_c_stored_is_part_of_the_next_commit() {
    let guard = Guard::new();
    let shared = shared(&guard);
    c(&guard, "bob");
    shared.update(|value| value.pid = 8).unwrap();
    assert_eq!(
        shared.get().unwrap(),
        StPid {
            pid: 8,
            names: FixedStr::new("bob").unwrap()
        }
    );
    assert_eq!(c(&guard, "carol")[0], "pid=8,name=bob");
}

/// A commit of a part brings its mirror what commits changed; a raw writer's store is in no commit.
#[test]
fn what_a_raw_writer_stored_beside_a_field_is_in_every_copy_of_the_next_commit() {
    #[derive(SharedLayout, Clone, Copy)]
    #[repr(C)]
    struct Two {
        ours: [u64; 32],
        theirs: u64,
    }
    let guard = Guard::new();
    let zeros = Two {
        ours: [0; 32],
        theirs: 0,
    };
    let shared = SharedBox::options()
        .raw_writers(true)
        .create_new(guard.key(), zeros)
        .unwrap();
    let raw = guard.memory();
    let ours = field!(Two.ours[3]);
    for number in 1..=8 {
        // From the second one on, the commit before changed a part only.
        shared.store(ours, number).unwrap();
        let at = std::mem::offset_of!(Two, theirs);
        raw.store(at, number, 8);
        let version = shared.store(ours, number + 1).unwrap() as usize;
        let mirror = (1 + version % 2) * shared.capacity();
        for copy in [0, mirror] {
            assert_eq!(
                raw.read(copy + at, 8),
                number.to_ne_bytes(),
                "round {number}, copy at {copy}"
            );
        }
    }
}

#[test]
fn c_creates_and_rust_attaches_with_raw_box() {
    let guard = Guard::new();
    let lines = c(&guard, "bob");
    assert_eq!(lines[0], "pid=0,name=");
    assert_eq!(guard.memory().len(), size_of::<StPid>());
    let raw = RawBox::<StPid>::open(guard.key()).unwrap();
    assert_eq!(raw.get().unwrap().names, "bob");
    raw.set(StPid {
        pid: 9,
        names: FixedStr::new("alice").unwrap(),
    });
    assert_eq!(c(&guard, "carol")[0], "pid=9,name=alice");
    assert_eq!(raw.get().unwrap().names, "carol");
}

#[test]
fn shared_box_points_to_raw_box_where_c_created() {
    let guard = Guard::new();
    c(&guard, "bob");
    let before = guard.memory().bytes();
    for error in [
        SharedBox::<StPid>::open(guard.key()).unwrap_err(),
        SharedBox::open_or_create(guard.key(), || NOTHING).unwrap_err(),
        SharedView::<StPid>::open(guard.key()).unwrap_err(),
    ] {
        assert!(
            error.kind() == ErrorKind::Foreign && error.to_string().contains("its 56 bytes"),
            "{error:?}"
        );
        assert!(error.to_string().contains("`RawBox"), "{error}");
    }
    assert_eq!(guard.memory().bytes(), before);
}

#[test]
fn raw_box_needs_as_many_bytes_as_the_type_has() {
    let guard = Guard::new();
    let _memory = guard.foreign(55);
    let error = RawBox::<StPid>::open(guard.key()).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("it has 55 bytes, and this program's type has 56"),
        "{error:?}"
    );
    assert_eq!(error.kind(), ErrorKind::TooSmall);
}

#[test]
fn text_from_c_without_nul_or_in_another_encoding_spoils_nothing_but_the_text() {
    let guard = Guard::new();
    let shared = shared(&guard);
    let memory = guard.memory();
    memory.write(4, &[b'x'; 51]);
    let value = shared.get().unwrap();
    assert_eq!(value.pid, 0);
    assert!(matches!(
        value.names.to_str(),
        Err(TextError::NoNul { size: 51, .. })
    ));
    assert_eq!(value.names.to_string_lossy(), "x".repeat(51));

    memory.write(4, b"caf\xe9\0");
    let value = shared.get().unwrap();
    assert!(matches!(
        value.names.to_str(),
        Err(TextError::NotUtf8 { valid_up_to: 3, .. })
    ));
    assert_eq!(value.names.as_bytes(), b"caf\xe9");
    shared.update(|value| value.pid = 1).unwrap();
    assert_eq!(shared.get().unwrap().names.as_bytes(), b"caf\xe9");
}
