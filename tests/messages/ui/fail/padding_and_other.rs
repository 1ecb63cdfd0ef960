use shm_core::SharedLayout;

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
#[shared(version = 2)]
struct History {
    pid: i32,
    #[shared(padding, since = 2, default = [0; 3])]
    pad: [u8; 3],
    #[shared(padding, padding)]
    twice: u8,
}

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
struct PaddingAlone {
    #[shared(padding)]
    pad: [u8; 3],
}

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
struct NotAnyBits {
    pid: i32,
    #[shared(padding)]
    pad: [bool; 3],
}

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
struct Address {
    pid: i32,
    #[shared(padding)]
    pad: Vec<u8>,
}

#[derive(SharedLayout, Clone, Copy)]
#[repr(u8)]
enum Two {
    A,
    #[shared(other)]
    B,
    #[shared(other)]
    C,
}

#[derive(SharedLayout, Clone, Copy)]
#[repr(u8)]
enum Alone {
    #[shared(other)]
    Unknown,
}

#[derive(SharedLayout, Clone, Copy)]
#[repr(u8)]
enum Since {
    A,
    #[shared(since = 2)]
    B,
}

#[derive(SharedLayout, Clone, Copy)]
#[repr(u8)]
enum Zero {
    #[shared(other)]
    Unknown,
    A,
}

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
#[shared(version = 2)]
struct WithoutDefault {
    pid: i32,
    #[shared(since = 2)]
    zero: Zero,
}

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
#[shared(name = "struct st_pid")]
struct NoName {
    pid: i32,
}

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
#[shared(name = st_pid)]
struct NoText {
    pid: i32,
}

fn main() {}
