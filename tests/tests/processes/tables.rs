//! Rows of processes that come, go and die.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use shm_core::sysv::{sem, shm};
use shm_core::{ErrorKind, Key, OnDeath, RowId, RowLife, SharedBox, SharedTable, TableView, field};
use shm_tests::rows::{LIMIT, owner, sits_dies_and_is_reaped, table, until};
use shm_tests::{
    Additions, Counted, Folder, Guard, Home, NOBODY, Peer, Row, as_user, may_change_user,
};

fn sits(guard: &Guard, count: u64) -> Peer {
    acts("sit", &guard.arg(), count)
}

fn acts(action: &str, place: &str, number: u64) -> Peer {
    let program = env!("CARGO_BIN_EXE_peer");
    Peer::start(program, ["table", action, place, &number.to_string()])
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

/// A table that goes with its last process leaves a set behind if that one is killed: the kernel counted its death there.
#[test]
fn the_set_of_a_table_that_went_with_a_killed_process_is_orphaned() {
    let guard = Guard::new();
    let mut options = SharedTable::<Row>::options();
    let table = options.rows(3).create_new(guard.key()).unwrap();
    let (set, memory) = (guard.set(), guard.memory());
    let mut peer = sits(&guard, 1);
    peer.line();
    shm::remove(memory.id()).unwrap();
    drop((table, memory));
    let is_orphaned = || shm_core::orphaned_sets().unwrap().contains(&set);
    assert!(!is_orphaned(), "the peer has it");
    drop(peer);
    assert!(is_orphaned(), "{:?}", sem::values(set));
    sem::remove(set).unwrap();
}

/// One look after the kernel has undone what the process did has to see it, also right behind a look that found all alive.
#[test]
fn a_look_sees_each_death_at_once_however_all_was_judged_before() {
    let guard = Guard::new();
    let table = table(&guard, 9, OnDeath::Keep);
    let view = SharedTable::<Row>::options()
        .open_read_only(guard.key())
        .unwrap();
    let _own = table.claim(Row::new(1, 1)).unwrap();
    let looks: [&TableView<Row>; 2] = [&view, &table];
    let dead = |table: &TableView<Row>| {
        let rows = table.look().unwrap();
        rows.filter(|row| row.life() == RowLife::Dead).count()
    };
    let mut peers: Vec<Peer> = (0..3).map(|_| sits(&guard, 1)).collect();
    for (round, mut peer) in (1..).zip([0; 3].map(|_| peers.pop().unwrap())) {
        peer.line();
        for table in looks {
            assert_eq!((dead(table), dead(table)), (round - 1, round - 1));
        }
        drop(peer);
        for table in looks {
            assert_eq!((dead(table), dead(table)), (round, round));
        }
        // One that has come since the last judgement.
        let mut late = sits(&guard, 1);
        late.line();
        assert_eq!(dead(&table), round);
        drop(late);
        assert_eq!((dead(&view), dead(&table)), (round + 1, round + 1));
        let mut reaped = 0;
        table
            .reap(|id, _| {
                assert!(id.number() > 1);
                reaped += 1;
            })
            .unwrap();
        assert_eq!(reaped, round + 1);
        // So that the next round finds as many.
        for _ in 0..round {
            let mut dies = sits(&guard, 1);
            dies.line();
            drop(dies);
        }
    }
    let mut peer = acts("leave", &guard.arg(), 0);
    if peer.line() != "left" {
        println!("SKIPPED: leaving an IPC namespace: this user may not");
        return;
    }
    for table in looks {
        assert_eq!((dead(table), dead(table)), (3, 3), "one that left lives");
    }
    drop(peer);
    for table in looks {
        assert_eq!((dead(table), dead(table)), (4, 4));
    }
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
        sits_dies_and_is_reaped(&table, acts("sit", &home.arg(), 3), 3);
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

/// What a reader finds in a row: whole, and of the process that the row names. `false`: it was let go meanwhile.
fn check(row: &shm_core::RowView<'_, Row>, guard: u64) -> bool {
    match row.get() {
        Ok(value) => {
            assert!(value.is_whole(), "torn: {value:?}");
            let owner = u64::from(row.owner().unwrap());
            assert!(
                [owner, guard].contains(&value.owner),
                "{owner} has {value:?}"
            );
            true
        }
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Stale, "{error}");
            false
        }
    }
}

