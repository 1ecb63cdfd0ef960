//! Values in files between programs in C, Python and Rust: one file, each language at both ends, killed under the lock.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use shm_core::{ErrorKind, SharedBox, SharedLayout};
use shm_tests::{Folder, Home, Ledger, Peer, Python, c_peers, may_unshare};

pub const OUT: &str = env!("CARGO_TARGET_TMPDIR");

fn shared(home: &Home) -> SharedBox<Ledger> {
    SharedBox::create_new(home.place(), Ledger::new(0)).unwrap()
}

pub fn programs() -> impl Iterator<Item = &'static str> {
    c_peers(OUT).iter().map(|path| path.to_str().unwrap())
}

/// What a program says that does something to a file; an empty environment's name stands for none.
pub fn says(
    program: &str,
    action: &str,
    path: &Path,
    number: u64,
    (name, value): (&str, &str),
) -> String {
    let mut command = Command::new(program);
    command.arg(action).arg(path).arg(number.to_string());
    if !name.is_empty() {
        command.env(name, value);
    }
    let output = command.output().unwrap();
    assert!(output.status.code().is_some(), "{output:?}");
    String::from_utf8(output.stdout)
        .unwrap()
        .trim_end()
        .to_owned()
}

fn set_in_c(program: &str, home: &Home, number: u64) -> String {
    says(program, "set", &home.path(), number, ("", ""))
}

#[test]
fn c_and_rust_read_write_and_wake_each_other_in_each_sort_of_file() {
    for home in Home::each() {
        let shared = shared(&home);
        let path = home.path();
        for program in programs() {
            let version = shared.version();
            assert_eq!(set_in_c(program, &home, 7), format!("7 {}", version + 1));
            assert_eq!(shared.snapshot().unwrap().value.number(), 7);
            shared.set(Ledger::new(8)).unwrap();
            assert_eq!(
                says(program, "get", &path, 0, ("", "")),
                format!("8 {}", version + 2)
            );
            // Both wait without a nap: each wakes the other.
            let mut answers = Peer::start(program, ["answer", path.to_str().unwrap(), "100"]);
            answers.expect("ready");
            let mut seen = shared.snapshot().unwrap();
            for round in 0..100 {
                let version = shared.set(Ledger::new(9 + 2 * round)).unwrap();
                let limit = Duration::from_secs(10);
                seen = shared.wait_timeout(version, limit).unwrap().unwrap();
                assert_eq!(seen.value.number(), 10 + 2 * round);
            }
            answers.succeed();
            assert_eq!(shared.version(), seen.version);
        }
        // A waiter is told of a removal.
        let mut waiter = Peer::start(
            programs().next().unwrap(),
            ["wait", path.to_str().unwrap(), "0"],
        );
        waiter.expect("waiting");
        std::fs::remove_file(&path).unwrap();
        let (_, said) = waiter.finish();
        assert!(said.contains(": -9 "), "{said}");
    }
}

#[test]
fn no_update_of_either_language_to_a_file_is_lost_or_torn() {
    const EACH: u64 = 3000;
    let home = Home::file(Folder::new());
    let shared = shared(&home);
    let path = home.path();
    let mut counting: Vec<_> = programs()
        .map(|program| {
            Peer::start(
                program,
                ["count", path.to_str().unwrap(), &EACH.to_string()],
            )
        })
        .collect();
    for _ in 0..EACH {
        shared
            .update(|ledger| *ledger = Ledger::new(ledger.number() + 1))
            .unwrap();
    }
    for peer in &mut counting {
        peer.succeed();
    }
    let all = EACH * (1 + counting.len() as u64);
    assert_eq!(shared.get().unwrap().number(), all);
}

/// With the payload half-written, or about to be.
const STEPS: [&str; 3] = ["lock: taken", "commit: odd", "commit: even"];

#[test]
fn each_language_takes_over_a_file_from_the_other_that_was_killed_under_the_lock() {
    for home in Home::each() {
        let shared = shared(&home);
        for (round, step) in STEPS.iter().enumerate() {
            for program in programs() {
                let path = home.path();
                let killed = Command::new(program)
                    .args(["set", path.to_str().unwrap(), "50"])
                    .env("SHM_STOP", format!("1 {step}"))
                    .status()
                    .unwrap();
                assert_eq!(killed.signal(), Some(9), "{step}");
                let number = 100 + round as u64;
                shared.set(Ledger::new(number)).unwrap();
                assert_eq!(shared.get().unwrap().number(), number);
                // And the other way: Rust holds the lock, and is not reaped until the drop.
                let mut victim =
                    Peer::start(env!("CARGO_BIN_EXE_mortal"), ["hold", &home.arg(), "0"]);
                victim.expect("locked");
                victim.kill();
                let said = set_in_c(program, &home, 200);
                assert!(said.starts_with("200 ") && !said.contains("torn"), "{said}");
                assert_eq!(shared.get().unwrap().number(), 200);
            }
        }
    }
}

