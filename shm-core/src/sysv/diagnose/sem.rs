//! What the failures of the semaphore calls mean.

use super::{Failure, Found, Noun, Rights};
use crate::sysv::error::{Error, Kind, Limit, Subject};
use crate::sysv::key::Key;
use crate::sysv::mode::Mode;
use crate::sysv::sem::{self, Op, Stat};
use crate::sysv::syscalls::{self, Errno};

const FREE_SETS: &str =
    "remove sets that nobody uses (ipcs -s, ipcrm), or raise it with sysctl kernel.sem";
const TAKE_AS_IS: &str = "ask with 0 to take it as it is, or remove it and create it anew";
const CHANGE_MODE: &str = "have its owner change the mode with sem::set";

impl Rights {
    fn of_set(stat: &Stat) -> Self {
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

/// Looks for the set, also where this process may not read it.
fn find(id: i32) -> Found<Stat> {
    match syscalls::semctl_stat(id, libc::IPC_STAT) {
        Ok((_, ds)) => Found::Facts(Stat::new(&ds)),
        Err(Errno(libc::EACCES)) => sem::sets()
            .ok()
            .and_then(|all| all.flatten().find(|(found, _)| found.as_raw() == id))
            .map_or(Found::Hidden, |(_, stat)| Found::Facts(stat)),
        Err(_) => Found::Gone,
    }
}

/// Looks for the set of a key. Asking with 0 semaphores and no mode needs no right to it.
fn find_key(key: Key) -> Option<(i32, Found<Stat>)> {
    if key.is_private() {
        return None;
    }
    let id = syscalls::semget(key.raw(), 0, 0).ok()?;
    Some((id, find(id)))
}

fn subject(id: i32) -> Subject {
    Subject::Id { id, key: None }
}

fn has(count: usize) -> String {
    match count {
        1 => "the set has one semaphore, number 0".into(),
        n => format!("the set has {n} semaphores, 0 to {}", n.saturating_sub(1)),
    }
}

pub(in crate::sysv) fn semget(errno: Errno, key: Key, count: u16, mode: Mode) -> Error {
    let failure = Failure::new("semget", None, Subject::Key(key), errno);
    match errno.0 {
        libc::ENOENT => failure.because(
            Kind::NotFound,
            "no semaphore set has this key",
            "create it with GetFlags::CREATE, or look for the right key in `ipcs -s`",
        ),
        libc::EEXIST => {
            let which = find_key(key).map_or_else(String::new, |(id, found)| {
                let facts = found.facts().map_or_else(String::new, |s| {
                    format!(
                        ", {} semaphores, of uid {}, gid {} with mode {}",
                        s.count, s.uid, s.gid, s.mode
                    )
                });
                format!(": id {id}{facts}")
            });
            failure.because(
                Kind::Exists,
                format!("a semaphore set with this key exists already{which}"),
                "leave out GetFlags::EXCLUSIVE to use it, or remove it first",
            )
        }
        libc::EACCES => {
            let found = find_key(key);
            let rights = found
                .as_ref()
                .and_then(|(_, found)| found.facts())
                .map(Rights::of_set);
            let hint = "ask for less (mode 0 asks for nothing), or have its owner change the mode with sem::set";
            failure.denied(Noun::Set, rights, &format!("open with mode {mode}"), hint)
        }
        libc::EINVAL => bad_count(failure, key, count),
        libc::ENOSPC => no_space(failure, count),
        libc::ENOMEM => failure.because(
            Kind::NoMemory,
            format!("the kernel has no memory for {count} semaphores"),
            "ask for fewer, or free some memory",
        ),
        _ => failure.other(),
    }
}

/// `EINVAL` of `semget`: the set is smaller, or none can be so small or so large.
fn bad_count(failure: Failure, key: Key, count: u16) -> Error {
    match sem::limits() {
        Ok(limits) if u64::from(count) > limits.semmsl => {
            let cause = format!(
                "{count} semaphores are more than semmsl allows for one set, {}",
                limits.semmsl
            );
            let hint = "ask for fewer, or raise the first figure of sysctl kernel.sem";
            return failure.because(Kind::NoSpace(Limit::Semmsl), cause, hint);
        }
        _ => {}
    }
    match find_key(key) {
        Some((_, found)) => {
            let has = found
                .facts()
                .map_or_else(|| "fewer".into(), |stat| stat.count.to_string());
            let cause = format!("the set under {key} has {has} semaphores, {count} were asked for");
            failure.because(Kind::Invalid, cause, TAKE_AS_IS)
        }
        None if count == 0 => failure.because(
            Kind::Invalid,
            "a new set of 0 semaphores was asked for",
            "say how many it should have, at least 1",
        ),
        None => failure.other(),
    }
}

/// `ENOSPC` of `semget`: too many sets, or too many semaphores in them.
fn no_space(failure: Failure, count: u16) -> Error {
    let (Ok(limits), Ok(usage)) = (sem::limits(), sem::usage()) else {
        return failure.other();
    };
    if usage.sets >= limits.semmni {
        let cause = format!(
            "semmni allows {} semaphore sets, and {} exist",
            limits.semmni, usage.sets
        );
        return failure.because(Kind::NoSpace(Limit::Semmni), cause, FREE_SETS);
    }
    let cause = format!(
        "semmns allows {} semaphores in all sets; {} exist, {count} more were asked for",
        limits.semmns, usage.semaphores,
    );
    failure.because(Kind::NoSpace(Limit::Semmns), cause, FREE_SETS)
}

pub(in crate::sysv) fn adds_zero(call: &'static str, id: i32, index: u16) -> Error {
    Failure::early(call, None, Subject::Semaphore { id, index }).because(
        Kind::Invalid,
        "an operation adds 0, which System V takes for waiting until the value is 0",
        "leave the operation out, or say Op::wait_zero",
    )
}

pub(in crate::sysv) fn semop(
    errno: Errno,
    call: &'static str,
    id: i32,
    ops: &[Op],
    time_is_over: bool,
) -> Error {
    let failure = Failure::new(call, None, subject(id), errno);
    match errno.0 {
        libc::EAGAIN if time_is_over => failure.because(
            Kind::TimedOut,
            "the time was over before the operations could be done",
            "wait longer, or see who holds the semaphores (GETPID: sem::pid)",
        ),
        libc::EAGAIN => failure.because(
            Kind::WouldBlock,
            "the operations cannot be done without waiting",
            "try again later, or wait by leaving out nowait",
        ),
        libc::EIDRM => failure.because(
            Kind::Removed,
            "the semaphore set is no more: it was removed, perhaps during the wait",
            super::GET_THE_ID_AGAIN,
        ),
        libc::EINVAL if ops.is_empty() => {
            failure.because(Kind::Invalid, "no operation was given", "give at least one")
        }
        libc::EINVAL if find(id).is_gone() => failure.gone(Noun::Set),
        libc::EACCES => {
            let needed = match (ops.iter().any(Op::alters), ops.iter().all(Op::alters)) {
                (true, true) => "alter",
                (true, false) => "read and alter",
                _ => "read",
            };
            failure.denied(
                Noun::Set,
                find(id).facts().map(Rights::of_set),
                needed,
                CHANGE_MODE,
            )
        }
        libc::EFBIG => {
            let asked = ops.iter().map(Op::index).max().unwrap_or(0);
            let has = find(id)
                .facts()
                .map_or_else(String::new, |stat| format!("{}; ", has(stat.count)));
            let cause = format!("{has}an operation is for semaphore {asked}");
            failure.because(Kind::Invalid, cause, "use a number that the set has")
        }
        libc::E2BIG => {
            let limit = sem::limits()
                .map_or_else(|_| String::new(), |limits| format!(", {}", limits.semopm));
            failure.because(
                Kind::NoSpace(Limit::Semopm),
                format!(
                    "{} operations are more than semopm allows in one call{limit}",
                    ops.len()
                ),
                "do them in several calls, or raise the third figure of sysctl kernel.sem",
            )
        }
        libc::ERANGE => failure.because(
            Kind::OutOfRange,
            "a value, or what undo would have to take back, would exceed 32767",
            "add less, or find out why the semaphore is not taken from",
        ),
        libc::ENOMEM => failure.because(
            Kind::NoMemory,
            "the kernel has no memory for the operations or for undoing them",
            "free some memory and try again",
        ),
        _ => failure.other(),
    }
}

pub(in crate::sysv) fn semctl(errno: Errno, command: &'static str, id: i32) -> Error {
    control(
        Failure::new("semctl", Some(command), subject(id), errno),
        errno,
        command,
        id,
    )
}

/// A `semctl` command about one semaphore of the set.
pub(in crate::sysv) fn semaphore(
    errno: Errno,
    command: &'static str,
    id: i32,
    index: u16,
) -> Error {
    let failure = Failure::new(
        "semctl",
        Some(command),
        Subject::Semaphore { id, index },
        errno,
    );
    match (errno.0, find(id)) {
        (libc::EINVAL, Found::Facts(stat)) if usize::from(index) >= stat.count => failure.because(
            Kind::Invalid,
            has(stat.count),
            "use a number that the set has",
        ),
        _ => control(failure, errno, command, id),
    }
}

fn control(failure: Failure, errno: Errno, command: &'static str, id: i32) -> Error {
    if errno.0 == libc::EIDRM {
        return failure.gone(Noun::Set);
    }
    let found = find(id);
    if errno.0 == libc::EINVAL && found.is_gone() {
        return failure.gone(Noun::Set);
    }
    let rights = found.facts().map(Rights::of_set);
    match (errno.0, command) {
        (libc::EACCES, "SETVAL" | "SETALL") => {
            failure.denied(Noun::Set, rights, "alter", CHANGE_MODE)
        }
        (libc::EACCES, _) => failure.denied(Noun::Set, rights, "read", CHANGE_MODE),
        (libc::EPERM, _) => failure.not_permitted(Noun::Set, rights, "CAP_SYS_ADMIN"),
        (libc::ERANGE, _) => failure.because(
            Kind::OutOfRange,
            "a semaphore's value is at most 32767",
            "give a value within 0 to 32767",
        ),
        (libc::EINVAL, "IPC_SET") => failure.because(
            Kind::Invalid,
            "this user namespace does not know the user or the group",
            "give ids that are mapped in /proc/self/uid_map and gid_map",
        ),
        _ => failure.other(),
    }
}

pub(in crate::sysv) fn wrong_count(id: i32, count: usize, given: usize) -> Error {
    Failure::early("semctl", Some("SETALL"), subject(id)).because(
        Kind::Invalid,
        format!("{}; {given} values were given", has(count)),
        "give one value for each semaphore",
    )
}
