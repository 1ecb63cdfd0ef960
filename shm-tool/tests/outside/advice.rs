//! Next steps: each can be followed where it is read, and harms none that it does not name.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::process::Command;

use nix::mount::{MsFlags, mount};
use shm_core::sysv::{Mode, sem, shm as segments};
use shm_core::{Inspector, Key, Place, RawBox, SharedBox};

use crate::debug_info::Folder;
use crate::rights::as_nobody;
use crate::space::*;

/// A run in a pid namespace of its own, which sees no process of this one; `None`, and says so, where that can't be.
fn with_other_pids(arguments: &str) -> Option<Ran> {
    let namespace = ["--pid", "--fork", "--mount-proc"];
    let can = Command::new("unshare").args(namespace).arg("true").status();
    if !can.is_ok_and(|status| status.success()) {
        println!("SKIPPED: no pid namespace of its own");
        return None;
    }
    let mut command = Command::new("unshare");
    command
        .args(namespace)
        .arg(crate::space::command().get_program())
        .args(arguments.split_whitespace());
    Some(ran(command.output().unwrap()))
}

#[test]
fn of_processes_in_another_pid_namespace_none_is_killed_by_number_and_none_is_called_gone() {
    in_own_namespace!();
    let _shared = worker_box();
    let holder = Peer::start("holder");
    foreign(Key::PRIVATE, 4096);
    let Some(unlock) = with_other_pids("unlock 0x1234") else {
        return;
    };
    assert_eq!(unlock.code, 4, "{}", unlock.err);
    let unseen = "a process that can't be seen from here";
    for arguments in [
        "unlock 0x1234",
        "doctor 0x1234",
        "ls",
        "stat 0x1234",
        "show 0x1234",
        "set 0x1234 pid=1 --timeout 0",
    ] {
        let ran = with_other_pids(arguments).unwrap();
        let said = ran.out + &ran.err;
        assert!(said.contains(unseen), "{arguments}: {said}");
        assert!(!said.contains("kill"), "{arguments}: {said}");
    }
    let who = with_other_pids("who 0x1234").unwrap().out;
    assert!(who.contains("in another pid namespace"), "{who}");
    holder.kill();
    let unlock = with_other_pids("unlock 0x1234").unwrap();
    assert_eq!(
        unlock.out, "took the lock over from a process that is gone, and let it go\n",
        "{}",
        unlock.err
    );
    let orphans = with_other_pids("rm --orphans --dry-run").unwrap().out;
    assert_eq!(orphans, "nothing is orphaned\n");
}

#[test]
fn in_the_namespace_of_another_process_commands_lead_back_there() {
    in_own_namespace!();
    let shared = worker_box();
    let inside = Peer::start("writer");
    let pid = inside.pid();
    Peer::start("creator without a key").kill();
    fails(
        &format!("--ipc-of {pid} show 0x99"),
        1,
        &format!("`shm --ipc-of {pid} ls`"),
    );
    let findings = printed(&format!("doctor --ipc-of {pid}"));
    assert!(
        findings.contains(&format!("shm --ipc-of {pid} rm --orphans")),
        "{findings}"
    );
    drop(shared);
}

#[test]
fn a_library_that_names_its_own_calls_is_not_quoted() {
    in_own_namespace!();
    let shared = worker_box();
    let id = shared.id().unwrap();
    let holder = Peer::start("holder");
    fails(
        "set 0x1234 pid=1 --timeout 0",
        6,
        "`shm unlock 0x00001234` says what frees it",
    );
    holder.kill();
    // A segment that another user owns.
    segments::set(id, 65534, 65534, Mode::new(0o666)).unwrap();
    fails("set 0x1234 pid=1", 4, "add --anybody");
    printed("set 0x1234 pid=1 --anybody");
    segments::set(id, 0, 0, Mode::new(0o600)).unwrap();
}

#[test]
fn a_value_that_its_type_does_not_have_is_mended_by_a_field() {
    in_own_namespace!();
    let shared = worker_box();
    let raw = RawBox::<[u8; 48]>::open(KEY).unwrap();
    let mut bytes = raw.get().unwrap();
    let mood = std::mem::offset_of!(Worker, moods) + 1;
    bytes[mood] = 9;
    raw.set(bytes);
    shared.get().unwrap_err();
    fails("show 0x1234", 5, "`shm set 0x00001234 PATH=VALUE`");
    let found = printed("doctor 0x1234");
    assert!(
        found.contains("BAD") && found.contains("`moods[1]` holds 9"),
        "{found}"
    );
    let printed = printed("set 0x1234 moods[1]=Calm");
    assert!(printed.contains("→ Calm"), "{printed}");
    assert_eq!(shared.get().unwrap().moods, [Mood::Calm; 3]);
}

