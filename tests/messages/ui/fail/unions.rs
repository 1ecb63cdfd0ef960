use shm_core::SharedLayout;

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
union Either {
    int: u32,
    float: f32,
}

#[derive(Clone, Copy)]
#[repr(C)]
union Bare {
    int: u32,
    float: f32,
}

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
struct Tagged {
    tag: u32,
    value: Bare,
}

fn main() {}
