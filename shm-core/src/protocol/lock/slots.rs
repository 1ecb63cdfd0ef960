//! Claiming a slot and giving it back, by two witnesses: a semaphore and a [record](super::record).
//!
//! A process claims a slot with one atomic `semop`: "is 0" and "add 1, with undo". The kernel takes
//! the 1 back when the process ends, however it ends, reaped or not, in whatever namespace
//! (semop(2), `SEM_UNDO`). It does so as well for a *living* process that leaves its IPC namespace,
//! and peers may set semaphores; so the claim also stores a record, and a claimant counts as dead
//! only if no witness says that it lives: see `verdict.rs`.
//!
//! | step of a claim | if the process dies after it |
//! |---|---|
//! | the semaphore is raised, with undo | undo; the record is an older claimant's, who is gone |
//! | the record is exchanged for the own one | undo; a record whose process is gone: the next claimant takes it |
//! | the set is found to be the segment's still | the same |
//! | a lock that names the slot is taken over, repaired and let go | a lock that names a slot whose claimant is gone: a takeover |
//! | released: the record is exchanged for 0 | undo |
//! | released: the semaphore is lowered | - |
//!
//! A process that leaves its namespace at any step keeps its record: no process claims its slot, and
//! none takes its lock.

use super::claim::Claim;
use super::proc;
use super::process;
use super::record::Record;
use crate::home::Witness;
use crate::protocol::fault::{Fault, NAMED};
use crate::protocol::memory::atomics::{
    AtomicU32, AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed},
};
use crate::protocol::memory::stop::stop;

/// How often a claimant looks at all slots, if others are faster time and again.
const ROUNDS: u32 = 64;

/// The witnesses of a segment.
#[derive(Clone, Copy, Debug)]
pub(in crate::protocol) struct Slots<'a> {
    /// `None` where this process can't use the semaphore set: it was removed, or the process has given
    /// up its rights, or left.
    pub(in crate::protocol) witness: Option<Witness<'a>>,
    pub(in crate::protocol) records: &'a [AtomicU64],
    /// What the semaphores held an instant ago, all at once: one above 0 need not be asked for again.
    pub(in crate::protocol) values: &'a [u16],
    /// How many sets came before this one: see [`Control::replaced`](crate::protocol::memory::control::Control).
    pub(in crate::protocol) replaced: u32,
}

impl Slots<'_> {
    pub(super) fn count(self) -> u32 {
        self.records.len() as u32
    }

    pub(in crate::protocol) fn record(self, slot: u32) -> Record {
        found(&self.records[slot as usize])
    }

    /// Whether all semaphores were read at once, and this one was above 0.
    pub(in crate::protocol) fn was_held(self, slot: u32) -> bool {
        self.values
            .get(slot as usize)
            .is_some_and(|value| *value > 0)
    }

    /// `None` if it can't be read.
    pub(in crate::protocol) fn value(self, slot: u32) -> Option<u16> {
        if self.was_held(slot) {
            return self.values.get(slot as usize).copied();
        }
        self.witness?.value(slot)
    }

    /// The pid, as this process sees it, of the process that changed this semaphore last.
    pub(super) fn last_user(self, slot: u32) -> Option<u32> {
        self.witness?.last_user(slot)
    }

    /// Claims a free slot. `claims` is the segment's count of claims. System calls: one or two for
    /// each slot that looks free.
    pub(in crate::protocol) fn claim(self, claims: &AtomicU32) -> Result<Claim, Fault> {
        let witness = self.witness.ok_or(Fault::SetLost)?;
        let own = Record::own();
        let first = std::process::id() % self.count();
        let claimed = search(self.count(), first, |slot| {
            // The semaphore before the record: it costs less than a judgement.
            let is_free = |record| {
                record == Record::RELEASED
                    || record != own && self.value(slot) == Some(0) && self.is_free(slot, record)
            };
            let raise = || Ok(witness.take(slot)?);
            let lower = || witness.give(slot);
            occupy(&self.records[slot as usize], own, is_free, raise, lower)
        })?;
        if let Some(slot) = claimed {
            stop!("claim: recorded");
            let number = claims.fetch_add(1, Relaxed);
            return Ok(Claim::new(slot, number, process::image()));
        }
        let pids = self.claimants();
        Err(Fault::SlotsTaken {
            slots: self.count(),
            pids,
        })
    }

    fn exchange(self, slot: u32, seen: Record, new: Record) -> bool {
        exchange(&self.records[slot as usize], seen, new)
    }

    /// Whether the claimant of a slot, whose semaphore is 0, is gone.
    fn is_free(self, slot: u32, record: Record) -> bool {
        if record.is_comparable() {
            record.is_gone()
        } else {
            self.replaced == 0 && !self.is_last_user(slot, record)
        }
    }

    /// Whether the process that changed this semaphore last is the one of the record, and lives.
    pub(super) fn is_last_user(self, slot: u32, record: Record) -> bool {
        self.last_user(slot)
            .is_some_and(|pid| record.started_with(pid) && !proc::runs_no_more(pid))
    }

    /// Raises the semaphore of a slot that this process has claimed already: in a set that replaces
    /// a lost one, or where a peer set it to 0. `false`: the slot is another's by now.
    pub(in crate::protocol) fn raise(self, claim: Claim) -> Result<bool, Fault> {
        let (Some(witness), Some(slot)) = (self.witness, claim.slot()) else {
            return Err(Fault::SetLost);
        };
        // A peer may have overwritten the record.
        let own = Record::own();
        if self.record(slot) != own && !self.exchange(slot, Record::RELEASED, own) {
            return Ok(false);
        }
        witness.take(slot)?;
        Ok(true)
    }

    /// Whether the semaphore of this process's claim says so. `None` if it can't be read.
    pub(in crate::protocol) fn is_raised(self, claim: Claim) -> Option<bool> {
        self.value(claim.slot()?).map(|value| value != 0)
    }

    /// Gives a claim back. Where the set can't be used, its record alone.
    pub(in crate::protocol) fn release(self, claim: Claim) {
        let Some(slot) = claim.slot().filter(|slot| *slot < self.count()) else {
            return;
        };
        let lower = || {
            if let Some(witness) = self.witness {
                witness.give(slot);
            }
        };
        vacate(&self.records[slot as usize], Record::own(), lower);
        stop!("claim: given back");
    }

    /// Slots that this very process claimed in the program that it was before `exec`.
    pub(in crate::protocol) fn of_former_self(self) -> impl Iterator<Item = u32> {
        (0..self.count()).filter(move |slot| self.record(*slot).is_former_self(true))
    }

    /// Gives back a slot of this process's former self, which no lock names any more.
    pub(in crate::protocol) fn release_former(self, slot: u32) {
        if self.exchange(slot, self.record(slot), Record::RELEASED) {
            if let Some(witness) = self.witness {
                witness.give(slot);
            }
        }
    }

    /// The pids of some that have a slot, as far as they can be seen, each once. For messages.
    fn claimants(self) -> Box<[u32]> {
        let mut pids = Vec::new();
        for slot in 0..self.count() {
            let record = self.record(slot);
            let known = pids.len() == NAMED || pids.contains(&record.pid());
            if !known && record.is_comparable() && !record.is_gone() {
                pids.push(record.pid());
            }
        }
        pids.into()
    }
}

