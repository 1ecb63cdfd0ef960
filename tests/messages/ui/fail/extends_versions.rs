use shm_core::{SharedLayout, assert_extends};

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
#[shared(version = 2)]
struct Value {
    pid: i32,
}

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
#[shared(version = 2)]
struct NotRaised {
    pid: i32,
    #[shared(since = 2)]
    uid: u32,
}
assert_extends!(NotRaised, Value);

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
struct Lower {
    pid: i32,
}
assert_extends!(Lower, Value);

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
#[shared(version = 3)]
struct WithoutSince {
    pid: i32,
    uid: u32,
}
assert_extends!(WithoutSince, Value);

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
#[shared(version = 3)]
struct SinceTooLow {
    pid: i32,
    #[shared(since = 2)]
    uid: u32,
}
assert_extends!(SinceTooLow, Value);

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
#[shared(version = 3)]
struct SinceTooHigh {
    #[shared(since = 3)]
    pid: i32,
}
assert_extends!(SinceTooHigh, Value);

assert_extends!([u8; 2], [u8; 2]);
assert_extends!(Value, String);

fn main() {}
