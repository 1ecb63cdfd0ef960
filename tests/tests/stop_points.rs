//! Every step of the protocol was once some process's last. At each one a process dies; those that
//! survive read, write, wait and attach.
#![allow(clippy::unwrap_used, reason = "a test may")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

use shm_core::sysv::{Kind, sem};
use shm_core::{Error, SharedBox, SharedView, field};
use shm_tests::{
    Guard, Halves, Stop, at_each_stop, dies, mortal, own_ipc_namespace, semaphore_sets, set_slots,
    slots, stop_points,
};

/// Nobody may wait longer: the library's own limit is 5 s, and a machine full of tests takes its
/// part.
const LIMIT: Duration = Duration::from_secs(2);

/// A waiter that was woken is not this late; one that had to look by itself is.
const LATE: Duration = Duration::from_millis(200);

const OLD: u64 = 1;
const NEW: u64 = 2;
const SECOND: u64 = 3;
const SURVIVOR: u64 = 4;

/// Deaths here leave a semaphore set behind that nothing leads to.
const LEAKS: [&str; 2] = [
    "birth: semaphores made",
    "birth: semaphores given to the owner",
];

/// A namespace of its own takes with it what the dead leave behind. `false`: this process may have
/// none.
fn own_namespace() -> bool {
    let own = own_ipc_namespace();
    if !own {
        eprintln!(
            "SKIPPED in part: no deaths at {LEAKS:?} without an IPC namespace of this test's own"
        );
    }
    own
}

/// What came of the deaths at one point: how often each value stood, by number, and the longest
/// wait.
#[derive(Default)]
struct Table {
    rows: BTreeMap<String, BTreeMap<&'static str, u32>>,
    worst: Duration,
    late: u32,
}

impl Table {
    fn count(&mut self, row: impl Into<String>, outcome: &'static str) {
        *self
            .rows
            .entry(row.into())
            .or_default()
            .entry(outcome)
            .or_default() += 1;
    }

    fn print(&self, title: &str) {
        println!("\n{title}");
        let mut deaths = 0;
        for (row, outcomes) in &self.rows {
            let outcomes: Vec<String> = outcomes
                .iter()
                .map(|(outcome, count)| {
                    deaths += count;
                    format!("{count} {outcome}")
                })
                .collect();
            println!("| {row} | {} |", outcomes.join(", "));
        }
        println!(
            "{deaths} deaths, longest wait {:?}, waiters not woken {}",
            self.worst, self.late
        );
    }

    /// That what began then is over within the limit.
    fn in_time(&mut self, what: &str, start: Instant) {
        let waited = start.elapsed();
        assert!(waited < LIMIT, "{what} took {waited:?}");
        self.worst = self.worst.max(waited);
    }
}

/// The number in all words of a value, which must be whole.
fn whole<const N: usize>(value: &[u64; N]) -> u64 {
    let number = value[0];
    let strays = value.iter().filter(|word| **word != number).count();
    assert_eq!(strays, 0, "a mixture: {strays} words are not {number}");
    number
}

/// A segment with an old value and survivors attached to it.
struct World<const N: usize> {
    guard: Guard,
    shared: SharedBox<[u64; N]>,
    view: SharedView<[u64; N]>,
    version: u64,
}

impl<const N: usize> World<N> {
    const SIZE: usize = size_of::<[u64; N]>();

    fn new() -> World<N> {
        let guard = Guard::new();
        let shared = SharedBox::create_new(guard.key(), [100; N]).unwrap();
        // So that a mirror which a repair forgets shows: it holds a value from before the old one.
        // The box goes, and its slot.
        let early = SharedBox::<[u64; N]>::open(guard.key()).unwrap();
        early.set([101; N]).unwrap();
        early.set([OLD; N]).unwrap();
        drop(early);
        let view = SharedView::open(guard.key()).unwrap();
        let version = shared.version();
        World {
            guard,
            shared,
            view,
            version,
        }
    }

    fn dies(&self, action: &str, number: u64, stop: Option<&Stop>) -> bool {
        dies(action, &self.guard, Self::SIZE, number, stop)
    }

    /// What a reader finds that was there before: a whole value, and no version from the past.
    fn look(&mut self) -> u64 {
        let seen = self.view.snapshot().unwrap();
        assert!(
            seen.version >= self.version,
            "version {} after {}",
            seen.version,
            self.version
        );
        let number = whole(&seen.value);
        if number != OLD {
            assert!(
                seen.version > 1,
                "value {number} has the first value's version"
            );
        }
        self.version = seen.version;
        number
    }

