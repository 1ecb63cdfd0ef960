use shm_core::SharedLayout;

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
struct Times {
    every: std::time::Duration,
    started: std::time::Instant,
    last_seen: std::time::SystemTime,
    array: [std::time::SystemTime; 2],
}

fn main() {}
