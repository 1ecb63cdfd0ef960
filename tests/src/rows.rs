//! What tests of tables share: a table of [`Row`]s, and what they wait for.

use std::thread;
use std::time::{Duration, Instant};

use shm_core::{OnDeath, SharedTable};

use crate::{Guard, Peer, Row};

/// A death is noticed once the kernel has undone the semaphore.
pub const LIMIT: Duration = Duration::from_secs(10);

/// A new table under the guard's key.
///
/// # Panics
///
/// If there can be none.
pub fn table(guard: &Guard, rows: u32, on_death: OnDeath) -> SharedTable<Row> {
    let mut options = SharedTable::<Row>::options();
    options.rows(rows).on_death(on_death).remove_on_drop(true);
    options.create_new(guard.key()).expect("a new table")
}

/// Looks again until it is so.
///
/// # Panics
///
/// If it is not for [`LIMIT`].
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < LIMIT, "never: {what}");
        thread::yield_now();
    }
}

/// Whose rows a process's are, as they tell.
pub fn owner(peer: &Peer) -> u64 {
    peer.pid().into()
}

/// Kills a process that says when it has the only row, with this count: what it committed last is reaped, once.
///
/// # Panics
///
/// If that is not so.
pub fn sits_dies_and_is_reaped(table: &SharedTable<Row>, mut peer: Peer, count: u64) {
    peer.line();
    let last = Row::new(owner(&peer), count);
    let row = table.rows().next().expect("it has one");
    assert_eq!(row.get().expect("a whole row"), last);
    peer.kill();
    let mut reaped = Vec::new();
    until("it is reaped", || {
        let one = |_, last: Result<Row, _>| reaped.push(last.expect("a whole row"));
        table.reap(one).expect("it may reap") == 1
    });
    assert_eq!(reaped, [last]);
}
