//! Descriptions that no child of a `fork` has: a copy of one would keep its locks, and so its dead owner alive.

use core::ops::Deref;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicI64, AtomicU32};

use super::chain::Chain;
use super::description::Description;
use super::error::Error;
use super::syscalls;

/// A place in the list that the child's handler walks. Places are used again and never freed.
#[derive(Debug)]
struct Place {
    /// [`FREE`], [`TAKEN`] while it is being filled, or the descriptor.
    fd: AtomicI32,
    mark: AtomicI64,
}

const FREE: i32 = -1;
const TAKEN: i32 = -2;

static PLACES: Chain<Place> = Chain::new();
static HANDLER: AtomicBool = AtomicBool::new(false);

/// Rises before each fork and after it: odd while one is under way.
static FORKS: AtomicU32 = AtomicU32::new(0);

/// A description that stays out of children for as long as it lives.
// In this order: its place is given up before it is closed, since its number may be another's right after that.
#[derive(Debug)]
pub(super) struct Kept {
    _place: Taken,
    description: Description,
}

#[derive(Debug)]
struct Taken(&'static Place);

impl Kept {
    /// Opens the file of a description once more.
    ///
    /// # Errors
    ///
    /// As of [`Description::again`].
    pub(super) fn open(of: &Description) -> Result<Kept, Error> {
        if !HANDLER.swap(true, Relaxed) {
            syscalls::at_fork(around_fork, around_fork, in_child);
        }
        loop {
            let before = FORKS.load(SeqCst);
            let description = of.again(true)?;
            let kept = Kept {
                _place: Taken::new(&description),
                description,
            };
            // A child that was forked in between may have a copy.
            if before % 2 == 0 && FORKS.load(SeqCst) == before {
                return Ok(kept);
            }
            drop(kept);
            std::thread::yield_now();
        }
    }
}

impl Deref for Kept {
    type Target = Description;

    fn deref(&self) -> &Description {
        &self.description
    }
}

impl Taken {
    fn new(description: &Description) -> Taken {
        let take = |place: &&Place| {
            let taken = place.fd.compare_exchange(FREE, TAKEN, Acquire, Relaxed);
            taken.is_ok()
        };
        let one_more = || {
            PLACES.push(Place {
                fd: AtomicI32::new(TAKEN),
                mark: AtomicI64::new(0),
            })
        };
        let place = PLACES.iter().find(take).unwrap_or_else(one_more);
        let (fd, mark) = description.marked();
        place.mark.store(mark, Relaxed);
        // Release: a child that sees the number sees whose it is.
        place.fd.store(fd, Release);
        Taken(place)
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.0.fd.store(FREE, Release);
    }
}

unsafe extern "C" fn around_fork() {
    FORKS.fetch_add(1, SeqCst);
}

/// Runs in the child before `fork` returns there: alone, and with the calls alone that a signal handler may make.
unsafe extern "C" fn in_child() {
    FORKS.fetch_add(1, SeqCst);
    for place in PLACES.iter() {
        let fd = place.fd.load(Acquire);
        if fd >= 0 {
            syscalls::replace_with_nothing(fd, place.mark.load(Relaxed));
        }
    }
}
