use shm_core::SharedLayout;

#[derive(SharedLayout, Clone, Copy)]
#[repr(C, u8)]
enum CAndInteger {
    A,
    B,
}

#[derive(SharedLayout, Clone, Copy)]
#[repr(u8)]
#[repr(u16)]
enum TwoIntegers {
    A,
    B,
}

fn main() {}
