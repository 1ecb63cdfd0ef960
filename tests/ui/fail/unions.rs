use shm_core::SharedLayout;

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
union Either {
    int: u32,
    float: f32,
}

fn main() {}