#[test]
fn a_value_whose_semaphores_were_written_to_is_made_anew_by_the_line_of_the_doctor() {
    in_own_namespace!();
    let mut options = SharedBox::options();
    options.mode(0o640).raw_writers(true).slots(5);
    drop(options.create_new(KEY, worker()).unwrap());
    let write_to_set = |place: Place| {
        let set = Inspector::open(place).unwrap().semaphores().unwrap();
        let values = vec![1; sem::stat(set).unwrap().count];
        sem::set_values(set, &values).unwrap();
    };
    write_to_set(KEY.into());
    assert!(printed("ls").contains("semaphores not its own"));
    fails("set 0x1234 pid=1", 8, "`shm doctor 0x00001234`");
    let finding = &json("doctor 0x1234 --json")["findings"][0];
    let line = finding["mend"].as_str().unwrap();
    let (take, give) = line
        .split_once(", with its programs ended; start the one that creates it, then ")
        .unwrap();
    let program = command().get_program().to_str().unwrap().to_owned();
    let folder = Folder::new("strange-set");
    let run = |line: &str| {
        let mut shell = Command::new("sh");
        shell.args(["-c", &line.replace("shm ", &format!("{program} "))]);
        let ran = ran(shell.current_dir(&folder.0).output().unwrap());
        assert_eq!((ran.code, &*ran.err), (0, ""), "{line}");
    };
    run(take);
    let first = Worker { pid: 1, ..worker() };
    drop(options.open_or_create(KEY, || first).unwrap());
    run(give);
    assert!(printed("doctor 0x1234").starts_with("fine"));
    let value = SharedBox::<Worker>::open(KEY).unwrap().get().unwrap();
    assert_eq!(value, worker());
    let stat = json("stat 0x1234 --json");
    assert_eq!(
        (&stat["mode"], &stat["raw_writers"], &stat["slots"]),
        (&"0640".into(), &true.into(), &5.into())
    );
    // Of one without a key the id goes, and with it the place.
    let private = SharedBox::create_new(Key::PRIVATE, worker()).unwrap();
    let place = Place::id(private.id().unwrap());
    write_to_set(place.clone());
    let found = printed(&format!("doctor {place}"));
    assert!(
        found.contains("restore kept PLACE, with its new id"),
        "{found}"
    );
}

#[test]
fn what_may_not_be_read_is_not_called_fine() {
    in_own_namespace!();
    let shared = worker_box();
    if let Some(ran) = as_nobody("doctor 0x1234") {
        assert!(
            ran.out
                .starts_with("note  0x00001234: this user may not read it"),
            "{}",
            ran.out
        );
    }
    Peer::start("creator without a key").kill();
    let orphan = json("ls --json")["segments"][1]["place"].clone();
    let found = printed(&format!("doctor {}", orphan.as_str().unwrap()));
    assert!(found.contains("none will find it"), "{found}");
    let id = shared.id().unwrap();
    printed("rm --force 0x1234");
    let removed = format!("note  id:{id}: it was removed, and goes when");
    for place in ["", &format!("id:{id}")] {
        let found = printed(&format!("doctor {place}"));
        assert!(found.contains(&removed), "{found}");
    }
}

#[test]
fn a_full_disk_is_told_as_one() {
    in_own_namespace!();
    let _shared = SharedBox::create_new(KEY, [7_u64; 4096]).unwrap();
    let folder = Folder::new("full");
    let (memory, size) = (Some("tmpfs"), Some("size=8k"));
    mount(memory, &folder.0, memory, MsFlags::empty(), size).unwrap();
    fails(
        &format!("dump 0x1234 {}", folder.path("kept")),
        8,
        "No space left",
    );
    assert_eq!(std::fs::read_dir(&folder.0).unwrap().count(), 0);
    nix::mount::umount(&folder.0).unwrap();
    let mut shell = Command::new("sh");
    let line = format!("'{}' ls >/dev/full", command().get_program().display());
    let ran = ran(shell.args(["-c", &line]).output().unwrap());
    assert!(
        ran.code == 8 && ran.err.contains("No space left") && ran.err.contains("; "),
        "{}",
        ran.err
    );
}

#[test]
fn names_of_any_bytes_lead_back_and_hide_no_process() {
    in_own_namespace!();
    let name = Place::posix(OsStr::from_bytes(b"/a\n\xff"));
    drop(SharedBox::create_new(&name, worker()).unwrap());
    // What was created bears another name in the list of mappings.
    let _named = SharedBox::<Worker>::open(&name).unwrap();
    let listed = json("ls --json")["segments"][0]["place"].clone();
    assert_eq!(listed, r"posix:/a\x0A\xFF");
    let place = listed.as_str().unwrap();
    assert_eq!(rows(&printed("ls --noheadings"))[0][0], place);
    assert_eq!(printed(&format!("show {place} name")), "alice\n");
    // This process maps it, and a segment too.
    let _shared = worker_box();
    let who = json("who 0x1234 --json");
    let own = std::process::id();
    let processes = who["processes"].as_array().unwrap();
    assert!(
        processes.iter().any(|process| process["pid"] == own),
        "{who}"
    );
}
