//! Prints the header with which programs in C and C++ share `StPid`:
//!
//! ```sh
//! cargo run --example c_header > examples/c/st_pid.h
//! cc -o st_pid_box examples/c/st_pid_box.c
//! ```

use std::io::{Write, stdout};
use std::process::ExitCode;

use shm_core::{FixedStr, SharedLayout};
use shm_examples::ended;

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
struct StPid {
    pid: i32,
    names: FixedStr<51>,
}

fn main() -> ExitCode {
    let printed = stdout().write_all(StPid::c_header().as_bytes());
    ended("c_header", printed.map_err(Into::into))
}
