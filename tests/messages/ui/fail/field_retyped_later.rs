use shm_core::SharedLayout;

#[derive(SharedLayout, Clone, Copy)]
#[shm_tests_attribute::retype(bool)]
#[repr(C)]
struct Flags {
    on: u8,
}

fn main() {}
