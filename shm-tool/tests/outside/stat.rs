//! `shm stat`.

use shm_core::sysv::sem;
use shm_core::{Inspector, SharedBox};

use crate::space::*;

#[test]
fn it_tells_lock_slots_and_semaphores() {
    in_own_namespace!();
    let shared = worker_box();
    let holder = Peer::start("holder");
    let pid = holder.pid();
    let answer = json("stat 0x1234 --json");
    assert_eq!(
        (&answer["type"], &answer["attached"]),
        (&"Worker".into(), &2.into())
    );
    assert_eq!(answer["capacity"], shared.capacity());
    assert_eq!(answer["locked_by"]["pid"], pid);
    let set = Inspector::open(KEY).unwrap().semaphores().unwrap();
    assert_eq!(answer["semaphores"]["id"], set.as_raw());
    let writers = answer["writers"].as_array().unwrap();
    assert_eq!(writers.len(), 2);
    let holds: Vec<_> = writers
        .iter()
        .filter(|writer| writer["holds_lock"] == true)
        .collect();
    assert_eq!((holds.len(), &holds[0]["pid"]), (1, &pid.into()));

    holder.kill();
    let text = printed("stat 0x1234");
    assert!(
        text.contains(&format!("locked       by {pid}, gone")),
        "{text}"
    );
    sem::remove(set).unwrap();
    let text = printed("stat 0x1234");
    assert!(
        text.contains("semaphores   removed; the next program"),
        "{text}"
    );
}

#[test]
fn it_tells_of_a_stranger_what_the_kernel_knows() {
    in_own_namespace!();
    let id = foreign(0x77, 4096);
    let answer = json("stat 0x77 --json");
    assert_eq!(
        (&answer["inside"], &answer["id"]),
        (&"untyped".into(), &id.as_raw().into())
    );
    assert_eq!(answer["bytes"], 4096);
    assert!(printed("stat 0x77").contains("another program laid it out"));
    fails("stat 0x78", 1, "`shm ls`");
}

#[test]
fn a_bare_number_has_no_schema_version() {
    in_own_namespace!();
    let _shared = SharedBox::create_new(KEY, 5_u8).unwrap();
    let answer = json("stat 0x1234 --json");
    assert_eq!(
        (&answer["type"], &answer["schema"]),
        (&"u8".into(), &serde_json::Value::Null)
    );
}
