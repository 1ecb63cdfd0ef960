//! What the failures of the segment calls mean.

use core::ffi::c_int;

use super::{Failure, Found, Noun, Rights};
use crate::sysv::error::{Error, Kind, Limit, Subject};
use crate::sysv::key::Key;
use crate::sysv::mode::Mode;
use crate::sysv::shm::{self, GetFlags, Stat};
use crate::sysv::syscalls::{self, Errno};

const TAKE_AS_IS: &str = "ask with size 0 to take it as it is, or remove it and create it anew";
const CHANGE_MODE: &str = "have its owner change the mode with shm::set";
const FREE_SEGMENTS: &str =
    "remove segments that nobody uses (ipcs -m, ipcrm), or raise it with sysctl";

impl Rights {
    fn of_segment(stat: &Stat) -> Self {
        let &Stat {
            uid,
            gid,
            cuid,
            mode,
            ..
        } = stat;
        Self {
            uid,
            gid,
            cuid,
            mode,
        }
    }
}

/// Looks for the segment, also where this process may not read it.
fn find(id: i32) -> Found<Stat> {
    match syscalls::shmctl_stat(id, libc::IPC_STAT) {
        Ok((_, ds)) => Found::Facts(Stat::new(&ds)),
        Err(Errno(libc::EACCES)) => shm::segments()
            .ok()
            .and_then(|all| all.flatten().find(|(found, _)| found.as_raw() == id))
            .map_or(Found::Hidden, |(_, stat)| Found::Facts(stat)),
        Err(_) => Found::Gone,
    }
}

/// Looks for the segment of a key. Asking with size 0 and no mode needs no right to it.
fn find_key(key: Key) -> Option<(i32, Found<Stat>)> {
    if key.is_private() {
        return None;
    }
    let id = syscalls::shmget(key.raw(), 0, 0).ok()?;
    Some((id, find(id)))
}

pub(in crate::sysv) fn two_page_sizes(key: Key) -> Error {
    Failure::early("shmget", None, Subject::Key(key)).because(
        Kind::Invalid,
        "the flags name two sizes of huge pages",
        "choose one of HUGETLB_2MB and HUGETLB_1GB",
    )
}

pub(in crate::sysv) fn shmget(
    errno: Errno,
    key: Key,
    size: usize,
    flags: GetFlags,
    mode: Mode,
) -> Error {
    let failure = Failure::new("shmget", None, Subject::Key(key), errno);
    let huge = flags.contains(GetFlags::HUGETLB);
    match errno.0 {
        libc::ENOENT => failure.because(
            Kind::NotFound,
            "no segment has this key",
            "create it with GetFlags::CREATE, or look for the right key in `ipcs -m`",
        ),
        libc::EEXIST => {
            let which = find_key(key).map_or_else(String::new, |(id, found)| {
                let facts = found.facts().map_or_else(String::new, |s| {
                    format!(
                        ", {} bytes, of uid {}, gid {} with mode {}",
                        s.size, s.uid, s.gid, s.mode
                    )
                });
                format!(": id {id}{facts}")
            });
            failure.because(
                Kind::Exists,
                format!("a segment with this key exists already{which}"),
                "leave out GetFlags::EXCLUSIVE to use it, or remove it first",
            )
        }
        libc::EACCES => {
            let found = find_key(key);
            let rights = found
                .as_ref()
                .and_then(|(_, found)| found.facts())
                .map(Rights::of_segment);
            let hint = "ask for less (mode 0 asks for nothing), or have its owner change the mode with shm::set";
            failure.denied(
                Noun::Segment,
                rights,
                &format!("open with mode {mode}"),
                hint,
            )
        }
        libc::EINVAL => bad_size(failure, key, size, huge),
        libc::ENOSPC => no_space(failure, size),
        libc::ENOMEM if huge => failure.because(
            Kind::NoSpace(Limit::HugePages),
            format!("not enough huge pages are free for {size} bytes"),
            "set more aside with sysctl vm.nr_hugepages, or do without GetFlags::HUGETLB",
        ),
        libc::ENOMEM => failure.because(
            Kind::NoMemory,
            format!("the kernel has no memory to set aside for {size} bytes"),
            "ask for less, free memory or swap, or do not set any aside with GetFlags::NORESERVE",
        ),
        libc::EPERM if huge => failure.because(
            Kind::NotPermitted,
            "this process may not use huge pages",
            "give it CAP_IPC_LOCK, or name its group in sysctl vm.hugetlb_shm_group",
        ),
        libc::ENFILE => failure.because(
            Kind::NoSpace(Limit::Files),
            "the system has as many files open as fs.file-max allows, and a segment counts as one",
            "close files, or raise it with sysctl",
        ),
        _ => failure.other(),
    }
}

