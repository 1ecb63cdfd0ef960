//! What the output of `#[derive(SharedLayout)]` needs by name. No part of the public interface.

pub mod advice;

use std::marker::PhantomData;

pub use bytemuck;

use crate::SharedLayout;

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
