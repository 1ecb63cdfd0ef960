//! Who may write, who lives, who sleeps: the lock's word, slots and records of its claimants, and
//! what the kernel says of processes.
//!
//! Of who lives: `verdict` asks `slots`, which asks `set` (the kernel's semaphores) and `record`.
//! Each of them names a claimant by its `claim`.
//!
//! `segment/` and `life/` may call it. It may call `memory/` and `sysv/`. It knows a segment by its
//! words and its id.

pub(super) mod claim;
pub(super) mod futex;
pub(super) mod held;
#[expect(
    clippy::module_inception,
    reason = "the word itself, among all that judges its owner"
)]
pub(super) mod lock;
pub(super) mod proc;
pub(super) mod process;
#[cfg(feature = "async")]
pub(super) mod reactor;
pub(super) mod record;
pub(super) mod set;
pub(super) mod slots;
#[cfg(all(test, not(loom)))]
mod tests;
pub(super) mod verdict;
pub(super) mod wait;
#[cfg(feature = "async")]
pub(super) mod watches;
