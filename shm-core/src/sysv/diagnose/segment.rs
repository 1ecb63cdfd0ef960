//! What the failures of the segment calls mean.

use core::ffi::c_int;
use std::borrow::Cow;

use super::object::{Facts, Gone, SEGMENT};
use crate::sysv::error::{Error, Kind, Limit, Subject};
use crate::sysv::key::Key;
use crate::sysv::mode::Mode;
use crate::sysv::syscalls::{self, Errno};

const TAKE_AS_IS: &str = "ask with size 0 to take it as it is, or remove it and create it anew";
const FREE_SEGMENTS: &str =
    "remove segments that no process uses (ipcs -m, ipcrm), or raise it with sysctl";

pub(in crate::sysv) fn two_page_sizes(key: Key) -> Error {
    Error::early("shmget", None, Subject::Key(key)).invalid(
        "the flags name two sizes of huge pages",
        "choose one of HUGETLB_2MB and HUGETLB_1GB",
    )
}

pub(in crate::sysv) fn shmget(
    errno: Errno,
    key: Key,
    size: usize,
    flags: c_int,
    mode: Mode,
) -> Error {
    let failure = Error::new("shmget", None, Subject::Key(key), errno);
    let huge = flags & libc::SHM_HUGETLB != 0;
    match errno.0 {
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
        _ => SEGMENT.get(failure, key, mode),
    }
}

/// `EINVAL` of `shmget`: the kernel has one word for four faults.
fn bad_size(failure: Error, key: Key, size: usize, huge: bool) -> Error {
    if let Some((_, found)) = SEGMENT.find_key(key) {
        let has = match found {
            Some(facts) if facts.size >= size => return failure.other(),
            Some(facts) => format!("has {} bytes, {size} were", facts.size),
            None => format!("has fewer bytes than the {size}"),
        };
        let cause = format!("the segment under {key} {has} asked for");
        return failure.invalid(cause, TAKE_AS_IS);
    }
    match syscalls::shm_limits() {
        _ if size == 0 => failure.invalid(
            "a new segment of 0 bytes was asked for",
            "give the size of what will lie in it, at least 1",
        ),
        Ok((_, limits)) if size as u64 > syscalls::wide(limits.shmmax) => failure.because(
            Kind::NoSpace(Limit::Shmmax),
            format!(
                "{size} bytes are more than shmmax allows for one segment, {} bytes",
                limits.shmmax
            ),
            "ask for less, or raise it with sysctl kernel.shmmax",
        ),
        _ if huge => failure.invalid(
            "this kernel has no huge pages of the size asked for",
            "see /sys/kernel/mm/hugepages for the sizes it has",
        ),
        _ => failure.invalid(
            format!("{size} bytes are more than this kernel can give to one segment"),
            "ask for less",
        ),
    }
}

/// `ENOSPC` of `shmget`: too many segments, or too many pages in them.
fn no_space(failure: Error, size: usize) -> Error {
    let (Ok((_, limits)), Ok((_, usage))) = (syscalls::shm_limits(), syscalls::shm_usage()) else {
        return failure.other();
    };
    let (most, segments) = (limits.shmmni, usage.used_ids);
    if u64::from(segments.unsigned_abs()) >= syscalls::wide(most) {
        let cause = format!("shmmni allows {most} segments, and {segments} exist");
        return failure.because(Kind::NoSpace(Limit::Shmmni), cause, FREE_SEGMENTS);
    }
    let cause = format!(
        "shmall allows {} pages in all segments; {} are in use, {} more ({size} bytes) were asked for",
        limits.shmall,
        usage.shm_tot,
        (size as u64).div_ceil(syscalls::page_size()),
    );
    failure.because(Kind::NoSpace(Limit::Shmall), cause, FREE_SEGMENTS)
}

