//! The programs of the cookbook, as processes: each does what `docs/cookbook.md` says.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use shm_tests::{Guard, Peer, compile_c};

use super::examples::quiet;

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples");
const LIVE_CONFIG: &str = env!("CARGO_BIN_EXE_live_config");
const METRICS: &str = env!("CARGO_BIN_EXE_metrics");
const SINGLE_INSTANCE: &str = env!("CARGO_BIN_EXE_single_instance");
const PROCESS_TABLE: &str = env!("CARGO_BIN_EXE_process_table");

fn run(program: impl AsRef<Path>, arguments: &[&str]) -> Output {
    let mut command = Command::new(program.as_ref());
    command.args(arguments).output().unwrap()
}

/// What a run printed that succeeded.
fn prints(program: impl AsRef<Path>, arguments: &[&str]) -> String {
    let output = run(program, arguments);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// What a run said that failed.
fn fails(program: &str, arguments: &[&str]) -> String {
    let output = run(program, arguments);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn a_file_is_applied_whole_and_programs_follow_it() {
    let guard = Guard::new();
    let key = &guard.arg();
    let file =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("app.{}.conf", std::process::id()));
    let apply = |text: &str| {
        std::fs::write(&file, text).unwrap();
        run(LIVE_CONFIG, &[key, "apply", file.to_str().unwrap()])
    };
    assert!(apply("workers = 8\n").status.success());
    guard.memory();
    let mut user = Peer::start(LIVE_CONFIG, [&**key, "use"]);
    user.expect("version 1: Config { workers: 8, verbose: false, greeting: \"welcome\" }");
    for (text, why) in [
        ("workers = 9\nverbose = perhaps\n", "verbose: "),
        ("workers = 9\nworker = 1\n", "no setting `worker`"),
        ("workers\n", "has no `=`"),
        (
            &format!("greeting = {}", "x".repeat(32)),
            "greeting: text of 32 bytes does not fit",
        ),
    ] {
        let refused = apply(text);
        let said = String::from_utf8(refused.stderr).unwrap();
        assert!(said.contains(why), "{said}");
    }
    let applied = apply("\nverbose = true\n greeting = hello = world \n");
    assert_eq!(applied.stdout, b"version 2 is in force\n");
    user.expect("version 2: Config { workers: 4, verbose: true, greeting: \"hello = world\" }");
    prints(LIVE_CONFIG, &[key, "remove"]);
    assert_eq!(user.succeed(), "");
    std::fs::remove_file(&file).unwrap();
    guard.assert_nothing_left();
}

#[test]
fn a_configuration_in_a_file_outlasts_its_programs_and_is_followed_when_it_is_made_anew() {
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let text = scratch.join(format!("lasting.{}.conf", std::process::id()));
    let place = format!("file:{}.value", text.display());
    let apply = |workers: u32| {
        std::fs::write(&text, format!("workers = {workers}\n")).unwrap();
        prints(LIVE_CONFIG, &[&place, "apply", text.to_str().unwrap()])
    };
    assert_eq!(apply(8), "version 1 is in force\n");
    let mut user = Peer::start(LIVE_CONFIG, [&*place, "use"]);
    user.expect("version 1: Config { workers: 8, verbose: false, greeting: \"welcome\" }");
    // Another file takes the place of the first, as the program that restores a value tells those who read.
    std::fs::rename(&place["file:".len()..], text.with_extension("old")).unwrap();
    assert_eq!(apply(9), "version 1 is in force\n");
    prints(
        LIVE_CONFIG,
        &[
            &format!("file:{}", text.with_extension("old").display()),
            "remove",
        ],
    );
    user.expect("version 1: Config { workers: 9, verbose: false, greeting: \"welcome\" }");
    prints(LIVE_CONFIG, &[&place, "remove"]);
    assert_eq!(user.succeed(), "");
    std::fs::remove_file(&text).unwrap();
}

#[test]
fn what_many_processes_count_is_printed_for_prometheus() {
    let guard = Guard::new();
    let key = &guard.arg();
    let workers = [(); 4].map(|()| Peer::start(METRICS, [&**key, "work", "300"]));
    for mut worker in workers {
        worker.succeed();
    }
    guard.memory();
    let printed = prints(METRICS, &[key, "print"]);
    let sum = (0..300)
        .map(|request| 4 * (request * 7 % 1500))
        .sum::<u32>();
    for line in [
        "# TYPE app_requests_total counter",
        "app_requests_total 1200",
        "app_errors_total 120",
        "app_duration_milliseconds_bucket{le=\"+Inf\"} 1200",
        &format!("app_duration_milliseconds_sum {sum}"),
        "app_duration_milliseconds_count 1200",
    ] {
        assert!(
            printed.lines().any(|printed| printed == line),
            "{line}:\n{printed}"
        );
    }
    prints(METRICS, &[key, "remove"]);
    guard.assert_nothing_left();
}

#[test]
fn a_second_instance_is_told_who_runs_and_starts_once_that_one_has_died() {
    let guard = Guard::new();
    let key = &guard.arg();
    let mut first = Peer::start(SINGLE_INSTANCE, [&**key]);
    first.expect(&format!("process {} is the one", first.pid()));
    guard.memory();
    let said = fails(SINGLE_INSTANCE, &[key]);
    let told = format!("process {} runs already: ", first.pid());
    assert!(said.contains(&told), "{said}");
    first.kill();
    first.finish();
    let mut next = Peer::start(SINGLE_INSTANCE, [&**key]);
    next.expect(&format!("process {} is the one", next.pid()));
    next.succeed();
}

#[test]
fn a_row_is_free_again_when_its_process_ends_however_it_ends() {
    let guard = Guard::new();
    let key = &guard.arg();
    let start = |name| Peer::start(PROCESS_TABLE, [&**key, "work", name]);
    let mut encoder = start("encoder");
    encoder.expect("row 0");
    guard.memory();
    let mut sender = start("sender");
    sender.expect("row 1");
    sender.tell("");
    let row =
        |index, name, peer: &Peer, rest| format!("{index}: {name}, process {}{rest}\n", peer.pid());
    // The beat may be under way.
    let wanted = row(0, "encoder", &encoder, ", 0 beats") + &row(1, "sender", &sender, ", 1 beats");
    while prints(PROCESS_TABLE, &[key, "show"]) != wanted {
        assert!(!sender.has_ended());
    }
    encoder.kill();
    encoder.finish();
    let shown = prints(PROCESS_TABLE, &[key, "show"]);
    assert!(
        shown.starts_with(&row(0, "encoder", &encoder, " (dead), 0 beats")),
        "{shown}"
    );
    let mut other = start("other");
    other.expect("row 0");
    other.succeed();
    let shown = prints(PROCESS_TABLE, &[key, "show"]);
    assert_eq!(shown, row(1, "sender", &sender, ", 1 beats"));
    sender.succeed();
    assert_eq!(prints(PROCESS_TABLE, &[key, "show"]), "");
    prints(PROCESS_TABLE, &[key, "remove"]);
    guard.assert_nothing_left();
}

fn st_pid(key: &str, name: &str) -> String {
    prints(env!("CARGO_BIN_EXE_st_pid"), &["--key", key, name])
}

/// What Go calls, called by C: where there is no Go.
fn people() -> PathBuf {
    let text = format!(
        r#"#include "{EXAMPLES}/cgo/people.c"
#include <stdio.h>

int main(int argc, char **argv)
{{
	people *of;
	int32_t pid;
	uint64_t version;
	char before[51];
	int code = argc == 3 ? people_open((uint32_t)strtoul(argv[1], NULL, 0), &of) : SHMBOX_EINVALID;

	if (code != 0 || (code = people_get(of, &pid, before, &version)) != 0) {{
		fprintf(stderr, "people: %s\n", people_error(code));
		return 1;
	}}
	printf("version %d: pid=%d,name=%s\n", (int)version, (int)pid, before);
	code = people_put(of, argv[2], &version);
	printf("version %d is %s\n", (int)version, argv[2]);
	people_close(of);
	return code != 0;
}}
"#
    );
    let source = Path::new(env!("CARGO_TARGET_TMPDIR")).join("people.c");
    std::fs::write(&source, text).unwrap();
    compile_c(&source, env!("CARGO_TARGET_TMPDIR"))
}

fn shares_st_pid(program: &Path) {
    let guard = Guard::new();
    let key = &guard.arg();
    assert!(
        !run(program, &[key, "bob"]).status.success(),
        "there is no segment"
    );
    st_pid(key, "alice");
    guard.memory();
    let printed = prints(program, &[key, "bob"]);
    let (first, rest) = printed.split_once('\n').unwrap();
    assert!(
        first.starts_with("version 2: pid=") && first.ends_with(",name=alice"),
        "{printed}"
    );
    assert_eq!(rest, "version 3 is bob\n");
    assert!(st_pid(key, "carol").contains("name=bob"));
    let long = "x".repeat(51);
    assert!(!run(program, &[key, &long]).status.success());
}

#[test]
fn the_c_side_of_the_program_in_go_shares_st_pid() {
    shares_st_pid(&people());
}

#[test]
fn the_program_in_go_shares_st_pid() {
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let program = scratch.join("people_in_go");
    let mut build = Command::new("go");
    build
        // A checkout may be another user's, and a user may have no home.
        .args(["build", "-buildvcs=false", "-o"])
        .env("GOCACHE", scratch.join("go-cache"))
        .arg(&program)
        .current_dir(Path::new(EXAMPLES).join("cgo"));
    match build.output() {
        Ok(output) => assert!(output.status.success(), "{output:?}"),
        Err(_) => return eprintln!("SKIPPED: the_program_in_go_shares_st_pid: there is no go"),
    }
    shares_st_pid(&program);
}

#[test]
fn a_closed_pipe_ends_each_program_quietly() {
    let guard = Guard::new();
    let key = &guard.arg();
    let file =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("pipe.{}.conf", std::process::id()));
    std::fs::write(&file, "").unwrap();
    let ended = |program: &str, uses: &[&[&str]]| {
        for arguments in uses {
            quiet(program, &[&[&**key], *arguments].concat());
        }
        guard.memory();
        shm_core::remove(guard.key()).unwrap();
    };
    ended(LIVE_CONFIG, &[&["apply", file.to_str().unwrap()], &["use"]]);
    ended(METRICS, &[&["work", "1"], &["print"]]);
    ended(SINGLE_INSTANCE, &[&[]]);
    ended(PROCESS_TABLE, &[&["work", "a"], &["show"]]);
    std::fs::remove_file(&file).unwrap();
}
