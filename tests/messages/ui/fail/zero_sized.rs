use shm_core::{FixedStr, FixedVec, SharedLayout};

use std::marker::PhantomData;

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
struct Empty {}

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
struct Unit;

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
struct EmptyFields {
    nothing: (),
    arrays: [[u8; 0]; 2],
    marker: PhantomData<u32>,
    value: u32,
}

const NONE: usize = 0;

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
struct ComputedLength {
    arrays: [[u8; NONE]; 2],
    value: u32,
}

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
struct OnlyEmpty {
    array: [u8; 0],
}

const NO_TEXT: FixedStr<0> = FixedStr::EMPTY;
const NO_BYTES: FixedStr<0> = FixedStr::from_raw([]);
const NO_PLACES: FixedVec<u8, 0> = FixedVec::new();

fn main() {}
