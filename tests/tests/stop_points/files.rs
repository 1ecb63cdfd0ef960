//! The same deaths where the value lies in a file, and those that files alone have.

use std::collections::BTreeSet;
use std::fs;
use std::time::Instant;

use shm_core::{ErrorKind, Place, SharedBox};
use shm_tests::{Folder, Home, at_each_stop, dies_at, stop_points};

use crate::world::{NEW, OLD, SECOND, SURVIVOR, Table, World, name, whole};
use crate::writers;

fn on_disk() -> Home {
    Home::file(Folder::new())
}

fn in_memory() -> Home {
    Home::file(Folder::in_memory())
}

#[test]
fn a_death_at_any_step_of_a_writer_leaves_a_file_with_the_old_or_the_new_value() {
    let points = stop_points();
    let mut reached = BTreeSet::new();
    for home in [on_disk, in_memory] {
        let mut table = Table::default();
        let new = || World::in_file(home());
        reached.extend(writers::one_death::<8>(&points, &mut table, new));
        table.print("| stop point | what it did | value that stood in the file |");
    }
    // A home in memory waits for no disk.
    let new = || World::in_file(in_memory());
    let mut table = Table::default();
    reached.extend(writers::waiting_for_the_lock(&points, &mut table, new));
    reached.extend(writers::repairs(&points, &mut table, new));
    table.print("| died first at | died while repairing at | value that stood in the file |");
    for step in ["claim:", "lock:", "commit:", "repair:", "unlock:", "copy:"] {
        assert!(
            reached.iter().any(|point| point.starts_with(step)),
            "{step}"
        );
    }
}

/// Two die, one after the other; the next one creates or finds, and nothing else lies in the folder.
#[test]
fn a_death_at_any_step_of_a_birth_leaves_a_whole_file_or_none() {
    let points = stop_points();
    let mut reached = BTreeSet::new();
    let mut table = Table::default();
    for home in [on_disk, in_memory] {
        reached.extend(at_each_stop(&points, |stop| {
            let home = home();
            let dies = |number, stop| dies_at("birth", &home.arg(), 64, number, stop);
            let died = dies(NEW, Some(stop));
            // It dies there too, unless the first one was born.
            dies(SECOND, Some(stop));
            let names = home.folder().names();
            assert!(names.is_empty() || names == ["state"], "{names:?}");
            let start = Instant::now();
            let shared = SharedBox::open_or_create(home.place(), || [SURVIVOR; 8]).unwrap();
            table.in_time("open_or_create", start);
            let found = whole(&shared.get().unwrap());
            assert_eq!(shared.created(), names.is_empty());
            assert_eq!(shared.created(), found == SURVIVOR);
            shared.set([OLD; 8]).unwrap();
            if died {
                let found = if shared.created() {
                    "a survivor's"
                } else {
                    name(found)
                };
                table.count(format!("{} | birth", stop.point), found);
            }
            died
        }));
    }
    table.print("| stop point | what it did | value that stood in the file |");
    for point in ["file birth: filled", "file birth: named"] {
        assert!(reached.contains(point), "{point}");
    }
}

#[test]
fn a_death_at_any_step_of_a_removal_or_restoration_leaves_the_rest_to_the_next() {
    let points = stop_points();
    let mut table = Table::default();
    let mut reached = at_each_stop(&points, |stop| {
        let world = World::<8>::in_file(on_disk());
        let died = world.dies("remove", NEW, Some(stop));
        let path = world.place.path().unwrap().into_owned();
        let start = Instant::now();
        if path.exists() {
            assert_eq!(whole(&world.shared.get().unwrap()), OLD);
        } else {
            assert!(world.shared.is_removed().unwrap());
            let mut writes = (0..2048).map(|_| world.shared.set([OLD; 8]));
            let told = writes.find_map(Result::err).unwrap();
            assert_eq!(told.kind(), ErrorKind::Removed, "{told}");
        }
        let there = path.exists();
        let anew = SharedBox::open_or_create(&world.place, || [SURVIVOR; 8]).unwrap();
        table.in_time("open_or_create", start);
        assert_eq!(anew.created(), !there);
        if died {
            let stood = if there { "old" } else { "none" };
            table.count(format!("{} | remove", stop.point), stood);
        }
        died
    });
    // A copy is another life: the first that opens it restores the durable value.
    reached.extend(at_each_stop(&points, |stop| {
        let world = World::<8>::in_file(on_disk());
        world.shared.persist().unwrap();
        let folder = Folder::new();
        let copy = folder.file("copy");
        fs::copy(world.place.path().unwrap(), &copy).unwrap();
        let place = Place::file(&copy);
        let died = dies_at("attach", &place.to_string(), 64, NEW, Some(stop));
        let start = Instant::now();
        let restored = SharedBox::<[u64; 8]>::open(&place).unwrap();
        table.in_time("open", start);
        let seen = restored.snapshot().unwrap();
        assert_eq!((whole(&seen.value), seen.version), (OLD, world.version));
        assert_eq!(restored.set([SURVIVOR; 8]).unwrap(), world.version + 1);
        if died {
            table.count(format!("{} | restore", stop.point), "old");
        }
        died
    }));
    table.print("| stop point | what it did | value that stood in the file |");
    for point in ["remove: file unlinked", "file: restored"] {
        assert!(reached.contains(point), "{point}");
    }
}
