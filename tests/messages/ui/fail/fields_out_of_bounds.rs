use shm_core::{FixedVec, SharedLayout, field};

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
struct Row {
    marks: [u16; 2],
}

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
struct Table {
    rows: [Row; 3],
    list: FixedVec<Row, 4>,
}

const _: usize = field!(Table.rows[3]).offset();
const _: usize = field!(Table.list[4].marks).offset();
const _: usize = field!(Table.list[3].marks[2]).offset();

fn main() {}
