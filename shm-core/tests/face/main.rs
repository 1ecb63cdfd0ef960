//! What a user meets, within one process.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

mod allocations;
mod attributes;
mod counters;
mod errors;
mod field;
mod files;
mod inspector;
mod inspector_set;
mod raw_box;
mod raw_table;
mod shared_box;
#[cfg(feature = "async")]
mod stream;
mod table;
