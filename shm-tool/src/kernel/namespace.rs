//! Other processes' namespaces.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::files::FOLDER;
use crate::failure::{Exit, Failure};

/// The shared-memory file system of the process that was named.
static MEMORY_FOLDER: OnceLock<PathBuf> = OnceLock::new();

/// Moves this process, which has one thread, into the IPC namespace of another one. Files in memory are looked for
/// where that one sees them.
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
    .map_err(|errno| refused(errno.into()))?;
    let theirs = PathBuf::from(format!("/proc/{pid}/root{FOLDER}"));
    if identity(&theirs) != identity(Path::new(FOLDER)) {
        let _ = MEMORY_FOLDER.set(theirs);
    }
    Ok(())
}

fn identity(folder: &Path) -> Option<(u64, u64)> {
    let meta = fs::metadata(folder).ok()?;
    Some((meta.dev(), meta.ino()))
}

/// Where the objects of `shm_open(3)` are.
pub fn memory_folder() -> &'static Path {
    MEMORY_FOLDER
        .get()
        .map_or(Path::new(FOLDER), PathBuf::as_path)
}
