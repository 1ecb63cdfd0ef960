//! Shares `struct st_pid { int pid; char names[51]; }` with C programs that know nothing but this
//! struct and its key.
//!
//! ```sh
//! cargo run --example st_pid -- alice
//! ```
//!
//! `examples/c/st_pid.c` is the same program in C.

use std::process::ExitCode;
use std::time::Duration;

use lexopt::prelude::*;
use shm_core::{Error, FixedStr, Key, SharedBox, SharedLayout};

#[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
#[repr(C)]
struct StPid {
    pid: i32,
    names: FixedStr<51>,
}

const USAGE: &str = "\
Usage: st_pid [--key KEY] [--sleep SECONDS] [--remove] NAME
       st_pid [--key KEY] --remove

Shares `struct st_pid { int pid; char names[51]; }` under a System V key: prints what is there, puts its own pid and NAME
in, and prints again.

  --key KEY        another key than 0x1234
  --sleep SECONDS  stay attached for so long
  --remove         remove the segment at the end
  --help           print this
";

struct Arguments {
    key: String,
    name: Option<String>,
    sleep: Duration,
    remove: bool,
}

fn main() -> ExitCode {
    let arguments = match parse() {
        Ok(Some(arguments)) => arguments,
        Ok(None) => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprint!("st_pid: {error}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("st_pid: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Error> {
    let key: Key = arguments.key.parse()?;
    let shared = match &arguments.name {
        Some(name) => {
            let names = FixedStr::new(name)?;
            // `raw_writers`: programs in C store to the struct without a word to the library.
            let shared = SharedBox::options()
                .mode(0o640)
                .raw_writers(true)
                .open_or_create(key, || StPid {
                    pid: 0,
                    names: FixedStr::EMPTY,
                })?;
            print(&shared.get()?);
            shared.set(StPid {
                pid: std::process::id().cast_signed(),
                names,
            })?;
            shared
        }
        None => SharedBox::open(key)?,
    };
    print(&shared.get()?);
    std::thread::sleep(arguments.sleep);
    if arguments.remove {
        shared.remove()?;
    }
    Ok(())
}

fn print(value: &StPid) {
    println!("pid={},name={}", value.pid, value.names);
}

fn parse() -> Result<Option<Arguments>, lexopt::Error> {
    let mut arguments = Arguments {
        key: "0x1234".into(),
        name: None,
        sleep: Duration::ZERO,
        remove: false,
    };
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("key") => arguments.key = parser.value()?.string()?,
            Long("sleep") => arguments.sleep = Duration::from_secs(parser.value()?.parse()?),
            Long("remove") => arguments.remove = true,
            Long("help") => return Ok(None),
            Value(name) if arguments.name.is_none() => arguments.name = Some(name.string()?),
            _ => return Err(argument.unexpected()),
        }
    }
    if arguments.name.is_none() && !arguments.remove {
        return Err("a NAME is missing".into());
    }
    Ok(Some(arguments))
}
