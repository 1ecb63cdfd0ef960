//! What a box could do when it was opened it can do after its process has given up its rights.

use std::fs;

use shm_core::{Place, SharedBox, SharedView};
use shm_tests::{Folder, NOBODY, as_user, may_change_user};

#[test]
fn a_box_that_was_opened_with_the_right_to_its_file_goes_to_the_disk_without_it() {
    if !may_change_user("a file of another user") {
        return;
    }
    let folder = Folder::new();
    let path = folder.file("value");
    let shared = SharedBox::create_new(Place::file(&path), 0_u64).unwrap();
    // A view of a copy shows what is on the disk.
    let durable = |name| {
        let copy = folder.file(name);
        fs::copy(&path, &copy).unwrap();
        SharedView::<u64>::open(Place::file(copy))
            .unwrap()
            .get()
            .unwrap()
    };
    let act = || {
        SharedBox::<u64>::open(Place::file(&path)).unwrap_err();
        // Threads wait for each other, and none needs a description of its own.
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    for _ in 0..20 {
                        shared.update(|value| *value += 1).unwrap();
                        shared.persist().unwrap();
                    }
                });
            }
        });
    };
    as_user(NOBODY, act).unwrap();
    assert_eq!(durable("persisted"), 40);
    as_user(NOBODY, move || {
        shared.set(41).unwrap();
        drop(shared);
    })
    .unwrap();
    assert_eq!(durable("closed"), 41);
}
