use shm_core::SharedLayout;

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
#[shared(version = 3)]
struct Since {
    pid: i32,
    #[shared(since = 4)]
    above: u8,
    #[shared(since = 3)]
    falling: u8,
    none: u8,
    #[shared(since = 0)]
    zero: u8,
    #[shared(since = 3, since = 3)]
    twice: u8,
    #[shared(since = "3")]
    text: u8,
}

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
struct VersionForgotten {
    pid: i32,
    #[shared(since = 2)]
    uid: u32,
}

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
#[shared(version = 2)]
struct Default {
    #[shared(default = 7)]
    always: i32,
    #[shared(since = 1, default = 7)]
    as_always: i32,
    #[shared(since = 2, default)]
    none: u8,
    #[shared(since = 2, default = 7, default = 8)]
    twice: u8,
}

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
struct Was {
    #[shared(was = "uid")]
    pid: i32,
    #[shared(was = "id", was = "id")]
    uid: u32,
    #[shared(was = "id")]
    gid: u32,
    #[shared(was = "own")]
    own: u8,
    #[shared(was = "not a name", was = "r#type", was = "")]
    no_name: u8,
    #[shared(was = before)]
    no_text: u8,
}

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
struct Unknown {
    #[shared(version = 2)]
    pid: i32,
    #[shared]
    uid: u32,
}

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
#[shared(since = 2)]
struct OnTheStruct {
    pid: i32,
}

#[derive(SharedLayout, Clone, Copy)]
#[repr(u8)]
enum OnAVariant {
    Idle,
    #[shared(since = 2)]
    Busy,
}

fn main() {}
