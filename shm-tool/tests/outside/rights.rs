//! Other users, and other namespaces.

use std::process::Command;

use crate::space::*;

/// A run as a user who owns nothing here; `None`, and says so, where that can't be.
pub fn as_nobody(arguments: &str) -> Option<Ran> {
    let program = command().get_program().to_owned();
    let mut nobody = Command::new("setpriv");
    nobody
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(program);
    let can = nobody.arg("--version").output();
    if !can.is_ok_and(|output| output.status.success()) {
        println!("SKIPPED: the program can't be run as another user");
        return None;
    }
    let mut nobody = Command::new("setpriv");
    nobody.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
    nobody
        .arg(command().get_program())
        .args(arguments.split_whitespace());
    Some(ran(nobody.output().unwrap()))
}

#[test]
fn a_user_without_rights_sees_the_kernels_figures_and_is_told_what_is_closed() {
    in_own_namespace!();
    let _shared = worker_box();
    foreign(0x77, 20);
    let Some(listed) = as_nobody("ls --noheadings") else {
        return;
    };
    assert_eq!(listed.code, 0);
    assert_eq!(
        rows(&listed.out)[0].join(" "),
        "0x00001234 - - 3.9K - 1 root 0600 closed"
    );
    for (arguments, says) in [
        ("show 0x1234", "run as its owner, or as root"),
        ("schema 0x1234", "run as its owner"),
        ("show --raw 0x77", "run as its owner"),
        ("rm 0x77", "run as its owner"),
        ("set 0x1234 pid=1", "run as its owner"),
        ("watch 0x1234", "run as its owner"),
        ("wait 0x1234 pid==1", "run as its owner"),
        ("diff 0x1234 0x1234", "run as its owner"),
        ("dump 0x1234 /dev/null/none", "run as its owner"),
        ("unlock 0x1234", "run as its owner"),
    ] {
        let ran = as_nobody(arguments).unwrap();
        assert_eq!(ran.code, 4, "{arguments}: {}", ran.err);
        assert!(ran.err.contains(says), "{}", ran.err);
    }
    let stat = as_nobody("stat 0x1234").unwrap();
    assert!(
        stat.code == 0 && stat.out.contains("this user may not read it"),
        "{}",
        stat.err
    );
    assert_eq!(as_nobody("ls --mine --noheadings").unwrap().out, "");
}

#[test]
fn the_namespace_of_another_process_can_be_looked_into() {
    in_own_namespace!();
    let _shared = worker_box();
    let inside = Peer::start("writer");
    let pid = inside.pid();
    std::thread::spawn(move || {
        assert!(own_namespace());
        assert_eq!(printed("ls --noheadings"), "");
        assert_eq!(
            printed(&format!("--ipc-of {pid} show 0x1234 name")),
            "alice\n"
        );
        let folder = crate::debug_info::Folder::new("into");
        let file = folder.path("kept");
        printed(&format!("--ipc-of {pid} dump 0x1234 {file}"));
        printed(&format!("--ipc-of {pid} restore {file} posix:/made"));
        assert_eq!(printed("ls --noheadings"), "");
        let made = printed(&format!("--ipc-of {pid} show posix:/made name"));
        assert_eq!(made, "alice\n");
        let rows = rows(&printed(&format!("ls --ipc-of {pid} --noheadings")));
        assert_eq!(rows[0][1], "Worker");
    })
    .join()
    .unwrap();
    fails("--ipc-of 999999999 ls", 1, "there is no such process");
    if let Some(ran) = as_nobody(&format!("--ipc-of {pid} ls")) {
        assert_eq!(ran.code, 4, "{}", ran.err);
    }
}
