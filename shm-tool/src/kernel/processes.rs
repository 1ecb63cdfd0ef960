//! Processes, by what `/proc` tells of them.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{major, minor};
use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

use super::found::Found;
use crate::output::visible;

/// The name of a process's program, as `ps` shows it.
pub fn name(pid: u32) -> Option<String> {
    let comm = fs::read(format!("/proc/{pid}/comm")).ok()?;
    let comm = String::from_utf8_lossy(&comm);
    Some(visible(comm.trim_end_matches('\n')).into_owned())
}

/// `4711 (worker)`, or the number alone. 0 stands for one of another pid namespace.
pub fn with_name(pid: u32) -> String {
    match name(pid) {
        _ if pid == 0 => "a process that can't be seen from here".to_owned(),
        Some(name) => format!("{pid} ({name})"),
        None => pid.to_string(),
    }
}

/// Whether a process with this pid lives. Not by `/proc`, which may hide it, or show another pid namespace.
pub fn lives(pid: i32) -> bool {
    let pid = Pid::from_raw(pid).filter(|pid| pid.as_raw_pid() > 0);
    pid.is_some_and(|pid| test_kill_process(pid) != Err(Errno::SRCH))
}

/// A process that has a segment attached, or a file mapped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attached {
    pub pid: u32,
    pub uid: u32,
    pub name: String,
    /// Attachments through which it may write.
    pub writable: u64,
    pub read_only: u64,
}

/// Who has it attached, as far as this process may look.
#[derive(Debug, Default)]
pub struct AttachedProcesses {
    pub found: Vec<Attached>,
    /// Processes whose mappings may not be read.
    pub unreadable: u64,
}

impl AttachedProcesses {
    /// Asks every process that can be seen.
    pub fn of(found: &Found) -> AttachedProcesses {
        let mut of_one = AttachedProcesses::of_all(&[found]);
        of_one.pop().unwrap_or_default()
    }

    /// Asks every process once, for each of those that were found.
    pub fn of_all(all: &[&Found]) -> Vec<AttachedProcesses> {
        let wanted: Vec<Wanted> = all.iter().map(|found| Wanted::of(found)).collect();
        let mut by_inode: HashMap<u64, Vec<usize>> = HashMap::new();
        for (i, wanted) in wanted.iter().enumerate() {
            by_inode.entry(wanted.inode).or_default().push(i);
        }
        let mut attached: Vec<AttachedProcesses> = Vec::new();
        attached.resize_with(all.len(), AttachedProcesses::default);
        let own = fs::read_link("/proc/thread-self/ns/ipc").ok();
        let mounts = fs::read_link("/proc/thread-self/ns/mnt").ok();
        let mut unreadable = 0;
        for pid in pids() {
            // A file that is mapped may have any name.
            let maps = fs::read(format!("/proc/{pid}/maps"));
            let maps = maps.map(|maps| String::from_utf8_lossy(&maps).into_owned());
            let Ok(maps) = maps else {
                // A process that has ended meanwhile has nothing attached.
                if Path::new(&format!("/proc/{pid}")).exists() {
                    unreadable += 1;
                }
                continue;
            };
            let same_mounts = || {
                let theirs = fs::read_link(format!("/proc/{pid}/ns/mnt"));
                theirs.is_ok_and(|theirs| Some(theirs) == mounts)
            };
            let counted = count(&maps, &wanted, &by_inode, &same_mounts);
            if counted.is_empty() {
                continue;
            }
            let is_inside = has_thread_in(pid, own.as_deref());
            let uid = fs::metadata(format!("/proc/{pid}")).map_or(0, |meta| meta.uid());
            let name = name(pid).unwrap_or_default();
            for (i, (writable, read_only)) in counted {
                if wanted[i].key.is_some() && !is_inside {
                    continue;
                }
                attached[i].found.push(Attached {
                    pid,
                    uid,
                    name: name.clone(),
                    writable,
                    read_only,
                });
            }
        }
        for of_one in &mut attached {
            of_one.unreadable = unreadable;
            of_one.found.sort_by_key(|process| process.pid);
        }
        attached
    }

    /// ` by 4711 (worker), 4712 (planner)`; nothing if none was found.
    pub fn by(&self) -> String {
        let who = self.found.iter().take(8);
        let who: Vec<String> = who
            .map(|process| format!("{} ({})", process.pid, process.name))
            .collect();
        match who[..] {
            [] => String::new(),
            _ => format!(" by {}", who.join(", ")),
        }
    }

    /// All attachments that were found.
    pub fn attachments(&self) -> u64 {
        self.found
            .iter()
            .map(|process| process.writable + process.read_only)
            .sum()
    }
}

/// Whether a thread of the process is in an IPC namespace: keys and ids repeat from one to the other.
fn has_thread_in(pid: u32, namespace: Option<&Path>) -> bool {
    let threads = fs::read_dir(format!("/proc/{pid}/task"))
        .into_iter()
        .flatten()
        .flatten();
    let mut of_threads = threads.map(|thread| fs::read_link(thread.path().join("ns/ipc")).ok());
    of_threads.any(|of_thread| of_thread.as_deref() == namespace)
}

