//! A process dies at each step of an upgrade in place, and in its first commits after one: the old
//! schema or the new one stands, with a whole value, and programs of every version go on.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use shm_core::{ErrorKind, Key, SharedBox, SharedView};
use shm_tests::family::{CAPACITY, Version, v1, v2, v4};
use shm_tests::{Guard, Stop, at_each_stop, dies, stop_points, with_version};

/// No process may wait longer.
const LIMIT: Duration = Duration::from_secs(2);

/// Side 0 is the first version's.
const SIDES: [u32; 2] = [1, 4];

/// A segment of the first version, and those who were attached before it was upgraded.
struct World {
    guard: Guard,
    old: SharedBox<v1::Station>,
    old_view: SharedView<v1::Station>,
    new_view: SharedView<v4::Station>,
}

impl World {
    fn new() -> World {
        let guard = Guard::new();
        let mut options = SharedBox::<v1::Station>::options();
        options.capacity(CAPACITY);
        let old = options
            .create_new(guard.key(), v1::Station::first())
            .unwrap();
        for _ in 0..3 {
            old.update(|value| value.step(0)).unwrap();
        }
        World {
            old_view: SharedView::open(guard.key()).unwrap(),
            new_view: SharedView::open(guard.key()).unwrap(),
            guard,
            old,
        }
    }

    fn dies(&self, action: &str, version: u32, stop: Option<&Stop>) -> bool {
        dies(action, &self.guard, 0, u64::from(version), stop)
    }

    /// What those read who were attached before, and those who attach now.
    fn look(&self) {
        fn is_right<V: Version>(value: V) {
            assert_eq!(value.fault(SIDES), None, "read by version {}", V::VERSION);
        }
        fn attach<V: Version>(key: Key) {
            is_right(SharedView::<V>::open(key).unwrap().get().unwrap());
        }
        is_right(self.old.get().unwrap());
        is_right(self.old_view.get().unwrap());
        is_right(self.new_view.get().unwrap());
        for version in 1..=4 {
            with_version!(version, attach(self.guard.key()));
        }
    }

    /// Has readers turn to one mirror and then to the other: a program of the first version stores a
    /// part, which brings the mirror nothing else, and the next one dies halfway. `first` is how
    /// many stores come before that: 0 or 1 of them choose the mirror.
    fn look_at_mirrors(&self, first: u32) {
        let stop = Stop {
            point: "store: half".to_owned(),
            pass: 1,
        };
        for _ in 0..first {
            assert!(!self.dies("store", 1, None));
        }
        for _ in 0..2 {
            assert!(self.dies("store", 1, Some(&stop)));
            self.look();
            assert!(!self.dies("store", 1, None));
            self.look();
        }
    }

    /// Which schema stands.
    fn schema(&self) -> &'static str {
        match SharedBox::<v4::Station>::open(self.guard.key()) {
            Ok(_) => "new",
            Err(error) if error.to_string().contains("holds version 1 of") => "old",
            Err(error) if error.kind() == ErrorKind::NeedsUpgrade => "in between",
            Err(error) => panic!("{error}"),
        }
    }

    /// Those who were attached write on, another upgrades, and nothing is lost.
    fn go_on(&self, first: u32) {
        let start = Instant::now();
        self.look();
        let steps = |value: [u64; 2]| value[0] + value[1];
        let before = steps(self.old.get().unwrap().steps());
        self.old.update(|value| value.step(0)).unwrap();
        self.look();
        let mut options = SharedBox::<v4::Station>::options();
        let new = options.upgrade(true).open(self.guard.key()).unwrap();
        self.look_at_mirrors(first);
        new.update(|value| value.step(1)).unwrap();
        self.old.update(|value| value.step(0)).unwrap();
        self.look();
        assert_eq!(
            steps(self.old.get().unwrap().steps()),
            before + 5 + u64::from(first)
        );
        assert!(start.elapsed() < LIMIT, "{:?}", start.elapsed());
    }
}

