#![allow(dead_code)]

use shm_core::{SharedLayout, assert_shared};

trait Scalar {
    type Wide: SharedLayout;
    const LEN: usize;
}

impl Scalar for u8 {
    type Wide = u16;
    const LEN: usize = 3;
}

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
struct Bounds<T: Copy + PartialEq = u8, const N: usize = 4>
where
    [T; N]: PartialEq,
{
    cells: [[T; N]; 2],
    tail: T,
}

#[derive(SharedLayout)]
#[repr(C)]
struct Projection<T: Scalar> {
    wide: T::Wide,
    also: <T as Scalar>::Wide,
    fixed: [u8; <u8 as Scalar>::LEN],
}

impl<T: Scalar> Clone for Projection<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: Scalar> Copy for Projection<T> {}

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
struct Nested<T: Copy, U: SharedLayout> {
    bounds: Bounds2<T>,
    pair: Pair<U, [T; 2]>,
}

#[derive(SharedLayout, Clone, Copy)]
#[repr(transparent)]
struct Bounds2<T>(T);

#[derive(SharedLayout, Clone, Copy)]
#[repr(C, packed)]
struct Pair<A, B>(A, B);

#[derive(SharedLayout, Clone, Copy)]
#[repr(u8)]
enum Tagged<const N: usize> {
    A,
    B,
}

struct NotSharedButScalar;

impl Scalar for NotSharedButScalar {
    type Wide = u16;
    const LEN: usize = 0;
}

fn share<T: SharedLayout>() -> usize {
    T::SCHEMA.size()
}

fn generic<T: SharedLayout + PartialEq>() -> usize {
    share::<Bounds<T, 3>>() + share::<Nested<T, T>>() + share::<Tagged<4>>()
}

assert_shared!(Bounds, Bounds<i16, 1>, Projection<u8>, Projection<NotSharedButScalar>);
assert_shared!(Nested<u8, Tagged<3>>);

fn main() {
    assert_eq!(generic::<u32>(), 28 + 16 + 1);
}
