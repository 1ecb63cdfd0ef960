//! A power loss leaves any mixture of the sectors that a file has had since they were last waited for. Here the mixtures are put
//! together: the file is read again and again while it is written, and each sector of a crashed image is taken from one of the
//! readings.

use std::fs;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

use shm_core::{Place, SharedBox};
use shm_tests::{Folder, Whole};

use super::{commit, version_of};

const ROUNDS: u32 = 1000;
pub(super) const SECTOR: usize = 512;

/// Numbers without pattern, the same in every run.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % sides as u64) as usize
    }
}

/// What `persist` has answered: the version, and how often it has; and whether it is to be called again.
#[derive(Default)]
struct Answered {
    version: AtomicU64,
    times: AtomicU64,
    again: AtomicBool,
}

#[test]
fn the_value_is_the_newest_persisted_one_and_whole() {
    let (folder, images) = (Folder::new(), Folder::in_memory());
    let path = folder.file("value");
    let shared = SharedBox::create_new(Place::file(&path), Whole::of(1)).unwrap();
    let capacity = shared.capacity();
    let (answered, stop) = (Answered::default(), AtomicBool::new(false));
    answered.version.store(1, SeqCst);
    let (mut torn, mut newer) = (0, 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(SeqCst) {
                commit(&shared);
            }
        });
        scope.spawn(|| {
            while !stop.load(SeqCst) {
                if !answered.again.swap(false, SeqCst) {
                    std::thread::yield_now();
                    continue;
                }
                let version = shared.version();
                shared.persist().unwrap();
                answered.version.store(version, SeqCst);
                answered.times.fetch_add(1, SeqCst);
            }
        });
        let _stop = OnDrop(&stop);
        let mut dice = Dice(0x5eed);
        for round in 0..ROUNDS {
            let (image, least, is_torn) = crashed(&path, &answered, 3 * capacity, &mut dice);
            torn += u32::from(is_torn);
            let crashed = images.file(&format!("image-{round}"));
            write(&crashed, &image);
            let found = SharedBox::<Whole>::open(Place::file(&crashed)).unwrap();
            let version = version_of(&found).unwrap();
            assert!(
                version >= least,
                "{version} is older than {least}, which was persisted"
            );
            newer += u32::from(version > least);
            // It goes on from there.
            assert_eq!(commit(&found), version + 1);
            drop(found);
            fs::remove_file(&crashed).unwrap();
        }
    });
    eprintln!(
        "{ROUNDS} crashes: {torn} amid a write, {newer} with a newer value than was answered for"
    );
    assert!(torn > 0, "no reading met a write under way");
}

struct OnDrop<'a>(&'a AtomicBool);

impl Drop for OnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
    }
}

/// What a power loss might leave of the file, the version that must be found in it at least, and whether its sectors are of
/// different times.
fn crashed(path: &Path, answered: &Answered, live: usize, dice: &mut Dice) -> (Vec<u8>, u64, bool) {
    let times = answered.times.load(SeqCst);
    let least = answered.version.load(SeqCst);
    let mut readings = vec![fs::read(path).unwrap()];
    answered.again.store(true, SeqCst);
    for _ in 0..4 {
        (0..dice.roll(20_000)).for_each(|_| std::hint::spin_loop());
        let reading = fs::read(path).unwrap();
        // What was waited for in between is not lost any more.
        if answered.times.load(SeqCst) != times {
            break;
        }
        readings.push(reading);
    }
    let mut image = readings[0].clone();
    let mut is_torn = false;
    for (number, sector) in image.chunks_mut(SECTOR).enumerate() {
        let at = number * SECTOR;
        let other = &readings[dice.roll(readings.len())][at..at + sector.len()];
        // The payload and the mirrors change all the time; the snapshots are behind them.
        is_torn |= at >= live && sector != other;
        sector.copy_from_slice(other);
    }
    (image, least, is_torn)
}

/// Makes a file of a crashed image.
pub(super) fn write(path: &Path, bytes: &[u8]) {
    let mut options = fs::OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .unwrap();
    std::io::Write::write_all(&mut file, bytes).unwrap();
}
