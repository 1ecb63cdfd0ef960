//! Deaths of those who make another program's segment one of their own.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use shm_core::sysv::{Mode, shm};
use shm_core::{ErrorKind, SharedBox, SharedView};
use shm_tests::{Guard, Memory, at_each_stop, dies};

use crate::world::{NEW, OLD, SURVIVOR, Table, whole};

fn plain(guard: &Guard) -> Memory {
    let size = SharedBox::<[u64; 8]>::segment_size().unwrap();
    let flags = shm::GetFlags::CREATE | shm::GetFlags::EXCLUSIVE;
    let id = shm::get(guard.key(), size, flags, Mode::new(0o600)).unwrap();
    let memory = Memory::attach(guard.watch(id));
    memory.write(0, &[OLD; 8].map(u64::to_ne_bytes).concat());
    memory
}

/// A process dies while it adopts, another one while it ends that; then several adopt at once.
pub(crate) fn adoptions(points: &[String], table: &mut Table) -> BTreeSet<String> {
    let mut firsts = Vec::new();
    let reached = at_each_stop(points, |stop| {
        let guard = Guard::new();
        let _memory = plain(&guard);
        let died = dies("adopt", &guard, 64, NEW, Some(stop));
        if died {
            firsts.push(stop.clone());
            let outcome = adopted(&guard, table);
            table.count(format!("{} | -", stop.point), outcome);
        }
        died
    });
    for first in &firsts {
        at_each_stop(points, |second| {
            let guard = Guard::new();
            let _memory = plain(&guard);
            assert!(dies("adopt", &guard, 64, NEW, Some(first)));
            let died = dies("adopt", &guard, 64, NEW, Some(second));
            let outcome = adopted(&guard, table);
            if died {
                table.count(format!("{} | {}", first.point, second.point), outcome);
            }
            died
        });
    }
    reached
}

/// Whatever was done: the value that stood before is the first one.
fn adopted(guard: &Guard, table: &mut Table) -> &'static str {
    let opened = SharedBox::<[u64; 8]>::options()
        .timeout(Duration::from_millis(5))
        .open(guard.key());
    match opened {
        Ok(shared) => assert_eq!(whole(&shared.get().unwrap()), OLD),
        Err(error) if matches!(error.kind(), ErrorKind::Unfinished | ErrorKind::Damaged) => {}
        Err(error) => panic!("{error}"),
    }
    let start = Instant::now();
    let key = guard.key();
    let threads = [0, 1, 2, 3].map(|index| {
        std::thread::spawn(move || {
            let mut options = SharedBox::<[u64; 8]>::options();
            options.adopt(true);
            if index % 2 == 0 {
                options.open(key).unwrap()
            } else {
                options.open_or_create(key, || [SURVIVOR; 8]).unwrap()
            }
        })
    });
    let boxes = threads.map(|thread| thread.join().unwrap());
    table.in_time("adopt", start);
    guard.memory();
    for shared in &boxes {
        let seen = shared.snapshot().unwrap();
        assert_eq!((whole(&seen.value), seen.version), (OLD, 1));
        assert!(!shared.created());
    }
    let start = Instant::now();
    let version = boxes[0].set([SURVIVOR; 8]).unwrap();
    table.in_time("set", start);
    assert!(version > 1);
    let view = SharedView::<[u64; 8]>::open(key).unwrap();
    assert_eq!(whole(&view.get().unwrap()), SURVIVOR);
    boxes[0].remove().unwrap();
    guard.assert_nothing_left();
    "what stood"
}
