#![forbid(unsafe_code)]
#![deny(warnings)]
#![allow(dead_code)]
// The attributes where types have parameters, in tuple structs, and beside each other.

use shm_core::SharedLayout;

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
#[shared(name = "st_pair", version = 2)]
struct Pair<T, const N: usize>(T, #[shared(padding)] [u8; N], #[shared(was = "1")] u32);

#[derive(SharedLayout, Clone, Copy)]
#[repr(C, packed)]
struct Packed {
    byte: u8,
    #[shared(padding)]
    numbers: u32,
    #[shared(padding)]
    nested: Numbers,
}

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
struct Numbers {
    x: f32,
    y: u32,
}

#[derive(SharedLayout, Clone, Copy)]
#[repr(i8)]
#[shared(name = "mode")]
enum Mode {
    Idle,
    #[shared(other)]
    Unknown = -1,
}

shm_core::assert_shared!(Pair<u32, 4>, Pair<Mode, 7>);

const _: () = assert!(<Pair<u32, 4>>::SCHEMA.fields().len() == 2);

fn main() {}
