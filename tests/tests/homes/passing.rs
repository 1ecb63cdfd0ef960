//! Memory without a name: inherited, and handed to programs that have nothing else in common.

use std::os::fd::AsFd;
use std::process::{Command, Stdio};

use shm_core::SharedBox;
use shm_tests::{Folder, Peer, may_unshare};

use super::TENANT;

const PASS_FD: &str = env!("CARGO_BIN_EXE_pass_fd");

#[test]
fn unrelated_programs_share_what_one_hands_to_the_others() {
    let folder = Folder::new();
    let socket = folder.file("socket").display().to_string();
    let mut server = Peer::start(PASS_FD, ["serve", &socket, "8"]);
    server.expect("serving");
    let mut all: Vec<_> = (1..=8)
        .map(|number: u64| Peer::start(PASS_FD, ["add", &socket, &number.to_string()]))
        .collect();
    for one in &mut all {
        assert!(one.succeed().starts_with("added"));
    }
    server.expect("total 36");
    server.succeed();
    assert!(folder.names().is_empty());
}

#[test]
fn a_writer_takes_over_memory_without_a_name_from_a_killed_one() {
    let shared = SharedBox::anonymous(5_u64).unwrap();
    let apart = ["-i", "-m", "-p", "-f", "--kill-child", "--mount-proc"];
    let commands = [
        Some(Command::new(TENANT)),
        may_unshare("memory without a name", &apart).then(|| {
            let mut command = Command::new("unshare");
            command.args(apart).arg(TENANT);
            command
        }),
    ];
    for mut command in commands.into_iter().flatten() {
        for _ in 0..10 {
            // Its input is the memory.
            let input = shared.as_fd().unwrap().try_clone_to_owned().unwrap();
            let mut child = command
                .arg("hold-input")
                .stdin(input)
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let mut said = [0; 7];
            let stdout = child.stdout.as_mut().unwrap();
            std::io::Read::read_exact(stdout, &mut said).unwrap();
            assert_eq!(&said, b"locked\n");
            child.kill().unwrap();
            let before = shared.get().unwrap();
            shared.update(|n| *n += 1).unwrap();
            assert_eq!(shared.get().unwrap(), before + 1);
            child.wait().unwrap();
        }
    }
    // What the descriptor leads to outlives those that were killed, and the box.
    let last = shared.get().unwrap();
    let fd = shared.into_fd().unwrap();
    let again = SharedBox::<u64>::from_fd(fd.as_fd()).unwrap();
    assert_eq!(again.get().unwrap(), last);
}
