//! Who is alive: one semaphore for each process that writes, kept by the kernel.
//!
//! A process claims a slot with one atomic `semop`: "is 0" and "add 1, with undo". The kernel takes
//! the 1 back when the process ends, however it ends, reaped or not, in whatever namespace
//! (semop(2), `SEM_UNDO`: "when the process terminates"). So a semaphore at 0 has no living
//! claimant, for certain. Pids serve for messages only.
//!
//! | claim's word | bits | meaning |
//! |---|---|---|
//! | slot | 0..10 | slot + 1 |
//! | number | 10..23 | number of the claim, modulo 2^13 |
//! | image | 23..31 | bits that the process keeps until `exec` |
//!
//! The word is what the lock holds while this claim owns it. Two claims of one slot differ in
//! number, so a judgement "the owner named by this word is dead" stays true for ever.

use super::fault::Fault;
use super::primitive::{AtomicU32, Ordering::Relaxed};
use super::process;
use super::stop::stop;
use crate::sysv::sem::{self, Op};
use crate::sysv::shm;
use crate::sysv::{self, Kind, Mode};

/// Slots in the set of a new segment. With the tag that makes 250 semaphores: kernels before 3.17
/// allow no more in a set unless told otherwise.
const SLOTS: u16 = 249;

pub(super) const SLOT_BITS: u32 = 10;
const SLOT_MASK: u32 = (1 << SLOT_BITS) - 1;
const NUMBER_BITS: u32 = 13;
const NUMBER_MASK: u32 = (1 << NUMBER_BITS) - 1;
const IMAGE_MASK: u32 = 0xff;

/// What the semaphore behind the slots holds in the set of this segment, and in no other segment's
/// at the same time: the low bits of ids in use differ.
fn tag(segment: shm::Id) -> u16 {
    (segment.as_raw() % 0x7fff) as u16 + 1
}

/// A slot held by a process, as the lock names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) word: u32,
}

impl Claim {
    pub(super) fn new(slot: u32, number: u32, image: u32) -> Claim {
        let above = (number & NUMBER_MASK) | (image & IMAGE_MASK) << NUMBER_BITS;
        Claim {
            word: (slot + 1) | above << SLOT_BITS,
        }
    }

    /// The bits of the image that claimed it.
    fn image(self) -> u32 {
        self.word >> (SLOT_BITS + NUMBER_BITS) & IMAGE_MASK
    }

    /// The slot that a word names; `None` if it names none.
    pub(super) fn slot(self) -> Option<u32> {
        (self.word & SLOT_MASK).checked_sub(1)
    }
}

/// The semaphore set of a segment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slots {
    pub(super) set: sem::Id,
    pub(super) count: u32,
}

impl Slots {
    /// A new set with all slots free, for a segment with this id, these facts and this mode.
    pub(super) fn create(id: shm::Id, segment: &shm::Stat, mode: Mode) -> Result<Slots, Fault> {
        let set = sem::get(sysv::Key::PRIVATE, SLOTS + 1, sem::GetFlags::CREATE, mode)?;
        stop!("birth: semaphores made", set);
        let slots = Slots {
            set,
            count: u32::from(SLOTS),
        };
        // Whoever ends another user's birth hands the set to the segment's owner.
        let furnished = sem::set_value(set, SLOTS, tag(id)).and_then(|()| give(set, segment, mode));
        if let Err(error) = furnished {
            slots.remove();
            return Err(error.into());
        }
        Ok(slots)
    }

