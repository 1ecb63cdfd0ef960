//! Runnable programs that show `shm-core` at work.

/// Compiles the Rust code in the project's `README.md`.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
