#![no_implicit_prelude]
#![no_std]
#![allow(dead_code)]

#[derive(::shm_core::SharedLayout, ::core::clone::Clone, ::core::marker::Copy)]
#[repr(C)]
#[shared(version = 3)]
struct StPid {
    pid: i32,
    #[shared(was = "name")]
    names: ::shm_core::FixedStr<51>,
    mode: [Mode; 2],
    #[shared(since = 2)]
    list: ::shm_core::FixedVec<Mode, 2>,
    #[shared(since = 3, default = [Mode::On; 2])]
    modes: [Mode; 2],
}

#[derive(::shm_core::SharedLayout, ::core::clone::Clone, ::core::marker::Copy)]
#[repr(C)]
struct Older {
    pid: i32,
    name: ::shm_core::FixedStr<51>,
    mode: [Mode; 2],
}

::shm_core::assert_extends!(StPid, Older);

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
