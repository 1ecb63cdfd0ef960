//! How processes agree on the bytes of a segment: the control block, the latch, copies, slots, the
//! lock, waiting, birth and repair.
//!
//! This module knows no `T`: it deals in bytes, versions and processes. `ARCHITECTURE.md` states
//! the protocols and their invariants.

mod adoption;
mod attach;
mod birth;
#[cfg(all(test, not(loom)))]
mod contract;
mod control;
mod copy;
mod cradle;
mod fault;
mod futex;
mod held;
mod inspect;
mod latch;
mod lock;
mod locked;
mod membership;
#[cfg(all(test, loom))]
mod models;
mod owner;
mod primitive;
mod proc;
mod process;
mod raw;
mod record;
mod removal;
mod replacement;
mod segment;
mod slots;
mod stop;
mod upgrade;
mod wait;

pub(crate) use attach::{Access, look_up, open, open_id};
pub(crate) use birth::{Newborn, Write, create_new, open_or_adopt, open_or_create};
pub(crate) use control::{ALWAYS_NOTIFY, Geometry, MOST_SLOTS, RAW_WRITERS, SLOTS, State};
pub(crate) use copy::exact::RawBytes;
pub(crate) use copy::{Comb, LONG, Span};
pub(crate) use fault::Fault;
pub(crate) use held::Mark;
pub(crate) use locked::{GAP, GAPS, Locked, Payload};
pub use owner::Owner;
pub(crate) use process::epoch;
pub(crate) use raw::RawSegment;
pub(crate) use removal::{info, is_removed, remove, remove_id};
pub(crate) use replacement::{Room, make_room, make_room_at, random_nap};
pub(crate) use segment::Segment;
pub use slots::HolderState;
#[cfg(shm_stop_points)]
pub use stop::POINTS;
pub(crate) use upgrade::Successor;
