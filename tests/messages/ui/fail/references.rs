use shm_core::SharedLayout;

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
struct Borrowing {
    text: &'static str,
    bytes: &'static [u8],
    value: &'static mut i32,
    paren: (&'static i32),
    array: [&'static i32; 4],
}

fn main() {}
