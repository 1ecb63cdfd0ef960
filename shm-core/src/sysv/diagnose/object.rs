//! What segments and semaphore sets have in common: a key, an id, an owner, a mode, and the failures
//! that come of those.

use core::ffi::c_int;

use crate::sysv::error::{Error, Kind, Subject};
use crate::sysv::key::Key;
use crate::sysv::mode::Mode;
use crate::sysv::syscalls::{self, Errno};

pub(super) const GET_THE_ID_AGAIN: &str = "get the id from the key again, or create a new one";

/// One of the two sorts of object: the words for it, and the calls that find it.
pub(in crate::sysv) struct Object {
    name: &'static str,
    unit: &'static str,
    control: &'static str,
    no_key: &'static str,
    no_id: &'static str,
    create: &'static str,
    ask_for_less: &'static str,
    pub(super) change_mode: &'static str,
    /// Its id by its key; needs no right to it.
    id: fn(c_int) -> Result<c_int, Errno>,
    stat: fn(c_int, c_int) -> Result<(c_int, Facts), Errno>,
    /// The command for `stat` that takes an index.
    stat_index: c_int,
    /// The one that needs no right.
    stat_any: c_int,
    highest_index: fn() -> Result<c_int, Errno>,
}

pub(in crate::sysv) const SEGMENT: &Object = &Object {
    name: "segment",
    unit: "bytes",
    control: "shmctl",
    no_key: "no segment has this key",
    no_id: "no segment has this id: it was removed, or never was",
    create: "create it with GetFlags::CREATE, or look for the right key in `ipcs -m`",
    ask_for_less: "ask for less (mode 0 asks for nothing), or have its owner change the mode with shm::set",
    change_mode: "have its owner change the mode with shm::set",
    id: |key| syscalls::shmget(key, 0, 0),
    stat: |id, command| {
        let (value, ds) = syscalls::shmctl_stat(id, command)?;
        Ok((value, Facts::new(&ds.shm_perm, ds.shm_segsz)))
    },
    stat_index: syscalls::SHM_STAT,
    stat_any: syscalls::SHM_STAT_ANY,
    highest_index: || syscalls::shm_usage().map(|(highest, _)| highest),
};

pub(in crate::sysv) const SET: &Object = &Object {
    name: "semaphore set",
    unit: "semaphores",
    control: "semctl",
    no_key: "no semaphore set has this key",
    no_id: "no semaphore set has this id: it was removed, or never was",
    create: "create it with GetFlags::CREATE, or look for the right key in `ipcs -s`",
    ask_for_less: "ask for less (mode 0 asks for nothing), or have its owner change the mode with sem::set",
    change_mode: "have its owner change the mode with sem::set",
    id: |key| syscalls::semget(key, 0, 0),
    stat: |id, command| {
        let (value, ds) = syscalls::semctl_stat(id, command)?;
        Ok((value, Facts::new(&ds.sem_perm, ds.sem_nsems as usize)))
    },
    stat_index: libc::SEM_STAT,
    stat_any: libc::SEM_STAT_ANY,
    highest_index: || syscalls::sem_info(libc::SEM_INFO).map(|(highest, _)| highest),
};

/// Whose an object is, who may do what with it, and its bytes or semaphores.
#[derive(Clone, Copy)]
pub(super) struct Facts {
    pub(super) uid: u32,
    pub(super) cuid: u32,
    gid: u32,
    mode: Mode,
    pub(super) size: usize,
}

impl Facts {
    #[allow(
        clippy::unnecessary_cast,
        reason = "the mode differs in width from libc to libc"
    )]
    fn new(perm: &libc::ipc_perm, size: usize) -> Self {
        Self {
            uid: perm.uid,
            cuid: perm.cuid,
            gid: perm.gid,
            mode: Mode::new(perm.mode as u32 & 0o777),
            size,
        }
    }

    fn whose(self) -> String {
        format!("uid {}, gid {} with mode {}", self.uid, self.gid, self.mode)
    }
}

/// That no object has an id.
pub(super) struct Gone;

