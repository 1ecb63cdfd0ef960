//! What the output of `#[derive(SharedLayout)]` needs by name. No part of the public interface.

pub mod advice;

use std::marker::PhantomData;

pub use bytemuck;

/// The steps at which a test may let a process die.
#[cfg(shm_stop_points)]
pub use crate::protocol::POINTS as STOP_POINTS;

use crate::SharedLayout;
pub use crate::typed::{for_each_byte_of, for_each_zero_of};

/// The bytes of the field of type `F` at `offset`.
///
/// The caller has compared the length of `bytes` with the size of the struct, so that the bounds
/// checks fold away.
#[inline(always)]
pub fn part<F>(bytes: &[u8], offset: usize) -> &[u8] {
    &bytes[offset..offset + size_of::<F>()]
}

/// A computed fact in the place of a bound: `Assert<{ 1 + 1 == 2 }>: IsTrue`.
pub struct Assert<const FACT: bool>;

/// Holds for the facts that are true.
pub trait IsTrue {}

impl IsTrue for Assert<true> {}

/// Checks the facts of a type once it is complete; by way of [`Unjudged`] also where it turns out
/// not to be shared.
pub struct Facts<T>(PhantomData<T>);

impl<T: SharedLayout> Facts<T> {
    /// Compiles if [`assert_shared`](crate::layout::assert_shared) holds.
    pub const HOLD: () = crate::layout::assert_shared::<T>();
}

/// Stands in for [`Facts::HOLD`] where `T` is not `SharedLayout`: that has been reported already,
/// so it says nothing.
pub trait Unjudged {
    /// Says nothing.
    const HOLD: () = ();
}

impl<T> Unjudged for Facts<T> {}