/// More processes than rows claim, write, release and reap; one after another is killed. With `SHM_FULL`: 5,000 of them, beside
/// 10,000,000 reads.
#[test]
fn kills_at_random_lose_no_row_and_tear_none() {
    const OWN: u64 = 7;
    let full = std::env::var_os("SHM_FULL").is_some();
    let (kills, least) = if full {
        (5000, 10_000_000)
    } else {
        (20, 10_000)
    };
    let (rows, crowd) = (4, 5);
    let guard = Guard::new();
    let table = table(&guard, rows, OnDeath::Keep);
    let seat = table.claim(Row::new(OWN, 1)).unwrap();
    let (over, reads, stale) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
    let mut killed = 0;
    thread::scope(|scope| {
        scope.spawn(|| {
            let view = SharedTable::<Row>::options()
                .open_read_only(guard.key())
                .unwrap();
            while !over.load(Relaxed) {
                for row in view.rows() {
                    let count = if check(&row, OWN) { &reads } else { &stale };
                    count.fetch_add(1, Relaxed);
                }
                assert_eq!(view.get(seat.id()).unwrap(), Row::new(OWN, 1));
            }
        });
        let churns = || acts("churn", &guard.arg(), 0);
        let mut peers: Vec<Peer> = (0..crowd).map(|_| churns()).collect();
        let mut number = 1_u64;
        while killed < kills || reads.load(Relaxed) < least {
            number = number
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            let victim = (number >> 33) as usize % peers.len();
            thread::sleep(Duration::from_micros(number >> 53));
            assert!(!peers[victim].has_ended(), "it ended by itself");
            peers[victim].kill();
            peers[victim] = churns();
            killed += 1;
            if killed % 16 == 0 {
                table.look().unwrap().for_each(|row| {
                    check(&row, OWN);
                });
            }
        }
        for peer in &peers {
            peer.kill();
        }
        drop(peers);
        over.store(true, Relaxed);
    });
    println!(
        "{killed} kills, {} rows read, {} let go meanwhile",
        reads.load(Relaxed),
        stale.load(Relaxed)
    );
    let mut seats = Vec::new();
    until("all rows but one are to be had", || {
        seats.extend(table.claim(Row::new(OWN, 2)).ok());
        seats.len() == rows as usize - 1
    });
    assert_eq!(
        table.claim(Row::new(OWN, 3)).unwrap_err().kind(),
        ErrorKind::Full
    );
    assert_eq!(
        table.rows().filter(|row| check(row, OWN)).count(),
        rows as usize
    );
    drop(seats);
    assert_eq!(table.rows().count(), 1);
}

/// More processes than rows count, and one after another is killed. With `SHM_FULL`: 5,000 of them.
#[test]
fn kills_at_random_lose_no_count_and_double_none() {
    let full = std::env::var_os("SHM_FULL").is_some();
    let kills: u64 = if full { 5000 } else { 20 };
    let guard = Guard::new();
    let mut options = SharedTable::<Counted>::options();
    options.rows(4).remove_on_drop(true);
    let table = options.create_new(guard.key()).unwrap();
    let mut options = SharedBox::options();
    options.remove_on_drop(true);
    let known = options.create_new(Key::PRIVATE, Additions::default());
    let known = known.unwrap();
    let id = known.id().unwrap().as_raw();
    let churns = || acts("count: churn", &guard.arg(), id.try_into().unwrap());
    let mut peers: Vec<Peer> = (0..5).map(|_| churns()).collect();
    let (mut number, mut last) = (1_u64, 0);
    let mut check = |lost: u64| {
        let before = known.get().unwrap();
        let total = table.total(field!(Counted.n)).unwrap();
        let after = known.get().unwrap();
        assert!(last <= total, "it fell from {last} to {total}");
        // Of what a process had begun when it was killed nothing more is known.
        assert!(
            (before.done..=after.begun).contains(&total),
            "{before:?}, {total}, {after:?}"
        );
        // At one instant: others go on between two reads.
        assert!(before.begun - before.done <= lost + 5, "{before:?}");
        last = total;
        total
    };
    for killed in 1..=kills {
        number = number
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        let victim = (number >> 33) as usize % peers.len();
        thread::sleep(Duration::from_micros(number >> 53));
        assert!(!peers[victim].has_ended(), "it ended by itself");
        peers[victim].kill();
        check(killed);
        peers[victim] = churns();
    }
    until("they count", || check(kills) > 200);
    for peer in &peers {
        peer.kill();
    }
    drop(peers);
    println!("{kills} kills, {} counted", check(kills));
    until("all are reaped", || {
        table.reap(|_, _| ()).unwrap();
        table.rows().count() == 0
    });
    check(kills);
}

