//! Deaths of those who write: at each step of a commit, of a repair, of taking over a slot.

use std::collections::BTreeSet;
use std::time::Instant;

use shm_core::sysv::sem;
use shm_core::{SharedBox, SharedView, field};
use shm_tests::{Guard, Halves, Stop, at_each_stop, dies, set_slots, slots};

use crate::world::{NEW, OLD, SECOND, Table, World, name};

const WRITES: [&str; 5] = ["set", "update", "writer", "wait", "attach"];

pub(crate) fn one_death<const N: usize>(
    points: &[String],
    table: &mut Table,
    new: impl Fn() -> World<N>,
) -> BTreeSet<String> {
    let mut reached = BTreeSet::new();
    for action in WRITES {
        reached.extend(at_each_stop(points, |stop| {
            let mut died = false;
            let mut world = new();
            let found = world.survive(table, |world| died = world.dies(action, NEW, Some(stop)));
            if died {
                table.count(format!("{} | {action}", stop.point), name(found));
            }
            died
        }));
    }
    for (action, wanted) in [("die in update", OLD), ("die with a writer", NEW)] {
        let mut world = new();
        let found = world.survive(table, |world| assert!(world.dies(action, NEW, None)));
        assert_eq!(found, wanted);
        table.count(format!("- | {action}"), name(found));
    }
    reached
}

/// Deaths while a part of the value is stored: the other part stays, and neither the payload nor a
/// mirror keeps an older one.
pub(crate) fn parts(points: &[String], table: &mut Table) -> BTreeSet<String> {
    at_each_stop(points, |stop| {
        let guard = Guard::new();
        let halves = |left, right| Halves {
            left: [left; 4],
            right: [right; 4],
        };
        let shared = SharedBox::create_new(guard.key(), halves(OLD, OLD)).unwrap();
        let view = SharedView::<Halves>::open(guard.key()).unwrap();
        shared.store(field!(Halves.right), [10; 4]).unwrap();
        let died = dies("store left", &guard, 64, NEW, Some(stop));
        let left = view.get().unwrap().left[0];
        assert!(left == NEW || died && left == OLD);
        assert_eq!(view.get().unwrap(), halves(left, 10));
        for right in 11..15 {
            let start = Instant::now();
            shared.store(field!(Halves.right), [right; 4]).unwrap();
            table.in_time("store", start);
            assert_eq!(view.get().unwrap(), halves(left, right));
            // With the payload half-written readers turn to the mirror; then the repair does.
            let odd = Stop {
                point: "store: half".to_owned(),
                pass: 1,
            };
            assert!(dies("store left", &guard, 64, SECOND, Some(&odd)));
            assert_eq!(view.get().unwrap(), halves(left, right), "from the mirror");
        }
        if died {
            table.count(format!("{} | store a part", stop.point), name(left));
        }
        died
    })
}

/// A process dies while it waits for a lock whose owner lives.
pub(crate) fn waiting_for_the_lock(
    points: &[String],
    table: &mut Table,
    new: impl Fn() -> World<8>,
) -> BTreeSet<String> {
    at_each_stop(points, |stop| {
        // It passes that point once a millisecond.
        if stop.pass > 1 {
            return false;
        }
        let mut died = false;
        let mut world = new();
        let found = world.survive(table, |world| {
            let writer = world.shared.writer().unwrap();
            died = world.dies("contend", NEW, Some(stop));
            drop(writer);
        });
        if died {
            assert_eq!(found, OLD);
            table.count(format!("{} | contend", stop.point), name(found));
        }
        died
    })
}

/// The steps of a commit after which the lock is still held, found by trying.
fn deaths_that_leave_the_lock(points: &[String], new: impl Fn() -> World<8>) -> Vec<Stop> {
    let mut stops = Vec::new();
    at_each_stop(points, |stop| {
        let world = new();
        let died = world.dies("set", NEW, Some(stop));
        if died && lock_word(&world) != 0 {
            stops.push(stop.clone());
        }
        died
    });
    stops
}

