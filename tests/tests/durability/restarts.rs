//! After a restart of the machine the value is the newest persisted one; as long as the machine runs, the newest committed one.

use std::fs;
use std::os::unix::fs::FileExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use shm_core::{ErrorKind, Inspector, Place, SharedBox, SharedView};
use shm_tests::{Folder, Whole};

use super::{commit, version_of};

/// From the end of a file to the word that says which start of the machine its bytes belong to, as `FORMAT.md` has it.
const LIFE_FROM_END: u64 = 320 - 80;

/// Makes the file one of another start of the machine.
fn restart(path: &Path) {
    let file = fs::File::options()
        .read(true)
        .write(true)
        .open(path)
        .unwrap();
    let at = file.metadata().unwrap().len() - LIFE_FROM_END;
    let mut word = [0; 8];
    file.read_exact_at(&mut word, at).unwrap();
    assert_ne!(word, [0; 8]);
    word[0] ^= 1;
    file.write_all_at(&word, at).unwrap();
}

fn open(path: &Path) -> SharedBox<Whole> {
    SharedBox::open(Place::file(path)).unwrap()
}

#[test]
fn a_clean_end_of_the_last_writer_persists() {
    let folder = Folder::new();
    let path = folder.file("value");
    let first = SharedBox::create_new(Place::file(&path), Whole::of(1)).unwrap();
    let second = open(&path);
    commit(&first);
    drop(first);
    commit(&second);
    second.close().unwrap();
    restart(&path);
    let shared = open(&path);
    assert_eq!(version_of(&shared).unwrap(), 3);
    assert_eq!(commit(&shared), 4, "its version goes on");
    drop(shared);
    restart(&path);
    assert_eq!(version_of(&open(&path)).unwrap(), 4);
}

#[test]
fn what_was_committed_after_the_last_persist_is_lost_with_the_machine_alone() {
    let folder = Folder::new();
    let path = folder.file("value");
    drop(SharedBox::create_new(Place::file(&path), Whole::of(1)).unwrap());
    let mut program = Command::new(env!("CARGO_BIN_EXE_durable"));
    let ended = program
        .args(["die".as_ref(), path.as_os_str()])
        .status()
        .unwrap();
    assert_eq!(ended.signal(), Some(9));
    assert_eq!(
        version_of(&SharedView::open(Place::file(&path)).unwrap()).unwrap(),
        4,
        "in the same boot"
    );
    restart(&path);
    let view = SharedView::<Whole>::open(Place::file(&path)).unwrap();
    assert_eq!(version_of(&view).unwrap(), 3, "and restores nothing");
    assert_eq!(version_of(&open(&path)).unwrap(), 3);
    assert_eq!(
        version_of(&SharedView::open(Place::file(&path)).unwrap()).unwrap(),
        3
    );
}

#[test]
fn a_view_shows_the_durable_value_until_a_writer_has_brought_it_back() {
    let folder = Folder::new();
    let (path, copy) = (folder.file("value"), folder.file("copy"));
    let shared = SharedBox::create_new(Place::file(&path), Whole::of(1)).unwrap();
    let durable = commit(&shared);
    shared.persist().unwrap();
    commit(&shared);
    fs::copy(&path, &copy).unwrap();
    let place = Place::file(&copy);
    let before = fs::read(&copy).unwrap();
    for round in 0..2 {
        let mut view = SharedView::<Whole>::open(&place).unwrap();
        let inspector = Inspector::open(&place).unwrap();
        assert_eq!(version_of(&view).unwrap(), durable + round);
        assert_eq!(inspector.snapshot().unwrap().version, durable + round);
        assert!(view.writers().unwrap().is_empty() && !view.is_removed().unwrap());
        let soon = Duration::from_millis(5);
        assert_eq!(view.wait_timeout(view.version(), soon).unwrap(), None);
        assert!(
            round > 0 || fs::read(&copy).unwrap() == before,
            "it stores nothing"
        );
        let writer = open(&copy);
        for error in [
            view.get().unwrap_err(),
            view.wait_timeout(view.version(), soon).unwrap_err(),
            inspector.value().unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::Removed, "{error}");
        }
        assert!(view.is_removed().unwrap());
        view.reattach().unwrap();
        let newest = commit(&writer);
        assert_eq!(version_of(&view).unwrap(), newest);
        drop((writer, view));
        restart(&copy);
    }
}

#[test]
fn nothing_is_restored_under_living_users() {
    let folder = Folder::new();
    let path = folder.file("value");
    let shared = SharedBox::create_new(Place::file(&path), Whole::of(1)).unwrap();
    commit(&shared);
    restart(&path);
    let mut options = SharedBox::<Whole>::options();
    options.timeout(Duration::from_millis(20));
    assert!(options.open(Place::file(&path)).is_err());
    assert_eq!(version_of(&shared).unwrap(), 2);
    commit(&shared);
    drop(shared);
    assert_eq!(version_of(&open(&path)).unwrap(), 3);
}

#[test]
fn without_a_whole_snapshot_nothing_is_made_up() {
    let folder = Folder::new();
    let path = folder.file("value");
    let shared = SharedBox::create_new(Place::file(&path), Whole::of(1)).unwrap();
    let live = 3 * shared.capacity();
    drop(shared);
    let file = fs::File::options().write(true).open(&path).unwrap();
    let len = file.metadata().unwrap().len() as usize;
    // Everything between the live value and the control block.
    file.write_all_at(&vec![0x5a; len - live - 320], live as u64)
        .unwrap();
    restart(&path);
    let view = SharedView::<Whole>::open(Place::file(&path)).map(drop);
    let shared = SharedBox::<Whole>::open(Place::file(&path)).map(drop);
    for error in [view, shared].map(Result::unwrap_err) {
        assert_eq!(error.kind(), ErrorKind::NotRestored, "{error}");
    }
}
