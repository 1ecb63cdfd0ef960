//! What the lock's word says of its owner: a claim, one taking of a slot.
//!
//! | claim's word | bits | meaning |
//! |---|---|---|
//! | slot | 0..10 | slot + 1 |
//! | number | 10..23 | number of the claim, modulo 2^13 |
//! | image | 23..31 | bits that the process keeps until `exec`; 8 more are in the record |
//!
//! A word comes back after 8,192 claims at the earliest, and then most likely with another image: see
//! `Slots::alive`.

use super::process;
use crate::protocol::memory::control::MOST_SLOTS;

pub(super) const SLOT_BITS: u32 = 10;
const SLOT_MASK: u32 = (1 << SLOT_BITS) - 1;
const _: () = assert!(MOST_SLOTS as u32 == SLOT_MASK - 1);
const NUMBER_BITS: u32 = 13;
const NUMBER_MASK: u32 = (1 << NUMBER_BITS) - 1;
const IMAGE_MASK: u32 = 0xff;

/// A slot held by a process, as the lock names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::protocol) struct Claim {
    pub(in crate::protocol) word: u32,
}

impl Claim {
    pub(in crate::protocol) fn new(slot: u32, number: u32, image: u32) -> Claim {
        let above = (number & NUMBER_MASK) | (image & IMAGE_MASK) << NUMBER_BITS;
        Claim {
            word: (slot + 1) | above << SLOT_BITS,
        }
    }

    /// Whether the image that claimed it has this program's bits.
    pub(super) fn has_own_image(self) -> bool {
        self.word >> (SLOT_BITS + NUMBER_BITS) & IMAGE_MASK == process::image() & IMAGE_MASK
    }

    /// The slot that a word names; `None` if it names none.
    pub(in crate::protocol) fn slot(self) -> Option<u32> {
        (self.word & SLOT_MASK).checked_sub(1)
    }
}
