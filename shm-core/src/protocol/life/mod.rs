//! How segments come and go: finding and opening, birth, adoption, removal, replacement.
//!
//! What stands above `protocol/` may call it, and no other folder here. It may call `segment/`,
//! `lock/`, `memory/` and `sysv/`.

pub(super) mod adoption;
pub(super) mod birth;
pub(super) mod files;
mod find;
mod guard;
pub(super) mod newborn;
pub(super) mod open;
pub(super) mod removal;
pub(super) mod replacement;
