use shm_core::SharedLayout;

#[derive(SharedLayout)]
#[repr(C)]
struct StPid {
    pid: i32,
}

#[derive(SharedLayout)]
#[repr(C)]
struct Generic<T, const N: usize> {
    items: [T; N],
}

#[derive(SharedLayout)]
#[repr(u8)]
enum Mode {
    Off,
}

fn used_all_the_same(value: StPid) {
    fn share<T: SharedLayout>(_: T) {}
    share(value);
}

fn main() {}