/// With `SHM_FULL`: 1,000 rows of 200 processes.
#[test]
fn a_crowd_has_its_rows_and_one_look_sees_all_that_died() {
    let full = std::env::var_os("SHM_FULL").is_some();
    let (crowd, each) = if full { (200, 5) } else { (12, 5) };
    let rows = crowd * each;
    let guard = Guard::new();
    let table = table(&guard, rows as u32, OnDeath::Keep);
    let sits = |_| acts("sit in some", &guard.arg(), each as u64);
    let mut peers: Vec<Peer> = (0..crowd).map(sits).collect();
    for peer in &mut peers {
        peer.expect(&each.to_string());
    }
    let lives = |wanted| {
        let rows = table.look().unwrap();
        rows.filter(|row| {
            assert!(row.get().unwrap().is_whole());
            row.life() == wanted
        })
        .count()
    };
    assert_eq!(lives(RowLife::Live), rows);
    for peer in &peers {
        let its = table.rows().filter(|row| row.owner() == Some(peer.pid()));
        assert_eq!(its.count(), each);
    }
    let refused = table.claim(Row::new(1, 1)).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Full);
    peers.truncate(crowd / 2);
    assert_eq!(lives(RowLife::Dead), rows / 2);
    let mut reaped = 0;
    let reap = |_, last: Result<Row, _>| reaped += usize::from(last.unwrap().is_whole());
    assert_eq!(table.reap(reap).unwrap(), rows / 2);
    assert_eq!(reaped, rows / 2);
    assert_eq!(lives(RowLife::Live), rows / 2);
    drop(peers);
    assert_eq!(lives(RowLife::Dead), rows / 2);
}

/// Time on a processor; `None` where the kernel keeps no such account.
fn used(peer: &Peer) -> Option<Duration> {
    let account = std::fs::read_to_string(format!("/proc/{}/schedstat", peer.pid())).ok()?;
    let nanos = account.split_whitespace().next()?.parse().ok()?;
    Some(Duration::from_nanos(nanos))
}

/// With `SHM_FULL`: 200 of them for 20 seconds.
#[test]
fn those_who_wait_take_next_to_no_processor() {
    let full = std::env::var_os("SHM_FULL").is_some();
    let (crowd, seconds) = if full { (200, 20.0) } else { (8, 0.3) };
    let guard = Guard::new();
    let table = table(&guard, 2, OnDeath::Keep);
    let waits = |_| acts("wait", &guard.arg(), 0);
    let mut peers: Vec<Peer> = (0..crowd).map(waits).collect();
    peers.iter_mut().for_each(|peer| drop(peer.line()));
    let all = || peers.iter().map(used).sum::<Option<Duration>>();
    let Some(before) = all() else {
        println!("SKIPPED: what waiters take: there is no /proc/PID/schedstat");
        return;
    };
    thread::sleep(Duration::from_secs_f64(seconds));
    let used = (all().unwrap() - before).as_secs_f64() / seconds;
    println!(
        "{crowd} that wait take {:.2} % of a processor",
        used * 100.0
    );
    assert!(used < 0.1, "they look again and again: {used}");
    drop(peers);
    drop(table);
}

#[test]
fn of_two_that_claim_the_last_free_row_at_once_one_gets_it() {
    let guard = Guard::new();
    let table = table(&guard, 1, OnDeath::Keep);
    let boxes = [0, 1].map(|_| SharedTable::<Row>::open(guard.key()).unwrap());
    for round in 0..200 {
        let barrier = std::sync::Barrier::new(2);
        let seats = thread::scope(|scope| {
            let claim = |table| {
                let barrier = &barrier;
                scope.spawn(move || {
                    let table: &SharedTable<Row> = table;
                    barrier.wait();
                    table
                        .claim(Row::new(round, 0))
                        .map_err(|error| error.kind())
                })
            };
            let claims = boxes.each_ref().map(claim);
            claims.map(|claim| claim.join().unwrap())
        });
        let lost = seats
            .iter()
            .filter(|seat| matches!(seat, Err(ErrorKind::Full)));
        assert_eq!(lost.count(), 1, "round {round}");
        assert_eq!(table.rows().count(), 1);
    }
}

