//! Values in files, between processes: killed, forked, in other namespaces, with their descriptors closed or passed around.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod births;
mod deaths;
mod descriptors;
mod kills;
mod passing;

const PEER: &str = env!("CARGO_BIN_EXE_peer");

const TENANT: &str = env!("CARGO_BIN_EXE_tenant");
