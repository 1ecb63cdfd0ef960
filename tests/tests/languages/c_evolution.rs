//! Programs in C of one version beside programs in Rust of others: each version of a struct with each.

use std::path::PathBuf;
use std::process::Command;

use shm_core::{SharedBox, SharedView};
use shm_tests::family::{CAPACITY, Version};
use shm_tests::{Compiler, Guard, Peer, with_version};

/// The program of this version, built by this compiler.
fn station<V: Version>(compiler: &Compiler) -> PathBuf {
    let out = env!("CARGO_TARGET_TMPDIR");
    let define = format!("-DVERSION={}", V::VERSION);
    compiler.compile_with_header(out, "station.c", ("station.h", &V::c_header()), &[&define])
}

fn create<V: Version>(guard: &Guard) {
    SharedBox::<V>::options()
        .capacity(CAPACITY)
        .create_new(guard.key(), V::first())
        .unwrap();
}

fn upgrade<V: Version>(guard: &Guard) {
    SharedBox::<V>::options()
        .upgrade(true)
        .open(guard.key())
        .unwrap();
}

/// Takes as many steps as side 1, and then looks whether what both sides did is there.
fn step<V: Version>(guard: &Guard, times: u32) {
    let shared = SharedBox::<V>::open(guard.key()).unwrap();
    for _ in 0..times {
        shared.update(|value| value.step(1)).unwrap();
    }
}

fn steps<V: Version>(guard: &Guard, versions: [u32; 2]) -> [u64; 2] {
    let value = SharedBox::<V>::open(guard.key()).unwrap().get().unwrap();
    assert_eq!(value.fault(versions), None, "{versions:?}: {value:?}");
    value.steps()
}

#[test]
fn an_older_program_in_c_goes_on_while_a_newer_one_in_rust_extends_the_segment() {
    const TIMES: u32 = 2000;
    for compiler in Compiler::widths() {
        for c in 1..=4 {
            let program = with_version!(c, station(compiler));
            let start = |guard: &Guard| {
                let times = TIMES.to_string();
                let arguments = [guard.arg(), "0".to_owned(), times];
                Peer::start(
                    program.to_str().unwrap(),
                    arguments.iter().map(String::as_str),
                )
            };
            for rust in c..=4 {
                // Attached before the upgrade, and at work.
                let guard = Guard::new();
                with_version!(c, create(&guard));
                let mut peer = start(&guard);
                peer.expect("open");
                peer.expect("stepped");
                for next in c + 1..=rust {
                    with_version!(next, upgrade(&guard));
                }
                with_version!(rust, step(&guard, TIMES));
                peer.succeed();
                let took = with_version!(rust, steps(&guard, [c, rust]));
                assert_eq!(took, [u64::from(TIMES); 2]);

                // Attached after it.
                let mut peer = start(&guard);
                with_version!(rust, step(&guard, TIMES));
                peer.succeed();
                let took = with_version!(rust, steps(&guard, [c, rust]));
                assert_eq!(took, [2 * u64::from(TIMES); 2]);
                println!("{compiler} version {c}, Rust version {rust}: {took:?} steps, 0 lost");
            }
        }
    }
}

#[test]
fn a_newer_program_in_c_is_told_to_have_the_segment_upgraded() {
    for compiler in Compiler::widths() {
        for c in 2..=4 {
            let program = with_version!(c, station(compiler));
            for rust in 1..c {
                let guard = Guard::new();
                with_version!(rust, create(&guard));
                let before = guard.memory().bytes();
                let output = Command::new(&program)
                    .args([&guard.arg(), "0", "1"])
                    .output()
                    .unwrap();
                let said = String::from_utf8_lossy(&output.stdout);
                assert!(
                    said.contains("-8 the segment holds an earlier version"),
                    "{said}"
                );
                assert_eq!(guard.memory().bytes(), before);
            }
        }
    }
}

/// What a view of this version shows, as the program in C prints it.
fn seen<V: Version>(guard: &Guard) -> String {
    let value = SharedView::<V>::open(guard.key()).unwrap().get().unwrap();
    let [left, right] = value.steps();
    let (flags, mark) = (value.flags().unwrap_or(0), value.mark().unwrap_or(0));
    let total = value.total().unwrap_or(0);
    let (low, high) = (total as u64, (total >> 64) as u64);
    format!("{left} {right} {flags} {low} {high} {mark}")
}

#[test]
fn a_newer_program_in_c_reads_an_older_segment_with_the_defaults_that_a_view_shows() {
    for compiler in Compiler::widths() {
        for c in 2..=4 {
            let program = with_version!(c, station(compiler));
            for rust in 1..c {
                let guard = Guard::new();
                with_version!(rust, create(&guard));
                let mut peer = Peer::start(program.to_str().unwrap(), [&*guard.arg()]);
                let mut look = |times, version| {
                    with_version!(version, step(&guard, times));
                    peer.tell("");
                    peer.expect(&with_version!(c, seen(&guard)));
                };
                look(0, rust);
                look(3, rust);
                // Attached all the while.
                for next in rust + 1..=c {
                    with_version!(next, upgrade(&guard));
                    look(2, next);
                }
                peer.succeed();
            }
        }
    }
}
