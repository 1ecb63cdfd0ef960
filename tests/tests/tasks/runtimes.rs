//! On tokio, with one thread and with several.

use std::sync::Arc;
use std::time::{Duration, Instant};

use shm_core::{ChangeStream, ErrorKind, SharedBox, SharedView};
use shm_tests::{Guard, Peer};
use tokio::runtime::{Builder, Runtime};

use crate::TASKS;

pub(crate) fn runtimes() -> [(&'static str, Runtime); 2] {
    [
        ("one", Builder::new_current_thread().build().unwrap()),
        ("many", Runtime::new().unwrap()),
    ]
}

fn turns() -> u64 {
    match std::env::var_os("SHM_FULL") {
        Some(_) => 100_000,
        None => 1_000,
    }
}

/// A wake-up that is lost costs a quarter of a second, until the thread looks by itself.
#[test]
fn two_processes_take_turns_and_no_wake_up_is_lost() {
    for (name, runtime) in runtimes() {
        let guard = Guard::new();
        let shared = Arc::new(SharedBox::<u64>::create_new(guard.key(), 0).unwrap());
        let turns = turns();
        let mut other = Peer::start(TASKS, ["play", &guard.arg(), &turns.to_string(), name]);
        let task = runtime.spawn(async move {
            let mut changes: ChangeStream<u64, _> = ChangeStream::new(shared.clone());
            let (mut late, mut last) = (0, Instant::now());
            while let Some(seen) = changes.next().await {
                let seen = seen.unwrap();
                if seen.value == 2 * turns - 1 {
                    break;
                }
                if seen.value % 2 == 1 {
                    late +=
                        u64::from(seen.value > 1 && last.elapsed() > Duration::from_millis(240));
                    last = Instant::now();
                    shared.set(seen.value + 1).unwrap();
                }
            }
            late
        });
        let late = runtime.block_on(task).unwrap();
        other.expect("played");
        other.succeed();
        println!("{name}: {late} of {turns} turns were late");
        // The machine may be.
        assert!(late <= 2, "{name}: {late} of {turns}");
    }
}

#[test]
fn a_removed_segment_wakes_those_who_wait_with_the_error() {
    for (_, runtime) in runtimes() {
        let guard = Guard::new();
        let shared = SharedBox::<u64>::create_new(guard.key(), 0).unwrap();
        let mut whole = shared.into_stream();
        let mut view = SharedView::<u64>::open(guard.key()).unwrap().into_stream();
        runtime.block_on(async {
            assert!(whole.next().await.unwrap().is_ok());
            assert!(view.next().await.unwrap().is_ok());
            let tasks = [
                tokio::spawn(async move { whole.next().await.unwrap().map(drop) }),
                tokio::spawn(async move { view.next().await.unwrap().map(drop) }),
            ];
            tokio::task::yield_now().await;
            // By another program: no word of the segment tells.
            guard.ipcrm();
            for task in tasks {
                let end = task.await.unwrap().unwrap_err();
                assert_eq!(end.kind(), ErrorKind::Removed);
            }
        });
    }
}

#[test]
fn what_is_cancelled_leaves_nothing_and_takes_nothing() {
    for (_, runtime) in runtimes() {
        let guard = Guard::new();
        let shared = Arc::new(SharedBox::<u64>::create_new(guard.key(), 0).unwrap());
        runtime.block_on(async {
            let wait = |last: u64| {
                let mut changes: ChangeStream<u64, _> = ChangeStream::new(shared.clone());
                tokio::spawn(
                    async move { while changes.next().await.unwrap().unwrap().value < last {} },
                )
            };
            let (stay, go): (Vec<_>, Vec<_>) = (0..100).map(|_| (wait(50), wait(u64::MAX))).unzip();
            for (task, n) in go.iter().zip(1..=50) {
                shared.set(n).unwrap();
                tokio::task::yield_now().await;
                task.abort();
            }
            go.iter().for_each(|task| task.abort());
            for task in stay {
                task.await.unwrap();
            }
            for task in go {
                assert!(task.await.unwrap_err().is_cancelled());
            }
        });
        drop(runtime);
        assert_eq!(Arc::strong_count(&shared), 1);
    }
}
