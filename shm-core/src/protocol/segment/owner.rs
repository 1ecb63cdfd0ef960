//! Whose segments are trusted.

use crate::protocol::fault::Fault;
use crate::sysv::effective_user;
use crate::sysv::shm::Stat;

/// Whose segments are trusted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Owner {
    /// Owner and creator must each be this process's effective user or root.
    #[default]
    SelfOrRoot,
    /// Besides those, this user may own it or have created it.
    User(u32),
    /// Any user may own it. The owner of a segment can change, starve and remove it at any time.
    Anybody,
}

impl Owner {
    /// Refuses what has an owner or a creator who is not trusted. A file has an owner alone. One system call.
    pub(in crate::protocol) fn check(self, [owner, creator]: [u32; 2]) -> Result<(), Fault> {
        let own = effective_user();
        let trusts = |uid| match self {
            Owner::Anybody => true,
            _ if uid == 0 || uid == own => true,
            Owner::User(user) => uid == user,
            Owner::SelfOrRoot => false,
        };
        if trusts(owner) && trusts(creator) {
            return Ok(());
        }
        Err(Fault::Untrusted { owner, creator })
    }
}

/// Whether the kernel lets this process remove the segment: "the effective user ID of the calling
/// process must match the owner or creator …, or the caller must be privileged" (shmctl(2),
/// `IPC_RMID`).
pub(in crate::protocol) fn may_remove(stat: &Stat) -> bool {
    let own = effective_user();
    own == 0 || own == stat.uid || own == stat.cuid
}
