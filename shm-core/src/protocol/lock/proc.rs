//! What the kernel says of another process: by signal 0, by pidfd, and in `/proc`.
//!
//! Asked on slow paths only: a file of `/proc` costs some 10 us and an allocation. Each answer that
//! may err errs towards *alive*. A process that `/proc` hides (`hidepid`, no `/proc` at all, one of
//! another pid namespace) is told by signal and pidfd alone.

use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt;

use crate::protocol::fault::{Holder, HolderState};

/// `PF_EXITING` of linux/sched.h, in the flags of `/proc/PID/stat`: the thread runs no instruction
/// of its program any more. It is set before the kernel frees memory, and long before it undoes
/// semaphores where there is much of it.
const EXITING: u64 = 1 << 2;

/// Part of a line of `/proc/PID/stat`, see proc_pid_stat(5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::protocol) struct Stat {
    /// `R`, `S`, `D`, `T`, `t`, `Z` …
    pub(in crate::protocol) state: u8,
    flags: u64,
    /// When it started, in clock ticks since boot, as the reader's time namespace counts them.
    pub(in crate::protocol) start: u64,
}

impl Stat {
    /// Of a process; `None` where `/proc` shows none.
    pub(in crate::protocol) fn of(pid: u32) -> Option<Stat> {
        Stat::read(&path(pid, &leading(pid))?)
    }

    /// Of this process, by the pid that this `/proc` has for it.
    pub(in crate::protocol) fn own() -> Option<Stat> {
        let own = fs::read_link("/proc/self").ok()?;
        Stat::read(&format!("/proc/self/{}", leading(own.to_str()?)))
    }

    fn read(path: &str) -> Option<Stat> {
        Stat::parse(&fs::read(path).ok()?)
    }

    fn parse(line: &[u8]) -> Option<Stat> {
        // The second field is the program's name in brackets, and may itself have brackets in it.
        let name_end = line.iter().rposition(|byte| *byte == b')')?;
        let rest = std::str::from_utf8(line.get(name_end + 1..)?).ok()?;
        // The first of these is the third field.
        let mut fields = rest.split_ascii_whitespace();
        let state = *fields.next()?.as_bytes().first()?;
        let flags = fields.nth(5)?.parse().ok()?;
        let start = fields.nth(12)?.parse().ok()?;
        Some(Stat {
            state,
            flags,
            start,
        })
    }

    fn is_exiting(self) -> bool {
        self.flags & EXITING != 0
    }
}

/// The file of the leading thread, which started when the process did. In the place of a process's own file `stat` an
/// emulator (qemu-user) shows another, in which the process started when the thread did that looks.
fn leading(pid: impl fmt::Display) -> String {
    format!("task/{pid}/stat")
}

/// A file of another process; `None` if `/proc` is one of another pid namespace, where this pid may
/// be a stranger's.
fn path(pid: u32, file: &str) -> Option<String> {
    let own = fs::read_link("/proc/self").ok()?;
    let own = own.to_str()?.parse::<u32>().ok()?;
    (own == std::process::id()).then(|| format!("/proc/{pid}/{file}"))
}

/// Whether a process, or the zombie of one, has this pid: `false` is the kernel's word that none
/// has. (kill(2): with signal 0 "existence and permission checks are still performed".)
pub(super) fn exists(pid: u32) -> bool {
    let Ok(pid) = libc::pid_t::try_from(pid) else {
        return true;
    };
    // SAFETY: kill(2) with signal 0 sends none, and touches no memory of this process.
    let found = unsafe { libc::kill(pid, 0) } == 0;
    found || std::io::Error::last_os_error().raw_os_error() != Some(libc::ESRCH)
}

/// Whether the process of this pid runs nothing of its program any more.
pub(super) fn runs_no_more(pid: u32) -> bool {
    has_ended(pid) || is_exiting(pid)
}

/// Whether the process has ended, though its parent has not waited for it yet. Needs neither
/// `/proc` nor the process's user (pidfd_open(2): the descriptor "becomes readable when the process
/// terminates"; all its threads, that is).
pub(super) fn has_ended(pid: u32) -> bool {
    let Ok(pid) = libc::pid_t::try_from(pid) else {
        return false;
    };
    // SAFETY: pidfd_open(2) takes two numbers, and returns a descriptor or -1.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) } as libc::c_int;
    if fd < 0 {
        return false;
    }
    let mut poll = libc::pollfd {
        fd,
        events: libc::POLLIN,
        revents: 0,
    };
    // SAFETY: poll(2) reads and writes the one `pollfd` that it is given; a timeout of 0 returns at
    // once.
    let ready = unsafe { libc::poll(&raw mut poll, 1, 0) } == 1;
    // SAFETY: the descriptor was opened above and is known to nothing else.
    unsafe { libc::close(fd) };
    ready && poll.revents & libc::POLLIN != 0
}

/// Whether every thread of the process is in its exit: nothing of it runs any more, though its
/// semaphores and its memory may be freed long after.
pub(super) fn is_exiting(pid: u32) -> bool {
    // Twice: a thread that was created behind the first walk was created by one that the first walk
    // found running, unless it missed both.
    are_all_exiting(pid) && are_all_exiting(pid)
}

