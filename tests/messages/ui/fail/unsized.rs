use shm_core::SharedLayout;

#[derive(SharedLayout)]
#[repr(C)]
struct Slice {
    len: u32,
    rest: [u8],
}

#[derive(SharedLayout)]
#[repr(C)]
struct Text {
    len: u32,
    rest: str,
}

#[derive(SharedLayout)]
#[repr(C)]
struct Object {
    len: u32,
    rest: dyn Send,
}

fn main() {}
