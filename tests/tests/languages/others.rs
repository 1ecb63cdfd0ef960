//! Programs of an earlier release, in Rust, C and Python, that write beside variants which only a
//! later one knows.

use std::path::Path;

use shm_core::{ErrorKind, SharedBox, SharedLayout};
use shm_tests::others::{LaterMode, LaterStation, Mode, Station};
use shm_tests::{Compiler, Guard, Peer, Python};

const OUT: &str = env!("CARGO_TARGET_TMPDIR");
const TIMES: u64 = 4000;

const FIRST: LaterStation = LaterStation {
    count: 0,
    modes: [LaterMode::Paused, LaterMode::Ending, LaterMode::Busy],
    flags: 0,
    _pad: [0; 8],
};

/// Lets `start` start a program of the earlier release, and stores new variants while it writes.
fn beside(who: &str, start: impl FnOnce(&Guard, &str) -> Peer) {
    let guard = Guard::new();
    let later = SharedBox::create_new(guard.key(), FIRST).unwrap();
    assert_eq!(
        SharedBox::<Station>::open(guard.key())
            .unwrap()
            .get()
            .unwrap()
            .modes,
        [Mode::Unknown, Mode::Unknown, Mode::Busy]
    );
    let mut peer = start(&guard, &TIMES.to_string());
    peer.expect("open");
    let (mut expected, mut flips) = (FIRST.modes, 0_u16);
    while later.get().unwrap().count < TIMES {
        flips = flips.wrapping_add(1);
        later
            .update(|station| {
                // Each time: nothing that was stored has become anything else.
                assert_eq!(
                    (station.modes, station.flags),
                    (expected, flips.wrapping_sub(1)),
                    "{who}"
                );
                station.modes.rotate_left(1);
                station.flags = flips;
                expected = station.modes;
            })
            .unwrap();
    }
    peer.succeed();
    let now = later.get().unwrap();
    let all = LaterStation {
        count: TIMES,
        modes: expected,
        flags: flips,
        _pad: [0; 8],
    };
    assert_eq!(now, all, "{who}");
    println!("{who}: {TIMES} updates beside {flips}, none destroyed");
}

#[test]
fn an_earlier_program_in_rust_updates_beside_newer_variants_and_destroys_nothing() {
    beside("Rust", |guard, times| {
        Peer::start(
            env!("CARGO_BIN_EXE_versions"),
            ["others", &guard.arg(), times],
        )
    });
}

#[test]
fn an_earlier_program_in_c_updates_beside_newer_variants_and_destroys_nothing() {
    for compiler in Compiler::widths() {
        let header = ("station.h", &*Station::c_header());
        let program = compiler.compile_with_header(OUT, "others.c", header, &[]);
        let program: &Path = &program;
        beside(&compiler.to_string(), |guard, times| {
            Peer::start(program.to_str().unwrap(), [&*guard.arg(), times])
        });
    }
}

#[test]
fn an_earlier_program_in_python_updates_beside_newer_variants_and_destroys_nothing() {
    let Some(python) = Python::find("an_earlier_program_in_python", OUT) else {
        return;
    };
    python.write("station_others", &Station::python_module());
    let program = "
import station_others as station, sys
box = station.open(sys.argv[1])
Mode = station.Mode
assert list(box.get().modes)[2] == Mode.Busy
print('open', flush=True)
def step(value):
    assert all(isinstance(mode, Mode) for mode in value.modes)
    value.count += 1
    value.modes[1] = Mode.Unknown
for _ in range(int(sys.argv[2])):
    box.update(step)
";
    beside("Python", |guard, times| {
        python.start(program, &[&guard.arg(), times])
    });
}

#[test]
fn no_program_makes_a_segment_of_a_variant_that_stands_for_others() {
    let guard = Guard::new();
    let unknown = Station {
        count: 0,
        modes: [Mode::Unknown; 3],
        _pad: [0; 10],
    };
    let error = SharedBox::create_new(guard.key(), unknown).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    guard.assert_nothing_left();

    for compiler in Compiler::widths() {
        let guard = Guard::new();
        let header = ("station.h", &*Station::c_header());
        let program = compiler.compile_with_header(OUT, "others.c", header, &[]);
        let mut peer = Peer::start(program.to_str().unwrap(), [&*guard.arg()]);
        // SHMBOX_EINVALID; then the third value's birth finds nothing in its way.
        peer.expect("-19 -19 0");
        peer.succeed();
        let modes = SharedBox::<Station>::open(guard.key())
            .unwrap()
            .get()
            .unwrap()
            .modes;
        assert_eq!(modes, [Mode::Idle, Mode::Idle, Mode::Busy]);
    }
}
