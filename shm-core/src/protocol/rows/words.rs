//! The words of one row, and the steps of its life.
//!
//! A row is a latch with its own sequence, which only the claim that its word names writes to. So no
//! lock is taken for a commit, and this is what keeps rows whole:
//!
//! | step | if the process dies after it |
//! |---|---|
//! | claimed: free, or *the word that was judged dead*, is exchanged for "changing", the own claim, the next generation | the row is as good as free: the next claimant takes it |
//! | the schema in force is looked at; the copies are repaired; template and first value are committed; id, owner and that schema's version are stored | the same |
//! | "changing" is exchanged for "live" | the row is a dead one's, with its value |
//! | the membership is raised, waiters are woken | - |
//! | claimed for nothing, under a schema that the claimant can't write: the copies are repaired, then as for a release, from "changing" on | as good as free |
//! | released: "live" is exchanged for "changing" | as good as free |
//! | the template is committed | the same |
//! | "changing" is exchanged for "free"; the membership is raised, waiters are woken | - |
//! | a death is noticed: *the word that was judged* is exchanged for "dead" | - |
//! | reaped: "dead" is exchanged for "reaping", the own claim | the next reaper begins anew |
//! | the last value is handed out; "reaping" is exchanged for "changing" | as good as free |
//!
//! Invariant: **the word names at most one living claim, and only that claim's process stores to the row.**
//!
//! A process that claims a slot anew first exchanges all words that name it, of the claim before: no
//! process could tell any more that those are dead.
//!
//! A reader looks at the word before its copy and after it. A value of another owner makes the second look
//! see that one's word: its commit has a release fence behind the exchange, and the copy ends in an acquire
//! fence.
//!
//! # Upgrades
//!
//! `segment/upgrade.rs` stores the new fields' defaults to the template alone, since rows are written without its lock. So a row
//! says by what schema it was claimed. Invariant: **a row that is shown has every field of the version that it names**, by its
//! template or by its owner; a field that came later is scratch in it, whatever schema is in force.
//!
//! The template is copied behind the look at the schema, and what an upgrade stored there is never stored to again. An upgrade that
//! comes in between does no harm: the row names the version before, and readers take its owner for one of the time before.
//! The owner of a row knows no field that the row lacks: it was let claim under a schema that has all of them.

use super::own::{Life, Own};
use crate::protocol::lock::claim::Claim;
use crate::protocol::memory::atomics::{
    AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
    fence,
};
#[cfg(not(all(test, loom)))]
use crate::protocol::memory::control::ROW_WORDS;
use crate::protocol::memory::stop::stop;

/// A line of its own for each row: neighbours do not slow each other.
#[derive(Debug)]
#[repr(C, align(64))]
pub(in crate::protocol) struct RowWords {
    pub(in crate::protocol) own: AtomicU64,
    /// The sequence of its latch.
    pub(in crate::protocol) seq: AtomicU64,
    /// What the last commit changed, as in the control block.
    pub(in crate::protocol) range: AtomicU64,
    /// The number of its claim among all of the table.
    pub(in crate::protocol) id: AtomicU64,
    /// The record of its owner's process, as in the slots' records.
    pub(in crate::protocol) owner: AtomicU64,
    /// The version of the schema whose fields it has.
    pub(in crate::protocol) schema: AtomicU64,
    pub(in crate::protocol) _rest: [AtomicU64; 2],
}

#[cfg(not(all(test, loom)))]
const _: () = assert!(size_of::<RowWords>() == ROW_WORDS);

impl RowWords {
    /// Whose the row is. What that claim stored before it said so is seen from here on.
    #[inline(always)]
    pub(in crate::protocol) fn look(&self) -> Own {
        // No acquire load: this may be a read-only page, see `latch.rs`.
        let own = Own(self.own.load(Relaxed));
        // Pairs with the release exchanges below.
        fence(Acquire);
        own
    }

    /// Whether the row is shown as that of the same owner still, after what was copied since the look.
    #[inline(always)]
    pub(in crate::protocol) fn is_still(&self, seen: Own) -> bool {
        // Pairs with the release fences of a later owner's commit, which lie behind its exchange: a byte
        // of that one in the copy makes the load below see the exchange.
        fence(Acquire);
        Own(self.own.load(Relaxed)).shows_as(seen)
    }

    /// The version of the schema whose fields its value has, as long as [`RowWords::is_still`] says so afterwards.
    #[inline(always)]
    pub(in crate::protocol) fn schema(&self) -> u64 {
        self.schema.load(Relaxed)
    }

    /// Whether it is this very claim's, in this very life. For its owner.
    #[inline(always)]
    pub(in crate::protocol) fn is(&self, own: Own) -> bool {
        self.own.load(Relaxed) == own.0
    }

    /// One step in the life of the row, unless its word is another by now than the one that was seen: that of this claim, of
    /// none, or the very one by which a claim was judged dead.
    pub(in crate::protocol) fn exchange(&self, seen: Own, new: Own) -> Option<Own> {
        // Release: who meets the word sees what was stored before. That this claim sees what the last one stored, the
        // look at the very word that is exchanged has seen to.
        self.own
            .compare_exchange(seen.0, new.0, Release, Relaxed)
            .ok()
            .map(|_| new)
    }

    /// Shows what was committed, with the fields of this version of the schema, as that of the claim with this number, by a
    /// process with this record.
    pub(in crate::protocol) fn show(
        &self,
        own: Own,
        id: u64,
        owner: u64,
        schema: u32,
    ) -> Option<Own> {
        // Behind the release fences of the commit, like its bytes: see `is_still`.
        self.id.store(id, Relaxed);
        self.owner.store(owner, Relaxed);
        self.schema.store(schema.into(), Relaxed);
        stop!("row: named");
        self.exchange(own, own.with(Life::Live))
    }

    /// What becomes of a row that names a claim of a slot before the one that has just been made, or before an `exec`: no
    /// other process could tell any more that it is dead. Says whether a death is news.
    pub(in crate::protocol) fn bury(&self, slot: u32, except: Claim) -> bool {
        let seen = self.look();
        let claim = seen.claim();
        if claim.slot() != Some(slot) || claim == except {
            return false;
        }
        match seen.life() {
            Life::Live => return self.exchange(seen, seen.died()).is_some(),
            Life::Dead | Life::Reaping => self.exchange(seen, seen.died()),
            Life::Changing | Life::Free => self.exchange(seen, seen.freed()),
        };
        false
    }
}
