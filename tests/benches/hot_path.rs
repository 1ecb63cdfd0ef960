//! For daily work: what the calls of the hot path cost on this machine. `cargo bench -p shm-tests --features bench
//! --bench hot_path`
//!
//! Beside each stands the plain copy that it is to be compared with. (`tests/competitors` compares with
//! other libraries.)

use std::cell::RefCell;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use divan::{Bencher, black_box};
use shm_core::{Key, Seat, SharedBox, SharedLayout, SharedTable, field};

fn main() {
    divan::main();
}

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
struct Block<const N: usize> {
    words: [u64; N],
}

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
struct Cell {
    wide: u64,
    narrow: u32,
}

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
struct Padded {
    cells: [Cell; 4096],
}

/// A segment that has been written to once: that claims a slot, which is not what is measured here.
fn shared<T: SharedLayout>(value: T) -> SharedBox<T> {
    let shared = SharedBox::options()
        .remove_on_drop(true)
        .create_new(Key::PRIVATE, value)
        .expect("created");
    shared.set_from(&value).expect("set");
    shared
}

/// 64 B, 256 B, 1 KiB, 4 KiB, 64 KiB.
const WORDS: [usize; 5] = [8, 32, 128, 512, 8192];

#[divan::bench(consts = WORDS)]
fn copy<const N: usize>(bencher: Bencher) {
    let from = Box::new(Block { words: [1; N] });
    let mut to = Box::new(Block { words: [0; N] });
    bencher.bench_local(|| {
        to.words.copy_from_slice(black_box(&from.words));
        black_box(&to);
    });
}

#[divan::bench(consts = WORDS)]
fn get<const N: usize>(bencher: Bencher) {
    let shared = shared(Block { words: [1; N] });
    bencher.bench_local(|| {
        let value = shared.get().expect("read");
        black_box(&value);
    });
}

#[divan::bench(consts = WORDS)]
fn read_with<const N: usize>(bencher: Bencher) {
    let shared = shared(Block { words: [1; N] });
    bencher.bench_local(|| {
        shared
            .read_with(|value| _ = black_box(value))
            .expect("read")
    });
}

#[divan::bench(consts = WORDS)]
fn read_into<const N: usize>(bencher: Bencher) {
    let shared = shared(Block { words: [1; N] });
    let mut value = Box::new(Block { words: [0; N] });
    bencher.bench_local(|| {
        shared.read_into(black_box(&mut value)).expect("read");
    });
}

#[divan::bench(consts = WORDS)]
fn set<const N: usize>(bencher: Bencher) {
    let value = Box::new(Block { words: [1; N] });
    let shared = shared(*value);
    bencher.bench_local(|| shared.set_from(black_box(&value)).expect("set"));
}

#[divan::bench(consts = WORDS)]
fn update<const N: usize>(bencher: Bencher) {
    let shared = shared(Block { words: [1; N] });
    bencher.bench_local(|| shared.update(|value| value.words[0] += 1).expect("updated"));
}

#[divan::bench(consts = WORDS)]
fn writer_set<const N: usize>(bencher: Bencher) {
    let value = Box::new(Block { words: [1; N] });
    let shared = shared(*value);
    let mut writer = shared.writer().expect("the lock");
    bencher.bench_local(|| writer.set_from(black_box(&value)).expect("set"));
}

/// One field of 8 KiB, by each call that does not move the rest.
#[divan::bench(sample_size = 1000, args = ["store", "update_field", "fetch_add", "Writer::fetch_add", "batch of 2"])]
fn field_of_8_kib(bencher: Bencher, call: &str) {
    type Large = Block<1024>;
    let shared = shared(Large { words: [1; 1024] });
    let (word, other) = (field!(Large.words[500]), field!(Large.words[502]));
    match call {
        "store" => bencher.bench_local(|| shared.store(word, black_box(7)).expect("stored")),
        "update_field" => bencher.bench_local(|| {
            let updated = shared.update_field(word, |word| *word += black_box(7));
            updated.expect("updated")
        }),
        "fetch_add" => bencher.bench_local(|| shared.fetch_add(word, black_box(7)).expect("added")),
        "Writer::fetch_add" => {
            let mut writer = shared.writer().expect("the lock");
            bencher.bench_local(|| writer.fetch_add(word, black_box(7)).expect("added"));
        }
        _ => {
            let mut writer = shared.writer().expect("the lock");
            bencher.bench_local(|| {
                let batch = writer.batch().store(word, black_box(7)).store(other, 8);
                batch.commit().expect("committed")
            });
        }
    }
}

fn padded() -> Box<Padded> {
    let cell = Cell { wide: 1, narrow: 2 };
    Box::new(Padded {
        cells: [cell; 4096],
    })
}

#[divan::bench]
fn update_padded(bencher: Bencher) {
    let shared = shared(*padded());
    bencher.bench_local(|| {
        shared
            .update(|value| value.cells[9].wide += 1)
            .expect("updated")
    });
}

#[divan::bench]
fn set_padded(bencher: Bencher) {
    let value = padded();
    let shared = shared(*value);
    bencher.bench_local(|| shared.set_from(black_box(&value)).expect("set"));
}

