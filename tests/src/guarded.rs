//! The struct of `c/guarded.c`, under each of its guards.

use std::time::Duration;

use nix::libc::pthread_mutex_t;
use shm_core::{Error, GuardedBox, Key, Opaque, RawBox, SemGuard, SharedLayout, field};

/// The bytes of a mutex: their number differs between processors.
pub type MutexBytes = Opaque<{ size_of::<pthread_mutex_t>() }, { align_of::<pthread_mutex_t>() }>;

/// How many bytes the C program keeps for a mutex, whichever processor it was made for.
pub const ROOM: usize = 48;

/// Counters, and room for a mutex.
#[derive(SharedLayout, Clone, Copy, Debug)]
#[repr(C)]
pub struct Guarded {
    /// Of this processor.
    pub lock: MutexBytes,
    /// What is left of the room for it.
    #[shared(padding)]
    pub _room: [u8; ROOM - size_of::<MutexBytes>()],
    /// How often any process counted.
    pub total: i32,
    /// How often each did.
    pub rows: [i32; 4],
    /// Fills it up.
    pub spare: i32,
}

/// The segment of this key under the guard of this name, as the C program takes it.
///
/// # Errors
///
/// Those of `RawBox::open`, `SemGuard::open` and `RawBox::guarded_by_pthread`.
pub fn guarded(key: Key, guard: &str, limit: Duration) -> Result<GuardedBox<Guarded>, Error> {
    let raw = RawBox::options().timeout(limit).open(key)?;
    if guard == "sem" {
        return Ok(raw.guarded_by(SemGuard::open(key, 0, limit)?));
    }
    // SAFETY: the processes of a test trust each other, and use the mutex as one only.
    unsafe { raw.guarded_by_pthread(field!(Guarded.lock)) }
}