/// `EINVAL` of `shmget`: the kernel has one word for four faults.
fn bad_size(failure: Failure, key: Key, size: usize, huge: bool) -> Error {
    if let Some((_, found)) = find_key(key) {
        return match found.facts() {
            Some(stat) if stat.size < size => {
                let cause = format!(
                    "the segment under {key} has {} bytes, {size} were asked for",
                    stat.size
                );
                failure.because(Kind::Invalid, cause, TAKE_AS_IS)
            }
            Some(_) => failure.other(),
            None => {
                let cause =
                    format!("the segment under {key} has fewer bytes than the {size} asked for");
                failure.because(Kind::Invalid, cause, TAKE_AS_IS)
            }
        };
    }
    let limits = shm::limits().ok();
    match limits {
        _ if size == 0 => failure.because(
            Kind::Invalid,
            "a new segment of 0 bytes was asked for",
            "give the size of what will lie in it, at least 1",
        ),
        Some(limits) if size as u64 > limits.shmmax => failure.because(
            Kind::NoSpace(Limit::Shmmax),
            format!(
                "{size} bytes are more than shmmax allows for one segment, {} bytes",
                limits.shmmax
            ),
            "ask for less, or raise it with sysctl kernel.shmmax",
        ),
        _ if huge => failure.because(
            Kind::Invalid,
            "this kernel has no huge pages of the size asked for",
            "see /sys/kernel/mm/hugepages for the sizes it has",
        ),
        _ => failure.because(
            Kind::Invalid,
            format!("{size} bytes are more than this kernel can give to one segment"),
            "ask for less",
        ),
    }
}

/// `ENOSPC` of `shmget`: too many segments, or too many pages in them.
fn no_space(failure: Failure, size: usize) -> Error {
    let (Ok(limits), Ok(usage)) = (shm::limits(), shm::usage()) else {
        return failure.other();
    };
    if usage.segments >= limits.shmmni {
        let cause = format!(
            "shmmni allows {} segments, and {} exist",
            limits.shmmni, usage.segments
        );
        return failure.because(Kind::NoSpace(Limit::Shmmni), cause, FREE_SEGMENTS);
    }
    let page = syscalls::page_size();
    let cause = format!(
        "shmall allows {} pages in all segments; {} are in use, {} more ({size} bytes) were asked for",
        limits.shmall,
        usage.pages,
        (size as u64).div_ceil(page),
    );
    failure.because(Kind::NoSpace(Limit::Shmall), cause, FREE_SEGMENTS)
}

pub(in crate::sysv) fn shmat(errno: Errno, id: i32, flags: c_int, address: usize) -> Error {
    let failure = Failure::new("shmat", None, Subject::Id { id, key: None }, errno);
    match errno.0 {
        libc::EIDRM => failure.gone(Noun::Segment),
        libc::EACCES => {
            let read_only = flags & libc::SHM_RDONLY != 0;
            let exec = flags & syscalls::SHM_EXEC != 0;
            let (needed, hint) = match (read_only, exec) {
                (_, true) => (
                    "execute",
                    "attach without exec, or have its owner set the execute bits of the mode with shm::set",
                ),
                (true, false) => ("read", CHANGE_MODE),
                (false, false) => (
                    "read and write",
                    "attach with Access::ReadOnly, or have its owner change the mode with shm::set",
                ),
            };
            failure.denied(
                Noun::Segment,
                find(id).facts().map(Rights::of_segment),
                needed,
                hint,
            )
        }
        libc::EINVAL => {
            let found = find(id);
            if found.is_gone() {
                return failure.gone(Noun::Segment);
            }
            bad_address(failure, flags, address, found.facts().map(|stat| stat.size))
        }
        libc::ENOMEM => {
            let size = find(id)
                .facts()
                .map_or_else(String::new, |stat| format!(" of {} bytes", stat.size));
            failure.because(
                Kind::NoMemory,
                format!("this process has no address space left for the segment{size}, or the kernel no memory"),
                "detach or unmap something, or raise RLIMIT_AS or vm.max_map_count",
            )
        }
        _ => failure.other(),
    }
}

