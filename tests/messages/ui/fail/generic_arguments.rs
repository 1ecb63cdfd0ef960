use shm_core::SharedLayout;

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
struct Wrapper<T> {
    value: T,
}

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
struct Smuggling {
    size: Wrapper<usize>,
    text: Wrapper<&'static str>,
    deep: [Wrapper<Wrapper<Option<u8>>>; 2],
}

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
struct StillGeneric<T> {
    value: T,
    maybe: Option<T>,
    length: usize,
}

shm_core::assert_shared!(Wrapper<usize>);

fn main() {}
