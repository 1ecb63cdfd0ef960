#![deny(warnings)]
#![deny(missing_docs, unused_qualifications, unused_lifetimes, single_use_lifetimes, unreachable_pub, trivial_casts)]
#![deny(trivial_numeric_casts, unused_results, let_underscore_drop, non_ascii_idents, elided_lifetimes_in_paths)]
#![forbid(unsafe_code)]
//! A crate that forbids unsafe code may use the derive: its output is not the user's.

use shm_core::{FixedStr, SharedLayout};

/// Documented.
#[derive(SharedLayout, Clone, Copy, Debug)]
#[repr(C)]
#[shared(version = 3)]
pub struct StPid<T> {
    /// Documented.
    pub pid: i32,
    /// Documented.
    pub names: FixedStr<51>,
    /// Documented.
    pub rest: [T; 2],
    /// Documented.
    #[shared(since = 2)]
    pub flags: u8,
    /// Documented.
    #[shared(since = 3, default = Mode::On, was = "way")]
    pub mode: Mode,
}

/// Documented.
#[derive(SharedLayout, Clone, Copy, Debug)]
#[repr(i128)]
pub enum Mode {
    /// Documented.
    Off,
    /// Documented.
    On = i128::MAX,
}

shm_core::assert_shared!(StPid<Mode>);

fn main() {}
