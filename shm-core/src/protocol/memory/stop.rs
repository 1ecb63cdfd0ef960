//! Stop points: steps of the protocol at which the tests let a process die.
//!
//! `stop!("commit: odd")` is nothing at all, unless the crate is built with `--cfg
//! shm_stop_points`. There it kills the process by `SIGKILL` if the environment asks for it:
//! `SHM_STOP="2 commit: odd"` means the second time that this point is passed.
//!
//! `stop!("birth: semaphores made", set)` also says which semaphore set that death leaves behind
//! with nothing that leads to it, so that the test which asked for the death can remove it.

#[cfg(not(shm_stop_points))]
macro_rules! stop {
    ($point:literal $(, $left:expr)?) => {};
}

#[cfg(shm_stop_points)]
macro_rules! stop {
    ($point:literal $(, $left:expr)?) => {
        crate::protocol::memory::stop::at($point, None $(.or(Some($left)))?)
    };
}

pub(crate) use stop;

/// Every point. A test fails for each one that it can't reach.
#[cfg(shm_stop_points)]
pub const POINTS: &[&str] = &[
    "birth: segment made",
    "birth: segment mapped",
    "birth: identified",
    "birth: semaphores made",
    "birth: semaphores installed",
    "birth: locked",
    "birth: schema written",
    "birth: payload cleared",
    "birth: copies written",
    "birth: sequence written",
    "birth: magic written",
    "birth: header written",
    "birth: ready",
    "birth: mark cleared",
    "birth: let go",
    "file birth: filled",
    "file birth: named",
    "file: restored",
    "adoption: magic written",
    "adoption: begun",
    "adoption: ready",
    "join: set replaced",
    "claim: semaphore raised",
    "claim: recorded",
    "claim: numbered",
    "claim: lock inherited",
    "claim: inherited lock repaired",
    "claim: inherited lock let go",
    "claim: record released",
    "claim: given back",
    "lock: taken",
    "lock: waiter marked",
    "lock: taken over",
    "commit: begun",
    "commit: odd",
    "commit: payload written",
    "commit: even",
    "commit: mirror written",
    "commit: range noted",
    "commit: range of a part noted",
    "store: half",
    "copy: half",
    "repair: begun",
    "repair: payload restored",
    "repair: done",
    "repair: range forgotten",
    "unlock: begun",
    "unlock: let go",
    "unlock: lock's sleeper woken",
    "unlock: waiters woken",
    "writer: waiters not yet woken",
    "wait: announced",
    "upgrade: begun",
    "upgrade: defaults in a copy",
    "upgrade: schema written",
    "upgrade: committed",
    "row: taken",
    "row: bases noted",
    "row: filled",
    "row: named",
    "row: shown",
    "row: membership raised",
    "row: waiters woken",
    "row: hidden",
    "row: cleared",
    "row: freed",
    "row: death noted",
    "row: reaping",
    "row: handed out",
    "replace: locked",
    "replace: tombstone set",
    "replace: another program's removed",
    "remove: tombstone set",
    "remove: file unlinked",
    "remove: semaphores removed",
    "remove: segment removed",
    "remove: ended for another, semaphores removed",
    "remove: ended for another",
];

/// Ends the process, if the environment says so.
#[cfg(shm_stop_points)]
pub(crate) fn at(point: &str, left: Option<crate::sysv::sem::Id>) {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

    assert!(POINTS.contains(&point), "{point} is not in the list");
    static WANTED: OnceLock<Option<(u32, String)>> = OnceLock::new();
    static PASSED: AtomicU32 = AtomicU32::new(0);
    let wanted = WANTED.get_or_init(|| {
        let wanted = std::env::var("SHM_STOP").ok()?;
        let (pass, point) = wanted.split_once(' ')?;
        Some((pass.parse().ok()?, point.to_owned()))
    });
    let due = wanted
        .as_ref()
        .is_some_and(|(pass, wanted)| wanted == point && PASSED.fetch_add(1, Relaxed) + 1 == *pass);
    if due {
        if let Some(set) = left {
            eprintln!("leaves semaphore set {set}");
        }
        // SAFETY: raise(3) touches no memory of ours.
        unsafe { libc::raise(libc::SIGKILL) };
    }
}