/// `EINVAL` of `shmat` where the segment exists.
fn bad_address(failure: Failure, flags: c_int, address: usize, size: Option<usize>) -> Error {
    let page = syscalls::page_size();
    if address == 0 && flags & libc::SHM_REMAP != 0 {
        return failure.because(
            Kind::Invalid,
            "to replace what is mapped, an address must be given",
            "say which with AttachOptions::at",
        );
    }
    if flags & libc::SHM_RND == 0 && !(address as u64).is_multiple_of(page) {
        return failure.because(
            Kind::Invalid,
            format!("address {address:#x} is no multiple of the page size, {page} bytes"),
            "align it, or have it rounded down with AttachOptions::round",
        );
    }
    let range = size.map_or_else(String::new, |size| format!("the {size} bytes from "));
    failure.because(
        Kind::Invalid,
        format!(
            "{range}address {address:#x} cannot be mapped: not free, or not for this process to use"
        ),
        "choose another address, or leave the choice to the kernel",
    )
}

/// Of `MADV_POPULATE_READ` and `MADV_POPULATE_WRITE` on huge pages.
pub(in crate::sysv) fn populate(errno: Errno, id: i32, bytes: usize) -> Error {
    let failure = Failure::new("madvise", None, Subject::Id { id, key: None }, errno);
    failure.because(
        Kind::NoMemory,
        format!("the kernel has no huge pages left for the {bytes} bytes of the segment, which was made without reserving them"),
        "raise vm.nr_hugepages, or have the segment made without SHM_NORESERVE",
    )
}

pub(in crate::sysv) fn shmdt(errno: Errno, id: i32) -> Error {
    let failure = Failure::new("shmdt", None, Subject::Id { id, key: None }, errno);
    match errno.0 {
        libc::EINVAL => failure.because(
            Kind::Invalid,
            "no segment is attached where this one was",
            "look for code that unmaps or replaces memory that is not its own",
        ),
        _ => failure.other(),
    }
}

pub(in crate::sysv) fn shmctl(errno: Errno, command: &'static str, id: i32) -> Error {
    let failure = Failure::new(
        "shmctl",
        Some(command),
        Subject::Id { id, key: None },
        errno,
    );
    if errno.0 == libc::EIDRM {
        return failure.gone(Noun::Segment);
    }
    let found = find(id);
    if errno.0 == libc::EINVAL && found.is_gone() {
        return failure.gone(Noun::Segment);
    }
    let rights = found.facts().map(Rights::of_segment);
    match (errno.0, command) {
        (libc::EACCES, _) => failure.denied(Noun::Segment, rights, "read", CHANGE_MODE),
        (libc::EPERM, "SHM_LOCK" | "SHM_UNLOCK") => {
            let (uid, _) = syscalls::effective_ids();
            match rights {
                // The owner and the creator are refused only for this.
                Some(r) if r.uid == uid || r.cuid == uid => no_lock(failure, None),
                _ => failure.not_permitted(Noun::Segment, rights, "CAP_IPC_LOCK"),
            }
        }
        (libc::EPERM, _) => failure.not_permitted(Noun::Segment, rights, "CAP_SYS_ADMIN"),
        (libc::ENOMEM, "SHM_LOCK") => no_lock(failure, found.facts()),
        (libc::EINVAL, "IPC_SET") => failure.because(
            Kind::Invalid,
            "this user namespace does not know the user or the group",
            "give ids that are mapped in /proc/self/uid_map and gid_map",
        ),
        _ => failure.other(),
    }
}

fn no_lock(failure: Failure, stat: Option<&Stat>) -> Error {
    let what = stat.map_or_else(
        || "any segment".into(),
        |stat| format!("{} more bytes", stat.size),
    );
    let limit = syscalls::memlock_limit()
        .map_or_else(|_| String::new(), |bytes| format!(", {bytes} bytes"));
    failure.because(
        Kind::NoSpace(Limit::Memlock),
        format!("locking {what} would exceed RLIMIT_MEMLOCK of this user{limit}"),
        "raise it with ulimit -l or limits.conf, or give the process CAP_IPC_LOCK",
    )
}
