//! Files that programs in C make, bring to the disk and bring back, beside those that Rust does.

use std::fs::File;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use shm_core::{ErrorKind, Place, SharedBox, SharedLayout, SharedView};
use shm_tests::{Folder, Home, Ledger, Peer, Python, may_change_user, may_unshare};

use crate::c_files::{OUT, programs, says};

/// From the end of a file to the word that says which start of the machine its bytes belong to.
const LIFE_FROM_END: u64 = 320 - 80;

/// And to the one that says whether it has been removed.
const STATE_FROM_END: usize = 320 - 136;

/// What a program says that does something to a file, maybe killed at a step.
fn run(program: &str, action: &str, path: &Path, number: u64, stop: Option<&str>) -> String {
    let mut command = Command::new(program);
    command.arg(action).arg(path).arg(number.to_string());
    if matches!(action, "born" | "create") {
        command.arg("640");
    }
    let stop = stop.map(|step| format!("1 {step}"));
    command.envs(stop.iter().map(|step| ("SHM_STOP", step)));
    let output = command.output().unwrap();
    let killed = output.status.signal() == Some(9);
    assert_eq!(killed, stop.is_some(), "{stop:?}: {output:?}");
    String::from_utf8(output.stdout)
        .unwrap()
        .trim_end()
        .to_owned()
}

fn of_another_boot(path: &Path) {
    let file = File::options().read(true).write(true).open(path).unwrap();
    let at = file.metadata().unwrap().len() - LIFE_FROM_END;
    let mut word = [0];
    file.read_exact_at(&mut word, at).unwrap();
    file.write_all_at(&[word[0] ^ 1], at).unwrap();
}

fn snapshots(bytes: &[u8]) -> Vec<usize> {
    let blocks = (0..bytes.len()).step_by(4096);
    blocks
        .filter(|at| bytes[*at..].starts_with(b"SHMSNAP\n"))
        .collect()
}

#[test]
fn what_c_makes_at_a_path_is_what_rust_would_have_made() {
    for program in programs() {
        for (mine, other) in Home::files().into_iter().zip(Home::files()) {
            let path = mine.path();
            assert_eq!(run(program, "create", &path, 7, None), "true 7 1");
            let rusts = SharedBox::options()
                .mode(0o640)
                .create_new(other.place(), Ledger::new(7));
            drop(rusts.unwrap());
            let [mine_bytes, rusts] = [&mine, &other].map(|home| {
                let mut bytes = std::fs::read(home.path()).unwrap();
                let control = bytes.len() - 320;
                // What each creation has its own of: unique, the number of claims, life.
                bytes[control + 32..control + 40].fill(0);
                bytes[control + 68..control + 72].fill(0);
                bytes[control + 80..control + 88].fill(0);
                let [first] = snapshots(&bytes)[..] else {
                    panic!("one snapshot")
                };
                bytes[first + 8..first + 16].fill(0);
                bytes[first + 56..first + 64].fill(0);
                bytes
            });
            assert!(mine_bytes == rusts);
            let mode = path.metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o7777, 0o640);
            assert!(run(program, "create", &path, 9, None).contains(": -26 "));
            assert_eq!(run(program, "born", &path, 9, None), "false 7 1");
            let shared = SharedBox::<Ledger>::open(mine.place()).unwrap();
            assert_eq!(shared.set(Ledger::new(8)).unwrap(), 2);
            assert_eq!(says(program, "get", &path, 0, ("", "")), "8 2");
            assert_eq!(mine.folder().names(), ["state"]);
        }
    }
}

#[test]
fn where_c_can_make_no_file_it_says_why_and_leaves_nothing() {
    let folder = Folder::new();
    std::os::unix::fs::symlink("elsewhere", folder.file("link")).unwrap();
    for program in programs() {
        for (path, words) in [
            (folder.file("none/state"), "(errno 2)"),
            (folder.path().join(""), ": -27 "),
            (folder.path().to_owned(), ": -27 "),
            (folder.file("link"), ": -27 "),
            ("/proc/state".into(), ": -"),
        ] {
            for action in ["born", "create"] {
                let said = run(program, action, &path, 1, None);
                let exists = action == "create" && said.contains(": -26 ");
                assert!(said.contains(words) || exists, "{path:?}: {said}");
            }
        }
        for action in ["born", "create"] {
            let output = Command::new(program)
                .arg(action)
                .arg(folder.file("shut"))
                .args(["1", "60"])
                .output();
            let said = String::from_utf8(output.unwrap().stdout).unwrap();
            assert!(said.contains(": -21 ") && said.contains("mode"), "{said}");
        }
        assert_eq!(folder.names(), ["link"]);
    }
}

