//! `shm watch`.

use nix::sys::signal::Signal;

use crate::space::*;

#[test]
fn each_change_names_what_changed_and_nothing_else() {
    in_own_namespace!();
    let shared = worker_box();
    let mut watch = Running::start("watch 0x1234 -n 2");
    let first: Vec<String> = (0..6).map(|_| watch.line()).collect();
    assert!(first[0].starts_with("Worker v1 · version 1"), "{first:?}");
    shared.update(|worker| worker.limits.cpu[2] = 9).unwrap();
    assert!(watch.line().ends_with("version 2"));
    assert_eq!(watch.line(), "  limits.cpu[2]  3 → 9");
    shared.set(shared.get().unwrap()).unwrap();
    assert!(watch.line().ends_with("version 3  (the same value)"));
    let ran = watch.end();
    assert_eq!((ran.code, &*ran.out, &*ran.err), (0, "", ""));
}

#[test]
fn lines_of_json_tell_what_was_skipped() {
    in_own_namespace!();
    let shared = worker_box();
    let mut watch = Running::start("watch 0x1234 --json -n 1");
    assert_eq!(watch.json()["value"]["pid"], 4711);
    watch.signal(Signal::SIGSTOP);
    let stopped = || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", watch.child.id())).unwrap();
        stat.rsplit_once(") ").unwrap().1.starts_with('T')
    };
    while !stopped() {
        std::thread::yield_now();
    }
    for pid in 1..=5 {
        shared.update(|worker| worker.pid = pid).unwrap();
    }
    watch.signal(Signal::SIGCONT);
    let change = watch.json();
    assert_eq!(
        (&change["version"], &change["skipped"]),
        (&6.into(), &4.into())
    );
    assert_eq!(
        change["changes"],
        serde_json::json!([{"path": "pid", "from": 4711, "to": 5}])
    );
    assert_eq!(watch.end().code, 0);
}

#[test]
fn only_the_parts_that_were_named_are_watched() {
    in_own_namespace!();
    let shared = worker_box();
    let mut watch = Running::start("watch 0x1234 pid -n 1");
    assert!(watch.line().starts_with("Worker"));
    assert_eq!(watch.line(), "  pid  4711");
    shared.update(|worker| worker.limits.cpu[2] = 9).unwrap();
    shared.update(|worker| worker.pid = 1).unwrap();
    assert!(watch.line().contains("version 3"));
    assert_eq!(watch.line(), "  pid  4711 → 1");
    assert_eq!(watch.end().code, 0);
    fails("watch 0x1234 pidd", 1, "did you mean `pid`?");
}

#[test]
fn an_interrupt_and_a_closed_pipe_end_it_cleanly() {
    in_own_namespace!();
    let _shared = worker_box();
    for interrupted in [true, false] {
        let mut watch = Running::start("watch 0x1234 --json");
        watch.json();
        if interrupted {
            watch.signal(Signal::SIGINT);
            let ran = watch.end();
            assert_eq!((ran.code, &*ran.err), (0, ""));
        } else {
            // No line comes that could fail to be written.
            drop(watch.lines);
            assert_eq!(watch.child.wait().unwrap().code(), Some(0));
        }
    }
}

#[test]
fn a_removal_ends_it_and_says_so() {
    in_own_namespace!();
    let shared = worker_box();
    let mut watch = Running::start("watch 0x1234 --json");
    watch.json();
    shared.remove().unwrap();
    let ran = watch.end();
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("has been removed; "), "{}", ran.err);
}

#[test]
fn a_writer_without_pause_does_not_keep_it_from_showing_whole_values() {
    in_own_namespace!();
    let shared = worker_box();
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut n = 0_u16;
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                n = n.wrapping_add(1);
                shared.update(|worker| worker.limits.cpu = [n; 4]).unwrap();
            }
        });
        let mut watch = Running::start("watch 0x1234 --json -n 50");
        watch.json();
        for _ in 0..50 {
            let change = watch.json();
            let parts = change["changes"].as_array().unwrap();
            // All of one commit: four parts with one number, but for the first commit of all.
            assert!(
                parts.iter().all(|part| part["to"] == parts[0]["to"]),
                "{change}"
            );
        }
        assert_eq!(watch.end().code, 0);
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}

#[test]
fn one_that_was_removed_without_the_library_is_not_watched_for_ever() {
    in_own_namespace!();
    let shared = worker_box();
    let name = shm_core::Place::posix("/worker");
    let _named = shm_core::SharedBox::create_new(name, worker()).unwrap();
    let watching = ["0x1234", "posix:/worker"].map(|place| {
        let mut watch = Running::start(&format!("watch {place}"));
        watch.line();
        watch
    });
    shm_core::sysv::shm::remove(shared.id().unwrap()).unwrap();
    std::fs::remove_file("/dev/shm/worker").unwrap();
    for watch in watching {
        let ran = watch.end();
        assert_eq!(ran.code, 1, "{}", ran.err);
        assert!(ran.err.contains("it has been removed; "), "{}", ran.err);
    }
}
