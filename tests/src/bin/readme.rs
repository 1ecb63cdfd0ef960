//! The README's program, for the test that runs it.
use shm_core::{Error, FixedStr, SharedBox, SharedLayout};

#[derive(SharedLayout, Clone, Copy, Debug)]
#[repr(C)]
struct StPid {
    pid: i32,
    names: FixedStr<51>, // in C: char names[51]
}

fn main() -> Result<(), Error> {
    let shared = SharedBox::open_or_create(0x1234, || StPid {
        pid: 0,
        names: FixedStr::EMPTY,
    })?;
    let now = shared.get()?; // a consistent copy, even while others write
    println!("pid={},name={}", now.pid, now.names);
    shared.set(StPid {
        pid: 7,
        names: FixedStr::new("alice")?,
    })?; // all of it or nothing
    shared.update(|value| value.pid += 1)?; // no other process commits in between
    let seen = shared.snapshot()?;
    println!("version {}: {:?}", seen.version, seen.value);
    let newer = shared.wait(seen.version)?; // sleeps until another process commits
    println!("version {}: {:?}", newer.version, newer.value);
    Ok(())
}