fn are_all_exiting(pid: u32) -> bool {
    let Some(threads) = path(pid, "task").and_then(|path| fs::read_dir(path).ok()) else {
        return false;
    };
    let mut any = false;
    for thread in threads {
        let stat = thread.ok().and_then(|thread| {
            let path = thread.path().join("stat");
            Stat::read(path.to_str()?)
        });
        // One that has gone since the walk began runs no more either, but whether it has can't be
        // told from a file that may not be read.
        if !stat.is_some_and(Stat::is_exiting) {
            return false;
        }
        any = true;
    }
    any
}

/// Whether the kernel is writing the process's core: until that is done it counts as alive.
pub(super) fn dumps_core(pid: u32) -> bool {
    let status = path(pid, "status").and_then(|path| fs::read_to_string(path).ok());
    let status = status.unwrap_or_default();
    status
        .lines()
        .filter_map(|line| line.strip_prefix("CoreDumping:"))
        .any(|value| value.trim() == "1")
}

/// What the process is doing that has this thread. For messages.
pub(crate) fn observe(thread: u32) -> Holder {
    let status = path(thread, "status").and_then(|path| fs::read_to_string(path).ok());
    let process = status
        .as_deref()
        .unwrap_or_default()
        .lines()
        .find_map(|line| line.strip_prefix("Tgid:")?.trim().parse().ok());
    let pid = process.unwrap_or(thread);
    let state = match Stat::of(pid) {
        _ if pid == 0 => HolderState::Unseen,
        None if exists(pid) => HolderState::Unseen,
        None => HolderState::Gone,
        Some(stat) if matches!(stat.state, b'T' | b't') => HolderState::Stopped,
        Some(_) if dumps_core(pid) => HolderState::DumpingCore,
        Some(stat) if matches!(stat.state, b'Z' | b'X') => HolderState::Gone,
        Some(_) if is_exiting(pid) => HolderState::Exiting,
        Some(_) => HolderState::Running,
    };
    Holder { pid, state }
}

/// Whether the process maps a home; `None` where this process may not see that. (The kernel shows
/// a segment's id in the place of the inode: `is_segment`.)
pub(super) fn maps(pid: u32, (inode, is_segment): (u64, bool)) -> Option<bool> {
    let maps = fs::read(path(pid, "maps")?).ok()?;
    if maps.is_empty() {
        return None;
    }
    let wanted = inode.to_string();
    let is_it = |line: &[u8]| {
        let mut fields = line
            .split(|byte| *byte == b' ')
            .filter(|field| !field.is_empty());
        let inode = fields.nth(4);
        let path = fields.next();
        let of_segment = path.is_some_and(|path| path.starts_with(b"/SYSV"));
        inode == Some(wanted.as_bytes()) && of_segment == is_segment
    };
    Some(maps.split(|byte| *byte == b'\n').any(is_it))
}

/// The inodes of this process's pid and time namespaces, which are their names (namespaces(7)). 0
/// for a time namespace where the kernel has none; `None` without `/proc`. They are asked of this
/// thread: a leading thread that has ended shows none.
pub(super) fn namespaces() -> Option<(u64, u64)> {
    let inode = |name| fs::metadata(format!("/proc/thread-self/ns/{name}")).map(|ns| ns.ino());
    let pid = inode("pid").ok()?;
    Some((pid, inode("time").unwrap_or(0)))
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn a_line_is_read_whatever_the_program_is_called() {
        let line = b"12 (a) R (b) S 1 12 12 0 -1 4194564 1 2 3 4 5 6 7 8 20 0 1 0 98765 1 2 3\n";
        let stat = Stat::parse(line);
        let wanted = Stat {
            state: b'S',
            flags: 4_194_564,
            start: 98765,
        };
        assert_eq!(stat, Some(wanted));
        assert!(stat.is_some_and(Stat::is_exiting));
        assert_eq!(Stat::parse(b"12 (a"), None);
        assert_eq!(Stat::parse(b"12 (a) S 1"), None);
    }

    #[test]
    fn an_ended_process_is_told_from_a_living_one_before_and_after_its_parent_waited() {
        let mut child = Command::new("cat")
            .stdin(Stdio::piped())
            .spawn()
            .expect("cat is there");
        let pid = child.id();
        assert!(exists(pid) && !has_ended(pid) && !is_exiting(pid));
        child.kill().expect("it is this process's child");
        while !has_ended(pid) {
            std::thread::yield_now();
        }
        assert!(exists(pid) && is_exiting(pid), "a zombie");
        child.wait().expect("it was not waited for");
        assert!(!exists(pid));
    }

    #[test]
    fn this_process_is_seen_alive() {
        let own = std::process::id();
        assert!(exists(own) && !has_ended(own) && !is_exiting(own) && !dumps_core(own));
        assert_eq!(
            Stat::of(own).map(|stat| stat.start),
            Stat::own().map(|stat| stat.start)
        );
        assert_eq!(maps(own, (u64::MAX, true)), Some(false));
    }
}
