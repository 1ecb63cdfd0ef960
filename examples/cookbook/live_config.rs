//! Live configuration: a file becomes a value, and programs that use it have the new one at once.
//!
//! ```sh
//! cargo run --example live_config -- 0x5eed0003 apply app.conf  # by the one who administers
//! cargo run --example live_config -- 0x5eed0003 use             # by each program
//! cargo run --example live_config -- 0x5eed0003 remove
//! ```
//!
//! In place of the key `file:/var/lib/app/config`: then it is in force again after a restart, however that came.
//!
//! The file has a line for each field that is not to have its default: `workers = 8`, `greeting = hello`.

use std::error::Error;
use std::io::{Write, stdout};
use std::process::ExitCode;

use shm_core::{ErrorKind, FixedStr, Place, SharedBox, SharedLayout, SharedView};
use shm_examples::ended;

#[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
#[repr(C)]
struct Config {
    workers: u32,
    verbose: bool,
    greeting: FixedStr<32>,
}

const DEFAULT: Config = Config {
    workers: 4,
    verbose: false,
    greeting: FixedStr::truncated("welcome"),
};

fn main() -> ExitCode {
    ended("live_config", run())
}

fn run() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        [place, "apply", file] => apply(&place.parse()?, file),
        [place, "use"] => follow(&place.parse()?),
        [place, "remove"] => Ok(shm_core::remove(&place.parse::<Place>()?)?),
        _ => Err("usage: live_config PLACE apply FILE, or PLACE use, or PLACE remove".into()),
    }
}

fn apply(place: &Place, file: &str) -> Result<(), Box<dyn Error>> {
    // All of it is checked before any of it counts.
    let text = std::fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
    let config = parsed(&text).map_err(|error| format!("{file}: {error}"))?;
    let shared = SharedBox::open_or_create(place, || config)?;
    let version = match shared.created() {
        true => shared.version(),
        false => shared.set(config)?,
    };
    shared.persist()?; // of a file: once this answers, no power loss takes it back
    Ok(writeln!(stdout(), "version {version} is in force")?)
}

fn parsed(text: &str) -> Result<Config, Box<dyn Error>> {
    let mut config = DEFAULT;
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let (name, value) = line.split_once('=').ok_or(format!("{line:?} has no `=`"))?;
        let (name, value) = (name.trim(), value.trim());
        let in_line = |error: &dyn Error| format!("{name}: {error}");
        match name {
            "workers" => config.workers = value.parse().map_err(|error| in_line(&error))?,
            "verbose" => config.verbose = value.parse().map_err(|error| in_line(&error))?,
            "greeting" => config.greeting = value.parse().map_err(|error| in_line(&error))?,
            other => return Err(format!("there is no setting `{other}`").into()),
        }
    }
    Ok(config)
}

fn follow(place: &Place) -> Result<(), Box<dyn Error>> {
    let mut view = SharedView::<Config>::open(place)?;
    loop {
        // First the one that stands, then the newest each time; asleep in between.
        for seen in view.changes() {
            match seen {
                Ok(seen) => writeln!(stdout(), "version {}: {:?}", seen.version, seen.value)?,
                Err(error) if error.kind() == ErrorKind::Removed => break,
                Err(error) => return Err(error.into()),
            }
        }
        // Made anew, or of a file, after a restart, restored by the first program that writes; or gone.
        match view.reattach() {
            Err(error) if error.kind() == ErrorKind::Removed => return Ok(()),
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => return Ok(()),
            attached => attached?,
        }
    }
}
