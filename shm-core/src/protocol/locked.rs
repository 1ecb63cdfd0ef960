//! The lock while it is held: reading under it, committing, waking, letting go.

use std::marker::PhantomData;

use super::control::ALWAYS_NOTIFY;
use super::copy::{Area, Span};
use super::fault::Fault;
use super::held::Mark;
use super::primitive::Ordering::Relaxed;
use super::process;
use super::segment::Segment;
use super::slots::Claim;
use super::stop::stop;
use super::wait;

/// The range word when the last commit may have changed any byte.
pub(super) const EVERYTHING: u64 = 0;

/// The span that a range word names; `None` if it names everything, or more than there is.
fn decoded(range: u64, stored: usize) -> Option<Span> {
    let offset = usize::try_from(range & 0xffff_ffff).ok()?;
    let len = usize::try_from(range >> 32).ok()?;
    let fits = offset.checked_add(len).is_some_and(|end| end <= stored);
    (range != EVERYTHING && fits).then_some(Span { offset, len })
}

/// The range word for a span; what does not fit its halves is called everything.
fn encoded(span: Span) -> u64 {
    match (u32::try_from(span.offset), u32::try_from(span.len)) {
        (Ok(offset), Ok(len)) => u64::from(len) << 32 | u64::from(offset),
        _ => EVERYTHING,
    }
}

/// The lock, held. Dropping it lets go and wakes whoever must be woken.
#[derive(Debug)]
pub(crate) struct Locked<'a> {
    segment: &'a Segment,
    claim: Claim,
    /// The epoch in which it was taken: a child that was forked meanwhile does not hold it.
    epoch: u32,
    /// The newest version that waiters were not yet woken for; 0: none.
    awaited: u64,
    /// Only the thread that took it may let go: the [`Mark`] is its own.
    not_send: PhantomData<*const ()>,
}

impl<'a> Locked<'a> {
    pub(super) fn new(segment: &'a Segment, claim: Claim, epoch: u32) -> Locked<'a> {
        Locked {
            segment,
            claim,
            epoch,
            awaited: 0,
            not_send: PhantomData,
        }
    }

    pub(super) fn segment(&self) -> &'a Segment {
        self.segment
    }

    /// Notes that the caller's code runs while this thread holds the lock.
    pub(crate) fn mark(&self) -> Mark {
        Mark::set(self.segment.id(), self.claim)
    }

    /// The version that stands.
    #[inline(always)]
    pub(crate) fn version(&self) -> u64 {
        self.segment.version()
    }

    /// Copies some bytes of the payload to `dst`, raw writers' stores included. After `Ok` all of
    /// `dst` is initialised.
    ///
    /// # Safety
    ///
    /// As for [`Segment::try_read`].
    #[inline(always)]
    pub(crate) unsafe fn load(&self, span: Span, dst: *mut u8) -> Result<(), Fault> {
        self.check()?;
        // SAFETY: the caller's promises.
        unsafe { self.segment.latch.load_locked(span, dst) };
        Ok(())
    }

    /// Commits what `write` stores, a whole value of `len` bytes; waiters are woken when the lock
    /// is let go. Returns the new version.
    #[inline(always)]
    pub(crate) fn commit(&mut self, len: usize, write: impl FnOnce(Payload)) -> Result<u64, Fault> {
        self.check()?;
        let segment = self.segment;
        let write = |area| write(Payload { area });
        // SAFETY: the lock is held and the mapping writable; what a dead owner left was repaired;
        // `stored` fits.
        let version = unsafe {
            // The same, but for the compiler: a length that it knows makes short copies straight.
            let stored = segment.stored.load(Relaxed);
            if stored == len {
                segment.latch.commit([Span::whole(len)], write)
            } else {
                segment.latch.commit([Span::whole(stored)], write)
            }
        };
        let range = &segment.control().range;
        if range.load(Relaxed) != EVERYTHING {
            range.store(EVERYTHING, Relaxed);
        }
        stop!("commit: range noted");
        self.awaited = version;
        Ok(version)
    }

