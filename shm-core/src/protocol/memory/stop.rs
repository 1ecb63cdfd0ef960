//! Stop points: steps of the protocol at which the tests let a process die.
//!
//! `stop!("commit: odd")` is nothing at all, unless the crate is built with `--cfg
//! shm_stop_points`. There it kills the process by `SIGKILL` if the environment asks for it:
//! `SHM_STOP="2 commit: odd"` means the second time that this point is passed. `SHM_STOP_SIGNAL=19`
//! holds it there (`SIGSTOP`) until a test lets it go on.
//!
//! `stop!("birth: semaphores made", set)` also says which semaphore set that death leaves behind
//! with nothing that leads to it, so that the test which asked for the death can remove it.
//!
//! The tests find the names in the source, and one fails for each point that it can't reach.

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

/// Ends the process, if the environment says so.
#[cfg(shm_stop_points)]
pub(crate) fn at(point: &str, left: Option<crate::sysv::sem::Id>) {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

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
        let signal = std::env::var("SHM_STOP_SIGNAL").ok();
        let signal = signal.and_then(|signal| signal.parse().ok());
        // SAFETY: raise(3) touches no memory of ours.
        unsafe { libc::raise(signal.unwrap_or(libc::SIGKILL)) };
    }
}
