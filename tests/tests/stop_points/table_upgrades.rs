//! Deaths in an upgrade of a table, and in claims after one: the old schema or the new one stands, and each row shows what its
//! owner stored, with the defaults of what that one does not know.

use std::collections::BTreeMap;

use shm_core::{ErrorKind, Seat, SharedTable, TableView};
use shm_tests::family::{CAPACITY, Version, v1, v2, v3, v4};
use shm_tests::{Guard, Stop, at_each_stop, dies, stop_points, with_version};

/// Side 0 is the first version's.
const SIDES: [u32; 2] = [1, 4];

/// A table of the first version, with an owner and readers from before all upgrades.
struct World {
    guard: Guard,
    old: SharedTable<v1::Station>,
    seat: Seat<v1::Station>,
    view: TableView<v4::Station>,
}

impl World {
    fn new() -> World {
        let guard = Guard::new();
        let mut options = SharedTable::<v1::Station>::options();
        options.rows(4).capacity(CAPACITY);
        let old = options.create_new(guard.key()).unwrap();
        let mut seat = old.claim(v1::Station::first()).unwrap();
        seat.update(|row| row.step(0)).unwrap();
        let newest = SharedTable::<v4::Station>::options();
        World {
            view: newest.open_read_only(guard.key()).unwrap(),
            guard,
            old,
            seat,
        }
    }

    fn dies(&self, action: &str, version: u32, stop: Option<&Stop>) -> bool {
        dies(action, &self.guard, 0, version.into(), stop)
    }

    /// What is read by those who were there before, and by those who come now.
    fn look(&self) {
        fn rows<V: Version>(view: &TableView<V>) {
            for row in view.rows() {
                let row = row.get().unwrap();
                assert_eq!(row.fault(SIDES), None, "read by version {}", V::VERSION);
            }
        }
        fn attach<V: Version>(world: &World) {
            let options = SharedTable::<V>::options();
            rows(&options.open_read_only(world.guard.key()).unwrap());
        }
        rows(&*self.old);
        rows(&self.view);
        for version in 1..=4 {
            with_version!(version, attach(self));
        }
    }

    /// Which schema stands.
    fn schema(&self) -> &'static str {
        match SharedTable::<v4::Station>::open(self.guard.key()) {
            Ok(_) => "new",
            Err(error) if error.to_string().contains("holds version 1 of") => "old",
            Err(error) if error.kind() == ErrorKind::NeedsUpgrade => "in between",
            Err(error) => panic!("{error}"),
        }
    }

    /// The owner writes on, the older and a newer version claim rows, and all of them read right.
    fn go_on<V: Version>(&mut self) {
        let mut claimed = self.old.claim(v1::Station::first()).unwrap();
        self.look();
        let mut options = SharedTable::<V>::options();
        let new = options.upgrade(true).open(self.guard.key()).unwrap();
        self.look();
        let mut own = new.claim(V::first()).unwrap();
        let after = self.old.claim(v1::Station::first()).unwrap();
        for _ in 0..3 {
            for seat in [&mut self.seat, &mut claimed] {
                seat.update(|row| row.step(0)).unwrap();
            }
            own.update(|row| row.step(1)).unwrap();
            // All but what this one knows has its default.
            let seen = new.get(own.id()).unwrap();
            assert_eq!(seen.fault([1, V::VERSION]), None);
        }
        drop(own);
        self.look();
        drop((claimed, after));
    }
}

#[test]
fn a_death_at_any_step_of_a_tables_upgrade_leaves_the_old_or_the_new_schema() {
    let points: Vec<_> = stop_points()
        .into_iter()
        .filter(|point| point.starts_with("upgrade:") || point.starts_with("unlock:"))
        .collect();
    let mut table = BTreeMap::<_, BTreeMap<_, u32>>::new();
    let reached = at_each_stop(&points, |stop| {
        let mut world = World::new();
        let died = world.dies("upgrade rows", 4, Some(stop));
        world.look();
        let schema = world.schema();
        if died {
            let committed = ["upgrade: committed", "unlock: "];
            let committed = committed.iter().any(|point| stop.point.starts_with(point));
            assert_eq!(schema, if committed { "new" } else { "old" }, "{stop:?}");
            let outcomes = table.entry(stop.point.clone()).or_default();
            *outcomes.entry(schema).or_default() += 1;
        }
        // Another version, whose fields lie where the dead one's were.
        match (schema, stop.pass % 3) {
            ("old", 0) => world.go_on::<v2::Station>(),
            ("old", 1) => world.go_on::<v3::Station>(),
            _ => world.go_on::<v4::Station>(),
        }
        world.go_on::<v4::Station>();
        world.old.remove().unwrap();
        died
    });
    println!("| died at | schema that stood, and how often |");
    for (point, outcomes) in table {
        println!("| {point} | {outcomes:?} |");
    }
    let missed = points.iter().filter(|point| !reached.contains(*point));
    let missed: Vec<_> = missed
        .filter(|point| point.starts_with("upgrade:"))
        .collect();
    assert!(missed.is_empty(), "never reached: {missed:?}");
}

#[test]
fn a_death_at_any_step_of_a_claim_after_an_upgrade_leaves_a_row_of_its_version_or_none() {
    fn claim<V: Version>(world: &World) {
        let table = SharedTable::<V>::open(world.guard.key()).unwrap();
        let mut seat = table.claim(V::first()).unwrap();
        seat.update(|row| row.step(usize::from(V::VERSION > 1)))
            .unwrap();
    }
    let full = std::env::var_os("SHM_FULL").is_some();
    let points: Vec<_> = stop_points()
        .into_iter()
        .filter(|point| {
            let in_a_commit = ["copy:", "commit:"]
                .iter()
                .any(|step| point.starts_with(step));
            point.starts_with("row:") || full && in_a_commit
        })
        .collect();
    let mut deaths = 0;
    for version in [1, 4] {
        at_each_stop(&points, |stop| {
            let mut world = World::new();
            let mut newest = SharedTable::<v4::Station>::options();
            drop(newest.upgrade(true).open(world.guard.key()).unwrap());
            // What the row had before.
            with_version!(5 - version, claim(&world));
            let died = world.dies("claim a row", version, Some(stop));
            world.look();
            world.old.look().unwrap().count();
            world.look();
            world.go_on::<v4::Station>();
            world.old.remove().unwrap();
            deaths += u32::from(died);
            died
        });
    }
    println!("{deaths} deaths");
    assert!(deaths >= 2 * 8, "{deaths}");
}
