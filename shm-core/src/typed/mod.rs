//! The bridge between a `T` and the bytes in a segment: but for the slices of a `FixedVec`, the one
//! place outside `sysv` and `protocol` that needs `unsafe` blocks.
//!
//! Into a `T`: all its bytes are copied to private memory, then judged, then called a `T`. Out of a
//! `T`: only bytes that its schema calls part of a field are read, since padding is uninitialised,
//! and only those are stored, since padding in the segment may hold a field of a newer program.
//!
//! Generics end where the value ends: what opens, judges and upgrades goes by a [`Type`]. `face/` and
//! `foreign/` may call this; it may call `protocol/` and `layout/`. It knows no place and no name of
//! a call: it says what went wrong ([`Failure`]), and who asked is added above.

mod attached;
mod buffer;
mod descriptor;
mod elements;
mod failure;
mod field;
mod gaps;
mod integer;
mod kept;
mod mutex;
mod raw;
pub(crate) mod room;
mod row;
mod stores;
mod stretches;
mod value;

pub(crate) use attached::Attached;
pub(crate) use descriptor::Type;
pub(crate) use failure::{Counting, Failure, refused};
pub use field::Field;
pub use integer::Integer;
pub(crate) use mutex::{Held, Mutex};
pub(crate) use raw::{RawPart, RawSegment, one_access};
pub(crate) use row::OwnSeat;
pub(crate) use stores::{Stores, UnknownStores};
pub(crate) use stretches::{
    check_zeros, finish_bytes_as, store_bytes_first, store_first, store_template,
};
pub use value::Snapshot;
pub(crate) use value::{IN_REGISTERS, Typed};
