#![forbid(unsafe_code)]
// A module that passes the true trait on, and helpers of its own beside it, makes no type look like
// another: what counts are the library's own items.

use shm_core::SharedLayout;

mod facade {
    pub mod layout {
        pub use shm_core::layout::*;
    }

    pub mod __private {
        pub use shm_core::__private::{Facts, Unjudged, bytemuck};

        pub struct Assert<const FACT: bool>;
        pub trait IsTrue {}
        impl<const FACT: bool> IsTrue for Assert<FACT> {}

        pub fn part<F>(_: &[u8], _: usize) -> &[u8] {
            &[1]
        }

        pub fn for_each_byte_of<T>(_: &T, offset: usize, each: &mut dyn FnMut(usize, &[u8])) {
            each(offset, &[7]);
        }

        pub mod advice {
            pub use shm_core::__private::advice::{Movable, PlainCopy, Shareable};

            pub trait NoAddress {
                const PART: shm_core::layout::Part<u8> = <u8 as shm_core::SharedLayout>::PART;
            }
            impl<T> NoAddress for T {}
        }
    }
}

/// Called as something that the derive asks about.
#[derive(SharedLayout, Clone, Copy)]
#[repr(transparent)]
struct Box(bool);

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
#[shared(crate = facade)]
struct Suspect {
    flag: Box,
}

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
#[shared(crate = facade)]
struct Padded {
    flag: u8,
    number: u32,
}

fn initialised<T: bytemuck::NoUninit>() {}

fn main() {
    initialised::<Padded>();
}
