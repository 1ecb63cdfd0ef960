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
/// Into a value that the caller has: each candidate copies all bytes, once.
pub const READ: &str = "read_into";
/// Where LMDB's reference into its file saves the copy.
pub const FIELD: &str = "one field";
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
    let mut values = [first; 2];
    let [in_segment, in_file] = &mut values;
    let mut copies = [[0; N]; 3];
    let [of_mapped, of_lmdb, of_sync] = &mut copies;
    let reads: Vec<Call<'_>> = vec![
        (
            SEGMENT,
            Box::new(|_| {
                segment.read_into(in_segment).expect("a value");
                black_box(&*in_segment);
            }),
        ),
        (
            OURS,
            Box::new(|_| {
                ours.read_into(in_file).expect("a value");
                black_box(&*in_file);
            }),
        ),
        (MAPPED, Box::new(|_| mapped.read_into(of_mapped))),
        (LMDB, Box::new(|_| lmdb.read_into(of_lmdb))),
        (
            MMAP_SYNC,
            Box::new(|_| {
                Plain::read_into(of_sync, &mut reader);
                black_box(&*of_sync);
            }),
        ),
    ];
    figures.extend(rounds::<N>(READ, reads, CALLS, effort.rounds(50)));
    let fields: Vec<Call<'_>> = vec![
        (
            SEGMENT,
            Box::new(|_| _ = black_box(segment.load(Block::<N>::COUNT).expect("a field"))),
        ),
        (
            OURS,
            Box::new(|_| _ = black_box(ours.load(Block::<N>::COUNT).expect("a field"))),
        ),
        (MAPPED, Box::new(|_| _ = black_box(mapped.field::<N>()))),
        (LMDB, Box::new(|_| _ = black_box(lmdb.field::<N>()))),
        (
            MMAP_SYNC,
            Box::new(|_| _ = black_box(<[u64; N]>::field(&mut reader))),
        ),
    ];
    figures.extend(rounds::<N>(FIELD, fields, CALLS, effort.rounds(50)));
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

fn bytes_mut<const N: usize>(words: &mut [u64; N]) -> &mut [u8] {
    // SAFETY: as many bytes as the words have; any are words.
    unsafe { std::slice::from_raw_parts_mut(words.as_mut_ptr().cast(), 8 * N) }
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
        // What the compiler does not know of, it does not leave out; a volatile copy would go word by word.
        let at = black_box(self.at).cast::<[u64; N]>();
        // SAFETY: the mapping has `N` words, and begins on a page.
        unsafe { at.read() }
    }

    fn read_into<const N: usize>(&self, to: &mut [u64; N]) {
        let at = black_box(self.at).cast::<[u64; N]>();
        // SAFETY: the mapping has `N` words, and begins on a page.
        unsafe { ptr::copy_nonoverlapping(at, to, 1) };
        black_box(to);
    }

    fn field<const N: usize>(&self) -> u64 {
        // SAFETY: the mapping has `N` words, and begins on a page.
        unsafe { self.at.cast::<u64>().add(N / 2).read_volatile() }
    }

    fn store<const N: usize>(&self, words: &[u64; N]) {
        let at = black_box(self.at).cast::<[u64; N]>();
        // SAFETY: the mapping has `N` words, and begins on a page.
        unsafe { at.write(*words) }
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

    /// Lends the bytes as they lie in the file, for as long as the transaction lasts.
    fn read<R>(&self, look: impl FnOnce(&[u8]) -> R) -> R {
        let transaction = self.env.read_txn().expect("a transaction");
        let found = self.table.get(&transaction, "value");
        look(found.expect("read").expect("a value"))
    }

    fn get<const N: usize>(&self) -> [u64; N] {
        let mut words = [0; N];
        self.read_into(&mut words);
        words
    }

    fn read_into<const N: usize>(&self, to: &mut [u64; N]) {
        self.read(|found| bytes_mut(to).copy_from_slice(found));
        black_box(to);
    }

    fn field<const N: usize>(&self) -> u64 {
        self.read(|found| u64::from_ne_bytes(found.as_chunks().0[N / 2]))
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
    fn read_into(to: &mut Self, from: &mut Synchronizer);
    fn field(from: &mut Synchronizer) -> u64;
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

            fn read_into(to: &mut Self, from: &mut Synchronizer) {
                // SAFETY: nothing but `write` has written there.
                *to = *unsafe { from.read::<[u64; $n]>(false) }.expect("a value");
            }

            fn field(from: &mut Synchronizer) -> u64 {
                // SAFETY: nothing but `write` has written there.
                unsafe { from.read::<[u64; $n]>(false) }.expect("a value")[$n / 2]
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
