//! Descriptors that no child of a `fork` shall keep: a copy of one would keep its locks, and so its dead owner alive.

use core::ptr;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicU64};

use super::description::Description;
use super::syscalls;

/// A place in the list that the child's handler walks. Places are used again and never freed, so the list can be walked at any time.
#[derive(Debug)]
struct Place {
    /// [`FREE`], [`TAKEN`] while it is being filled, or the descriptor.
    fd: AtomicI32,
    dev: AtomicU64,
    ino: AtomicU64,
    next: *const Place,
}

const FREE: i32 = -1;
const TAKEN: i32 = -2;

static FIRST: AtomicPtr<Place> = AtomicPtr::new(ptr::null_mut());
static HANDLER: AtomicBool = AtomicBool::new(false);

/// Keeps a description out of children for as long as it lives. To be dropped before the description is closed: its number may
/// be another's right after that.
#[derive(Debug)]
pub(super) struct KeptFromChildren(&'static Place);

// SAFETY: a place consists of atomics and of a pointer that never changes, to another place.
unsafe impl Send for Place {}
// SAFETY: a place consists of atomics and of a pointer that never changes, to another place.
unsafe impl Sync for Place {}

impl KeptFromChildren {
    pub(super) fn new(description: &Description) -> KeptFromChildren {
        if !HANDLER.swap(true, Relaxed) {
            syscalls::at_fork(in_child);
        }
        let take = |place: &&Place| {
            let taken = place.fd.compare_exchange(FREE, TAKEN, Acquire, Relaxed);
            taken.is_ok()
        };
        let place = places().find(take).unwrap_or_else(one_more);
        let (dev, ino) = description.inode();
        place.dev.store(dev, Relaxed);
        place.ino.store(ino, Relaxed);
        // Release: a child that sees the number sees whose it is.
        place.fd.store(description.raw(), Release);
        KeptFromChildren(place)
    }
}

impl Drop for KeptFromChildren {
    fn drop(&mut self) {
        self.0.fd.store(FREE, Release);
    }
}

fn places() -> impl Iterator<Item = &'static Place> {
    let mut next = FIRST.load(Acquire).cast_const();
    core::iter::from_fn(move || {
        // SAFETY: `next` is null or leads to a place, which `one_more` made and which is never freed.
        let place = unsafe { next.as_ref() }?;
        next = place.next;
        Some(place)
    })
}

fn one_more() -> &'static Place {
    let place = Box::leak(Box::new(Place {
        fd: AtomicI32::new(TAKEN),
        dev: AtomicU64::new(0),
        ino: AtomicU64::new(0),
        next: ptr::null(),
    }));
    let mut first = FIRST.load(Relaxed);
    loop {
        place.next = first;
        match FIRST.compare_exchange_weak(first, place, Release, Relaxed) {
            Ok(_) => return place,
            Err(other) => first = other,
        }
    }
}

/// Runs in the child before `fork` returns there: alone, and with the calls alone that a signal handler may make.
unsafe extern "C" fn in_child() {
    for place in places() {
        let fd = place.fd.load(Acquire);
        if fd >= 0 {
            syscalls::replace_with_nothing(fd, (place.dev.load(Relaxed), place.ino.load(Relaxed)));
        }
    }
}