    /// The survivors read, attach, write and wait. Returns what they found.
    fn survive(&mut self, table: &mut Table, act: impl FnOnce(&mut World<N>)) -> u64 {
        let before = self.version;
        let waiting = SharedBox::<[u64; N]>::open(self.guard.key()).unwrap();
        let waiter = std::thread::spawn(move || {
            // Until the survivor's own value stands.
            let mut version = before;
            loop {
                let next = waiting.wait_timeout(version, LIMIT).unwrap().unwrap();
                assert!(next.version > version);
                if whole(&next.value) == SURVIVOR {
                    return Instant::now();
                }
                version = next.version;
            }
        });
        act(self);
        let found = self.look();

        let start = Instant::now();
        let fresh = SharedBox::<[u64; N]>::open(self.guard.key()).unwrap();
        let seen = fresh.snapshot().unwrap();
        table.in_time("attach and read", start);
        assert_eq!((whole(&seen.value), seen.version), (found, self.version));

        let start = Instant::now();
        let version = self
            .shared
            .update(|value| {
                assert_eq!(
                    whole(value),
                    found,
                    "under the lock stands what readers saw"
                );
                value[0] += 1;
                *value = [value[0] - 1; N];
            })
            .unwrap();
        table.in_time("update", start);
        assert!(version > self.version, "{version} after {}", self.version);
        self.version = version;
        assert_eq!(self.look(), found);

        let start = Instant::now();
        let version = fresh.set([SURVIVOR; N]).unwrap();
        table.in_time("set", start);
        assert!(version > self.version);
        assert_eq!(self.look(), SURVIVOR);
        let woken = waiter.join().unwrap();
        let waited = woken.duration_since(start);
        if waited > LATE {
            table.late += 1;
        }
        table.worst = table.worst.max(waited);
        found
    }
}

fn name(number: u64) -> &'static str {
    match number {
        OLD => "old",
        NEW => "new",
        SECOND => "the repairer's own",
        other => panic!("nobody wrote {other}"),
    }
}

const WRITES: [&str; 5] = ["set", "update", "writer", "wait", "attach"];

fn one_death<const N: usize>(points: &[String], table: &mut Table) -> BTreeSet<String> {
    let mut reached = BTreeSet::new();
    for action in WRITES {
        reached.extend(at_each_stop(points, |stop| {
            let mut died = false;
            let mut world = World::<N>::new();
            let found = world.survive(table, |world| died = world.dies(action, NEW, Some(stop)));
            if died {
                table.count(format!("{} | {action}", stop.point), name(found));
            }
            died
        }));
    }
    for (action, wanted) in [("die in update", OLD), ("die with a writer", NEW)] {
        let mut world = World::<N>::new();
        let found = world.survive(table, |world| assert!(world.dies(action, NEW, None)));
        assert_eq!(found, wanted);
        table.count(format!("- | {action}"), name(found));
    }
    reached
}

#[test]
fn a_death_at_any_step_leaves_the_old_or_the_new_value_and_blocks_nobody() {
    let own = own_namespace();
    if !own {
        eprintln!("SKIPPED in part: no IPC namespace of its own, so leaks are not counted");
    }
    let points = stop_points();
    let mut table = Table::default();
    let mut reached = one_death::<8>(&points, &mut table);
    reached.extend(one_death::<8192>(&points, &mut table));
    reached.extend(waiting_for_the_lock(&points, &mut table));
    reached.extend(removal(&points, &mut table));
    table.print("| stop point | what it did | value that stood |");

    let mut table = Table::default();
    reached.extend(repairs(&points, &mut table));
    reached.extend(inheritances(&points, &mut table));
    table.print("| died first at | died while repairing at | value that stood |");

    let mut table = Table::default();
    reached.extend(births(&points, &mut table));
    table.print("| died first in birth | died second in birth | who made it ready |");

    let mut table = Table::default();
    reached.extend(parts(&points, &mut table));
    table.print("| stop point | what it did | value that stood |");

    let missed: Vec<_> = points
        .iter()
        // What an upgrade passes: `upgrade_deaths.rs`.
        .filter(|point| !reached.contains(*point) && !point.starts_with("upgrade:"))
        .collect();
    assert!(missed.is_empty(), "never reached: {missed:?}");
}

