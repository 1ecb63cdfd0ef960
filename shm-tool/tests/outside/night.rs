//! The night that `docs/operations.md` tells of: a worker killed, a lock held by a stopped process, a semaphore set removed;
//! solved with the program alone. The page has what it prints.

use std::fs;
use std::path::Path;
use std::process::Command;

use shm_core::sysv::sem;
use shm_core::{FixedStr, Inspector, SharedBox};

use crate::debug_info::Folder;
use crate::pictures::StPid;
use crate::space::*;
use crate::terminal::Terminal;

/// The segments of the night, in the order of the page.
const KEYS: [u32; 3] = [0x1234, 0x1235, 0x1236];

/// A process that holds a lock until it is killed, or, of a planner, until it has been stopped and goes on.
pub fn plays(role: &str, ready: impl Fn()) -> bool {
    match role {
        "worker of the night" => {
            let shared = SharedBox::<StPid>::open(KEYS[0]).unwrap();
            let _lock = shared.writer().unwrap();
            ready();
        }
        "planner of the night" => {
            let shared = SharedBox::<StPid>::open(KEYS[1]).unwrap();
            let lock = shared.writer().unwrap();
            println!("ready");
            nix::sys::signal::raise(nix::sys::signal::Signal::SIGSTOP).unwrap();
            drop(lock);
            ready();
        }
        _ => return false,
    }
    true
}

/// Commands of the page, each with what it printed.
fn session() -> Vec<(String, Vec<String>)> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/operations.md");
    let page = fs::read_to_string(page).unwrap();
    let (_, behind) = page.split_once("## At three in the morning").unwrap();
    let (_, block) = behind.split_once("```console\n").unwrap();
    let (block, _) = block.split_once("\n```").unwrap();
    let mut session: Vec<(String, Vec<String>)> = Vec::new();
    for line in block.lines() {
        match line.strip_prefix("$ ") {
            Some(command) => session.push((command.to_owned(), Vec::new())),
            None => session.last_mut().unwrap().1.push(line.to_owned()),
        }
    }
    session
}

/// Words with one blank in between, and the page's numbers for the pids of this run.
fn as_told(text: &str, pids: [u32; 2]) -> Vec<String> {
    let line = |line: &str| {
        let mut words = line.split_whitespace().map(|word| {
            let number: String = word.chars().filter(char::is_ascii_digit).collect();
            // How long it took.
            if word.ends_with("ms") && !number.is_empty() {
                return "100ms".to_owned();
            }
            match pids.iter().position(|pid| number == pid.to_string()) {
                Some(at) => word.replace(&number, ["4711", "4712"][at]),
                None => word.to_owned(),
            }
        });
        let mut told = words.next().unwrap_or_default();
        for word in words {
            told += " ";
            told += &word;
        }
        told
    };
    text.lines()
        .map(line)
        .filter(|line| !line.is_empty())
        .collect()
}

#[test]
fn a_killed_worker_a_stopped_one_and_a_removed_set_are_mended_as_the_page_says() {
    in_own_namespace!();
    let folder = Folder::new("night");
    for (key, pid) in KEYS.into_iter().zip([4711, 4712, 0]) {
        let names = FixedStr::new("alice").unwrap();
        let shared = SharedBox::create_new(key, StPid { pid: 0, names }).unwrap();
        shared.update(|value| value.pid = pid).unwrap();
    }
    let worker = Peer::called("worker", "worker of the night", &folder.0);
    let planner = Peer::called("planner", "planner of the night", &folder.0);
    let pids = [worker.pid(), planner.pid()];
    worker.kill();
    let is_stopped = || {
        let stat = fs::read_to_string(format!("/proc/{}/stat", planner.pid())).unwrap();
        stat.rsplit_once(") ").unwrap().1.starts_with('T')
    };
    while !is_stopped() {
        std::thread::yield_now();
    }
    sem::remove(Inspector::open(KEYS[2]).unwrap().semaphores().unwrap()).unwrap();

    for (line, wanted) in session() {
        let arguments = line.strip_prefix("shm ").unwrap();
        let printed = match wanted.first().and_then(|first| first.rsplit_once("? ")) {
            // It asks, and the answer stands behind the question.
            Some((_, answer)) => {
                let terminal = Terminal::start((24, 120), arguments, &[]);
                terminal.until_there_is("or neither?");
                terminal.keys(&format!("{answer}\r"));
                let (status, printed) = terminal.end();
                assert!(status.success(), "{printed}");
                printed
            }
            None => {
                let mut command = Command::new("sh");
                let program = command_path();
                let output = command.args(["-c", &format!("'{program}' {arguments} 2>&1")]);
                String::from_utf8(output.output().unwrap().stdout).unwrap()
            }
        };
        if std::env::var_os("SHM_DRAW").is_some() {
            println!("$ {line}\n{}", printed.trim_end());
            continue;
        }
        assert_eq!(
            as_told(&printed, pids),
            as_told(&wanted.join("\n"), pids),
            "$ {line}\n{printed}"
        );
    }
}

fn command_path() -> String {
    command().get_program().to_str().unwrap().to_owned()
}
