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

use shm_core::{Error as SharedError, Field, FixedStr, HolderState, Key};
use shm_core::{SharedBox, SharedLayout, SharedView, field};
use shm_examples::ended;

const ROWS: usize = 64;

#[derive(SharedLayout, Clone, Copy, Default)]
#[repr(C)]
struct Row {
    /// 0 where the row is free.
    pid: u32,
    name: FixedStr<28>,
    beats: u64,
}

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
struct Table {
    rows: [Row; ROWS],
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
    let shared = SharedBox::open_or_create(key, || Table {
        rows: [Row::default(); ROWS],
    })?;
    let row = claim(&shared, name)?;
    writeln!(stdout(), "row {}", row.offset() / size_of::<Row>())?;
    let mut line = String::new();
    while stdin().read_line(&mut line)? > 0 {
        shared.fetch_add(row.then(field!(Row.beats)), 1)?;
        line.clear();
    }
    shared.store(row, Row::default())?;
    Ok(())
}

/// The first row that is free, or whose process has died.
fn claim(
    shared: &SharedBox<Table>,
    name: FixedStr<28>,
) -> Result<Field<Table, Row>, Box<dyn Error>> {
    let claimed = shared.try_update(|table| {
        // Under the lock: so each owner of a row had opened its box before it is looked for here.
        let living = living(shared)?;
        let free = table
            .rows
            .iter()
            .position(|row| row.pid == 0 || !living.contains(&row.pid));
        if let Some(free) = free {
            let pid = std::process::id();
            table.rows[free] = Row {
                pid,
                name,
                beats: 0,
            };
        }
        Ok::<_, SharedError>(free)
    })?;
    let row = claimed.value.and_then(|free| field!(Table.rows).at(free));
    row.ok_or_else(|| "all rows are in use".into())
}

/// Processes that have the table open for writing and live.
fn living(shared: &SharedView<Table>) -> Result<Vec<u32>, SharedError> {
    let writers = shared.writers()?.into_iter();
    let living = writers.filter(|writer| writer.state != HolderState::Gone);
    Ok(living.map(|writer| writer.pid).collect())
}

fn show(key: Key) -> Result<(), Box<dyn Error>> {
    let view = SharedView::<Table>::open(key)?;
    let (table, living) = (view.get_boxed()?, living(&view)?);
    for (index, row) in table
        .rows
        .iter()
        .enumerate()
        .filter(|(_, row)| row.pid != 0)
    {
        let state = if living.contains(&row.pid) {
            ""
        } else {
            " (dead)"
        };
        let Row { pid, name, beats } = row;
        writeln!(
            stdout(),
            "{index}: {name}, process {pid}{state}, {beats} beats"
        )?;
    }
    Ok(())
}