pub(in crate::sysv) fn shmat(errno: Errno, id: i32, flags: c_int, address: usize) -> Error {
    let failure = Error::new("shmat", None, Subject::Id(id), errno);
    match errno.0 {
        libc::EIDRM => SEGMENT.gone(failure),
        libc::EACCES => {
            let read_only = flags & libc::SHM_RDONLY != 0;
            let exec = flags & syscalls::SHM_EXEC != 0;
            let (needed, hint) = match (read_only, exec) {
                (_, true) => (
                    "execute",
                    "attach without exec, or have its owner set the execute bits of the mode with shm::set",
                ),
                (true, false) => ("read", SEGMENT.change_mode),
                (false, false) => (
                    "read and write",
                    "attach with Access::ReadOnly, or have its owner change the mode with shm::set",
                ),
            };
            SEGMENT.denied(failure, SEGMENT.facts(id), needed, hint)
        }
        libc::EINVAL => match SEGMENT.find(id) {
            Err(Gone) => SEGMENT.gone(failure),
            Ok(facts) => bad_address(failure, flags, address, facts),
        },
        libc::ENOMEM => {
            let size = SEGMENT
                .facts(id)
                .map_or_else(String::new, |facts| format!(" of {} bytes", facts.size));
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
fn bad_address(failure: Error, flags: c_int, address: usize, facts: Option<Facts>) -> Error {
    let page = syscalls::page_size();
    if address == 0 && flags & libc::SHM_REMAP != 0 {
        return failure.invalid(
            "to replace what is mapped, an address must be given",
            "say which with AttachOptions::at",
        );
    }
    if flags & libc::SHM_RND == 0 && (address as u64) % page != 0 {
        return failure.invalid(
            format!("address {address:#x} is no multiple of the page size, {page} bytes"),
            "align it, or have it rounded down with AttachOptions::round",
        );
    }
    let range = facts.map_or_else(String::new, |facts| {
        format!("the {} bytes from ", facts.size)
    });
    failure.invalid(
        format!(
            "{range}address {address:#x} cannot be mapped: not free, or not for this process to use"
        ),
        "choose another address, or leave the choice to the kernel",
    )
}

/// Of `MADV_POPULATE_READ` and `MADV_POPULATE_WRITE` on huge pages.
pub(in crate::sysv) fn populate(errno: Errno, id: i32, bytes: usize) -> Error {
    let failure = Error::new("madvise", None, Subject::Id(id), errno);
    failure.because(
        Kind::NoMemory,
        format!("the kernel has no huge pages left for the {bytes} bytes of the segment, which was made without reserving them"),
        "raise vm.nr_hugepages, or have the segment made without SHM_NORESERVE",
    )
}

pub(in crate::sysv) fn shmdt(errno: Errno, id: i32) -> Error {
    let failure = Error::new("shmdt", None, Subject::Id(id), errno);
    match errno.0 {
        libc::EINVAL => failure.invalid(
            "no segment is attached where this one was",
            "look for code that unmaps or replaces memory that is not its own",
        ),
        _ => failure.other(),
    }
}

pub(in crate::sysv) fn shmctl(errno: Errno, command: &'static str, id: i32) -> Error {
    let failure = Error::new("shmctl", Some(command), Subject::Id(id), errno);
    match (errno.0, command) {
        (libc::ENOMEM, "SHM_LOCK") => no_lock(failure, SEGMENT.facts(id)),
        (libc::EPERM, "SHM_LOCK" | "SHM_UNLOCK") => {
            let uid = syscalls::effective_user();
            match SEGMENT.facts(id) {
                // The owner and the creator are refused only for this.
                Some(facts) if facts.uid == uid || facts.cuid == uid => no_lock(failure, None),
                _ => SEGMENT.control_failed(failure, id),
            }
        }
        _ => SEGMENT.control_failed(failure, id),
    }
}

fn no_lock(failure: Error, facts: Option<Facts>) -> Error {
    let what = facts.map_or_else(
        || "any segment".into(),
        |facts| format!("{} more bytes", facts.size),
    );
    let limit = syscalls::soft_limit(libc::RLIMIT_MEMLOCK as i32);
    failure.because(
        Kind::NoSpace(Limit::Memlock),
        format!("locking {what} would exceed RLIMIT_MEMLOCK of this user, {limit} bytes"),
        "raise it with ulimit -l or limits.conf, or give the process CAP_IPC_LOCK",
    )
}

/// An atomic access that an attachment can't give.
pub(in crate::sysv) fn no_atomic(id: i32, why: impl Into<Cow<'static, str>>) -> Error {
    Error::early("shmat", None, Subject::Id(id)).invalid(
        why,
        "see `Attachment::len` and `Attachment::access`; align to the width of the access",
    )
}
