use shm_core::SharedLayout;

#[derive(SharedLayout, Clone, Copy)]
#[repr(u8)]
enum Message {
    Quit,
    Move { x: i32, y: i32 },
    Write(u64),
    Brackets(),
}

fn main() {}
