//! A copy of a live file is not the original: it catches commits and snapshots in the middle.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

use shm_core::{ErrorKind, Place, SharedBox, SharedView};
use shm_tests::{Folder, Whole};

use super::{commit, version_of};

#[test]
fn a_copy_under_a_writer_without_pause_is_a_persisted_value_or_an_error() {
    let folder = Folder::new();
    let path = folder.file("value");
    let shared = SharedBox::create_new(Place::file(&path), Whole::of(1)).unwrap();
    let (persisted, stop) = (AtomicU64::new(1), AtomicBool::new(false));
    let (mut whole, mut refused) = (0, 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(SeqCst) {
                commit(&shared);
            }
        });
        scope.spawn(|| {
            while !stop.load(SeqCst) {
                let version = shared.version();
                shared.persist().unwrap();
                persisted.store(version, SeqCst);
            }
        });
        for number in 0..200 {
            let copy = folder.file(&format!("copy-{number}"));
            let before = persisted.load(SeqCst);
            fs::copy(&path, &copy).unwrap();
            match SharedBox::<Whole>::open(Place::file(&copy)) {
                Ok(copied) => {
                    assert!(version_of(&copied).unwrap() >= before);
                    whole += 1;
                }
                // Both slots were written while they were copied.
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::NotRestored, "{error}");
                    refused += 1;
                }
            }
            fs::remove_file(&copy).unwrap();
        }
        stop.store(true, SeqCst);
    });
    eprintln!("200 copies: {whole} whole, {refused} refused");
    assert!(whole > 0);
}

/// A file of `/dev/shm`, removed at the end.
struct InMemory(PathBuf);

impl Drop for InMemory {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// A disk that fails then: what `persist` answers of a copy would be true of its original alone.
#[test]
fn a_copy_is_brought_to_the_disk_before_it_is_used() {
    let folder = Folder::new();
    let [path, copy] = ["value", "copy"].map(|name| folder.file(name));
    drop(SharedBox::create_new(Place::file(&path), [3_u64; 8]).unwrap());
    fs::copy(&path, &copy).unwrap();
    let call = libc::SYS_fdatasync.to_string();
    let output = Command::new(env!("CARGO_BIN_EXE_peer"))
        .args(["exec-without", &call, "5", env!("CARGO_BIN_EXE_tenant")])
        .args(["look-and-set", &Place::file(&copy).to_string()])
        .output()
        .unwrap();
    if output.stdout.starts_with(b"filtered") {
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(
            said.contains("fdatasync") && said.contains("the disk failed"),
            "{said}"
        );
    } else {
        eprintln!("SKIPPED: no seccomp filter is to be had here");
    }
    let copied = SharedBox::<[u64; 8]>::open(Place::file(&copy)).unwrap();
    assert_eq!(copied.get().unwrap(), [3; 8]);
}

#[test]
fn a_copy_of_what_outlasts_nothing_is_refused() {
    let [one, two] = ["one", "two"].map(|name| format!("/shm-tests-{}-{name}", std::process::id()));
    let [path, copy] = [&one, &two].map(|name| InMemory(format!("/dev/shm{name}").into()));
    let shared = SharedBox::create_new(Place::posix(&one), 5_u64).unwrap();
    fs::copy(&path.0, &copy.0).unwrap();
    let opened = |name: &str| {
        let place = Place::posix(name);
        let view = SharedView::<u64>::open(&place).map(drop);
        [SharedBox::<u64>::open(place).map(drop), view].map(|opened| opened.unwrap_err().kind())
    };
    assert_eq!(opened(&two), [ErrorKind::NotRestored; 2]);
    // Nor is it the original in the original's place, whatever inode it got.
    shared.remove().unwrap();
    drop(shared);
    fs::copy(&copy.0, &path.0).unwrap();
    assert_eq!(opened(&one), [ErrorKind::NotRestored; 2]);
}
