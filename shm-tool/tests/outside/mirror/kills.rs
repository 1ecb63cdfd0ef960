//! Mirrors, brokers and lives that end at random: what is shown is never torn and never older, and after quiet returns both
//! sides are alike.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use shm_core::SharedView;

use crate::mirror::stage::*;

/// Numbers from a seed, which is printed.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

#[test]
fn both_sides_killed_at_random_are_alike_after_quiet_and_show_nothing_torn_or_older() {
    on_stage!();
    let kills = if std::env::var_os("SHM_FULL").is_some() {
        200
    } else {
        8
    };
    let seed = u64::from(std::process::id()) << 20 | 1;
    println!("seed {seed}");
    let mut random = Random(seed);
    let mut broker = Broker::with(
        "allow_anonymous true\npersistence true\npersistence_location FOLDER\nautosave_interval 1",
    );
    let url = broker.url();
    let mut mirrors = [Some(Mirror::source(&url)), Some(Mirror::target(&url))];
    let number = AtomicU64::new(1);
    let shared = Mutex::new(load_box(1));
    let (stopped, quiet) = (AtomicBool::new(false), AtomicBool::new(false));
    let mut counts = [0_u32; 4];
    let mut slowest = Duration::ZERO;
    alike(&shared.lock().unwrap());
    let reads = thread::scope(|scope| {
        let writer = scope.spawn(|| {
            while !stopped.load(Relaxed) {
                if !quiet.load(Relaxed) {
                    let next = number.fetch_add(1, Relaxed) + 1;
                    // In order also beside a new life.
                    let shared = shared.lock().unwrap();
                    shared.set(Load::of(next)).unwrap();
                }
                thread::sleep(Duration::from_micros(300));
            }
        });
        let reader = scope.spawn(|| {
            let (mut reads, mut last) = (0_u64, 0);
            while !stopped.load(Relaxed) {
                let Ok(view) = SharedView::<Load>::open(TARGET) else {
                    continue;
                };
                for _ in 0..50 {
                    let Ok(seen) = view.get() else { break };
                    let seen = seen.number();
                    assert!(seen >= last, "{seen} was shown after {last}");
                    last = seen;
                    reads += 1;
                }
                thread::sleep(Duration::from_micros(100));
            }
            reads
        });
        for kill in 0..kills {
            thread::sleep(Duration::from_millis(random.below(60)));
            let what = if kill < 2 { kill } else { random.below(2) } as usize;
            match random.below(12) {
                0 => {
                    broker.kill();
                    thread::sleep(Duration::from_millis(random.below(30)));
                    broker.again();
                    counts[2] += 1;
                }
                1 => {
                    let mut shared = shared.lock().unwrap();
                    shared.remove().unwrap();
                    *shared = load_box(number.fetch_add(1, Relaxed) + 1);
                    counts[3] += 1;
                }
                _ => {}
            }
            mirrors[what].take().unwrap().kill();
            counts[what] += 1;
            let start: fn(&str) -> Mirror = [Mirror::source, Mirror::target][what];
            mirrors[what] = Some(start(&url));
            if random.below(4) == 0 || kill + 1 == kills {
                quiet.store(true, Relaxed);
                let start = Instant::now();
                alike(&shared.lock().unwrap());
                slowest = slowest.max(start.elapsed());
                quiet.store(false, Relaxed);
            }
        }
        stopped.store(true, Relaxed);
        writer.join().unwrap();
        reader.join().unwrap()
    });
    let [sources, targets, brokers, lives] = counts;
    println!(
        "killed: {sources} sources, {targets} targets, {brokers} brokers; {lives} new lives; {reads} reads, 0 torn, 0 older; alike again after {slowest:?} at most"
    );
}
