//! The example `supervisor`: workers in Rust and in C that are killed come back, each in a row of its own.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use shm_tests::{Compiler, Guard, Peer};

const SUPERVISOR: &str = env!("CARGO_BIN_EXE_supervisor");
const OUT: &str = env!("CARGO_TARGET_TMPDIR");

fn output(arguments: &[&str]) -> String {
    let output = Command::new(SUPERVISOR).args(arguments).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Name and pid of each worker that lives, once there are as many and none is one of `before`.
fn workers(key: &str, count: usize, before: &[i32]) -> Vec<(String, i32)> {
    let start = Instant::now();
    loop {
        // While the supervisor is about to make the table, there is none.
        let looked = Command::new(SUPERVISOR).args([key, "screen"]).output();
        let screen = String::from_utf8(looked.unwrap().stdout).unwrap();
        let rows = screen.lines().skip(1).map(|line| line.split_whitespace());
        let live = rows
            .map(Iterator::collect::<Vec<_>>)
            .filter(|words| words[2] == "live");
        let live: Vec<_> = live
            .map(|words| (words[3].to_owned(), words[1].parse().unwrap()))
            .collect();
        if live.len() == count && live.iter().all(|(_, pid)| !before.contains(pid)) {
            return live;
        }
        let waited = start.elapsed();
        assert!(waited < Duration::from_secs(120), "{count}: {screen}");
    }
}

#[test]
fn workers_in_rust_and_in_c_that_are_killed_are_started_again() {
    let place = Path::new(OUT).join(format!("supervisor.{}", std::process::id()));
    std::fs::create_dir_all(&place).unwrap();
    std::fs::write(place.join("worker.h"), output(&["header"])).unwrap();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/c/worker.c");
    let program = place.join("worker_c");
    let include = format!("-I{}", place.display());
    Compiler::widths()[0].compile(&source, &program, &["-O1", &include]);
    let guard = Guard::new();
    let key = guard.arg();
    let c = format!("indexer={} {key} indexer", program.display());
    let mut supervisor = Peer::start(SUPERVISOR, [&*key, "run", "encoder", &c]);
    let mut before = Vec::new();
    for _ in 0..2 {
        let live = workers(&key, 2, &before);
        println!("{}", output(&[&key, "screen"]));
        let mut died = Vec::new();
        for (name, pid) in &live {
            kill(Pid::from_raw(*pid), Signal::SIGKILL).unwrap();
            before.push(*pid);
            died.push(name.clone());
            let said = supervisor.line();
            assert!(said.starts_with(&format!("{name} (row ")), "{said}");
            assert!(said.ends_with(" beats: started again"), "{said}");
        }
        died.sort();
        assert_eq!(died, ["encoder", "indexer"]);
    }
    let live = workers(&key, 2, &before);
    supervisor.kill();
    for (_, pid) in live {
        kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    }
    supervisor.finish();
    output(&[&key, "remove"]);
    guard.assert_nothing_left();
    std::fs::remove_dir_all(&place).unwrap();
}
