//! The values that all candidates carry.

use iceoryx2::prelude::ZeroCopySend;
use shm_core::{Field, SharedLayout, field};

/// What every candidate can carry.
pub trait Value: SharedLayout + ZeroCopySend + Copy + 'static {
    /// The `k`-th value.
    fn numbered(k: u64) -> Self;
    /// The field that is changed, loaded and stored.
    const COUNT: Field<Self, u64>;
    /// A change of that field.
    fn bump(&mut self);
    /// Whether all of it belongs to one number.
    fn is_whole(&self) -> bool;
    /// That field's value.
    fn count(&self) -> u64;
}

/// `8 * N` bytes without padding.
#[derive(SharedLayout, ZeroCopySend, Clone, Copy, Debug)]
#[repr(C)]
pub struct Block<const N: usize> {
    words: [u64; N],
}

impl<const N: usize> Block<N> {
    /// Replaces the words from there on.
    #[inline(always)]
    pub fn put<const M: usize>(&mut self, at: usize, part: &Block<M>) {
        self.words[at..at + M].copy_from_slice(&part.words);
    }
}

impl<const N: usize> Default for Block<N> {
    fn default() -> Self {
        Block { words: [0; N] }
    }
}

impl<const N: usize> Value for Block<N> {
    const COUNT: Field<Self, u64> = field!(<Block<N>>.words[N / 2]);

    #[inline]
    fn numbered(k: u64) -> Self {
        Block { words: [k; N] }
    }

    #[inline]
    fn bump(&mut self) {
        self.words[N / 2] += 1;
    }

    #[inline]
    fn is_whole(&self) -> bool {
        let first = self.words[0];
        self.words
            .iter()
            .fold(0, |other, word| other | (word ^ first))
            == 0
    }

    #[inline]
    fn count(&self) -> u64 {
        self.words[N / 2]
    }
}

/// An element with a quarter of padding.
#[derive(SharedLayout, ZeroCopySend, Clone, Copy, Debug)]
#[repr(C)]
pub struct Cell {
    wide: u64,
    narrow: u32,
}

/// 64 KiB, a quarter of it padding.
#[derive(SharedLayout, ZeroCopySend, Clone, Copy, Debug)]
#[repr(C)]
pub struct Padded {
    cells: [Cell; 4096],
}

impl Value for Padded {
    const COUNT: Field<Self, u64> = field!(Padded.cells[2048]).then(field!(Cell.wide));

    fn numbered(k: u64) -> Self {
        let cell = Cell {
            wide: k,
            narrow: k as u32,
        };
        Padded {
            cells: [cell; 4096],
        }
    }

    fn bump(&mut self) {
        self.cells[2048].wide += 1;
    }

    fn is_whole(&self) -> bool {
        let first = self.cells[0].wide;
        self.cells
            .iter()
            .all(|cell| cell.wide == first && cell.narrow == first as u32)
    }

    fn count(&self) -> u64 {
        self.cells[2048].wide
    }
}

/// The sizes in bytes at which everything is measured.
pub const SIZES: [usize; 7] = [64, 256, 1 << 10, 2 << 10, 4 << 10, 64 << 10, 1 << 20];

/// Evaluates an expression with `$t` naming the `Block` of that many bytes.
#[macro_export]
macro_rules! with_size {
    ($bytes:expr, $t:ident => $body:expr) => {{
        use $crate::value::Block;
        match $bytes {
            64 => {
                type $t = Block<8>;
                $body
            }
            256 => {
                type $t = Block<32>;
                $body
            }
            1024 => {
                type $t = Block<128>;
                $body
            }
            2048 => {
                type $t = Block<256>;
                $body
            }
            4096 => {
                type $t = Block<512>;
                $body
            }
            65536 => {
                type $t = Block<8192>;
                $body
            }
            1048576 => {
                type $t = Block<131072>;
                $body
            }
            other => unreachable!("no value of {other} bytes"),
        }
    }};
}

/// Bytes as a person writes them.
pub fn spoken(bytes: usize) -> String {
    match bytes {
        1048576.. => format!("{} MiB", bytes >> 20),
        1024.. => format!("{} KiB", bytes >> 10),
        _ => format!("{bytes} B"),
    }
}
