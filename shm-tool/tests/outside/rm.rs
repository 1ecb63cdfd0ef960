//! `shm rm`.

use std::process::Command;

use shm_core::sysv::{sem, shm as segments};
use shm_core::{ErrorKind, SharedBox};

use crate::space::*;

fn left() -> (usize, usize) {
    let (segments, sets) = (segments::segments().unwrap(), sem::sets().unwrap());
    (segments.count(), sets.count())
}

#[test]
fn a_segment_goes_with_its_semaphores() {
    in_own_namespace!();
    drop(worker_box());
    foreign(0x77, 4096);
    assert_eq!(left(), (2, 1));
    let text = printed("rm --dry-run 0x1234 0x77");
    assert_eq!(
        text,
        "would remove 0x00001234 (3.9K, Worker, 0 attached)\nwould remove 0x00000077 (4K, 0 attached)\n"
    );
    assert_eq!(left(), (2, 1));
    assert!(printed("rm 0x1234 0x77").starts_with("removed 0x00001234 "));
    assert_eq!(left(), (0, 0));
}

#[test]
fn what_is_attached_stays_unless_it_is_forced() {
    in_own_namespace!();
    let shared = worker_box();
    fails(
        "rm 0x1234",
        4,
        &format!("attached by {} (", std::process::id()),
    );
    assert_eq!(left(), (1, 1));
    printed("rm --force 0x1234");
    assert_eq!(shared.get().unwrap_err().kind(), ErrorKind::Removed);
    fails(
        &format!("rm id:{}", shared.id().unwrap()),
        1,
        "removed already",
    );
    drop(shared);
    assert_eq!(left(), (0, 0));
}

#[test]
fn what_was_done_in_part_is_told() {
    in_own_namespace!();
    foreign(0x77, 4096);
    let ran = shm("rm 0x77 0x78");
    assert_eq!(ran.code, 7);
    assert!(ran.out.starts_with("removed 0x00000077"));
    assert_eq!(ran.err.lines().last(), Some("shm: 1 done, 1 not"));
    fails("rm 0x78", 1, "no segment has this key");
    fails("rm", 2, "<PLACE>... is missing; write shm rm <PLACE>...");
    fails(
        "rm --orphans 0x78",
        2,
        "--orphans does not go with [PLACE]...",
    );
}

#[test]
fn orphans_go_and_all_else_stays() {
    in_own_namespace!();
    assert_eq!(printed("rm --orphans"), "nothing is orphaned\n");
    let kept = worker_box();
    foreign(0x77, 4096);
    Peer::start("creator without a key").kill();
    let gone = SharedBox::create_new(0x79, 5_u32).unwrap();
    let id = gone.id().unwrap();
    drop(gone);
    let status = Command::new("ipcrm")
        .args(["-m", &id.to_string()])
        .status()
        .unwrap();
    assert!(status.success());
    assert_eq!(left(), (3, 2));
    fails("rm --orphans", 2, "--yes or --dry-run");
    assert_eq!(printed("rm --orphans --dry-run").lines().count(), 2);
    assert_eq!(left(), (3, 2));
    let text = printed("rm --orphans --yes");
    assert!(text.contains("(of a segment that is gone)"), "{text}");
    assert_eq!(left(), (2, 1));
    assert_eq!(kept.get().unwrap(), worker());
}

#[test]
fn on_a_terminal_it_asks() {
    in_own_namespace!();
    foreign(0x77, 4096);
    for (answer, left_over) in [("n", 1), ("", 1), ("y", 0)] {
        let terminal = crate::terminal::Terminal::start((24, 80), "rm 0x77", &[]);
        terminal.until_there_is("remove 0x00000077 (4K, 0 attached)? [y/N]");
        terminal.keys(&format!("{answer}\r"));
        let (status, printed) = terminal.end();
        assert_eq!(status.code(), Some(0), "{printed}");
        assert_eq!(left().0, left_over, "{printed}");
    }
}

#[test]
fn json_is_indented_on_a_terminal() {
    in_own_namespace!();
    foreign(0x77, 4096);
    let terminal = crate::terminal::Terminal::start((60, 80), "ls --json", &[]);
    terminal.until_there_is("      \"bytes\": 4096,");
    assert!(terminal.end().0.success());
}
