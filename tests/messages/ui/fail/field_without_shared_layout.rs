use shm_core::SharedLayout;

#[derive(Clone, Copy)]
#[repr(C)]
struct Plain {
    value: u32,
}

type Len = usize;

macro_rules! my_type {
    () => { usize };
}

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
struct Outer {
    plain: Plain,
    alias: Len,
    from_macro: my_type!(),
    array: [Plain; 3],
}

fn main() {}
