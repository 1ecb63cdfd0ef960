//! The word that says whose a row is.
//!
//! | bits | meaning |
//! |---|---|
//! | 0..31 | the [claim](crate::protocol::lock::claim) that has the row; 0: none |
//! | 32..35 | life: 0 free, 1 changing, 2 live, 3 dead, 4 reaping |
//! | 35..64 | generation: how often the row was claimed |

use crate::protocol::lock::claim::Claim;

const CLAIM_BITS: u32 = 31;
const LIFE_AT: u32 = 32;
const GENERATION_AT: u32 = 35;

/// What becomes of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::protocol) enum Life {
    /// It has no owner.
    Free = 0,
    /// The claim is about to fill or to clear it: no reader looks at it. Of a dead claim it is as good as free.
    Changing = 1,
    /// It has its claim's value.
    Live = 2,
    /// It has the value of a claim that was found dead, and names none.
    Dead = 3,
    /// The claim hands out the last value of a dead one, which stands until that is done.
    Reaping = 4,
}

impl Life {
    /// All of them.
    pub(in crate::protocol) const ALL: [Life; 5] = [
        Life::Free,
        Life::Changing,
        Life::Live,
        Life::Dead,
        Life::Reaping,
    ];
}

/// What the word says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Own(pub(in crate::protocol) u64);

impl Own {
    pub(in crate::protocol) const fn of(claim: Claim, life: Life, generation: u64) -> Own {
        Own(claim.word as u64 & ((1 << CLAIM_BITS) - 1)
            | (life as u64) << LIFE_AT
            | generation << GENERATION_AT)
    }

    pub(in crate::protocol) fn claim(self) -> Claim {
        Claim {
            word: (self.0 & ((1 << CLAIM_BITS) - 1)) as u32,
        }
    }

    /// A number that means none is a peer's: no reader looks at such a row, and a claimant takes it if
    /// the claim in it is dead.
    pub(in crate::protocol) fn life(self) -> Life {
        let number = (self.0 >> LIFE_AT) as usize % 8;
        Life::ALL.get(number).copied().unwrap_or(Life::Changing)
    }

    fn generation(self) -> u64 {
        self.0 >> GENERATION_AT
    }

    /// The same claim's row in another life.
    pub(in crate::protocol) fn with(self, life: Life) -> Own {
        Own::of(self.claim(), life, self.generation())
    }

    /// The row in the hands of a claim that is about to write to it.
    pub(in crate::protocol) fn taken_by(self, claim: Claim) -> Own {
        Own::of(claim, Life::Changing, self.generation().wrapping_add(1))
    }

    /// The row in the hands of a claim that hands out its last value.
    pub(in crate::protocol) fn reaped_by(self, claim: Claim) -> Own {
        Own::of(claim, Life::Reaping, self.generation())
    }

    /// The row without an owner.
    pub(in crate::protocol) fn freed(self) -> Own {
        Own::of(Claim { word: 0 }, Life::Free, self.generation())
    }

    /// The row of an owner that is dead. It names none, or it would look like one of the claims to come.
    pub(in crate::protocol) fn died(self) -> Own {
        Own::of(Claim { word: 0 }, Life::Dead, self.generation())
    }

    /// Whether the row has a value that readers may see.
    #[inline(always)]
    pub(in crate::protocol) fn is_shown(self) -> bool {
        let life = self.0 >> LIFE_AT & 7;
        (Life::Live as u64..=Life::Reaping as u64).contains(&life)
    }

    /// Whether the row shows the value of the owner that it had when its word was `seen`, and it showed one.
    #[inline(always)]
    pub(crate) fn shows_as(self, seen: Own) -> bool {
        debug_assert!(seen.is_shown());
        // Most often nothing has happened meanwhile.
        self == seen || (self.is_shown() && self.generation() == seen.generation())
    }
}
