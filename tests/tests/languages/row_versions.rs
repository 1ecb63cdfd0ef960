//! Rows of programs in C, Rust and Python, each of a version of its own, in a table that is upgraded under them.

use std::path::{Path, PathBuf};

use shm_core::{CHeader, Seat, SharedLayout, SharedTable, TableView};
use shm_tests::family::{CAPACITY, Version, v1, v4};
use shm_tests::{Compiler, Guard, Peer, Python, with_version};

/// The program of this version, built by this compiler; `knows`: with a header that tells the defaults.
fn station<V: Version>(compiler: &Compiler, knows: bool) -> PathBuf {
    let header = match knows {
        true => CHeader::of::<V>(),
        false => CHeader::new(V::SCHEMA),
    };
    let header = header.table().to_string();
    let define = format!("-DVERSION={}", V::VERSION);
    let out = env!("CARGO_TARGET_TMPDIR");
    let defines = [&*define, "-DTABLE", "-D_DEFAULT_SOURCE"];
    compiler.compile_with_header(out, "station.c", ("station.h", &header), &defines)
}

fn start(program: &Path, action: &str, guard: &Guard) -> Peer {
    Peer::start(program.to_str().unwrap(), [action, &*guard.arg()])
}

/// A table of the first version.
fn table(guard: &Guard) -> SharedTable<v1::Station> {
    let mut options = SharedTable::<v1::Station>::options();
    options.rows(6).capacity(CAPACITY);
    options.create_new(guard.key()).unwrap()
}

fn upgrade<V: Version>(guard: &Guard) -> SharedTable<V> {
    let mut options = SharedTable::<V>::options();
    options.upgrade(true).open(guard.key()).unwrap()
}

/// What a view of a version shows, as the program in C prints it.
fn seen<V: Version>(guard: &Guard) -> Vec<String> {
    let options = SharedTable::<V>::options();
    let view = options.open_read_only(guard.key()).unwrap();
    let rows = view.rows().map(|row| {
        let value = row.get().unwrap();
        let [left, right] = value.steps();
        let (flags, mark) = (value.flags().unwrap_or(0), value.mark().unwrap_or(0));
        let total = value.total().unwrap_or(0);
        let (low, high) = (total as u64, (total >> 64) as u64);
        let index = row.id().index();
        format!("{index}: {left} {right} {flags} {low} {high} {mark}")
    });
    rows.collect()
}

fn step_each(seats: &mut [&mut Seat<impl Version>]) {
    for seat in seats {
        seat.update(|row| row.step(0)).unwrap();
    }
}

/// That a program in C prints what a view of its version shows.
fn shows<V: Version>(peer: &mut Peer, guard: &Guard) {
    peer.tell("");
    for line in seen::<V>(guard) {
        peer.expect(&line);
    }
    peer.expect(".");
}

fn all_right(view: &TableView<v4::Station>, owners: &[u32]) {
    let rows: Vec<_> = view.rows().map(|row| row.get().unwrap()).collect();
    assert_eq!(rows.len(), owners.len());
    for (row, owner) in rows.iter().zip(owners) {
        assert_eq!(row.fault([*owner; 2]), None, "{row:?} of version {owner}");
    }
}

#[test]
fn rows_in_c_are_of_the_version_that_they_were_claimed_with_and_read_with_defaults() {
    let full = std::env::var_os("SHM_FULL").is_some();
    for (nth, compiler) in Compiler::widths().into_iter().enumerate() {
        // Each program takes a second to build.
        if nth > 0 && !full {
            break;
        }
        let old = with_version!(1, station(compiler, true));
        for knows in [true, false] {
            let new = with_version!(4, station(compiler, knows));
            let guard = Guard::new();
            let table = table(&guard);
            let mut seat = table.claim(v1::Station::first()).unwrap();
            let mut owner = start(&old, "own", &guard);
            owner.expect("1");
            let mut old_view = start(&old, "look", &guard);
            // A header that tells no defaults reads no earlier version.
            let mut early = knows.then(|| start(&new, "view", &guard));
            for view in early.iter_mut() {
                shows::<v4::Station>(view, &guard);
            }
            let upgraded = upgrade::<v4::Station>(&guard);
            let mut new_owner = start(&new, "own", &guard);
            new_owner.expect("2");
            let mut late_owner = start(&old, "own", &guard);
            late_owner.expect("3");
            let mut new_seat = upgraded.claim(v4::Station::first()).unwrap();
            let mut views = vec![start(&new, "look", &guard), start(&new, "view", &guard)];
            views.extend(early);
            for _ in 0..3 {
                for owner in [&mut owner, &mut new_owner, &mut late_owner] {
                    owner.tell("");
                    owner.expect("stepped");
                }
                step_each(&mut [&mut seat]);
                step_each(&mut [&mut new_seat]);
                all_right(&upgraded, &[1, 1, 4, 1, 4]);
                shows::<v1::Station>(&mut old_view, &guard);
                for view in &mut views {
                    shows::<v4::Station>(view, &guard);
                }
            }
            for mut peer in views
                .into_iter()
                .chain([owner, new_owner, late_owner, old_view])
            {
                peer.succeed();
            }
            table.remove().unwrap();
        }
    }
}

mod worker {
    #[derive(shm_core::SharedLayout, Clone, Copy)]
    #[repr(C)]
    pub struct Worker {
        pub job: u64,
        pub state: u32,
    }
}

