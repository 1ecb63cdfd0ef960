//! Values in files, in POSIX shared memory, and in memory without a name.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use shm_core::{
    ErrorKind, Inspector, Place, RawBox, RawTable, SharedBox, SharedLayout, SharedView, field,
    remove,
};

#[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
#[repr(C)]
struct StPid {
    pid: i32,
    names: shm_core::FixedStr<51>,
}

fn alice(pid: i32) -> StPid {
    let names = shm_core::FixedStr::new("alice").unwrap();
    StPid { pid, names }
}

/// A folder of a test's own, on a disk or in memory, that goes when it is dropped.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str, root: &str) -> Folder {
        let folder = PathBuf::from(format!("{root}/shm-core-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        Folder(folder)
    }

    fn on_disk(name: &str) -> Folder {
        Folder::new(name, env!("CARGO_TARGET_TMPDIR"))
    }

    fn both(name: &str) -> [Folder; 2] {
        [Folder::on_disk(name), Folder::new(name, "/dev/shm")]
    }

    fn file(&self) -> PathBuf {
        self.0.join("state")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_value_in_a_file_is_shared_like_one_in_a_segment() {
    for folder in Folder::both("shared") {
        let place = Place::file(folder.file());
        let none = SharedBox::<StPid>::open(&place).unwrap_err();
        assert_eq!(none.raw_os_error(), Some(libc_enoent()), "{none}");
        let one = SharedBox::open_or_create(&place, || alice(1)).unwrap();
        let two = SharedBox::<StPid>::open_or_create(&place, || panic!("it is there")).unwrap();
        assert!(one.created() && !two.created());
        let view = SharedView::<StPid>::open(&place).unwrap();
        assert_eq!(two.get().unwrap(), alice(1));
        assert_eq!(two.set(alice(2)).unwrap(), 2);
        let seen = view.wait_timeout(1, Duration::ZERO).unwrap().unwrap();
        assert_eq!((seen.value, seen.version), (alice(2), 2));
        one.update(|value| value.pid += 1).unwrap();
        assert_eq!(view.get().unwrap().pid, 3);
        assert_eq!(view.place(), Some(place.clone()));
        assert_eq!(one.writers().unwrap().len(), 2);
        let inspector = Inspector::open(&place).unwrap();
        assert_eq!(inspector.value().unwrap().to_string(), {
            let private = SharedBox::options()
                .remove_on_drop(true)
                .create_new(shm_core::Key::PRIVATE, alice(3))
                .unwrap();
            let same = Inspector::open(Place::id(private.id().unwrap())).unwrap();
            same.value().unwrap().to_string()
        });
        let twice = SharedBox::create_new(&place, alice(1)).unwrap_err();
        assert!(twice.to_string().contains("state"), "{twice}");
        let other = SharedBox::<u64>::open(&place).unwrap_err();
        assert_eq!(other.kind(), ErrorKind::Mismatch, "{other}");
    }
}

#[test]
fn a_removed_file_is_another_life() {
    for folder in Folder::both("removed") {
        let place = Place::file(folder.file());
        let mut old = SharedBox::create_new(&place, 1_u32).unwrap();
        let view = SharedView::<u32>::open(&place).unwrap();
        old.remove().unwrap();
        assert!(!folder.file().exists());
        assert_eq!(view.get().unwrap_err().kind(), ErrorKind::Removed);
        assert!(view.is_removed().unwrap());
        let new = SharedBox::create_new(&place, 2_u32).unwrap();
        old.reattach().unwrap();
        assert_eq!(old.get().unwrap(), 2);
        remove(&place).unwrap();
        assert_eq!(new.get().unwrap_err().kind(), ErrorKind::Removed);
        let new = SharedBox::create_new(&place, 3_u32).unwrap();
        Inspector::open(&place).unwrap().remove().unwrap();
        assert_eq!(new.get().unwrap_err().kind(), ErrorKind::Removed);
        // By another program.
        let new = SharedBox::create_new(&place, 3_u32).unwrap();
        fs::remove_file(folder.file()).unwrap();
        assert!(new.is_removed().unwrap());
        // Put back under its name it is no value, and in no one's way.
        let new = SharedBox::create_new(&place, 3_u32).unwrap();
        let kept = folder.0.join("kept");
        fs::hard_link(folder.file(), &kept).unwrap();
        new.remove().unwrap();
        fs::rename(&kept, folder.file()).unwrap();
        assert_eq!(
            SharedBox::<u32>::open(&place).unwrap_err().kind(),
            ErrorKind::Removed
        );
        let new = SharedBox::create_new(&place, 4_u32).unwrap();
        let there = SharedBox::create_new(&place, 5_u32).unwrap_err();
        assert!(there.to_string().contains("exists already"), "{there}");
        assert_eq!(new.get().unwrap(), 4);
    }
}

#[test]
fn a_birth_beside_removals_makes_a_file_or_finds_one() {
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

    let folder = Folder::new("beside-removals", "/dev/shm");
    let (place, over) = (Place::file(folder.file()), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Relaxed) {
                let _ = remove(&place);
            }
        });
        let mut made = 0;
        for number in 0..300_u32 {
            match SharedBox::create_new(&place, number) {
                Ok(_) => made += 1,
                Err(error) => assert!(error.to_string().contains("exists already"), "{error}"),
            }
        }
        over.store(true, Relaxed);
        assert!(made > 0);
    });
}

