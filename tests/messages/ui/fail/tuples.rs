use shm_core::SharedLayout;

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
struct Shapes {
    pair: (u32, u8),
    nested: [(u32, usize); 2],
}

fn main() {}
