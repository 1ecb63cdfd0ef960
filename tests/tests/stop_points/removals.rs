//! Deaths of those who remove.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use shm_core::sysv::{Kind, sem};
use shm_core::{Error, ErrorKind, SharedBox};
use shm_tests::{at_each_stop, dies};

use crate::world::{LIMIT, NEW, OLD, SECOND, SURVIVOR, Table, World, whole};

/// A process dies while it removes; another one while it ends that; then a third creates anew.
pub(crate) fn removal(points: &[String], table: &mut Table) -> BTreeSet<String> {
    let mut reached = BTreeSet::new();
    let mut removals = Vec::new();
    reached.extend(at_each_stop(points, |first| {
        let world = World::<8>::new();
        let set = world.guard.set();
        let died = world.dies("remove", NEW, Some(first));
        if died {
            removals.push(first.clone());
            let outcome = anew(&world, table, set);
            table.count(format!("{} | remove", first.point), outcome);
        }
        died
    }));
    for first in &removals {
        reached.extend(at_each_stop(points, |second| {
            let world = World::<8>::new();
            let set = world.guard.set();
            assert!(world.dies("remove", NEW, Some(first)));
            let died = dies("birth", &world.guard, 64, SECOND, Some(second));
            if died {
                let outcome = anew(&world, table, set);
                let row = format!("{} | then birth, {}", first.point, second.point);
                table.count(row, outcome);
            }
            died
        }));
    }
    reached
}

fn anew(world: &World<8>, table: &mut Table, set: sem::Id) -> &'static str {
    let removed = |result: Result<u64, Error>| match result {
        Ok(number) => {
            assert!([OLD, SURVIVOR].contains(&number));
            false
        }
        Err(error) if error.kind() == ErrorKind::Removed => true,
        Err(error) => panic!("{error}"),
    };
    let start = Instant::now();
    let read = removed(world.view.get().map(|value| whole(&value)));
    let written = removed(world.shared.set([SURVIVOR; 8]).map(|_| SURVIVOR));
    assert_eq!(read, written);
    table.in_time("get and set", start);
    let waited = world.shared.wait_timeout(u64::MAX / 4, LIMIT / 4);
    assert_eq!(
        read,
        waited
            .as_ref()
            .is_err_and(|error| error.kind() == ErrorKind::Removed),
        "{waited:?}"
    );

    let start = Instant::now();
    match SharedBox::<[u64; 8]>::options()
        .timeout(Duration::from_millis(5))
        .open(world.guard.key())
    {
        Ok(shared) => assert!([OLD, SECOND, SURVIVOR].contains(&whole(&shared.get().unwrap()))),
        // The little time may be over just after it has ended the removal.
        Err(error) if matches!(error.kind(), ErrorKind::Unfinished | ErrorKind::Removed) => {
            assert!(read);
        }
        Err(error)
            if error
                .sysv()
                .is_some_and(|error| error.kind() == Kind::NotFound) =>
        {
            assert!(read)
        }
        Err(error) => panic!("{error}"),
    }
    table.in_time("open", start);
    let start = Instant::now();
    let shared = SharedBox::open_or_create(world.guard.key(), || [100; 8]).unwrap();
    table.in_time("open_or_create", start);
    let number = whole(&shared.get().unwrap());
    if read {
        assert!([100, SECOND].contains(&number));
        assert!(world.shared.is_removed().unwrap());
        assert_ne!(shared.id(), world.shared.id());
        // The old segment's set is gone, or no process could ever remove it.
        assert!(
            sem::stat(set).is_err(),
            "the removed segment's semaphores are left"
        );
        "a new one"
    } else {
        assert_eq!(number, SURVIVOR);
        "not removed"
    }
}
