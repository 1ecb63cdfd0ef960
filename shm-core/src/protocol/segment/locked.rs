//! The lock while it is held: reading under it, committing, waking, letting go.

use std::marker::PhantomData;
use std::mem::ManuallyDrop;

use super::commit::{Copies, Held, Payload, commit_as};
use super::segment::Segment;
use super::upgrade::{self, Successor};
use crate::protocol::fault::Fault;
use crate::protocol::lock::claim::Claim;
use crate::protocol::lock::held::{self, Commit, Mark};
use crate::protocol::lock::process::Stamp;
use crate::protocol::lock::wait;
use crate::protocol::memory::atomics::{AtomicU64, Ordering::Relaxed};
use crate::protocol::memory::control::{ALWAYS_NOTIFY, State};
use crate::protocol::memory::latch::Latch;
use crate::protocol::memory::stop::stop;

/// The lock, held. Dropping it lets go; after a commit it is for [`Locked::finish`] to do that.
///
/// # Invariants
///
/// **owned**: as long as [`Locked::check`] says so, this process holds the lock of `segment`, whose
/// mapping is writable: the lock is taken of no other. **whole**: what a dead owner left was repaired
/// when the lock was taken over, and each commit leaves its copies whole.
#[derive(Debug)]
pub(crate) struct Locked<'a> {
    segment: &'a Segment,
    claim: Claim,
    /// When it was taken: a child that was forked meanwhile does not hold it.
    stamp: Stamp,
    /// `None` once the lock is kept: see [`Locked::keep`].
    commit: Option<Commit>,
    /// Only the thread that took it may let go: the [`Mark`] is its own.
    not_send: PhantomData<*const ()>,
}

impl<'a> Locked<'a> {
    #[inline(always)]
    pub(in crate::protocol) fn new(
        segment: &'a Segment,
        claim: Claim,
        stamp: Stamp,
        commit: Commit,
    ) -> Locked<'a> {
        Locked {
            segment,
            claim,
            stamp,
            commit: Some(commit),
            not_send: PhantomData,
        }
    }

    /// Notes that this thread holds the lock until further notice, beyond the call that took it.
    pub(crate) fn keep(&mut self) -> Mark {
        let lock = held::name(self.segment.handle.segment, self.claim, self.stamp.epoch);
        let mark = Mark::set(lock);
        if let Some(commit) = self.commit.take() {
            commit.end(&self.segment.handle);
        }
        mark
    }

    /// The version that stands.
    #[inline(always)]
    pub(crate) fn version(&self) -> u64 {
        self.segment.version()
    }

    /// Bytes reserved for the value.
    pub(crate) fn capacity(&self) -> usize {
        self.segment.capacity()
    }

    #[cold]
    fn check_closely(&self) -> Result<(), Fault> {
        self.check_process()?;
        self.segment.check_life()?;
        if self.segment.is_left() {
            return Err(Fault::Left);
        }
        Ok(())
    }

    /// Whether this process still holds the lock, whatever the segment is: one that is being born
    /// is not ready.
    #[inline(always)]
    pub(crate) fn check_process(&self) -> Result<(), Fault> {
        if self.stamp.lasts() {
            Ok(())
        } else {
            Err(Fault::Forked)
        }
    }

    /// Whether the same is seen at first sight; if not, ask [`Locked::check`].
    #[inline(always)]
    pub(crate) fn check_at_once(&self) -> bool {
        self.stamp.lasts_at_once() && self.segment.is_written_as_known()
    }

    /// Whether a holder that keeps the lock must [look closely](Locked::notify) for waiters after
    /// each commit. A system call when first asked in a process.
    pub(crate) fn looks_closely(&self) -> bool {
        self.segment.flags & ALWAYS_NOTIFY != 0 || !wait::barriers_reach_us()
    }

    /// Wakes those who wait for a commit, for a holder that keeps the lock. `closely` as
    /// [`Locked::looks_closely`] says.
    #[inline(always)]
    pub(crate) fn notify(&self, version: u64, closely: bool) {
        stop!("writer: waiters not yet woken");
        let awaited = &self.segment.control().awaited;
        if closely || wait::is_awaited_while_held(awaited, version, true) {
            self.look_closely(version);
        }
        self.segment.look_around(version);
    }

    #[cold]
    fn look_closely(&self, version: u64) {
        let segment = self.segment;
        let awaited = wait::is_awaited_while_held(&segment.control().awaited, version, false);
        if awaited || segment.flags & ALWAYS_NOTIFY != 0 {
            segment.wake_waiters();
        }
    }

    /// Makes `commit`, which returns its version, the last thing done under the lock: lets go after
    /// it, and wakes those who wait for it. Returns the version.
    ///
    /// Should `commit` panic, the lock is not let go: what it guards may not be whole.
    #[inline(always)]
    pub(crate) fn finish(self, commit: impl FnOnce(&mut Locked<'a>) -> u64) -> u64 {
        let mut this = ManuallyDrop::new(self);
        let version = commit(&mut this);
        let segment = this.segment;
        segment.unlock(this.claim);
        if let Some(commit) = this.commit.take() {
            commit.end(&segment.handle);
        }
        let awaited = wait::is_awaited_after_release(&segment.control().awaited, version);
        if awaited || segment.flags & ALWAYS_NOTIFY != 0 {
            segment.wake_waiters();
        }
        stop!("unlock: waiters woken");
        segment.look_around(version);
        version
    }
}

