use shm_core::SharedLayout;

#[derive(SharedLayout, Clone, Copy, bytemuck_derive::Zeroable)]
#[repr(C)]
struct StPid {
    pid: i32,
}

fn main() {}
