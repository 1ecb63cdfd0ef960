//! Any bytes as a segment: attached by id as four types, with every call on what that gives. All in
//! an IPC namespace of the fuzzer's own.
//!
//! The input's first byte chooses type and birth: bit 2 sets the newborn mark in the mode. The
//! second and third are the segment's size in multiples of 16 bytes; the rest are its last bytes,
//! as many as fit. A word of `1` where the semaphore set's id belongs becomes the id of a real one.
#![no_main]

use std::cell::Cell;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use shm_core::Key;
use shm_core::sysv::{Mode, sem, shm};
use shm_tests::every_call::{Large, Padded, Plain, Strict, Tally, every_call};
use shm_tests::{Memory, own_ipc_namespace};

thread_local! {
    /// The real set. An input may be a tombstone that names it: then the library removes it.
    static SET: Cell<Option<sem::Id>> = const { Cell::new(None) };
}

fuzz_target!(|input: &[u8]| {
    let set = SET
        .get()
        .filter(|set| sem::stat(*set).is_ok())
        .unwrap_or_else(|| {
            let first = SET.get().is_none();
            assert!(
                !first || own_ipc_namespace(),
                "no IPC namespace of its own is to be had"
            );
            let flags = sem::GetFlags::CREATE;
            let set = sem::get(Key::PRIVATE, 250, flags, Mode::new(0o600)).expect("there is room");
            SET.set(Some(set));
            set
        });
    let [first, low, high, bytes @ ..] = input else {
        return;
    };
    let size = usize::from(u16::from_le_bytes([*low, *high])) * 16;
    if size == 0 {
        return;
    }
    let mode = if first & 4 == 0 { 0o600 } else { 0o601 };
    let id = shm::get(Key::PRIVATE, size, shm::GetFlags::CREATE, Mode::new(mode))
        .expect("there is memory");
    let memory = Memory::attach(id);
    let bytes = &bytes[..bytes.len().min(size)];
    memory.write(size - bytes.len(), bytes);
    if size >= 320 && memory.read(size - 256, 4) == 1_u32.to_ne_bytes() {
        memory.store(size - 256, u64::from(set.as_raw().cast_unsigned() + 1), 4);
    }
    let mut tally = Tally::new(Duration::ZERO);
    match first & 3 {
        0 => every_call::<Plain>(&mut tally, None, id),
        1 => every_call::<Strict>(&mut tally, None, id),
        2 => every_call::<Padded>(&mut tally, None, id),
        _ => every_call::<Large>(&mut tally, None, id),
    }
    // A tombstone in the input may have been obeyed.
    let _ = shm::remove(id);
});
