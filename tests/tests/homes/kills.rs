//! Writers and readers of one value, killed at random all the time.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use shm_core::{SharedBox, SharedView};
use shm_tests::{Home, Peer};

use super::TENANT;

type Value = [u64; 64];

/// Three writers count, each says what it has committed; two readers look. Each death is followed by a new writer.
#[test]
fn of_writers_killed_at_random_no_commit_is_torn_lost_or_taken_back() {
    for home in Home::each() {
        let shared = SharedBox::<Value>::create_new(home.place(), [0; 64]).unwrap();
        let (over, reads) = (AtomicBool::new(false), AtomicU64::new(0));
        let (said, kills) = std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let view = SharedView::<Value>::open(home.place()).unwrap();
                    let mut last = (0, 0);
                    while !over.load(Relaxed) {
                        let seen = view.snapshot().unwrap();
                        let number = seen.value[0];
                        assert_eq!(seen.value, [number; 64], "torn");
                        assert!((seen.version, number) >= last, "{last:?} then {number}");
                        last = (seen.version, number);
                        reads.fetch_add(1, Relaxed);
                    }
                });
            }
            let writers = [0, 1, 2].map(|seed| {
                scope.spawn({
                    let place = home.arg();
                    move || rounds(seed, &place)
                })
            });
            let counts = writers.map(|writer| writer.join().unwrap());
            over.store(true, Relaxed);
            let sum = |part: fn(&(u64, u64)) -> u64| counts.iter().map(part).sum::<u64>();
            (sum(|count| count.0), sum(|count| count.1))
        });
        let number = shared.get().unwrap()[0];
        // Of each killed writer one commit may stand that it did not live to tell.
        assert!(
            (said..=said + kills).contains(&number),
            "{said} told, {number} stand"
        );
        let reads = reads.into_inner();
        println!(
            "{kills} kills, {number} commits, {reads} reads ({})",
            home.arg()
        );
    }
}

/// Starts writers and kills them, for a while. How many commits they told of, and how many were killed.
fn rounds(seed: u64, place: &str) -> (u64, u64) {
    let start = Instant::now();
    let mut noise = 0x9e37_79b9_7f4a_7c15 ^ seed;
    let (mut told, mut kills) = (0, 0);
    while start.elapsed() < Duration::from_secs(2) {
        let mut writer = Peer::start(TENANT, ["count", place]);
        noise = noise
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let until = 1 + (noise >> 33) % 200;
        let mut lines = 0;
        while lines < until {
            let line = writer.line();
            assert!(!line.is_empty(), "a writer gave up");
            lines += 1;
        }
        writer.kill();
        // What it had told before it died.
        let (_, rest) = writer.finish();
        told += lines + rest.matches('\n').count() as u64;
        kills += 1;
    }
    (told, kills)
}
