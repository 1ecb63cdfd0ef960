use shm_core::SharedLayout;

#[derive(SharedLayout, Clone)]
#[repr(C)]
struct Owning {
    boxed: Box<u64>,
    text: String,
    path: std::path::PathBuf,
    items: Vec<u8>,
    map: ::std::collections::HashMap<u32, u32>,
    shared: std::sync::Arc<u32>,
    maybe: Option<Box<u8>>,
}

impl Copy for Owning {}

fn main() {}
