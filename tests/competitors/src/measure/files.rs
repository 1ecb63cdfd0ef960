//! One value in a file: to read it, to write it, to write it so that a power loss can't take it, to come and go. Beside a System V
//! segment, plain `mmap` with `msync`, `pwrite` with `fdatasync`, LMDB and `mmap-sync`.

use std::ffi::OsString;
use std::fs::{self, File};
use std::hint::black_box;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::ptr;
use std::time::{Duration, Instant};

use heed::types::{Bytes, Str};
use heed::{Database, Env, EnvFlags, EnvOpenOptions};
use mmap_sync::synchronizer::Synchronizer;
use shm_core::{Place, SharedBox, SharedView};

use super::{Cost, Effort, Figure};
use crate::place;
use crate::value::{Block, Value};

pub const OURS: &str = "SharedBox in a file";
pub const SEGMENT: &str = "SharedBox in a segment";
pub const MAPPED: &str = "mmap, msync";
pub const PLAIN: &str = "pwrite, fdatasync";
pub const LMDB: &str = "LMDB (heed)";
pub const MMAP_SYNC: &str = "mmap-sync";

pub const GET: &str = "get";
pub const SET: &str = "set";
pub const DURABLE: &str = "set, durable";
pub const ATTACH: &str = "attach, get, detach";

/// Calls in one round of what costs nanoseconds.
const CALLS: u64 = 2000;

struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A call of one candidate, which gets the number of the value.
type Call<'a> = (&'static str, Box<dyn FnMut(u64) + 'a>);

pub fn measure(effort: Effort) -> Vec<Figure> {
    let mut figures = of_size::<8>(effort);
    figures.extend(of_size::<512>(effort));
    figures
}

fn of_size<const N: usize>(effort: Effort) -> Vec<Figure>
where
    Block<N>: Value,
    [u64; N]: Plain,
{
    let number = place::Place::fresh();
    let folder = Folder(std::env::temp_dir().join(number.name()));
    fs::create_dir(&folder.0).expect("a directory");
    let at = |name: &str| folder.0.join(name);
    let first = Block::<N>::numbered(1);
    let ours_at = Place::file(at("ours"));
    let ours = SharedBox::create_new(&ours_at, first).expect("a file");
    let mut options = SharedBox::options();
    let segment = options
        .remove_on_drop(true)
        .create_new(number.key(), first)
        .expect("a segment");
    let mapped = Mapped::new(&at("mapped"), 8 * N);
    // As many bytes as a snapshot has: header, schema and value.
    let mut slot = vec![0; 64 + 640 + 8 * N];
    let plain = file(&at("plain"), slot.len());
    let lmdb = Lmdb::new(&at("lmdb"), EnvFlags::empty(), &[1; N]);
    let lazy = Lmdb::new(&at("lazy"), EnvFlags::NO_SYNC, &[1; N]);
    let sync_at: OsString = at("sync").into();
    let mut sync = Synchronizer::new(&sync_at);
    write(&mut sync, &[1; N]);
    let mut reader = Synchronizer::new(&sync_at);
    let words = |k: u64| [k; N];

    let gets: Vec<Call<'_>> = vec![
        (
            SEGMENT,
            Box::new(|_| _ = black_box(segment.get().expect("a value"))),
        ),
        (
            OURS,
            Box::new(|_| _ = black_box(ours.get().expect("a value"))),
        ),
        (MAPPED, Box::new(|_| _ = black_box(mapped.load::<N>()))),
        (LMDB, Box::new(|_| _ = black_box(lmdb.get::<N>()))),
        (
            MMAP_SYNC,
            Box::new(|_| _ = black_box(read::<N>(&mut reader))),
        ),
    ];
    let mut figures = rounds::<N>(GET, gets, CALLS, effort.rounds(50));
    let sets: Vec<Call<'_>> = vec![
        (
            SEGMENT,
            Box::new(|k| _ = segment.set(Block::numbered(k)).expect("set")),
        ),
        (
            OURS,
            Box::new(|k| _ = ours.set(Block::numbered(k)).expect("set")),
        ),
        (MAPPED, Box::new(|k| mapped.store(&words(k)))),
        (LMDB, Box::new(|k| lazy.put(&words(k)))),
        (MMAP_SYNC, Box::new(|k| write(&mut sync, &words(k)))),
    ];
    figures.extend(rounds::<N>(SET, sets, 100, effort.rounds(50)));
    let durables: Vec<Call<'_>> = vec![
        (
            PLAIN,
            Box::new(|k| {
                slot[64 + 640..].copy_from_slice(bytes(&words(k)));
                plain.write_all_at(&slot, 0).expect("written");
                plain.sync_data().expect("on the disk");
            }),
        ),
        (
            OURS,
            Box::new(|k| {
                ours.set(Block::numbered(k)).expect("set");
                ours.persist().expect("on the disk");
            }),
        ),
        (
            MAPPED,
            Box::new(|k| {
                mapped.store(&words(k));
                mapped.sync();
            }),
        ),
        (LMDB, Box::new(|k| lmdb.put(&words(k)))),
    ];
    figures.extend(rounds::<N>(DURABLE, durables, 1, effort.rounds(400)));
    let attaches: Vec<Call<'_>> = vec![
        (
            SEGMENT,
            Box::new(|_| _ = black_box(open::<N>(number.key().into()))),
        ),
        (
            OURS,
            Box::new(|_| _ = black_box(open::<N>(ours_at.clone()))),
        ),
        (
            MAPPED,
            Box::new(|_| _ = black_box(Mapped::open(&at("mapped"), 8 * N).load::<N>())),
        ),
        (
            MMAP_SYNC,
            Box::new(|_| _ = black_box(read::<N>(&mut Synchronizer::new(&sync_at)))),
        ),
    ];
    figures.extend(rounds::<N>(ATTACH, attaches, 1, effort.rounds(300)));
    figures
}