    /// Commits what `write` stores within `changed`: the cost is that of these bytes and of those
    /// of the commit before.
    #[inline(always)]
    pub(crate) fn commit_part(
        &mut self,
        changed: Span,
        write: impl FnOnce(Payload),
    ) -> Result<u64, Fault> {
        self.check()?;
        let segment = self.segment;
        let write = |area| write(Payload { area });
        let range = &segment.control().range;
        // The mirror is two versions old: it lacks what the last commit changed, and what this one
        // changes.
        let stored = segment.stored.load(Relaxed);
        let last = decoded(range.load(Relaxed), stored);
        // SAFETY: as in `commit`; `decoded` lets only spans within `stored` through, and `changed`
        // lies within the value.
        let version = unsafe {
            match last {
                // Raw writers change what no commit knows of.
                Some(last) if !segment.has_raw_writers() => {
                    segment.latch.commit([last, changed], write)
                }
                _ => segment.latch.commit([Span::whole(stored)], write),
            }
        };
        range.store(encoded(changed), Relaxed);
        stop!("commit: range of a part noted");
        self.awaited = version;
        Ok(version)
    }

    /// Whether this process holds the lock, and the segment is what it was.
    #[inline(always)]
    fn check(&self) -> Result<(), Fault> {
        if self.epoch != process::epoch() {
            return Err(Fault::Forked);
        }
        // No other schema comes in force under the lock.
        self.segment.check_life()
    }

    /// Wakes waiters now, for a holder that keeps the lock. `barriers` as
    /// [`barriers_reach_us`](wait::barriers_reach_us) says.
    #[inline(always)]
    pub(crate) fn notify(&mut self, barriers: bool) {
        let segment = self.segment;
        stop!("writer: waiters not yet woken");
        let awaited =
            wait::is_awaited_while_held(&segment.control().awaited, self.awaited, barriers);
        if awaited || segment.flags & ALWAYS_NOTIFY != 0 {
            segment.wake_waiters();
        }
        self.awaited = 0;
    }
}

impl Drop for Locked<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        let segment = self.segment;
        if self.epoch != process::epoch() {
            return;
        }
        segment.unlock(self.claim);
        if self.awaited != 0 {
            let awaited = wait::is_awaited_after_release(&segment.control().awaited, self.awaited);
            if awaited || segment.flags & ALWAYS_NOTIFY != 0 {
                segment.wake_waiters();
            }
            stop!("unlock: waiters woken");
        }
    }
}

/// The payload while a commit, or a birth, is under way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Payload {
    pub(super) area: Area,
}

impl Payload {
    /// Bytes reserved for the value.
    pub(crate) fn capacity(self) -> usize {
        self.area.bytes()
    }

    /// Stores `len` bytes from `src` at `offset`; all other bytes keep their values.
    ///
    /// # Safety
    ///
    /// `offset + len` is at most the segment's capacity, and `src` is valid for reads of `len`
    /// initialised bytes.
    #[inline(always)]
    pub(crate) unsafe fn store(self, offset: usize, src: *const u8, len: usize) {
        // SAFETY: the caller's promises; a commit is under way, so the mapping is writable and the
        // lock held.
        unsafe { self.area.store(offset, src, len) };
    }

    /// Stores stretches of `len` bytes from `src` at `offset`: `count` of them, `stride` bytes
    /// apart on both sides.
    ///
    /// # Safety
    ///
    /// As for [`Payload::store`], for each stretch; `count` is at least 1.
    #[inline(always)]
    pub(crate) unsafe fn store_strided(
        self,
        offset: usize,
        src: *const u8,
        (len, count, stride): (usize, usize, usize),
    ) {
        // SAFETY: as in `store`.
        unsafe { self.area.store_strided(offset, src, (len, count, stride)) };
    }
}
