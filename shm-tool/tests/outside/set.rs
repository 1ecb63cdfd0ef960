//! `shm set`.

use shm_core::{FixedStr, SharedBox};

use crate::space::*;

#[test]
fn fields_are_stored_as_one_commit_and_shown_before_and_after() {
    in_own_namespace!();
    let shared = worker_box();
    let text =
        printed("set 0x1234 pid=42 name=bob limits.cpu[2]=0x10 moods[0]=Wild limits.memory=2.5");
    assert_eq!(
        text,
        "version 2\n  pid            4711 → 42\n  name           \"alice\" → \"bob\"\n  limits.cpu[2]  3 → 16\n  moods[0]       Calm → Wild\n  limits.memory  0.5 → 2.5\n"
    );
    let seen = shared.snapshot().unwrap();
    assert_eq!(
        (seen.version, seen.value.pid, seen.value.limits.cpu[2]),
        (2, 42, 16)
    );
    assert_eq!(
        (seen.value.name, seen.value.moods[0]),
        (FixedStr::new("bob").unwrap(), Mood::Wild)
    );
    let answer = json("set 0x1234 pid=-7 --json");
    assert_eq!(
        answer["changes"],
        serde_json::json!([{"path": "pid", "from": 42, "to": -7}])
    );
}

#[test]
fn what_the_schema_refuses_leaves_the_value_as_it_was() {
    in_own_namespace!();
    let shared = worker_box();
    for (arguments, code, says) in [
        ("pid=3000000000", 5, "i32"),
        ("pid=x", 5, "i32"),
        ("name=a-name-of-more-than-twenty-bytes", 5, "20"),
        ("moods[0]=Sad", 5, "Calm"),
        ("limits=7", 5, "a path to one of its fields"),
        ("pit=7", 1, "did you mean `pid`?"),
        ("limits.cpu[4]=7", 1, "it has 4"),
        ("name=bob pid=x", 5, "pid"),
        ("pid", 2, "PATH=VALUE"),
        ("pid=1 .pid=2", 2, "named twice"),
    ] {
        let ran = shm(&format!("set 0x1234 {arguments}"));
        assert_eq!(ran.code, code, "{arguments}: {}", ran.err);
        assert!(ran.err.contains(says), "{arguments}: {}", ran.err);
    }
    let seen = shared.snapshot().unwrap();
    assert_eq!((seen.version, seen.value), (1, worker()));
    foreign(0x77, 4096);
    fails("set 0x77 pid=1", 5, "another program laid it out");
}

#[test]
fn another_version_is_told_by_the_exit_code() {
    in_own_namespace!();
    let shared = worker_box();
    fails(
        "set 0x1234 --if-version 9 pid=1",
        3,
        "the version is 1 and not 9",
    );
    assert_eq!(shared.get().unwrap(), worker());
    printed("set 0x1234 --if-version 1 pid=1");
    assert_eq!(shared.version(), 2);
}

#[test]
fn the_lock_of_the_living_is_waited_for_and_not_taken() {
    in_own_namespace!();
    let shared: SharedBox<Worker> = worker_box();
    let holder = Peer::start("holder");
    fails(
        "set 0x1234 pid=1 --timeout 0.05",
        6,
        &format!("process {}", holder.pid()),
    );
    holder.kill();
    printed("set 0x1234 pid=1");
    assert_eq!(shared.get().unwrap().pid, 1);
}
