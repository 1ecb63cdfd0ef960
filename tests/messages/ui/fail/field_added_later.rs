use shm_core::SharedLayout;

#[derive(SharedLayout, Clone, Copy)]
#[shm_tests_attribute::add_field(flag: bool)]
#[repr(C)]
struct StPid {
    pid: i32,
}

fn main() {}
