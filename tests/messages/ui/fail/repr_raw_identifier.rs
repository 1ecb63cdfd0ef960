use shm_core::SharedLayout;

#[derive(SharedLayout, Clone, Copy)]
#[r#repr(packed)]
struct Raw {
    pid: i32,
}

fn main() {}
