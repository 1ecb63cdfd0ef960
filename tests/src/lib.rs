//! What the cross-process tests share: keys of their own, guards that clean up, raw memory, C
//! programs and child processes.

mod allowed;
pub mod attack;
mod c;
pub mod every_call;
pub mod family;
mod folder;
mod guard;
mod guarded;
mod home;
mod ledger;
mod memory;
mod mortal;
pub mod others;
mod peer;
mod python;
pub mod rows;
mod table;
mod whole;

pub use allowed::{
    NOBODY, as_user, in_own_ipc_namespace, may_change_user, may_unshare, own_ipc_namespace,
};
pub use c::{Compiler, compile_c};
pub use folder::Folder;
pub use guard::{Guard, semaphores, set_slots, slots};
pub use guarded::{Guarded, MutexBytes, ROOM, guarded};
pub use home::Home;
pub use ledger::{Ledger, c_peer, c_peers};
pub use memory::Memory;
pub use mortal::{
    Halves, Small, Stop, at_each_stop, dies, dies_at, held_at, mortal, segments, semaphore_sets,
    stop_points,
};
pub use peer::{Peer, other_peers};
pub use python::Python;
pub use table::{Additions, Counted, LAST_COUNT, Row, c_rows, row_header, table_act};
pub use whole::Whole;
