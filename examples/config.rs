//! Configuration that changes while programs run: they sleep in the kernel until it does.
//!
//! ```sh
//! cargo run --example config -- 0x5eed0002 watch      # in one terminal, or in many
//! cargo run --example config -- 0x5eed0002 250 debug  # in another one
//! cargo run --example config -- 0x5eed0002 remove     # ends those who watch
//! ```

use std::error::Error;
use std::io::{Write, stdout};
use std::process::ExitCode;

use shm_core::{FixedStr, Key, SharedBox, SharedLayout};
use shm_examples::ended;

#[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
#[repr(u8)]
enum Level {
    Error,
    Info,
    Debug,
}

#[derive(SharedLayout, Clone, Copy, Debug)]
#[repr(C)]
struct Config {
    requests_per_second: u32,
    level: Level,
    changed_by: FixedStr<32>,
}

fn main() -> ExitCode {
    ended("config", run())
}

fn run() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (&[key, _] | &[key, _, _]) = arguments.as_slice() else {
        return Err("usage: config KEY watch, config KEY RATE LEVEL, or config KEY remove".into());
    };
    let shared = SharedBox::open_or_create(key.parse::<Key>()?, || Config {
        requests_per_second: 100,
        level: Level::Info,
        changed_by: FixedStr::truncated("birth"),
    })?;
    match arguments[1..] {
        ["watch"] => watch(&shared),
        ["remove"] => Ok(shared.remove()?),
        [rate, level] => {
            let (rate, level) = (rate.parse()?, parse(level)?);
            let who = FixedStr::new(&format!("process {}", std::process::id()))?;
            let version = shared.update(|config| {
                *config = Config {
                    requests_per_second: rate,
                    level,
                    changed_by: who,
                };
            })?;
            Ok(writeln!(stdout(), "this is version {version}")?)
        }
        _ => Err("a change takes a rate and a level".into()),
    }
}

fn watch(shared: &SharedBox<Config>) -> Result<(), Box<dyn Error>> {
    let mut seen = shared.snapshot()?;
    loop {
        let Config {
            requests_per_second,
            level,
            changed_by,
        } = seen.value;
        writeln!(
            stdout(),
            "version {}: {requests_per_second} requests/s, {level:?}, changed by {changed_by}",
            seen.version
        )?;
        seen = match shared.wait(seen.version) {
            Err(error) if error.kind() == shm_core::ErrorKind::Removed => return Ok(()),
            next => next?,
        };
    }
}

fn parse(level: &str) -> Result<Level, String> {
    match level {
        "error" => Ok(Level::Error),
        "info" => Ok(Level::Info),
        "debug" => Ok(Level::Debug),
        other => Err(format!("{other:?} is no level: write error, info or debug")),
    }
}
