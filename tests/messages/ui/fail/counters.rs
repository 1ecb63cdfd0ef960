use shm_core::SharedLayout;

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
struct Ends {
    #[shared(counter)]
    served: u32,
}

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
struct Falls {
    #[shared(counter)]
    open: i64,
}

#[derive(SharedLayout, Clone, Copy)]
#[repr(C, packed)]
struct Packed {
    pid: u32,
    #[shared(counter)]
    served: u64,
}

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
struct Both {
    pid: u32,
    #[shared(counter, padding)]
    pad: [u8; 4],
}

fn main() {}
