//! The write lock: one word in the segment, taken over from owners that died.
//!
//! | word | meaning |
//! |---|---|
//! | 0 | free |
//! | bits 0..31 | the owner's [claim](super::claim): slot + 1, number and image |
//! | bit 31 | contenders sleep: the owner wakes one when it lets go |
//!
//! A contender that finds the owner's slot without a living claimant puts its own word in place of
//! *the very word it judged*. Unless that word has come back meanwhile, which takes 8,192 claims and
//! more (see `Slots::alive`), either the judgement still holds or the exchange fails. A contender
//! that takes over repairs before anything else. Sleeps are short naps: a sleeper whose wake-up went
//! to a process that died with it looks again by itself.

use super::claim::Claim;
use crate::protocol::fault::Fault;
use crate::protocol::memory::atomics::{
    AtomicU32,
    Ordering::{Acquire, Relaxed, SeqCst},
};
use crate::protocol::memory::stop::stop;

/// Contenders sleep.
pub(in crate::protocol) const WAITERS: u32 = 1 << 31;

/// Looks before the first sleep: a commit of a small value is over sooner than a system call.
const SPINS: u32 = if cfg!(all(test, loom)) { 1 } else { 100 };

/// How the lock was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::protocol) enum Taken {
    /// From no owner: the last one let go.
    Free,
    /// From a dead owner, whose work may be half-done.
    Over,
}

/// Takes the lock if it is free. One exchange.
#[inline(always)]
pub(in crate::protocol) fn try_acquire(word: &AtomicU32, claim: Claim) -> bool {
    // Acquire pairs with the release in `release`: this owner sees all that the last one stored.
    word.compare_exchange(0, claim.word, Acquire, Relaxed)
        .is_ok()
}

/// Takes the lock, from a dead owner if need be.
///
/// `alive` judges an owner. `rest` is called each time the lock could not be taken, with the slot
/// of its living owner, if it has one, and the word to sleep on; it returns at the latest when the
/// word has changed or a nap is over, and ends the attempt with an error when the limit is reached.
/// Without an owner it must not sleep: no mark was left, so no owner would wake it.
#[cold]
pub(in crate::protocol) fn acquire(
    word: &AtomicU32,
    claim: Claim,
    alive: impl Fn(Claim) -> Result<bool, Fault>,
    mut rest: impl FnMut(Option<u32>, u32) -> Result<(), Fault>,
) -> Result<Taken, Fault> {
    for _ in 0..SPINS {
        if word.load(Relaxed) == 0 && try_acquire(word, claim) {
            return Ok(Taken::Free);
        }
        core::hint::spin_loop();
    }
    loop {
        let seen = word.load(Relaxed);
        let owner = Claim {
            word: seen & !WAITERS,
        };
        let slot = owner.slot();
        if slot.is_some() && alive(owner)? {
            let marked = seen | WAITERS;
            if seen != marked {
                let _ = word.compare_exchange(seen, marked, Relaxed, Relaxed);
            }
            stop!("lock: waiter marked");
            rest(slot, marked)?;
            continue;
        }
        // With the mark: others may sleep as this process did, and must be woken in their turn.
        // Acquire pairs with the release in `release`; after a death it pairs with nothing in memory,
        // and the repair has a fence of its own.
        if word
            .compare_exchange(seen, claim.word | WAITERS, Acquire, Relaxed)
            .is_ok()
        {
            return Ok(if slot.is_some() {
                Taken::Over
            } else {
                Taken::Free
            });
        }
        rest(None, seen)?;
    }
}

/// Takes over a lock that still names a slot, this claim's or one of its process's former self: the last claimant of that
/// died holding it, or holds it no more. `false`: it names another.
pub(in crate::protocol) fn inherit(word: &AtomicU32, slot: u32, claim: Claim) -> bool {
    let mut seen = word.load(Relaxed);
    // Twice: a contender that takes this claimant for the owner may add its mark between look and
    // exchange. It can do so once; any other change means that the lock names another slot.
    for _ in 0..2 {
        if (Claim { word: seen }).slot() != Some(slot) {
            return false;
        }
        match word.compare_exchange(seen, claim.word | WAITERS, Acquire, Relaxed) {
            Ok(_) => return true,
            Err(now) => seen = now,
        }
    }
    false
}

/// Lets go, and says whether a sleeper must be woken.
///
/// A word that is not this claim's stays as it is: a peer tampered with the slots, and the lock was
/// taken from a living owner.
#[inline(always)]
pub(in crate::protocol) fn release(word: &AtomicU32, claim: Claim) -> bool {
    // SeqCst holds the release that `try_acquire` pairs with, and makes the exchange one half of
    // the handshake with waiters, see `wait.rs`.
    if word
        .compare_exchange(claim.word, 0, SeqCst, Relaxed)
        .is_ok()
    {
        return false;
    }
    release_marked(word, claim)
}

#[cold]
fn release_marked(word: &AtomicU32, claim: Claim) -> bool {
    // SeqCst: the release that `try_acquire` pairs with, and one half of the handshake in `wait.rs`.
    word.compare_exchange(claim.word | WAITERS, 0, SeqCst, Relaxed)
        .is_ok()
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::protocol::lock::claim::SLOT_BITS;

    #[test]
    fn an_owner_is_judged_by_its_claim_whether_others_sleep_or_not() {
        let owner = Claim::new(3, 5, 7);
        let word = AtomicU32::new(owner.word);
        let mut rests = 0;
        let result = acquire(
            &word,
            Claim::new(4, 6, 7),
            |judged| {
                assert_eq!(judged, owner);
                Ok(true)
            },
            |slot, expected| {
                assert_eq!((slot, expected), (Some(3), owner.word | WAITERS));
                rests += 1;
                if rests < 3 {
                    Ok(())
                } else {
                    Err(Fault::Removed)
                }
            },
        );
        assert!(matches!(result, Err(Fault::Removed)), "{result:?}");
    }

    #[test]
    fn a_word_that_changes_before_each_exchange_does_not_keep_a_contender_for_ever() {
        for alive in [true, false] {
            let word = AtomicU32::new(2);
            let mut rests = 0;
            let result = acquire(
                &word,
                Claim::new(0, 0, 0),
                |_| {
                    word.fetch_add(1 << SLOT_BITS, Relaxed);
                    Ok(alive)
                },
                |_, _| {
                    rests += 1;
                    if rests < 1000 {
                        Ok(())
                    } else {
                        Err(Fault::Removed)
                    }
                },
            );
            assert!(matches!(result, Err(Fault::Removed)), "{result:?}");
        }
    }
}
