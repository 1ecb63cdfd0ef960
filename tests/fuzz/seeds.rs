//! Writes the seeds of both corpora: `cargo run --bin seeds` in this directory.

use std::fs::{create_dir_all, write};

use shm_core::{FixedStr, FixedVec, Key, SharedBox, SharedLayout};
use shm_tests::Memory;
use shm_tests::every_call::{Large, Padded, Plain, Strict, Target};

fn main() -> std::io::Result<()> {
    for (name, schema) in [
        ("plain", Plain::SCHEMA),
        ("strict", Strict::SCHEMA),
        ("padded", Padded::SCHEMA),
        ("nested", <[[[FixedStr<51>; 3]; 2]; 1]>::SCHEMA),
        ("vector", <FixedVec<FixedVec<u16, 3>, 2>>::SCHEMA),
        ("primitive", u128::SCHEMA),
    ] {
        put("schema_decode", name, &schema.encode())?;
    }
    segment::<Plain>("plain", 0)?;
    segment::<Strict>("strict", 1)?;
    segment::<Padded>("padded", 2)?;
    segment::<Strict>("another-type", 0)?;
    // A newborn of the size of a `Plain`, of which only the set stands.
    let size = SharedBox::<Plain>::segment_size().expect("a small type");
    let mut newborn = header(4, size);
    newborn.resize(3 + size, 0);
    newborn[3 + size - 256] = 1;
    put("attach", "newborn", &newborn)?;
    // A `Large` of which only the last bytes are given.
    let last = &bytes::<Large>()[3 * 65536..];
    put(
        "attach",
        "large",
        &[&header(3, 3 * 65536 + last.len()), last].concat(),
    )
}

/// A ready segment, the id of its set replaced by the fuzz target's own name for one.
fn bytes<T: Target>() -> Vec<u8> {
    let shared = SharedBox::options()
        .remove_on_drop(true)
        .create_new(Key::PRIVATE, T::sample(1))
        .expect("there is room");
    shared.set(T::sample(2)).expect("nobody else writes");
    let mut bytes = Memory::attach(shared.id()).bytes();
    let end = bytes.len();
    bytes[end - 256..end - 252].copy_from_slice(&1_u32.to_ne_bytes());
    bytes
}

fn header(first: u8, size: usize) -> Vec<u8> {
    let size = u16::try_from(size / 16)
        .expect("a small segment")
        .to_le_bytes();
    vec![first, size[0], size[1]]
}

fn segment<T: Target>(name: &str, first: u8) -> std::io::Result<()> {
    let bytes = bytes::<T>();
    put(
        "attach",
        name,
        &[header(first, bytes.len()), bytes].concat(),
    )
}

fn put(target: &str, name: &str, bytes: &[u8]) -> std::io::Result<()> {
    let directory = format!("corpus/{target}");
    create_dir_all(&directory)?;
    write(format!("{directory}/{name}"), bytes)
}
