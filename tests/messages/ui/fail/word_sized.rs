use shm_core::SharedLayout;

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
struct Counting {
    len: usize,
    delta: isize,
    raw: r#usize,
    path: core::primitive::usize,
    array: [usize; 4],
    nested: [[isize; 2]; 2],
}

fn main() {}
