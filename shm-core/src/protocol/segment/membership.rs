//! This process's place in a segment: its claim on a slot, and whether the segment, the semaphores
//! and the process still belong together.
//!
//! Three things can come between them without a store to the segment: the process leaves its IPC
//! namespace, the segment is removed by another program (`ipcrm -m`), or the semaphore set is
//! (`ipcrm -s`, systemd's `RemoveIPC` at a logout). [`Segment::recheck`] notices, whenever the
//! version is a multiple of [`EACH`] and on every slow path.

use std::time::Duration;

use super::kernel;
use super::owner::may_remove;
use super::segment::{Segment, wake_all};
use crate::home::{Home, Witness};
use crate::protocol::fault::{Claimant, Fault, Holder};
use crate::protocol::lock::claim::Claim;
use crate::protocol::lock::held;
use crate::protocol::lock::held::{Handle, unpacked};
use crate::protocol::lock::lock;
use crate::protocol::lock::process::Stamp;
use crate::protocol::lock::record::Record;
use crate::protocol::lock::set::{self, set_of};
use crate::protocol::lock::slots::Slots;
use crate::protocol::memory::atomics::Ordering::{AcqRel, Acquire, Relaxed, Release};
use crate::protocol::memory::stop::stop;
use crate::sysv::{Mode, sem};

/// Commits between two looks: some 1 us each time, so one part in fifty of what commits cost.
const EACH: u64 = 1024;

/// Between a look at a set without tags and the next.
const NAP: Duration = Duration::from_millis(1);

/// Attempts to claim a slot while other processes replace a lost set.
const TRIES: u32 = 64;

impl Segment {
    fn slots_of<'a>(&'a self, witness: Option<Witness<'a>>) -> Slots<'a> {
        Slots {
            witness,
            records: self.records(),
            values: &[],
            replaced: self.control().replaced.load(Relaxed),
        }
    }

