#![allow(dead_code)]

mod facade {
    pub mod memory {
        pub use shm_core::*;
    }
}

use facade::memory::SharedLayout;

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
#[shared(crate = facade::memory, version = 2)]
struct ByPath(u8, #[shared(since = 2, default = 7)] u8, #[shared(since = 2)] u8);

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
#[shared(crate = "crate::facade::memory")]
struct Quoted(ByPath);

fn main() {}
