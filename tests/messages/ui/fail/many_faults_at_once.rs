use shm_core::{FixedStr, SharedLayout};

#[derive(SharedLayout)]
#[repr(align(256))]
struct Everything<'a> {
    len: usize,
    name: String,
    next: *const u8,
    items: Vec<u32>,
    borrowed: &'a [u8],
    pair: (u8, u32),
    maybe: Option<u32>,
    fine: FixedStr<16>,
    hits: std::sync::atomic::AtomicU64,
}

fn used_all_the_same(value: Everything<'static>) {
    fn share<T: SharedLayout>(_: T) {}
    share(value);
}

fn main() {}
