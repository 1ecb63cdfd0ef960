use shm_core::SharedLayout;

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
#[shared(verzion = 2)]
struct Misspelt {
    pid: i32,
}

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
#[shared(version = 0)]
struct Zero {
    pid: i32,
}

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
#[shared(version = 4294967296)]
struct TooLarge {
    pid: i32,
}

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
#[shared(version = 1, version = 2)]
struct Twice {
    pid: i32,
}

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
#[shared]
struct Bare {
    pid: i32,
}

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
#[shared(bytemuck = "no")]
struct NotABool {
    pid: i32,
}

#[derive(SharedLayout, Clone, Copy)]
#[repr(u8)]
#[shared(version = 2)]
enum Versioned {
    A,
}

fn main() {}
