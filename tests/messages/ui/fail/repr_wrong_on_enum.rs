use shm_core::SharedLayout;

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
enum OnlyC {
    A,
}

#[derive(SharedLayout, Clone, Copy)]
#[repr(usize)]
enum Usize {
    A,
}

#[derive(SharedLayout, Clone, Copy)]
#[repr(isize)]
enum Isize {
    A,
}

#[derive(SharedLayout, Clone, Copy)]
#[repr(Rust)]
enum Rust {
    A,
}

#[derive(SharedLayout, Clone, Copy)]
#[repr(u8, align(8))]
enum Aligned {
    A,
}

#[derive(SharedLayout, Clone, Copy)]
#[repr(transparent)]
enum Transparent {
    A,
}

fn main() {}
