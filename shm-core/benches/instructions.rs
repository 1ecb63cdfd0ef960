//! How many instructions a call of the hot path executes, counted by valgrind's callgrind and
//! compared with what is recorded below. Unlike times, instruction counts do not wobble, so
//! continuous integration can hold them. `cargo bench -p shm-core --bench instructions`
//!
//! The program runs itself under callgrind, twice for each call, with a different number of calls;
//! the difference is theirs alone.

use std::hint::black_box;
use std::process::{Command, ExitCode};

use shm_core::{FixedStr, Key, SharedBox, SharedLayout, SharedTable, field};

/// The most instructions that each call may take, 64 bytes, release build, x86-64. A little more
/// than was counted: another compiler allocates registers differently. Lower them when a change
/// makes a call shorter.
const RECORDED: [(&str, u64); 13] = [
    ("get", 29),
    ("set", 80),
    ("update", 100),
    ("Writer::set", 62),
    ("store", 112),
    ("update_field", 116),
    ("fetch_add", 116),
    ("set padded", 98),
    ("update padded", 123),
    ("Seat::set", 64),
    // Of a counter.
    ("Seat::fetch_add", 34),
    ("RowView::get", 44),
    // Of a later version of a type: rows from before it are told.
    ("RowView::get 2", 47),
];

/// The two numbers of calls.
const CALLS: [u64; 2] = [1_000, 3_000];

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
struct Block {
    words: [u64; 8],
}

/// 56 bytes, of which the last is padding.
#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
struct Padded {
    pid: i32,
    names: FixedStr<51>,
}

/// A later version, of the same size.
#[derive(SharedLayout, Clone, Copy)]
#[shared(version = 2)]
#[repr(C)]
struct Later {
    words: [u64; 7],
    #[shared(since = 2)]
    last: u64,
}

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
struct Counted {
    #[shared(counter)]
    served: u64,
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    if let [_, flag, call, times] = args.as_slice() {
        assert_eq!(flag, "--calls");
        run(call, times.parse().expect("a number"));
        return ExitCode::SUCCESS;
    }
    if !cfg!(target_arch = "x86_64") {
        println!("skipped: the recorded figures are for x86-64");
        return ExitCode::SUCCESS;
    }
    if Command::new("valgrind").arg("--version").output().is_err() {
        println!("skipped: valgrind is not installed");
        return ExitCode::SUCCESS;
    }
    let mut code = ExitCode::SUCCESS;
    for (call, most) in RECORDED {
        let [few, many] = CALLS.map(|times| count(call, times));
        let each = (many - few) / (CALLS[1] - CALLS[0]);
        let verdict = if each <= most {
            "as recorded"
        } else {
            "MORE THAN RECORDED"
        };
        println!("{call:15} {each:4} instructions, at most {most:4}: {verdict}");
        if each > most {
            code = ExitCode::FAILURE;
        }
    }
    code
}

/// The calls that are counted, as a program would make them.
fn run(call: &str, times: u64) {
    let value = Block { words: [1; 8] };
    let shared = shared(value);
    let padded = Padded {
        pid: 1,
        names: FixedStr::default(),
    };
    match call {
        "set padded" => {
            let shared = self::shared(padded);
            repeat(times, || {
                shared.set(*black_box(&padded)).expect("set");
            });
        }
        "update padded" => {
            let shared = self::shared(padded);
            repeat(times, || {
                shared.update(|value| value.pid += 1).expect("updated");
            });
        }
        "get" => repeat(times, || {
            black_box(&shared.get().expect("read"));
        }),
        "set" => repeat(times, || {
            shared.set(*black_box(&value)).expect("set");
        }),
        "update" => repeat(times, || {
            shared.update(|value| value.words[0] += 1).expect("updated");
        }),
        "store" => repeat(times, || {
            let stored = shared.store(field!(Block.words[3]), black_box(7));
            stored.expect("stored");
        }),
        "update_field" => repeat(times, || {
            let updated = shared.update_field(field!(Block.words[3]), |word| *word += 7);
            updated.expect("updated");
        }),
        "fetch_add" => repeat(times, || {
            let added = shared.fetch_add(field!(Block.words[3]), black_box(7));
            black_box(added.expect("added"));
        }),
        "Writer::set" => {
            let mut writer = shared.writer().expect("the lock");
            repeat(times, || {
                writer.set(*black_box(&value)).expect("set");
            });
        }
        "Seat::set" => {
            let table = table::<Block>();
            let mut seat = table.claim(value).expect("a row");
            repeat(times, || {
                seat.set(*black_box(&value)).expect("set");
            });
        }
        "Seat::fetch_add" => {
            let table = table::<Counted>();
            let mut seat = table.claim(Counted { served: 0 }).expect("a row");
            repeat(times, || {
                let added = seat.fetch_add(field!(Counted.served), black_box(7));
                black_box(added.expect("added"));
            });
        }
        "RowView::get" => get_row(times, value),
        "RowView::get 2" => {
            let words = [1; 7];
            get_row(times, Later { words, last: 1 });
        }
        other => unreachable!("no call {other}"),
    }
}

fn get_row<T: SharedLayout>(times: u64, value: T) {
    let table = table::<T>();
    let _seat = table.claim(value).expect("a row");
    let row = table.rows().next().expect("the row");
    repeat(times, || {
        black_box(&row.get().expect("read"));
    });
}

fn shared<T: SharedLayout>(value: T) -> SharedBox<T> {
    SharedBox::options()
        .remove_on_drop(true)
        .create_new(Key::PRIVATE, value)
        .expect("created")
}

fn table<T: SharedLayout>() -> SharedTable<T> {
    SharedTable::options()
        .rows(16)
        .remove_on_drop(true)
        .create_new(Key::PRIVATE)
        .expect("created")
}

#[inline(never)]
fn repeat(times: u64, mut call: impl FnMut()) {
    for _ in 0..times {
        call();
    }
}

/// The instructions of the whole program.
fn count(call: &str, times: u64) -> u64 {
    let program = std::env::current_exe().expect("this program's path");
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .args(["--calls", call, &times.to_string()])
        .output()
        .expect("valgrind");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    // "==1234== Collected : 567890"
    said.lines()
        .find_map(|line| line.split("Collected : ").nth(1))
        .and_then(|count| count.trim().parse().ok())
        .unwrap_or_else(|| panic!("valgrind says no count:\n{said}"))
}
