use shm_core::SharedLayout;

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
    array: [u8; 0],
    marker: PhantomData<u32>,
    value: u32,
}

const NONE: usize = 0;

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
struct ComputedLength {
    array: [u8; NONE],
    value: u32,
}

fn main() {}
