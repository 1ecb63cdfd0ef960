use shm_core::SharedLayout;

use std::sync::atomic::{AtomicBool, AtomicU32};

#[derive(SharedLayout)]
#[repr(C)]
struct Racing {
    hits: AtomicU32,
    flag: AtomicBool,
    array: [std::sync::atomic::AtomicI64; 2],
}

impl Clone for Racing {
    fn clone(&self) -> Self {
        loop {}
    }
}

fn main() {}
