//! Prints the header with which programs in C and C++ share `StPid`:
//!
//! ```sh
//! cargo run --example c_header > examples/c/st_pid.h
//! cc -o st_pid_box examples/c/st_pid_box.c
//! ```

use shm_core::{FixedStr, SharedLayout};

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
struct StPid {
    pid: i32,
    names: FixedStr<51>,
}

fn main() {
    print!("{}", StPid::c_header());
}
