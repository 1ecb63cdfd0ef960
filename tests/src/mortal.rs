//! Processes that die at a named step of the protocol, and a world of System V objects of their own
//! to die in.

use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use shm_core::SharedLayout;
use shm_core::sysv::{sem, shm};

use crate::{Guard, Peer};

/// A value of two halves, stored one at a time.
#[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
#[repr(C)]
pub struct Halves {
    /// The mortal's.
    pub left: [u64; 4],
    /// The survivor's.
    pub right: [u64; 4],
}

/// A value that fills its segment.
#[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
#[repr(C)]
pub struct Small {
    /// All of one number.
    pub words: [u64; 8],
}

/// The program `mortal`, built so that it has stop points.
///
/// That takes another build of the library, which has a target directory of its own: a `cfg` on the
/// command line is for all crates. `SHM_MORTAL` names one that is built already, for a user who may
/// not build there.
pub fn mortal() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        if let Some(built) = std::env::var_os("SHM_MORTAL") {
            return built.into();
        }
        let program = Path::new(env!("CARGO_MANIFEST_DIR"));
        let target = target_directory().join("stop-points");
        let triple = triple();
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let status = Command::new(cargo)
            .current_dir(program)
            .args([
                "build",
                "--quiet",
                "--locked",
                "--offline",
                "--bin",
                "mortal",
            ])
            .args(triple.iter().flat_map(|triple| ["--target", triple]))
            .env("RUSTFLAGS", "--cfg shm_stop_points")
            .env_remove("CARGO_ENCODED_RUSTFLAGS")
            .env("CARGO_TARGET_DIR", &target)
            .status()
            .expect("cargo runs these tests, so it is there");
        assert!(status.success(), "the build with stop points: {status}");
        target.join(triple.unwrap_or_default()).join("debug/mortal")
    })
}

/// The directory in which this program was built.
fn target_directory() -> PathBuf {
    let program = std::env::current_exe().expect("the kernel tells");
    program
        .ancestors()
        .find(|directory| directory.join("CACHEDIR.TAG").exists())
        .unwrap_or(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../target")))
        .to_owned()
}

/// What this program was built for, if that was named (`--target`): cargo puts it into a directory of that name.
fn triple() -> Option<String> {
    let program = std::env::current_exe().expect("the kernel tells");
    let below = program.strip_prefix(target_directory()).ok()?;
    let first = below.iter().next()?.to_str()?;
    first.contains("-linux-").then(|| first.to_owned())
}

/// The names of all stop points, as the calls in the library's source have them.
pub fn stop_points() -> Vec<String> {
    // Callers let it die within time limits, none of which shall pass while it is built.
    mortal();
    let protocol = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shm-core/src/protocol");
    let mut points = BTreeSet::new();
    find_points(&protocol, &mut points);
    assert!(!points.is_empty(), "the source is where it was built from");
    points.into_iter().collect()
}

/// Gathers those of a folder. Models of it, and its tests, have none.
fn find_points(folder: &Path, points: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).expect("the source is there") {
        let path = entry.expect("it can be read").path();
        if path.is_dir() {
            find_points(&path, points);
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("source is text");
        let code = text
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"));
        let calls = code.flat_map(|line| line.split("stop!(\"").skip(1));
        points.extend(calls.filter_map(|call| Some(call.split_once('"')?.0.to_owned())));
    }
}

/// Where a process is to die: when it passes this point for the n-th time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stop {
    /// The point's name.
    pub point: String,
    /// 1 for the first time.
    pub pass: u32,
}

/// Has `mortal` do `action` to the guard's segment, and says whether it died at `stop`. Removes the
/// semaphore set that this left behind with nothing that leads to it.
///
/// # Panics
///
/// If it ended in any other way than by that death or in success.
pub fn dies(action: &str, guard: &Guard, size: usize, number: u64, stop: Option<&Stop>) -> bool {
    dies_at(action, &guard.arg(), size, number, stop)
}

/// The same for any place.
///
/// # Panics
///
/// If it ended in any other way than by that death or in success.
pub fn dies_at(action: &str, place: &str, size: usize, number: u64, stop: Option<&Stop>) -> bool {
    let mut command = Command::new(mortal());
    command.args([action, place, &size.to_string(), &number.to_string()]);
    if let Some(Stop { point, pass }) = stop {
        command.env("SHM_STOP", format!("{pass} {point}"));
    }
    let output = command.output().expect("it was built");
    let died = output.status.signal() == Some(9);
    assert!(
        died || output.status.success(),
        "{action}, to die at {stop:?}: {output:?}"
    );
    if let Some(set) = left_by(&String::from_utf8_lossy(&output.stderr)) {
        sem::remove(set).expect("its creator, who was this user, is dead");
    }
    died
}

/// Starts a process that stops itself at a step (`SIGSTOP`), and waits until it has.
///
/// # Panics
///
/// If it ends before.
pub fn held_at(point: &str, arguments: &[&str]) -> Peer {
    let stop = [
        format!("SHM_STOP=1 {point}"),
        format!("SHM_STOP_SIGNAL={}", Signal::SIGSTOP as i32),
    ];
    let program = mortal().to_str().expect("its path is text");
    let before = [&*stop[0], &stop[1], program];
    let held = Peer::start("env", before.into_iter().chain(arguments.iter().copied()));
    let pid = Pid::from_raw(held.pid() as i32);
    let stopped = waitpid(pid, Some(WaitPidFlag::WUNTRACED));
    assert_eq!(stopped, Ok(WaitStatus::Stopped(pid, Signal::SIGSTOP)));
    held
}

/// The set that a dying process says it leaves.
fn left_by(said: &str) -> Option<sem::Id> {
    let id = said.trim().strip_prefix("leaves semaphore set ")?;
    Some(sem::Id::from_raw(id.parse().ok()?))
}

/// The segments of this IPC namespace that have not been removed.
pub fn segments() -> BTreeSet<i32> {
    shm::segments()
        .expect("the kernel tells")
        .filter_map(Result::ok)
        .filter(|(_, stat)| !stat.dest)
        .map(|(id, _)| id.as_raw())
        .collect()
}

/// Calls `run` with every stop, and for each point with one pass after another, until it says that
/// none died. Returns the points at which one did.
pub fn at_each_stop(points: &[String], mut run: impl FnMut(&Stop) -> bool) -> BTreeSet<String> {
    let mut reached = BTreeSet::new();
    for point in points {
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

/// The semaphore sets of this IPC namespace.
pub fn semaphore_sets() -> BTreeSet<i32> {
    sem::sets()
        .expect("the kernel tells")
        .filter_map(Result::ok)
        .map(|(id, _)| id.as_raw())
        .collect()
}
