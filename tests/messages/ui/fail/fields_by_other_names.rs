use shm_core::{SharedBox, SharedLayout, field};

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
struct StPid<const N: usize> {
    pids: [u32; N],
    load: f64,
}

fn main() {
    let shared = SharedBox::<StPid<4>>::open(0x1234).unwrap();
    let _ = shared.load(field!(load));
    let _ = shared.load(field!(StPid<4>.load));
    let _ = shared.fetch_add(field!(<StPid<4>>.load), 1.5);
    let _ = SharedBox::<std::time::Duration>::open(0x1234);
}
