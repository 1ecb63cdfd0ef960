//! Other processes' IPC namespaces.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::failure::{Exit, Failure};

/// Moves this process, which has one thread, into the IPC namespace of another one.
pub fn enter_ipc_of(pid: u32) -> Result<(), Failure> {
    let refused = |why: io::Error| {
        let (exit, hint) = match why.kind() {
            io::ErrorKind::NotFound => (Exit::NotFound, "`ps` lists the processes"),
            io::ErrorKind::PermissionDenied => (Exit::NotPermitted, "run as root"),
            _ => (Exit::Other, "see setns(2)"),
        };
        let what = match exit {
            Exit::NotFound => "there is no such process".to_owned(),
            _ => format!("its IPC namespace can't be entered: {why}"),
        };
        Failure::new(exit, format!("process {pid}: {what}; {hint}"))
    };
    let link = File::open(format!("/proc/{pid}/ns/ipc")).map_err(refused)?;
    move_into_link_name_space(
        link.as_fd(),
        Some(LinkNameSpaceType::InterProcessCommunication),
    )
    .map_err(|errno| refused(errno.into()))
}
