//! Files and POSIX names: each command, beside what it does to a segment.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use shm_core::{ErrorKind, Place, SharedBox};

use crate::debug_info::Folder;
use crate::space::*;

const POSIX: &str = "posix:/worker";

fn posix_box() -> SharedBox<Worker> {
    SharedBox::create_new(Place::posix("/worker"), worker()).unwrap()
}

#[test]
fn what_lies_in_memory_is_listed_beside_the_segments_and_files_where_they_are_named() {
    in_own_namespace!();
    let _segment = worker_box();
    let _named = posix_box();
    fs::write("/dev/shm/sem.of-another", "").unwrap();
    fs::write("/dev/shm/of a \x1b stranger", [7; 5632]).unwrap();
    let folder = Folder::new("listed");
    let path = folder.path("limits.shm");
    let _file = SharedBox::create_new(Place::file(&path), [1_u64; 4]).unwrap();
    fs::write(folder.path("no value"), "text").unwrap();
    let table = rows(&printed("ls"));
    assert_eq!(table.len(), 4, "{table:?}");
    assert_eq!(
        table[3].join(" "),
        "posix:/worker Worker 1 3.9K 1 - root 0600 -"
    );
    assert_eq!(table[2][..4].join(" "), r"posix:/of a \x1B stranger");
    for named in [&path, &format!("file:{path}"), &folder.path("")] {
        let all = printed(&format!("ls {named} --noheadings"));
        assert_eq!(all.lines().count(), 4);
        let row = rows(all.lines().last().unwrap());
        assert_eq!(row[0][0], format!("file:{path}"));
        assert_eq!(row[0][1], "[u64;");
    }
    assert_eq!(rows(&printed("ls --typed --noheadings")).len(), 2);
    let answer = json("ls --json");
    let file = &answer["segments"][2];
    assert_eq!(
        (&file["place"], &file["path"]),
        (&POSIX.into(), &"/dev/shm/worker".into())
    );
    assert!(file["id"].is_null() && file["attached"].is_null() && file["rss"].is_u64());
    fails("ls ./none", 1, "there is no such file");
    fails("ls none/such", 1, "file:none/such: there is no such file");
    fails("ls 0x1234", 2, "segments are listed anyway");
    assert_eq!(printed("ls --orphans --noheadings"), "");
}

#[test]
fn a_value_is_shown_watched_set_and_waited_for_where_it_lives_in_a_file() {
    in_own_namespace!();
    let folder = Folder::new("values");
    let path = folder.path("worker.shm");
    let on_disk = SharedBox::create_new(Place::file(&path), worker()).unwrap();
    let in_memory = posix_box();
    for (place, shared) in [(&path, &on_disk), (&POSIX.to_owned(), &in_memory)] {
        assert!(printed(&format!("show {place}")).contains("  name           \"alice\"\n"));
        assert_eq!(printed(&format!("show {place} limits.cpu[2]")), "3\n");
        let answer = json(&format!("show {place} --json"));
        assert!(answer["id"].is_null() && answer["value"]["pid"] == 4711);
        assert!(printed(&format!("show {place} --raw")).contains("(padding)"));
        let mut watch = Running::start(&format!("watch {place} --json -n 1"));
        assert_eq!(watch.json()["version"], 1);
        let wait = Running::start(&format!("wait {place} pid==2"));
        let set = json(&format!("set {place} pid=2 --json"));
        assert_eq!(
            set["changes"][0],
            serde_json::json!({"path": "pid", "from": 4711, "to": 2})
        );
        assert_eq!(watch.json()["changes"][0]["to"], 2);
        assert_eq!((watch.end().code, wait.end().code), (0, 0));
        assert_eq!(shared.get().unwrap().pid, 2);
        fails(&format!("set {place} pid=x"), 5, "integer");
        fails(
            &format!("set {place} --if-version 1 pid=3"),
            3,
            "is 2 and not 1",
        );
        assert!(printed(&format!("schema {place}")).contains("pub struct Worker"));
        assert!(printed(&format!("diff {place} {place}")).starts_with("one layout"));
        let kept = folder.path("kept");
        printed(&format!("dump {place} {kept}"));
        shared.update(|worker| worker.pid = 9).unwrap();
        printed(&format!("restore {kept} {place}"));
        assert_eq!(shared.get().unwrap().pid, 2);
    }
    assert!(printed(&format!("diff {path} {POSIX}")).starts_with("one layout"));
    fails("show posix:/none", 1, "there is no such file; `shm ls`");
    fails("show posix:none", 2, "begin with a slash");
    fails("show /dev", 5, "no regular file");
    std::os::unix::fs::symlink(&path, folder.path("link")).unwrap();
    fails(&format!("show {}", folder.path("link")), 5, "readlink -f");
}