impl Locked<'_> {
    /// Commits the whole value that `write` stores under a number of the caller's; returns `false` if that is no later than
    /// the one that stands. The right is known to be had, see [`Held::check`].
    pub(crate) fn finish_as(self, version: u64, write: impl FnOnce(Payload)) -> bool {
        if version <= self.version() {
            return false;
        }
        // Who waits for any of the numbers that are left out is woken.
        self.finish(|locked| {
            let next = locked.version().wrapping_add(1);
            // SAFETY: the lock is known to be held: **owned**, **whole**. Under it no other version came to stand.
            unsafe { commit_as(&locked.segment, version, write) };
            next
        });
        true
    }

    /// Puts `successor` in force in the place of the schema of state `old`, which was looked at
    /// under this lock. `TooLarge` if it does not fit. Of a table in a file: waits for the disk.
    pub(crate) fn upgrade(&mut self, old: State, successor: &Successor) -> Result<State, Fault> {
        let segment = self.segment;
        let fits = |(offset, default): &(usize, Box<[u8]>)| {
            let end = offset.checked_add(default.len());
            end.is_some_and(|end| end <= segment.capacity())
        };
        let room = successor.schema.len() <= segment.room()
            && successor.stored <= segment.capacity()
            && successor.defaults.iter().all(fits);
        if !room {
            return Err(Fault::TooLarge);
        }
        // SAFETY: the lock was found to be held: **owned**. That schema and defaults fit was checked above.
        unsafe { upgrade::lay_out(&segment.latch, segment.rooms, old, successor) };
        if let Some(file) = segment.home.file().filter(|_| segment.row_count() > 0) {
            file.description().sync()?;
        }
        upgrade::put_in_force(&segment.control().state, old).ok_or_else(|| segment.changed())
    }
}

impl Copies for &Segment {
    #[inline(always)]
    fn latch(&self) -> &Latch {
        &self.latch
    }

    #[inline(always)]
    fn range(&self) -> &AtomicU64 {
        &self.control().range
    }

    #[inline(always)]
    fn stored(&self) -> usize {
        self.stored.load(Relaxed)
    }

    #[inline(always)]
    fn is_exact(&self) -> bool {
        self.has_raw_writers()
    }
}

impl Held for Locked<'_> {
    #[inline(always)]
    fn check(&self) -> Result<(), Fault> {
        // No other schema comes in force under the lock.
        if self.check_at_once() {
            Ok(())
        } else {
            self.check_closely()
        }
    }

    #[inline(always)]
    fn copies(&self) -> impl Copies {
        self.segment
    }
}

impl Drop for Locked<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        // By value: so this one's own address stays unknown, and its parts stay in registers.
        let_go(self.segment, self.claim, self.stamp);
        if let Some(commit) = self.commit.take() {
            commit.end(&self.segment.handle);
        }
    }
}

/// Lets go where nothing was committed, or the waiters know of it already.
#[cold]
fn let_go(segment: &Segment, claim: Claim, stamp: Stamp) {
    if stamp.lasts() {
        segment.unlock(claim);
    }
}