/// A table of these rows, all of which are this process's.
fn table<T: SharedLayout>(rows: u32, value: T) -> (SharedTable<T>, Vec<Seat<T>>) {
    let mut options = SharedTable::<T>::options();
    options.rows(rows).remove_on_drop(true);
    let table = options.create_new(Key::PRIVATE).expect("created");
    let seats = (0..rows).map(|_| table.claim(value).expect("free"));
    let seats = seats.collect();
    (table, seats)
}

#[divan::bench]
fn two_copies_of_64_bytes(bencher: Bencher) {
    let from = Block { words: [1; 8] };
    let mut to = [Block { words: [0; 8] }; 2];
    bencher.bench_local(|| {
        for to in &mut to {
            *to = black_box(from);
            black_box(to);
        }
    });
}

#[divan::bench]
fn seat_set(bencher: Bencher) {
    let (_table, mut seats) = table(1, Block::<8> { words: [1; 8] });
    bencher.bench_local(|| {
        seats[0]
            .set(black_box(Block { words: [2; 8] }))
            .expect("set")
    });
}

#[divan::bench]
fn seat_fetch_add(bencher: Bencher) {
    let (_table, mut seats) = table(1, Cell { wide: 0, narrow: 0 });
    bencher.bench_local(|| seats[0].fetch_add(field!(Cell.wide), 1).expect("added"));
}

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
struct Counted {
    #[shared(counter)]
    n: u64,
    words: [u64; 7],
}

#[divan::bench]
fn atomic_fetch_add(bencher: Bencher) {
    let n = AtomicU64::new(0);
    bencher.bench_local(|| black_box(&n).fetch_add(1, Relaxed));
}

#[divan::bench]
fn seat_count(bencher: Bencher) {
    let (_table, mut seats) = table(
        1,
        Counted {
            n: 0,
            words: [1; 7],
        },
    );
    bencher.bench_local(|| seats[0].fetch_add(field!(Counted.n), 1).expect("added"));
}

#[divan::bench]
fn seat_set_beside_a_counter(bencher: Bencher) {
    let (_table, mut seats) = table(
        1,
        Counted {
            n: 0,
            words: [1; 7],
        },
    );
    let value = Counted {
        n: 0,
        words: [2; 7],
    };
    bencher.bench_local(|| seats[0].set(black_box(value)).expect("set"));
}

#[divan::bench]
fn total_of_256(bencher: Bencher) {
    let (table, _seats) = table(
        ROWS,
        Counted {
            n: 0,
            words: [1; 7],
        },
    );
    bencher.bench_local(|| table.total(field!(Counted.n)).expect("summed"));
}

/// As many threads as there are, each with a row of its own, one beside the other.
#[divan::bench(threads = [1, 2])]
fn neighbouring_seats(bencher: Bencher) {
    let (_table, seats) = table(2, Block::<8> { words: [1; 8] });
    let seats = Mutex::new(seats);
    let own = || {
        seats
            .lock()
            .expect("no panic inside")
            .pop()
            .expect("one each")
    };
    thread_local!(static SEAT: RefCell<Option<Seat<Block<8>>>> = const { RefCell::new(None) });
    SEAT.take();
    bencher.bench(|| {
        SEAT.with_borrow_mut(|seat| {
            let seat = seat.get_or_insert_with(own);
            seat.set(black_box(Block { words: [2; 8] })).expect("set")
        })
    });
}

#[divan::bench]
fn claim_and_release(bencher: Bencher) {
    let (table, seats) = table(4, Block::<8> { words: [1; 8] });
    drop(seats);
    bencher.bench_local(|| {
        table
            .claim(black_box(Block { words: [2; 8] }))
            .expect("free")
    });
}

const ROWS: u32 = 256;

#[divan::bench]
fn get_256_times(bencher: Bencher) {
    let shared = shared(Block::<8> { words: [1; 8] });
    bencher.bench_local(|| {
        for _ in 0..ROWS {
            black_box(shared.get().expect("read"));
        }
    });
}

#[divan::bench(args = [16, 64, ROWS])]
fn rows(bencher: Bencher, count: u32) {
    let (table, _seats) = table(count, Block::<8> { words: [1; 8] });
    bencher.bench_local(|| {
        for row in table.rows() {
            black_box(row.get().expect("read"));
        }
    });
}

/// As many values of 64 bytes, each at a place of its own.
#[divan::bench]
fn load_256_places(bencher: Bencher) {
    let blocks = [Block::<8> { words: [1; 8] }; ROWS as usize];
    let shared = shared(Places { blocks });
    bencher.bench_local(|| {
        for place in 0..ROWS as usize {
            let place = field!(Places.blocks).at(place).expect("there");
            black_box(shared.load(place).expect("read"));
        }
    });
}

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
struct Places {
    blocks: [Block<8>; ROWS as usize],
}

#[divan::bench]
fn look_at_256(bencher: Bencher) {
    let (table, _seats) = table(ROWS, Block::<8> { words: [1; 8] });
    let other = SharedTable::<Block<8>>::open(table.place().expect("it has an id"));
    let other = other.expect("opened");
    bencher.bench_local(|| {
        for row in other.look().expect("judged") {
            black_box(row.get().expect("read"));
        }
    });
}
