//! Opens an id that is removed and given to another segment as soon as it was asked about: to one of
//! a single page, and to another user's. Ends by a signal where bytes beyond a mapping are read, and
//! with an error where a segment is trusted that is not to be.
//!
//! The program has the C library's `shmctl` and `shmat` itself, and so decides what happens between
//! two system calls.

use std::cell::Cell;
use std::error::Error;
use std::ffi::c_void;

use nix::libc;
#[cfg(not(target_arch = "x86"))]
use nix::libc as calls;
use shm_core::{RawBox, SharedBox, SharedView, sysv::shm};
use shm_tests::own_ipc_namespace;

/// The numbers of these calls since Linux 5.1; the `libc` crate knows only the call that was all of them before.
#[cfg(target_arch = "x86")]
#[allow(non_upper_case_globals, reason = "as in the libc crate")]
mod calls {
    pub(super) const SYS_shmget: i32 = 395;
    pub(super) const SYS_shmctl: i32 = 396;
    pub(super) const SYS_shmat: i32 = 397;
}

const KEY: libc::key_t = 0x5a;
const STRANGER: u32 = 12_345;
const ID: i32 = 7;

/// Many pages.
type Value = [u64; 1 << 13];

type Failure = Box<dyn Error>;

/// What an id may come to mean.
#[derive(Clone, Copy)]
struct Plan {
    size: usize,
    user: u32,
}

const OURS: Plan = Plan {
    size: size_of::<Value>(),
    user: 0,
};

const SMALL: Plan = Plan { size: 64, user: 0 };

const STRANGERS: Plan = Plan {
    size: size_of::<Value>(),
    user: STRANGER,
};

thread_local! {
    /// What the id is to mean after the next call, if nothing keeps it from that.
    static NEXT: Cell<Option<Plan>> = const { Cell::new(None) };
}

fn main() -> Result<(), Failure> {
    if !own_ipc_namespace() {
        println!("SKIPPED: only root gets an IPC namespace of its own");
        return Ok(());
    }
    if std::fs::write("/proc/sys/kernel/shm_next_id", ID.to_string()).is_err() {
        println!("SKIPPED: kernel.shm_next_id can't be set");
        return Ok(());
    }
    if become_user(STRANGER).and_then(|()| become_user(0)).is_err() {
        println!("SKIPPED: can't become another user here");
        return Ok(());
    }
    for next in [SMALL, STRANGERS] {
        let id = begin(next)?;
        if let Ok(raw) = RawBox::<Value>::open(id) {
            std::hint::black_box(raw.get()?);
            trusted(raw.info()?)?;
        }
        let id = begin(next)?;
        // It looks for a control block at the end of the segment.
        if SharedView::<u64>::open(id).is_ok() {
            return Err("a segment of zeros passed for one of the library's".into());
        }
        // The segment of a birth is another one before it was attached.
        make(Plan { size: 64, user: 0 })?;
        remove()?;
        NEXT.set(Some(next));
        std::fs::write("/proc/sys/kernel/shm_next_id", ID.to_string())?;
        if let Ok(shared) = SharedBox::<Value>::create_new(0x5b, [1; 1 << 13]) {
            trusted(shared.info()?)?;
            shared.remove()?;
        }
        NEXT.set(None);
    }
    println!("done");
    Ok(())
}

fn trusted(facts: shm::Stat) -> Result<(), Failure> {
    match facts.cuid {
        STRANGER => Err("a stranger's segment passed for this user's".into()),
        _ => Ok(()),
    }
}

/// Makes [`OURS`], which is to be `next` after the first call on it.
fn begin(next: Plan) -> Result<shm::Id, Failure> {
    NEXT.set(None);
    // Whatever has the id by now.
    let _ = remove();
    make(OURS)?;
    NEXT.set(Some(next));
    Ok(shm::Id::from_raw(ID))
}

fn swap() {
    if let Some(plan) = NEXT.take() {
        // An attached segment keeps its id, and then nothing else gets it.
        let _ = remove();
        let _ = make(plan);
    }
}

/// Makes a segment with the id [`ID`], or none.
fn make(plan: Plan) -> Result<(), Failure> {
    std::fs::write("/proc/sys/kernel/shm_next_id", ID.to_string())?;
    become_user(plan.user)?;
    // SAFETY: shmget(2) touches no memory.
    let id = unsafe { libc::syscall(calls::SYS_shmget, KEY, plan.size, libc::IPC_CREAT | 0o666) };
    become_user(0)?;
    if id != i64::from(ID) as libc::c_long {
        // SAFETY: shmctl(2): `IPC_RMID` ignores the pointer.
        unsafe { libc::syscall(calls::SYS_shmctl, id, libc::IPC_RMID, 0) };
        return Err(format!("the kernel gave the id {id}").into());
    }
    Ok(())
}

fn remove() -> Result<(), Failure> {
    // SAFETY: shmctl(2): `IPC_RMID` ignores the pointer.
    match unsafe { libc::syscall(calls::SYS_shmctl, ID, libc::IPC_RMID, 0) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error().into()),
    }
}

/// Changes the effective user of this thread.
fn become_user(user: u32) -> Result<(), Failure> {
    const SAME: u32 = u32::MAX;
    // SAFETY: setresuid(2) touches no memory.
    match unsafe { libc::syscall(libc::SYS_setresuid, SAME, user, SAME) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error().into()),
    }
}

/// # Safety
///
/// As for shmctl(2).
#[unsafe(no_mangle)]
unsafe extern "C" fn shmctl(id: i32, command: i32, facts: *mut c_void) -> i32 {
    // SAFETY: shmctl(2) itself.
    let code = unsafe { libc::syscall(calls::SYS_shmctl, id, command, facts) };
    if id == ID && command == libc::IPC_STAT {
        swap();
    }
    code as i32
}

/// # Safety
///
/// As for shmat(2).
#[unsafe(no_mangle)]
unsafe extern "C" fn shmat(id: i32, address: *const c_void, flags: i32) -> *mut c_void {
    // SAFETY: shmat(2) itself.
    let at = unsafe { libc::syscall(calls::SYS_shmat, id, address, flags) };
    if id == ID {
        swap();
    }
    std::ptr::with_exposed_provenance_mut(at as usize)
}
