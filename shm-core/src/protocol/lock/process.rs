//! Who this process is: told apart from its parent after `fork`, and from its former self after
//! `exec`.

use core::ptr;
use std::sync::atomic::{
    AtomicPtr, AtomicU32, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};

/// One page that the kernel wipes in a child (madvise(2), `MADV_WIPEONFORK`: "the child process
/// will see zero-filled pages"); its first word holds the epoch. Until first asked for, and where
/// there is no such page, a word that stays 0: so that the pointer need not be looked at.
static PAGE: AtomicPtr<AtomicU32> = AtomicPtr::new((&raw const NO_PAGE).cast_mut());

static NO_PAGE: AtomicU32 = AtomicU32::new(0);

/// The same where there can be none, so that it is not asked for again.
static NEVER_A_PAGE: AtomicU32 = AtomicU32::new(0);

/// The last epoch given out. Inherited by children, so that theirs are new.
static LAST: AtomicU32 = AtomicU32::new(0);

/// The last epoch of [`by_pid`], with the pid that it was given to in the high half. Inherited, too.
static BY_PID: AtomicU64 = AtomicU64::new(0);

/// The word that holds the epoch, or 0 if [`epoch`] must be asked.
#[inline(always)]
fn word() -> &'static AtomicU32 {
    // SAFETY: `PAGE` leads to a static, or to a page that `install` published and that stays mapped
    // for ever.
    unsafe { &*PAGE.load(Acquire) }
}

/// A number that a `fork` changes in the child: what a claim made under another epoch owns belongs
/// to another process. Neither 0 nor [`Stamp::NONE`]'s.
///
/// Two loads, and system calls only when first called in a process. Also right after a bare `clone`
/// that runs no `pthread_atfork` handlers.
#[inline]
pub(crate) fn epoch() -> u32 {
    match word().load(Relaxed) {
        0 => renew(),
        epoch => epoch,
    }
}

/// An epoch, with the word that says whether it lasts: asking again is one load.
#[derive(Clone, Copy, Debug)]
pub(in crate::protocol) struct Stamp {
    pub(in crate::protocol) epoch: u32,
    word: &'static AtomicU32,
}

impl Stamp {
    /// The epoch of no process.
    pub(in crate::protocol) const NONE: u32 = u32::MAX;

    /// A stamp of that epoch, if it is seen at first sight to be this process's.
    #[inline(always)]
    pub(in crate::protocol) fn at_once(epoch: u32) -> Option<Stamp> {
        let word = word();
        (word.load(Relaxed) == epoch).then_some(Stamp { epoch, word })
    }

    /// The epoch that is.
    pub(in crate::protocol) fn now() -> Stamp {
        let epoch = epoch();
        Stamp {
            epoch,
            word: word(),
        }
    }

    /// Whether it is seen at first sight that no fork lies between the making of this stamp and
    /// now. One load.
    #[inline(always)]
    pub(in crate::protocol) fn lasts_at_once(self) -> bool {
        self.word.load(Relaxed) == self.epoch
    }

    /// Whether no fork lies between the making of this stamp and now.
    #[inline]
    pub(in crate::protocol) fn lasts(self) -> bool {
        self.lasts_at_once() || self.epoch == epoch()
    }
}

#[cold]
fn renew() -> u32 {
    let word = match word() {
        none if ptr::eq(none, &NO_PAGE) => install(),
        page => page,
    };
    if ptr::eq(word, &NEVER_A_PAGE) {
        return by_pid();
    }
    let new = after(LAST.fetch_add(1, Relaxed));
    match word.compare_exchange(0, new, Relaxed, Relaxed) {
        Ok(_) => new,
        Err(other_thread) => other_thread,
    }
}

