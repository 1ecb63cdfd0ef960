//! Births that succeed, that come too late, that can't be, and that are killed.
#![allow(clippy::unwrap_used, reason = "a failure is the test's")]

use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::*;
use crate::home::file::tests::Scratch;

const LEN: usize = 40_000;

/// A file of `LEN` bytes `byte`.
fn create(path: &Path, byte: u8) -> Result<Option<FileHome>, Error> {
    create_whole(path, 0o640, None, LEN as u64, |home| {
        assert_eq!(home.len(), LEN);
        // SAFETY: so many bytes lie in the mapping, which may be written to, and nothing else uses it.
        unsafe { home.as_ptr().write_bytes(byte, LEN) };
        Ok(())
    })
}

#[test]
fn a_file_is_born_whole_and_once() {
    for scratch in [Scratch::new(), Scratch::in_memory()] {
        let path = scratch.path("file");
        let Ok(Some(born)) = create(&path, 1) else {
            panic!("there was nothing");
        };
        assert!(matches!(create(&path, 2), Ok(None)));
        assert_eq!(fs::read(&path).unwrap(), [1; LEN]);
        let found = path.metadata().unwrap();
        assert_eq!((found.mode() & 0o7777, found.nlink()), (0o640, 1));
        assert!(found.blocks() * 512 >= LEN as u64, "room for each byte");
        assert!(born.description().is_at(&path).unwrap());
        // SAFETY: the byte lies in the mapping.
        unsafe { born.as_ptr().add(LEN - 1).write_volatile(9) };
        assert_eq!(fs::read(&path).unwrap()[LEN - 1], 9);
        assert_eq!(scratch.names(), ["file"]);
    }
}

#[test]
fn of_many_births_at_once_one_succeeds() {
    let scratch = Scratch::new();
    let path = scratch.path("file");
    let made = std::thread::scope(|scope| {
        let births: Vec<_> = (1..=8)
            .map(|byte| {
                let path = &path;
                scope.spawn(move || matches!(create(path, byte), Ok(Some(_))))
            })
            .collect();
        births
            .into_iter()
            .filter_map(|birth| birth.join().ok())
            .filter(|&new| new)
            .count()
    });
    assert_eq!(made, 1);
    let bytes = fs::read(&path).unwrap();
    assert!(bytes.len() == LEN && bytes.iter().all(|byte| *byte == bytes[0]));
    assert_eq!(scratch.names(), ["file"]);
}

#[test]
fn what_fails_on_the_way_leaves_nothing() {
    let scratch = Scratch::new();
    let path = scratch.path("file");
    let refused = || Error::early("fill", &path, "no value", "");
    let made = create_whole(&path, 0o600, None, 100, |_| Err(refused()));
    assert!(matches!(made, Err(error) if error.to_string().contains("no value")));
    assert!(scratch.is_empty());
}

#[test]
fn paths_and_sizes_that_can_not_be_are_refused() {
    let scratch = Scratch::new();
    scratch.file("file", b"");
    for (path, words) in [
        (scratch.path("none/file"), "mkdir -p"),
        (scratch.path("file/x"), "is no directory"),
        (scratch.path(".."), "no name of a file"),
        (scratch.path("new/"), "no name of a file"),
        (scratch.path(&"n".repeat(300)), "too long"),
        ("/".into(), "no name of a file"),
    ] {
        let text = create(&path, 1).err().unwrap().to_string();
        assert!(text.contains(words), "{text}");
    }
    // To root the kernel says that there is no such file.
    let error = create(Path::new("/proc/file"), 1).err().unwrap();
    assert!(
        matches!(error.kind(), Kind::NotFound | Kind::Denied),
        "{error}"
    );
    let path = scratch.path("huge");
    let error = create_whole(&path, 0o600, None, 1 << 60, |_| Ok::<_, Error>(()))
        .err()
        .unwrap();
    assert!(
        matches!(error.raw_os_error(), Some(libc::EFBIG | libc::ENOSPC)),
        "{error}"
    );
    assert_eq!(scratch.names(), ["file"]);
}