/// On a file system of the test's own, mounted in a namespace of its own.
#[test]
fn where_the_disk_is_full_c_makes_no_file_and_closes_what_it_has_opened() {
    if !may_unshare("a full file system for C", &["-m"]) {
        return;
    }
    let folder = Folder::new();
    let script = "mount -t tmpfs -o size=16k none \"$0\" || exit 9
        \"$1\" create \"$0/state\" 1 640; echo left: $(ls -A \"$0\")";
    for program in programs() {
        let mut command = Command::new("unshare");
        command.args(["-m", "sh", "-c", script]).arg(folder.path());
        let output = command.arg(program).output().unwrap();
        if output.status.code() == Some(9) {
            eprintln!("SKIPPED: a full file system for C: nothing can be mounted");
            return;
        }
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(said.starts_with("open: "), "{output:?}");
        assert!(said.ends_with("(errno 28)\nleft:\n"), "{output:?}");
    }
}

#[test]
fn a_file_is_born_whole_or_not_at_all_wherever_its_creator_in_c_dies() {
    for home in Home::files() {
        for program in programs() {
            for step in [
                "birth: payload cleared",
                "birth: header written",
                "persist: begun",
                "persist: written",
                "file birth: filled",
                "file birth: named",
            ] {
                run(program, "born", &home.path(), 7, Some(step));
                let is_there = step == "file birth: named";
                assert_eq!(home.folder().names().len(), usize::from(is_there), "{step}");
                let shared = SharedBox::open_or_create(home.place(), || Ledger::new(8)).unwrap();
                assert_eq!(shared.get().unwrap().number(), 8 - u64::from(is_there));
                shared.remove().unwrap();
            }
        }
    }
}

#[test]
fn after_births_in_c_killed_at_any_instant_the_path_is_usable_and_nothing_else_lies_there() {
    let full = std::env::var_os("SHM_FULL").is_some();
    let rounds = if full { 250 } else { 10 };
    let mut noise = u64::from(std::process::id()) | 1;
    for home in Home::files() {
        let path = home.path();
        for round in 0..rounds {
            for program in programs() {
                let args = ["born", path.to_str().unwrap(), "7", "640"];
                let peers = [(); 2].map(|()| Peer::start(program, args));
                noise ^= noise << 13;
                noise ^= noise >> 7;
                noise ^= noise << 17;
                // No time that must be long enough: any will do.
                std::thread::sleep(Duration::from_micros(noise % 3000));
                peers.iter().for_each(Peer::kill);
                drop(peers);
                let left = home.folder().names();
                assert!(left.is_empty() || left == ["state"], "{round}: {left:?}");
                let shared = SharedBox::open_or_create(home.place(), || Ledger::new(7)).unwrap();
                assert_eq!(shared.get().unwrap().number(), 7);
                shared.remove().unwrap();
            }
        }
    }
}

#[test]
fn c_brings_to_the_disk_and_back_what_rust_does() {
    for home in Home::each() {
        let path = home.path();
        for program in programs() {
            let get = || says(program, "get", &path, 0, ("", ""));
            let set = |number| says(program, "set", &path, number, ("", ""));
            assert_eq!(run(program, "born", &path, 4, None), "true 4 1");
            assert_eq!(says(program, "persist", &path, 5, ("", "")), "5 2");
            of_another_boot(&path);
            // A view changes nothing.
            let said = get();
            assert!(
                said.contains(": -30 ") && said.contains("for writing"),
                "{said}"
            );
            let view = SharedView::<Ledger>::open(home.place()).unwrap();
            assert_eq!(view.snapshot().unwrap().value.number(), 5);
            // What was set behind that is lost, and its version is given again.
            let said = run(program, "set", &path, 8, Some("file: restored"));
            assert!(said.is_empty(), "{said}");
            assert_eq!(set(9), "9 3");
            // It is told to open it again.
            assert_eq!(view.get().unwrap_err().kind(), ErrorKind::Removed);
            // The last one that closed it has made that durable.
            of_another_boot(&path);
            let shared = SharedBox::<Ledger>::open(home.place()).unwrap();
            assert_eq!(shared.get().unwrap().number(), 9);
            shared.set(Ledger::new(10)).unwrap();
            shared.persist().unwrap();
            std::mem::forget(shared);
            drop(view);
            // A copy has the durable value, and the one before that if it is torn.
            let copy = home.folder().file("copy");
            for (wrong, found) in [(0, Some("10 4")), (1, Some("9 3")), (2, None)] {
                let mut bytes = std::fs::read(&path).unwrap();
                let mut both = snapshots(&bytes);
                let version = |at: &usize| bytes[at + 16];
                both.sort_by_key(|at| u8::MAX - version(at));
                for at in &both[..wrong] {
                    bytes[at + 700] ^= 1;
                }
                std::fs::write(&copy, bytes).unwrap();
                let first = says(program, "add", &copy, 0, ("", ""));
                let said = says(program, "get", &copy, 0, ("", ""));
                match found {
                    // `add` raises the version.
                    Some(found) => {
                        let (value, version) = found.split_once(' ').unwrap();
                        let version = version.parse::<u64>().unwrap() + 1;
                        assert_eq!(said, format!("{value} {version}"), "{first}");
                    }
                    None => assert!(
                        first.contains(": -30 ") && first.contains("from a backup"),
                        "{first}"
                    ),
                }
                std::fs::remove_file(&copy).unwrap();
            }
            shm_core::remove(home.place()).unwrap();
        }
    }
}

