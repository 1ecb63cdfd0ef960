//! `shm dump` and `shm restore`.

use std::fs;

use shm_core::SharedBox;

use crate::debug_info::Folder;
use crate::space::*;

#[test]
fn a_value_comes_back_as_it_was_also_into_another_segment() {
    in_own_namespace!();
    let folder = Folder::new("dump");
    let file = folder.path("kept");
    let shared = worker_box();
    printed(&format!("dump 0x1234 {file}"));
    shared.update(|worker| worker.pid = 0).unwrap();
    assert_eq!(
        printed(&format!("restore {file} 0x1234")),
        "stored version 1 of Worker as version 3\n"
    );
    assert_eq!(shared.get().unwrap(), worker());
    let other = SharedBox::create_new(0x77, Worker { pid: 9, ..worker() }).unwrap();
    printed(&format!("restore {file} 0x77"));
    assert_eq!(other.get().unwrap(), worker());
    // One that is there is replaced, and nothing is left beside it.
    printed(&format!("dump 0x77 {file}"));
    assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 1);
}

#[test]
fn what_is_no_file_is_written_to_and_a_file_keeps_its_rights_and_the_links_to_it() {
    in_own_namespace!();
    use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
    let folder = Folder::new("dump-rights");
    let [file, link, pipe] = ["kept", "link", "pipe"].map(|name| folder.path(name));
    let _shared = worker_box();
    let mode = || fs::metadata(&file).unwrap().permissions().mode() & 0o777;
    printed(&format!("dump 0x1234 {file}"));
    assert_eq!(mode(), 0o600, "those of the segment");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    fs::write(&file, "").unwrap();
    symlink(&file, &link).unwrap();
    printed(&format!("dump 0x1234 {link}"));
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(mode(), 0o640);
    printed(&format!("restore {link} 0x1234"));
    // A device is no file that may be replaced: as root, that was the end of /dev/null.
    let line = format!(
        "mkfifo {pipe}; timeout 20 cat {pipe} >{file} & timeout 20 '{}' dump 0x1234 {pipe}; code=$?; wait; exit $code",
        command().get_program().display()
    );
    let mut shell = std::process::Command::new("sh");
    let ran = ran(shell.args(["-c", &line]).output().unwrap());
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(fs::metadata(&pipe).unwrap().file_type().is_fifo());
    printed(&format!("restore {file} 0x1234"));
}

#[test]
fn a_link_to_no_file_of_that_name_is_refused_and_stays() {
    in_own_namespace!();
    use std::os::unix::fs::symlink;
    let folder = Folder::new("dump-links");
    let [nameless, dangling, gone] = ["nameless", "dangling", "gone"].map(|name| folder.path(name));
    let _shared = worker_box();
    let is_link = |path: &str| fs::symlink_metadata(path).unwrap().is_symlink();
    // As `/dev/stdout` is, where a program gives an unlinked file for it.
    symlink("/proc/self/fd/1", &nameless).unwrap();
    let output = fs::File::create_new(&gone).unwrap();
    fs::remove_file(&gone).unwrap();
    let mut dump = command();
    dump.args(["dump", "0x1234", &nameless]).stdout(output);
    let refused = ran(dump.output().unwrap());
    assert_eq!(refused.code, 1, "{}", refused.err);
    assert!(is_link(&nameless));
    symlink(&gone, &dangling).unwrap();
    fails(&format!("dump 0x1234 {dangling}"), 1, "can't be written");
    assert!(is_link(&dangling) && fs::metadata(&gone).is_err());
    assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 2);
}

#[test]
fn a_dump_is_read_by_no_more_users_than_the_value() {
    in_own_namespace!();
    use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
    let folder = Folder::new("dump-readers");
    let rights = |file: &str| {
        let meta = fs::metadata(file).unwrap();
        (meta.uid(), meta.gid(), meta.mode() & 0o777)
    };
    let own = (
        rustix::process::geteuid().as_raw(),
        rustix::process::getegid().as_raw(),
    );
    // The group of the value is not that of the file.
    for (key, mode, read) in [(1, 0o640, 0o600), (2, 0o666, 0o644), (3, 0o604, 0o600)] {
        let mut options = SharedBox::options();
        let _shared = options.mode(mode).create_new(key, worker()).unwrap();
        let file = folder.path(&format!("kept-{key}"));
        printed(&format!("dump {key} {file}"));
        assert_eq!(rights(&file), (own.0, own.1, read));
    }
    let file = folder.path("kept-1");
    let _shared = worker_box();
    let mode = |mode| fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
    // Of a group that reads, the file stays that group's.
    mode(0o640);
    if chown(&file, None, Some(65534)).is_err() {
        println!("SKIPPED: no file can be given away");
        return;
    }
    printed(&format!("dump 0x1234 {file}"));
    assert_eq!(rights(&file), (own.0, 65534, 0o640));
    // That of another user, who waits there with rights to it.
    mode(0o644);
    chown(&file, Some(65534), None).unwrap();
    printed(&format!("dump 0x1234 {file}"));
    assert_eq!(rights(&file), (own.0, own.1, 0o600));
}