#[test]
fn slots_locks_and_processes_of_a_file_are_told_and_a_dead_ones_lock_is_taken() {
    in_own_namespace!();
    let shared = posix_box();
    let holder = Peer::start("holder in memory");
    let pid = holder.pid();
    let stat = json("stat posix:/worker --json");
    assert_eq!(stat["locked_by"]["pid"], pid);
    assert_eq!(stat["writers"].as_array().unwrap().len(), 2);
    assert!(stat["semaphores"].is_null() && stat["path"] == "/dev/shm/worker");
    assert!(printed("stat posix:/worker").contains("locks on the file"));
    let who = json("who posix:/worker --json");
    let of = |pid: u32| {
        let mut processes = who["processes"].as_array().unwrap().iter();
        processes
            .find(|process| process["pid"] == pid)
            .unwrap()
            .clone()
    };
    assert_eq!(of(pid)["holds_lock"], true);
    assert_eq!(of(std::process::id())["writable_attachments"], 1);
    fails("rm posix:/worker", 4, &format!("{pid} ("));
    fails("unlock posix:/worker", 4, &format!("held by {pid} ("));
    kill(Pid::from_raw(pid.cast_signed()), Signal::SIGSTOP).unwrap();
    while !printed("doctor posix:/worker").contains(&format!("kill -CONT {pid}, or kill -9 {pid}"))
    {
    }
    assert!(printed("ls --noheadings").contains(&format!("locked by {pid} (")));
    holder.kill();
    assert!(printed("unlock posix:/worker").starts_with("took the lock over"));
    assert_eq!(shared.get().unwrap(), worker());
}

#[test]
fn a_file_of_a_value_goes_and_a_strangers_stays_unless_it_is_shared_memory() {
    in_own_namespace!();
    let folder = Folder::new("removed");
    let (path, other) = (folder.path("limits.shm"), folder.path("other"));
    let shared = SharedBox::create_new(Place::file(&path), 5_u32).unwrap();
    fails(&format!("rm {path}"), 4, "--force");
    printed(&format!("rm --force {path}"));
    assert_eq!(shared.get().unwrap_err().kind(), ErrorKind::Removed);
    fails(&format!("rm {path}"), 1, "no such file");
    drop(posix_box());
    assert_eq!(
        printed("rm --dry-run posix:/worker"),
        "would remove posix:/worker (3.9K, Worker)\n"
    );
    printed("rm posix:/worker");
    for size in [0, 10, 4096] {
        fs::write(&other, vec![1; size]).unwrap();
        fails(&format!("rm {other}"), 5, "`rm` removes files");
        fs::copy(&other, "/dev/shm/stranger").unwrap();
        printed("rm posix:/stranger");
    }
    assert!(fs::metadata(&other).is_ok());
    assert_eq!(printed("ls --noheadings"), "");
}

#[test]
fn a_copy_shows_its_durable_value_and_one_without_says_so() {
    in_own_namespace!();
    let folder = Folder::new("copied");
    let (path, copy) = (folder.path("worker.shm"), folder.path("copy.shm"));
    let shared = SharedBox::create_new(Place::file(&path), worker()).unwrap();
    shared.close().unwrap();
    fs::copy(&path, &copy).unwrap();
    assert_eq!(printed(&format!("show {copy} name")), "alice\n");
    let volatile = SharedBox::create_new(Place::posix("/worker"), worker()).unwrap();
    let lost = folder.path("lost.shm");
    fs::copy("/dev/shm/worker", &lost).unwrap();
    volatile.remove().unwrap();
    fails(
        &format!("show {lost}"),
        8,
        &format!("`shm rm file:{lost}` removes it"),
    );
    let row = rows(&printed(&format!("ls {lost} --noheadings")));
    assert_eq!(row[0][row[0].len() - 2..], ["not", "restored"]);
    assert!(printed(&format!("doctor {lost}")).contains(&format!("shm rm file:{lost}")));
    assert_eq!(printed(&format!("unlock {copy}")), "not locked\n");
    assert_eq!(printed(&format!("show {copy} name")), "alice\n");
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o660)).unwrap();
    assert!(printed(&format!("doctor {copy}")).contains("chmod go-w"));
    assert!(printed("doctor").contains("/dev/shm: "));
}

