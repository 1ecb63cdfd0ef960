//! What the failures of the semaphore calls mean.

use super::object::{GET_THE_ID_AGAIN, SET};
use crate::sysv::error::{Error, Kind, Limit, Subject};
use crate::sysv::key::Key;
use crate::sysv::mode::Mode;
use crate::sysv::syscalls::{self, Errno};

const FREE_SETS: &str =
    "remove sets that no process uses (ipcs -s, ipcrm), or raise it with sysctl kernel.sem";
const TAKE_AS_IS: &str = "ask with 0 to take it as it is, or remove it and create it anew";

fn has(count: usize) -> String {
    match count {
        1 => "the set has one semaphore, number 0".into(),
        n => format!("the set has {n} semaphores, 0 to {}", n.saturating_sub(1)),
    }
}

pub(in crate::sysv) fn semget(errno: Errno, key: Key, count: u16, mode: Mode) -> Error {
    let failure = Error::new("semget", None, Subject::Key(key), errno);
    match errno.0 {
        libc::EINVAL => bad_count(failure, key, count),
        libc::ENOSPC => no_space(failure, count),
        libc::ENOMEM => failure.because(
            Kind::NoMemory,
            format!("the kernel has no memory for {count} semaphores"),
            "ask for fewer, or free some memory",
        ),
        _ => SET.get(failure, key, mode),
    }
}

/// `EINVAL` of `semget`: the set is smaller, or none can be so small or so large.
fn bad_count(failure: Error, key: Key, count: u16) -> Error {
    let most = syscalls::sem_info(libc::IPC_INFO).map(|(_, limits)| limits.semmsl);
    if let Some(most) = most
        .ok()
        .filter(|most| u32::from(count) > most.unsigned_abs())
    {
        let cause = format!("{count} semaphores are more than semmsl allows for one set, {most}");
        let hint = "ask for fewer, or raise the first figure of sysctl kernel.sem";
        return failure.because(Kind::NoSpace(Limit::Semmsl), cause, hint);
    }
    match SET.find_key(key) {
        Some((_, found)) => {
            let has = found.map_or_else(|| "fewer".into(), |facts| facts.size.to_string());
            let cause = format!("the set under {key} has {has} semaphores, {count} were asked for");
            failure.invalid(cause, TAKE_AS_IS)
        }
        None if count == 0 => failure.invalid(
            "a new set of 0 semaphores was asked for",
            "say how many it should have, at least 1",
        ),
        None => failure.other(),
    }
}

/// `ENOSPC` of `semget`: too many sets, or too many semaphores in them.
fn no_space(failure: Error, count: u16) -> Error {
    let info = |command| syscalls::sem_info(command).map(|(_, info)| info);
    let (Ok(limits), Ok(usage)) = (info(libc::IPC_INFO), info(libc::SEM_INFO)) else {
        return failure.other();
    };
    // `semctl(2)`: `SEM_INFO` tells the sets that exist in `semusz`, and all semaphores in `semaem`.
    let (most, sets) = (limits.semmni, usage.semusz);
    if sets >= most {
        let cause = format!("semmni allows {most} semaphore sets, and {sets} exist");
        return failure.because(Kind::NoSpace(Limit::Semmni), cause, FREE_SETS);
    }
    let cause = format!(
        "semmns allows {} semaphores in all sets; {} exist, {count} more were asked for",
        limits.semmns, usage.semaem,
    );
    failure.because(Kind::NoSpace(Limit::Semmns), cause, FREE_SETS)
}

pub(in crate::sysv) fn adds_zero(call: &'static str, id: i32, index: u16) -> Error {
    Error::early(call, None, Subject::Semaphore { id, index }).invalid(
        "an operation adds 0, which System V takes for waiting until the value is 0",
        "leave the operation out, or say Op::wait_zero",
    )
}

pub(in crate::sysv) fn semop(
    errno: Errno,
    call: &'static str,
    id: i32,
    ops: &[libc::sembuf],
    time_is_over: bool,
) -> Error {
    let failure = Error::new(call, None, Subject::Id(id), errno);
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
            GET_THE_ID_AGAIN,
        ),
        libc::EINVAL if ops.is_empty() => {
            failure.invalid("no operation was given", "give at least one")
        }
        libc::EINVAL if SET.find(id).is_err() => SET.gone(failure),
        libc::EACCES => {
            let alters = |op: &libc::sembuf| op.sem_op != 0;
            let needed = match (ops.iter().any(alters), ops.iter().all(alters)) {
                (true, true) => "alter",
                (true, false) => "read and alter",
                _ => "read",
            };
            SET.denied(failure, SET.facts(id), needed, SET.change_mode)
        }
        libc::EFBIG => {
            let asked = ops.iter().map(|op| op.sem_num).max().unwrap_or(0);
            let has = SET
                .facts(id)
                .map_or_else(String::new, |facts| format!("{}; ", has(facts.size)));
            let cause = format!("{has}an operation is for semaphore {asked}");
            failure.invalid(cause, "use a number that the set has")
        }
        libc::E2BIG => {
            let limit = syscalls::sem_info(libc::IPC_INFO)
                .map_or_else(|_| String::new(), |(_, info)| format!(", {}", info.semopm));
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

/// A `semctl` command about one semaphore of the set.
pub(in crate::sysv) fn semaphore(
    errno: Errno,
    command: &'static str,
    id: i32,
    index: u16,
) -> Error {
    let failure = Error::new(
        "semctl",
        Some(command),
        Subject::Semaphore { id, index },
        errno,
    );
    match SET.facts(id) {
        Some(facts) if errno.0 == libc::EINVAL && usize::from(index) >= facts.size => {
            failure.invalid(has(facts.size), "use a number that the set has")
        }
        _ => SET.control_failed(failure, id),
    }
}

pub(in crate::sysv) fn wrong_count(id: i32, count: usize, given: usize) -> Error {
    Error::early("semctl", Some("SETALL"), Subject::Id(id)).invalid(
        format!("{}; {given} values were given", has(count)),
        "give one value for each semaphore",
    )
}
