//! A `pthread_mutex_t` in a segment that another program laid out.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::failure::Failure;
use super::field::Field;
use super::raw::RawSegment;
use crate::layout::{SharedLayout, for_each_leaf};
use crate::protocol::{self, Fault};

/// What the mutex of this C library has where, in bytes; of its kind, the bit that says "shared by
/// processes"; of its owner, the bits of the thread.
#[cfg(not(target_env = "musl"))]
const KIND: usize = if cfg!(target_pointer_width = "64") {
    16
} else {
    12
};
#[cfg(not(target_env = "musl"))]
const OWNER: (usize, u32) = (8, u32::MAX);
#[cfg(target_env = "musl")]
const KIND: usize = 0;
#[cfg(target_env = "musl")]
const OWNER: (usize, u32) = (4, 0x3fff_ffff);
const SHARED: u32 = 128;

/// How long one call of the C library may wait: it goes by the clock that can be set.
const STEP: Duration = Duration::from_millis(100);

/// A mutex at this many bytes from the start of the segment.
///
/// # Invariants
///
/// **trusted**: a living `pthread_mutex_t` of this C library's lies there, aligned, for as long as this
/// value is used, and no process changes it, nor what its list pointers lead to, but by its functions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mutex(usize);

impl Mutex {
    /// Fails to compile where a field of this type can be no mutex. Asked in the methods that a program calls, too: the
    /// compiler names the line that called the function in which this is asked, and no other.
    pub(crate) const fn is_a<T, F>() {
        assert!(
            size_of::<F>() == size_of::<libc::pthread_mutex_t>()
                && align_of::<T>() >= align_of::<libc::pthread_mutex_t>(),
            "the field has not the size, or the struct not the alignment, of a `pthread_mutex_t`"
        );
    }
}

/// Ends the hold of a guard when it is dropped, unless a `fork` made it the copy of the one that will.
pub(crate) struct Held<F: Fn()> {
    unlock: F,
    epoch: u32,
}

impl<F: Fn()> Held<F> {
    pub(crate) fn new(unlock: F) -> Self {
        let epoch = protocol::epoch();
        Self { unlock, epoch }
    }
}

impl<F: Fn()> Drop for Held<F> {
    fn drop(&mut self) {
        if protocol::epoch() == self.epoch {
            (self.unlock)();
        }
    }
}

impl RawSegment {
    /// Judges the mutex that is a field of the `T` at `base`.
    ///
    /// # Safety
    ///
    /// If it is one that is initialised: the [invariants](Mutex#invariants) hold.
    pub(crate) unsafe fn mutex<T: SharedLayout, F>(
        &self,
        base: usize,
        field: Field<T, F>,
    ) -> Result<Mutex, Failure> {
        const { Mutex::is_a::<T, F>() }
        let own = field.offset()..field.offset() + size_of::<F>();
        let unfit = |what: &'static str| Err(Failure::Guard(what.into()));
        if own.start % align_of::<libc::pthread_mutex_t>() != 0 {
            return unfit("the field of the mutex is not aligned");
        }
        let mut stored = false;
        for_each_leaf(T::SCHEMA, 0, &mut |offset, size, count| {
            stored |= offset < own.end && own.start < offset + size * count;
        });
        if stored {
            return unfit(
                "storing the value would store the mutex too: declare its field as `Opaque`",
            );
        }
        let place = base + own.start;
        if self.word(place + KIND) & SHARED == 0 {
            return unfit(
                "the mutex is not initialised, or not with `PTHREAD_PROCESS_SHARED`: its creator must do that",
            );
        }
        Ok(Mutex(place))
    }

    /// Locks the mutex, within this time, for as long as what this returns lives. One whose owner died is
    /// made consistent.
    pub(crate) fn lock(
        &self,
        mutex: Mutex,
        limit: Duration,
    ) -> Result<Held<impl Fn() + use<'_>>, Failure> {
        let start = Instant::now();
        let place = self.at(mutex.0).cast::<libc::pthread_mutex_t>();
        loop {
            let left = limit.saturating_sub(start.elapsed()).min(STEP);
            let now = SystemTime::now().duration_since(UNIX_EPOCH);
            let end = now.unwrap_or_default() + left;
            // SAFETY: the structure consists of integers, for which zeros are valid. With times of 64 bits on 32-bit targets
            // it has padding, which libc lets no literal name.
            let mut until: libc::timespec = unsafe { core::mem::zeroed() };
            until.tv_sec = end.as_secs() as _;
            until.tv_nsec = end.subsec_nanos() as _;
            // SAFETY: **trusted** (`Mutex`), and mapped as long as `self` is borrowed.
            match unsafe { libc::pthread_mutex_timedlock(place, &raw const until) } {
                0 => break,
                libc::EOWNERDEAD => {
                    // SAFETY: **trusted** (`Mutex`), and mapped; this thread owns it now.
                    match unsafe { libc::pthread_mutex_consistent(place) } {
                        0 => break,
                        code => return Err(refused(code)),
                    }
                }
                libc::ETIMEDOUT if start.elapsed() < limit => {}
                libc::ETIMEDOUT => {
                    let holder = protocol::observe(self.word(mutex.0 + OWNER.0) & OWNER.1);
                    let waited = start.elapsed();
                    return Err(Fault::Busy { holder, waited }.into());
                }
                code => return Err(refused(code)),
            }
        }
        Ok(Held::new(move || {
            // SAFETY: **trusted** (`Mutex`), and mapped, since what this returns borrows `self`. It is
            // dropped by the thread that locked it, since a pointer makes it neither `Send` nor `Sync`.
            unsafe { libc::pthread_mutex_unlock(place) };
        }))
    }

    /// A word of a mutex: any bytes are one.
    fn word(&self, offset: usize) -> u32 {
        self.part(offset).read().unwrap_or_default()
    }
}

fn refused(code: i32) -> Failure {
    let why = std::io::Error::from_raw_os_error(code);
    Failure::Guard(format!("the mutex can't be locked: {why}").into())
}
