//! Other processes' namespaces.

use std::borrow::Cow;
use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::files::FOLDER;
use crate::failure::{Exit, Failure};

/// The process that was named.
static OF: OnceLock<u32> = OnceLock::new();

/// Its shared-memory file system.
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
    let _ = OF.set(pid);
    let theirs = PathBuf::from(format!("/proc/{pid}/root{FOLDER}"));
    if identity(&theirs) != identity(Path::new(FOLDER)) {
        let _ = MEMORY_FOLDER.set(theirs);
    }
    Ok(())
}

/// Advice, with the commands in it so that they lead where this one has looked: elsewhere a key leads to another segment.
pub fn here(advice: &str) -> Cow<'_, str> {
    match OF.get() {
        Some(pid) => led_into(*pid, advice).into(),
        None => advice.into(),
    }
}

fn led_into(pid: u32, advice: &str) -> String {
    let (mut led, mut rest) = (String::new(), advice);
    for (command, namespace) in [("sysctl ", "ipc"), ("mount ", "mount")] {
        if advice.starts_with(command) {
            led = format!("nsenter --{namespace} --target {pid} ");
        }
    }
    while let Some((before, behind)) = rest.split_once("shm ") {
        led.extend([before, "shm "]);
        let begins = before.chars().last().is_none_or(|c| " `".contains(c));
        if begins && behind.starts_with(|c: char| c.is_ascii_lowercase()) {
            led += &format!("--ipc-of {pid} ");
        }
        rest = behind;
    }
    led + rest
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_in_advice_lead_where_this_one_has_looked() {
        let led = |advice| led_into(7, advice);
        assert_eq!(led("`shm ls` lists them"), "`shm --ipc-of 7 ls` lists them");
        assert_eq!(
            led("shm who 0x1, then shm rm 0x1"),
            "shm --ipc-of 7 who 0x1, then shm --ipc-of 7 rm 0x1"
        );
        assert_eq!(
            led("sysctl -w kernel.shmmni=8"),
            "nsenter --ipc --target 7 sysctl -w kernel.shmmni=8"
        );
        for same in ["shm --ipc-of 1 ls", "a shm", "posix:/shm x", "kill -9 5"] {
            assert_eq!(led(same), same);
        }
    }
}
