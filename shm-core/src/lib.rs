//! Typed, versioned, crash-safe structs in System V shared memory.
//!
//! Processes on one machine share one struct under one key, whether they are written in Rust with
//! this library or in C without it: at rest, the first bytes of the segment are exactly the C
//! struct.
//!
//! - [`derive(SharedLayout)`](derive@SharedLayout) proves at compile time that a struct may live in
//!   shared memory.
//! - [`SharedBox`] creates or attaches the segment and gives consistent reads, commits that are all
//!   or nothing, and waiting for a newer value. A process that dies in the middle of anything loses
//!   nothing that was committed and blocks nobody.
//! - [`SharedView`] is the same for those who may only read; [`RawBox`] reads segments that other
//!   programs laid out; [`Inspector`] reads any segment without the Rust type of its value.
//! - [`remove`] removes a box, or what is left of one, whatever its type.
//! - [`sysv`] is all of System V shared memory and semaphores, safe and typed, for use on its own.
//!
//! ```
//! use std::time::Duration;
//!
//! use shm_core::{FixedStr, SharedBox, SharedLayout};
//!
//! #[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
//! #[repr(C)]
//! struct StPid {
//!     pid: i32,
//!     names: FixedStr<51>, // in C: char names[51]
//! }
//!
//! # fn main() -> Result<(), shm_core::Error> {
//! # let key = shm_core::Key::new(0x7b5d_1000);
//! let shared = SharedBox::open_or_create(key, || StPid { pid: 0, names: FixedStr::EMPTY })?;
//! let seen = shared.snapshot()?; // a consistent copy, and which version it is
//! shared.set(StPid { pid: 7, names: FixedStr::new("alice")? })?; // all of it or nothing
//! shared.update(|value| value.pid += 1)?; // nobody commits in between
//! let next = shared.wait_timeout(seen.version, Duration::from_secs(1))?;
//! assert_eq!(next.map(|next| next.value.pid), Some(8));
//! # shared.remove()?;
//! # Ok(())
//! # }
//! ```
//!
//! [`SharedBox`] has the table of what each call costs. Linux only.
//!
//! Programs in C and Python get their side generated: [`SharedLayout::c_header`] and
//! [`SharedLayout::python_module`]. The feature `serde` serialises [`layout::Value`], which an
//! [`Inspector`] reads, and reads and writes [`FixedStr`] and [`FixedVec`].

#[cfg(not(target_os = "linux"))]
compile_error!("shm-core shares memory the way Linux does and supports no other system yet");

extern crate self as shm_core;

#[doc(hidden)]
pub mod __private;
mod face;
mod foreign;
#[cfg(all(test, not(loom)))]
mod format_tables;
pub mod layout;
mod protocol;
pub mod sysv;
mod typed;

pub use face::{
    Batch, Error, ErrorKind, Inspector, InspectorOptions, Missing, Options, ParsePlaceError, Place,
    RawBox, RawOptions, RawView, SharedBox, SharedView, Writer, remove,
};
pub use layout::{FixedStr, FixedVec, SharedLayout};
pub use protocol::{Holder, HolderState, Owner};
pub use shm_derive::SharedLayout;
pub use sysv::Key;
pub use typed::{Field, Snapshot};
