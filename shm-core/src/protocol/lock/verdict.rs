//! Who is alive: what the two witnesses of a slot say together. `FORMAT.md` has the table
//! ("Verdict").

use super::claim::Claim;
use super::proc;
use super::process;
use super::record::Record;
use super::slots::Slots;
use crate::protocol::fault::{Fault, Holder, HolderState};

/// How closely to look at an owner whose semaphore says that it lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::protocol) enum Look {
    /// The semaphore will do.
    Short,
    /// It may be in its exit, which takes long where there is much memory to free.
    Long,
    /// The time limit is reached: a peer may have set the semaphore of a dead claimant.
    Last,
}

impl Slots<'_> {
    /// Whether the process that made this claim lives and knows of it. `own` is the claim of the
    /// asking handle. One system call or some.
    ///
    /// `false` may be acted upon by exchanging the very word that was judged. That word is another
    /// claim's only after 8,192 further claims, if that one has the same slot, is of a program with
    /// the same random bits, and holds the lock when the exchange comes.
    ///
    /// GETVAL takes the same lock in the kernel as the undo at the death of a process, so a
    /// process that reads a 0 also sees all that the dead one stored; where a record decides,
    /// [`Record::is_gone`] sees to that.
    pub(in crate::protocol) fn alive(
        self,
        claim: Claim,
        own: Claim,
        look: Look,
    ) -> Result<bool, Fault> {
        // A slot that does not exist has no claimant.
        let Some(slot) = claim.slot().filter(|slot| *slot < self.count()) else {
            return Ok(false);
        };
        let record = self.record(slot);
        // A word with the slot of the asking claim that is not that claim: a peer made it up.
        if Some(slot) == own.slot() && record == Record::own() {
            return Ok(claim == own);
        }
        match self.value(slot) {
            Some(0) if record == Record::RELEASED => Ok(false),
            Some(0) if record.is_comparable() => Ok(!record.is_gone()),
            Some(0) if self.replaced == 0 => Ok(self.is_last_user(slot, record)),
            // It may have claimed under the set before.
            Some(0) if self.is_last_user(slot, record) => Ok(true),
            Some(0) => unjudged(look),
            Some(_) => Ok(!self.is_dead_above_0(slot, claim, record, look)),
            None if record == Record::RELEASED => Ok(false),
            None if record.is_comparable() => Ok(!record.is_gone()),
            None => unjudged(look),
        }
    }

    /// Whether a claimant is dead although its semaphore is above 0.
    fn is_dead_above_0(self, slot: u32, claim: Claim, record: Record, look: Look) -> bool {
        if !claim.has_own_image() || record.is_comparable() {
            let own_pid = Some(std::process::id());
            let same_image = claim.has_own_image();
            if record.is_former_self(same_image)
                || !record.is_comparable() && !same_image && self.last_user(slot) == own_pid
            {
                return true;
            }
        }
        match look {
            Look::Short => false,
            Look::Long => self.last_user(slot) == Some(record.pid()) && record.is_exiting(),
            Look::Last => {
                record.is_comparable()
                    && self.last_user(slot) != Some(record.pid())
                    && record.is_gone()
            }
        }
    }

    /// Whether the process that made this claim has called `exec` since, as it shows by the [segment](crate::home::Home)
    /// that it does not map any more: no code of it can store there, though it lives, and would hold the lock until it
    /// ends. `false` where that can't be seen, and of a file, whose inode some file systems show as another one.
    pub(in crate::protocol) fn is_replaced(self, claim: Claim, in_maps: (u64, bool)) -> bool {
        let (_, is_segment) = in_maps;
        let slot = claim.slot().filter(|slot| *slot < self.count());
        slot.is_some_and(|slot| {
            let record = self.record(slot);
            is_segment
                && record != Record::RELEASED
                && record.is_comparable()
                && proc::maps(record.pid(), in_maps) == Some(false)
        })
    }

    /// Who has a slot, and what that process does. For messages. `in_maps` is what the kernel shows of the
    /// [home](crate::home::Home) in a process's maps.
    pub(in crate::protocol) fn holder(self, claim: Claim, in_maps: (u64, bool)) -> Holder {
        let unseen = Holder {
            pid: 0,
            state: HolderState::Unseen,
        };
        let Some(slot) = claim.slot().filter(|slot| *slot < self.count()) else {
            return unseen;
        };
        let record = self.record(slot);
        let pid = if record.is_comparable() {
            Some(record.pid())
        } else {
            self.last_user(slot)
        };
        let Some(pid) = pid.filter(|pid| *pid != 0) else {
            return unseen;
        };
        let state = match proc::observe(pid).state {
            HolderState::Gone => HolderState::Exiting,
            HolderState::Running | HolderState::Unseen => {
                if proc::maps(pid, in_maps) == Some(false) {
                    HolderState::Replaced
                } else if self.value(slot) == Some(0) {
                    HolderState::Left
                } else {
                    HolderState::Running
                }
            }
            state => state,
        };
        Holder { pid, state }
    }

    /// Who has a slot, and whether that process lives. Some system calls.
    pub(in crate::protocol) fn claimant(self, slot: u32, in_maps: (u64, bool)) -> Holder {
        // Of this program as far as the word tells, so that the record alone tells a former self.
        let claim = Claim::new(slot, 0, process::image());
        let holder = self.holder(claim, in_maps);
        let alive = self.alive(claim, Claim { word: 0 }, Look::Short);
        if alive.unwrap_or(true) {
            return holder;
        }
        // The pid may be another process's by now, but it is what the claimant was called.
        let state = HolderState::Gone;
        Holder { state, ..holder }
    }

    /// Whether a set may be put in the place of a lost one: each claimant is known to be gone, or
    /// known to every process that judges it here.
    pub(in crate::protocol) fn can_be_replaced(self) -> bool {
        (0..self.count()).all(|slot| {
            let record = self.record(slot);
            record == Record::RELEASED || record.is_comparable()
        })
    }
}

/// What can't be told counts as alive until the time limit.
fn unjudged(look: Look) -> Result<bool, Fault> {
    match look {
        Look::Short | Look::Long => Ok(true),
        Look::Last => Err(Fault::Unjudged),
    }
}
