//! Processes in C, with the functions of the generated header, beside processes in Rust: both write,
//! read, wait, die and take over.
#![allow(clippy::unwrap_used, reason = "a test may")]

use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use shm_core::{SharedBox, SharedLayout, SharedView};
use shm_tests::{Compiler, Guard, Ledger, Peer, Stop, c_peer, c_peers};

const OUT: &str = env!("CARGO_TARGET_TMPDIR");

/// Nobody may wait longer: the limit of both sides is 5 s.
const LIMIT: Duration = Duration::from_secs(2);

fn peers() -> &'static [std::path::PathBuf] {
    c_peers(OUT)
}

fn start(program: &Path, action: &str, guard: &Guard, more: &[&str]) -> Peer {
    let key = guard.arg();
    let arguments = [action, &key].into_iter().chain(more.iter().copied());
    Peer::start(program.to_str().unwrap(), arguments)
}

fn run(program: &Path, action: &str, guard: &Guard, more: &[&str]) -> Output {
    let mut command = Command::new(program);
    command.args([action, &guard.arg()]).args(more);
    command.output().unwrap()
}

/// What it printed, if it succeeded.
fn done(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout)
        .trim_end()
        .to_owned()
}

fn shared(guard: &Guard, number: u64) -> SharedBox<Ledger> {
    SharedBox::create_new(guard.key(), Ledger::new(number)).unwrap()
}

#[test]
fn every_compilers_program_reads_and_writes_what_rust_does() {
    for compiler in Compiler::all() {
        let program = c_peer(compiler, OUT);
        let guard = Guard::new();
        let shared = shared(&guard, 1);
        assert_eq!(
            done(&run(&program, "get", &guard, &[])),
            "1 1",
            "{compiler}"
        );
        assert_eq!(done(&run(&program, "set", &guard, &["7"])), "7 2");
        let seen = shared.snapshot().unwrap();
        assert_eq!((seen.value, seen.version), (Ledger::new(7), 2));
        assert_eq!(done(&run(&program, "commit", &guard, &["8"])), "8 4");
        shared.set(Ledger::new(9)).unwrap();
        assert_eq!(done(&run(&program, "get", &guard, &[])), "9 5");
        done(&run(&program, "misuse", &guard, &[]));
        done(&run(&program, "fork", &guard, &[]));
        assert_eq!(shared.get().unwrap().number(), 9 + 1 + 5 + 5);
    }
}

#[test]
fn no_update_of_either_side_is_lost_and_no_reader_sees_a_mixture() {
    const TIMES: u64 = 20_000;
    let guard = Guard::new();
    let shared = shared(&guard, 0);
    let last = TIMES * (peers().len() as u64 * 2 + 1);
    let mut readers = Vec::new();
    let mut writers = Vec::new();
    for program in peers() {
        readers.push(start(program, "watch", &guard, &[&last.to_string()]));
        for _ in 0..2 {
            writers.push(start(program, "count", &guard, &[&TIMES.to_string()]));
        }
    }
    let view = SharedView::<Ledger>::open(guard.key()).unwrap();
    let reads = std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let (mut reads, mut version) = (0_u64, 0);
            loop {
                let seen = view.snapshot().unwrap();
                assert!(seen.version >= version);
                version = seen.version;
                reads += 1;
                if seen.value.number() == last {
                    return reads;
                }
            }
        });
        for _ in 0..TIMES {
            shared
                .update(|ledger| *ledger = Ledger::new(ledger.number() + 1))
                .unwrap();
        }
        for writer in &mut writers {
            writer.succeed();
        }
        reader.join().unwrap()
    });
    let seen = shared.snapshot().unwrap();
    assert_eq!((seen.value.number(), seen.version), (last, last + 1));
    println!("{last} updates, 0 lost; Rust: {reads} reads, 0 torn");
    for reader in &mut readers {
        println!("C: {}", reader.succeed().trim_end());
    }
}

#[test]
fn a_commit_of_one_language_wakes_waiters_of_the_other() {
    // Without wake-ups each round would take a nap of 250 ms on either side.
    const ROUNDS: u64 = 500;
    for program in peers() {
        let guard = Guard::new();
        let shared = shared(&guard, 0);
        let mut peer = start(program, "answer", &guard, &[&ROUNDS.to_string()]);
        peer.expect("ready");
        let start = Instant::now();
        for round in 0..ROUNDS {
            let version = shared.set(Ledger::new(round * 2 + 1)).unwrap();
            let next = shared
                .wait_timeout(version, Duration::from_secs(10))
                .unwrap();
            assert_eq!(next.unwrap().value.number(), round * 2 + 2);
        }
        println!("{ROUNDS} rounds in {:?}", start.elapsed());
        assert!(start.elapsed() < Duration::from_millis(250) * ROUNDS as u32 / 4);
        peer.succeed();
    }
}

#[test]
fn a_waiter_in_c_learns_of_a_removal() {
    for program in peers() {
        let guard = Guard::new();
        let shared = shared(&guard, 0);
        let mut peer = start(program, "wait", &guard, &[]);
        peer.expect("waiting");
        shared.remove().unwrap();
        let (status, said) = peer.finish();
        assert!(
            !status.success() && said.contains("-9 the segment has been removed"),
            "{said}"
        );
    }
}

/// The steps at which a process in C can be stopped, as the header names them.
fn steps() -> Vec<String> {
    let header = Ledger::c_header();
    let steps: BTreeSet<_> = header
        .split("SHMBOX_STOP(\"")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap().to_owned())
        .collect();
    steps.into_iter().collect()
}

/// Has the program do `action`, and says whether it died at `stop`.
fn dies(program: &Path, action: &str, guard: &Guard, number: &str, stop: Option<&Stop>) -> bool {
    let mut command = Command::new(program);
    command.args([action, &guard.arg(), number]);
    if let Some(Stop { point, pass }) = stop {
        command.env("SHM_STOP", format!("{pass} {point}"));
    }
    let output = command.output().unwrap();
    let died = output.status.signal() == Some(9);
    assert!(died || output.status.success(), "{stop:?}: {output:?}");
    died
}

/// Calls `run` with every stop, and for each step with one pass after another, until it says that
/// nobody died.
fn at_each_stop(mut run: impl FnMut(&Stop) -> bool) -> BTreeSet<String> {
    let mut reached = BTreeSet::new();
    for point in steps() {
        for pass in 1.. {
            let stop = Stop {
                point: point.clone(),
                pass,
            };
            if !run(&stop) {
                break;
            }
            reached.insert(point.clone());
        }
    }
    reached
}
