//! Every version of a struct beside every other, each in a process of its own, with writers on both
//! sides at once: no program loses what it stored, and none tramples what it does not know.

use std::time::{Duration, Instant};

use shm_core::{Key, SharedBox, SharedView};
use shm_tests::family::{CAPACITY, Version, v1};
use shm_tests::{Guard, Peer, with_version};

const VERSIONS: &str = env!("CARGO_BIN_EXE_versions");

/// Steps of each side.
fn steps() -> u64 {
    if std::env::var_os("SHM_FULL").is_some() {
        100_000
    } else {
        5_000
    }
}

/// Who comes when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Arrival {
    /// The joiner attaches, then both begin to write.
    Both,
    /// The joiner attaches while the creator writes.
    UnderWay,
    /// The faster one creates the segment.
    AtOnce,
}

/// What came of one pair.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    steps: u64,
    reads: u64,
    faults: u64,
    lost: u64,
    /// The longest step of a writer, or read of a watcher, in microseconds.
    longest: u64,
}

impl Counts {
    /// Takes the last line of a program.
    fn add(&mut self, program: &mut Peer) {
        let line = program.line();
        let numbers: Vec<u64> = line.split(' ').map(|word| word.parse().unwrap()).collect();
        self.steps += numbers[0];
        self.reads += numbers[1];
        self.faults += numbers[2];
        self.longest = self.longest.max(numbers[3]);
        program.succeed();
    }
}

fn writer(guard: &Guard, versions: [u32; 2], side: usize, how: &str) -> Peer {
    let words =
        [versions[side], side as u32, versions[0], versions[1]].map(|word| word.to_string());
    let [version, side, left, right] = &words;
    let (key, steps) = (guard.arg(), steps().to_string());
    Peer::start(
        VERSIONS,
        ["write", &key, version, side, left, right, &steps, how],
    )
}

fn watcher(guard: &Guard, version: u32, [left, right]: [u32; 2]) -> Peer {
    let words = [version, left, right].map(|word| word.to_string());
    let [version, left, right] = &words;
    let mut watcher = Peer::start(VERSIONS, ["watch", &guard.arg(), version, left, right]);
    watcher.expect("watching");
    watcher
}

fn attached(writer: &mut Peer) {
    let line = writer.line();
    assert!(line.starts_with("attached "), "{line:?}");
}

/// What a version reads in the end, and how many steps are missing from it.
fn lost<V: Version>(key: Key, versions: [u32; 2], steps: u64) -> u64 {
    let value = SharedView::<V>::open(key).unwrap().get().unwrap();
    assert_eq!(value.fault(versions), None, "version {}", V::VERSION);
    let [left, right] = value.steps();
    steps.abs_diff(left + right)
}

fn pair(versions: [u32; 2], arrival: Arrival) -> Counts {
    let guard = Guard::new();
    let how = |side| match (arrival, side) {
        (Arrival::AtOnce, _) => "either",
        (Arrival::UnderWay, 0) => "create, then go on",
        (_, 0) => "create",
        _ => "join",
    };
    let mut creator = writer(&guard, versions, 0, how(0));
    let mut joiner = (arrival == Arrival::AtOnce).then(|| writer(&guard, versions, 1, how(1)));
    attached(&mut creator);
    // Attached before the upgrade, if there is one: the oldest and the newest.
    let mut watchers = [1, 4].map(|version| watcher(&guard, version, versions));
    if arrival == Arrival::UnderWay {
        creator.tell("go");
    }
    let joiner = joiner.get_or_insert_with(|| writer(&guard, versions, 1, how(1)));
    attached(joiner);
    joiner.tell("go");
    if arrival != Arrival::UnderWay {
        creator.tell("go");
    }
    let mut counts = Counts::default();
    counts.add(joiner);
    if arrival == Arrival::UnderWay {
        creator.tell("enough");
    }
    counts.add(&mut creator);
    for watcher in &mut watchers {
        watcher.tell("enough");
        counts.add(watcher);
    }
    for version in 1..=4 {
        counts.lost += with_version!(version, lost(guard.key(), versions, counts.steps));
    }
    counts
}

