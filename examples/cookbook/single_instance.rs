//! Single instance: a program that runs once on a machine. A second start says who runs.
//!
//! ```sh
//! cargo run --example single_instance -- 0x5eed0005  # until its standard input ends (Ctrl-D)
//! ```

use std::error::Error;
use std::io::{Write, stdin, stdout};
use std::process::ExitCode;
use std::time::Duration;

use shm_core::{ErrorKind, Key, SharedBox};
use shm_examples::ended;

fn main() -> ExitCode {
    ended("single_instance", run())
}

fn run() -> Result<(), Box<dyn Error>> {
    let key = std::env::args()
        .nth(1)
        .ok_or("usage: single_instance KEY")?;
    let mut options = SharedBox::<u32>::options();
    // What is held by another instance is held for long.
    options.timeout(Duration::from_millis(100));
    let instance = options.open_or_create(key.parse::<Key>()?, || 0)?;
    // A lock that ends with this process, however it ends.
    let mut held = match instance.writer() {
        Err(error) if error.kind() == ErrorKind::Busy => {
            let pid = error.holder().map_or(0, |holder| holder.pid);
            return Err(format!("process {pid} runs already: {error}").into());
        }
        held => held?,
    };
    held.set(std::process::id())?;
    writeln!(stdout(), "process {} is the one", std::process::id())?;
    stdin().read_line(&mut String::new())?;
    drop(held);
    Ok(())
}
