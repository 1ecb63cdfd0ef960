//! Where a candidate keeps its value: a number, from which parent and child derive key and name
//! alike.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

static NEXT: AtomicU32 = AtomicU32::new(1);

/// One place, used by one candidate.
#[derive(Clone, Copy, Debug)]
pub struct Place(pub u32);

impl Place {
    /// One that no other process that runs uses.
    pub fn fresh() -> Place {
        let count = NEXT.fetch_add(1, Relaxed);
        assert!(count < 1 << 10, "more places than a number has room for");
        Place((std::process::id() & 0x3f_ffff) << 10 | count)
    }

    /// One that this process uses for a moment only, again and again.
    pub fn fresh_again() -> Place {
        Place((std::process::id() & 0x3f_ffff) << 10)
    }

    /// The System V key.
    pub fn key(self) -> u32 {
        self.0
    }

    /// The name, where names lead to shared memory.
    pub fn name(self) -> String {
        format!("competitors-{:08x}", self.0)
    }
}
