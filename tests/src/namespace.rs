//! An IPC namespace of a process's own: what lies in it ends with it, whatever becomes of the
//! process.

use nix::sched::{CloneFlags, unshare};

/// Moves this thread to an empty IPC namespace; in a user namespace of its own too, where that is
/// what it takes. `false`: the kernel allows neither.
pub fn own_ipc_namespace() -> bool {
    unshare(CloneFlags::CLONE_NEWIPC).is_ok()
        || unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWIPC).is_ok()
}
