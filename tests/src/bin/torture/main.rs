//! Writers and readers in processes of their own, killed at random instants; not a commit may be
//! lost, not a value torn, no process stalled.
//!
//! ```text
//! cargo run --release -p shm-tests --bin torture -- --kills 1000 --size 65536 --seed 7
//! ```
//!
//! The last line are the figures; the exit status is 0 only if nothing was violated.

mod chaos;
mod ledger;
mod log;
mod takeover;
mod value;
mod worker;

use std::process::ExitCode;

use chaos::Figures;

/// Sizes of values in bytes, each a type of its own.
const SIZES: [usize; 5] = [64, 256, 4096, 65_536, 1_048_576];

const HELP: &str = "\
torture [--kills N] [--size BYTES] [--seed S] [--full]

  --kills N     how many processes to kill (300)
  --size BYTES  of the value: 64, 256, 4096, 65536 or 1048576 (4096)
  --seed S      of all random choices (1)
  --full        10000 kills over four sizes
";

/// What to do.
#[derive(Clone, Copy, Debug)]
struct Orders {
    kills: u64,
    size: usize,
    seed: u64,
    full: bool,
}

fn main() -> ExitCode {
    let obey = || match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("torture: {error}");
            ExitCode::FAILURE
        }
    };
    // Values of a mebibyte pass through the stack.
    let thread = std::thread::Builder::new().stack_size(64 << 20).spawn(obey);
    let status = thread.map(std::thread::JoinHandle::join);
    status.map_or(ExitCode::FAILURE, |status| {
        status.unwrap_or(ExitCode::FAILURE)
    })
}

fn run() -> Result<(), Box<dyn std::error::Error>> {
    if let Some(worker) = worker::Orders::from_arguments()? {
        return worker.obey();
    }
    let Some(orders) = parse()? else {
        print!("{HELP}");
        return Ok(());
    };
    let mut figures = Figures::default();
    if orders.full {
        for size in [64, 4096, 65_536, 1_048_576] {
            let part = chaos::run(Orders {
                kills: 2500,
                size,
                ..orders
            })?;
            println!("{size} bytes: {part}");
            figures.add(part);
        }
    } else {
        figures = chaos::run(orders)?;
    }
    println!("seed {}: {figures}", orders.seed);
    if figures.violations() == 0 {
        Ok(())
    } else {
        Err("the laws were broken".into())
    }
}

fn parse() -> Result<Option<Orders>, Box<dyn std::error::Error>> {
    use lexopt::prelude::*;
    let mut orders = Orders {
        kills: 300,
        size: 4096,
        seed: 1,
        full: false,
    };
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("kills") => orders.kills = arguments.value()?.parse()?,
            Long("size") => orders.size = arguments.value()?.parse()?,
            Long("seed") => orders.seed = arguments.value()?.parse()?,
            Long("full") => orders.full = true,
            Short('h') | Long("help") => return Ok(None),
            other => return Err(other.unexpected().into()),
        }
    }
    if !SIZES.contains(&orders.size) {
        return Err(format!("the size is one of {SIZES:?}").into());
    }
    Ok(Some(orders))
}
