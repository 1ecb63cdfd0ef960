//! What the tests stand in: an IPC namespace and a `/dev/shm` of their own, which take all that is left with them.

use std::io::{BufRead, BufReader, Lines, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use assert_cmd::cargo::cargo_bin;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use shm_core::sysv::{Mode, shm};
use shm_core::{FixedStr, Key, SharedBox, SharedLayout};

/// Moves this thread, and the processes that it starts, into namespaces of its own; `false`, and says so, where that is
/// not allowed.
#[must_use]
pub fn own_namespace() -> bool {
    let flags = CloneFlags::CLONE_NEWIPC | CloneFlags::CLONE_NEWNS;
    let nothing = None::<&str>;
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    let entered = unshare(flags)
        .and_then(|()| mount(nothing, "/", nothing, private, nothing))
        .and_then(|()| {
            let (memory, place) = (Some("tmpfs"), "/dev/shm");
            mount(memory, place, memory, MsFlags::empty(), nothing)
        });
    match entered {
        Ok(()) => true,
        Err(errno) => {
            println!("SKIPPED: no namespaces of its own ({errno})");
            false
        }
    }
}

/// Enters a namespace, or ends the test.
macro_rules! in_own_namespace {
    () => {
        if !$crate::space::own_namespace() {
            return;
        }
    };
}
pub(crate) use in_own_namespace;

#[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
#[repr(C)]
pub struct Worker {
    pub pid: i32,
    pub name: FixedStr<20>,
    pub limits: Limits,
    pub moods: [Mood; 3],
}

#[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
#[repr(C)]
pub struct Limits {
    pub cpu: [u16; 4],
    pub memory: f64,
}

#[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
#[repr(u8)]
pub enum Mood {
    Calm = 1,
    Wild = 2,
}

pub fn worker() -> Worker {
    Worker {
        pid: 4711,
        name: FixedStr::new("alice").unwrap(),
        limits: Limits {
            cpu: [1, 2, 3, 4],
            memory: 0.5,
        },
        moods: [Mood::Calm, Mood::Wild, Mood::Calm],
    }
}

pub const KEY: u32 = 0x1234;

pub fn worker_box() -> SharedBox<Worker> {
    SharedBox::create_new(KEY, worker()).unwrap()
}

/// A segment of another program's.
pub fn foreign(key: impl Into<Key>, size: usize) -> shm::Id {
    shm::get(key.into(), size, shm::GetFlags::CREATE, Mode::new(0o600)).unwrap()
}

/// What a run of the program left.
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

pub fn command() -> Command {
    let mut command = Command::new(cargo_bin("shm"));
    command
        .env_remove("NO_COLOR")
        .env("TZ", "UTC")
        .stdin(Stdio::null());
    command
}

pub fn ran(output: Output) -> Ran {
    Ran {
        code: output.status.code().expect("an exit, not a signal"),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Runs `shm` with these arguments.
pub fn shm(arguments: &str) -> Ran {
    ran(command()
        .args(arguments.split_whitespace())
        .output()
        .unwrap())
}

/// Runs it and expects that all goes well; returns what it printed.
pub fn printed(arguments: &str) -> String {
    let ran = shm(arguments);
    assert_eq!((ran.code, &*ran.err), (0, ""), "shm {arguments}");
    ran.out
}

/// Runs it and expects that it fails so: the exit code, and one line that says this.
#[track_caller]
pub fn fails(arguments: &str, code: i32, says: &str) {
    let ran = shm(arguments);
    assert_eq!(ran.code, code, "shm {arguments}: {}", ran.err);
    assert!(ran.err.contains(says), "shm {arguments}: {}", ran.err);
    assert!(
        ran.err.starts_with("shm: ") && ran.err.lines().count() == 1,
        "{}",
        ran.err
    );
    assert!(
        ran.err.contains("; ") || ran.err.contains('?'),
        "a next step: {}",
        ran.err
    );
}

pub fn json(arguments: &str) -> serde_json::Value {
    let answer: serde_json::Value = serde_json::from_str(&printed(arguments)).unwrap();
    assert_eq!(answer["format"], 1);
    answer
}

/// A run of `shm` that goes on, with the lines that it prints.
pub struct Running {
    pub child: Child,
    pub lines: Lines<BufReader<ChildStdout>>,
}

impl Running {
    pub fn start(arguments: &str) -> Running {
        let mut command = command();
        command.args(arguments.split_whitespace());
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Running { child, lines }
    }

    pub fn line(&mut self) -> String {
        self.lines.next().expect("one more line").unwrap()
    }

    pub fn json(&mut self) -> serde_json::Value {
        serde_json::from_str(&self.line()).unwrap()
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).unwrap();
    }

    /// Waits for its end.
    pub fn end(mut self) -> Ran {
        let out = self
            .lines
            .map_while(Result::ok)
            .collect::<Vec<_>>()
            .join("\n");
        let mut err = String::new();
        self.child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut err)
            .unwrap();
        let code = self
            .child
            .wait()
            .unwrap()
            .code()
            .expect("an exit, not a signal");
        Ran { code, out, err }
    }
}

/// The rows of a table, in cells.
pub fn rows(text: &str) -> Vec<Vec<String>> {
    let cells = |line: &str| line.split_whitespace().map(str::to_owned).collect();
    text.lines().map(cells).collect()
}

/// A process that does what one of the roles below says, and then waits until it is dropped, which kills it.
pub struct Peer(pub Child);

impl Peer {
    /// Starts it and waits until it has said that it is ready.
    pub fn start(role: &str) -> Peer {
        Peer::run(&std::env::current_exe().unwrap(), role)
    }

    /// Starts it as a program of this name, which has a place in the folder.
    pub fn called(name: &str, role: &str, folder: &Path) -> Peer {
        let program = folder.join(name);
        // Not a copy: while a file is open for writing, in a child of another test too, it can't be run.
        std::fs::hard_link(std::env::current_exe().unwrap(), &program).unwrap();
        Peer::run(&program, role)
    }

    fn run(program: &Path, role: &str) -> Peer {
        let mut child = Command::new(program)
            .args(["--ignored", "--exact", "--nocapture", "space::plays_a_role"])
            .env("SHM_TOOL_ROLE", role)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.as_mut().unwrap());
        assert!(
            out.lines()
                .map_while(Result::ok)
                .any(|line| line.contains("ready"))
        );
        Peer(child)
    }

    pub fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Ends it by SIGKILL.
    pub fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Not a test: what a [`Peer`] runs.
#[test]
#[ignore = "a role that other tests start"]
fn plays_a_role() {
    let ready = || {
        println!("ready");
        std::io::stdout().flush().unwrap();
        // Until the other end is closed.
        let _ = std::io::stdin().read_line(&mut String::new());
    };
    match &*std::env::var("SHM_TOOL_ROLE").unwrap_or_default() {
        "writer" => {
            let _box = SharedBox::<Worker>::open(KEY).unwrap();
            ready();
        }
        "reader" => {
            let _view = shm_core::SharedView::<Worker>::open(KEY).unwrap();
            ready();
        }
        "holder" => {
            let shared = SharedBox::<Worker>::open(KEY).unwrap();
            let _lock = shared.writer().unwrap();
            ready();
        }
        "holder in memory" => {
            let place = shm_core::Place::posix("/worker");
            let shared = SharedBox::<Worker>::open(place).unwrap();
            let _lock = shared.writer().unwrap();
            ready();
        }
        "holder that calls exec" => {
            let shared = SharedBox::<Worker>::open(KEY).unwrap();
            let _lock = shared.writer().unwrap();
            println!("ready");
            std::io::stdout().flush().unwrap();
            // Another program, which reads until the other end is closed.
            let why = std::os::unix::process::CommandExt::exec(&mut Command::new("cat"));
            panic!("{why}");
        }
        "owner of a row" => {
            let table = shm_core::SharedTable::<Limits>::open(KEY).unwrap();
            let _seat = table.claim(crate::tables::LIMITS).unwrap();
            ready();
        }
        "creator without a key" => {
            foreign(Key::PRIVATE, 4096);
            ready();
        }
        role => assert!(
            crate::pictures::plays(role, ready) || crate::night::plays(role, ready),
            "no such role: {role}"
        ),
    }
}