/// Deaths while a part of the value is stored: the other part stays, and neither the payload nor a
/// mirror keeps an older one.
fn parts(points: &[String], table: &mut Table) -> BTreeSet<String> {
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

#[test]
fn a_normal_build_shows_no_trace_of_stop_points() {
    let contains = |program: &Path, text: &str| {
        let bytes = std::fs::read(program).unwrap();
        bytes
            .windows(text.len())
            .any(|window| window == text.as_bytes())
    };
    let normal = Path::new(env!("CARGO_BIN_EXE_mortal"));
    for text in ["commit: payload written", "SHM_STOP"] {
        assert!(!contains(normal, text), "{text}");
        assert!(contains(mortal(), text), "{text}");
    }
}

/// A process dies while it waits for a lock whose owner lives.
fn waiting_for_the_lock(points: &[String], table: &mut Table) -> BTreeSet<String> {
    at_each_stop(points, |stop| {
        // It passes that point once a millisecond.
        if stop.pass > 1 {
            return false;
        }
        let mut died = false;
        let mut world = World::<8>::new();
        let found = world.survive(table, |world| {
            let writer = world.shared.writer().unwrap();
            died = dies("contend", &world.guard, 64, NEW, Some(stop));
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
fn deaths_that_leave_the_lock(points: &[String]) -> Vec<Stop> {
    let mut stops = Vec::new();
    at_each_stop(points, |stop| {
        let world = World::<8>::new();
        let died = world.dies("set", NEW, Some(stop));
        if died && lock_word(&world.guard) != 0 {
            stops.push(stop.clone());
        }
        died
    });
    stops
}

/// The lock, 128 bytes from the end of a segment, as `FORMAT.md` has it.
fn lock_word(guard: &Guard) -> u32 {
    let memory = guard.memory();
    let bytes = memory.read(memory.len() - 320 + 192, 4);
    u32::from_ne_bytes(bytes.try_into().unwrap())
}

/// A process dies holding the lock; the one that takes over dies at each of its own steps; a third
/// survives.
fn repairs(points: &[String], table: &mut Table) -> BTreeSet<String> {
    let mut reached = BTreeSet::new();
    let firsts = deaths_that_leave_the_lock(points);
    assert!(firsts.len() >= 8, "{firsts:?}");
    for first in &firsts {
        reached.extend(at_each_stop(points, |second| {
            let mut died = false;
            let mut world = World::<8>::new();
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
fn inheritances(points: &[String], table: &mut Table) -> BTreeSet<String> {
    let mut reached = BTreeSet::new();
    for first in &deaths_that_leave_the_lock(points) {
        reached.extend(at_each_stop(points, |second| {
            let mut died = false;
            let mut world = World::<8>::new();
            let found = world.survive(table, |world| {
                assert!(world.dies("set", NEW, Some(first)));
                let found = world.look();
                let slot = (lock_word(&world.guard) & 0x3ff) as usize - 1;
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

/// A process dies while it creates, another one while it ends that birth; then several create at
/// once.
fn births(points: &[String], table: &mut Table) -> BTreeSet<String> {
    let own = own_namespace();
    let tidy: Vec<String> = points
        .iter()
        .filter(|point| own || !LEAKS.contains(&point.as_str()))
        .cloned()
        .collect();
    let mut reached = BTreeSet::new();
    let mut firsts = Vec::new();
    at_each_stop(&tidy, |stop| {
        let guard = Guard::new();
        let died = dies("birth", &guard, 64, NEW, Some(stop));
        if died {
            firsts.push(stop.clone());
            let creator = born(&guard, table, &[NEW]);
            table.count(format!("{} | -", stop.point), creator);
        }
        died
    });
    for first in &firsts {
        reached.insert(first.point.clone());
        at_each_stop(&tidy, |second| {
            let guard = Guard::new();
            assert!(dies("birth", &guard, 64, NEW, Some(first)));
            let died = dies("birth", &guard, 64, SECOND, Some(second));
            let creator = born(&guard, table, &[NEW, SECOND]);
            if died {
                table.count(format!("{} | {}", first.point, second.point), creator);
            }
            died
        });
    }
    if !own {
        reached.extend(LEAKS.map(str::to_owned));
    }
    reached
}

/// After deaths in birth: whoever opens gets the whole value or a clear error; of those who create
/// at once one at most does.
fn born(guard: &Guard, table: &mut Table, dead: &[u64]) -> &'static str {
    let opened = SharedBox::<[u64; 8]>::options()
        .timeout(Duration::from_millis(5))
        .open(guard.key());
    let ready = match opened {
        Ok(shared) => Some(whole(&shared.get().unwrap())),
        Err(Error::Unfinished { size, .. }) => {
            assert!(size > 64);
            None
        }
        Err(error) => panic!("{error}"),
    };
    let start = Instant::now();
    let key = guard.key();
    let threads: Vec<_> = (100..104)
        .map(|number| {
            std::thread::spawn(move || {
                let shared = SharedBox::open_or_create(key, || [number; 8]).unwrap();
                (shared.created(), whole(&shared.get().unwrap()), shared)
            })
        })
        .collect();
    let all: Vec<_> = threads.into_iter().map(|t| t.join().unwrap()).collect();
    table.in_time("open_or_create", start);
    let created = all.iter().filter(|(created, ..)| *created).count();
    let number = all[0].1;
    assert!(all.iter().all(|(_, seen, _)| *seen == number), "two values");
    assert_eq!(created, usize::from(!dead.contains(&number)));
    if let Some(ready) = ready {
        assert_eq!(ready, number, "what was ready stays");
    }
    let start = Instant::now();
    let (_, _, shared) = &all[0];
    let version = shared.set([SURVIVOR; 8]).unwrap();
    table.in_time("set", start);
    assert!(version > 1);
    assert_eq!(
        whole(&SharedView::<[u64; 8]>::open(key).unwrap().get().unwrap()),
        SURVIVOR
    );
    match number {
        NEW => "the first",
        SECOND => "the second",
        _ => "a survivor",
    }
}

/// A process dies while it removes; another one while it ends that; then somebody creates anew.
fn removal(points: &[String], table: &mut Table) -> BTreeSet<String> {
    let mut reached = BTreeSet::new();
    let mut removals = Vec::new();
    reached.extend(at_each_stop(points, |first| {
        let world = World::<8>::new();
        let sets = semaphore_sets();
        let died = world.dies("remove", NEW, Some(first));
        if died {
            removals.push(first.clone());
            let outcome = anew(&world, table, &sets);
            table.count(format!("{} | remove", first.point), outcome);
        }
        died
    }));
    for first in &removals {
        reached.extend(at_each_stop(points, |second| {
            let world = World::<8>::new();
            let sets = semaphore_sets();
            assert!(world.dies("remove", NEW, Some(first)));
            let died = dies("birth", &world.guard, 64, SECOND, Some(second));
            if died && !LEAKS.contains(&second.point.as_str()) {
                let outcome = anew(&world, table, &sets);
                let row = format!("{} | then birth, {}", first.point, second.point);
                table.count(row, outcome);
            }
            died
        }));
    }
    reached
}

fn anew(world: &World<8>, table: &mut Table, sets: &BTreeSet<i32>) -> &'static str {
    let removed = |result: Result<u64, Error>| match result {
        Ok(number) => {
            assert!([OLD, SURVIVOR].contains(&number));
            false
        }
        Err(Error::Removed { .. }) => true,
        Err(error) => panic!("{error}"),
    };
    let start = Instant::now();
    let read = removed(world.view.get().map(|value| whole(&value)));
    let written = removed(world.shared.set([SURVIVOR; 8]).map(|_| SURVIVOR));
    assert_eq!(read, written);
    table.in_time("get and set", start);
    let waited = world.shared.wait_timeout(u64::MAX / 4, LIMIT / 4);
    assert_eq!(
        read,
        matches!(waited, Err(Error::Removed { .. })),
        "{waited:?}"
    );

    let start = Instant::now();
    match SharedBox::<[u64; 8]>::options()
        .timeout(Duration::from_millis(5))
        .open(world.guard.key())
    {
        Ok(shared) => assert!([OLD, SECOND, SURVIVOR].contains(&whole(&shared.get().unwrap()))),
        // The little time may be over just after it has ended the removal.
        Err(Error::Unfinished { .. } | Error::Removed { .. }) => assert!(read),
        Err(Error::System { source, .. }) if source.kind() == Kind::NotFound => assert!(read),
        Err(error) => panic!("{error}"),
    }
    table.in_time("open", start);
    let start = Instant::now();
    let shared = SharedBox::open_or_create(world.guard.key(), || [100; 8]).unwrap();
    table.in_time("open_or_create", start);
    let number = whole(&shared.get().unwrap());
    if read {
        assert!([100, SECOND].contains(&number));
        assert!(world.shared.is_removed().unwrap());
        assert_ne!(shared.id(), world.shared.id());
        // The old segment's set is gone, or nobody could ever remove it.
        let left = semaphore_sets();
        assert!(
            sets.iter().all(|set| sets.len() > 1 || !left.contains(set)),
            "the removed segment's semaphores are left"
        );
        "a new one"
    } else {
        assert_eq!(number, SURVIVOR);
        "not removed"
    }
}
