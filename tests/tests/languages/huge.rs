//! An enum in 128 bits, by hand: `#[repr(u128)]`, of which the derive makes the same, is newer than the compilers that build these tests.

use shm_core::SharedLayout;
use shm_core::layout::{Schema, Variant};

#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(transparent)]
pub struct Huge(u128);

impl Huge {
    pub const ONE: Huge = Huge(1);
    pub const MOST: Huge = Huge(u128::MAX);
}

// SAFETY: `repr(transparent)` has the layout of the integer, of which the schema names the values that are valid.
unsafe impl SharedLayout for Huge {
    const VARIANTS: &'static [Variant] = &[Variant::new("One", 1), Variant::new("Most", -1)];

    const SCHEMA: &'static Schema = &Schema::enumeration("Huge", u128::SCHEMA, Self::VARIANTS);

    fn bits_are_valid(bytes: &[u8]) -> bool {
        matches!(
            u128::from_ne_bytes(bytes.try_into().unwrap()),
            1 | u128::MAX
        )
    }
}
