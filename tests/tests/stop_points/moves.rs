//! Deaths of those who move a value to another segment, and of those who end such a move.

use std::collections::BTreeSet;
use std::time::Instant;

use shm_core::sysv::Kind;
use shm_core::{Error, SharedBox, SharedView};
use shm_tests::{Guard, Small, SmallGrown, at_each_stop, dies, segments, semaphore_sets};

use crate::world::{LIMIT, OLD, SURVIVOR, Table};

/// What nobody may ever see: the first value of those who only find no segment.
const FRESH: u64 = 666;

/// Segments of a value that is to be moved, and a survivor that is attached to it.
struct Scene {
    guard: Guard,
    shared: SharedBox<Small>,
    view: SharedView<Small>,
    /// The last value that was committed, and its version.
    last: (u64, u64),
}

fn small(number: u64) -> Small {
    Small { words: [number; 8] }
}

impl Scene {
    fn new() -> Scene {
        let guard = Guard::new();
        let shared = SharedBox::create_new(guard.key(), small(100)).unwrap();
        let view = SharedView::open(guard.key()).unwrap();
        shared.set(small(101)).unwrap();
        let version = shared.set(small(OLD)).unwrap();
        Scene {
            guard,
            shared,
            view,
            last: (OLD, version),
        }
    }

    /// Those attached before read and write on, or are told that the value has moved.
    fn work_on(&mut self, table: &mut Table) {
        let start = Instant::now();
        let moved = match self.view.snapshot() {
            Ok(seen) => {
                assert_eq!(
                    (seen.value, seen.version),
                    (small(self.last.0), self.last.1)
                );
                false
            }
            Err(Error::Moved { .. }) => true,
            Err(error) => panic!("{error}"),
        };
        match self.shared.set(small(SURVIVOR)) {
            Ok(version) => {
                assert!(!moved && version > self.last.1);
                self.last = (SURVIVOR, version);
            }
            Err(Error::Moved { .. }) => assert!(moved),
            Err(error) => panic!("{error}"),
        }
        let waited = self.view.wait_timeout(u64::MAX / 4, LIMIT / 100);
        assert_eq!(
            moved,
            matches!(waited, Err(Error::Moved { .. })),
            "{waited:?}"
        );
        table.in_time("get and set", start);
    }

    /// Whoever comes first finds the value; at the end it stands in one segment alone.
    fn survive(&mut self, first: First, table: &mut Table) -> &'static str {
        let key = self.guard.key();
        let start = Instant::now();
        match first {
            First::Small => drop(SharedBox::<Small>::open(key).unwrap()),
            First::View => {
                let view = SharedView::<SmallGrown>::open(key).unwrap();
                let seen = view.snapshot().unwrap();
                assert_eq!((seen.value.words[0], seen.version), self.last);
                assert_eq!(seen.value.more, [77; 4]);
            }
            First::Create => {
                let shared = SharedBox::open_or_create(key, || small(FRESH)).unwrap();
                assert!(!shared.created());
            }
            First::CreateGrown => {
                let grown = || SmallGrown {
                    words: [FRESH; 8],
                    more: [FRESH; 4],
                };
                let options = SharedBox::<SmallGrown>::options().upgrade(true).clone();
                match options.open_or_create(key, grown) {
                    Ok(shared) => assert!(!shared.created()),
                    Err(Error::NoRoom { .. }) => {}
                    Err(error) => panic!("{error}"),
                }
            }
            First::CreateNew => {
                let error = SharedBox::create_new(key, small(FRESH)).unwrap_err();
                let exists =
                    matches!(&error, Error::System { source, .. } if source.kind() == Kind::Exists);
                assert!(exists, "{error}");
            }
            First::Migrate => {}
        }
        table.in_time("the first to come", start);
        let seen = SharedBox::<Small>::open(key).unwrap().snapshot().unwrap();
        assert_eq!(
            (seen.value, seen.version),
            (small(self.last.0), self.last.1)
        );