#[test]
fn what_c_has_opened_goes_to_the_disk_after_its_process_has_given_up_its_rights() {
    if !may_change_user("a file of another user from C") {
        return;
    }
    let home = Home::file(Folder::new());
    let path = home.path();
    for program in programs() {
        assert_eq!(run(program, "born", &path, 4, None), "true 4 1");
        let as_nobody = ("SHM_USER", "nobody");
        assert_eq!(says(program, "persist", &path, 5, as_nobody), "5 2");
        of_another_boot(&path);
        // The last that closes it does the same.
        assert_eq!(says(program, "set", &path, 8, as_nobody), "8 3");
        of_another_boot(&path);
        let shared = SharedBox::<Ledger>::open(home.place()).unwrap();
        assert_eq!(shared.get().unwrap().number(), 8);
        shared.remove().unwrap();
    }
}

/// It would be taken for one that is torn, and an older one for the newest.
#[test]
fn c_that_has_no_memory_for_a_snapshot_says_so_and_restores_nothing() {
    let home = Home::file(Folder::new());
    let path = home.path();
    for program in programs() {
        assert_eq!(run(program, "born", &path, 4, None), "true 4 1");
        assert_eq!(says(program, "persist", &path, 5, ("", "")), "5 2");
        of_another_boot(&path);
        let before = std::fs::read(&path).unwrap();
        let said = says(program, "set", &path, 6, ("SHM_MOST_BYTES", "300"));
        assert!(
            said.starts_with("open: -1 ") && said.ends_with("(errno 12)"),
            "{said}"
        );
        assert_eq!(std::fs::read(&path).unwrap()[..128], before[..128]);
        assert_eq!(says(program, "set", &path, 6, ("", "")), "6 3");
        shm_core::remove(home.place()).unwrap();
    }
}

#[test]
fn a_removed_file_that_was_put_back_under_its_name_is_in_no_births_way_in_c() {
    for home in Home::files() {
        let path = home.path();
        let shared = SharedBox::create_new(home.place(), Ledger::new(4)).unwrap();
        let mut removed = std::fs::read(&path).unwrap();
        shared.remove().unwrap();
        drop(shared);
        let state = removed.len() - STATE_FROM_END;
        removed[state] = 2;
        for program in programs() {
            for action in ["born", "create"] {
                std::fs::write(&path, &removed).unwrap();
                assert_eq!(run(program, action, &path, 7, None), "true 7 1");
                shm_core::remove(home.place()).unwrap();
            }
            // What was opened for a birth that can't go on is closed, too.
            std::fs::write(&path, &removed).unwrap();
            let limited = "ulimit -f 1; exec \"$0\" \"$@\"";
            let mut born = Command::new("sh");
            born.args(["-c", limited, program, "born"]).arg(&path);
            let said = born.args(["7", "640"]).output().unwrap().stdout;
            let said = String::from_utf8(said).unwrap();
            assert!(said.starts_with("open: -1 "), "{said}");
            assert!(said.ends_with("(errno 27)\n"), "{said}");
            // What is no tombstone stays.
            std::fs::write(&path, &removed[..removed.len() - 64]).unwrap();
            let said = run(program, "create", &path, 7, None);
            assert!(said.contains(": -26 "), "{said}");
            std::fs::remove_file(&path).unwrap();
        }
    }
}

#[test]
fn python_says_where_the_last_box_that_is_closed_can_t_bring_the_value_to_the_disk() {
    let Some(python) = Python::find("python_says_where_the_last_box", OUT) else {
        return;
    };
    python.write("ledger", &Ledger::python_module());
    let program = "
import ledger, resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
box = ledger.open(file=sys.argv[1])
value = box.get()
value.small += 1
box.set(value)
limits = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
try:
    box.close()
except ledger.ShmboxError as error:
    assert 'too large' in str(error), error
    print('told')
try:
    box.get()
except ledger.ShmboxError as error:
    assert 'is closed' in str(error), error
box.close()
";
    let home = Home::file(Folder::new());
    let shared = SharedBox::create_new(home.place(), Ledger::new(4)).unwrap();
    drop(shared);
    let mut peer = python.start(program, &[home.path().to_str().unwrap()]);
    assert_eq!(peer.line(), "told");
    peer.succeed();
    // The slot was given back all the same.
    let shared = SharedBox::<Ledger>::open(home.place()).unwrap();
    assert_eq!(shared.writers().unwrap().len(), 1);
    shared.remove().unwrap();
}