#[test]
fn a_posix_name_leads_to_the_object_of_shm_open() {
    let name = format!("/shm-core-face-{}", std::process::id());
    let place: Place = format!("posix:{name}").parse().unwrap();
    let shared = SharedBox::open_or_create(&place, || alice(1)).unwrap();
    let bytes = fs::read(format!("/dev/shm{name}")).unwrap();
    assert_eq!(bytes[..4], 1_i32.to_ne_bytes(), "the payload first");
    assert_eq!(
        SharedBox::<StPid>::open(&place).unwrap().get().unwrap(),
        alice(1)
    );
    shared.remove().unwrap();
    for wrong in ["none", "/a/b", "/"] {
        let error = SharedBox::<u32>::open(Place::posix(wrong)).unwrap_err();
        assert!(error.to_string().contains("write a slash"), "{error}");
    }
}

#[test]
fn memory_without_a_name_is_shared_by_its_descriptor() {
    let shared = SharedBox::anonymous(alice(1)).unwrap();
    assert_eq!(shared.place(), None);
    let other = SharedBox::<StPid>::from_fd(shared.as_fd().unwrap()).unwrap();
    other.set(alice(2)).unwrap();
    assert_eq!(shared.get().unwrap(), alice(2));
    drop(other);
    let fd = shared.into_fd().unwrap();
    let again = SharedBox::<StPid>::from_fd(&fd).unwrap();
    assert_eq!(again.get().unwrap(), alice(2));
    assert!(!again.is_removed().unwrap());
    again.remove().unwrap();
    let error = SharedBox::<StPid>::from_fd(&fd).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Removed, "{error}");
    let segment = SharedBox::options()
        .remove_on_drop(true)
        .create_new(shm_core::Key::PRIVATE, 1_u32)
        .unwrap();
    assert_eq!(segment.as_fd().unwrap_err().kind(), ErrorKind::Options);
}

#[test]
fn files_that_others_may_write_are_refused_unless_they_are_trusted() {
    let folder = Folder::on_disk("exposed");
    let place = Place::file(folder.file());
    let shared = SharedBox::options()
        .mode(0o660)
        .create_new(&place, 1_u32)
        .unwrap();
    let mode = fs::metadata(folder.file()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o660);
    let error = SharedBox::<u32>::open(&place).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Untrusted);
    assert!(error.to_string().contains("SIGBUS"), "{error}");
    let mut options = SharedBox::<u32>::options();
    assert_eq!(options.mode(0o660).open(&place).unwrap().get().unwrap(), 1);
    drop(shared);
}

