//! A supervisor of workers: each claims a row, beats there and says what it does; those that die are started again. The C worker
//! (`examples/c/worker.c`) is as good as those in Rust.
//!
//! ```sh
//! cargo run --example supervisor -- header > examples/c/worker.h
//! cc -o worker_c examples/c/worker.c
//! cargo run --example supervisor -- 0x5eed0007 run encoder mailer 'indexer=./worker_c 0x5eed0007 indexer'   # until Ctrl-C
//! cargo run --example supervisor -- 0x5eed0007 screen     # in another terminal; kill -9 a worker, and look again
//! cargo run --example supervisor -- 0x5eed0007 remove
//! ```

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{Write, stdout};
use std::process::{Child, Command, ExitCode};
use std::thread::sleep;
use std::time::Duration;

use shm_core::{CHeader, FixedStr, Key, RowLife, SharedLayout, SharedTable, Timestamp, field};
use shm_examples::ended;

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
struct Worker {
    #[shared(counter)]
    beats: u64,
    seen: Timestamp,
    name: FixedStr<24>,
    doing: FixedStr<24>,
}

fn main() -> ExitCode {
    ended("supervisor", run())
}

fn run() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match *arguments {
        ["header"] => {
            let header = CHeader::of::<Worker>().table().to_string();
            Ok(stdout().write_all(header.as_bytes())?)
        }
        [key, "run", ref workers @ ..] => supervise(key, workers),
        [key, "work", name] => work(key.parse()?, FixedStr::new(name)?),
        [key, "screen"] => screen(key.parse()?),
        [key, "remove"] => Ok(shm_core::remove(key.parse::<Key>()?)?),
        _ => Err(
            "usage: supervisor KEY run [NAME | NAME=COMMAND …], KEY screen, KEY remove; header"
                .into(),
        ),
    }
}

/// Starts the workers, and those that die once more.
fn supervise(key: &str, workers: &[&str]) -> Result<(), Box<dyn Error>> {
    let place: Key = key.parse()?;
    let table = SharedTable::<Worker>::options()
        .rows(64)
        .open_or_create(place)?;
    let own = std::env::current_exe()?;
    let mut children: BTreeMap<String, Child> = BTreeMap::new();
    let mut start = |name: &str| -> Result<(), Box<dyn Error>> {
        let command = workers
            .iter()
            .find_map(|worker| match worker.split_once('=') {
                Some((of, command)) => (of == name).then(|| format!("exec {command}")),
                None => {
                    (*worker == name).then(|| format!("exec '{}' {key} work {name}", own.display()))
                }
            });
        let Some(command) = command else {
            return Ok(());
        };
        let child = Command::new("sh").args(["-c", &command]).spawn()?;
        if let Some(mut before) = children.insert(name.to_owned(), child) {
            before.wait()?;
        }
        Ok(())
    };
    for worker in workers {
        start(worker.split('=').next().unwrap_or_default())?;
    }
    // Woken by each claim, release and death, and by no heartbeat.
    for change in table.changes() {
        change?;
        let mut died = Vec::new();
        table.reap(|id, last| died.extend(last.map(|last| (id, last))))?;
        for (id, last) in died {
            writeln!(
                stdout(),
                "{} (row {id}) has died after {} beats: started again",
                last.name,
                last.beats
            )?;
            start(&last.name.to_string_lossy())?;
        }
    }
    Ok(())
}

/// Claims a row, and beats until this process ends: the row ends with it.
fn work(key: Key, name: FixedStr<24>) -> Result<(), Box<dyn Error>> {
    let table = SharedTable::<Worker>::open(key)?;
    let mut seat = table.claim(Worker {
        beats: 0,
        seen: Timestamp::now(),
        name,
        doing: FixedStr::new("starting")?,
    })?;
    for job in 0_u64.. {
        seat.store(field!(Worker.doing), FixedStr::new(&format!("job {job}"))?)?;
        for _ in 0..10 {
            seat.fetch_add(field!(Worker.beats), 1)?;
            seat.store(field!(Worker.seen), Timestamp::now())?;
            sleep(Duration::from_millis(100));
        }
    }
    Ok(())
}

/// One screenful: who works, and how long ago each was seen.
fn screen(key: Key) -> Result<(), Box<dyn Error>> {
    let table = SharedTable::<Worker>::options().open_read_only(key)?;
    let mut out = stdout().lock();
    writeln!(
        out,
        "{:<7} {:>8} {:<5} {:<16} {:>8} {:<16} last beat",
        "row", "pid", "life", "name", "beats", "doing"
    )?;
    let now = Timestamp::now().as_nanos();
    for row in table.look()? {
        // One that is let go at this moment is none.
        let Ok(worker) = row.get() else { continue };
        let life = if row.life() == RowLife::Live {
            "live"
        } else {
            "dead"
        };
        let (id, pid) = (row.id().to_string(), row.owner().unwrap_or(0));
        let ago = (now - worker.seen.as_nanos()) / 1_000_000;
        let Worker {
            beats, name, doing, ..
        } = worker;
        let (name, doing) = (name.to_string_lossy(), doing.to_string_lossy());
        writeln!(
            out,
            "{id:<7} {pid:>8} {life:<5} {name:<16} {beats:>8} {doing:<16} {ago} ms ago"
        )?;
    }
    writeln!(
        out,
        "{} beats in all, of {} rows",
        table.total(field!(Worker.beats))?,
        table.row_count()
    )?;
    Ok(())
}