impl Object {
    /// Looks for the object, also where this process may not read it; `None` where the kernel tells
    /// nothing about it.
    pub(super) fn find(&self, id: c_int) -> Result<Option<Facts>, Gone> {
        match (self.stat)(id, libc::IPC_STAT) {
            Ok((_, facts)) => Ok(Some(facts)),
            Err(Errno(libc::EACCES)) => Ok(self.find_in_table(id)),
            Err(_) => Err(Gone),
        }
    }

    /// The facts, if they can be had.
    pub(super) fn facts(&self, id: c_int) -> Option<Facts> {
        self.find(id).ok().flatten()
    }

    fn find_in_table(&self, id: c_int) -> Option<Facts> {
        let at = |index| (self.stat)(index, self.stat_any).ok();
        (0..=(self.highest_index)().ok()?)
            .filter_map(at)
            .find_map(|(found, facts)| (found == id).then_some(facts))
    }

    /// Looks for the object of a key.
    pub(super) fn find_key(&self, key: Key) -> Option<(c_int, Option<Facts>)> {
        if key.is_private() {
            return None;
        }
        let id = (self.id)(key.raw()).ok()?;
        Some((id, self.facts(id)))
    }

    /// Checks what `IPC_SET` is to be given.
    pub(in crate::sysv) fn check_set(
        &self,
        id: c_int,
        uid: u32,
        gid: u32,
        mode: Mode,
    ) -> Result<(), Error> {
        let early = || Error::early(self.control, Some("IPC_SET"), Subject::Id(id));
        if uid == u32::MAX || gid == u32::MAX {
            return Err(early().invalid(
                "user and group -1 do not exist (chown takes -1 for \"as it is\"; this call does not)",
                "give the present owner and group to keep them: stat tells who they are",
            ));
        }
        check_mode(early, mode)
    }

    /// What a failed `shmget` or `semget` means for both sorts.
    pub(super) fn get(&self, failure: Error, key: Key, mode: Mode) -> Error {
        match failure.errno {
            Some(libc::ENOENT) => failure.because(Kind::NotFound, self.no_key, self.create),
            Some(libc::EEXIST) => {
                let facts = |f: Facts| format!(", {} {}, of {}", f.size, self.unit, f.whose());
                let which = self.find_key(key).map_or_else(String::new, |(id, found)| {
                    format!(": id {id}{}", found.map_or_else(String::new, facts))
                });
                failure.because(
                    Kind::Exists,
                    format!("a {} with this key exists already{which}", self.name),
                    "leave out GetFlags::EXCLUSIVE to use it, or remove it first",
                )
            }
            Some(libc::EACCES) => {
                let facts = self.find_key(key).and_then(|(_, found)| found);
                let needed = format!("open with mode {mode}");
                self.denied(failure, facts, &needed, self.ask_for_less)
            }
            _ => failure.other(),
        }
    }

    /// What a failed `shmctl` or `semctl` means.
    pub(in crate::sysv) fn control(&self, errno: Errno, command: &'static str, id: c_int) -> Error {
        let failure = Error::new(self.control, Some(command), Subject::Id(id), errno);
        self.control_failed(failure, id)
    }

    pub(super) fn control_failed(&self, failure: Error, id: c_int) -> Error {
        let errno = failure.errno.unwrap_or_default();
        if errno == libc::EIDRM {
            return self.gone(failure);
        }
        let found = self.find(id);
        if errno == libc::EINVAL && found.is_err() {
            return self.gone(failure);
        }
        let facts = found.ok().flatten();
        match (errno, failure.command) {
            (libc::EACCES, Some("SETVAL" | "SETALL")) => {
                self.denied(failure, facts, "alter", self.change_mode)
            }
            (libc::EACCES, _) => self.denied(failure, facts, "read", self.change_mode),
            (libc::EPERM, Some("SHM_LOCK" | "SHM_UNLOCK")) => {
                self.not_permitted(failure, facts, "CAP_IPC_LOCK")
            }
            (libc::EPERM, _) => self.not_permitted(failure, facts, "CAP_SYS_ADMIN"),
            (libc::ERANGE, _) => failure.because(
                Kind::OutOfRange,
                "a semaphore's value is at most 32767",
                "give a value within 0 to 32767",
            ),
            (libc::EINVAL, Some("IPC_SET")) => failure.invalid(
                "this user namespace does not know the user or the group",
                "give ids that are mapped in /proc/self/uid_map and gid_map",
            ),
            _ => failure.other(),
        }
    }