/// How often each schema stood, by stop point.
#[derive(Default)]
struct Table(BTreeMap<String, BTreeMap<&'static str, u32>>);

impl Table {
    fn count(&mut self, row: &str, schema: &'static str) {
        *self
            .0
            .entry(row.to_owned())
            .or_default()
            .entry(schema)
            .or_default() += 1;
    }

    fn print(&self, title: &str) {
        println!("\n| {title} | schema that stood, and how often |");
        for (row, outcomes) in &self.0 {
            println!("| {row} | {outcomes:?} |");
        }
        let deaths: u32 = self.0.values().flat_map(BTreeMap::values).sum();
        println!("{deaths} deaths");
    }
}

#[test]
fn a_death_at_any_step_of_an_upgrade_leaves_the_old_or_the_new_schema() {
    let points = stop_points();
    let mut table = Table::default();
    let mut firsts = Vec::new();
    let reached = at_each_stop(&points, |stop| {
        let world = World::new();
        let died = world.dies("upgrade", 4, Some(stop));
        world.look();
        let schema = world.schema();
        if died {
            let committed = [
                "upgrade: committed",
                "unlock: ",
                "claim: record released",
                "claim: given back",
            ];
            let committed = committed.iter().any(|point| stop.point.starts_with(point));
            assert_eq!(schema, if committed { "new" } else { "old" }, "{stop:?}");
            table.count(&stop.point, schema);
            // Of the stores of single defaults, one in each copy is enough.
            if stop.point.starts_with("upgrade:") || stop.pass % 9 == 4 {
                firsts.push(stop.clone());
            }
        }
        world.go_on(stop.pass % 2);
        died
    });
    let missed: Vec<_> = points
        .iter()
        .filter(|point| point.starts_with("upgrade:") && !reached.contains(*point))
        .collect();
    assert!(missed.is_empty(), "never reached: {missed:?}");
    table.print("died at");

    // The next one dies too: with another version, whose fields lie where the first one's were.
    let mut table = Table::default();
    let upgrading: BTreeSet<_> = firsts.iter().map(|stop| stop.point.clone()).collect();
    let upgrading: Vec<_> = upgrading.into_iter().collect();
    for first in &firsts {
        at_each_stop(&upgrading, |second| {
            let world = World::new();
            assert!(world.dies("upgrade", 4, Some(first)));
            let died = world.dies("upgrade", 2, Some(second));
            world.look();
            if died {
                table.count(
                    &format!("{}, then {}", first.point, second.point),
                    world.schema(),
                );
            }
            world.go_on(second.pass % 2);
            died
        });
    }
    table.print("died at, then a second one at");
}

/// It was attached before the upgrade and has called nothing since: it repairs as many bytes as the
/// segment holds now, and not as many as it knew of.
#[test]
fn an_older_program_repairs_what_a_newer_one_left() {
    let points = stop_points();
    let mut table = Table::default();
    at_each_stop(&points, |stop| {
        let world = World::new();
        assert!(!world.dies("upgrade", 4, None));
        for _ in 0..3 {
            assert!(!world.dies("step", 4, None));
        }
        let died = world.dies("step", 4, Some(stop));
        world.old.update(|value| value.step(0)).unwrap();
        world.look();
        world.look_at_mirrors(0);
        if died {
            table.count(&stop.point, world.schema());
        }
        died
    });
    table.print("a newer program died at, an older one repaired");
    assert!(table.0.contains_key("copy: half"), "{:?}", table.0);
}

/// The bytes beyond the value, and those that the old schema calls padding, may hold anything.
#[test]
fn an_upgrade_trusts_no_byte_that_nobody_owned() {
    for first in 0..2 {
        let world = World::new();
        let memory = world.guard.memory();
        for copy in 0..3 {
            memory.write(copy * CAPACITY + 55, &[0xee]);
            memory.write(copy * CAPACITY + 56, &[0xee; CAPACITY - 56]);
        }
        world.look();
        let mut options = SharedBox::<v2::Station>::options();
        drop(options.upgrade(true).open(world.guard.key()).unwrap());
        world.look_at_mirrors(first);
        world.go_on(first);
    }
}