    /// The set that a control block names (id + 1), if it is the one of the segment with this id
    /// and these facts: nobody may send us to the semaphores of another application, or of another
    /// segment, by writing their id into this one. Two system calls.
    pub(super) fn named(word: u32, id: shm::Id, segment: &shm::Stat) -> Result<Slots, Fault> {
        let Some(raw) = word.checked_sub(1).and_then(|id| i32::try_from(id).ok()) else {
            return Err(Fault::SlotsDamaged("the segment names no semaphore set"));
        };
        let set = sem::Id::from_raw(raw);
        let stat = sem::stat(set).map_err(damaged)?;
        let owned = stat.uid == segment.uid || stat.uid == segment.cuid;
        let ours = stat.key == sysv::Key::PRIVATE && stat.count == usize::from(SLOTS) + 1 && owned;
        if !ours || sem::value(set, SLOTS).map_err(damaged)? != tag(id) {
            return Err(Fault::SlotsDamaged(
                "the segment names a semaphore set that is not its own",
            ));
        }
        Ok(Slots {
            set,
            count: u32::from(SLOTS),
        })
    }

    /// Removes the set. One that can't be removed is left: it holds nothing but zeros.
    pub(super) fn remove(self) {
        let _ = sem::remove(self.set);
    }

    /// Claims a free slot. `claims` is the segment's count of claims. System calls: one for each
    /// slot tried.
    pub(super) fn claim(self, claims: &AtomicU32) -> Result<Claim, Fault> {
        // Start at different places, so that claims seldom meet.
        let start = std::process::id() % self.count;
        for step in 0..self.count {
            let slot = (start + step) % self.count;
            let index = slot as u16;
            let take = [
                Op::wait_zero(index).nowait(),
                Op::add(index, 1).undo().nowait(),
            ];
            match sem::op(self.set, &take) {
                Ok(()) => {
                    stop!("claim: semaphore raised");
                    let number = claims.fetch_add(1, Relaxed);
                    return Ok(Claim::new(slot, number, process::image()));
                }
                Err(error) if error.kind() == Kind::WouldBlock => {}
                Err(error) => return Err(damaged(error)),
            }
        }
        Err(Fault::SlotsTaken { slots: self.count })
    }

    /// Gives a claim back. A set that is gone has nothing to give back to.
    pub(super) fn release(self, claim: Claim) {
        let Some(slot) = claim.slot() else { return };
        let _ = sem::op(self.set, &[Op::add(slot as u16, -1).undo().nowait()]);
        stop!("claim: given back");
    }

    /// Whether the process that made this claim lives and knows of it. One or two system calls.
    ///
    /// `false` is for good. GETVAL takes the same lock in the kernel as the undo at the death of a
    /// process, so whoever reads the 0 also sees all that the dead one stored.
    pub(super) fn alive(self, claim: Claim) -> Result<bool, Fault> {
        // A slot that does not exist has no claimant.
        let Some(slot) = claim.slot().filter(|slot| *slot < self.count) else {
            return Ok(false);
        };
        let held = sem::value(self.set, slot as u16).map_err(damaged)? != 0;
        let former_self =
            || claim.image() != process::image() && self.claimant(slot) == std::process::id();
        Ok(held && !former_self())
    }

    /// The pid, as this process sees it, of whoever claimed `slot` last; 0 if it can't be seen. For
    /// messages.
    pub(super) fn claimant(self, slot: u32) -> u32 {
        if slot >= self.count {
            return 0;
        }
        sem::pid(self.set, slot as u16).map_or(0, |pid| u32::try_from(pid).unwrap_or(0))
    }
}

/// Gives the set to the segment's owner, where it is not that user's already: a user namespace
/// without a mapping has no number that `IPC_SET` takes, not even for what stands.
fn give(set: sem::Id, segment: &shm::Stat, mode: Mode) -> Result<(), sysv::Error> {
    let wanted = (segment.uid, segment.gid, mode);
    match sem::stat(set) {
        Ok(stat) if (stat.uid, stat.gid, stat.mode) == wanted => Ok(()),
        _ => sem::set(set, segment.uid, segment.gid, mode),
    }
}

/// An error of the set's, told apart: a set that is gone is the segment's damage, not the caller's
/// mistake.
fn damaged(error: sysv::Error) -> Fault {
    match error.kind() {
        Kind::Removed | Kind::Invalid | Kind::NotFound => {
            Fault::SlotsDamaged("the semaphore set that tells who is alive has been removed")
        }
        _ => error.into(),
    }
}
