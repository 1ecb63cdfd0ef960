//! How processes agree on the bytes of a segment: the control block, the latch, copies, slots, the
//! lock, waiting, birth and repair.
//!
//! This module knows no `T`: it deals in bytes, versions and processes. `ARCHITECTURE.md` states
//! the protocols and their invariants. `typed/` and the public types may call it, by the names that
//! are passed on here; it may call `home/` and `sysv/`. Of its folders each may call those before it, and all
//! may say what went wrong (`fault.rs`): `memory/`, `lock/`, `rows/`, `segment/`, `life/`.

#[cfg(all(test, not(loom)))]
mod contract;
mod fault;
mod life;
mod lock;
mod memory;
#[cfg(all(test, loom))]
mod models;
mod rows;
mod segment;

pub(crate) use fault::Fault;
pub use fault::{Claimant, Holder, HolderState};
pub(crate) use life::birth::{create_new, open_or_adopt, open_or_create};
pub(crate) use life::files::{
    create_file, create_memory_home, create_zeros, map_file, open_file, open_memory,
    open_or_create_file,
};
pub(crate) use life::newborn::{Judge, Newborn, Write};
pub(crate) use life::open::{open, open_id};
pub(crate) use life::removal::{info, is_removed, remove, remove_file, remove_id};
pub(crate) use life::replacement::{Room, make_room, make_room_at, random_nap};
pub(crate) use lock::held::Mark;
pub(crate) use lock::proc::observe;
pub(crate) use lock::process::epoch;
#[cfg(feature = "async")]
pub(crate) use lock::reactor::Waiting;
pub(crate) use lock::set::orphans as orphaned_sets;
pub(crate) use memory::control::{
    ALWAYS_NOTIFY, COUNTERS, FREE_ON_DEATH, Geometry, MOST_ROWS, MOST_SLOTS, RAW_WRITERS, SLOTS,
    SNAPSHOTS, State, TABLE,
};
pub(crate) use memory::copy::exact::RawBytes;
pub(crate) use memory::copy::{Comb, LONG, Span};
pub(crate) use memory::latch::Latch;
pub(crate) use rows::own::Own;
pub(crate) use segment::commit::{GAP, GAPS, Held, Payload};
pub(crate) use segment::kernel::{Access, attach, look_up, mode_at_first, stat};
pub(crate) use segment::locked::Locked;
pub use segment::owner::Owner;
pub(crate) use segment::row::{OwnedRow, Row, Seated, Seen};
pub(crate) use segment::rows::Fresh;
pub(crate) use segment::segment::{SIZE_IN_ROOM, Segment};
pub(crate) use segment::upgrade::Successor;
