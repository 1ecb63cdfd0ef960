//! One process's attachment to a segment: the words, the copies, the slot, and what a caller does
//! with them.
//!
//! Everything here is bytes and versions; no type of the caller's is known. `birth.rs` makes these
//! values.

use std::sync::atomic::AtomicU64 as ProcessWord;
use std::time::{Duration, Instant};

use super::control::{ALWAYS_NOTIFY, Control, Geometry, RAW_WRITERS, State};
use super::copy::{Area, Span};
use super::fault::Fault;
use super::held::Mark;
use super::latch::{Latch, version_of};
use super::locked::{EVERYTHING, Locked};
use super::primitive::Ordering::{Acquire, Relaxed, Release};
use super::removal;
use super::slots::{Claim, Slots};
use super::stop::stop;
use super::wait::{self, ANNOUNCED_NAP, UNANNOUNCED_NAP};
use super::{futex, lock, process};
use crate::sysv::shm::{self, Attachment};
use crate::sysv::{Key, sem};

/// The longest sleep between two looks at the lock's owner, and so the most that a lost wake-up or
/// a death costs.
const NAP: Duration = Duration::from_millis(1);

/// Failed copies between two looks at the clock.
const TRIES: u32 = 64;

/// Looks at the sequence before a waiter goes to sleep: less than a microsecond, and less than
/// falling asleep and waking up cost at least.
const SPINS: u32 = 32;

/// An attached segment whose division has been verified.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(super) mapping: Attachment,
    pub(super) control: *const Control,
    pub(super) latch: Latch,
    pub(super) rooms: [Area; 2],
    pub(super) geometry: Geometry,
    pub(super) key: Key,
    pub(super) flags: u32,
    pub(super) unique: u64,
    pub(super) writable: bool,
    /// How long to wait for others to get out of the way.
    pub(super) limit: Duration,
    /// Bytes of the value that the segment holds.
    pub(super) stored: usize,
    /// The verified semaphore set: id + 1 in the high half, size in the low half; 0: not looked at
    /// yet.
    pub(super) slots: ProcessWord,
    /// This process's claim: epoch in the high half, the claim's word in the low half; 0: none.
    pub(super) claim: ProcessWord,
}

// SAFETY: the pointers lead into a mapping that belongs to this value, not to a thread, and stays
// until the value is dropped.
unsafe impl Send for Segment {}
// SAFETY: what the pointers lead to is touched by atomics and by `copy.rs` only, which expect
// company; the rest is atomics and values that do not change.
unsafe impl Sync for Segment {}

impl Segment {
    #[inline(always)]
    pub(super) fn control(&self) -> &Control {
        // SAFETY: `birth.rs` found the control block within the mapping, on a multiple of 64; all
        // its words are atomics, which may change under a shared reference. On a read-only mapping
        // only `load` is called.
        unsafe { &*self.control }
    }

    #[inline(always)]
    pub(super) fn state(&self) -> State {
        State(self.control().state.load(Relaxed))
    }

    /// The key that led here.
    pub(crate) fn key(&self) -> Key {
        self.key
    }

    /// The kernel's id.
    pub(crate) fn id(&self) -> shm::Id {
        self.mapping.id()
    }

    /// Whether writers without the protocol were announced at creation.
    pub(crate) fn has_raw_writers(&self) -> bool {
        self.flags & RAW_WRITERS != 0
    }

    /// Bytes reserved for the payload.
    pub(crate) fn capacity(&self) -> usize {
        self.geometry.capacity
    }

    /// The version that stands. One load.
    #[inline(always)]
    pub(crate) fn version(&self) -> u64 {
        version_of(self.latch.sequence())
    }

    /// Copies some bytes of a committed value to `dst` and returns its version, unless writers
    /// overtook the copy or the segment is not what it was: then [`Segment::read`] tells. After
    /// `Some` all of `dst` is initialised.
    ///
    /// No system call, no allocation, no store to the segment, no waiting.
    ///
    /// # Safety
    ///
    /// The span lies within the segment's capacity, and `dst` is valid for writes of as many bytes.
    #[inline(always)]
    pub(crate) unsafe fn try_read(&self, span: Span, dst: *mut u8) -> Option<u64> {
        if self.state() != State::READY {
            return None;
        }
        // SAFETY: the caller's promises; the capacity is the latch's.
        unsafe { self.latch.read(span, dst) }
    }

    /// The same for many bytes, to memory that won't be moved.
    ///
    /// # Safety
    ///
    /// As for [`Segment::try_read`].
    #[inline(always)]
    pub(crate) unsafe fn try_read_long(&self, span: Span, dst: *mut u8) -> Option<u64> {
        if self.state() != State::READY {
            return None;
        }
        // SAFETY: as in `try_read`.
        unsafe { self.latch.read_long(span, dst) }
    }

