//! `Integer`: what `fetch_add` adds to.

use std::num::Wrapping;

use crate::layout::SharedLayout;

/// The integers of fixed size, `u8` to `u128` and `i8` to `i128`, and their `Wrapping`. No other type can be one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no integer, and only to integers a call adds",
    label = "`Integer` does not hold for this type",
    note = "change the field by `update_field`, which takes a closure"
)]
pub trait Integer: SharedLayout + Sealed {}

/// Not for other crates to implement, or to call.
pub trait Sealed: Copy {
    /// The sum; beyond the type's limit it goes on at the other one.
    #[doc(hidden)]
    fn __wrapping_add(self, other: Self) -> Self;

    /// Its low 64 bits.
    #[doc(hidden)]
    fn __to_u64(self) -> u64;

    /// The integer with these low bits.
    #[doc(hidden)]
    fn __from_u64(bits: u64) -> Self;
}

macro_rules! integers {
    ($($int:ty)+) => {$(
        impl Integer for $int {}

        impl Sealed for $int {
            #[inline(always)]
            fn __wrapping_add(self, other: $int) -> $int {
                self.wrapping_add(other)
            }

            #[inline(always)]
            fn __to_u64(self) -> u64 {
                self as u64
            }

            #[inline(always)]
            fn __from_u64(bits: u64) -> $int {
                bits as $int
            }
        }

        impl Integer for Wrapping<$int> {}

        impl Sealed for Wrapping<$int> {
            #[inline(always)]
            fn __wrapping_add(self, other: Wrapping<$int>) -> Wrapping<$int> {
                self + other
            }

            #[inline(always)]
            fn __to_u64(self) -> u64 {
                self.0.__to_u64()
            }

            #[inline(always)]
            fn __from_u64(bits: u64) -> Wrapping<$int> {
                Wrapping(<$int>::__from_u64(bits))
            }
        }
    )+};
}

integers!(u8 u16 u32 u64 u128 i8 i16 i32 i64 i128);
