//! Rows of processes that come, go and die.

use std::time::{Duration, Instant};

use shm_core::{ErrorKind, OnDeath, RowId, RowLife, SharedTable, TableView};
use shm_tests::{Folder, Guard, Home, NOBODY, Peer, Row, as_user, may_change_user};

/// A death is noticed once the kernel has undone the semaphore.
const LIMIT: Duration = Duration::from_secs(10);

fn table(guard: &Guard, rows: u32, on_death: OnDeath) -> SharedTable<Row> {
    let mut options = SharedTable::<Row>::options();
    options.rows(rows).on_death(on_death).remove_on_drop(true);
    options.create_new(guard.key()).unwrap()
}

fn sits(guard: &Guard, count: u64) -> Peer {
    acts("sit", &guard.arg(), count)
}

fn acts(action: &str, place: &str, number: u64) -> Peer {
    let program = env!("CARGO_BIN_EXE_peer");
    Peer::start(program, ["table", action, place, &number.to_string()])
}

/// Looks again until it is so.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < LIMIT, "never: {what}");
        std::thread::yield_now();
    }
}

fn owner(peer: &Peer) -> u64 {
    peer.pid().into()
}

#[test]
fn the_row_of_a_dead_process_keeps_its_last_value_until_it_is_reaped_once() {
    let guard = Guard::new();
    let table = table(&guard, 3, OnDeath::Keep);
    let view = SharedTable::<Row>::options()
        .open_read_only(guard.key())
        .unwrap();
    let mut peer = sits(&guard, 5);
    let name = peer.line();
    let row = table.rows().next().unwrap();
    assert_eq!(row.id().to_string(), name);
    assert_eq!(row.owner(), Some(peer.pid()));
    assert_eq!(table.reap(|id, _| panic!("{id} lives")).unwrap(), 0);
    let last = Row::new(owner(&peer), 5);
    peer.kill();

    let dead = |row: shm_core::RowView<'_, Row>| row.life() == RowLife::Dead;
    until("a view sees the death", || view.look().unwrap().any(dead));
    assert!(!view.rows().any(dead), "a view keeps it to itself");
    assert_eq!(
        table
            .look()
            .unwrap()
            .filter(|row| row.life() == RowLife::Dead)
            .count(),
        1
    );
    assert!(view.rows().any(dead), "noted for all");
    assert_eq!(view.get(row.id()).unwrap(), last);

    let mut reaped = Vec::new();
    let other = SharedTable::<Row>::open(guard.key()).unwrap();
    assert_eq!(
        table
            .reap(|id, last| reaped.push((id, last.unwrap())))
            .unwrap(),
        1
    );
    assert_eq!(other.reap(|id, _| panic!("{id} again")).unwrap(), 0);
    assert_eq!(reaped, [(row.id(), last)]);
    assert_eq!(view.get(row.id()).unwrap_err().kind(), ErrorKind::Stale);
    assert_eq!(view.rows().count(), 0);
}

#[test]
fn a_claim_takes_the_row_of_a_dead_owner_only_where_none_is_free() {
    let guard = Guard::new();
    let table = table(&guard, 2, OnDeath::Keep);
    let mut peer = sits(&guard, 1);
    let dead = peer.line();
    let id = |table: &TableView<Row>| -> RowId { table.rows().next().unwrap().id() };
    let dead_id = id(&table);
    assert_eq!(dead_id.to_string(), dead);
    peer.kill();
    let second = table.claim(Row::new(8, 0)).unwrap();
    assert_ne!(second.id().index(), dead_id.index());
    assert!(table.get(dead_id).unwrap().is_whole());
    let mut third = None;
    until("the row of the dead is claimed", || {
        third = table.claim(Row::new(9, 0)).ok();
        third.is_some()
    });
    let third = third.unwrap();
    assert_eq!(third.id().index(), dead_id.index());
    assert_eq!(table.get(dead_id).unwrap_err().kind(), ErrorKind::Stale);
    assert_eq!(table.get(third.id()).unwrap(), Row::new(9, 0));
    let full = table.claim(Row::new(10, 0)).unwrap_err();
    assert_eq!(full.claimants(), [std::process::id()]);
}

#[test]
fn rows_of_the_dead_are_freed_by_those_who_notice_where_that_was_asked_for() {
    let guard = Guard::new();
    let table = table(&guard, 3, OnDeath::Free);
    let mut peer = sits(&guard, 1);
    peer.line();
    let _own = table.claim(Row::new(1, 0)).unwrap();
    peer.kill();
    until("the row is freed", || table.look().unwrap().count() == 1);
    assert_eq!(table.rows().next().unwrap().get().unwrap(), Row::new(1, 0));
}

