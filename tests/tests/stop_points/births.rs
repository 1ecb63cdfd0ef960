//! Deaths of those who create.

use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::time::{Duration, Instant};

use shm_core::{ErrorKind, Inspector, SharedBox, SharedView};
use shm_tests::{
    Guard, at_each_stop, dies, held_at, in_own_ipc_namespace, mortal, segments, semaphore_sets,
};

use crate::world::{NEW, SECOND, SURVIVOR, Table, whole};

/// A process dies while it creates, another one while it ends that birth; then several create at
/// once.
pub(crate) fn births(points: &[String], table: &mut Table) -> BTreeSet<String> {
    let mut reached = BTreeSet::new();
    let mut firsts = Vec::new();
    at_each_stop(points, |stop| {
        let guard = Guard::new();
        let died = dies("birth", &guard, 64, NEW, Some(stop));
        if died {
            firsts.push(stop.clone());
            let creator = born(&guard, table, &[NEW]);
            table.count(format!("{} | -", stop.point), creator);
        }
        died
    });
    for first in &firsts {
        reached.insert(first.point.clone());
        at_each_stop(points, |second| {
            let guard = Guard::new();
            assert!(dies("birth", &guard, 64, NEW, Some(first)));
            let died = dies("birth", &guard, 64, SECOND, Some(second));
            let creator = born(&guard, table, &[NEW, SECOND]);
            if died {
                table.count(format!("{} | {}", first.point, second.point), creator);
            }
            died
        });
    }
    reached
}

/// After deaths in birth: a process that opens gets the whole value or a clear error; of those who create
/// at once one at most does.
fn born(guard: &Guard, table: &mut Table, dead: &[u64]) -> &'static str {
    let opened = SharedBox::<[u64; 8]>::options()
        .timeout(Duration::from_millis(5))
        .open(guard.key());
    let ready = match opened {
        Ok(shared) => Some(whole(&shared.get().unwrap())),
        Err(error) if error.kind() == ErrorKind::Unfinished => None,
        Err(error) => panic!("{error}"),
    };
    let start = Instant::now();
    let key = guard.key();
    let threads: Vec<_> = (100..104)
        .map(|number| {
            std::thread::spawn(move || {
                let shared = SharedBox::open_or_create(key, || [number; 8]).unwrap();
                (shared.created(), whole(&shared.get().unwrap()), shared)
            })
        })
        .collect();
    let all: Vec<_> = threads.into_iter().map(|t| t.join().unwrap()).collect();
    table.in_time("open_or_create", start);
    let created = all.iter().filter(|(created, ..)| *created).count();
    let number = all[0].1;
    assert!(all.iter().all(|(_, seen, _)| *seen == number), "two values");
    assert_eq!(created, usize::from(!dead.contains(&number)));
    if let Some(ready) = ready {
        assert_eq!(ready, number, "what was ready stays");
    }
    let start = Instant::now();
    let (_, _, shared) = &all[0];
    let version = shared.set([SURVIVOR; 8]).unwrap();
    table.in_time("set", start);
    assert!(version > 1);
    assert_eq!(
        whole(&SharedView::<[u64; 8]>::open(key).unwrap().get().unwrap()),
        SURVIVOR
    );
    match number {
        NEW => "the first",
        SECOND => "the second",
        _ => "a survivor",
    }
}

/// It used to wait for the dead one until its limit was over: each took the newborn for the other's.
#[test]
fn a_creator_takes_back_its_newborn_that_a_dead_one_gave_other_slots() {
    in_own_ipc_namespace(|| {
        let guard = Guard::new();
        let key = guard.arg();
        let born = |slots| ["birth with slots", &*key, slots];
        // Both numbers make segments of one size.
        let mut held = held_at("birth: segment mapped", &born("249"));
        let mut dead = Command::new(mortal());
        dead.args(born("256"));
        dead.env("SHM_STOP", "1 birth: identified");
        assert_eq!(dead.status().unwrap().signal(), Some(9));
        held.go_on();
        held.succeed();
        assert_eq!(Inspector::open(guard.key()).unwrap().slots(), 249);
        assert_eq!((segments().len(), semaphore_sets().len()), (1, 1));
    });
}
