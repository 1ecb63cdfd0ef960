//! Taking a segment's lock: at once where it is free, else with a look at its owner.

use std::cell::Cell;
use std::time::{Duration, Instant};

use super::locked::Locked;
use super::segment::Segment;
use crate::protocol::fault::Fault;
use crate::protocol::lock::claim::Claim;
use crate::protocol::lock::futex;
use crate::protocol::lock::held::{self, Commit, unpacked};
use crate::protocol::lock::lock;
use crate::protocol::lock::process::Stamp;
use crate::protocol::lock::verdict::Look;
use crate::protocol::memory::atomics::Ordering::Acquire;
use crate::protocol::memory::stop::stop;

/// The longest sleep between two looks at the lock's owner, and so the most that a lost wake-up or
/// a death costs.
const NAP: Duration = Duration::from_millis(1);

impl Segment {
    /// Takes the lock if it is free, this process has a claim, and the segment is what it was. One
    /// exchange; whatever else there is to do or to say, [`Segment::lock`] does.
    #[inline(always)]
    pub(crate) fn try_lock(&self) -> Option<Locked<'_>> {
        debug_assert!(self.writable);
        let packed = self.handle.claim.load(Acquire);
        let stamp = Stamp::at_once(packed as u32)?;
        let claim = unpacked(packed);
        let commit = Commit::begin_outermost(&self.handle)?;
        if !lock::try_acquire(&self.control().lock, claim) {
            commit.end(&self.handle);
            return None;
        }
        stop!("lock: taken");
        if !self.is_written_as_known() {
            self.unlock(claim);
            commit.end(&self.handle);
            return None;
        }
        Some(Locked::new(self, claim, stamp, commit))
    }

    /// Takes the lock, from a dead owner if need be, and repairs what that one left. Which schema is
    /// in force the caller finds out with [`Segment::is_written_as_known`].
    #[cold]
    pub(crate) fn lock(&self) -> Result<Locked<'_>, Fault> {
        self.lock_unless_removed(false)
    }

    /// The same, also from an owner that has called `exec`: its program may mean to keep the lock (a single instance that
    /// replaces itself), so that only people say.
    pub(crate) fn lock_from_replaced(&self) -> Result<Locked<'_>, Fault> {
        self.lock_unless_removed(true)
    }

    /// Whatever went wrong on the way, that it has been removed is the reason.
    fn lock_unless_removed(&self, replaced: bool) -> Result<Locked<'_>, Fault> {
        match self.lock_from(replaced) {
            Err(_) if self.state().is_removed() => Err(Fault::Removed),
            locked => locked,
        }
    }

    pub(in crate::protocol) fn lock_in_any_state(&self) -> Result<Locked<'_>, Fault> {
        self.lock_from(false)
    }

    fn lock_from(&self, replaced: bool) -> Result<Locked<'_>, Fault> {
        debug_assert!(self.writable);
        let (claim, stamp) = self.own_claim()?;
        let commit = Commit::begin(&self.handle);
        if !lock::try_acquire(&self.control().lock, claim) {
            if let Err(fault) = self.lock_contended(claim, replaced) {
                commit.end(&self.handle);
                return Err(fault);
            }
        }
        stop!("lock: taken");
        Ok(Locked::new(self, claim, stamp, commit))
    }

    #[cold]
    fn lock_contended(&self, claim: Claim, replaced: bool) -> Result<(), Fault> {
        let word = &self.control().lock;
        let start = Instant::now();
        let look = Cell::new(Look::Short);
        let alive = |owner| {
            let alive = || {
                let witnesses = self.witnesses();
                let alive = witnesses.alive(owner, claim, look.get())?;
                Ok(alive && !(replaced && witnesses.is_replaced(owner, self.home.in_maps())))
            };
            if alive()? {
                return Ok(true);
            }
            // Before the lock is taken from another: whether it was this segment's semaphores that
            // said so. In another namespace their id may be a stranger's.
            self.recheck()?;
            alive()
        };
        let rest = |owner: Option<u32>, expected| {
            if self.state().is_removed() {
                return Err(Fault::Removed);
            }
            if owner.is_some() && held::is_held(self.handle.segment, expected) {
                return Err(Fault::Reentrant);
            }
            let waited = start.elapsed();
            let left = self.limit.saturating_sub(waited);
            if left.is_zero() && look.get() == Look::Last {
                let owner = Claim {
                    word: expected & !lock::WAITERS,
                };
                let holder = self.witnesses().holder(owner, self.home.in_maps());
                return Err(Fault::Busy { holder, waited });
            }
            if owner.is_some() {
                futex::sleep(word.as_ptr(), expected, NAP.min(left));
                self.recheck()?;
            }
            // The last look is made when the limit has been reached, whatever it is.
            let reached = start.elapsed() >= self.limit;
            look.set(if reached { Look::Last } else { Look::Long });
            Ok(())
        };
        match lock::acquire(word, claim, alive, rest)? {
            lock::Taken::Free => {}
            lock::Taken::Over => {
                stop!("lock: taken over");
                self.repair();
            }
        }
        Ok(())
    }
}
