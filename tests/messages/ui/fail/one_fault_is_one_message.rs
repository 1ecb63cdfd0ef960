use shm_core::{FixedStr, SharedLayout};

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
struct StPid {
    pid: usize,
    names: FixedStr<51>,
}

fn share<T: SharedLayout>(_: T) {}

fn used_in_many_places(value: StPid) {
    share(value);
    share([value; 2]);
    let _ = StPid::SCHEMA;
    let _ = StPid::FINGERPRINT;
}

fn main() {}