    /// What the failure of a command that takes an index of the kernel's table means.
    pub(in crate::sysv) fn index(&self, errno: Errno, command: &'static str, index: u32) -> Error {
        let failure = Error::new(self.control, Some(command), Subject::Index(index), errno);
        match errno.0 {
            libc::EINVAL if command.ends_with("_ANY") && self.stands_at(index) => failure.because(
                Kind::Unsupported,
                "this kernel does not know the command",
                "use stat_index, which needs the right to read, or Linux 4.17",
            ),
            libc::EINVAL | libc::EIDRM => failure.because(
                Kind::NotFound,
                "nothing stands at this place of the kernel's table",
                "go on with the next index, up to the highest that usage tells",
            ),
            libc::EACCES => {
                let hint = "use stat_index_any, which needs no right";
                self.denied(failure, None, "read", hint)
            }
            _ => failure.other(),
        }
    }

    /// Whether the command that every kernel knows finds an object at this index.
    fn stands_at(&self, index: u32) -> bool {
        let found = (self.stat)(index as c_int, self.stat_index);
        !matches!(found, Err(Errno(libc::EINVAL | libc::EIDRM)))
    }

    pub(super) fn gone(&self, failure: Error) -> Error {
        failure.because(Kind::Removed, self.no_id, GET_THE_ID_AGAIN)
    }

    /// `EACCES`: who we are, whose it is, and which right is missing.
    pub(super) fn denied(
        &self,
        failure: Error,
        facts: Option<Facts>,
        needed: &str,
        hint: &'static str,
    ) -> Error {
        let (uid, gid) = syscalls::effective_ids();
        let name = self.name;
        let whose = facts.map_or_else(String::new, |f| format!(", which belongs to {}", f.whose()));
        let cause = format!("uid {uid}, gid {gid} has no right to {needed} the {name}{whose}");
        failure.because(Kind::Denied, cause, hint)
    }

    /// `EPERM` on a change that is the owner's and creator's business.
    fn not_permitted(&self, failure: Error, facts: Option<Facts>, capability: &str) -> Error {
        let uid = syscalls::effective_user();
        let name = self.name;
        let who = match facts {
            Some(f) if f.uid == f.cuid => format!("its owner and creator, uid {},", f.uid),
            Some(f) => format!("its owner, uid {}, its creator, uid {},", f.uid, f.cuid),
            None => String::from("its owner, its creator"),
        };
        let cause = format!(
            "uid {uid} may not do this to the {name}: {who} and processes with {capability} may"
        );
        let hint = "have its owner or creator do it, or run as one of them";
        failure.because(Kind::NotPermitted, cause, hint)
    }
}

/// Checks what `shmget` or `semget` is to be given.
pub(in crate::sysv) fn check_key_and_mode(
    call: &'static str,
    key: Key,
    mode: Mode,
) -> Result<(), Error> {
    let early = || Error::early(call, None, Subject::Key(key));
    if key.is_zero() {
        return Err(early().invalid(
            "key 0 is IPC_PRIVATE, which never leads to an existing object",
            "say Key::PRIVATE to create a private one, or use another number",
        ));
    }
    check_mode(early, mode)
}

fn check_mode(early: impl Fn() -> Error, mode: Mode) -> Result<(), Error> {
    if mode.is_valid() {
        return Ok(());
    }
    Err(early().invalid(
        format!("mode {mode} has bits outside 0777"),
        "give permission bits only, in octal: 0o640",
    ))
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_the_kernel_does_not_know_is_told_from_a_hole_in_its_table() {
        // One object, which may not be read, at index 3.
        let object = Object {
            stat: |index, _| {
                Err(Errno(if index == 3 {
                    libc::EACCES
                } else {
                    libc::EINVAL
                }))
            },
            ..*SEGMENT
        };
        let kind = |command, index| object.index(Errno(libc::EINVAL), command, index).kind();
        assert_eq!(kind("SHM_STAT_ANY", 3), Kind::Unsupported);
        assert_eq!(kind("SHM_STAT_ANY", 4), Kind::NotFound);
        assert_eq!(kind("SHM_STAT", 3), Kind::NotFound);
    }
}
