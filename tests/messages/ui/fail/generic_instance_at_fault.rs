use shm_core::{SharedLayout, assert_shared};

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
struct Matrix<const N: usize> {
    cells: [f64; N],
}

assert_shared!(Matrix<3>);
assert_shared!(Matrix<0>);

fn main() {}
