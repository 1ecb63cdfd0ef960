#![forbid(unsafe_code)]
#![deny(warnings)]
// Elements and their fields, in constants, with parameters, and by an index that is known at run time only.

use shm_core::{Field, FixedVec, SharedLayout, field};

#[derive(SharedLayout, Clone, Copy)]
#[repr(C, packed)]
struct Packed {
    byte: u8,
    pair: Pair,
}

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
struct Pair(u16, [u32; 2]);

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
struct Table<const N: usize> {
    rows: [[Packed; N]; 2],
    list: FixedVec<Pair, N>,
}

const PAIR: Field<Table<3>, u16> = field!(<Table<3>>.rows[1][2].pair.0);

fn of<const N: usize>(row: usize) -> [usize; 3] {
    [
        field!(<Table<N>>.rows[row][N - 1].pair.1[1]).offset(),
        field!(<Table<N>>.rows[1][row].byte).offset(),
        field!(<Table<N>>.list[row + 1].1[row]).offset(),
    ]
}

type Alias = Table<3>;

fn main() {
    assert_eq!(PAIR.offset(), 5 * 13 + 1);
    assert_eq!(of::<3>(1), [5 * 13 + 1 + 8, 4 * 13, 80 + 4 + 2 * 12 + 8]);
    assert_eq!(field!(Alias.list[2].1[1]).offset(), 80 + 4 + 2 * 12 + 8);
}
