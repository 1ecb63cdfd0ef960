use shm_core::SharedLayout;

#[derive(SharedLayout)]
#[repr(C)]
struct Never {
    never: !,
}

#[derive(SharedLayout)]
#[repr(C)]
struct Hidden {
    hidden: impl Copy,
}

fn main() {}
