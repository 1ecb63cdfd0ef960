//! Every step of the protocol was once some process's last. At each one a process dies; those that
//! survive read, write, wait and attach.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod adoptions;
mod births;
mod files;
mod removals;
mod replacements;
mod table_upgrades;
mod tables;
mod upgrades;
mod world;
mod writers;

use std::collections::BTreeSet;
use std::panic::resume_unwind;
use std::path::Path;
use std::thread::ScopedJoinHandle;

use shm_tests::{Guard, Stop, dies, in_own_ipc_namespace, mortal, semaphore_sets, stop_points};

use crate::world::{NEW, Table, World};

#[test]
fn a_death_at_any_step_leaves_the_old_or_the_new_value_and_blocks_nobody() {
    let points = stop_points();
    // At once, to keep two processors busy; neither knows of the other's segments.
    let reached: BTreeSet<String> = std::thread::scope(|scope| {
        let writing = scope.spawn(|| writing(&points));
        let life = scope.spawn(|| beginning_and_ending(&points));
        joined(writing).into_iter().chain(joined(life)).collect()
    });
    let missed: Vec<_> = points
        .iter()
        .filter(|point| !reached.contains(*point))
        // What rows pass: `tables.rs`.
        .filter(|point| !point.starts_with("row:"))
        // What an upgrade passes: `upgrades.rs`.
        .filter(|point| !point.starts_with("upgrade:"))
        // What files alone pass: `files.rs`.
        .filter(|point| !point.contains("file"))
        .collect();
    assert!(missed.is_empty(), "never reached: {missed:?}");
}

/// Deaths of those who write.
fn writing(points: &[String]) -> BTreeSet<String> {
    let mut table = Table::default();
    let mut reached = writers::one_death::<8>(points, &mut table, World::new);
    reached.extend(writers::one_death::<8192>(points, &mut table, World::new));
    reached.extend(writers::waiting_for_the_lock(
        points,
        &mut table,
        World::new,
    ));
    table.print("| stop point | what it did | value that stood |");

    let mut table = Table::default();
    reached.extend(writers::repairs(points, &mut table, World::new));
    reached.extend(writers::inheritances(points, &mut table));
    reached.extend(writers::lost_sets(points, &mut table));
    table.print("| died first at | died while repairing at | value that stood |");

    let mut table = Table::default();
    reached.extend(writers::parts(points, &mut table));
    table.print("| stop point | what it did | value that stood |");
    reached
}

/// Deaths of those who make, adopt, replace and remove.
fn beginning_and_ending(points: &[String]) -> BTreeSet<String> {
    let mut table = Table::default();
    let mut reached = removals::removal(points, &mut table);
    table.print("| stop point | what it did | value that stood |");

    let mut table = Table::default();
    reached.extend(births::births(points, &mut table));
    table.print("| died first in birth | died second in birth | who made it ready |");

    let mut table = Table::default();
    reached.extend(adoptions::adoptions(points, &mut table));
    table.print("| died first adopting | died second adopting | first value |");

    let mut table = Table::default();
    reached.extend(replacements::replacements(points, &mut table));
    table.print("| died replacing | what stood there | first value |");
    reached
}

fn joined<R>(thread: ScopedJoinHandle<'_, R>) -> R {
    thread.join().unwrap_or_else(|panic| resume_unwind(panic))
}

/// A waiter used to sleep on for a quarter of a second: the repair raised the version past the one
/// that it had announced, so no later commit woke it.
#[test]
fn those_who_wait_for_a_dead_writers_value_are_woken_by_whoever_takes_over() {
    for point in ["commit: odd", "commit: even", "unlock: begun"] {
        let stop = Stop {
            point: point.to_owned(),
            pass: 1,
        };
        let mut table = Table::default();
        for _ in 0..5 {
            let mut world = World::<8>::new();
            world.survive(&mut table, |world| {
                assert!(world.dies("set", NEW, Some(&stop)));
            });
        }
        assert!(
            table.late < 3,
            "{point}: {} of 5 were not woken",
            table.late
        );
    }
}

/// Nothing leads to such a set: what removes it has to know it from the dying process itself.
#[test]
fn the_set_that_a_dead_creator_never_installed_goes_with_the_death() {
    in_own_ipc_namespace(|| {
        let guard = Guard::new();
        let stop = Stop {
            point: "birth: semaphores made".to_owned(),
            pass: 1,
        };
        assert!(dies("birth", &guard, 64, NEW, Some(&stop)));
        assert_eq!(semaphore_sets().len(), 0);
    });
}

#[test]
fn a_normal_build_shows_no_trace_of_stop_points() {
    let text_of = |program: &Path| {
        let bytes = std::fs::read(program).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let normal = text_of(Path::new(env!("CARGO_BIN_EXE_mortal")));
    let stopping = text_of(mortal());
    // Their names: the variable that asks for them is known to this test's own library.
    for point in stop_points() {
        assert!(!normal.contains(&point), "{point}");
        assert!(stopping.contains(&point), "{point}");
    }
}
