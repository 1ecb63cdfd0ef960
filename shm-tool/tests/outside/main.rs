//! The program from outside: as a process, against real segments, in an IPC namespace for each test.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

mod advice;
mod debug_info;
mod diff;
mod doctor;
mod dump;
mod files;
mod hostile;
mod ls;
#[cfg(feature = "mirror")]
mod mirror;
mod night;
mod pictures;
mod rights;
mod rm;
mod schema;
mod set;
mod show;
mod space;
mod stat;
mod svg;
mod tables;
mod terminal;
mod top;
mod unlock;
mod usage;
mod wait;
mod watch;
mod who;
