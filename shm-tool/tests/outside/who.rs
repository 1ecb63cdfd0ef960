//! `shm who`.

use nix::mount::{MsFlags, mount};
use shm_core::Key;
use shm_core::sysv::shm as segments;

use crate::space::*;

#[test]
fn readers_and_writers_are_told_apart_by_pid() {
    in_own_namespace!();
    let _shared = worker_box();
    let (reader, holder) = (Peer::start("reader"), Peer::start("holder"));
    let answer = json("who 0x1234 --json");
    // Those of this process's threads in other tests' namespaces look the same.
    assert_eq!(answer["attached"], 3);
    assert!(answer["found"].as_u64() >= Some(3), "{answer}");
    let of = |pid: u32| {
        let mut processes = answer["processes"].as_array().unwrap().iter();
        processes
            .find(|process| process["pid"] == pid)
            .unwrap()
            .clone()
    };
    let (reads, holds) = (of(reader.pid()), of(holder.pid()));
    assert_eq!(
        (&reads["read_only_attachments"], &reads["slots"]),
        (&1.into(), &0.into())
    );
    assert_eq!(
        (&holds["writable_attachments"], &holds["slots"]),
        (&1.into(), &1.into())
    );
    assert_eq!(
        (&holds["holds_lock"], &reads["holds_lock"]),
        (&true.into(), &false.into())
    );
    let table = rows(&printed("who 0x1234"));
    let row = table
        .iter()
        .find(|row| row[0] == holder.pid().to_string())
        .unwrap();
    assert_eq!(row[3..].join(" "), "writes 1 has a slot, holds the lock");
    let pid = reader.pid().to_string();
    reader.kill();
    assert!(rows(&printed("who 0x1234")).iter().all(|row| row[0] != pid));
}

#[test]
fn a_user_from_whom_processes_are_hidden_is_told_who_sees_them() {
    in_own_namespace!();
    let _shared = worker_box();
    let (proc, options) = (Some("proc"), Some("hidepid=2"));
    if let Err(errno) = mount(proc, "/proc", proc, MsFlags::empty(), options) {
        println!("SKIPPED: processes can't be hidden ({errno})");
        return;
    }
    let Some(who) = crate::rights::as_nobody("who 0x1234") else {
        return;
    };
    assert!(who.out.contains("run as root"), "{}", who.out);
    assert!(!printed("who 0x1234").contains("run as root"));
}

#[test]
fn a_segment_without_a_key_has_its_processes_too() {
    in_own_namespace!();
    let id = foreign(Key::PRIVATE, 4096);
    let _attachment = segments::attach(id, segments::Access::ReadOnly).unwrap();
    let table = rows(&printed(&format!("who id:{id}")));
    assert_eq!(table[1][0], std::process::id().to_string());
    assert_eq!(table[1][3..], ["reads", "1", "-"]);
    fails("who 0x99", 1, "`shm ls`");
}
