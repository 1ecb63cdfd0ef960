//! One attachment: what a process knows of a segment, its place there, access under the lock,
//! upgrades in place.
//!
//! `life/` may call it, and what stands above `protocol/`. It may call `rows/`, `lock/`, `memory/` and
//! `sysv/`. Where attachments come from, and how segments end, it does not know.

pub(super) mod commit;
mod durable;
pub(super) mod kernel;
pub(super) mod locked;
mod locking;
mod membership;
pub(super) mod owner;
#[cfg(feature = "async")]
mod polling;
pub(super) mod row;
pub(super) mod rows;
#[expect(
    clippy::module_inception,
    reason = "the attachment itself, among what is done with it"
)]
pub(super) mod segment;
pub(super) mod upgrade;
