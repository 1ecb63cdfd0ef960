use shm_core::SharedLayout;

#[derive(SharedLayout, Clone, Copy)]
#[repr(C, align(128))]
struct Direct {
    pid: i32,
}

#[derive(Clone, Copy)]
#[repr(C, align(4096))]
struct Page([u8; 4096]);

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
#[repr(align(0x1000))]
struct InTwoAttributes {
    pid: i32,
}

fn main() {}
