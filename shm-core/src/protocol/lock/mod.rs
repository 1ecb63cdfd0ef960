//! Who may write, who lives, who sleeps: the lock's word, slots and records of its claimants, and
//! what the kernel says of processes.
//!
//! `segment/` and `life/` may call it. It may call `memory/` and `sysv/`. It knows a segment by its
//! words and its id.

pub(super) mod futex;
pub(super) mod held;
#[expect(
    clippy::module_inception,
    reason = "the word itself, among all that judges its owner"
)]
pub(super) mod lock;
mod proc;
pub(super) mod process;
pub(super) mod record;
pub(super) mod slots;
pub(super) mod wait;
