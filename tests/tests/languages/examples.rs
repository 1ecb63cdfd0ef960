//! The examples, and one beside its C twin: neither has seen the other's source.

use std::io::{BufRead, BufReader};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use shm_tests::{Guard, compile_c};

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples");

fn rust() -> PathBuf {
    env!("CARGO_BIN_EXE_st_pid").into()
}

fn c() -> PathBuf {
    let source = Path::new(EXAMPLES).join("c/st_pid.c");
    compile_c(&source, env!("CARGO_TARGET_TMPDIR"))
}

fn run(program: &Path, key: &str, arguments: &[&str]) -> Output {
    Command::new(program)
        .args(["--key", key])
        .args(arguments)
        .output()
        .unwrap()
}

/// What a run printed that succeeded, with `<pid>` in place of its own.
fn prints(program: &Path, key: &str, arguments: &[&str]) -> String {
    let output = run(program, key, arguments);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    String::from_utf8(output.stdout).unwrap()
}

/// The names that a run printed; each must stand behind a pid.
fn names(program: &Path, key: &str, arguments: &[&str]) -> Vec<String> {
    let name = |line: &str| {
        let (pid, name) = line
            .strip_prefix("pid=")
            .unwrap()
            .split_once(",name=")
            .unwrap();
        let pid: u32 = pid.parse().unwrap();
        assert_eq!(pid == 0, name.is_empty());
        name.to_owned()
    };
    prints(program, key, arguments).lines().map(name).collect()
}

