//! What the kernel and `/proc` know of segments, semaphore sets, processes and users.

pub mod memory;
pub mod namespace;
pub mod processes;
pub mod segments;
pub mod users;
