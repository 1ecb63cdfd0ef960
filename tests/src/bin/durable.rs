//! Persists a value again and again, or says which version of it a file holds.
//!
//! `durable write PATH COUNT LOG` prints, after each `persist`, the version and how long the file LOG is by then;
//! `durable die PATH` persists version 3, commits version 4, and is killed; `durable fail PATH` says
//! whether the disk takes two further versions, and is killed; `durable look PATH` prints the version, if the value is whole.

use std::io::Write;

use shm_core::{Place, SharedBox};
use shm_tests::Whole;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["write", path, count, log] => {
            let shared = SharedBox::create_new(Place::file(path), Whole::of(1))?;
            for _ in 0..count.parse()? {
                // Not every version is persisted.
                for _ in 0..3 {
                    shared.set(Whole::of(shared.version() + 1))?;
                }
                let version = shared.version();
                shared.persist()?;
                writeln!(
                    std::io::stdout(),
                    "{version} {}",
                    std::fs::metadata(log)?.len()
                )?;
            }
        }
        ["die", path] => {
            let shared = SharedBox::open(Place::file(path))?;
            shared.set(Whole::of(2))?;
            shared.set(Whole::of(3))?;
            shared.persist()?;
            shared.set(Whole::of(4))?;
            nix::sys::signal::raise(nix::sys::signal::Signal::SIGKILL)?;
        }
        ["fail", path] => {
            let shared = SharedBox::open(Place::file(path))?;
            for _ in 0..2 {
                shared.set(Whole::of(shared.version() + 1))?;
                match shared.persist() {
                    Ok(()) => println!("{} is durable", shared.version()),
                    Err(error) => println!("{} is not: {error}", shared.version()),
                }
            }
            nix::sys::signal::raise(nix::sys::signal::Signal::SIGKILL)?;
        }
        ["look", path] => {
            let shared = SharedBox::<Whole>::open(Place::file(path))?;
            let seen = shared.snapshot()?;
            if !seen.value.is_of(seen.version) {
                return Err("a mixture".into());
            }
            writeln!(std::io::stdout(), "{}", seen.version)?;
        }
        _ => return Err("durable write PATH COUNT LOG, or durable look PATH".into()),
    }
    Ok(())
}