/// What a run printed that failed.
fn fails(program: &Path, key: &str, arguments: &[&str], code: i32) -> String {
    let output = run(program, key, arguments);
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn each_reads_what_the_other_wrote() {
    let (guard, rust, c) = (Guard::new(), rust(), c());
    let key = &guard.arg();
    assert_eq!(names(&rust, key, &["alice"]), ["", "alice"]);
    guard.memory(); // the C program removes the segment, and knows of no semaphore set
    assert_eq!(names(&c, key, &["bob"]), ["alice", "bob"]);
    assert_eq!(names(&rust, key, &["carol"]), ["bob", "carol"]);
    assert_eq!(names(&c, key, &["--remove"]), ["carol"]);
    assert_eq!(names(&rust, key, &["dave", "--remove"]), ["", "dave"]);
    assert!(fails(&c, key, &["--remove"], 1).contains("shmget"));
    assert!(fails(&rust, key, &["--remove"], 1).contains("shmget"));
}

#[test]
fn the_segment_has_the_mode_of_the_c_program() {
    let (guard, rust) = (Guard::new(), rust());
    prints(&rust, &guard.arg(), &["alice"]);
    let stat = shm_core::sysv::shm::stat(guard.memory().id()).unwrap();
    assert_eq!(stat.mode.bits(), 0o640);
    assert!(stat.size >= 56);
}

#[test]
fn where_the_c_program_came_first_the_error_points_to_raw_box() {
    let (guard, rust, c) = (Guard::new(), rust(), c());
    let key = &guard.arg();
    prints(&c, key, &["bob"]);
    let before = guard.memory().bytes();
    let error = fails(&rust, key, &["alice"], 1);
    assert!(
        error.contains("56 bytes") && error.contains("RawBox"),
        "{error}"
    );
    assert_eq!(guard.memory().bytes(), before);
}

#[test]
fn a_name_that_does_not_fit_changes_nothing() {
    let (guard, rust, c) = (Guard::new(), rust(), c());
    let key = &guard.arg();
    prints(&rust, key, &["alice"]);
    let before = guard.memory().bytes();
    for length in [51, 52, 4000] {
        let long = "x".repeat(length);
        for program in [&rust, &c] {
            let error = fails(program, key, &[&long], 1);
            assert!(
                error.contains(&length.to_string()) && error.contains("50"),
                "{error}"
            );
        }
    }
    assert_eq!(guard.memory().bytes(), before);
    let longest = "x".repeat(50);
    for program in [&c, &rust] {
        assert_eq!(names(program, key, &[&longest]).last().unwrap(), &longest);
    }
}

#[test]
fn misuse_is_told_from_failure_by_the_exit_code() {
    let (guard, rust, c) = (Guard::new(), rust(), c());
    let key = &guard.arg();
    for program in [&rust, &c] {
        for arguments in [
            &[][..],
            &["a", "b"],
            &["--what", "a"],
            &["a", "--sleep", "soon"],
        ] {
            let error = fails(program, key, arguments, 2);
            assert!(error.contains("Usage:"), "{error}");
        }
        assert!(fails(program, "0x12zz", &["a"], 1).contains("no key"));
        assert!(fails(program, "0", &["a"], 1).contains("no key"));
        assert!(prints(program, key, &["--help"]).starts_with("Usage: st_pid"));
    }
    guard.assert_nothing_left();
}

#[test]
fn bytes_that_are_no_text_are_printed_as_well_as_can_be() {
    let (guard, rust, c) = (Guard::new(), rust(), c());
    let key = &guard.arg();
    prints(&rust, key, &["alice"]);
    let memory = guard.memory();
    memory.write(4, &[b'x'; 51]); // no NUL at the end
    assert_eq!(names(&c, key, &["b"]), ["x".repeat(51), "b".into()]);
    memory.write(4, &[b'y'; 51]);
    assert_eq!(names(&rust, key, &["a"]), ["y".repeat(51), "a".into()]);
    memory.write(4, b"caf\xe9\0"); // Latin-1
    assert_eq!(names(&rust, key, &["a"])[0], "caf\u{fffd}");
}

#[test]
fn the_header_that_lies_here_is_the_one_that_is_generated() {
    let output = Command::new(env!("CARGO_BIN_EXE_c_header"))
        .output()
        .unwrap();
    let header = Path::new(EXAMPLES).join("c/st_pid.h");
    assert!(
        String::from_utf8(output.stdout).unwrap() == std::fs::read_to_string(header).unwrap(),
        "write it anew: `cargo run --example c_header > examples/c/st_pid.h`"
    );
}

#[test]
fn with_the_header_c_takes_part_in_the_protocol() {
    let guard = Guard::new();
    let key = guard.arg();
    prints(&rust(), &key, &["alice"]);
    let source = Path::new(EXAMPLES).join("c/st_pid_box.c");
    let program = compile_c(&source, env!("CARGO_TARGET_TMPDIR"));
    let command = || {
        let mut command = Command::new(&program);
        command.env("ST_PID_KEY", &key);
        command
    };
    let mut watcher = command().stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(watcher.stdout.take().unwrap()).lines();
    let mut line = || lines.next().unwrap().unwrap();
    assert!(line().ends_with(",name=alice"));
    let output = command().arg("bob").output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(printed.starts_with("version 2: pid="), "{printed}");
    assert!(printed.ends_with(",name=bob\n"), "{printed}");
    assert!(line().ends_with(",name=bob"));
    assert_eq!(
        names(&rust(), &key, &["--remove", "carol"]),
        ["bob", "carol"]
    );
    // The watcher may meet the removal before the value.
    assert!(watcher.wait().unwrap().success());
}

/// Runs a program whose output goes to a closed pipe, as `| head -n 1` closes it, before the first line already: it must end well
/// and say nothing.
pub(super) fn quiet(program: &str, arguments: &[&str]) {
    let (reader, writer) = UnixStream::pair().unwrap();
    drop(reader);
    let mut command = Command::new(program);
    let output = command
        .args(arguments)
        .stdout(OwnedFd::from(writer))
        .stderr(Stdio::piped());
    let output = output.spawn().unwrap().wait_with_output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert_eq!(complaint, "", "{program} {arguments:?}");
    assert!(output.status.success(), "{program} {arguments:?}");
}

#[test]
fn an_example_whose_output_goes_to_a_closed_pipe_ends_quietly() {
    let guard = Guard::new();
    let key = &guard.arg();
    let other = Guard::new();
    let config = &other.arg();
    quiet(env!("CARGO_BIN_EXE_st_pid"), &["--key", key, "alice"]);
    guard.memory();
    quiet(env!("CARGO_BIN_EXE_st_pid"), &["--help"]);
    for form in [&[][..], &["--python"], &["--c-header"]] {
        quiet(env!("CARGO_BIN_EXE_inspect"), &[form, &[key]].concat());
    }
    quiet(env!("CARGO_BIN_EXE_c_header"), &[]);
    quiet(env!("CARGO_BIN_EXE_config"), &[config, "watch"]);
    quiet(env!("CARGO_BIN_EXE_config"), &[config, "7", "debug"]);
    other.memory();
    quiet(env!("CARGO_BIN_EXE_config"), &[config, "remove"]);
    quiet(env!("CARGO_BIN_EXE_counter"), &[config, "3"]);
    other.memory();
    // What it was told to remove is removed all the same.
    quiet(env!("CARGO_BIN_EXE_st_pid"), &["--key", key, "--remove"]);
    guard.assert_nothing_left();
}
