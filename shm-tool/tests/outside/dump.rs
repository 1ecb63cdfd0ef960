//! `shm dump` and `shm restore`.

use std::fs;

use shm_core::SharedBox;

use crate::debug_info::Folder;
use crate::space::*;

#[test]
fn a_value_comes_back_as_it_was_also_into_another_segment() {
    in_own_namespace!();
    let folder = Folder::new("dump");
    let file = folder.path("kept");
    let shared = worker_box();
    printed(&format!("dump 0x1234 {file}"));
    shared.update(|worker| worker.pid = 0).unwrap();
    assert_eq!(
        printed(&format!("restore {file} 0x1234")),
        "stored version 1 of Worker as version 3\n"
    );
    assert_eq!(shared.get().unwrap(), worker());
    let other = SharedBox::create_new(0x77, Worker { pid: 9, ..worker() }).unwrap();
    printed(&format!("restore {file} 0x77"));
    assert_eq!(other.get().unwrap(), worker());
    // One that is there is replaced, and nothing is left beside it.
    printed(&format!("dump 0x77 {file}"));
    assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 1);
}

#[test]
fn what_does_not_fit_is_refused_and_nothing_is_stored() {
    in_own_namespace!();
    let folder = Folder::new("refused-dump");
    let (file, damaged) = (folder.path("kept"), folder.path("damaged"));
    let shared = worker_box();
    let other = SharedBox::create_new(0x77, [1_u32; 4]).unwrap();
    printed(&format!("dump 0x77 {file}"));
    fails(
        &format!("restore {file} 0x1234"),
        5,
        "another layout than the file",
    );
    let whole = fs::read(&file).unwrap();
    for at in [0, 9, 40, whole.len() / 2, whole.len() - 20, whole.len() - 1] {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        fs::write(&damaged, bytes).unwrap();
        fails(&format!("restore {damaged} 0x77"), 5, "no whole dump");
    }
    fs::write(&damaged, &whole[..whole.len() - 9]).unwrap();
    fails(&format!("restore {damaged} 0x77"), 5, "no whole dump");
    fails(&format!("restore {damaged}.not 0x77"), 1, "can't be read");
    fails(
        &format!("dump 0x1234 {damaged}/none"),
        8,
        "can't be written",
    );
    fails(&format!("restore {file} 0x79"), 1, "`shm ls`");
    assert_eq!((shared.version(), other.version()), (1, 1));
}