    /// The witnesses, with the set as it was found last: for looks that cost nothing if they err
    /// towards *alive*.
    pub(super) fn witnesses(&self) -> Slots<'_> {
        match self.home.file() {
            Some(file) => self.slots_of(Some(Witness::Locks(file.locks()))),
            None => self.slots_of(set_of(self.set.load(Relaxed)).map(Witness::Set)),
        }
    }

    /// The witnesses, with the set that was found just now to be this segment's. One system call,
    /// three where the set is another one than before.
    pub(in crate::protocol) fn slots(&self) -> Result<Slots<'_>, Fault> {
        let id = match &self.home {
            Home::Segment(mapping) => mapping.id(),
            // They follow the file, wherever it and this process are.
            Home::File(_) => return Ok(self.witnesses()),
        };
        let word = self.control().set.load(Acquire);
        let known = self.set.load(Relaxed);
        let identity = self.identity(id);
        if let Some(set) = set_of(known).filter(|_| word == known) {
            if set::is_still(set, identity)? {
                return Ok(self.slots_of(Some(Witness::Set(set))));
            }
        }
        let mut found = set::named(word, identity, self.owners);
        if let Err(Fault::Damaged(_) | Fault::SetLost) = found {
            found = match kernel::stat(id)? {
                // It may have got another owner since it was attached.
                Some(stat) => set::named(word, identity, stat.owners()),
                // A segment that is attached has its id for as long.
                None => Err(Fault::Left),
            };
        }
        match (found, set_of(known)) {
            (Ok(set), _) => {
                self.set.store(word, Relaxed);
                Ok(self.slots_of(Some(Witness::Set(set))))
            }
            // A peer has overwritten the word with the name of another set, or of none.
            (Err(Fault::Damaged(_) | Fault::SetLost), Some(set))
                if word != known && set::is_still(set, identity)? =>
            {
                Ok(self.slots_of(Some(Witness::Set(set))))
            }
            (Err(fault), _) => Err(fault),
        }
    }

    /// The set of this segment.
    pub(crate) fn semaphores(&self) -> Result<sem::Id, Fault> {
        match self.slots()?.witness {
            Some(Witness::Set(set)) => Ok(set),
            Some(Witness::Locks(_)) => Err(Fault::NoSegment),
            None => Err(Fault::SetLost),
        }
    }

    /// The witnesses for a look that stores nothing: where the set can't be used, the records alone.
    pub(super) fn witnesses_now(&self) -> Result<Slots<'_>, Fault> {
        if self.state().is_removed() {
            return Err(Fault::Removed);
        }
        match self.slots() {
            Err(Fault::SetLost | Fault::Damaged(_) | Fault::System(_)) => Ok(self.slots_of(None)),
            found => found,
        }
    }

    /// The slot that the lock names.
    fn locked_slot(&self) -> Option<u32> {
        if self.frozen.is_some() {
            return None;
        }
        let word = self.control().lock.load(Acquire) & !lock::WAITERS;
        let slot = Claim { word }.slot();
        slot.filter(|slot| *slot < self.records().len() as u32)
    }

    /// Who has claimed a slot, by the records, and whether it lives. System calls: one to three, and
    /// some for each claimed slot.
    pub(crate) fn claimants(&self) -> Result<Vec<Claimant>, Fault> {
        let slots = self.witnesses_now()?;
        let locked = self.locked_slot();
        let named = |slot: &u32| locked == Some(*slot) || slots.record(*slot) != Record::RELEASED;
        let claimants = (0..self.records().len() as u32).filter(named).map(|slot| {
            let Holder { pid, state } = slots.claimant(slot, self.home.in_maps());
            Claimant {
                pid,
                state,
                holds_lock: locked == Some(slot),
            }
        });
        Ok(claimants.collect())
    }

    /// Who holds the lock, and whether it lives.
    pub(crate) fn lock_holder(&self) -> Result<Option<Holder>, Fault> {
        let slots = self.witnesses_now()?;
        let locked = self.locked_slot();
        Ok(locked.map(|slot| slots.claimant(slot, self.home.in_maps())))
    }

    /// Claims a slot when the segment is opened for writing. In the place of a semaphore set that
    /// was lost there is a new one then, if each claimant under the old one is gone or known.
    pub(crate) fn join(&self) -> Result<(), Fault> {
        let mut claimed = self.own_claim();
        for attempt in 0..TRIES {
            if !matches!(claimed, Err(Fault::SetLost)) || self.state().is_removed() {
                break;
            }
            if attempt == 0 {
                // Another process may be about to give the set its tags.
                std::thread::sleep(NAP);
            } else {
                self.replace_set()?;
            }
            claimed = self.own_claim();
        }
        match claimed {
            // A removal takes the set away once the tombstone is there.
            Err(Fault::SetLost) if self.state().is_removed() => Err(Fault::Removed),
            claimed => claimed.map(drop),
        }
    }

    /// Living claimants find the new set on their slow paths, and raise *their* slots there; until
    /// then their records speak for them.
    ///
    /// | step | if the process dies after it |
    /// |---|---|
    /// | *replaced* is raised | the set is still lost: the next that opens makes one; claimants of other pid namespaces count as alive |
    /// | a set is made | it is left behind, unused |
    /// | it is installed by compare-exchange | a set without tags that no process has used counts as lost |
    /// | what it replaced is removed, if it has got its tags meanwhile | that is left behind, unnamed |
    /// | it gets its tags | - |
    fn replace_set(&self) -> Result<(), Fault> {
        let id = self.home.id().ok_or(Fault::SetLost)?;
        let identity = self.identity(id);
        let seen = self.control().set.load(Acquire);
        let stat = kernel::stat(id)?.ok_or(Fault::Left)?;
        let mode = Mode::new(stat.mode.bits() & 0o666);
        if !may_remove(&stat) {
            // A set of this process's user would be trusted by no other process.
            return Err(Fault::SetLost);
        }
        let slots = self.slots_of(None);
        if !slots.can_be_replaced() {
            return Err(Fault::Unjudged);
        }
        let control = self.control();
        // First: a process that sees the new set sees that it is not the first one.
        control.replaced.fetch_add(1, AcqRel);
        let made = set::install(&control.set, seen, identity, &stat, mode)?;
        stop!("join: set replaced");
        let Some(made) = made else { return Ok(()) };
        // What was found without tags may have got them since, and then its creator has left it in
        // place, where no word names it now.
        if let Some(old) = set::to_remove(seen, &stat, id) {
            let _ = sem::remove(old);
        }
        set::tag(made, identity)?;
        let removed = self.state().is_removed();
        // Its remover looked for the set before this one was there; or another process found it
        // before it had tags, and replaced it in its turn.
        if removed || set_of(control.set.load(Acquire)) != Some(made) {
            let _ = sem::remove(made);
        }
        if removed { Err(Fault::Removed) } else { Ok(()) }
    }

    /// This process's claim on a slot; a forked child makes one of its own.
    pub(in crate::protocol) fn own_claim(&self) -> Result<(Claim, Stamp), Fault> {
        let packed = self.handle.claim.load(Acquire);
        match Stamp::at_once(packed as u32) {
            Some(stamp) => Ok((unpacked(packed), stamp)),
            None => self.claim_slot(),
        }
    }

    #[cold]
    fn claim_slot(&self) -> Result<(Claim, Stamp), Fault> {
        let stamp = Stamp::now();
        let stale = self.handle.claim.load(Acquire);
        if stale as u32 == stamp.epoch {
            return Ok((unpacked(stale), stamp));
        }
        if self.is_left() {
            return Err(Fault::Left);
        }
        let (slots, claim) = match self.claim_in_force() {
            // What opening the box told of rights holds for the process that opened it.
            Err(fault) if fault.is_denied() && unpacked(stale).word != 0 => {
                return Err(Fault::ChildDenied);
            }
            claimed => claimed?,
        };
        stop!("claim: numbered");
        self.count_own_death(slots, true);
        if let Some(slot) = claim.slot() {
            self.succeed(slot, claim);
        }
        // What this process claimed before it called `exec`.
        for slot in slots.of_former_self() {
            self.succeed(slot, claim);
            slots.release_former(slot);
        }
        let packed = u64::from(claim.word) << 32 | u64::from(stamp.epoch);
        let published = self
            .handle
            .claim
            .compare_exchange(stale, packed, Release, Acquire);
        match published {
            Ok(_) => {
                // Until it is seen, a commit goes without a note of this thread's.
                let name = held::name(self.handle.segment, claim, stamp.epoch);
                self.handle.lock.store(name, Relaxed);
                Ok((claim, stamp))
            }
            Err(other_thread) => {
                self.count_own_death(slots, false);
                slots.release(claim);
                Ok((unpacked(other_thread), stamp))
            }
        }
    }

    /// A claim in the set that the segment names at the end of it.
    fn claim_in_force(&self) -> Result<(Slots<'_>, Claim), Fault> {
        for _ in 0..TRIES {
            let slots = self.slots()?;
            let claim = slots.claim(&self.control().claims)?;
            let stands = match slots.witness {
                Some(Witness::Set(set)) => set_of(self.control().set.load(Acquire)) == Some(set),
                _ => true,
            };
            if stands {
                return Ok((slots, claim));
            }
            slots.release(claim);
        }
        Err(Fault::Damaged("its semaphore set changes without end"))
    }

    /// Takes over the lock from the last claimant of a slot, if that one held it, and gives up its rows.
    fn succeed(&self, slot: u32, claim: Claim) {
        if lock::inherit(&self.control().lock, slot, claim) {
            stop!("claim: lock inherited");
            self.repair();
            stop!("claim: inherited lock repaired");
            self.unlock(claim);
            stop!("claim: inherited lock let go");
        }
        self.bury_rows(slot, claim);
    }

    /// Whether this process has left the namespace of the segment, as a recheck found: it must not
    /// write any more.
    pub(super) fn is_left(&self) -> bool {
        let packed = self.handle.claim.load(Relaxed);
        packed as u32 == Stamp::NONE && unpacked(packed).word != 0
    }

    /// Looks whether all is what it was, each [`EACH`] commits.
    #[inline(always)]
    pub(super) fn look_around(&self, version: u64) {
        if version % EACH == 0 {
            // What it finds the next call says.
            let _ = self.recheck();
        }
    }

    /// Whether segment, semaphores and process still belong together: see the head of this file.
    /// Some system calls.
    #[cold]
    pub(super) fn recheck(&self) -> Result<(), Fault> {
        let packed = self.handle.claim.load(Acquire);
        let own = (packed as u32 == Stamp::now().epoch).then(|| unpacked(packed));
        let checked = match self.slots() {
            // Removed, set by others, or made anew: what is claimed here is claimed by the record,
            // if this is the place where it was claimed.
            Ok(slots) if own.is_none_or(|own| slots.is_raised(own) == Some(true)) => Ok(()),
            Ok(slots) => self.raise_again(slots, own),
            Err(Fault::Left) => Err(Fault::Left),
            Err(_) if self.leads_here() == Some(false) => Err(Fault::Left),
            Err(_) => Ok(()),
        };
        if matches!(checked, Err(Fault::Left)) {
            self.leave(packed);
        }
        checked?;
        if self.is_orphan()? {
            self.set_tombstone();
            wake_all(self.control());
            return Err(Fault::Removed);
        }
        Ok(())
    }

    fn raise_again(&self, slots: Slots<'_>, own: Option<Claim>) -> Result<(), Fault> {
        if self.leads_here() == Some(false) {
            return Err(Fault::Left);
        }
        match own.map(|own| slots.raise(own)) {
            // The record is another's: this process was taken for dead.
            Some(Ok(false)) => Err(Fault::Left),
            Some(Err(fault @ Fault::NoUndo)) => Err(fault),
            Some(Ok(true)) => {
                self.count_own_death(slots, true);
                Ok(())
            }
            // Where the set is gone, or this process may not change it, the record speaks.
            _ => Ok(()),
        }
    }

    /// From now on this handle does not write.
    fn leave(&self, packed: u64) {
        let left = Handle::left(unpacked(packed));
        let _ = self
            .handle
            .claim
            .compare_exchange(packed, left, Release, Relaxed);
        self.write_as_never();
    }

    /// Gives the claim back, and says whether there was one. To be called when the attachment ends.
    pub(super) fn release_claim(&mut self) -> bool {
        let packed = *self.handle.claim.get_mut();
        let claim = unpacked(packed);
        if packed as u32 == crate::protocol::lock::process::epoch() {
            let slots = match self.slots() {
                Ok(slots) => slots,
                Err(_) => self.slots_of(None),
            };
            self.count_own_death(slots, false);
            slots.release(claim);
            return true;
        }
        if self.is_left() {
            // Its semaphore is gone already.
            self.slots_of(None).release(claim);
        }
        false
    }

    /// Whether no process has a claim that may write yet, as far as this one can see.
    fn is_unclaimed(&self) -> bool {
        let slots = self.witnesses();
        // Of one from another pid namespace the lock tells; to persist once too often costs little.
        let is_free = |slot| slots.record(slot).is_gone() || slots.value(slot) == Some(0);
        (0..self.records().len() as u32).all(is_free)
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        #[cfg(feature = "async")]
        self.unwatch();
        let had_claim = self.release_claim();
        // Of two that are dropped at once, the one that comes later finds no claim.
        if had_claim && self.outlasts_boot() && self.is_unclaimed() && self.check_life().is_ok() {
            let _ = self.persist();
        }
        self.leftover = self.leftover().map(Box::new);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::protocol::{Access, Geometry, Newborn, Owner, create_new, remove};
    use crate::sysv::Key;
    use crate::sysv::shm::GetFlags;

    #[test]
    fn a_set_that_got_its_tags_after_it_was_found_without_is_removed_where_it_is_replaced() {
        let newborn = Newborn {
            mode: Mode::new(0o600),
            flags: 0,
            get: GetFlags::NONE,
            geometry: Geometry::filling(8, 640, 3).expect("a small one"),
            counters: Vec::new(),
            stored: 8,
            version: 1,
            group: None,
            schema: vec![0; 32],
            judge: |_| true,
            adopt: false,
        };
        let access = Access {
            owner: Owner::SelfOrRoot,
            limit: Duration::from_secs(5),
            writable: true,
            may_write: 0,
        };
        let segment = create_new(Key::PRIVATE, access, &newborn, &mut |_, _| Ok(()));
        let segment = segment.expect("born");
        let named = || set_of(segment.control().set.load(Acquire)).expect("a set");
        let old = named();
        segment.replace_set().expect("replaced");
        assert_ne!(named(), old);
        assert!(sem::stat(old).is_err(), "no segment names it any more");
        assert!(sem::stat(named()).is_ok());
        remove(&segment).expect("removed");
    }
}
