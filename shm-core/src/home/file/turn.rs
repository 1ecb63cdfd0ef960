//! Waiting for others to get out of the way, up to a limit.

use std::time::{Duration, Instant};

/// Between two looks.
const NAP: Duration = Duration::from_millis(1);

/// Calls `attempt` until it yields something, and once more when the time is over; `None` if that came to nothing.
pub(super) fn within<R, E>(
    limit: Duration,
    mut attempt: impl FnMut() -> Result<Option<R>, E>,
) -> Result<Option<R>, E> {
    let start = Instant::now();
    loop {
        let is_last = start.elapsed() >= limit;
        match attempt()? {
            None if !is_last => std::thread::sleep(NAP),
            result => return Ok(result),
        }
    }
}
