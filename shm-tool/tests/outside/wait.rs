//! `shm wait`.

use crate::space::*;

#[test]
fn what_holds_already_is_not_waited_for() {
    in_own_namespace!();
    let _shared = worker_box();
    for condition in [
        "pid==4711",
        "name==alice",
        "moods[1]==Wild",
        "limits.cpu[3]>=4",
        "limits.memory<0.6",
        "pid!=1",
    ] {
        assert_eq!(
            printed(&format!("wait 0x1234 {condition} --timeout 60")),
            ""
        );
    }
}

#[test]
fn it_ends_when_the_field_has_the_value_or_changes() {
    in_own_namespace!();
    let shared = worker_box();
    let for_value = Running::start("wait 0x1234 pid==2");
    let mut watch = Running::start("watch 0x1234 --json");
    let for_change = Running::start("wait 0x1234 moods");
    let attached = || shared.info().unwrap().attached;
    while attached() < 4 {
        std::thread::yield_now();
    }
    watch.json();
    // Those that wait for a change have read the first value once they have been attached for a while: change until
    // they have seen it.
    shared.update(|worker| worker.pid = 2).unwrap();
    assert_eq!(for_value.end().code, 0);
    let mut waiting = for_change;
    let mut mood = Mood::Wild;
    while waiting.child.try_wait().unwrap().is_none() {
        mood = if mood == Mood::Wild {
            Mood::Calm
        } else {
            Mood::Wild
        };
        shared.update(|worker| worker.moods = [mood; 3]).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    assert_eq!(waiting.end().code, 0);
    let _ = watch.child.kill();
    let _ = watch.child.wait();
}

#[test]
fn the_time_limit_has_an_exit_code_of_its_own() {
    in_own_namespace!();
    let _shared = worker_box();
    fails(
        "wait 0x1234 pid==1 --timeout 0.05",
        6,
        "allow more with --timeout",
    );
    fails("wait 0x1234 --timeout 0", 6, "the time is over");
    fails("wait 0x1234 pid=1", 2, "two signs");
    fails(
        "wait 0x1234 pid==x",
        2,
        "is no number; the field holds 4711",
    );
    fails("wait 0x1234 limits==x", 2, "is no single value");
    fails("wait 0x1234 pit==1", 1, "did you mean `pid`?");
    fails("wait 0x99 pid==1", 1, "`shm ls`");
}

#[test]
fn a_variant_that_there_is_not_is_not_waited_for() {
    in_own_namespace!();
    let _shared = worker_box();
    fails(
        "wait 0x1234 moods[1]==Wilt",
        2,
        "is never \"Wilt\"; did you mean `Wild`?",
    );
    fails("wait 0x1234 moods[1]!=Joyful", 2, "write one of Calm, Wild");
    fails("wait 0x1234 moods[0]==2 --timeout 0", 6, "the time is over");
    printed("wait 0x1234 moods[1]==Wild");
}
