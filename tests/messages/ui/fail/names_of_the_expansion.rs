// A default expression meets no name of the code that is written around it.

use shm_core::SharedLayout;

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
#[shared(version = 2)]
struct Grown {
    pid: i32,
    #[shared(since = 2, default = __older)]
    a: u32,
    #[shared(since = 2, default = older)]
    b: u32,
    #[shared(since = 2, default = { each(0, &[7]); 0 })]
    c: u32,
    #[shared(since = 2, default = { __each(0, &[7]); 0 })]
    d: u32,
    #[shared(since = 2, default = { __copy(); 0 })]
    e: u32,
    #[shared(since = 2, default = { __complete(); 0 })]
    f: u32,
}

fn main() {}
