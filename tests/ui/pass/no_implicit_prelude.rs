#![no_implicit_prelude]
#![no_std]
#![allow(dead_code)]

#[derive(::shm_core::SharedLayout, ::core::clone::Clone, ::core::marker::Copy)]
#[repr(C)]
struct StPid {
    pid: i32,
    names: ::shm_core::FixedStr<51>,
    mode: [Mode; 2],
}

#[derive(::shm_core::SharedLayout, ::core::clone::Clone, ::core::marker::Copy)]
#[repr(u8)]
enum Mode {
    Off,
    On,
}

#[derive(::shm_core::SharedLayout, ::core::clone::Clone, ::core::marker::Copy)]
#[repr(C)]
struct Generic<T, const N: usize>([T; N]);

::shm_core::assert_shared!(Generic<bool, 7>);

fn main() {}
