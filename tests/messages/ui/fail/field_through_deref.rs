use std::ops::Deref;

use shm_core::{SharedLayout, field};

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
struct Inner {
    x: u32,
}

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
struct Outer {
    inner: Inner,
}

// Would be called on bytes that are no `Outer`.
impl Deref for Outer {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.inner
    }
}

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
struct Table {
    rows: [Outer; 3],
}

fn main() {
    let _ = field!(Table.rows[0].x);
}