/// Two containers that share a volume.
#[test]
fn c_and_rust_judge_each_other_across_namespaces_by_the_file_alone() {
    let options = ["-i", "-m", "-p", "-f", "--kill-child", "--mount-proc"];
    if !may_unshare("c_and_rust_judge_each_other_across_namespaces", &options) {
        return;
    }
    let home = Home::file(Folder::new());
    let shared = shared(&home);
    let path = home.path();
    for program in programs() {
        let command = [program, "hold", path.to_str().unwrap(), "0"];
        let mut victim = Peer::start("unshare", options.into_iter().chain(command));
        victim.expect("locked");
        let mut impatient = SharedBox::<Ledger>::options();
        let impatient = impatient
            .timeout(Duration::from_millis(30))
            .open(home.place());
        let error = impatient.unwrap().set(Ledger::new(1)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
        victim.kill();
        shared.set(Ledger::new(2)).unwrap();
        // And the other way.
        let mut victim = Peer::start(env!("CARGO_BIN_EXE_mortal"), ["hold", &home.arg(), "0"]);
        victim.expect("locked");
        let set = [program, "set", path.to_str().unwrap(), "3"];
        let inside = |limit: &str| {
            let mut command = Command::new("unshare");
            command.args(options).args(set).env("SHM_LIMIT_MS", limit);
            String::from_utf8(command.output().unwrap().stdout).unwrap()
        };
        let said = inside("30");
        assert!(said.contains(": -12 "), "{said}");
        victim.kill();
        let said = inside("5000");
        assert!(said.starts_with("3 "), "{said}");
    }
}

#[test]
fn a_child_of_a_killed_c_program_does_not_keep_its_lock() {
    for program in programs() {
        let home = Home::file(Folder::in_memory());
        let shared = shared(&home);
        let mut parent = Peer::start(program, ["orphan", home.path().to_str().unwrap()]);
        parent.expect("forked");
        parent.kill();
        let judge = SharedBox::<Ledger>::options()
            .timeout(Duration::from_secs(60))
            .open(home.place())
            .unwrap();
        // A copy of the parent's descriptor would keep the lock until the time limit.
        let start = std::time::Instant::now();
        judge.set(Ledger::new(7)).unwrap();
        assert!(start.elapsed() < Duration::from_secs(30));
        // The child goes on by a slot of its own.
        parent.tell("write");
        let (_, said) = parent.finish();
        assert!(said.starts_with("12 "), "{said}");
        assert_eq!(shared.get().unwrap().number(), 12);
    }
}

#[test]
fn a_c_program_that_closes_all_descriptors_keeps_its_lock_and_closes_no_others() {
    for program in programs() {
        let home = Home::file(Folder::new());
        let shared = shared(&home);
        let mut daemon = Peer::start(program, ["shut", home.path().to_str().unwrap()]);
        daemon.expect("shut");
        let impatient = SharedBox::<Ledger>::options()
            .timeout(Duration::from_millis(30))
            .open(home.place())
            .unwrap();
        let error = impatient.set(Ledger::new(0)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
        daemon.tell("go on");
        daemon.succeed();
        assert_eq!(shared.get().unwrap().number(), 2001);
    }
}

/// From the end of a file to the word that says which start of the machine its bytes belong to.
const LIFE_FROM_END: usize = 320 - 80;

#[test]
fn what_can_be_no_home_is_refused_in_words_and_left_as_it_is() {
    let folder = Folder::new();
    let home = Home::file(folder);
    drop(shared(&home));
    let path = home.path();
    let whole = std::fs::read(&path).unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = home.folder().file(name);
        std::fs::write(&path, bytes).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        path
    };
    let link = home.folder().file("link");
    symlink(&path, &link).unwrap();
    let fifo = home.folder().file("fifo");
    assert!(
        Command::new("mkfifo")
            .arg(&fifo)
            .status()
            .unwrap()
            .success()
    );
    let mut old = whole.clone();
    let life = old.len() - LIFE_FROM_END;
    old[life] ^= 1;
    let mut sizes = whole.clone();
    sizes.truncate(whole.len() - 4096);
    let cases = [
        (home.folder().path().to_owned(), -27, "readlink -f"),
        (fifo, -27, "readlink -f"),
        (link, -27, "readlink -f"),
        (home.folder().file("none"), -2, "`ls -l`"),
        (home.folder().file("none/file"), -2, "start the program"),
        // One that every process may write.
        ("/proc/self/comm".into(), -28, "local one"),
        (file("short", &[0; 100]), -3, "another program"),
        (
            file("odd", &whole[..whole.len() - 1]),
            -3,
            "another program",
        ),
        (file("cut", &sizes), -3, "cut the file short"),
        (
            file("shorter", &whole[whole.len() - 4096..]),
            -5,
            "contradicts itself",
        ),
        // A copy is another inode, whose live value counts for nothing.
        (file("copy", &whole), -30, "durable value back"),
        (file("old", &old), -30, "durable value back"),
    ];
    for program in programs() {
        for action in ["get", "set"] {
            for (path, code, words) in &cases {
                if (*code, action) == (-30, "set") {
                    // Who may write brings it back.
                    continue;
                }
                let said = says(program, action, path, 1, ("SHM_LIMIT_MS", "100"));
                assert!(
                    said.contains(&format!(": {code} ")) && said.contains(words),
                    "{path:?}: {said}"
                );
            }
            // Others may write it.
            let exposed = file("exposed", &whole);
            std::fs::set_permissions(&exposed, std::fs::Permissions::from_mode(0o660)).unwrap();
            let said = says(program, action, &exposed, 1, ("", ""));
            assert!(
                said.contains(": -29 ") && said.contains("chmod go-w"),
                "{said}"
            );
            let said = says(program, "get", &exposed, 1, ("SHM_MODE", "0660"));
            assert!(said.contains(": -30 "), "{said}");
            // Rust brings the durable value back, and from then on the copy is one of its own.
            let copy = file("restored", &whole);
            let restored = SharedBox::<Ledger>::open(shm_core::Place::file(&copy)).unwrap();
            assert_eq!(restored.get().unwrap().number(), 0);
            let said = says(program, action, &copy, 1, ("", ""));
            assert!(!said.contains(':'), "{said}");
            std::fs::remove_file(&copy).unwrap();
        }
    }
    assert!(std::fs::read(&path).unwrap() == whole);
}

#[test]
fn python_is_a_peer_in_a_file() {
    let Some(python) = Python::find("python_is_a_peer_in_a_file", OUT) else {
        return;
    };
    python.write("ledger", &Ledger::python_module());
    let program = "
import ledger, os, pickle, sys
path = sys.argv[1]
box = ledger.open(file=path, timeout=0.1)
assert box.get().words == [5] * 61
def six(value):
    value.words = [6] * 61
    value.tag = value.small = 6
assert box.update(six) == box.version() == box.snapshot().version
assert box.wait(box.version(), 0.01) is None
assert pickle.loads(pickle.dumps(box)).get() == box.get()
child = os.fork()
if child == 0:
    box.update(six)
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
with ledger.open(file=path.encode(), read_only=True) as view:
    assert view.get().small == 6
for file, kind, words in ((path + '.none', ledger.NotFound, 'ls -l'), (os.path.dirname(path), ledger.ShmboxError, 'readlink'),
                          (5, TypeError, 'a path is wanted'), ('', ValueError, 'no path')):
    try:
        ledger.open(file=file)
    except kind as error:
        assert words in str(error), error
    else:
        raise AssertionError(file)
for wrong in ({}, {'key': 5, 'file': path}):
    words = 'one of them' if wrong else 'an integer, or text'
    try:
        ledger.open(**wrong)
    except TypeError as error:
        assert words in str(error), error
    else:
        raise AssertionError(wrong)
def hold(value):
    print('locked')
    sys.stdin.readline()
    raise KeyError
seen = box.version()
print('ready')
sys.stdin.readline()
try:
    box.update(hold)
except KeyError:
    pass
print(box.wait(seen, 10).value.small)
";
    for home in Home::each() {
        let shared = SharedBox::create_new(home.place(), Ledger::new(5)).unwrap();
        let path = home.path();
        let start = || {
            let mut peer = python.start(program, &[path.to_str().unwrap()]);
            peer.expect("ready");
            peer.tell("go");
            peer.expect("locked");
            peer
        };
        let killed = start();
        killed.kill();
        shared.set(Ledger::new(5)).unwrap();
        let mut peer = start();
        peer.tell("go on");
        let next = |ledger: &mut Ledger| *ledger = Ledger::new(ledger.number() + 1);
        shared.update(next).unwrap();
        peer.expect("7");
        peer.succeed();
    }
}