/// A disk that fails then: what `persist` answers of a copy would be true of its original alone.
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
#[test]
fn what_c_restores_is_brought_to_the_disk_before() {
    let home = Home::file(Folder::new());
    let path = home.path();
    for program in programs() {
        assert_eq!(run(program, "born", &path, 4, None), "true 4 1");
        of_another_boot(&path);
        // `fdatasync` of a program of 32 bits, and of 64.
        let is_short = std::fs::read(program).unwrap()[4] == 1;
        let call = if is_short { "148" } else { "75" };
        let output = Command::new(env!("CARGO_BIN_EXE_peer"))
            .args(["exec-without", call, "5", program, "set"])
            .args([path.as_os_str(), "5".as_ref()])
            .output()
            .unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        if said.starts_with("filtered") {
            assert!(
                said.contains("open: -1 ") && said.contains("errno 5"),
                "{said}"
            );
        } else {
            eprintln!("SKIPPED: no seccomp filter is to be had here");
        }
        assert_eq!(says(program, "set", &path, 6, ("", "")), "6 2");
        SharedBox::<Ledger>::open(home.place())
            .unwrap()
            .remove()
            .unwrap();
    }
}

#[test]
fn of_many_that_open_a_file_after_a_restart_one_brings_the_value_back_and_no_later_update_is_lost()
{
    let home = Home::file(Folder::new());
    let path = home.path();
    drop(SharedBox::create_new(home.place(), Ledger::new(0)).unwrap());
    let mut counted = 0;
    for _ in 0..5 {
        of_another_boot(&path);
        let args = ["count", path.to_str().unwrap(), "5"];
        let start = |program| Peer::start(program, args);
        let mut peers: Vec<_> = programs().chain(programs()).map(start).collect();
        let shared = SharedBox::<Ledger>::open(home.place()).unwrap();
        for _ in 0..5 {
            shared
                .update(|ledger| *ledger = Ledger::new(ledger.number() + 1))
                .unwrap();
        }
        for peer in &mut peers {
            peer.succeed();
        }
        counted += 5 * (1 + peers.len() as u64);
        assert_eq!(shared.get().unwrap().number(), counted);
    }
}

#[test]
fn python_makes_files_and_segments_and_brings_values_to_the_disk_and_back() {
    let name = "python_makes_files_and_segments";
    let Some(python) = Python::find(name, OUT) else {
        return;
    };
    python.write("ledger", &Ledger::python_module());
    let program = "
import ledger, sys
place, number = sys.argv[1], int(sys.argv[2])
value = ledger.Ledger()
value.words = [number] * 61
value.tag = value.small = number
where = {'file': place} if place[0] == '/' else {'key': place}
box = ledger.open(first=value, mode=0o640, **where)
print(box.get().small, box.version())
def next(value):
    value.words = [number + 1] * 61
    value.tag = value.small = number + 1
box.update(next)
box.persist()
box.close()
try:
    ledger.open(first=5, **where)
except TypeError as error:
    assert 'a Ledger is wanted' in str(error), error
";
    let run = |place: &str, number: &str| {
        let mut peer = python.start(program, &[place, number]);
        let said = peer.line();
        peer.succeed();
        said
    };
    let bare = Folder::new();
    let mut peer = python.start(
        "import ledger, sys; ledger.open(file=sys.argv[1], first=ledger.Ledger()).close()",
        &[bare.file("state").to_str().unwrap()],
    );
    peer.succeed();
    // Where no mode is named, its creator's own.
    let mode = bare.file("state").metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
    let home = Home::file(Folder::new());
    let path = home.path();
    assert_eq!(run(path.to_str().unwrap(), "5"), "5 1");
    of_another_boot(&path);
    assert_eq!(run(path.to_str().unwrap(), "9"), "6 2");
    of_another_boot(&path);
    let shared = SharedBox::<Ledger>::open(Place::file(&path)).unwrap();
    assert_eq!(shared.get().unwrap().number(), 10);
    assert_eq!(home.folder().names(), ["state"]);
    let guard = shm_tests::Guard::new();
    let key = guard.key().to_string();
    assert_eq!(run(&key, "5"), "5 1");
    let shared = SharedBox::<Ledger>::open(guard.key()).unwrap();
    assert_eq!(shared.get().unwrap().number(), 6);
}
