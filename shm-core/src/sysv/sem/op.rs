//! Operations on a set: all of them at once or none, at once or after a wait.

use core::fmt;
use core::time::Duration;
use std::time::Instant;

use super::Id;
use crate::sysv::diagnose;
use crate::sysv::error::Error;
use crate::sysv::syscalls::{self, Errno};

/// One operation on one semaphore of a set; [`op()`] does several as a whole.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct Op(libc::sembuf);

/// Marks an `add` of 0, which the kernel would take for a wait. Not a bit of the kernel's (those
/// are `0o4000` and `0x1000`), and refused before the call.
const ADDS_ZERO: i16 = i16::MIN;

impl Op {
    /// Adds `n` to the semaphore `index`; with a negative `n`, waits until its value is at least
    /// `-n`, then subtracts.
    ///
    /// An `n` of 0 is an error when the operation is used: System V would take it for
    /// [`wait_zero`](Self::wait_zero).
    #[must_use]
    pub const fn add(index: u16, n: i16) -> Self {
        let sem_flg = if n == 0 { ADDS_ZERO } else { 0 };
        Self(libc::sembuf {
            sem_num: index,
            sem_op: n,
            sem_flg,
        })
    }

    /// Waits until the semaphore `index` is 0.
    #[must_use]
    pub const fn wait_zero(index: u16) -> Self {
        Self(libc::sembuf {
            sem_num: index,
            sem_op: 0,
            sem_flg: 0,
        })
    }

    /// Fails with [`WouldBlock`](crate::sysv::Kind::WouldBlock) where it would have to wait
    /// (`IPC_NOWAIT`).
    #[must_use]
    pub const fn nowait(mut self) -> Self {
        self.0.sem_flg |= libc::IPC_NOWAIT as i16;
        self
    }

    /// Has the kernel take it back when this process ends, however it ends (`SEM_UNDO`).
    ///
    /// "The `sem_undo` structures of a process aren't inherited by the child produced by `fork(2)`,
    /// but they are inherited across an `execve(2)`" (`semop(2)`).
    #[must_use]
    pub const fn undo(mut self) -> Self {
        self.0.sem_flg |= libc::SEM_UNDO as i16;
        self
    }

    /// The semaphore it is for.
    #[must_use]
    pub const fn index(&self) -> u16 {
        self.0.sem_num
    }

    const fn adds_zero(&self) -> bool {
        self.0.sem_flg & ADDS_ZERO != 0
    }
}

impl fmt::Debug for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let libc::sembuf {
            sem_num,
            sem_op,
            sem_flg,
        } = self.0;
        if sem_op != 0 || self.adds_zero() {
            write!(f, "add({sem_num}, {sem_op})")?;
        } else {
            write!(f, "wait_zero({sem_num})")?;
        }
        if sem_flg & libc::IPC_NOWAIT as i16 != 0 {
            f.write_str(".nowait()")?;
        }
        if sem_flg & libc::SEM_UNDO as i16 != 0 {
            f.write_str(".undo()")?;
        }
        Ok(())
    }
}

/// Does all operations at once, waiting until that is possible (`semop`).
///
/// They are done in order, "as a complete unit, or not at all" (`semop(2)`). One system call, no
/// allocation. A signal does not end the wait: after its handler has run, the call is made again,
/// as `std` does for locks; to be able to stop waiting, use [`op_timeout`].
///
/// # Errors
///
/// [`WouldBlock`](crate::sysv::Kind::WouldBlock) if an operation marked [`nowait`](Op::nowait)
/// would have to wait; [`Removed`](crate::sysv::Kind::Removed) also if the set is removed during
/// the wait; [`Denied`](crate::sysv::Kind::Denied) (reading is needed to wait for zero, writing to
/// add); [`OutOfRange`](crate::sysv::Kind::OutOfRange) if a value would exceed 32767;
/// [`Invalid`](crate::sysv::Kind::Invalid) for no operations, for a semaphore the set does not
/// have, and for an `add` of 0; [`NoSpace(Semopm)`](crate::sysv::Limit::Semopm) for too many
/// operations; [`NoMemory`](crate::sysv::Kind::NoMemory) for [`undo`](Op::undo).
pub fn op(id: Id, ops: &[Op]) -> Result<(), Error> {
    repeat(id, ops, "semop", syscalls::semop, || false)
}

/// Does all operations at once, waiting for that no longer than `timeout` (`semtimedop`).
///
/// The time is measured on the monotonic clock over the whole wait, however many signals arrive in
/// it.
///
/// # Errors
///
/// [`TimedOut`](crate::sysv::Kind::TimedOut) if the time is over, and each error of [`op()`].
pub fn op_timeout(id: Id, ops: &[Op], timeout: Duration) -> Result<(), Error> {
    // No deadline if it lies beyond what the clock can count.
    let deadline = Instant::now().checked_add(timeout);
    let left = || {
        deadline.map_or(Duration::MAX, |at| {
            at.saturating_duration_since(Instant::now())
        })
    };
    let call = |id, ops: &[_]| syscalls::semtimedop(id, ops, left());
    repeat(id, ops, "semtimedop", call, || left().is_zero())
}

/// Makes the call, and again as long as a signal ends it.
fn repeat(
    id: Id,
    ops: &[Op],
    name: &'static str,
    call: impl Fn(i32, &[libc::sembuf]) -> Result<(), Errno>,
    is_over: impl Fn() -> bool,
) -> Result<(), Error> {
    if let Some(op) = ops.iter().find(|op| op.adds_zero()) {
        return Err(diagnose::adds_zero(name, id.0, op.index()));
    }
    // SAFETY: `Op` is `repr(transparent)` over `sembuf`: "the layout and ABI of the whole struct is
    // guaranteed to be the same as that one field" (Rust reference on the transparent
    // representation), so a slice of one is a slice of the other.
    let raw = unsafe { core::slice::from_raw_parts(ops.as_ptr().cast(), ops.len()) };
    loop {
        match call(id.0, raw) {
            Err(Errno(libc::EINTR)) => {}
            other => {
                return other.map_err(|errno| diagnose::semop(errno, name, id.0, raw, is_over()));
            }
        }
    }
}