/// Whoever claims the slot of a dead process gets no row of that one's: they would look alive for as long as it lives.
#[test]
fn rows_of_the_dead_do_not_live_on_with_the_next_process_in_their_slot() {
    let guard = Guard::new();
    let mut options = SharedTable::<Row>::options();
    options.rows(4).slots(2).remove_on_drop(true);
    let table = options.create_new(guard.key()).unwrap();
    for round in 1..=3 {
        let mut peer = sits(&guard, round);
        peer.line();
        peer.kill();
    }
    // Of two slots this process has one, so all of them had the other.
    let mut next = None;
    until("the slot is free", || {
        next = SharedTable::<Row>::open(guard.key()).ok();
        next.is_some()
    });
    let dead = |table: &TableView<Row>| {
        let dead = table.rows().filter(|row| row.life() == RowLife::Dead);
        dead.count()
    };
    assert_eq!(dead(&table), 3);
    assert_eq!(
        table
            .reap(|_, last| assert!(last.unwrap().is_whole()))
            .unwrap(),
        3
    );
}

#[test]
fn a_forked_childs_copy_of_a_seat_writes_and_frees_nothing() {
    let guard = Guard::new();
    let table = table(&guard, 4, OnDeath::Keep);
    acts("fork", &guard.arg(), 0).succeed();
    until("both rows are free", || {
        table.reap(|_, _| ()).unwrap();
        table.rows().count() == 0
    });
}

/// The kernel undoes the semaphores of a living process that leaves its IPC namespace.
#[test]
fn no_row_is_taken_from_a_process_that_has_left_its_namespace_and_writes_on() {
    let guard = Guard::new();
    let table = table(&guard, 1, OnDeath::Keep);
    let mut peer = acts("leave", &guard.arg(), 0);
    if peer.line() != "left" {
        println!("SKIPPED: leaving an IPC namespace: this user may not");
        return;
    }
    let is_its = || {
        assert_eq!(
            table.claim(Row::new(7, 0)).unwrap_err().kind(),
            ErrorKind::Full
        );
        assert_eq!(table.reap(|id, _| panic!("{id} lives")).unwrap(), 0);
        let rows: Vec<_> = table.look().unwrap().map(|row| row.life()).collect();
        assert_eq!(rows, [RowLife::Live]);
    };
    is_its();
    peer.tell("write");
    let count: u64 = peer.line().parse().unwrap();
    assert!(count <= 1100, "it was told after {count} commits");
    is_its();
    peer.tell("end");
    peer.succeed();
}

#[test]
fn tables_live_in_files_too() {
    for home in [Home::file(Folder::new()), Home::file(Folder::in_memory())] {
        let mut options = SharedTable::<Row>::options();
        let table = options.rows(2).open_or_create(home.place()).unwrap();
        assert!(table.created());
        let mut peer = acts("sit", &home.arg(), 3);
        peer.line();
        let last = Row::new(owner(&peer), 3);
        assert_eq!(table.rows().next().unwrap().get().unwrap(), last);
        peer.kill();
        let mut reaped = Vec::new();
        until("it is reaped", || {
            let one = |_, last: Result<Row, _>| reaped.push(last.unwrap());
            table.reap(one).unwrap() == 1
        });
        assert_eq!(reaped, [last]);
        table.remove().unwrap();
    }
}

#[test]
fn a_table_is_read_by_those_who_may_and_claimed_in_by_those_who_may_write() {
    if !may_change_user("of tables") {
        return;
    }
    let guard = Guard::new();
    let mut options = SharedTable::<Row>::options();
    options.rows(2).mode(0o644).remove_on_drop(true);
    let table = options.create_new(guard.key()).unwrap();
    let _seat = table.claim(Row::new(1, 0)).unwrap();
    let key = guard.key();
    as_user(NOBODY, || {
        let view = SharedTable::<Row>::options().open_read_only(key).unwrap();
        assert_eq!(view.look().unwrap().count(), 1);
        assert_eq!(view.rows().next().unwrap().get().unwrap(), Row::new(1, 0));
        let denied = SharedTable::<Row>::open(key).unwrap_err();
        assert_eq!(denied.kind(), ErrorKind::System);
    })
    .unwrap();
}
