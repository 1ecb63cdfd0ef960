use shm_core::SharedLayout;

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
struct Borrowing<'a, 'b: 'a> {
    first: &'a str,
    second: Wrapper<'b>,
    value: u32,
}

#[derive(Clone, Copy)]
#[repr(C)]
struct Wrapper<'a>(&'a u8);

fn main() {}
