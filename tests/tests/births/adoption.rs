//! A program without the library makes the segment, and one with it makes that one of its own.

use std::path::Path;
use std::sync::Barrier;

use shm_core::sysv::{Kind, Mode, shm};
use shm_core::{ErrorKind, FixedStr, Options, SharedBox, SharedLayout, SharedView};
use shm_tests::{Guard, Memory, Peer, compile_c};

#[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
#[repr(C)]
struct StPid {
    pid: i32,
    names: FixedStr<51>,
}

/// Hardly a byte is valid.
#[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
#[repr(C)]
struct Flags {
    number: u32,
    on: [bool; 4],
}

const NOBODY: StPid = StPid {
    pid: 0,
    names: FixedStr::EMPTY,
};

fn alice(pid: i32) -> StPid {
    let names = FixedStr::new("alice").unwrap();
    StPid { pid, names }
}

fn adopting<T: SharedLayout>() -> Options<T> {
    let mut options = SharedBox::<T>::options();
    options.adopt(true);
    options
}

/// Such a segment as a C program makes with the mode 0640.
fn plain(guard: &Guard, size: usize) -> Memory {
    let flags = shm::GetFlags::CREATE | shm::GetFlags::EXCLUSIVE;
    let id = shm::get(guard.key(), size, flags, Mode::new(0o640)).unwrap();
    Memory::attach(guard.watch(id))
}

#[test]
fn c_makes_the_segment_and_both_use_it() {
    let guard = Guard::new();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("c/plain.c");
    let program = compile_c(&source, env!("CARGO_TARGET_TMPDIR"));
    let size = SharedBox::<StPid>::segment_size().unwrap();
    let mut c = Peer::start(
        program.to_str().unwrap(),
        [guard.arg().as_str(), &size.to_string(), "7", "alice"],
    );
    c.expect("made");
    let shared = adopting::<StPid>().open(guard.key()).unwrap();
    assert!(!shared.created());
    let seen = shared.snapshot().unwrap();
    assert_eq!((seen.value, seen.version), (alice(7), 1));
    assert_eq!(shared.info().unwrap().mode, Mode::new(0o640));
    guard.memory();
    // Now it is a segment like any other.
    let view = SharedView::<StPid>::open(guard.key()).unwrap();
    let other = SharedBox::<StPid>::open(guard.key()).unwrap();
    other.update(|value| value.pid += 1).unwrap();
    assert_eq!(view.get().unwrap(), alice(8));
    c.tell("");
    c.expect("pid=8,name=alice");
    c.succeed();
    shared.remove().unwrap();
    guard.assert_nothing_left();
}

#[test]
fn an_empty_segment_is_adopted_with_zeros_and_not_with_the_value_of_the_closure() {
    let guard = Guard::new();
    let size = SharedBox::<StPid>::segment_size().unwrap();
    let _memory = plain(&guard, size);
    let shared = adopting::<StPid>()
        .open_or_create(guard.key(), || alice(1))
        .unwrap();
    assert_eq!((shared.get().unwrap(), shared.created()), (NOBODY, false));
    guard.memory();
    assert_eq!(guard.memory().len(), size);
}

#[test]
fn without_the_option_it_is_another_programs_segment() {
    let guard = Guard::new();
    let memory = plain(&guard, SharedBox::<StPid>::segment_size().unwrap());
    let before = memory.bytes();
    for error in [
        SharedBox::<StPid>::open(guard.key()).unwrap_err(),
        SharedBox::open_or_create(guard.key(), || NOBODY).unwrap_err(),
        SharedView::<StPid>::open(guard.key()).unwrap_err(),
        adopting::<StPid>().open_read_only(guard.key()).unwrap_err(),
    ] {
        assert!(error.kind() == ErrorKind::Foreign, "{error:?}");
        let text = error.to_string();
        assert!(text.contains("taken over with `Options::adopt`"), "{text}");
    }
    let error = adopting().create_new(guard.key(), NOBODY).unwrap_err();
    assert!(
        error
            .sysv()
            .is_some_and(|error| error.kind() == Kind::Exists),
        "{error:?}"
    );
    assert_eq!(memory.bytes(), before);
}

#[test]
fn another_size_or_any_byte_behind_the_value_is_refused_and_nothing_changed() {
    let size = SharedBox::<StPid>::segment_size().unwrap();
    for wrong in [size - 64, size + 64, 4096 * 64] {
        let guard = Guard::new();
        let memory = plain(&guard, wrong);
        let before = memory.bytes();
        let opened = adopting::<StPid>().open(guard.key());
        let created = adopting().open_or_create(guard.key(), || NOBODY);
        for error in [opened.unwrap_err(), created.unwrap_err()] {
            assert!(error.kind() == ErrorKind::Foreign, "{error:?}");
            let text = error.to_string();
            assert!(text.contains(&format!("it must have {size};")), "{text}");
        }
        assert_eq!(memory.bytes(), before);
    }
    let ends = [
        size_of::<StPid>(),
        64,
        128,
        192,
        size - 320 - 1,
        size - 320,
        size - 8,
        size - 1,
    ];
    for at in ends
        .into_iter()
        .chain((size_of::<StPid>()..size).step_by(97))
    {
        let guard = Guard::new();
        let memory = plain(&guard, size);
        memory.write(at, &[1]);
        let before = memory.bytes();
        let opened = adopting::<StPid>().open(guard.key());
        let created = adopting().open_or_create(guard.key(), || NOBODY);
        for error in [opened.unwrap_err(), created.unwrap_err()] {
            assert!(
                matches!(error.kind(), ErrorKind::Foreign | ErrorKind::Damaged),
                "byte {at}: {error:?}"
            );
        }
        assert_eq!(memory.bytes(), before, "byte {at}");
    }
}

