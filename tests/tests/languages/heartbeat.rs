//! The example `heartbeat` in each step of moving over: a monitor, and processes of both languages that are killed and come back.

use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use shm_core::sysv::sem;
use shm_core::{RawBox, SharedLayout};
use shm_tests::{Compiler, Guard, Peer, compile_c};

#[path = "../../../examples/heartbeat/beats.rs"]
#[allow(dead_code, reason = "the example uses all of it")]
mod beats;

use beats::{Beats, Store};

const RUST: &str = env!("CARGO_BIN_EXE_heartbeat");
const OUT: &str = env!("CARGO_TARGET_TMPDIR");

/// The one process that has a row under this name, once it is none of `before`.
fn pid(store: &Store, name: &str, before: i32) -> i32 {
    let start = Instant::now();
    loop {
        let rows = store.get().unwrap().rows;
        let mut own = rows.iter().filter(|row| row.pid != 0 && row.name == *name);
        let only = own.next().filter(|_| own.next().is_none());
        if let Some(row) = only.filter(|row| row.pid != before) {
            return row.pid;
        }
        assert!(
            start.elapsed() < Duration::from_secs(120),
            "{name} does not come: {rows:?}"
        );
        sleep(Duration::from_millis(5));
    }
}

fn kill(pid: i32) {
    let pid = nix::unistd::Pid::from_raw(pid);
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
}

/// Kills each of these programs, under a monitor, and waits until they are back.
fn they_come_back(boxed: bool, programs: &[(&str, String)]) {
    let guard = Guard::new();
    let key = guard.arg();
    let store = Store::open(guard.key(), boxed).unwrap();
    let commands: Vec<String> = programs
        .iter()
        .map(|(name, run)| format!("{name}={} >/dev/null 2>&1", run.replace("KEY", &key)))
        .collect();
    let flag = boxed.then_some("--boxed");
    let arguments = flag.into_iter().chain([&*key, "monitor"]);
    let arguments = arguments.chain(commands.iter().map(String::as_str));
    let mut monitor = Peer::start(RUST, arguments);
    for (name, _) in programs {
        let first = pid(&store, name, 0);
        kill(first);
        let says = format!("{name} (process {first}) has ended: row freed, started again");
        monitor.expect(&says);
        assert_ne!(pid(&store, name, first), first);
    }
    let output = Command::new(RUST)
        .args(flag)
        .args([&*key, "list"])
        .output()
        .unwrap();
    let screen = String::from_utf8(output.stdout).unwrap();
    println!("{screen}");
    assert_eq!(screen.lines().count(), 1 + programs.len(), "{screen}");
    monitor.kill();
    monitor.finish();
    for (name, _) in programs {
        kill(pid(&store, name, 0));
    }
    store.remove().unwrap();
    guard.assert_nothing_left();
}

fn c() -> String {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/c/heartbeat.c");
    compile_c(&source, OUT).display().to_string()
}

#[test]
fn beside_c_programs_the_monitor_brings_back_what_dies() {
    let c = format!("{} KEY alpha 2", c());
    they_come_back(
        false,
        &[("alpha", c), ("beta", format!("{RUST} KEY beat beta 2"))],
    );
}

#[test]
fn where_rust_creates_c_attaches_unchanged() {
    let c = format!("{} KEY alpha 2", c());
    they_come_back(
        true,
        &[
            ("alpha", c),
            ("beta", format!("{RUST} --boxed KEY beat beta 2")),
        ],
    );
}

#[test]
fn with_the_header_c_is_a_full_peer() {
    let place = Path::new(OUT).join(format!("heartbeat.{}", std::process::id()));
    std::fs::create_dir_all(&place).unwrap();
    std::fs::write(place.join("beats.h"), Beats::c_header()).unwrap();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/c/heartbeat_box.c");
    let program = place.join("heartbeat_box");
    let include = format!("-I{}", place.display());
    Compiler::widths()[0].compile(&source, &program, &["-O1", &include]);
    let c = format!("{} KEY gamma 2", program.display());
    they_come_back(
        true,
        &[
            ("gamma", c),
            ("beta", format!("{RUST} --boxed KEY beat beta 2")),
        ],
    );
    std::fs::remove_dir_all(&place).unwrap();
}

/// The C program alone, which makes all itself, and a reader that came to know the struct.
#[test]
fn the_first_step_is_to_read_beside_the_c_program() {
    let guard = Guard::new();
    let mut c = Peer::start(&c(), [&*guard.arg(), "alpha", "2"]);
    let start = Instant::now();
    let view = loop {
        match RawBox::<Beats>::open_read_only(guard.key()) {
            Ok(view) => break view,
            Err(error) => assert!(start.elapsed() < Duration::from_secs(60), "{error}"),
        }
    };
    while view.get().unwrap().rows[0].timeout != 2 {
        assert!(start.elapsed() < Duration::from_secs(60));
    }
    assert_eq!(view.get().unwrap().rows[0].pid, c.pid() as i32);
    assert_eq!(view.info().unwrap().size, size_of::<Beats>());
    let output = Command::new(RUST).args([&*guard.arg(), "read"]).output();
    let screen = String::from_utf8(output.unwrap().stdout).unwrap();
    let own = format!("{}  alpha ", c.pid());
    assert!(
        screen.lines().count() == 2 && screen.contains(&own),
        "{screen}"
    );
    c.kill();
    c.finish();
    // A monitor that comes after its death starts it once.
    let mut monitor = Peer::start(
        RUST,
        [&*guard.arg(), "monitor", "alpha=sleep 60 >/dev/null"],
    );
    monitor.expect(&format!(
        "alpha (process {}) has ended: row freed, started again",
        c.pid()
    ));
    let children = format!("/proc/{0}/task/{0}/children", monitor.pid());
    let children = std::fs::read_to_string(children).unwrap();
    let children: Vec<i32> = children
        .split_whitespace()
        .map(|pid| pid.parse().unwrap())
        .collect();
    monitor.kill();
    children.iter().copied().for_each(kill);
    monitor.finish();
    assert_eq!(children.len(), 1);
    let set = sem::get(
        guard.key(),
        0,
        sem::GetFlags::NONE,
        shm_core::sysv::Mode::new(0),
    )
    .unwrap();
    sem::remove(set).unwrap();
    guard.ipcrm();
}
