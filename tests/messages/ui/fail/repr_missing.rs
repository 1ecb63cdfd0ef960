use shm_core::SharedLayout;

#[derive(SharedLayout, Clone, Copy)]
struct StPid {
    pid: i32,
}

#[derive(SharedLayout, Clone, Copy)]
enum Mode {
    Off,
    On,
}

fn main() {}