#[test]
fn what_does_not_fit_is_refused_and_nothing_is_stored() {
    in_own_namespace!();
    let folder = Folder::new("refused-dump");
    let (file, damaged) = (folder.path("kept"), folder.path("damaged"));
    let shared = worker_box();
    let other = SharedBox::create_new(0x77, [1_u32; 4]).unwrap();
    printed(&format!("dump 0x77 {file}"));
    fails(
        &format!("restore {file} 0x1234"),
        5,
        "another layout than the file",
    );
    let whole = fs::read(&file).unwrap();
    for at in [0, 9, 40, whole.len() / 2, whole.len() - 20, whole.len() - 1] {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        fs::write(&damaged, bytes).unwrap();
        fails(&format!("restore {damaged} 0x77"), 5, "no whole dump");
    }
    fs::write(&damaged, &whole[..whole.len() - 9]).unwrap();
    fails(&format!("restore {damaged} 0x77"), 5, "no whole dump");
    fails("restore /dev/zero 0x77", 5, "no whole dump");
    fails("show 0x77 --type int --from /dev/zero", 5, "it is a device");
    fails(&format!("restore {damaged}.not 0x77"), 1, "can't be read");
    fails(
        &format!("dump 0x1234 {damaged}/none"),
        8,
        "can't be written",
    );
    fails(&format!("restore {file} id:99"), 1, "`shm ls`");
    assert_eq!((shared.version(), other.version()), (1, 1));
}

#[test]
fn where_nothing_is_it_is_made_and_with_a_capacity_made_anew() {
    in_own_namespace!();
    let folder = Folder::new("made");
    let (file, path) = (folder.path("kept"), folder.path("worker.shm"));
    let mut options = SharedBox::options();
    let shared = options
        .mode(0o640)
        .slots(5)
        .raw_writers(true)
        .create_new(KEY, worker());
    let shared = shared.unwrap();
    printed(&format!("dump 0x1234 {file}"));
    let grow = format!("restore {file} 0x1234 --capacity 4096");
    fails(&grow, 4, &format!("attached by {} (", std::process::id()));
    shared.update(|worker| worker.pid = 1).unwrap();
    drop(shared);
    fails(&grow, 3, "its value, version 2, is not that of the file");
    printed(&format!("restore {file} 0x1234"));
    fails(
        &format!("restore {file} 0x1234 --capacity 9"),
        5,
        "9 bytes have no room for Worker, which has 48",
    );
    assert_eq!(
        printed(&grow),
        "removed 0x00001234\nmade 0x00001234 with room for 4096 bytes\nstored version 1 of Worker as version 1\n"
    );
    let stat = json("stat 0x1234 --json");
    assert_eq!(
        (&stat["capacity"], &stat["slots"]),
        (&4096.into(), &5.into())
    );
    assert_eq!(
        (&stat["mode"], &stat["raw_writers"]),
        (&"0640".into(), &true.into())
    );
    assert_eq!(
        SharedBox::<Worker>::open(KEY).unwrap().get().unwrap(),
        worker()
    );
    for place in ["0x77", "posix:/worker", &path] {
        let made = printed(&format!("restore {file} {place} --mode 660"));
        assert!(made.starts_with("made "), "{made}");
        assert_eq!(json(&format!("stat {place} --json"))["mode"], "0660");
        assert_eq!(printed(&format!("show {place} name")), "alice\n");
        printed(&format!("restore {file} {place} --capacity 8192"));
        assert_eq!(json(&format!("stat {place} --json"))["capacity"], 8192);
    }
    fails(&format!("restore {file} 0x78 --mode 888"), 2, "octal");
    let private = SharedBox::create_new(shm_core::Key::PRIVATE, worker()).unwrap();
    let id = private.id().unwrap();
    fails(
        &format!("restore {file} id:{id} --capacity 4096"),
        2,
        "another id",
    );
    let _other = SharedBox::create_new(0x79, 5_u32).unwrap();
    fails(
        &format!("restore {file} 0x79 --capacity 4096"),
        5,
        "another layout",
    );
}
