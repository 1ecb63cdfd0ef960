//! Whose a set is.

use super::{COUNT, World};
use crate::protocol::fault::Fault;
use crate::protocol::lock::set::{Identity, TAGS, is_still, named, tag, to_remove};
use crate::protocol::memory::atomics::{AtomicU32, Ordering::Relaxed};
use crate::sysv::{self, Mode, sem, shm};

#[test]
fn the_tags_are_those_that_the_format_says() {
    let identity = |unique, id| Identity {
        segment: shm::Id::from_raw(id),
        unique,
        slots: COUNT,
    };
    let text = crate::format_tables::section("Slots");
    assert!(text.contains("`shmid mod 32767 + 1`"), "{text}");
    assert!(text.contains("`unique mod 32767 + 1`"), "{text}");
    assert_eq!(identity(0, 0).tags(), [1, 1]);
    assert_eq!(identity(32766, 32767).tags(), [1, 32767]);
    assert_eq!(identity(32767, 32766).tags(), [32767, 1]);
}

#[test]
fn a_set_is_tagged_once_and_one_without_tags_is_lost() {
    let world = World::changed_by(1);
    let mode = Mode::new(0o600);
    let fresh = sem::get(
        sysv::Key::PRIVATE,
        COUNT + TAGS,
        sem::GetFlags::CREATE,
        mode,
    );
    let set = fresh.expect("a set");
    let word = AtomicU32::new(set.as_raw() as u32 + 1);
    let segment = shm::get(sysv::Key::PRIVATE, 1, shm::GetFlags::CREATE, mode);
    let segment = segment.expect("a segment");
    let stat = shm::stat(segment).expect("the segment");
    let identity = Identity {
        segment,
        unique: 99,
        slots: COUNT,
    };
    let other = Identity {
        unique: 98,
        ..identity
    };
    let find = |identity| named(word.load(Relaxed), identity, stat.owners());
    assert!(matches!(find(identity), Err(Fault::SetLost)));
    tag(set, identity).expect("the set");
    assert_eq!(find(identity).expect("it is tagged"), set);
    assert!(is_still(set, identity).expect("the set"));
    tag(set, other).expect("the set");
    assert!(matches!(find(other), Err(Fault::Damaged(_))));
    assert!(find(identity).is_ok(), "the first tags stay");
    let word_now = word.load(Relaxed);
    assert_eq!(to_remove(word_now, &stat, segment), Some(set));
    let stranger = shm::Id::from_raw(segment.as_raw() ^ 1);
    assert_eq!(to_remove(word_now, &stat, stranger), None);
    word.store(world.set.as_raw() as u32 + 1, Relaxed);
    assert!(matches!(find(identity), Err(Fault::Damaged(_))), "in use");
    word.store(0, Relaxed);
    assert!(matches!(find(identity), Err(Fault::SetLost)));
    let _ = (sem::remove(set), shm::remove(segment));
}
