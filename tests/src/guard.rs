//! A key that no other test has, and everything under it removed at the end, however the test ends.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard};

use shm_core::Key;
use shm_core::sysv::{Kind, Mode, sem, shm};

use crate::{Memory, as_user};

/// From the end of a segment to the word that names its semaphore set (id + 1), as `FORMAT.md` has
/// it.
const SET_FROM_END: usize = 320 - 64;

/// The keys of this process's guards: one that leads to nothing just now is a test's own all the same.
static TAKEN: Mutex<BTreeSet<i32>> = Mutex::new(BTreeSet::new());

/// A test's key. Dropping it removes the segment under the key, and every segment and semaphore set
/// that it was told of.
#[derive(Debug)]
pub struct Guard {
    key: Key,
    segments: Mutex<BTreeSet<shm::Id>>,
    sets: Mutex<BTreeSet<i32>>,
}

impl Guard {
    /// A key that leads to nothing, and that no other test gets: it has the process id and a count
    /// in it.
    #[expect(clippy::new_without_default, reason = "no two are the same")]
    pub fn new() -> Guard {
        static COUNT: AtomicU32 = AtomicU32::new(1);
        loop {
            let number = std::process::id() << 10 | COUNT.fetch_add(1, Relaxed) & 0x3ff;
            let key = Key::from(number);
            if number == 0 || find(key).is_some() || !taken().insert(key.raw()) {
                continue;
            }
            return Guard {
                key,
                segments: Mutex::default(),
                sets: Mutex::default(),
            };
        }
    }

    /// The key.
    pub fn key(&self) -> Key {
        self.key
    }

    /// The key as an argument of a program.
    pub fn arg(&self) -> String {
        self.key.to_string()
    }

    /// Makes a segment as another program would: so many zeros.
    pub fn foreign(&self, size: usize) -> Memory {
        let flags = shm::GetFlags::CREATE | shm::GetFlags::EXCLUSIVE;
        let id = shm::get(self.key, size, flags, Mode::new(0o600)).expect("the key is free");
        Memory::attach(self.watch(id))
    }

    /// The segment that the key leads to now, which is removed at the end even if the key leads
    /// elsewhere by then.
    pub fn memory(&self) -> Memory {
        Memory::attach(self.watch(find(self.key).expect("the key leads to a segment")))
    }

    /// The semaphore set of the segment that the key leads to.
    pub fn set(&self) -> sem::Id {
        semaphores(self.memory().id())
    }

    /// Removes this segment at the end too, and its semaphore set, whichever process removes the segment
    /// before.
    pub fn watch(&self, id: shm::Id) -> shm::Id {
        self.segments
            .lock()
            .expect("no test panics in here")
            .insert(id);
        let set = set_of(id);
        self.sets
            .lock()
            .expect("no test panics in here")
            .extend(set);
        id
    }

    /// That the removal of the segment left nothing of it.
    ///
    /// # Panics
    ///
    /// If the key leads to a segment, or a segment or semaphore set that this guard was told of
    /// still exists.
    pub fn assert_nothing_left(&self) {
        assert_eq!(find(self.key), None, "the key leads to a segment");
        for id in self.segments.lock().expect("no test panics in here").iter() {
            assert!(
                shm::stat(*id).map_or(true, |stat| stat.dest),
                "segment {id} is left"
            );
        }
        for set in self.sets.lock().expect("no test panics in here").iter() {
            assert!(
                sem::stat(sem::Id::from_raw(*set)).is_err(),
                "semaphore set {set} is left"
            );
        }
    }

    /// Removes the segment as `ipcrm` does, behind the library's back.
    pub fn ipcrm(&self) {
        let id = find(self.key).expect("the key leads to a segment");
        shm::remove(self.watch(id)).expect("this user made the segment");
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(id) = find(self.key) {
            self.watch(id);
        }
        for id in self
            .segments
            .get_mut()
            .expect("no test panics in here")
            .iter()
        {
            remove_segment(*id);
        }
        for set in self.sets.get_mut().expect("no test panics in here").iter() {
            remove_set(sem::Id::from_raw(*set));
        }
        taken().remove(&self.key.raw());
    }
}

fn taken() -> MutexGuard<'static, BTreeSet<i32>> {
    TAKEN.lock().expect("no test panics in here")
}

/// Removes it, if need be as the user who owns it: not every root may remove what is another's.
fn remove_segment(id: shm::Id) {
    if shm::remove(id).is_err_and(|error| error.kind() == Kind::NotPermitted) {
        let mut all = shm::segments().into_iter().flatten().flatten();
        if let Some((_, stat)) = all.find(|(found, _)| *found == id) {
            let _ = as_user(stat.uid, || shm::remove(id));
        }
    }
}

/// The same for a semaphore set.
fn remove_set(id: sem::Id) {
    if sem::remove(id).is_err_and(|error| error.kind() == Kind::NotPermitted) {
        let mut all = sem::sets().into_iter().flatten().flatten();
        if let Some((_, stat)) = all.find(|(found, _)| *found == id) {
            let _ = as_user(stat.uid, || sem::remove(id));
        }
    }
}

/// The segment of a key, whatever it is.
fn find(key: Key) -> Option<shm::Id> {
    match shm::get(key, 0, shm::GetFlags::NONE, Mode::new(0)) {
        Ok(id) => Some(id),
        Err(error) if error.kind() == Kind::NotFound => None,
        Err(error) => panic!("{error}"),
    }
}

/// The semaphore set of a segment that this library made.
///
/// # Panics
///
/// If it is gone, or has no control block.
pub fn semaphores(segment: shm::Id) -> sem::Id {
    sem::Id::from_raw(set_of(segment).expect("the segment has a control block"))
}

/// The slots in a segment's semaphore set, one for each process that writes; the tags behind them are
/// left out.
///
/// # Panics
///
/// If the set is gone.
pub fn slots(set: sem::Id) -> Vec<u16> {
    let mut values = sem::values(set).expect("the set exists");
    values.truncate(values.len() - 2);
    values
}

/// Sets the slots as a hostile process would, and leaves the tags behind them as they are.
///
/// # Panics
///
/// If the set is gone.
pub fn set_slots(set: sem::Id, slots: &[u16]) {
    let mut values = sem::values(set).expect("the set exists");
    values[..slots.len()].copy_from_slice(slots);
    sem::set_values(set, &values).expect("this user made the set");
}

/// The semaphore set that a segment with a control block names.
fn set_of(id: shm::Id) -> Option<i32> {
    let memory = Memory::try_attach(id)?;
    let control = memory.len().checked_sub(320)?;
    if memory.read(control, 6) != b"SHMBOX" {
        return None;
    }
    let word = memory.read(memory.len() - SET_FROM_END, 4);
    i32::from_ne_bytes(word.try_into().ok()?).checked_sub(1)
}