fn found(record: &AtomicU64) -> Record {
    // Acquire pairs with the exchanges of records: a process that sees one sees what came before it.
    Record(record.load(Acquire))
}

fn exchange(record: &AtomicU64, seen: Record, new: Record) -> bool {
    // Release: the next claimant sees all that this one stored; Acquire: and this one, what the
    // last one did.
    record
        .compare_exchange(seen.0, new.0, AcqRel, Relaxed)
        .is_ok()
}

/// What became of one slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::protocol) enum Occupied {
    Own,
    /// It is another's.
    Taken,
    /// It was free, and another claimant was faster.
    Lost,
}

/// The slot that `occupy` gets, the `first` one or one after it. Where another claimant was faster, all are looked
/// at once more: one that was passed may have been given back meanwhile.
pub(in crate::protocol) fn search(
    count: u32,
    first: u32,
    mut occupy: impl FnMut(u32) -> Result<Occupied, Fault>,
) -> Result<Option<u32>, Fault> {
    let mut left = count;
    for step in 0..count.saturating_mul(ROUNDS) {
        let slot = (first + step) % count;
        left = match occupy(slot)? {
            Occupied::Own => return Ok(Some(slot)),
            Occupied::Taken => left - 1,
            Occupied::Lost => count,
        };
        if left == 0 {
            break;
        }
    }
    Ok(None)
}

/// Claims a slot by both witnesses: judges its record, raises its semaphore, and exchanges *the very
/// record that was judged* for the own one. `raise` says whether the semaphore was 0; `lower` takes
/// that back.
pub(in crate::protocol) fn occupy(
    record: &AtomicU64,
    own: Record,
    is_free: impl FnOnce(Record) -> bool,
    raise: impl FnOnce() -> Result<bool, Fault>,
    lower: impl FnOnce(),
) -> Result<Occupied, Fault> {
    let seen = found(record);
    if !is_free(seen) || !raise()? {
        return Ok(Occupied::Taken);
    }
    stop!("claim: semaphore raised");
    if exchange(record, seen, own) {
        return Ok(Occupied::Own);
    }
    lower();
    Ok(Occupied::Lost)
}

/// Gives a slot back: the record first, and the semaphore only if that was the own one. Of a slot
/// that was given away, the semaphore is another's.
pub(in crate::protocol) fn vacate(record: &AtomicU64, own: Record, lower: impl FnOnce()) {
    let vacated = exchange(record, own, Record::RELEASED);
    stop!("claim: record released");
    if vacated {
        lower();
    }
}
