//! What the kernel and `/proc` know of segments, files, semaphore sets, processes and users.

pub mod contents;
pub mod files;
pub mod found;
pub mod memory;
pub mod namespace;
pub mod processes;
pub mod segments;
pub mod users;