#[test]
fn a_c_programs_shared_memory_is_read_and_stored_to_by_its_type() {
    in_own_namespace!();
    let folder = Folder::new("posix-c");
    let Some(program) = folder.build(&["cc", "-g"], "motion.c") else {
        return;
    };
    let mut bytes = vec![0_u8; 4096];
    bytes[..4].copy_from_slice(&17_i32.to_ne_bytes());
    fs::write("/dev/shm/motion", &bytes).unwrap();
    let run = |arguments: &[&str]| {
        let mut command = command();
        command
            .args(arguments)
            .args(["--type", "struct motion_status", "--from"]);
        let ran = ran(command.arg(&program).output().unwrap());
        assert_eq!((ran.code, &*ran.err), (0, ""), "{arguments:?}");
        ran.out
    };
    assert_eq!(run(&["show", "posix:/motion", "tail"]), "17\n");
    run(&[
        "set",
        "posix:/motion",
        "tail=18",
        "pos.x=2.5",
        "--raw-write",
    ]);
    assert_eq!(
        run(&["show", "posix:/motion", "tail", "pos.x"]),
        "18\n2.5\n"
    );
    assert_eq!(fs::metadata("/dev/shm/motion").unwrap().len(), 4096);
    assert!(printed("show posix:/motion --raw").starts_with("00000000  12 00 00 00"));
    fails("show posix:/motion", 5, "another program laid it out");
}

#[test]
fn the_shared_memory_of_another_namespace_is_looked_into() {
    in_own_namespace!();
    let _named = posix_box();
    let inside = Peer::start("holder in memory");
    let pid = inside.pid();
    std::thread::spawn(move || {
        assert!(own_namespace());
        let listed = printed(&format!("--ipc-of {pid} ls --noheadings"));
        let place = rows(&listed)[0][0].clone();
        assert_eq!(place, format!("file:/proc/{pid}/root/dev/shm/worker"));
        assert_eq!(printed(&format!("show {place} name")), "alice\n");
        let named = printed(&format!("--ipc-of {pid} show {POSIX} name"));
        assert_eq!(named, "alice\n");
        assert_eq!(printed("ls --noheadings"), "");
    })
    .join()
    .unwrap();
}

#[test]
fn a_file_whose_bytes_are_scribbled_over_ends_no_command_but_by_its_exit_code() {
    in_own_namespace!();
    drop(posix_box());
    let whole = fs::read("/dev/shm/worker").unwrap();
    let mut seed = 1_u64;
    for _ in 0..40 {
        let mut bytes = whole.clone();
        for _ in 0..1 + seed % 7 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let at = bytes.len() - 1 - (seed >> 33) as usize % 700;
            bytes[at] ^= (seed >> 20) as u8 | 1;
        }
        if seed.is_multiple_of(5) {
            bytes.truncate(bytes.len() - 64);
        }
        fs::write("/dev/shm/scribbled", bytes).unwrap();
        for command in [
            "ls",
            "show",
            "stat",
            "who",
            "schema",
            "doctor",
            "show --raw",
        ] {
            let place = if command == "ls" {
                ""
            } else {
                "posix:/scribbled"
            };
            let ran = shm(&format!("{command} {place}"));
            assert!(
                [0, 1, 4, 5, 6, 8].contains(&ran.code),
                "{command}: {}",
                ran.err
            );
        }
    }
}

#[test]
fn of_a_file_that_claims_more_than_is_looked_at_the_rest_is_counted() {
    in_own_namespace!();
    let sparse = fs::File::create("/dev/shm/sparse").unwrap();
    sparse.set_len(1 << 40).unwrap();
    let shown = printed("show --raw posix:/sparse");
    let rest = (1_u64 << 40) - (64 << 20);
    assert!(
        shown.ends_with(&format!("\n{rest} bytes more are not looked at\n")),
        "{shown}"
    );
}
