// A default is the user's code, and ends where it ends: `return` skips no other field.

use shm_core::SharedLayout;

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
#[shared(version = 2)]
struct Grown {
    pid: i32,
    #[shared(since = 2, default = return 7)]
    early: u32,
    #[shared(since = 2, default = { if early() { return 1; } 2 })]
    middle: u8,
    #[shared(since = 2, default = 9)]
    late: u16,
}

fn early() -> bool {
    true
}

fn main() {
    let mut bytes = [0; size_of::<Grown>()];
    Grown::for_each_missing(1, &mut |offset, part| {
        bytes[offset..][..part.len()].copy_from_slice(part);
    });
    let Grown { pid: 0, early: 7, middle: 1, late: 9 } = decode(&bytes) else {
        panic!("{bytes:?}");
    };
}

fn decode(bytes: &[u8]) -> Grown {
    let word = |at: usize| u32::from_ne_bytes(bytes[at..at + 4].try_into().unwrap());
    Grown {
        pid: word(0) as i32,
        early: word(4),
        middle: bytes[8],
        late: u16::from_ne_bytes(bytes[10..12].try_into().unwrap()),
    }
}