        let start = Instant::now();
        let new = SharedBox::<SmallGrown>::options().migrate(key).unwrap();
        table.in_time("migrate", start);
        let seen = new.snapshot().unwrap();
        assert_eq!(
            (seen.value.words, seen.version),
            ([self.last.0; 8], self.last.1)
        );
        assert_eq!(seen.value.more, [77; 4]);
        assert!(matches!(self.shared.get(), Err(Error::Moved { .. })));
        self.shared.reattach().unwrap();
        self.view.reattach().unwrap();
        let version = self.shared.set(small(900)).unwrap();
        assert!(version > self.last.1);
        assert_eq!(self.view.get().unwrap(), small(900));
        assert_eq!(
            new.get().unwrap(),
            SmallGrown {
                words: [900; 8],
                more: [77; 4]
            }
        );
        match self.last.0 {
            OLD => "the last committed",
            _ => "a survivor's",
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum First {
    Small,
    View,
    Create,
    CreateGrown,
    CreateNew,
    Migrate,
}

const FIRSTS: [First; 6] = [
    First::Small,
    First::View,
    First::Create,
    First::CreateGrown,
    First::CreateNew,
    First::Migrate,
];

/// A process dies while it moves the value, another one while it ends that; then somebody comes.
///
/// With `SHM_FULL` in the environment, each second one does each thing.
pub(crate) fn moves(points: &[String], table: &mut Table) -> BTreeSet<String> {
    let own = shm_tests::own_ipc_namespace();
    const LEAKS: [&str; 0] = [];
    let tidy: Vec<String> = points
        .iter()
        .filter(|point| own || !LEAKS.contains(&point.as_str()))
        .cloned()
        .collect();
    let before = (segments(), semaphore_sets());
    // Deaths that leave a set which nothing leads to.
    let leaks = |stops: &[&str]| stops.iter().any(|stop| LEAKS.contains(stop));
    let nothing_left = |what: &str, leaks: bool| {
        if !own {
            return;
        }
        assert_eq!(segments(), before.0, "{what} left a segment");
        for set in semaphore_sets().difference(&before.1) {
            assert!(leaks, "{what} left a semaphore set");
            let _ = shm_core::sysv::sem::remove(shm_core::sysv::sem::Id::from_raw(*set));
        }
    };
    let mut firsts = Vec::new();
    let mut reached = BTreeSet::new();
    for works in [false, true] {
        for first in FIRSTS {
            reached.extend(at_each_stop(&tidy, |stop| {
                let mut scene = Scene::new();
                let died = dies("migrate", &scene.guard, 64, 0, Some(stop));
                if works {
                    scene.work_on(table);
                }
                if died {
                    let outcome = scene.survive(first, table);
                    table.count(format!("{} | -", stop.point), outcome);
                    if !firsts.contains(stop) {
                        firsts.push(stop.clone());
                    }
                }
                scene.shared.reattach().unwrap();
                scene.shared.remove().unwrap();
                drop(scene);
                nothing_left(&format!("{stop:?}, then {first:?}"), leaks(&[&stop.point]));
                died
            }));
        }
    }
    let all = std::env::var_os("SHM_FULL").is_some();
    for (index, stop) in firsts.iter().enumerate() {
        let actions = ["view grown", "create small", "migrate"];
        let some = if all { 0..3 } else { index % 3..index % 3 + 1 };
        for action in &actions[some] {
            reached.extend(at_each_stop(&tidy, |second| {
                let mut scene = Scene::new();
                assert!(dies("migrate", &scene.guard, 64, 0, Some(stop)));
                let died = dies(action, &scene.guard, 64, FRESH, Some(second));
                let outcome = scene.survive(First::Create, table);
                if died {
                    table.count(
                        format!("{} | {action}, {}", stop.point, second.point),
                        outcome,
                    );
                }
                scene.shared.remove().unwrap();
                drop(scene);
                let what = format!("{stop:?}, then {action} {second:?}");
                nothing_left(&what, leaks(&[&stop.point, &second.point]));
                died
            }));
        }
    }
    reached
}
