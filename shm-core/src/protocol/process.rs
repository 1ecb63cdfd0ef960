//! Who this process is: told apart from its parent after `fork`, and from its former self after
//! `exec`.

use core::ptr;
use std::sync::atomic::{
    AtomicPtr, AtomicU32,
    Ordering::{Acquire, Relaxed, Release},
};

/// One page that the kernel wipes in a child (madvise(2), `MADV_WIPEONFORK`: "the child process
/// will see zero-filled pages"); its first word holds the epoch. Null until first asked for.
static PAGE: AtomicPtr<AtomicU32> = AtomicPtr::new(ptr::null_mut());

/// The last epoch given out. Inherited by children, so that theirs are new.
static LAST: AtomicU32 = AtomicU32::new(0);

/// A number that a `fork` changes in the child: what a claim made under another epoch owns belongs
/// to somebody else.
///
/// Two loads, and system calls only when first called in a process. Also right after a bare `clone`
/// that runs no `pthread_atfork` handlers.
#[inline]
pub(crate) fn epoch() -> u32 {
    let page = PAGE.load(Acquire);
    if !page.is_null() {
        // SAFETY: `renew` published a page that stays mapped for ever.
        let epoch = unsafe { (*page).load(Relaxed) };
        if epoch != 0 {
            return epoch;
        }
    }
    renew(page)
}

#[cold]
fn renew(page: *mut AtomicU32) -> u32 {
    let page = if page.is_null() { install() } else { page };
    if page.is_null() {
        // No page that forks wipe (a kernel before 4.14): the pid tells parent and child apart, at
        // the price of a system call.
        return std::process::id();
    }
    let new = LAST.fetch_add(1, Relaxed).wrapping_add(1).max(1);
    // SAFETY: as in `epoch`.
    match unsafe { (*page).compare_exchange(0, new, Relaxed, Relaxed) } {
        Ok(_) => new,
        Err(other_thread) => other_thread,
    }
}

fn install() -> *mut AtomicU32 {
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
    if page == libc::MAP_FAILED {
        return ptr::null_mut();
    }
    // SAFETY: `page` is a private anonymous mapping of ours, as MADV_WIPEONFORK asks for.
    let wiped = unsafe { libc::madvise(page, bytes, libc::MADV_WIPEONFORK) } == 0;
    let ours = page.cast::<AtomicU32>();
    if wiped
        && PAGE
            .compare_exchange(ptr::null_mut(), ours, Release, Acquire)
            .is_ok()
    {
        return ours;
    }
    // SAFETY: nobody else has seen this mapping.
    unsafe { libc::munmap(page, bytes) };
    PAGE.load(Acquire)
}

/// Eight bits that this process keeps until `exec` and then most likely changes: the same for every
/// thread, for children until they `exec`, and for every copy of this library in the process.
///
/// `exec` keeps a process's semaphores and wipes its memory. So a claim that the kernel says is
/// this very process's, and that bears other bits, was made before.
pub(super) fn image() -> u32 {
    // SAFETY: getauxval(3): AT_RANDOM is "the address of sixteen bytes containing a random value",
    // or 0 if there is none. The kernel laid them on the stack of the program that was started,
    // where they stay.
    unsafe {
        let random = libc::getauxval(libc::AT_RANDOM) as *const u8;
        if random.is_null() {
            0
        } else {
            u32::from(random.read())
        }
    }
}
