use shm_core::{FixedStr, SharedLayout, assert_extends};

macro_rules! version {
    ($name:ident = $version:literal { $($(#[$attr:meta])* $field:ident: $type:ty,)+ }) => {
        #[derive(SharedLayout, Clone, Copy)]
        #[repr(C)]
        #[shared(version = $version)]
        struct $name {
            $($(#[$attr])* $field: $type,)+
        }
    };
}

version!(StPid = 1 { pid: i32, uid: u32, names: FixedStr<51>, });

version!(Moved = 2 { uid: u32, pid: i32, names: FixedStr<51>, });
assert_extends!(Moved, StPid);

version!(Pushed = 2 { pid: i32, flags: u32, uid: u32, names: FixedStr<51>, });
assert_extends!(Pushed, StPid);

version!(Longer = 2 { pid: i32, uid: u32, names: FixedStr<64>, });
assert_extends!(Longer, StPid);

version!(OtherSign = 2 { pid: u32, uid: u32, names: FixedStr<51>, });
assert_extends!(OtherSign, StPid);

version!(WithoutLast = 2 { pid: i32, uid: u32, });
assert_extends!(WithoutLast, StPid);

version!(WithoutFirst = 2 { uid: u32, names: FixedStr<51>, });
assert_extends!(WithoutFirst, StPid);

version!(Renamed = 2 { pid: i32, uid: u32, user: FixedStr<51>, });
assert_extends!(Renamed, StPid);

version!(Sparse = 1 { on: u8, count: u32, });
version!(InTheGap = 2 { on: u8, new: u8, count: u32, });
assert_extends!(InTheGap, Sparse);

#[derive(SharedLayout, Clone, Copy)]
#[repr(C, packed)]
#[shared(version = 2)]
struct Packed {
    pid: i32,
    uid: u32,
    names: FixedStr<51>,
}
assert_extends!(Packed, StPid);

fn main() {}
