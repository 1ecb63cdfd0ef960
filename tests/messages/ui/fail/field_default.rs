use shm_core::{SharedLayout, assert_shared};

#[derive(SharedLayout, Clone, Copy)]
#[repr(u8)]
enum Mode {
    Idle = 1,
    Busy,
}

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
#[shared(version = 2)]
struct NoZero {
    pid: i32,
    #[shared(since = 2)]
    modes: [Mode; 3],
}

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
#[shared(version = 3)]
struct NoZeroGeneric<T> {
    pid: i32,
    #[shared(since = 3)]
    item: T,
}
assert_shared!(NoZeroGeneric<u8>);
assert_shared!(NoZeroGeneric<Mode>);

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
#[shared(version = 2)]
struct OtherType {
    pid: i32,
    #[shared(since = 2, default = "alice")]
    uid: u32,
    #[shared(since = 2, default = missing())]
    gid: u32,
}

fn main() {}
