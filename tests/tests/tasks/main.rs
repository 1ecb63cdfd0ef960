//! Waiting without a thread: tasks of a runtime, beside other processes.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod processes;
mod runtimes;
mod tables;

const PEER: &str = env!("CARGO_BIN_EXE_peer");
const TASKS: &str = env!("CARGO_BIN_EXE_tasks");
