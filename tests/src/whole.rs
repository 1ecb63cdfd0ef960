//! A value that shows whether it is whole, and of which version.

use shm_core::SharedLayout;

/// Holds its version in each word, in another way each: longer than a block of a disk.
#[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
#[repr(C)]
pub struct Whole {
    words: [u64; 700],
}

impl Whole {
    /// The value that is committed as this version.
    pub fn of(version: u64) -> Whole {
        let mut word = version.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Whole {
            words: [(); 700].map(|()| {
                word = word.rotate_left(7) ^ version;
                word
            }),
        }
    }

    /// Whether it is the whole value of this version.
    pub fn is_of(&self, version: u64) -> bool {
        *self == Whole::of(version)
    }
}
