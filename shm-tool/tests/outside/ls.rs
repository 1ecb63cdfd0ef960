//! `shm ls`.

use std::process::{Command, Stdio};

use shm_core::sysv::shm as segments;
use shm_core::{Key, SharedBox};

use crate::space::*;

/// Key, id, owner, mode, bytes and attachments of each segment, as `ipcs` tells them.
fn ipcs() -> Vec<Vec<String>> {
    let output = Command::new("ipcs").arg("-m").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    rows(&text)
        .into_iter()
        .filter(|row| row.len() >= 6 && row[0].starts_with("0x"))
        .collect()
}

#[test]
fn each_figure_is_what_ipcs_shows() {
    in_own_namespace!();
    let _typed = worker_box();
    let attached = foreign(0xdeadbeef, 5632);
    let _attachment = segments::attach(attached, segments::Access::ReadOnly).unwrap();
    foreign(Key::PRIVATE, 1);
    foreign(0x77, 40_000);
    let ours = printed("ls -o key,id,owner,mode,bytes,nattch --bytes --noheadings");
    let mut theirs = ipcs();
    for row in &mut theirs {
        row.truncate(6);
        row[3] = format!("0{}", row[3]);
        if row[0] == "0x00000000" {
            row[0] = "-".into();
        }
    }
    assert_eq!(theirs.len(), 4);
    assert_eq!(rows(&ours), theirs);
    let answer = json("ls --json");
    let figures: Vec<_> = answer["segments"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| {
            (
                s["id"].to_string(),
                s["bytes"].to_string(),
                s["attached"].to_string(),
            )
        })
        .collect();
    let theirs: Vec<_> = theirs
        .iter()
        .map(|row| (row[1].clone(), row[4].clone(), row[5].clone()))
        .collect();
    assert_eq!(figures, theirs);
}

#[test]
fn typed_segments_say_what_is_in_them() {
    in_own_namespace!();
    let shared = worker_box();
    shared.set(worker()).unwrap();
    foreign(0x77, 5632);
    let table = rows(&printed("ls"));
    let heading = "PLACE TYPE SCHEMA BYTES VERSION NATTCH OWNER MODE STATE";
    assert_eq!(table[0].join(" "), heading);
    assert_eq!(
        table[1].join(" "),
        "0x00001234 Worker 1 3.9K 2 1 root 0600 -"
    );
    assert_eq!(table[2].join(" "), "0x00000077 - - 5.5K - 0 root 0600 -");
    assert_eq!(rows(&printed("ls --typed --noheadings")).len(), 1);
    let answer = json("ls --json");
    assert_eq!(answer["segments"][0]["type"], "Worker");
    assert_eq!(answer["segments"][0]["version"], 2);
    assert_eq!(answer["segments"][1]["inside"], "untyped");
}

#[test]
fn rows_are_sorted_by_numbers_and_columns_are_chosen() {
    in_own_namespace!();
    for (key, size) in [(3, 100), (1, 9), (2, 2000)] {
        foreign(key, size);
    }
    let by_size = printed("ls --sort bytes -o bytes,key --bytes --noheadings");
    let sizes: Vec<String> = rows(&by_size)
        .into_iter()
        .map(|row| row[0].clone())
        .collect();
    assert_eq!(sizes, ["9", "100", "2000"]);
    let reverse = printed("ls --sort key --reverse -o key --noheadings");
    assert_eq!(reverse, "0x00000003\n0x00000002\n0x00000001\n");
    fails("ls --sort colour", 2, "\"colour\" is none of place, id,");
}

#[test]
fn without_attaching_the_kernels_times_stay_what_they_are() {
    in_own_namespace!();
    let id = foreign(KEY, 4096);
    printed("ls --no-attach");
    let untouched = segments::stat(id).unwrap();
    assert_eq!((untouched.lpid, untouched.atime), (0, None));
    printed("ls");
    assert_ne!(segments::stat(id).unwrap().lpid, 0);
}

