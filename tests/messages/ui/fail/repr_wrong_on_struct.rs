use shm_core::SharedLayout;

#[derive(SharedLayout, Clone, Copy)]
#[repr(Rust)]
struct Rust {
    pid: i32,
}

#[derive(SharedLayout, Clone, Copy)]
#[repr(packed)]
struct PackedAlone {
    pid: i32,
}

#[derive(SharedLayout, Clone, Copy)]
#[repr(align(8))]
struct AlignedAlone {
    pid: i32,
}

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
#[repr(u8)]
struct Integer {
    pid: i32,
}

#[derive(SharedLayout, Clone, Copy)]
#[repr(simd)]
struct Simd([f32; 4]);

fn main() {}
