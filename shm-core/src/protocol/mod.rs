//! How processes agree on the bytes of a segment: the control block, the latch, copies, slots, the
//! lock, waiting, birth and repair.
//!
//! This module knows no `T`: it deals in bytes, versions and processes. `ARCHITECTURE.md` states
//! the protocols and their invariants.

mod attach;
mod birth;
mod control;
mod copy;
mod cradle;
mod fault;
mod futex;
mod held;
mod latch;
mod lock;
mod locked;
#[cfg(all(test, loom))]
mod models;
mod owner;
mod primitive;
mod process;
mod raw;
mod removal;
mod segment;
mod slots;
mod stop;
mod wait;

pub(crate) use attach::{Access, open, open_id};
pub(crate) use birth::{Newborn, create_new, open_or_create};
pub(crate) use control::{ALWAYS_NOTIFY, Geometry, RAW_WRITERS};
pub(crate) use copy::{LONG, Span};
pub(crate) use fault::Fault;
pub(crate) use held::Mark;
pub(crate) use locked::{Locked, Payload};
pub use owner::Owner;
pub(crate) use process::epoch;
pub(crate) use raw::RawSegment;
pub(crate) use removal::{is_removed, remove};
pub(crate) use segment::Segment;
#[cfg(shm_stop_points)]
pub use stop::POINTS;
pub(crate) use wait::barriers_reach_us;