    /// Does the same again and again, up to the time limit. After `Ok` all of `dst` is initialised.
    ///
    /// # Safety
    ///
    /// As for [`Segment::try_read`].
    #[cold]
    pub(crate) unsafe fn read(&self, span: Span, dst: *mut u8) -> Result<u64, Fault> {
        let start = Instant::now();
        loop {
            for _ in 0..TRIES {
                self.check_state()?;
                // SAFETY: the caller's promises.
                if let Some(version) = unsafe { self.try_read_long(span, dst) } {
                    return Ok(version);
                }
                core::hint::spin_loop();
            }
            let waited = start.elapsed();
            if waited >= self.limit {
                return Err(Fault::Overtaken { waited });
            }
        }
    }

    #[inline(always)]
    pub(super) fn check_state(&self) -> Result<(), Fault> {
        match self.state() {
            State::READY => Ok(()),
            state if state.is_removed() => Err(Fault::Removed),
            _ => Err(Fault::Damaged(
                "its state word is none that this library writes",
            )),
        }
    }

    /// Takes the lock, from a dead owner if need be, and repairs what that one left.
    #[inline(always)]
    pub(crate) fn lock(&self) -> Result<Locked<'_>, Fault> {
        match self.lock_in_any_state() {
            Ok(locked) => self.check_state().map(|()| locked),
            // Whatever went wrong on the way, that it has been removed is the reason.
            Err(fault) => Err(if self.state().is_removed() {
                Fault::Removed
            } else {
                fault
            }),
        }
    }

    #[inline(always)]
    pub(super) fn lock_in_any_state(&self) -> Result<Locked<'_>, Fault> {
        debug_assert!(self.writable);
        let (epoch, claim) = self.claim()?;
        if !lock::try_acquire(&self.control().lock, claim) {
            self.lock_contended(claim)?;
        }
        stop!("lock: taken");
        Ok(Locked::new(self, claim, epoch))
    }

    #[cold]
    fn lock_contended(&self, claim: Claim) -> Result<(), Fault> {
        let slots = self.slots()?;
        let word = &self.control().lock;
        let start = Instant::now();
        let rest = |owner: Option<u32>, expected| {
            if self.state().is_removed() {
                return Err(Fault::Removed);
            }
            if owner.is_some() && Mark::is_set(self.id(), expected) {
                return Err(Fault::Reentrant);
            }
            let waited = start.elapsed();
            let Some(left) = self
                .limit
                .checked_sub(waited)
                .filter(|left| !left.is_zero())
            else {
                let owner = owner.map_or(0, |slot| slots.claimant(slot));
                return Err(Fault::Busy { owner, waited });
            };
            if owner.is_some() {
                futex::sleep(word.as_ptr(), expected, NAP.min(left));
            }
            Ok(())
        };
        match lock::acquire(word, claim, |owner| slots.alive(owner), rest)? {
            lock::Taken::Free => {}
            lock::Taken::Over => {
                stop!("lock: taken over");
                self.repair();
            }
        }
        Ok(())
    }

    /// Makes the copies whole after a takeover. Before birth is complete there is nothing to
    /// repair.
    fn repair(&self) {
        if self.state().is_ready() {
            // SAFETY: the caller has just taken the lock; lock and repair are called on writable
            // mappings only; `stored` was checked against the capacity when this value was made.
            unsafe { self.latch.repair(self.stored) };
            stop!("repair: done");
            // How the last commit's mirror differs from the other one is not known any more.
            self.control().range.store(EVERYTHING, Relaxed);
            stop!("repair: range forgotten");
            // Those who wait for what the dead one committed: no later commit looks at so old an
            // announcement.
            self.wake_waiters();
        }
    }

    /// This process's claim on a slot, made when first asked for, and again in a forked child.
    #[inline(always)]
    fn claim(&self) -> Result<(u32, Claim), Fault> {
        let epoch = process::epoch();
        let packed = self.claim.load(Acquire);
        if (packed >> 32) as u32 == epoch {
            return Ok((
                epoch,
                Claim {
                    word: packed as u32,
                },
            ));
        }
        Ok((epoch, self.claim_slot(epoch, packed)?))
    }

    #[cold]
    fn claim_slot(&self, epoch: u32, stale: u64) -> Result<Claim, Fault> {
        let slots = self.slots()?;
        let claim = slots.claim(&self.control().claims)?;
        stop!("claim: numbered");
        if lock::inherit(&self.control().lock, claim) {
            stop!("claim: lock inherited");
            self.repair();
            stop!("claim: inherited lock repaired");
            self.unlock(claim);
            stop!("claim: inherited lock let go");
        }
        let packed = u64::from(epoch) << 32 | u64::from(claim.word);
        match self.claim.compare_exchange(stale, packed, Release, Acquire) {
            Ok(_) => Ok(claim),
            Err(other_thread) => {
                slots.release(claim);
                Ok(Claim {
                    word: other_thread as u32,
                })
            }
        }
    }

    /// The segment's semaphore set, once it has been found to be what it should be.
    pub(super) fn slots(&self) -> Result<Slots, Fault> {
        let known = self.slots.load(Relaxed);
        if known != 0 {
            let set = sem::Id::from_raw(((known >> 32) as u32).wrapping_sub(1).cast_signed());
            return Ok(Slots {
                set,
                count: known as u32,
            });
        }
        let word = self.control().set.load(Acquire);
        let slots = Slots::named(word, self.id(), &shm::stat(self.id())?)?;
        self.slots
            .store(u64::from(word) << 32 | u64::from(slots.count), Relaxed);
        Ok(slots)
    }

    #[inline(always)]
    pub(super) fn unlock(&self, claim: Claim) {
        stop!("unlock: begun");
        let word = &self.control().lock;
        let slept_on = lock::release(word, claim);
        stop!("unlock: let go");
        if slept_on {
            futex::wake(word.as_ptr(), 1);
            stop!("unlock: lock's sleeper woken");
        }
    }

    /// Sleeps until a version above `version` stands. `false`: the time is over.
    pub(crate) fn wait(&self, version: u64, deadline: Option<Instant>) -> Result<bool, Fault> {
        // An answer that is on its way comes before a sleep would have begun, and the committer
        // need not wake anybody: that saves both sides their system calls.
        for _ in 0..SPINS {
            if self.version() > version {
                return Ok(true);
            }
            core::hint::spin_loop();
        }
        let mut looked = Instant::now();
        loop {
            let seq = self.latch.sequence();
            if version_of(seq) > version {
                return Ok(true);
            }
            self.check_state()?;
            let now = Instant::now();
            let left = deadline.map(|deadline| deadline.saturating_duration_since(now));
            if left.is_some_and(|left| left.is_zero()) {
                return Ok(false);
            }
            if now.duration_since(looked) >= ANNOUNCED_NAP {
                if removal::is_forgotten(self)? {
                    return Err(Fault::Removed);
                }
                looked = now;
            }
            let nap = if self.will_be_woken(version_of(seq).wrapping_add(1)) {
                ANNOUNCED_NAP
            } else {
                UNANNOUNCED_NAP
            };
            // Sleeps only if nothing was committed since the look above, which the announcement
            // lies behind.
            if self.latch.sequence() == seq {
                futex::sleep(
                    self.seq_low(),
                    seq as u32,
                    left.map_or(nap, |left| left.min(nap)),
                );
            }
        }
    }

    /// Announces a wait for `version`, if that is possible; whether committers will heed it.
    fn will_be_woken(&self, version: u64) -> bool {
        if self.flags & ALWAYS_NOTIFY != 0 {
            return true;
        }
        if !self.writable {
            return false;
        }
        wait::announce(&self.control().awaited, version);
        stop!("wait: announced");
        futex::barrier_everywhere()
    }

    /// The half of the sequence that changes with each store: a futex is 32 bits wide.
    fn seq_low(&self) -> *const u32 {
        let word = (&raw const self.control().seq).cast::<u32>();
        if cfg!(target_endian = "big") {
            word.wrapping_add(1)
        } else {
            word
        }
    }

    pub(super) fn wake_waiters(&self) {
        futex::wake(self.seq_low(), i32::MAX);
    }

    /// Wakes whoever sleeps on this segment for any reason.
    pub(super) fn wake_everybody(&self) {
        self.wake_waiters();
        futex::wake(self.control().lock.as_ptr(), i32::MAX);
    }

    /// Copies the beginning of the schema room in force to `dst`, as much as fits on either side;
    /// returns how much that was.
    pub(crate) fn read_schema(&self, dst: &mut [u8]) -> usize {
        let room = self.rooms[self.state().room()];
        let len = dst.len().min(room.bytes());
        // SAFETY: `len` bytes fit on both sides.
        unsafe { room.load(0, dst.as_mut_ptr(), len) };
        len
    }

    /// Bytes in a schema room.
    pub(crate) fn room(&self) -> usize {
        self.geometry.room
    }

    /// Says how long the stored value is, as the caller found in the schema; at most the capacity.
    pub(crate) fn set_stored(&mut self, bytes: usize) {
        self.stored = bytes.min(self.geometry.capacity);
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        let packed = *self.claim.get_mut();
        // In a forked child the slot is the parent's.
        if packed != 0
            && (packed >> 32) as u32 == process::epoch()
            && let Ok(slots) = self.slots()
        {
            slots.release(Claim {
                word: packed as u32,
            });
            removal::clear_up(self, slots);
        }
    }
}
