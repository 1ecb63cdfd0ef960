//! Deaths of those who put a segment in the place of one that no process uses.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use shm_core::SharedBox;
use shm_core::sysv::shm;
use shm_tests::{
    Guard, Memory, Stop, at_each_stop, dies, own_ipc_namespace, segments, semaphore_sets,
};

use crate::world::{NEW, OLD, SURVIVOR, Table};

type Make = fn(&Guard);

/// What may stand under the key, and how it comes there.
const KINDS: [(&str, Make); 4] = [
    ("another type", another_type),
    ("a damaged header", damaged),
    ("a newborn", newborn),
    ("another program's", foreign),
];

fn another_type(guard: &Guard) {
    drop(SharedBox::create_new(guard.key(), [OLD; 8]).unwrap());
    guard.memory();
}

fn damaged(guard: &Guard) {
    another_type(guard);
    let memory = guard.memory();
    memory.write(memory.len() - 308, &[0xff; 4]);
}

fn newborn(guard: &Guard) {
    let stop = Stop {
        point: "birth: locked".to_owned(),
        pass: 1,
    };
    assert!(dies("birth", guard, 65_536, OLD, Some(&stop)));
    guard.memory();
}

fn foreign(guard: &Guard) {
    let memory: Memory = guard.foreign(4096);
    memory.write(0, &[1; 4096]);
}

/// A process dies while it replaces what it can't use; then another one does so.
pub(crate) fn replacements(points: &[String], table: &mut Table) -> BTreeSet<String> {
    let own = own_ipc_namespace();
    let mut reached = BTreeSet::new();
    for (kind, make) in KINDS {
        reached.extend(at_each_stop(points, |stop| {
            let guard = Guard::new();
            let before = (segments(), semaphore_sets());
            make(&guard);
            let died = dies("replace", &guard, 64, NEW, Some(stop));
            if died {
                let outcome = replaced(&guard, table);
                table.count(format!("{} | {kind}", stop.point), outcome);
            }
            drop(SharedBox::<[u32; 16]>::open(guard.key()).map(|shared| shared.remove()));
            if own {
                assert_eq!((segments(), semaphore_sets()), before, "{stop:?}, {kind}");
            }
            died
        }));
    }
    reached
}

fn replaced(guard: &Guard, table: &mut Table) -> &'static str {
    let start = Instant::now();
    let mut options = SharedBox::<[u32; 16]>::options();
    options
        .replace_unused(true)
        .timeout(Duration::from_millis(50));
    let survivor = SURVIVOR as u32;
    let shared = options
        .open_or_create(guard.key(), || [survivor; 16])
        .unwrap();
    table.in_time("open_or_create", start);
    let value = shared.get().unwrap();
    assert_eq!(shm::stat(shared.id().unwrap()).unwrap().attached, 1);
    assert_eq!(shared.created(), value == [survivor; 16]);
    shared.set([9; 16]).unwrap();
    if shared.created() {
        "the survivor's"
    } else {
        assert_eq!(value, [NEW as u32; 16]);
        "the dead one's"
    }
}
