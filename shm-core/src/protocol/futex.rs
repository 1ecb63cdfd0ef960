//! Sleeping in the kernel until a word in shared memory changes: futex(2), and the barrier of
//! membarrier(2).

use core::ptr;
use std::time::Duration;

/// Sleeps until woken, until `nap` is over, or for no reason at all; returns at once if the word is
/// not `expected`.
///
/// Every reason to return leads the caller to look again, so none is told. One system call. A word
/// on a read-only mapping is fine: the kernel only reads it.
pub(super) fn sleep(word: *const u32, expected: u32, nap: Duration) {
    let nap = libc::timespec {
        tv_sec: libc::time_t::try_from(nap.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: nap.subsec_nanos() as _,
    };
    // SAFETY: futex(2): FUTEX_WAIT reads the aligned word at the first argument and the timeout at
    // the fourth, and reports a bad address as EFAULT. Without FUTEX_PRIVATE_FLAG the word is found
    // by its page, so processes meet.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            word,
            libc::FUTEX_WAIT,
            expected,
            &raw const nap,
        )
    };
}

/// Wakes up to `count` sleepers on the word, in every process. One system call.
pub(super) fn wake(word: *const u32, count: i32) {
    // SAFETY: futex(2): FUTEX_WAKE touches no memory of ours.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            word,
            libc::FUTEX_WAKE,
            count,
            ptr::null::<libc::timespec>(),
        )
    };
}

/// membarrier(2): commands, from linux/membarrier.h.
const MEMBARRIER_CMD_GLOBAL_EXPEDITED: libc::c_int = 1 << 1;
const MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED: libc::c_int = 1 << 2;

/// Asks that [`barrier_everywhere`] reaches the threads of this process. `false`: the kernel can't,
/// or may not.
pub(super) fn register_for_barriers() -> bool {
    membarrier(MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED)
}

/// Runs a full memory barrier on every running thread of every registered process. `false`: the
/// kernel can't, or may not.
pub(super) fn barrier_everywhere() -> bool {
    membarrier(MEMBARRIER_CMD_GLOBAL_EXPEDITED)
}

fn membarrier(command: libc::c_int) -> bool {
    // SAFETY: membarrier(2): takes no pointer, and orders memory accesses without changing any.
    unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
}