#[test]
fn what_is_no_value_of_ours_is_refused_and_stays() {
    let folder = Folder::on_disk("foreign");
    for bytes in [&b""[..], b"x", &[7; 320], &[0; 4096], &[0xff; 8192]] {
        fs::write(folder.file(), bytes).unwrap();
        let error = SharedBox::open_or_create(Place::file(folder.file()), || 5_u64).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Foreign, "{error}");
        assert!(
            error.to_string().contains("where there is nothing yet")
                && error.to_string().contains("or cut it short"),
            "{error}"
        );
        let error = remove(Place::file(folder.file())).unwrap_err();
        assert!(
            bytes.is_empty() || error.to_string().contains("`rm`"),
            "{error}"
        );
        assert!(
            matches!(error.kind(), ErrorKind::Foreign | ErrorKind::System),
            "{error}"
        );
        assert_eq!(fs::read(folder.file()).unwrap(), bytes);
    }
}

#[test]
fn a_copy_brings_back_the_durable_value_and_goes_on_from_there() {
    let folder = Folder::on_disk("copy");
    let original = SharedBox::create_new(Place::file(folder.file()), [1_u64; 100]).unwrap();
    original.set([2; 100]).unwrap();
    original.persist().unwrap();
    original.set([3; 100]).unwrap();
    let copy = folder.0.join("copy");
    fs::copy(folder.file(), &copy).unwrap();
    let view = SharedView::<[u64; 100]>::open(Place::file(&copy)).unwrap();
    assert_eq!(view.get().unwrap(), [2; 100]);
    let restored = SharedBox::<[u64; 100]>::open(Place::file(&copy)).unwrap();
    let seen = restored.snapshot().unwrap();
    assert_eq!((seen.value, seen.version), ([2; 100], 2));
    assert_eq!(view.get().unwrap_err().kind(), ErrorKind::Removed);
    assert_eq!(restored.set([4; 100]).unwrap(), 3);
    assert_eq!(original.get().unwrap(), [3; 100]);
    // The last box of a file makes its value durable.
    drop(restored);
    let second = folder.0.join("second");
    fs::copy(&copy, &second).unwrap();
    let restored = SharedBox::<[u64; 100]>::open(Place::file(&second)).unwrap();
    assert_eq!(restored.snapshot().unwrap().version, 3);
    // In memory nothing is made durable.
    let memory = Folder::new("copy", "/dev/shm");
    let place: Place = Place::posix(format!("/shm-core-copied-{}", std::process::id()));
    let volatile = SharedBox::create_new(&place, 1_u32).unwrap();
    volatile.persist().unwrap();
    fs::copy(place.path().unwrap(), memory.file()).unwrap();
    let error = SharedBox::<u32>::open(Place::file(memory.file())).unwrap_err();
    assert!(error.to_string().contains("earlier start"), "{error}");
    volatile.remove().unwrap();
}

fn libc_enoent() -> i32 {
    2
}

