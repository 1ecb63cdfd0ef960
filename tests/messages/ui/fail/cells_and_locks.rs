use shm_core::SharedLayout;

use std::cell::{Cell, UnsafeCell};
use std::sync::Mutex;

#[derive(SharedLayout)]
#[repr(C)]
struct Guarding {
    cell: Cell<u32>,
    raw: UnsafeCell<u32>,
    lock: Mutex<u32>,
}

fn main() {}
