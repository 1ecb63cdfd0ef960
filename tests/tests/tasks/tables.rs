//! Tasks that wait for rows to come and go.

use std::pin::pin;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::task::{Context, Waker};
use std::thread;
use std::time::Duration;

use shm_core::{ErrorKind, MembershipStream, Place, RowLife, SharedTable};
use shm_tests::{Folder, Guard, Home, Peer, Row};
use tokio::runtime::Runtime;

use crate::runtimes::runtimes;
use crate::{PEER, TASKS};

/// Ends this process if no task is woken.
fn in_time<R>(work: impl FnOnce() -> R) -> R {
    let (end, over) = channel::<()>();
    let guard = thread::spawn(move || {
        if over.recv_timeout(Duration::from_secs(60)) == Err(RecvTimeoutError::Timeout) {
            eprintln!("no task was woken in a minute");
            std::process::abort();
        }
    });
    let result = work();
    drop(end);
    guard.join().unwrap();
    result
}

fn is_ready(stream: &mut MembershipStream<Row>) -> bool {
    let mut context = Context::from_waker(Waker::noop());
    pin!(stream.next()).poll(&mut context).is_ready()
}

/// A task of its own waits for what `act` makes of the membership.
fn wakes(
    runtime: &Runtime,
    mut stream: MembershipStream<Row>,
    act: impl FnOnce(),
) -> MembershipStream<Row> {
    while is_ready(&mut stream) {}
    let task = runtime.spawn(async move { (stream.next().await, stream) });
    runtime.block_on(tokio::task::yield_now());
    act();
    let (next, stream) = in_time(|| runtime.block_on(task)).unwrap();
    assert!(next.unwrap().is_ok());
    stream
}

fn claims_releases_and_deaths_wake(
    runtime: &Runtime,
    place: &Place,
    stream: MembershipStream<Row>,
) {
    let table = SharedTable::<Row>::open(place.clone()).unwrap();
    let mut seat = None;
    let stream = wakes(runtime, stream, || {
        seat = table.claim(Row::new(1, 1)).ok();
    });
    let stream = wakes(runtime, stream, || drop(seat));
    let name = place.to_string();
    let mut peer = Peer::start(PEER, ["table", "sit", &name, "1"]);
    peer.line();
    let stream = wakes(runtime, stream, || peer.kill());
    assert!(table.look().unwrap().any(|row| row.life() == RowLife::Dead));
    table.reap(|_, _| ()).unwrap();
    drop(stream);
}

#[test]
fn claims_releases_and_deaths_wake_a_task() {
    let guard = Guard::new();
    let home = Home::file(Folder::in_memory());
    for place in [Place::from(guard.key()), home.place().clone()] {
        let mut options = SharedTable::<Row>::options();
        options.rows(3).remove_on_drop(true);
        let table = options.create_new(place.clone()).unwrap();
        let view = options.open_read_only(place.clone()).unwrap();
        for (_, runtime) in runtimes() {
            claims_releases_and_deaths_wake(&runtime, &place, table.stream());
            claims_releases_and_deaths_wake(&runtime, &place, view.stream());
        }
    }
}

#[test]
fn a_task_that_waits_for_rows_learns_that_their_table_was_removed() {
    for (_, runtime) in runtimes() {
        for by_another_program in [false, true] {
            let guard = Guard::new();
            let mut options = SharedTable::<Row>::options();
            let table = options.rows(2).create_new(guard.key()).unwrap();
            let view = options.open_read_only(guard.key()).unwrap();
            let tasks = [table.stream(), view.stream()].map(|mut stream| {
                while is_ready(&mut stream) {}
                runtime.spawn(async move { (stream.next().await, stream.next().await) })
            });
            runtime.block_on(tokio::task::yield_now());
            match by_another_program {
                true => guard.ipcrm(),
                false => table.remove().unwrap(),
            }
            for task in tasks {
                let (end, behind) = in_time(|| runtime.block_on(task)).unwrap();
                assert_eq!(end.unwrap().unwrap_err().kind(), ErrorKind::Removed);
                assert!(behind.is_none());
            }
        }
    }
}

#[test]
fn a_child_waits_for_rows_that_it_inherited_and_its_end_wakes_its_parent() {
    let mut parent = Peer::start(TASKS, ["fork table"]);
    parent.expect("told");
    parent.succeed();
}
