use shm_core::SharedLayout;

#[derive(Clone, Copy)]
#[repr(C, align(128))]
struct Wide([u8; 128]);

// SAFETY: none: this is what the check of the finished type is for.
unsafe impl SharedLayout for Wide {
    const SCHEMA: &'static shm_core::layout::Schema = <[u8; 128]>::SCHEMA;

    fn bits_are_valid(_: &[u8]) -> bool {
        true
    }
}

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
struct Outer {
    wide: Wide,
}

fn main() {}
