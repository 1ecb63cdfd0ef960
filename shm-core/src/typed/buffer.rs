//! Places for values that come out of a segment.

use std::mem::MaybeUninit;
use std::slice;

use crate::layout::{SharedLayout, make_valid};

/// The largest value that is kept on the stack where the heap would do, or twice.
pub(super) const ON_STACK: usize = 4096;

/// Where a large value lies before it is moved to where the caller wants it.
///
/// `memcpy` with "rep movsb" takes 27 times as long if the copy begins 1 to 15 bytes after the
/// source modulo 4096 (glibc 2.36, Zen 4), and the compiler likes to lay two places of whole pages
/// that way. So this one keeps its distance on both sides. Its alignment lets the processor forward
/// what was just stored.
#[repr(C, align(64))]
pub(super) struct Spaced<T> {
    before: MaybeUninit<[u8; 64]>,
    pub(super) value: MaybeUninit<T>,
    after: MaybeUninit<[u8; 64]>,
}

impl<T> Spaced<T> {
    #[inline(always)]
    pub(super) fn new() -> Spaced<T> {
        Spaced {
            before: MaybeUninit::uninit(),
            value: MaybeUninit::uninit(),
            after: MaybeUninit::uninit(),
        }
    }
}

/// # Safety
///
/// Every byte of `place` is initialised.
#[inline(always)]
pub(super) unsafe fn bytes_of<T>(place: &MaybeUninit<T>) -> &[u8] {
    // SAFETY: `size_of::<T>()` bytes behind one reference, initialised (this function's contract); any
    // byte is a `u8`.
    unsafe { slice::from_raw_parts(place.as_ptr().cast(), size_of::<T>()) }
}

/// A place of the caller's in which there must be a `T` in the end: unless this is forgotten, some
/// `T`.
pub(super) struct Owed<'a, T: SharedLayout>(pub(super) &'a mut MaybeUninit<T>);

impl<T: SharedLayout> Drop for Owed<'_, T> {
    #[inline]
    fn drop(&mut self) {
        leave_valid(self.0);
    }
}

/// Puts some `T` in a place that may hold anything: zeros, where they are a value.
#[cold]
fn leave_valid<T: SharedLayout>(place: &mut MaybeUninit<T>) {
    if const { !T::SCHEMA.any_bits() } {
        let first = place.as_mut_ptr().cast::<u8>();
        // SAFETY: the place has `size_of::<T>()` bytes. They are written as bytes, padding too, and
        // so are all initialised.
        let bytes = unsafe {
            first.write_bytes(0, size_of::<T>());
            slice::from_raw_parts_mut(first, size_of::<T>())
        };
        make_valid(T::SCHEMA, bytes);
    }
}