/// Waits in a thread of its own for the next change, while `act` makes it; says how long that took from the end of the act.
fn is_woken(table: &TableView<Row>, act: impl FnOnce()) -> Duration {
    let before = table.membership();
    thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            let now = table.wait_membership_timeout(before, LIMIT).unwrap();
            (now, Instant::now())
        });
        thread::sleep(Duration::from_millis(1));
        act();
        let acted = Instant::now();
        let (now, woken) = waiter.join().unwrap();
        assert!(
            now.is_some_and(|now| now > before),
            "{before}, then {now:?}"
        );
        woken.saturating_duration_since(acted)
    })
}

fn wakes(table: &SharedTable<Row>, waits: &TableView<Row>, place: &str) -> Duration {
    let mut seat = None;
    is_woken(waits, || seat = table.claim(Row::new(1, 1)).ok());
    let mut seat = seat.unwrap();
    let quiet = waits.membership();
    for beat in 2..100 {
        seat.set(Row::new(1, beat)).unwrap();
    }
    assert_eq!(
        waits
            .wait_membership_timeout(quiet, Duration::from_millis(3))
            .unwrap(),
        None
    );
    is_woken(waits, || drop(seat));
    let mut peer = acts("sit", place, 1);
    peer.line();
    let took = is_woken(waits, || peer.kill());
    // The count that a waiter was told is not told again.
    table.reap(|_, _| ()).unwrap();
    took
}

#[test]
fn those_who_wait_are_woken_by_claims_releases_and_deaths_and_not_by_heartbeats() {
    let guard = Guard::new();
    let table = table(&guard, 3, OnDeath::Keep);
    let view = SharedTable::<Row>::options()
        .open_read_only(guard.key())
        .unwrap();
    wakes(&table, &view, &guard.arg());
    wakes(
        &table,
        &SharedTable::<Row>::open(guard.key()).unwrap(),
        &guard.arg(),
    );
    let home = Home::file(Folder::in_memory());
    let mut options = SharedTable::<Row>::options();
    let in_file = options.rows(3).create_new(home.place()).unwrap();
    wakes(&in_file, &in_file, &home.arg());
    in_file.remove().unwrap();

    let mut changes = table.changes();
    let first = changes.next().unwrap().unwrap();
    let _seat = table.claim(Row::new(1, 1)).unwrap();
    assert!(changes.next().unwrap().unwrap() > first);
    table.remove().unwrap();
    assert_eq!(
        changes.next().unwrap().unwrap_err().kind(),
        ErrorKind::Removed
    );
    assert!(changes.next().is_none());
    drop((_seat, view));
}

/// From the kill to the waiter, by the kernel's count. The figure is for people: a busy machine is later.
#[test]
fn a_death_reaches_a_waiter_without_polling() {
    let guard = Guard::new();
    let table = table(&guard, 2, OnDeath::Keep);
    let rounds = if std::env::var_os("SHM_FULL").is_some() {
        200
    } else {
        5
    };
    let mut took: Vec<_> = (0..rounds)
        .map(|_| wakes(&table, &table, &guard.arg()))
        .collect();
    took.sort_unstable();
    println!(
        "woken after a kill: median {:?}, worst {:?}",
        took[rounds / 2],
        took[rounds - 1]
    );
}

/// Whatever stands in the words of a table: no crash, no panic, no hang.
#[test]
fn hostile_words_in_a_table_end_no_process() {
    let seeds = if std::env::var_os("SHM_FULL").is_some() {
        300
    } else {
        4
    };
    for seed in 1..=seeds {
        let guard = Guard::new();
        let table = table(&guard, 3, OnDeath::Keep);
        let place = format!("id:{}", guard.memory().id());
        acts("be struck", &place, seed).succeed();
        drop(table);
    }
}
