#![allow(dead_code)]

use shm_core::{FixedStr, SharedLayout, assert_extends, assert_shared};

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
struct StPidV1 {
    pid: i32,
    names: FixedStr<51>,
}

/// The new field lies in what the older version calls padding.
#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
#[shared(version = 2)]
struct StPidV2 {
    pid: i32,
    names: FixedStr<51>,
    #[shared(since = 2)]
    flags: u8,
}

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
#[shared(version = 3)]
struct StPidV3 {
    pid: i32,
    #[shared(was = "names")]
    user: FixedStr<51>,
    #[shared(since = 2)]
    flags: u8,
    #[shared(since = 3, default = limit())]
    limit: u64,
}

fn limit() -> u64 {
    1 << 10
}

/// A version may be left out, and a name may change again.
#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
#[shared(version = 7)]
struct StPidV7 {
    pid: i32,
    #[shared(was = "user", was = "names")]
    owner: FixedStr<51>,
    #[shared(since = 2)]
    r#flags: u8,
    #[shared(since = 3, default = 1 << 10)]
    limit: u64,
    #[shared(since = 5, default = Mode::Busy)]
    mode: Mode,
    #[shared(since = 7)]
    #[shared(default = [Pos { x: 1, y: -1 }; 2])]
    ends: [Pos; 2],
}

const _: () = {
    assert!(core::mem::offset_of!(StPidV2, flags) == 55);
    assert!(size_of::<StPidV1>() == 56 && size_of::<StPidV2>() == 56);
};

assert_extends!(StPidV2, StPidV1);
assert_extends!(StPidV3, StPidV1);
assert_extends!(StPidV3, StPidV2);
assert_extends!(StPidV7, StPidV1);
assert_extends!(StPidV7, StPidV2);
assert_extends!(StPidV7, StPidV3,);

#[derive(SharedLayout, Clone, Copy)]
#[repr(u8)]
enum Mode {
    Idle = 1,
    Busy,
}

/// Gained a variant, between the others.
#[derive(SharedLayout, Clone, Copy)]
#[repr(u8)]
enum ModeToo {
    Idle = 1,
    Paused = 9,
    Busy = 2,
}

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
struct Pos {
    x: i32,
    y: i32,
}

mod renamed {
    use shm_core::SharedLayout;

    #[derive(SharedLayout, Clone, Copy)]
    #[repr(C)]
    #[shared(version = 2)]
    pub struct Position {
        #[shared(was = "x")]
        left: i32,
        #[shared(was = "y")]
        top: i32,
    }
}

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
struct NestedV1 {
    modes: [Mode; 3],
    track: [[Pos; 2]; 2],
}

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
#[shared(version = 2)]
struct NestedV2 {
    modes: [ModeToo; 3],
    track: [[renamed::Position; 2]; 2],
    #[shared(since = 2, default = f64::NAN)]
    angle: f64,
}

assert_extends!(NestedV2, NestedV1);

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
struct RingV1<T, const N: usize> {
    len: u32,
    items: [T; N],
}

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
#[shared(version = 2)]
struct RingV2<T: Default, const N: usize> {
    len: u32,
    items: [T; N],
    #[shared(since = 2, default = T::default())]
    fill: T,
    #[shared(since = 2, default = [T::default(); N])]
    spare: [T; N],
}

assert_extends!(RingV2<u16, 3>, RingV1<u16, 3>);
assert_shared!(RingV2<u64, 1>);

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
struct TupleV1(u8, u32);

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
#[shared(version = 2)]
struct TupleV2(u8, u32, #[shared(since = 2, default = 7)] u32);

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
#[shared(version = 3)]
struct NamedV3 {
    #[shared(was = "0")]
    level: u8,
    #[shared(was = "1")]
    count: u32,
    #[shared(was = "2", since = 2, default = 7)]
    limit: u32,
}

assert_extends!(TupleV2, TupleV1);
assert_extends!(NamedV3, TupleV1);
assert_extends!(NamedV3, TupleV2);

fn main() {
    let stretches = |older| {
        let mut stretches = Vec::new();
        StPidV7::for_each_missing(older, &mut |offset, bytes: &[u8]| {
            stretches.push((offset, bytes.to_vec()))
        });
        stretches
    };
    let ends = [1_i32, -1, 1, -1].map(i32::to_ne_bytes).concat();
    let mut expected = vec![
        (55, vec![0]),
        (56, (1_u64 << 10).to_ne_bytes().to_vec()),
        (64, vec![2]),
        (68, ends),
    ];
    for older in 1..9 {
        let known = match older {
            2 => 1,
            3 => 1,
            5 => 1,
            7 => 1,
            _ => 0,
        };
        expected.drain(..known);
        assert_eq!(stretches(older), expected, "{older}");
    }
}
