use shm_core::SharedLayout;

#[derive(SharedLayout, Clone, Copy)]
#[cfg_attr(all(), repr(Rust))]
struct Resolved {
    pid: i32,
}

#[derive(SharedLayout, Clone, Copy)]
#[cfg_attr(any(), repr(C))]
struct ResolvedToNothing {
    pid: i32,
}

fn main() {}
