//! Process table: each process has a row, which is free again when the process ends, however it ends.
//!
//! ```sh
//! cargo run --example process_table -- 0x5eed0006 work encoder  # each line of its input is a beat
//! cargo run --example process_table -- 0x5eed0006 show
//! cargo run --example process_table -- 0x5eed0006 remove
//! ```

use std::error::Error;
use std::io::{Write, stdin, stdout};
use std::process::ExitCode;

use shm_core::{FixedStr, Key, RowLife, SharedLayout, SharedTable, field};
use shm_examples::ended;

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
struct Worker {
    beats: u64,
    name: FixedStr<28>,
}

fn main() -> ExitCode {
    ended("process_table", run())
}

fn run() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        [key, "work", name] => work(key.parse()?, FixedStr::new(name)?),
        [key, "show"] => show(key.parse()?),
        [key, "remove"] => Ok(shm_core::remove(key.parse::<Key>()?)?),
        _ => Err("usage: process_table KEY work NAME, or KEY show, or KEY remove".into()),
    }
}

fn work(key: Key, name: FixedStr<28>) -> Result<(), Box<dyn Error>> {
    let mut options = SharedTable::<Worker>::options();
    let table = options.rows(64).open_or_create(key)?;
    // Rows of the dead are free from here on. A claim alone takes one only if no other is free.
    table.reap(|id, _| eprintln!("the process with row {} has died", id.index()))?;
    let mut seat = table.claim(Worker { beats: 0, name })?;
    writeln!(stdout(), "row {}", seat.id().index())?;
    let mut line = String::new();
    while stdin().read_line(&mut line)? > 0 {
        seat.fetch_add(field!(Worker.beats), 1)?;
        line.clear();
    }
    Ok(()) // and the seat is dropped, which frees the row
}

fn show(key: Key) -> Result<(), Box<dyn Error>> {
    let table = SharedTable::<Worker>::options().open_read_only(key)?;
    for row in table.look()? {
        let Worker { beats, name } = row.get()?;
        let (index, pid) = (row.id().index(), row.owner().unwrap_or(0));
        let dead = match row.life() {
            RowLife::Live => "",
            _ => " (dead)",
        };
        writeln!(
            stdout(),
            "{index}: {name}, process {pid}{dead}, {beats} beats"
        )?;
    }
    Ok(())
}