/// What another program did with `shm_open(3)` or `open(2)`, `ftruncate(2)` and `mmap(2)`.
#[test]
fn a_raw_box_maps_what_another_program_laid_out_in_a_file() {
    use std::sync::atomic::Ordering::{Acquire, Release};

    #[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
    #[repr(C)]
    struct Pair {
        one: u32,
        two: u32,
    }
    let pair = |one, two| Pair { one, two };

    for folder in Folder::both("raw") {
        let path = folder.file();
        let place = Place::file(&path);
        fs::write(&path, [7, 0, 0, 0, 9, 0, 0, 0, 1]).unwrap();
        fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        let mut raw = RawBox::<Pair>::open(&place).unwrap();
        let mut view = RawBox::<Pair>::open_read_only(&place).unwrap();
        assert_eq!((raw.get().unwrap(), view.created()), (pair(7, 9), false));
        raw.store(field!(Pair.two), 5, Release).unwrap();
        assert_eq!(view.load(field!(Pair.two), Acquire).unwrap(), 5);
        assert_eq!(fs::read(&path).unwrap(), [7, 0, 0, 0, 5, 0, 0, 0, 1]);
        assert_eq!(view.info().unwrap_err().kind(), ErrorKind::Options);
        let table = RawTable::<u32, u32>::open(&place).unwrap();
        assert_eq!(
            (table.capacity(), table.row(0).unwrap().get().unwrap()),
            (1, 5)
        );
        // Made anew under its path.
        let next = folder.0.join("next");
        fs::write(&next, [1; 16]).unwrap();
        fs::set_permissions(&next, PermissionsExt::from_mode(0o600)).unwrap();
        fs::rename(&next, &path).unwrap();
        assert!(raw.is_removed().unwrap() && view.is_removed().unwrap());
        raw.reattach().unwrap();
        view.reattach().unwrap();
        raw.set(pair(3, 4));
        assert!(!view.is_removed().unwrap());
        assert_eq!(view.get().unwrap(), pair(3, 4));
    }
}

#[test]
fn a_raw_box_makes_a_file_of_just_its_bytes_or_none() {
    for folder in Folder::both("exact") {
        let (path, place) = (folder.file(), Place::file(folder.file()));
        let mut exact = RawBox::<StPid>::options();
        exact.mode(0o640).create_exact(true);
        assert!(exact.open_read_only(&place).is_err(), "a view makes none");
        let none = RawBox::<StPid>::open(&place).unwrap_err();
        assert!(none.to_string().contains("no such file"), "{none}");
        let raw = exact.open(&place).unwrap();
        let again = exact.open(&place).unwrap();
        assert!(raw.created() && !again.created());
        let made = path.metadata().unwrap();
        assert_eq!((made.len(), made.permissions().mode() & 0o777), (56, 0o640));
        raw.set(alice(4));
        assert_eq!(again.get().unwrap(), alice(4));
        exact.offset(8);
        let small = exact.open(&place).unwrap_err();
        assert_eq!(small.kind(), ErrorKind::TooSmall, "{small}");
        let lost = Place::file(folder.0.join("none/state"));
        assert_eq!(exact.open(&lost).unwrap_err().kind(), ErrorKind::System);
        assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 1);
    }
}

#[test]
fn a_raw_box_refuses_files_that_others_may_cut_short_and_what_is_no_file() {
    let folder = Folder::on_disk("raw-refused");
    let (path, place) = (folder.file(), Place::file(folder.file()));
    fs::write(&path, [0; 56]).unwrap();
    fs::set_permissions(&path, PermissionsExt::from_mode(0o620)).unwrap();
    let refusals = [
        RawBox::<StPid>::open(&place).unwrap_err(),
        RawBox::<StPid>::open_read_only(&place).unwrap_err(),
        RawTable::<(), StPid>::open(&place).unwrap_err(),
    ];
    for error in refusals {
        assert_eq!(error.kind(), ErrorKind::Untrusted);
        let text = error.to_string();
        assert!(text.contains("`mode` of the options"), "{text}");
    }
    let mut allowed = RawBox::<StPid>::options();
    assert_eq!(
        allowed.mode(0o620).open(&place).unwrap().get().unwrap().pid,
        0
    );
    let mut rows = RawTable::<(), StPid>::options();
    assert_eq!(rows.mode(0o620).open(&place).unwrap().capacity(), 1);
    fs::write(folder.0.join("empty"), []).unwrap();
    std::os::unix::fs::symlink(&path, folder.0.join("link")).unwrap();
    for (name, words) in [
        ("empty", "the file is empty"),
        ("link", "readlink -f"),
        ("", "directory"),
    ] {
        let error = RawBox::<StPid>::open(Place::file(folder.0.join(name))).unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
    }
    let error = RawBox::<StPid>::open_read_only(Place::file("/proc/self/status")).unwrap_err();
    assert!(error.to_string().contains("local file system"), "{error}");
}
