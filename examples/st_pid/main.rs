//! Shares `struct st_pid { int pid; char names[51]; }` with C programs that know nothing but this
//! struct and its key.
//!
//! ```sh
//! cargo run --example st_pid -- alice
//! ```
//!
//! `examples/c/st_pid.c` is the same program in C.

use std::error::Error;
use std::ffi::OsString;
use std::io::{self, Write, stdout};
use std::process::ExitCode;
use std::time::Duration;

use shm_core::{FixedStr, Key, SharedBox, SharedLayout};
use shm_examples::ended;

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
            let printed = stdout().write_all(USAGE.as_bytes());
            return ended("st_pid", printed.map_err(Into::into));
        }
        Err(error) => {
            eprint!("st_pid: {error}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    ended("st_pid", run(&arguments))
}

fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
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
            print(&shared.get()?)?;
            shared.set(StPid {
                pid: std::process::id() as i32,
                names,
            })?;
            shared
        }
        None => SharedBox::open(key)?,
    };
    let printed = print(&shared.get()?);
    std::thread::sleep(arguments.sleep);
    // Also with a closed pipe for what is printed.
    if arguments.remove {
        shared.remove()?;
    }
    Ok(printed?)
}

fn print(value: &StPid) -> io::Result<()> {
    writeln!(stdout(), "pid={},name={}", value.pid, value.names)
}

fn is_option(argument: &str) -> bool {
    argument.starts_with('-') && argument != "-"
}

fn parse() -> Result<Option<Arguments>, Box<dyn Error>> {
    let mut arguments = Arguments {
        key: "0x1234".into(),
        name: None,
        sleep: Duration::ZERO,
        remove: false,
    };
    let text = |argument: OsString| {
        argument
            .into_string()
            .map_err(|argument| format!("{argument:?} is no UTF-8"))
    };
    let (mut rest, mut options) = (std::env::args_os().skip(1), true);
    while let Some(argument) = rest.next() {
        let argument = text(argument)?;
        let mut value = || text(rest.next().ok_or(format!("{argument} needs a value"))?);
        match &*argument {
            "--" if options => options = false,
            "--key" if options => arguments.key = value()?,
            "--sleep" if options => arguments.sleep = Duration::from_secs(value()?.parse()?),
            "--remove" if options => arguments.remove = true,
            "--help" if options => return Ok(None),
            name if arguments.name.is_none() && !(options && is_option(name)) => {
                arguments.name = Some(name.to_owned());
            }
            other => return Err(format!("{other:?} is not expected here").into()),
        }
    }
    if arguments.name.is_none() && !arguments.remove {
        return Err("a NAME is missing".into());
    }
    Ok(Some(arguments))
}