fn pids() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// What the mappings of one segment or file look like in `/proc/PID/maps`.
struct Wanted {
    /// Of a segment: the kernel names such a mapping after the key, and gives it the id for an inode number.
    key: Option<String>,
    inode: u64,
    device: String,
    path: String,
}

impl Wanted {
    fn of(found: &Found) -> Wanted {
        match found {
            Found::Segment(segment) => Wanted {
                key: Some(format!("/SYSV{:08x}", segment.stat.key.raw())),
                inode: u64::from(segment.id.as_raw().cast_unsigned()),
                device: String::new(),
                path: String::new(),
            },
            Found::File(file) => {
                let device = file.meta.dev();
                Wanted {
                    key: None,
                    inode: file.meta.ino(),
                    device: format!("{:02x}:{:02x}", major(device), minor(device)),
                    path: file.path.display().to_string().replace('\n', "\\012"),
                }
            }
        }
    }

    /// Whether a mapping of this inode number is one of it.
    fn is(&self, device: &str, path: &str, same_mounts: &dyn Fn() -> bool) -> bool {
        match &self.key {
            Some(key) => path.strip_suffix(" (deleted)").unwrap_or(path) == key,
            // Another mount namespace shows another path; an overlay, another device than `stat` does.
            None => device == self.device || path == self.path && same_mounts(),
        }
    }
}

/// How often a process with these mappings has each of them attached, for writing and for reading only.
fn count(
    maps: &str,
    wanted: &[Wanted],
    by_inode: &HashMap<u64, Vec<usize>>,
    same_mounts: &dyn Fn() -> bool,
) -> BTreeMap<usize, (u64, u64)> {
    let mut counted = BTreeMap::new();
    for line in maps.lines() {
        // Address, rights, offset, device, inode, and behind blanks the path.
        let cells: Vec<&str> = line.splitn(6, ' ').collect();
        let [_, rights, _, device, inode, path] = cells[..] else {
            continue;
        };
        let Some(with_inode) = inode.parse().ok().and_then(|inode| by_inode.get(&inode)) else {
            continue;
        };
        for &i in with_inode {
            if wanted[i].is(device, path.trim_start(), same_mounts) {
                let (writable, read_only) = counted.entry(i).or_insert((0, 0));
                if rights.contains('w') {
                    *writable += 1;
                } else {
                    *read_only += 1;
                }
            }
        }
    }
    counted
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAPS: &str = "\
7f60a0000000-7f60a0002000 rw-s 00000000 00:01 7                          /SYSV00001234 (deleted)
7f60a0003000-7f60a0005000 r--s 00000000 00:01 7                          /SYSV00001234 (deleted)
7f60a0003000-7f60a0005000 r--s 00000000 00:01 8                          /SYSV00001234 (deleted)
7f60a0003000-7f60a0005000 r--s 00000000 00:01 7                          /SYSV00001235 (deleted)
7f60a0003000-7f60a0005000 r--s 00000000 00:19 9                          /dev/shm/a b
7f60a0003000-7f60a0005000 rw-s 00000000 00:1a 9                          /srv/c
7f60a0006000-7f60a0007000 rw-p 00000000 00:00 0
";

    fn wanted(key: Option<&str>, inode: u64, device: &str, path: &str) -> Wanted {
        Wanted {
            key: key.map(str::to_owned),
            inode,
            device: device.to_owned(),
            path: path.to_owned(),
        }
    }

    fn counted(wanted: Wanted) -> Option<(u64, u64)> {
        counted_where(wanted, true)
    }

    fn counted_where(wanted: Wanted, same_mounts: bool) -> Option<(u64, u64)> {
        let by_inode = HashMap::from([(wanted.inode, vec![0])]);
        let counted = count(MAPS, &[wanted], &by_inode, &|| same_mounts);
        counted.get(&0).copied()
    }

    #[test]
    fn mappings_are_told_apart_by_key_id_and_right() {
        let segment = wanted(Some("/SYSV00001234"), 7, "", "");
        assert_eq!(counted(segment), Some((1, 1)));
    }

    #[test]
    fn those_of_a_file_by_its_inode_and_its_device_or_path() {
        let of = |inode, device, path| counted(wanted(None, inode, device, path));
        assert_eq!(of(9, "00:19", "/other"), Some((0, 1)));
        assert_eq!(of(9, "ff:ff", "/dev/shm/a b"), Some((0, 1)));
        assert_eq!(of(9, "00:1a", "/srv/c"), Some((1, 0)));
        assert_eq!(of(10, "00:1a", "/srv/c"), None);
        // In another container the same path is another file.
        let theirs = counted_where(wanted(None, 9, "ff:ff", "/dev/shm/a b"), false);
        assert_eq!(theirs, None);
    }
}
