//! Many processes, one counter, no increment lost. Run it in several terminals at once:
//!
//! ```sh
//! cargo run --example counter -- 0x5eed0001 100000
//! cargo run --example counter -- 0x5eed0001 remove
//! ```

use std::error::Error;
use std::io::{Write, stdout};
use std::process::ExitCode;

use shm_core::{Key, SharedBox, SharedLayout};
use shm_examples::ended;

#[derive(SharedLayout, Clone, Copy, Debug, Default)]
#[repr(C)]
struct Counter {
    total: u64,
    last_pid: u32,
}

fn main() -> ExitCode {
    ended("counter", run())
}

fn run() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [key, times] = arguments.as_slice() else {
        return Err("usage: counter KEY TIMES, or: counter KEY remove".into());
    };
    let key: Key = key.parse()?;
    if times == "remove" {
        return Ok(SharedBox::<Counter>::open(key)?.remove()?);
    }

    let times: u64 = times.parse()?;
    let shared = SharedBox::open_or_create(key, Counter::default)?;
    for _ in 0..times {
        shared.update(|counter| {
            counter.total += 1;
            counter.last_pid = std::process::id();
        })?;
    }
    let seen = shared.snapshot()?;
    writeln!(
        stdout(),
        "added {times}: {:?} is version {}",
        seen.value,
        seen.version
    )?;
    Ok(())
}
