//! A segment with survivors attached to it, and the tables that count what they found.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use shm_core::{Place, SharedBox, SharedView};
use shm_tests::{Guard, Home, Stop, dies_at};

/// No process may wait longer: the library's own limit is 5 s, and a machine full of tests takes its
/// part.
pub(crate) const LIMIT: Duration = Duration::from_secs(2);

/// A waiter that was woken is not this late; one that had to look by itself is.
pub(crate) const LATE: Duration = Duration::from_millis(200);

pub(crate) const OLD: u64 = 1;

pub(crate) const NEW: u64 = 2;

pub(crate) const SECOND: u64 = 3;

pub(crate) const SURVIVOR: u64 = 4;

/// What came of the deaths at one point: how often each value stood, by number, and the longest
/// wait.
#[derive(Default)]
pub(crate) struct Table {
    pub(crate) rows: BTreeMap<String, BTreeMap<&'static str, u32>>,
    pub(crate) worst: Duration,
    pub(crate) late: u32,
}

impl Table {
    pub(crate) fn count(&mut self, row: impl Into<String>, outcome: &'static str) {
        *self
            .rows
            .entry(row.into())
            .or_default()
            .entry(outcome)
            .or_default() += 1;
    }

    pub(crate) fn print(&self, title: &str) {
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
    pub(crate) fn in_time(&mut self, what: &str, start: Instant) {
        let waited = start.elapsed();
        assert!(waited < LIMIT, "{what} took {waited:?}");
        self.worst = self.worst.max(waited);
    }
}

/// The number in all words of a value, which must be whole.
pub(crate) fn whole<const N: usize>(value: &[u64; N]) -> u64 {
    let number = value[0];
    let strays = value.iter().filter(|word| **word != number).count();
    assert_eq!(strays, 0, "a mixture: {strays} words are not {number}");
    number
}

/// A segment, or a file, with an old value and survivors attached to it.
pub(crate) struct World<const N: usize> {
    pub(crate) guard: Guard,
    /// That of a file; the guard's key leads to nothing then.
    pub(crate) home: Option<Home>,
    pub(crate) place: Place,
    pub(crate) shared: SharedBox<[u64; N]>,
    pub(crate) view: SharedView<[u64; N]>,
    pub(crate) version: u64,
}

impl<const N: usize> World<N> {
    pub(crate) const SIZE: usize = size_of::<[u64; N]>();

    pub(crate) fn new() -> World<N> {
        let guard = Guard::new();
        let place = guard.key().into();
        World::at(guard, place, None)
    }

    /// The same in a file.
    pub(crate) fn in_file(home: Home) -> World<N> {
        let place = home.place().clone();
        World::at(Guard::new(), place, Some(home))
    }

    fn at(guard: Guard, place: Place, home: Option<Home>) -> World<N> {
        let shared = SharedBox::create_new(&place, [100; N]).unwrap();
        // So that a mirror which a repair forgets shows: it holds a value from before the old one.
        // The box goes, and its slot.
        let early = SharedBox::<[u64; N]>::open(&place).unwrap();
        early.set([101; N]).unwrap();
        early.set([OLD; N]).unwrap();
        drop(early);
        let view = SharedView::open(&place).unwrap();
        let version = shared.version();
        World {
            guard,
            home,
            place,
            shared,
            view,
            version,
        }
    }

    pub(crate) fn dies(&self, action: &str, number: u64, stop: Option<&Stop>) -> bool {
        dies_at(action, &self.place.to_string(), Self::SIZE, number, stop)
    }

    /// What a reader finds that was there before: a whole value, and no version from the past.
    pub(crate) fn look(&mut self) -> u64 {
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
    pub(crate) fn survive(&mut self, table: &mut Table, act: impl FnOnce(&mut World<N>)) -> u64 {
        let before = self.version;
        let waiting = SharedBox::<[u64; N]>::open(&self.place).unwrap();
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
        let fresh = SharedBox::<[u64; N]>::open(&self.place).unwrap();
        let seen = fresh.snapshot().unwrap();
        table.in_time("attach and read", start);
        // Who opens may inherit the dead one's lock: its repair raises the version of the old value.
        assert!(seen.version >= self.version);
        self.version = seen.version;
        assert_eq!(whole(&seen.value), found);

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

pub(crate) fn name(number: u64) -> &'static str {
    match number {
        OLD => "old",
        NEW => "new",
        SECOND => "the repairer's own",
        other => panic!("no process wrote {other}"),
    }
}