fn open<const N: usize>(place: Place) -> Block<N> {
    SharedView::open(place)
        .and_then(|view: SharedView<Block<N>>| view.get())
        .expect("a value")
}

fn rounds<const N: usize>(
    what: &str,
    mut all: Vec<Call<'_>>,
    calls: u64,
    rounds: u32,
) -> Vec<Figure> {
    let mut samples = vec![Vec::new(); all.len()];
    let mut k = 1;
    for _ in 0..rounds {
        for ((_, call), samples) in all.iter_mut().zip(&mut samples) {
            // Once to warm up: the one before left the caches to its own use.
            call(k);
            let start = Instant::now();
            for _ in 0..calls {
                k += 1;
                call(k);
            }
            samples.push(start.elapsed().as_nanos() as f64 / calls as f64);
        }
    }
    let figure = |((candidate, _), samples): (Call<'_>, Vec<f64>)| Figure {
        what: what.into(),
        bytes: 8 * N,
        candidate,
        cost: Cost::of(samples),
    };
    all.into_iter().zip(samples).map(figure).collect()
}

fn bytes<const N: usize>(words: &[u64; N]) -> &[u8] {
    // SAFETY: as many bytes as the words have, all of them initialised.
    unsafe { std::slice::from_raw_parts(words.as_ptr().cast(), 8 * N) }
}

/// A file of so many bytes, all of them on the disk.
fn file(path: &Path, len: usize) -> File {
    let mut options = File::options();
    let options = options
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600);
    let file = options.open(path).expect("a file");
    if file.metadata().expect("a file").len() == 0 {
        file.write_all_at(&vec![0; len], 0).expect("written");
        file.sync_all().expect("on the disk");
    }
    file
}

/// What a C program does: no protocol, no protection from torn values.
struct Mapped {
    at: *mut libc::c_void,
    len: usize,
}

impl Mapped {
    fn new(path: &Path, len: usize) -> Mapped {
        drop(file(path, len));
        Mapped::open(path, len)
    }

    fn open(path: &Path, len: usize) -> Mapped {
        let file = File::options()
            .read(true)
            .write(true)
            .open(path)
            .expect("a file");
        let prot = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new mapping at an address of the kernel's choice.
        let at = unsafe {
            libc::mmap(
                ptr::null_mut(),
                len,
                prot,
                libc::MAP_SHARED,
                file.as_raw_fd(),
                0,
            )
        };
        assert!(at != libc::MAP_FAILED);
        Mapped { at, len }
    }

    fn load<const N: usize>(&self) -> [u64; N] {
        // SAFETY: the mapping has `N` words, and begins on a page.
        unsafe { self.at.cast::<[u64; N]>().read_volatile() }
    }

    fn store<const N: usize>(&self, words: &[u64; N]) {
        // SAFETY: the mapping has `N` words, and begins on a page.
        unsafe { self.at.cast::<[u64; N]>().write_volatile(*words) }
    }

    fn sync(&self) {
        // SAFETY: the range is the mapping.
        assert_eq!(unsafe { libc::msync(self.at, self.len, libc::MS_SYNC) }, 0);
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        // SAFETY: the mapping is this value's.
        unsafe { libc::munmap(self.at, self.len) };
    }
}

struct Lmdb {
    env: Env,
    table: Database<Str, Bytes>,
}

impl Lmdb {
    fn new<const N: usize>(folder: &Path, flags: EnvFlags, first: &[u64; N]) -> Lmdb {
        fs::create_dir(folder).expect("a directory");
        let mut options = EnvOpenOptions::new();
        options.map_size(1 << 20);
        // SAFETY: the files are this process's, and opened once.
        let env = unsafe { options.flags(flags).open(folder) }.expect("an environment");
        let mut transaction = env.write_txn().expect("a transaction");
        let table = env
            .create_database(&mut transaction, None)
            .expect("a table");
        transaction.commit().expect("committed");
        let lmdb = Lmdb { env, table };
        lmdb.put(first);
        lmdb
    }

    fn get<const N: usize>(&self) -> [u64; N] {
        let transaction = self.env.read_txn().expect("a transaction");
        let found = self
            .table
            .get(&transaction, "value")
            .expect("read")
            .expect("a value");
        let mut words = [0; N];
        for (word, bytes) in words.iter_mut().zip(found.as_chunks().0) {
            *word = u64::from_ne_bytes(*bytes);
        }
        words
    }

    fn put<const N: usize>(&self, words: &[u64; N]) {
        let mut transaction = self.env.write_txn().expect("a transaction");
        self.table
            .put(&mut transaction, "value", bytes(words))
            .expect("written");
        transaction.commit().expect("committed");
    }
}

/// What `mmap-sync` asks of a value.
pub trait Plain: Copy {
    fn write(self, to: &mut Synchronizer);
    fn read(from: &mut Synchronizer) -> Self;
}

macro_rules! plain {
    ($($n:literal)*) => {$(
        impl Plain for [u64; $n] {
            fn write(self, to: &mut Synchronizer) {
                to.write(&self, Duration::from_secs(1)).expect("written");
            }

            fn read(from: &mut Synchronizer) -> Self {
                // SAFETY: nothing but `write` has written there.
                *unsafe { from.read::<[u64; $n]>(false) }.expect("a value")
            }
        }
    )*};
}

plain!(8 512);

fn write<const N: usize>(to: &mut Synchronizer, words: &[u64; N])
where
    [u64; N]: Plain,
{
    words.write(to);
}

fn read<const N: usize>(from: &mut Synchronizer) -> [u64; N]
where
    [u64; N]: Plain,
{
    Plain::read(from)
}