#[test]
fn every_version_works_beside_every_other() {
    let mut all = Counts::default();
    let mut runs = 0;
    println!("\n| creator | joiner | arrival | updates | reads | torn or trampled | lost |");
    println!("|---|---|---|---|---|---|---|");
    for arrival in [Arrival::Both, Arrival::UnderWay, Arrival::AtOnce] {
        for creator in 1..=4 {
            for joiner in 1..=4 {
                let counts = pair([creator, joiner], arrival);
                let Counts {
                    steps,
                    reads,
                    faults,
                    lost,
                    ..
                } = counts;
                println!(
                    "| v{creator} | v{joiner} | {arrival:?} | {steps} | {reads} | {faults} | {lost} |"
                );
                runs += 1;
                all.steps += steps;
                all.reads += reads;
                all.faults += faults;
                all.lost += lost;
            }
        }
    }
    println!(
        "{runs} runs, {} updates, {} reads: {} torn or trampled, {} lost",
        all.steps, all.reads, all.faults, all.lost
    );
    assert_eq!((all.faults, all.lost), (0, 0));
}

/// How long it takes to put a version in force.
fn upgrade<V: Version>(key: Key) -> Duration {
    let start = Instant::now();
    let upgraded = SharedBox::<V>::options().upgrade(true).open(key).unwrap();
    let took = start.elapsed();
    drop(upgraded);
    took
}

/// Two programs of the first version write, one of the first and one of the last read, and
/// meanwhile the later versions come in force, one after the other.
fn under_load(upgrades: bool, took: &mut Vec<Duration>) -> [Counts; 2] {
    let guard = Guard::new();
    let versions = [1, 1];
    let mut options = SharedBox::<v1::Station>::options();
    options.capacity(CAPACITY);
    let created = options
        .create_new(guard.key(), v1::Station::first())
        .unwrap();
    let mut programs = [0, 1].map(|side| writer(&guard, versions, side, "join, then go on"));
    for program in &mut programs {
        attached(program);
    }
    let mut watchers = [1, 4].map(|version| watcher(&guard, version, versions));
    for program in &mut programs {
        program.tell("go");
    }
    for version in 2_u32..=4 {
        // Both are at work.
        while created.get().unwrap().steps().iter().sum::<u64>() < 1_000 * u64::from(version) {
            std::thread::sleep(Duration::from_micros(100));
        }
        if upgrades {
            took.push(with_version!(version, upgrade(guard.key())));
        }
    }
    let [mut writers, mut readers] = [Counts::default(), Counts::default()];
    for program in &mut programs {
        program.tell("enough");
        writers.add(program);
    }
    for watcher in &mut watchers {
        watcher.tell("enough");
        readers.add(watcher);
    }
    writers.lost = writers
        .steps
        .abs_diff(created.get().unwrap().steps().iter().sum());
    [writers, readers]
}

#[test]
fn upgrades_disturb_no_writer_that_is_at_work() {
    const ROUNDS: usize = 10;
    let mut took = Vec::new();
    for upgrades in [false, true] {
        let start = Instant::now();
        let mut all = [Counts::default(), Counts::default()];
        for _ in 0..ROUNDS {
            for (all, counts) in all.iter_mut().zip(under_load(upgrades, &mut took)) {
                all.steps += counts.steps;
                all.reads += counts.reads;
                all.faults += counts.faults;
                all.lost += counts.lost;
                all.longest = all.longest.max(counts.longest);
            }
        }
        let [writers, readers] = all;
        println!(
            "{} upgrades: {} updates in {:.1?}, the longest took {} us, {} lost; {} reads, the longest took {} us, {} torn",
            took.len(),
            writers.steps,
            start.elapsed(),
            writers.longest,
            writers.lost,
            writers.reads + readers.reads,
            readers.longest,
            writers.faults + readers.faults,
        );
        assert_eq!((writers.lost, writers.faults, readers.faults), (0, 0, 0));
    }
    took.sort();
    let (median, longest) = (took[took.len() / 2], took[took.len() - 1]);
    println!("opening with an upgrade: median {median:?}, longest {longest:?}");
}
