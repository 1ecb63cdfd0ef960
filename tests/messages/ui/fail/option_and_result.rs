use shm_core::SharedLayout;

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
struct Choosing {
    maybe: Option<u32>,
    id: Option<std::num::NonZeroU32>,
    size: Option<std::num::NonZeroUsize>,
    result: Result<u32, u8>,
    reference: Option<&'static u32>,
}

fn main() {}
