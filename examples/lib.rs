//! Runnable programs that show `shm-core` at work, and the little that they share.

use std::error::Error;
use std::io;
use std::process::ExitCode;

/// How a program ends: a failure is told under the program's name. A closed pipe for what it prints
/// (`| head -n 1`) is an end like any other.
pub fn ended(program: &str, result: Result<(), Box<dyn Error>>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if is_closed_pipe(&*error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{program}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn is_closed_pipe(error: &(dyn Error + 'static)) -> bool {
    let error = error.downcast_ref::<io::Error>();
    error.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// Compiles and runs the Rust code in the project's documents; the tests know that all of them are here.
#[cfg(doctest)]
mod documents {
    #[doc = include_str!("../README.md")]
    struct Readme;
    #[cfg(feature = "async")]
    #[doc = include_str!("../docs/async.md")]
    struct Async;
    #[doc = include_str!("../docs/c.md")]
    struct C;
    #[doc = include_str!("../docs/costs.md")]
    struct Costs;
    #[doc = include_str!("../docs/evolution.md")]
    struct Evolution;
    #[doc = include_str!("../docs/files.md")]
    struct Files;
    #[doc = include_str!("../docs/joining.md")]
    struct Joining;
    #[doc = include_str!("../docs/operations.md")]
    struct Operations;
    #[doc = include_str!("../docs/python.md")]
    struct Python;
    #[doc = include_str!("../docs/table.md")]
    struct Table;
    #[doc = include_str!("../docs/types.md")]
    struct Types;
}
