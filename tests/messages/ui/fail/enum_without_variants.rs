use shm_core::SharedLayout;

#[derive(SharedLayout, Clone, Copy)]
enum NeverWithoutRepr {}

#[derive(SharedLayout, Clone, Copy)]
#[repr(u8)]
enum Never {}

fn main() {}