/// The epoch where there is no page that forks wipe (a kernel before 4.14, an emulator): the pid tells parent and child
/// apart, at the price of a system call, also after a bare `clone`; and a handler of `fork` those that have one pid, each in
/// a namespace of its own. Not the pid itself: a parent's and a child's differ in their low bits too.
fn by_pid() -> u32 {
    let pid = std::process::id();
    let mut seen = BY_PID.load(Relaxed);
    while (seen >> 32) as u32 != pid {
        let new = u64::from(pid) << 32 | u64::from(after(seen as u32));
        match BY_PID.compare_exchange(seen, new, Relaxed, Relaxed) {
            Ok(_) => seen = new,
            Err(other_thread) => seen = other_thread,
        }
    }
    seen as u32
}

/// Runs in a child before `fork` returns there: makes the next call of [`by_pid`] give out another epoch.
unsafe extern "C" fn forget_pid() {
    BY_PID.fetch_and(u32::MAX.into(), Relaxed);
}

/// The next epoch.
fn after(epoch: u32) -> u32 {
    match epoch.wrapping_add(1) {
        0 | Stamp::NONE => 1,
        new => new,
    }
}

/// What madvise(2) does not know: "EINVAL advice is not a valid value".
const NO_ADVICE: libc::c_int = -1;

fn install() -> &'static AtomicU32 {
    let bytes = size_of::<AtomicU32>();
    // SAFETY: mmap(2): without MAP_FIXED a new mapping replaces none. The kernel rounds up to a
    // page and fills it with zeros.
    let page = unsafe {
        libc::mmap(
            ptr::null_mut(),
            bytes,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
            -1,
            0,
        )
    };
    let mapped = page != libc::MAP_FAILED;
    // SAFETY: `page` is a private anonymous mapping of ours, as MADV_WIPEONFORK asks for.
    let wiped = |advice| unsafe { libc::madvise(page, bytes, advice) } == 0;
    // What takes any advice follows none: emulators (qemu-user) do, and wipe nothing.
    let wiped = mapped && wiped(libc::MADV_WIPEONFORK) && !wiped(NO_ADVICE);
    let new = if wiped {
        page.cast()
    } else {
        // SAFETY: pthread_atfork(3): the handler makes no call that a signal handler may not make. Run twice, where threads
        // come here at once, it does the same.
        unsafe { libc::pthread_atfork(None, None, Some(forget_pid)) };
        (&raw const NEVER_A_PAGE).cast_mut()
    };
    let none = (&raw const NO_PAGE).cast_mut();
    let published = PAGE.compare_exchange(none, new, Release, Acquire).is_ok();
    if mapped && !(wiped && published) {
        // SAFETY: the mapping was made above, and no other thread has been told of it.
        unsafe { libc::munmap(page, bytes) };
    }
    // Ours, or another thread's.
    word()
}

/// Sixteen bits that this process keeps until `exec` and then most likely changes: the same for every
/// thread, for children until they `exec`, and for every copy of this library in the process.
///
/// `exec` keeps a process's semaphores and wipes its memory. So a claim that is this very process's,
/// and that bears other bits, was made before. The low half is in the claim's word, the high half in
/// its record.
pub(in crate::protocol) fn image() -> u32 {
    // SAFETY: getauxval(3): AT_RANDOM is "the address of sixteen bytes containing a random value",
    // or 0 if there is none. The kernel laid them on the stack of the program that was started,
    // where they stay.
    unsafe {
        let random = libc::getauxval(libc::AT_RANDOM) as *const [u8; 2];
        if random.is_null() {
            0
        } else {
            u16::from_le_bytes(random.read()).into()
        }
    }
}

/// Makes all that a process stored before it was seen to be gone seen here. `false`: the kernel
/// can't, so what was seen can't be acted upon.
///
/// On x86 stores reach other processors in the order of the program (Intel SDM, volume 3, "Memory
/// Ordering"), so one that sees that a process has ended sees its stores. Elsewhere the kernel makes
/// every processor pass a barrier (membarrier(2), `MEMBARRIER_CMD_GLOBAL`).
pub(super) fn sees_what_others_stored() -> bool {
    cfg!(any(target_arch = "x86_64", target_arch = "x86")) || super::futex::barrier_global()
}
