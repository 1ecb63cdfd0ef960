//! Deaths of those who claim, write, release, notice and reap rows of a table: no row is lost, none has two owners, and what
//! the living have is as it was.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::Instant;

use shm_core::{ErrorKind, RowId, RowLife, SharedTable, TableView, field};
use shm_tests::family::{CAPACITY, Version, v1};
use shm_tests::rows::until;
use shm_tests::{
    Counted, Guard, LAST_COUNT, Row, Stop, at_each_stop, dies_at, held_at, mortal, stop_points,
};

use crate::world::Table;

/// What the dying process stores in its row, the one that died before it, and this one.
const MORTAL: u64 = 70;
const DEAD: u64 = 80;
const OWN: u64 = 90;

/// Rows of the table: one of this process, and as many others.
const OTHERS: usize = 2;

/// Has a process claim a row and die with it.
fn leave_a_dead_row(guard: &Guard) {
    let mut command = Command::new(mortal());
    command.args(["table", "claim and die", &guard.arg(), &DEAD.to_string()]);
    assert!(!command.status().unwrap().success(), "it dies");
}

fn dies(guard: &Guard, action: &str, stop: &Stop) -> bool {
    let action = format!("table {action}");
    dies_at(&action, &guard.arg(), 0, MORTAL, Some(stop))
}

/// Each value that is shown is one commit of an owner that there was.
fn look(view: &TableView<Row>) {
    for row in view.rows() {
        match row.get() {
            Ok(row) => assert!(
                row.is_whole() && [MORTAL, DEAD, OWN].contains(&row.owner),
                "{row:?}"
            ),
            Err(error) => panic!("no process writes: {error}"),
        }
    }
}

/// A process dies at this stop of its action. `false`: it does not come to it.
fn one_death(action: &str, stop: &Stop, table: &mut Table) -> bool {
    let guard = Guard::new();
    let mut options = SharedTable::<Row>::options();
    let rows = options.rows(1 + OTHERS as u32).create_new(guard.key());
    let rows = rows.unwrap();
    let seat = rows.claim(Row::new(OWN, 1)).unwrap();
    leave_a_dead_row(&guard);
    let view = options.open_read_only(guard.key()).unwrap();
    let died = dies(&guard, action, stop);

    let start = Instant::now();
    look(&view);
    let shown = view.rows().count();
    let lives: Vec<_> = rows.look().unwrap().map(|row| row.life()).collect();
    look(&view);
    assert_eq!(view.get(seat.id()).unwrap(), Row::new(OWN, 1));
    let living = lives.iter().filter(|life| **life == RowLife::Live).count();
    assert_eq!(living, 1, "{lives:?}: those of the dead are dead");

    // All rows but this process's own are to be had, each once, and show what their new owners say.
    let seats: Vec<_> = (0..OTHERS as u64)
        .map(|count| rows.claim(Row::new(OWN, 10 + count)).unwrap())
        .collect();
    let full = rows.claim(Row::new(OWN, 99)).unwrap_err();
    assert_eq!(full.kind(), ErrorKind::Full, "{full}");
    for (count, seat) in (10..).zip(&seats) {
        assert_eq!(view.get(seat.id()).unwrap(), Row::new(OWN, count));
    }
    drop(seats);
    assert_eq!(view.rows().count(), 1);
    assert_eq!(rows.reap(|id, _| panic!("{id}")).unwrap(), 0);
    table.in_time("claims and releases", start);
    rows.remove().unwrap();
    if died {
        let shown = ["none", "1 row", "2 rows", "3 rows"][shown];
        table.count(format!("{} | {action}", stop.point), shown);
    }
    died
}

#[test]
fn a_death_at_any_step_of_a_row_loses_no_row_and_touches_no_other() {
    let points: Vec<String> = stop_points()
        .into_iter()
        .filter(|point| {
            let steps = ["row:", "commit:", "repair:", "store:", "copy:"];
            steps.iter().any(|step| point.starts_with(step))
        })
        .collect();
    let mut table = Table::default();
    let mut reached = BTreeSet::new();
    for action in ["claim and release", "look", "reap", "claim all"] {
        reached.extend(at_each_stop(&points, |stop| {
            one_death(action, stop, &mut table)
        }));
    }
    table.print("| stop point | what it did | rows that were shown |");
    let missed: Vec<_> = points
        .iter()
        .filter(|point| point.starts_with("row:") && !reached.contains(*point))
        .collect();
    assert!(missed.is_empty(), "never reached: {missed:?}");
}

