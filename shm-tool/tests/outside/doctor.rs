//! `shm doctor`.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use shm_core::sysv::sem;
use shm_core::{Inspector, SharedBox, SharedTable};

use crate::space::*;

/// Level and line of what it says of a subject.
fn of(subject: &str, place: &str) -> Vec<(String, String, String)> {
    let answer = json(&format!("doctor --json {place}"));
    let text = |finding: &serde_json::Value, name: &str| {
        finding[name].as_str().unwrap_or_default().to_owned()
    };
    answer["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|finding| finding["subject"] == subject)
        .map(|finding| {
            (
                text(finding, "level"),
                text(finding, "what"),
                text(finding, "mend"),
            )
        })
        .collect()
}

#[test]
fn limits_and_the_namespace_are_looked_at() {
    in_own_namespace!();
    foreign(0x77, 4096);
    let segments = of("kernel.shmmni", "");
    assert_eq!(segments[0].0, "fine");
    assert!(segments[0].1.starts_with("1 of "), "{segments:?}");
    assert_eq!(of("SEM_UNDO", "")[0].0, "fine");
    assert_eq!(of("namespace", "")[0].0, "note");
    assert_eq!(of("leftovers", "")[0].0, "fine");
    assert!(printed("doctor").lines().count() > 5);
    assert_eq!(
        printed("doctor 0x77"),
        "fine  0x00000077: another program laid it out; nothing else is known of it\n"
    );
}

#[test]
fn a_limit_that_is_reached_is_bad_and_the_line_raises_it() {
    in_own_namespace!();
    // Limits are those of the namespace that the writer of the file is in.
    if std::fs::write("/proc/sys/kernel/shmmni", "2").is_err() {
        println!("SKIPPED: the limits of this namespace can't be changed");
        return;
    }
    foreign(0x77, 1);
    foreign(0x78, 1);
    let found = of("kernel.shmmni", "");
    assert_eq!(
        found[0],
        (
            "bad".into(),
            "2 of 2 segments".into(),
            "sysctl -w kernel.shmmni=4".into()
        )
    );
}

#[test]
fn a_limit_that_is_told_is_raised_or_made_room_for_in_the_namespace_that_it_is_of() {
    in_own_namespace!();
    let folder = crate::debug_info::Folder::new("limits");
    let file = folder.path("kept");
    drop(worker_box());
    printed(&format!("dump 0x1234 {file}"));
    let set = |name: &str, value: &str| std::fs::write(format!("/proc/sys/kernel/{name}"), value);
    if set("shmall", "1").is_err() {
        println!("SKIPPED: the limits of this namespace can't be changed");
        return;
    }
    let refused = |limit: &str| {
        let ran = shm(&format!("restore {file} 0x77"));
        assert_eq!(ran.code, 8, "{}", ran.err);
        let advice = ran.err.contains(limit) && ran.err.contains("`shm doctor`");
        assert!(advice && !ran.err.contains("ipcrm"), "{}", ran.err);
    };
    refused("shmall");
    set("shmall", "1000").unwrap();
    set("sem", "32000 251 500 32000").unwrap();
    refused("semmns");
    set("sem", "32000 32000 500 1").unwrap();
    refused("semmni");
    let found = of("SEM_UNDO", "");
    assert!(found[0].2.starts_with("shm rm --orphans"), "{found:?}");
}

#[test]
fn the_lock_of_a_stopped_process_is_found_and_the_line_frees_it() {
    in_own_namespace!();
    let shared = worker_box();
    let holder = Peer::start("holder");
    let pid = holder.pid();
    assert_eq!(of("0x00001234", ""), []);
    kill(Pid::from_raw(pid.cast_signed()), Signal::SIGSTOP).unwrap();
    let stopped = loop {
        let found = of("0x00001234", "0x1234");
        if found[0].0 == "bad" {
            break found;
        }
    };
    assert!(
        stopped[0].1.contains(&format!("held by {pid} (")) && stopped[0].1.ends_with("stopped")
    );
    assert!(
        stopped[0].2.contains(&format!("kill -9 {pid}")),
        "{stopped:?}"
    );
    holder.kill();
    assert_eq!(
        of("0x00001234", "")[0].2,
        "nothing: the next writer takes it over"
    );
    shared.set(worker()).unwrap();
    assert_eq!(of("0x00001234", ""), []);
}

#[test]
fn leftovers_and_lost_sets_are_found() {
    in_own_namespace!();
    let shared = SharedBox::create_new(KEY, 5_u32).unwrap();
    sem::remove(Inspector::open(KEY).unwrap().semaphores().unwrap()).unwrap();
    assert!(
        of("0x00001234", "0x1234")[0]
            .1
            .contains("its semaphore set was removed")
    );
    drop(shared);
    // As its line says.
    assert!(
        of("0x00001234", "0x1234")[0]
            .2
            .starts_with("shm unlock 0x00001234")
    );
    assert_eq!(printed("unlock 0x1234"), "not locked\n");
    assert_eq!(of("0x00001234", ""), [], "a new set");
    // Of a table no command makes one, but a program that opens it does.
    let table: SharedTable<u32> = SharedTable::options().rows(2).create_new(0x77).unwrap();
    sem::remove(Inspector::open(0x77).unwrap().semaphores().unwrap()).unwrap();
    drop(table);
    let found = of("0x00000077", "0x77");
    assert!(found[0].2.starts_with("nothing: the next"), "{found:?}");
    assert!(printed("unlock 0x77").starts_with("not locked: rows"));
    assert_eq!(of("0x00000077", ""), found, "it is as it was");
    let _table = SharedTable::<u32>::open(0x77).unwrap();
    assert_eq!(of("0x00000077", ""), [], "a new set");
    Peer::start("creator without a key").kill();
    assert_eq!(of("leftovers", "")[0].2, "shm rm --orphans");
    printed("rm --orphans --yes");
    assert_eq!(of("leftovers", "")[0].0, "fine");
}
