//! A power loss in the middle of an upgrade, or after it: the old version stands, or the new one with all that it names. With
//! `SHM_FULL` in the environment more mixtures are put together.

use std::ffi::c_int;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use shm_core::{Error, ErrorKind, Options, Place, SharedBox, SharedTable};
use shm_tests::Folder;
use shm_tests::family::{CAPACITY, Version, v1, v4};

use super::power_loss::{Dice, SECTOR, write};

/// Mixtures of what may be on the disk at one instant.
fn rounds() -> u32 {
    if std::env::var_os("SHM_FULL").is_some() {
        5_000
    } else {
        100
    }
}

/// A file while it is changed by one thread: what has been read of it since it was last brought to the disk as a whole, and what
/// had been before each such time.
struct Watched {
    path: PathBuf,
    since: Vec<Vec<Vec<u8>>>,
}

static WATCHED: Mutex<Option<Watched>> = Mutex::new(None);

impl Watched {
    fn look(&mut self) {
        let reading = fs::read(&self.path).unwrap();
        self.since.last_mut().unwrap().push(reading);
    }

    fn is(&self, fd: c_int) -> bool {
        let link = fs::read_link(format!("/proc/self/fd/{fd}"));
        link.is_ok_and(|link| link == self.path)
    }
}

/// In the place of the C library's, for the whole program: notes what the file has before and after.
#[unsafe(no_mangle)]
extern "C" fn fdatasync(fd: c_int) -> c_int {
    let mut watched = WATCHED.lock().unwrap();
    let mut watched = watched.as_mut().filter(|watched| watched.is(fd));
    if let Some(watched) = &mut watched {
        watched.look();
    }
    // SAFETY: takes and returns numbers.
    let code = unsafe { libc::syscall(libc::SYS_fdatasync, fd) } as c_int;
    if let Some(watched) = watched.filter(|_| code == 0) {
        watched.since.push(Vec::new());
        watched.look();
    }
    code
}

/// What the file may be on the disk, by readings of it, while `change` changes it: for each time between two at which it was waited
/// for.
fn watch(path: &Path, change: impl FnOnce()) -> Vec<Vec<Vec<u8>>> {
    let path = path.canonicalize().unwrap();
    let mut watched = Watched {
        path,
        since: vec![Vec::new()],
    };
    watched.look();
    *WATCHED.lock().unwrap() = Some(watched);
    change();
    let mut watched = WATCHED.lock().unwrap().take().unwrap();
    watched.look();
    watched.since
}

/// Each sector is that of one of the readings.
fn mixture(readings: &[Vec<u8>], dice: &mut Dice) -> Vec<u8> {
    let mut image = readings[0].clone();
    for (number, sector) in image.chunks_mut(SECTOR).enumerate() {
        let other = &readings[dice.roll(readings.len())];
        sector.copy_from_slice(&other[number * SECTOR..][..sector.len()]);
    }
    image
}

/// Has `check` look at files that a power loss may leave of these readings.
fn crash(readings: &[Vec<u8>], dice: &mut Dice, mut check: impl FnMut(&Place)) {
    let images = Folder::in_memory();
    for round in 0..rounds() {
        let image = images.file(&format!("image-{round}"));
        write(&image, &mixture(readings, dice));
        check(&Place::file(&image));
        fs::remove_file(&image).unwrap();
    }
}

/// Whether the new version is in force.
fn is_upgraded<R>(opened: Result<R, Error>) -> bool {
    match opened {
        Ok(_) => true,
        Err(error) if error.kind() == ErrorKind::NeedsUpgrade => false,
        Err(error) => panic!("{error}"),
    }
}

fn table<V: Version>() -> Options<V, SharedTable<V>> {
    let mut options = SharedTable::<V>::options();
    options.rows(4).capacity(CAPACITY);
    options
}

#[test]
fn a_table_has_the_old_version_or_the_new_one_with_its_defaults() {
    let folder = Folder::new();
    let path = folder.file("table");
    drop(
        table::<v1::Station>()
            .create_new(Place::file(&path))
            .unwrap(),
    );
    let readings = watch(&path, || {
        let mut options = table::<v4::Station>();
        drop(options.upgrade(true).open(Place::file(&path)).unwrap());
    });
    let (mut old, mut new) = (0, 0);
    let mut dice = Dice(0x5eed);
    for readings in readings {
        crash(&readings, &mut dice, |image| {
            match is_upgraded(table::<v4::Station>().open(image.clone())) {
                true => new += 1,
                false => old += 1,
            }
            // Claimed by a program that does not know the new fields.
            let table_1 = table::<v1::Station>().open(image.clone()).unwrap();
            let seat = table_1.claim(v1::Station::first()).unwrap();
            let mut options = table::<v4::Station>();
            let table_4 = options.upgrade(true).open(image.clone()).unwrap();
            let row = table_4.get(seat.id()).unwrap();
            assert_eq!(row.fault([1, 4]), None);
        });
    }
    eprintln!("{old} with the old version, {new} with the new one");
    assert!(old > 0 && new > 0);
}

#[test]
fn a_value_has_the_version_that_was_persisted_last_or_a_later_one() {
    let folder = Folder::new();
    let path = folder.file("value");
    let place = Place::file(&path);
    let mut options = SharedBox::<v1::Station>::options();
    options.capacity(CAPACITY);
    let first = options.create_new(place.clone(), v1::Station::first());
    let first = first.unwrap();
    first.update(|value| value.step(0)).unwrap();
    first.persist().unwrap();
    let mut readings = vec![fs::read(&path).unwrap()];
    let mut look = || readings.push(fs::read(&path).unwrap());
    let mut options = SharedBox::<v4::Station>::options();
    let second = options.upgrade(true).open(place).unwrap();
    look();
    second.update(|value| value.step(1)).unwrap();
    look();
    second.persist().unwrap();
    look();
    let persisted = readings.last().unwrap().clone();
    let mut dice = Dice(0x5eed);
    let (mut old, mut new) = (0, 0);
    crash(&readings, &mut dice, |image| {
        match is_upgraded(SharedBox::<v4::Station>::open(image.clone())) {
            true => new += 1,
            false => old += 1,
        }
        let seen = options.open(image.clone()).unwrap().snapshot().unwrap();
        assert_eq!(seen.value.fault([1, 4]), None);
        assert!(seen.version >= 2, "{seen:?}");
    });
    eprintln!("{old} with the old version, {new} with the new one");
    assert!(old > 0 && new > 0);
    second.update(|value| value.step(1)).unwrap();
    let readings = [persisted, fs::read(&path).unwrap()];
    crash(&readings, &mut dice, |image| {
        assert!(is_upgraded(SharedBox::<v4::Station>::open(image.clone())));
        let seen = options.open(image.clone()).unwrap().snapshot().unwrap();
        assert_eq!(seen.value.fault([1, 4]), None);
        assert_eq!(seen.version, 3);
    });
}