/// A process dies at this stop of its action, in a table where others have counted. `false`: it does not come to it.
fn one_death_of_many_counts(action: &str, stop: &Stop, table: &mut Table) -> bool {
    let n = field!(Counted.n);
    let guard = Guard::new();
    let mut options = SharedTable::<Counted>::options();
    let rows = options.rows(1 + OTHERS as u32).create_new(guard.key());
    let rows = rows.unwrap();
    let mut seat = rows.claim(Counted::new(OWN)).unwrap();
    seat.fetch_add(n, 100 * LAST_COUNT).unwrap();
    let mut command = Command::new(mortal());
    command.args(["table", "count: claim and die", &guard.arg(), "80"]);
    assert!(!command.status().unwrap().success(), "it dies");
    let before = rows.total(n).unwrap();
    assert_eq!(before, 102 * LAST_COUNT);
    let died = dies(&guard, &format!("count: {action}"), stop);

    let after = rows.total(n).unwrap();
    assert!(
        (before..=before + 2).contains(&after),
        "{before}, then {after}"
    );
    assert_eq!(rows.get(seat.id()).unwrap().n, 100 * LAST_COUNT);
    for row in rows
        .look()
        .unwrap()
        .filter(|row| row.life() == RowLife::Dead)
    {
        let last = row.get().unwrap();
        assert!([0, 1, 2, LAST_COUNT].contains(&last.n), "{last:?}");
        assert_eq!(last.sums, [last.owner; 6]);
    }
    // Whoever comes next begins at 0.
    let mut seats: Vec<_> = (0..OTHERS)
        .map(|_| rows.claim(Counted::new(OWN)).unwrap())
        .collect();
    for seat in &mut seats {
        assert_eq!(rows.get(seat.id()).unwrap().n, 0);
        assert_eq!(seat.fetch_add(n, 1).unwrap(), 0);
        seat.set(Counted::new(OWN)).unwrap();
        assert_eq!(rows.get(seat.id()).unwrap().n, 1);
    }
    drop((seats, seat));
    assert_eq!(rows.total(n).unwrap(), after + OTHERS as u64);
    rows.remove().unwrap();
    if died {
        table.count(
            format!("{} | {action}", stop.point),
            ["0", "1", "2"][(after - before) as usize],
        );
    }
    died
}

#[test]
fn a_death_at_any_step_of_a_row_loses_no_count_and_doubles_none() {
    let points: Vec<String> = stop_points()
        .into_iter()
        .filter(|point| {
            let steps = ["row:", "commit:", "repair:", "copy:"];
            steps.iter().any(|step| point.starts_with(step))
        })
        .collect();
    let mut table = Table::default();
    for action in ["claim and release", "reap", "claim all"] {
        at_each_stop(&points, |stop| {
            one_death_of_many_counts(action, stop, &mut table)
        });
    }
    table.print("| stop point | what it did | what it had counted |");
}

/// A claimant finds behind its exchange that it can't write what is in force: the row, which was a dead owner's, goes as if that
/// claimant had had it.
#[test]
fn a_row_that_was_claimed_for_nothing_is_cleared_and_its_end_is_told() {
    let guard = Guard::new();
    let mut options = SharedTable::<v1::Station>::options();
    options.rows(8).capacity(CAPACITY);
    let table = options.create_new(guard.key()).unwrap();
    let mut seats: Vec<_> = (0..7)
        .map(|_| table.claim(v1::Station::first()).unwrap())
        .collect();
    let arguments = ["claim a row", &guard.arg(), "0", "1"];
    held_at("row: shown", &arguments).kill();
    let others = |row: &RowId| seats.iter().all(|seat| seat.id() != *row);
    let id = table.rows().map(|row| row.id()).find(others).unwrap();
    until("its death is noticed", || {
        let dead = |row: shm_core::RowView<'_, _>| row.life() == RowLife::Dead;
        table.look().unwrap().any(dead)
    });
    let memory = guard.memory();
    let row = || memory.read(id.index() as usize * CAPACITY, CAPACITY);
    assert!(row().iter().any(|byte| *byte != 0));
    let before = table.membership();
    let mut claimant = held_at("row: taken", &arguments);
    // Another generation, whose room says of the value no more than how long it is.
    let (room, state) = (memory.len() - 320 + 24, memory.len() - 320 + 136);
    let room = memory.read(room, 8).try_into().map(usize::from_ne_bytes);
    let size = 3 * 9 * CAPACITY + room.unwrap() + 8;
    memory.store(size, CAPACITY as u64, 8);
    memory.store(state, 1 << 8 | 1, 4);
    claimant.go_on();
    assert!(!claimant.finish().0.success());
    memory.store(state, 1, 4);
    assert_eq!(table.get(id).unwrap_err().kind(), ErrorKind::Stale);
    assert!(row().iter().all(|byte| *byte == 0), "the last owner's");
    assert!(table.membership() > before);
    seats.push(table.claim(v1::Station::first()).unwrap());
    drop(seats);
    table.remove().unwrap();
}
