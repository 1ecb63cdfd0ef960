//! A monitor of processes: each registers in a row and beats; the monitor frees the rows of those that died, and starts them
//! again. C programs (`examples/c/heartbeat.c`) register in the same segment, and know nothing of this library. `docs/joining.md`
//! goes through the steps.
//!
//! ```sh
//! cc -o heartbeat_c examples/c/heartbeat.c
//! ./heartbeat_c 0x5eed0003 alpha 2 &                             # a C program alone, and its rows read without its guard:
//! cargo run --example heartbeat -- 0x5eed0003 read
//! cargo run --example heartbeat -- 0x5eed0003 monitor alpha='./heartbeat_c 0x5eed0003 alpha 2'   # until Ctrl-C
//! cargo run --example heartbeat -- 0x5eed0003 beat beta 2                                        # in another terminal
//! cargo run --example heartbeat -- 0x5eed0003 list
//! cargo run --example heartbeat -- 0x5eed0003 remove
//! ```
//!
//! With `--boxed` before the key the segment is made with room for the library's protocol; the C program attaches it unchanged.

mod beats;

use std::error::Error;
use std::io::{Write, stdout};
use std::process::{Child, Command, ExitCode};
use std::thread::sleep;
use std::time::Duration;

use beats::{Beat, Beats, Store, now};
use shm_core::{FixedStr, Key, RawBox, SharedLayout};
use shm_examples::ended;

fn main() -> ExitCode {
    ended("heartbeat", run())
}

fn run() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let boxed = arguments.first() == Some(&"--boxed");
    if boxed {
        arguments.remove(0);
    }
    if let ["header"] = *arguments {
        return Ok(stdout().write_all(Beats::c_header().as_bytes())?);
    }
    let [key, what, ref rest @ ..] = *arguments else {
        return Err(
            "usage: heartbeat [--boxed] KEY read|list|beat NAME SECONDS|monitor [NAME=COMMAND …]|remove"
                .into(),
        );
    };
    let key: Key = key.parse()?;
    if what == "read" {
        // Beside the C program, which is not touched: a value may be torn.
        return list(&RawBox::open_read_only(key)?.get()?);
    }
    let store = Store::open(key, boxed)?;
    match (what, rest) {
        ("list", []) => list(&store.get()?),
        ("beat", [name, seconds]) => beat(&store, FixedStr::new(name)?, seconds.parse()?),
        ("monitor", commands) => monitor(&store, commands),
        ("remove", []) => Ok(store.remove()?),
        _ => Err("see the head of examples/heartbeat/main.rs".into()),
    }
}

fn list(beats: &Beats) -> Result<(), Box<dyn Error>> {
    let mut out = stdout().lock();
    writeln!(
        out,
        "{:>8}  {:<16} {:>8}  last beat",
        "pid", "name", "timeout"
    )?;
    for row in beats.rows.iter().filter(|row| row.pid != 0) {
        let (name, ago) = (row.name.to_string_lossy(), now() - row.atime);
        let late = if row.is_late() { ", late" } else { "" };
        writeln!(
            out,
            "{:>8}  {name:<16} {:>6} s  {ago} s ago{late}",
            row.pid, row.timeout
        )?;
    }
    Ok(())
}

/// Registers, and beats until this process ends.
fn beat(store: &Store, name: FixedStr<51>, timeout: i32) -> Result<(), Box<dyn Error>> {
    let pid = std::process::id() as i32;
    let row = store.update(|beats| {
        let free = beats.rows.iter().position(|row| row.pid == 0)?;
        beats.rows[free] = Beat {
            pid,
            name,
            timeout,
            atime: now(),
        };
        Some(free)
    })?;
    let row = row.ok_or("all rows are taken")?;
    writeln!(stdout(), "{name} beats")?;
    loop {
        sleep(Duration::from_millis(500));
        // The monitor takes a row away from a process that it took for dead.
        if !store.update(|beats| beats.rows[row].beat(pid))? {
            return Err("the row was taken away".into());
        }
    }
}

/// Frees the rows of dead processes, and starts again those that it has a command for.
fn monitor(store: &Store, commands: &[&str]) -> Result<(), Box<dyn Error>> {
    let mut children: Vec<Child> = Vec::new();
    let mut start = |name: &str| -> Result<bool, Box<dyn Error>> {
        // Who has ended is a zombie until it was waited for.
        children.retain_mut(|child| !matches!(child.try_wait(), Ok(Some(_))));
        let own = |line: &&str| {
            line.split_once('=')
                .filter(|(own, _)| *own == name)
                .map(|(_, run)| run.to_owned())
        };
        let Some(run) = commands.iter().find_map(own) else {
            return Ok(false);
        };
        children.push(
            Command::new("sh")
                .args(["-c", &format!("exec {run}")])
                .spawn()?,
        );
        Ok(true)
    };
    let here = store.get()?;
    for (name, _) in commands.iter().filter_map(|line| line.split_once('=')) {
        // What has a row is alive, or is started again when that is freed.
        if !here
            .rows
            .iter()
            .any(|row| row.pid != 0 && row.name.to_string_lossy() == name)
        {
            start(name)?;
        }
    }
    loop {
        let dead = store.update(|beats| {
            let mut dead = Vec::new();
            for row in beats
                .rows
                .iter_mut()
                .filter(|row| row.pid != 0 && !row.lives())
            {
                dead.push(std::mem::replace(row, Beat::NONE));
            }
            dead
        })?;
        for row in dead {
            let name = row.name.to_string_lossy();
            let again = if start(&name)? { ", started again" } else { "" };
            writeln!(
                stdout(),
                "{name} (process {}) has ended: row freed{again}",
                row.pid
            )?;
        }
        sleep(Duration::from_millis(100));
    }
}
