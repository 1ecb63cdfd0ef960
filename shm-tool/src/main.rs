//! `shm`: see into shared memory, ours and everybody's.
//!
//! Each command is a file in `command/`. What they share: `kernel/` (what the kernel and `/proc` know of segments),
//! `value/` (values as trees of named parts, and how people and programs read them), `shape/` (types as data),
//! `output` and `failure` (how the program speaks, and how it ends).

mod cli;
mod command;
mod failure;
mod kept;
mod kernel;
#[cfg(feature = "mirror")]
mod mirror;
mod output;
mod rows;
mod shape;
mod source;
mod table;
mod usage;
mod value;

use std::process::ExitCode;

use clap::Parser;

use cli::Cli;

fn main() -> ExitCode {
    let run = |cli: Cli| {
        output::choose_colour(cli.color);
        cli.run()
    };
    let ran = Cli::try_parse().map_err(|error| usage::ended(&error));
    match ran.and_then(run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
