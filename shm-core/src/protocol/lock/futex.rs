//! Sleeping in the kernel until a word in shared memory changes: futex(2), and the barrier of
//! membarrier(2).

use core::ptr;
use std::time::Duration;

/// The call whose times have 64 bits. On 32-bit targets the old one takes 32-bit times, whatever the
/// width of libc's `time_t`: `futex_time64` has number 422 on all of them since Linux 5.1.
#[cfg(target_pointer_width = "32")]
const FUTEX: libc::c_long = 422;
#[cfg(target_pointer_width = "64")]
const FUTEX: libc::c_long = libc::SYS_futex;

/// `struct __kernel_timespec`, `include/uapi/linux/time_types.h`.
#[repr(C)]
struct KernelTimespec {
    seconds: i64,
    nanos: i64,
}

/// Sleeps until woken, until `nap` is over, or for no reason at all; returns at once if the word is
/// not `expected`.
///
/// Every reason to return leads the caller to look again, so none is told. One system call. A word
/// on a read-only mapping is fine: the kernel only reads it.
pub(in crate::protocol) fn sleep(word: *const u32, expected: u32, nap: Duration) {
    let nap = KernelTimespec {
        seconds: i64::try_from(nap.as_secs()).unwrap_or(i64::MAX),
        nanos: nap.subsec_nanos().into(),
    };
    // SAFETY: futex(2): FUTEX_WAIT reads the aligned word at the first argument and the timeout at
    // the fourth, and reports a bad address as EFAULT. Without FUTEX_PRIVATE_FLAG the word is found
    // by its page, so processes meet.
    unsafe { libc::syscall(FUTEX, word, libc::FUTEX_WAIT, expected, &raw const nap) };
}

/// Wakes up to `count` sleepers on the word, in every process. One system call.
pub(in crate::protocol) fn wake(word: *const u32, count: i32) {
    let no_time = ptr::null::<KernelTimespec>();
    // SAFETY: futex(2): FUTEX_WAKE touches no memory of ours.
    unsafe { libc::syscall(FUTEX, word, libc::FUTEX_WAKE, count, no_time) };
}

/// One word of [`sleep_on_any`]: `struct futex_waitv`, `include/uapi/linux/futex.h`.
#[cfg(feature = "async")]
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(super) struct Word {
    expected: u64,
    address: u64,
    flags: u32,
    reserved: u32,
}

/// As many words as one sleep takes: `FUTEX_WAITV_MAX`.
#[cfg(feature = "async")]
pub(super) const MOST_WORDS: usize = 128;

#[cfg(feature = "async")]
impl Word {
    /// Found by its page, as in [`sleep`].
    pub(super) fn new(address: usize, expected: u32) -> Word {
        const FUTEX2_SIZE_U32: u32 = 2;
        Word {
            expected: expected.into(),
            address: address as u64,
            flags: FUTEX2_SIZE_U32,
            reserved: 0,
        }
    }

    pub(super) fn address(&self) -> usize {
        self.address as usize
    }
}

/// Sleeps until woken on any of the words, until `nap` is over, or for no reason at all; returns at once if one is
/// not what is expected, or is not mapped any more. Woken, which one of the words that was for.
///
/// The errno if the kernel, or a sandbox, does not do that.
#[cfg(feature = "async")]
pub(super) fn sleep_on_any(words: &[Word], nap: Duration) -> Result<Option<usize>, i32> {
    // SAFETY: the structure consists of integers, for which zeros are valid. No literal names the padding that it has with
    // times of 64 bits on 32-bit targets.
    let mut now: libc::timespec = unsafe { core::mem::zeroed() };
    // SAFETY: clock_gettime(2) stores the time to its second argument.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    let now = Duration::new(seconds, now.tv_nsec as u32);
    let end = now.saturating_add(nap);
    let end = KernelTimespec {
        seconds: i64::try_from(end.as_secs()).unwrap_or(i64::MAX),
        nanos: end.subsec_nanos().into(),
    };
    // SAFETY: futex_waitv in Documentation/userspace-api/futex2.rst: reads `words.len()` structs at the first argument,
    // the aligned words that these name, and the time at the fourth; reports a bad address as EFAULT.
    let slept = unsafe {
        libc::syscall(
            libc::SYS_futex_waitv,
            words.as_ptr(),
            words.len(),
            0,
            &raw const end,
            libc::CLOCK_MONOTONIC,
        )
    };
    let errno = || std::io::Error::last_os_error().raw_os_error();
    match (slept < 0).then(errno).flatten() {
        None => Ok(usize::try_from(slept).ok()),
        Some(libc::EAGAIN | libc::ETIMEDOUT | libc::EINTR | libc::EFAULT) => Ok(None),
        Some(errno) => Err(errno),
    }
}

/// membarrier(2): commands, from linux/membarrier.h.
const MEMBARRIER_CMD_GLOBAL: libc::c_int = 1 << 0;
const MEMBARRIER_CMD_GLOBAL_EXPEDITED: libc::c_int = 1 << 1;
const MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED: libc::c_int = 1 << 2;

/// Asks that [`barrier_everywhere`] reaches the threads of this process. `false`: the kernel can't,
/// or may not.
pub(super) fn register_for_barriers() -> bool {
    membarrier(MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED)
}

/// Runs a full memory barrier on every running thread of every registered process. `false`: the
/// kernel can't, or may not.
pub(in crate::protocol) fn barrier_everywhere() -> bool {
    membarrier(MEMBARRIER_CMD_GLOBAL_EXPEDITED)
}

/// Waits until every running thread of every process has passed a full memory barrier. `false`: the
/// kernel can't, or may not.
pub(super) fn barrier_global() -> bool {
    membarrier(MEMBARRIER_CMD_GLOBAL)
}

fn membarrier(command: libc::c_int) -> bool {
    // SAFETY: membarrier(2): takes no pointer, and orders memory accesses without changing any.
    unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::time::Instant;

    use super::*;

    /// A time of another width than the kernel's is none to it, or no time at all.
    #[test]
    fn the_kernel_sleeps_as_long_as_it_was_told() {
        let word = core::sync::atomic::AtomicU32::new(7);
        let nap = Duration::from_millis(20);
        let start = Instant::now();
        // A signal may end one sleep early, not each of many.
        for _ in 0..10 {
            sleep(word.as_ptr(), 7, nap);
        }
        assert!(start.elapsed() >= nap, "{:?}", start.elapsed());
    }
}