mod later {
    #[derive(shm_core::SharedLayout, Clone, Copy)]
    #[shared(version = 2)]
    #[repr(C)]
    pub struct Worker {
        pub job: u64,
        pub state: u32,
        #[shared(since = 2, default = 7)]
        pub level: u32,
        #[shared(since = 2, default = [1.5; 2])]
        pub load: [f64; 2],
    }
}

#[test]
fn rows_in_python_read_with_defaults_and_an_older_module_reads_on() {
    let test = "rows_in_python_read_with_defaults_and_an_older_module_reads_on";
    let Some(python) = Python::find_for_tables(test, env!("CARGO_TARGET_TMPDIR")) else {
        return;
    };
    python.write("old", &worker::Worker::python_module());
    python.write("new", &later::Worker::python_module());
    python.write("alike", &unlike::Worker::python_module());
    let program = "import sys, old, new, alike\n\
        key = int(sys.argv[2], 16)\n\
        try:\n    \
            with getattr(sys.modules['__main__'], sys.argv[1]).open_table(key) as table:\n        \
                for line in sys.stdin:\n            \
                    print([list(row.value.to_dict().values()) for row in table], flush=True)\n\
        except old.ShmboxError as error:\n    \
            print(type(error).__name__)\n\
        except new.Mismatch as error:\n    \
            print(type(error).__name__)\n\
        except alike.Mismatch as error:\n    \
            print(type(error).__name__)\n";
    let guard = Guard::new();
    let key = guard.arg();
    let mut options = SharedTable::<worker::Worker>::options();
    options.rows(4).capacity(64);
    let table = options.create_new(guard.key()).unwrap();
    let _first = table.claim(worker::Worker { job: 1, state: 2 }).unwrap();
    let looks = |peer: &mut Peer, wanted: &str| {
        peer.tell("");
        peer.expect(wanted);
    };
    let mut before = python.start(program, &["old", &key]);
    looks(&mut before, "[[1, 2]]");
    // As before: a table that lacks fields is read in Rust or in C.
    assert_eq!(python.run(program, &["new", &key]), "Mismatch\n");

    let mut options = SharedTable::<later::Worker>::options();
    let upgraded = options.upgrade(true).open(guard.key()).unwrap();
    let (level, load) = (5, [2.5; 2]);
    let own = later::Worker {
        job: 3,
        state: 4,
        level,
        load,
    };
    let _second = upgraded.claim(own).unwrap();
    let _third = table.claim(worker::Worker { job: 5, state: 6 }).unwrap();
    looks(&mut before, "[[1, 2], [3, 4], [5, 6]]");
    for (module, wanted) in [
        ("old", "[[1, 2], [3, 4], [5, 6]]"),
        (
            "new",
            "[[1, 2, 7, [1.5, 1.5]], [3, 4, 5, [2.5, 2.5]], [5, 6, 7, [1.5, 1.5]]]",
        ),
    ] {
        let mut peer = python.start(program, &[module, &key]);
        looks(&mut peer, wanted);
        peer.succeed();
    }
    assert_eq!(python.run(program, &["alike", &key]), "Mismatch\n");
    before.succeed();
    table.remove().unwrap();
}

mod huge {
    /// Larger than the whole segment in which a peer says that it lies.
    #[derive(shm_core::SharedLayout, Clone, Copy)]
    #[repr(C)]
    pub struct Worker {
        pub words: [u64; 131_072],
    }
}

mod later_huge {
    #[derive(shm_core::SharedLayout, Clone, Copy)]
    #[shared(version = 2)]
    #[repr(C)]
    pub struct Worker {
        pub words: [u64; 131_072],
        #[shared(since = 2)]
        pub more: u64,
    }
}

/// A peer may store a schema of a later version with another size in the words before it: what is copied has room in the row.
#[test]
fn a_schema_that_is_larger_than_its_header_says_ends_no_process_in_python() {
    let test = "a_schema_that_is_larger_than_its_header_says_ends_no_process_in_python";
    let Some(python) = Python::find_for_tables(test, env!("CARGO_TARGET_TMPDIR")) else {
        return;
    };
    python.write("huge", &huge::Worker::python_module());
    let guard = Guard::new();
    let (rows, capacity) = (4, 64);
    let mut options = SharedTable::<worker::Worker>::options();
    options.rows(rows).capacity(capacity);
    let table = options.create_new(guard.key()).unwrap();
    let _seat = table.claim(worker::Worker { job: 1, state: 2 }).unwrap();
    let schema = later_huge::Worker::SCHEMA.encode();
    let mut room = Vec::new();
    for word in [0, capacity as u64, schema.len() as u64] {
        room.extend(word.to_ne_bytes());
    }
    for word in [2_u32, 8] {
        room.extend(word.to_ne_bytes());
    }
    room.extend(schema);
    let first_room = 3 * (rows as usize + 1) * capacity;
    guard.memory().write(first_room, &room);
    let program = "import sys, huge\n\
        try:\n    \
            with huge.open_table(int(sys.argv[1], 16)) as table:\n        \
                print([row.index for row in table])\n\
        except huge.Mismatch:\n    \
            print('Mismatch')\n";
    assert_eq!(python.run(program, &[&guard.arg()]), "Mismatch\n");
}

mod unlike {
    #[derive(shm_core::SharedLayout, Clone, Copy)]
    #[repr(C)]
    pub struct Worker {
        pub job: u64,
        pub state: i32,
    }
}
