//! The program from outside: as a process, against real segments, in an IPC namespace for each test.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

mod debug_info;
mod doctor;
mod hostile;
mod ls;
mod rights;
mod rm;
mod schema;
mod show;
mod space;
mod stat;
mod wait;
mod watch;
mod who;
