//! `shm doctor`.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use shm_core::sysv::sem;
use shm_core::{Inspector, SharedBox};

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
    Peer::start("creator without a key").kill();
    assert_eq!(of("leftovers", "")[0].2, "shm rm --orphans");
    printed("rm --orphans --yes");
    assert_eq!(of("leftovers", "")[0].0, "fine");
}
