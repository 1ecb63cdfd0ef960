#![forbid(unsafe_code)]
#![allow(dead_code)]
// A module that passes the true trait on, and helpers of its own beside it: the derive asks none of
// them what a `bool` is.

use shm_core::SharedLayout;

mod facade {
    pub mod layout {
        pub use shm_core::layout::*;
    }

    pub mod __private {
        pub use shm_core::__private::{Facts, Unjudged, bytemuck};

        pub fn part<F>(_: &[u8], _: usize) -> &[u8] {
            &[1]
        }

        pub fn for_each_byte_of<T>(_: &T, offset: usize, each: &mut dyn FnMut(usize, &[u8])) {
            each(offset, &[7]);
        }

        pub fn for_each_zero_of<T>(offset: usize, each: &mut dyn FnMut(usize, &[u8])) {
            each(offset, &[7]);
        }

        pub mod advice {
            pub use shm_core::__private::advice::{Movable, PlainCopy, Shareable};
        }
    }
}

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
#[shared(crate = facade, version = 2)]
struct Flags {
    on: bool,
    #[shared(since = 2, default = true)]
    off: bool,
    #[shared(since = 2)]
    zero: bool,
}

#[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
#[repr(u8)]
enum Mode {
    Idle = 1,
}

/// A method that the derive's code might have meant.
trait Judge {
    fn to_ne_bytes(self) -> [u8; 1];
}

impl Judge for &u8 {
    fn to_ne_bytes(self) -> [u8; 1] {
        [1]
    }
}

fn main() {
    assert!(Flags::bits_are_valid(&[1, 0, 1]));
    for bad in [[7, 0, 0], [0, 7, 0], [0, 0, 7]] {
        assert!(!Flags::bits_are_valid(&bad));
    }
    Flags::for_each_missing(1, &mut |_, bytes| assert!(bytes[0] < 2));
    assert!(bytemuck::checked::try_from_bytes::<Mode>(&[7]).is_err());
}