/// Python's `sysv_ipc` fills what it makes with blanks, others with what they like.
#[test]
fn a_segment_full_of_anything_is_another_programs_at_once() {
    let size = SharedBox::<StPid>::segment_size().unwrap();
    for filling in [b' ', 1, 2, 3, 4, 0x80, 0xff] {
        let guard = Guard::new();
        let memory = plain(&guard, size);
        memory.write(0, &vec![filling; size]);
        let opened = adopting::<StPid>().open(guard.key());
        let created = adopting().open_or_create(guard.key(), || NOBODY);
        for error in [opened.unwrap_err(), created.unwrap_err()] {
            assert!(error.kind() == ErrorKind::Foreign, "{filling}: {error:?}");
        }
        assert_eq!(memory.bytes(), vec![filling; size]);
    }
}

#[test]
fn bytes_that_are_no_value_are_refused_by_name_and_nothing_changed() {
    let guard = Guard::new();
    let memory = plain(&guard, SharedBox::<Flags>::segment_size().unwrap());
    memory.write(0, &[1, 2, 3, 4, 1, 0, 7]);
    let before = memory.bytes();
    let opened = adopting::<Flags>().open(guard.key());
    let fresh = Flags {
        number: 0,
        on: [false; 4],
    };
    let created = adopting().open_or_create(guard.key(), || fresh);
    for error in [opened.unwrap_err(), created.unwrap_err()] {
        assert!(error.kind() == ErrorKind::Invalid, "{error:?}");
        assert!(error.to_string().contains("`on[2]` holds 7"), "{error}");
    }
    assert_eq!(memory.bytes(), before);
    memory.write(6, &[1]);
    let shared = adopting::<Flags>().open(guard.key()).unwrap();
    assert_eq!(shared.get().unwrap().on, [true, false, true, false]);
    guard.memory();
}

#[test]
fn capacity_counts_and_the_size_is_that_of_a_segment_made_here() {
    let guard = Guard::new();
    let mut options = adopting::<StPid>();
    options.capacity(1000);
    let size = options.segment_size().unwrap();
    let made = options.create_new(guard.key(), NOBODY).unwrap();
    assert_eq!(made.info().unwrap().size, size);
    guard.memory();
    made.remove().unwrap();
    let _memory = plain(&guard, size);
    let shared = options.open(guard.key()).unwrap();
    assert_eq!(shared.capacity(), 1024);
    guard.memory();
}

/// The size of a segment does not tell two versions of a struct apart.
#[test]
fn who_ends_an_adoption_for_another_judges_the_value_again() {
    let guard = Guard::new();
    let memory = plain(&guard, SharedBox::<Flags>::segment_size().unwrap());
    memory.write(0, &[1, 2, 3, 4, 1, 0, 7]);
    // A process that knew the bytes as two numbers died when it had begun.
    let control = memory.len() - 320;
    memory.write(control, b"SHMBOX\x1a\n");
    memory.store(control + 136, 4, 4);
    let before = memory.read(0, control);
    let error = adopting::<Flags>().open(guard.key()).unwrap_err();
    assert!(error.to_string().contains("`on[2]` holds 7"), "{error}");
    assert_eq!(memory.read(0, control), before);
    let shared = adopting::<[u32; 2]>().open(guard.key()).unwrap();
    assert_eq!(shared.get().unwrap()[1], 0x7_0001);
    guard.memory();
}

/// The second one meets the first one's work at any step of it.
#[test]
fn of_many_that_adopt_at_once_one_does() {
    let size = SharedBox::<[u64; 512]>::segment_size().unwrap();
    for round in 0..100 {
        let guard = Guard::new();
        let memory = plain(&guard, size);
        memory.write(0, &[5; 4096]);
        let barrier = Barrier::new(4);
        let key = guard.key();
        let boxes: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|index| {
                    let barrier = &barrier;
                    scope.spawn(move || {
                        barrier.wait();
                        if index % 2 == 0 {
                            adopting::<[u64; 512]>().open(key)
                        } else {
                            adopting().open_or_create(key, || [9; 512])
                        }
                    })
                })
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect()
        });
        guard.memory();
        for shared in boxes {
            let shared = shared.unwrap_or_else(|error| panic!("round {round}: {error}"));
            let value = shared.get().unwrap();
            assert!(value.iter().all(|word| *word == 0x0505_0505_0505_0505));
            shared.set(value).unwrap();
        }
    }
}