#[test]
fn a_lock_names_its_owner_and_whether_it_lives() {
    in_own_namespace!();
    let _shared = worker_box();
    let holder = Peer::start("holder");
    let pid = holder.pid();
    let state = printed("ls -o state --noheadings");
    assert!(
        state.starts_with(&format!("locked by {pid} (outside")),
        "{state}"
    );
    assert_eq!(json("ls --json")["segments"][0]["locked_by"]["pid"], pid);
    holder.kill();
    let state = printed("ls -o state --noheadings");
    assert!(state.ends_with(", gone\n"), "{state}");
}

#[test]
fn what_no_process_will_find_is_orphaned() {
    in_own_namespace!();
    foreign(0x77, 4096);
    let creator = Peer::start("creator without a key");
    assert_eq!(printed("ls --orphans --noheadings"), "");
    creator.kill();
    let orphans = rows(&printed("ls --orphans --noheadings"));
    assert_eq!(orphans.len(), 1);
    assert_eq!(
        (&*orphans[0][0], orphans[0].last().unwrap().as_str()),
        ("id:1", "orphan")
    );
}

#[test]
fn a_removed_segment_that_is_attached_is_shown_as_such() {
    in_own_namespace!();
    let id = foreign(0x77, 4096);
    let _attachment = segments::attach(id, segments::Access::ReadOnly).unwrap();
    segments::remove(id).unwrap();
    let row = printed("ls -o place,nattch,state --noheadings");
    assert_eq!(rows(&row), [["id:0", "1", "dest"]]);
}

#[test]
fn sets_stand_beside_the_segment_that_they_belong_to_or_are_orphaned() {
    in_own_namespace!();
    let _kept = worker_box();
    let left = SharedBox::create_new(0x77, 5_u32).unwrap();
    let id = left.id().unwrap();
    assert_eq!(rows(&printed("ls -s --noheadings"))[1][5], "0x00000077");
    drop(left);
    let status = Command::new("ipcrm")
        .args(["-m", &id.to_string()])
        .status()
        .unwrap();
    assert!(status.success());
    let sets = rows(&printed("ls -s --noheadings"));
    assert_eq!(sets[0][5..], ["0x00001234", "-"]);
    assert_eq!(sets[1][5..], ["-", "orphan"]);
    assert_eq!(
        json("ls -s --json --orphans")["sets"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[test]
fn a_closed_pipe_ends_it_cleanly() {
    in_own_namespace!();
    for key in 1..50 {
        foreign(key, 100);
    }
    let mut command = command();
    let command = command
        .arg("ls")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop(child.stdout.take());
    let ran = ran(child.wait_with_output().unwrap());
    assert_eq!((ran.code, &*ran.err), (0, ""));
}

#[test]
fn colour_is_for_terminals_unless_it_is_asked_for() {
    in_own_namespace!();
    assert!(!printed("ls").contains('\x1b'));
    assert!(printed("ls --color always").contains('\x1b'));
    assert!(!printed("ls --color never").contains('\x1b'));
}

/// A ratio within one run, each the shortest of five.
#[test]
fn four_thousand_segments_take_at_most_four_times_what_ipcs_takes() {
    if std::env::var_os("SHM_FULL").is_none() || cfg!(debug_assertions) {
        println!("SKIPPED: a measurement (SHM_FULL=1 cargo test --release)");
        return;
    }
    in_own_namespace!();
    for key in 0..4000 {
        foreign(0x10_0000 + key, 4096);
    }
    let shortest = |mut program: Command, argument: &str| {
        program.arg(argument);
        let times = (0..5).map(|_| {
            let start = std::time::Instant::now();
            let output = program.output().unwrap();
            let took = start.elapsed();
            let listed = String::from_utf8_lossy(&output.stdout).lines().count();
            assert!(listed > 4000, "{listed}");
            took
        });
        times.min().unwrap().as_secs_f64()
    };
    let ipcs = shortest(Command::new("ipcs"), "-m");
    let ls = shortest(command(), "ls");
    println!(
        "shm ls {:.1} ms, ipcs -m {:.1} ms: {:.2}",
        ls * 1e3,
        ipcs * 1e3,
        ls / ipcs
    );
    assert!(ls <= 4.0 * ipcs, "{:.2}", ls / ipcs);
}
