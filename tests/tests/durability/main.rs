//! What a value in a file is after a power loss, a restart, a copy, and the end of its writers.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod block_log;
mod copies;
mod power_loss;
mod restarts;
mod rights;
mod upgrades;

use shm_core::{Error, SharedBox, SharedView};
use shm_tests::Whole;

/// The version of a value, all of which must be of that version.
fn version_of(shared: &SharedView<Whole>) -> Result<u64, Error> {
    let seen = shared.snapshot()?;
    assert!(
        seen.value.is_of(seen.version),
        "a mixture: {:?}",
        seen.value
    );
    Ok(seen.version)
}

/// Commits the next version.
fn commit(shared: &SharedBox<Whole>) -> u64 {
    shared.set(Whole::of(shared.version() + 1)).unwrap()
}