/// Run by the tests below, in a process of its own.
#[test]
#[ignore = "a part of other tests"]
fn child() {
    let Some(task) = std::env::var_os("SHM_CORE_TEST_BIRTH") else {
        return;
    };
    let path = std::path::PathBuf::from(std::env::var_os("SHM_CORE_TEST_PATH").unwrap());
    match task.to_str().unwrap() {
        "forever" => loop {
            if create(&path, 7).unwrap().is_some() {
                let bytes = fs::read(&path).unwrap();
                assert!(bytes.len() == LEN && bytes.iter().all(|byte| *byte == 7));
                fs::remove_file(&path).unwrap();
            }
        },
        "crowded" => {
            let mut open = Vec::new();
            while let Ok(file) = File::open("/dev/null") {
                open.push(file);
            }
            let error = create(&path, 7).err().unwrap();
            drop(open);
            println!("<<{error}>>");
        }
        "once" => match create(&path, 7) {
            Err(error) => println!("<<{error}>>"),
            Ok(_) => println!("<<made>>"),
        },
        other => panic!("{other}"),
    }
}

fn with_task<'a>(command: &'a mut Command, task: &str, path: &Path) -> &'a mut Command {
    command
        .env("SHM_CORE_TEST_BIRTH", task)
        .env("SHM_CORE_TEST_PATH", path)
        .stdout(Stdio::piped())
}

const CHILD: &[&str] = &[
    "--exact",
    "--ignored",
    "--nocapture",
    "home::file::birth::tests::child",
];

#[test]
fn births_that_are_killed_leave_a_whole_file_or_none() {
    for (scratch, rounds) in [(Scratch::new(), 20), (Scratch::in_memory(), 60)] {
        let path = scratch.path("file");
        for round in 0..rounds {
            let own = std::env::current_exe().unwrap();
            let mut child = with_task(Command::new(own).args(CHILD), "forever", &path)
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            std::thread::sleep(Duration::from_micros(3_000 + 371 * round));
            child.kill().unwrap();
            assert_eq!(child.wait().unwrap().signal(), Some(libc::SIGKILL));
            if let Ok(bytes) = fs::read(&path) {
                assert!(bytes.len() == LEN && bytes.iter().all(|byte| *byte == 7));
                fs::remove_file(&path).unwrap();
            }
        }
        assert!(matches!(create(&path, 1), Ok(Some(_))));
        assert_eq!(scratch.names(), ["file"]);
    }
}

/// What `once` says in a user and mount namespace after `setup`, which finds the scratch directory in `$DIR`; nothing if there
/// is no such namespace.
fn told(setup: &str, task: &str) -> Option<String> {
    let scratch = Scratch::new();
    let script = format!("{setup}\nexec \"$@\"");
    let own = std::env::current_exe().unwrap();
    let mut command = Command::new("unshare");
    command
        .args(["-Urm", "sh", "-ec", &script, "sh"])
        .arg(own)
        .args(CHILD);
    command.env("DIR", scratch.folder());
    let mut child = with_task(&mut command, task, &scratch.path("file"))
        .spawn()
        .ok()?;
    let mut text = String::new();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    child.wait().unwrap();
    assert!(scratch.is_empty(), "{:?}", scratch.names());
    let Some((_, told)) = text.split_once("<<") else {
        eprintln!("skipped: no user and mount namespace here");
        return None;
    };
    Some(told.split(">>").next().unwrap().to_owned())
}

#[test]
fn full_and_forbidden_directories_are_clear_errors() {
    for (setup, task, words) in [
        (
            "mount -t tmpfs -o size=8k none \"$DIR\"",
            "once",
            "the file system is full; free some room",
        ),
        (
            "mount -t tmpfs -o nr_inodes=1 none \"$DIR\"",
            "once",
            "`df -i`",
        ),
        ("mount -t tmpfs -o ro none \"$DIR\"", "once", "`findmnt -T`"),
        ("ulimit -f 10", "once", "RLIMIT_FSIZE"),
        ("ulimit -n 30", "crowded", "(30, RLIMIT_NOFILE)"),
        ("mount -t ramfs none \"$DIR\"", "once", "made"),
    ] {
        if let Some(told) = told(setup, task) {
            assert!(told.contains(words), "{setup}: {told}");
        }
    }
}

#[test]
fn without_proc_a_file_gets_a_temporary_name_first() {
    if let Some(told) = told(
        "mount -t tmpfs none \"$DIR\"; mount -t tmpfs none /proc",
        "once",
    ) {
        assert_eq!(told, "made");
    }
}
