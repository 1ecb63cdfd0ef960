//! What the cross-process tests share: keys of their own, guards that clean up, raw memory, C
//! programs and child processes.

pub mod attack;
mod c;
pub mod every_call;
pub mod family;
mod guard;
mod ledger;
mod memory;
mod mortal;
mod namespace;
mod peer;
mod python;

pub use c::{Compiler, compile_c};
pub use guard::{Guard, semaphores, set_slots, slots};
pub use ledger::{Ledger, c_peer, c_peers};
pub use memory::Memory;
pub use mortal::{
    Halves, Small, Stop, at_each_stop, dies, mortal, segments, semaphore_sets, stop_points,
};
pub use namespace::own_ipc_namespace;
pub use peer::{NOBODY, Peer, may_change_user};
pub use python::Python;