/// The lock, 128 bytes from the end, as `FORMAT.md` has it.
fn lock_word(world: &World<8>) -> u32 {
    let all = match &world.home {
        Some(home) => std::fs::read(home.path()).unwrap(),
        None => world.guard.memory().bytes(),
    };
    let bytes = &all[all.len() - 128..][..4];
    u32::from_ne_bytes(bytes.try_into().unwrap())
}

/// A process dies holding the lock; the one that takes over dies at each of its own steps; a third
/// survives.
pub(crate) fn repairs(
    points: &[String],
    table: &mut Table,
    new: impl Fn() -> World<8>,
) -> BTreeSet<String> {
    let mut reached = BTreeSet::new();
    let firsts = deaths_that_leave_the_lock(points, &new);
    assert!(firsts.len() >= 8, "{firsts:?}");
    for first in &firsts {
        reached.extend(at_each_stop(points, |second| {
            let mut died = false;
            let mut world = new();
            let found = world.survive(table, |world| {
                assert!(world.dies("set", NEW, Some(first)));
                let found = world.look();
                assert!(found == OLD || found == NEW);
                died = world.dies("set", SECOND, Some(second));
                assert!(
                    [found, SECOND].contains(&world.look()),
                    "a repair changes no value"
                );
            });
            if died {
                table.count(format!("{} | {}", first.point, second.point), name(found));
            }
            died
        }));
    }
    reached
}

/// The same where the second process gets the very slot that the lock names: all others are taken.
pub(crate) fn inheritances(points: &[String], table: &mut Table) -> BTreeSet<String> {
    let mut reached = BTreeSet::new();
    for first in &deaths_that_leave_the_lock(points, World::new) {
        reached.extend(at_each_stop(points, |second| {
            let mut died = false;
            let mut world = World::<8>::new();
            let found = world.survive(table, |world| {
                assert!(world.dies("set", NEW, Some(first)));
                let found = world.look();
                let slot = (lock_word(world) & 0x3ff) as usize - 1;
                let memory = world.guard.memory();
                let word = memory.read(memory.len() - 320 + 64, 4);
                let set = sem::Id::from_raw(i32::from_ne_bytes(word.try_into().unwrap()) - 1);
                let mut taken = vec![1; slots(set).len()];
                taken[slot] = 0;
                set_slots(set, &taken);
                died = world.dies("set", SECOND, Some(second));
                assert!(
                    [found, SECOND].contains(&world.look()),
                    "a repair changes no value"
                );
                taken.fill(0);
                set_slots(set, &taken);
            });
            if died {
                table.count(
                    format!("{} | {} (heir)", first.point, second.point),
                    name(found),
                );
            }
            died
        }));
    }
    reached
}

/// A process dies while it makes a new semaphore set in the place of one that was removed, or claims
/// its slot there; the next one goes on.
pub(crate) fn lost_sets(points: &[String], table: &mut Table) -> BTreeSet<String> {
    at_each_stop(points, |stop| {
        let mut world = World::<8>::new();
        sem::remove(world.guard.set()).unwrap();
        let died = world.dies("set", NEW, Some(stop));
        let found = world.look();
        let installed = world.guard.set();
        let fresh = SharedBox::<[u64; 8]>::open(world.guard.key()).unwrap();
        if world.guard.set() != installed {
            // Without tags it was no segment's; or it is the one that was removed.
            let _ = sem::remove(installed);
        }
        for shared in [&fresh, &world.shared, &fresh] {
            shared
                .update(|value| assert_eq!(*value, [found; 8]))
                .unwrap();
        }
        world.look();
        // The survivor's own slot is the one that it had before.
        assert!(slots(world.guard.set()).iter().any(|value| *value != 0));
        if died {
            table.count(format!("{} | its set lost", stop.point), name(found));
        }
        died
    })
}
