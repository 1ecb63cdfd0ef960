//! 256 rows of 64 bytes, each with one writer: to set one, to read all, to add to a counter. Beside an array under a robust
//! mutex, iceoryx2's blackboard with an entry for each row, and the counters of Python's `prometheus_client`.

use std::env;
use std::fs;
use std::hint::black_box;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use shm_core::sysv::{Mode, sem};
use shm_core::{Key, SharedBox, SharedLayout, SharedTable, field};

use super::{Cost, Effort, Figure};
use crate::peer::{self, Peer, Pthread, Robust};
use crate::place::Place;
use crate::value::{Block, Value};

pub const OURS: &str = "SharedTable";
pub const MUTEX: &str = "array, robust mutex";
pub const ICEORYX: &str = "iceoryx2 blackboard";
pub const PROMETHEUS: &str = "prometheus_client";
/// Two copies of 64 bytes; 256 times the `get` of a value of 64 bytes, each at a place of its own in one box, judged with one
/// `GETVAL`; `AtomicU64::fetch_add`.
pub const BARE: &str = "bare";
/// 256 times the `get` of one box, whose value stays in the nearest cache.
pub const HOT: &str = "one box";

pub const SET: &str = "set a row";
pub const READ: &str = "read all rows";
pub const JUDGED: &str = "read all rows, judged";
pub const ADD: &str = "add to a counter";

pub const CALLS: [&str; 4] = [SET, READ, JUDGED, ADD];
pub const CANDIDATES: [&str; 6] = [BARE, HOT, OURS, MUTEX, ICEORYX, PROMETHEUS];

const ROWS: u32 = 256;

/// Rounds are that long.
const ROUND: f64 = 50_000.0;

type Row = Block<8>;
/// As many values, each at a place of its own, which does not fit the nearest cache as one value does.
#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
struct Places {
    blocks: [Row; ROWS as usize],
}

/// All rows, as C would have them.
type Array = Block<{ 8 * ROWS as usize }>;

/// A row with a count that outlives its owners.
#[derive(SharedLayout, Clone, Copy, Debug)]
#[repr(C)]
struct Worker {
    #[shared(counter)]
    served: u64,
    rest: [u64; 7],
}

/// Makes a call so often; tells how many nanoseconds each took.
type Runner<'a> = Box<dyn FnMut(u64) -> f64 + 'a>;

fn runner<'a>(mut call: impl FnMut() + 'a) -> Runner<'a> {
    Box::new(move |times| {
        // Warm, before the clock runs.
        repeat(1, &mut call);
        let start = Instant::now();
        repeat(times, &mut call);
        start.elapsed().as_nanos() as f64 / times as f64
    })
}

/// One place that calls: so each candidate's call is inlined into its loop, long ones like short ones.
#[inline(never)]
fn repeat(times: u64, call: &mut impl FnMut()) {
    for _ in 0..times {
        call();
    }
}

/// Another process, which has rows.
struct Owner(libc::pid_t);

impl Owner {
    /// Returns when it has them.
    fn of(key: Key, rows: u32) -> Owner {
        let mut pipe = [0; 2];
        // SAFETY: `pipe(2)` fills the two numbers.
        assert_eq!(unsafe { libc::pipe(pipe.as_mut_ptr()) }, 0);
        // SAFETY: the other thread of this process waits for this one, and holds no lock.
        match unsafe { libc::fork() } {
            0 => {
                let table = SharedTable::<Row>::open(key).expect("opened");
                let claim = |k: u32| table.claim(Row::numbered(k.into())).expect("claimed");
                let seats: Vec<_> = (0..rows).map(claim).collect();
                // SAFETY: `write(2)` reads one byte; the child waits until it is killed.
                unsafe {
                    libc::write(pipe[1], (&raw const seats).cast(), 1);
                    loop {
                        libc::pause();
                    }
                }
            }
            child => {
                let mut byte = 0_u8;
                // SAFETY: `read(2)` fills the one byte; the numbers are the pipe's.
                unsafe {
                    assert_eq!(libc::read(pipe[0], (&raw mut byte).cast(), 1), 1);
                    libc::close(pipe[0]);
                    libc::close(pipe[1]);
                }
                Owner(child)
            }
        }
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        // SAFETY: the child is this process's, and was not waited for yet.
        unsafe {
            libc::kill(self.0, libc::SIGKILL);
            libc::waitpid(self.0, std::ptr::null_mut(), 0);
        }
    }
}

/// A Python that increments when it is told to.
struct Prometheus {
    process: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    folder: std::path::PathBuf,
}

const SCRIPT: &str = "
import sys, time
from prometheus_client import Counter
counter = Counter('served', 'What was served.')
print('ready', flush=True)
for line in sys.stdin:
    times, inc = int(line), counter.inc
    start = time.perf_counter_ns()
    for _ in range(times):
        inc()
    print((time.perf_counter_ns() - start) / times, flush=True)
";

impl Prometheus {
    /// `python3`, or what `PYTHON` names; `None` if it has no `prometheus_client`.
    fn start() -> Option<Prometheus> {
        let folder = env::temp_dir().join(Place::fresh().name());
        fs::create_dir(&folder).expect("a directory");
        let python = env::var_os("PYTHON").unwrap_or_else(|| "python3".into());
        let process = Command::new(python)
            .args(["-c", SCRIPT])
            .env("PROMETHEUS_MULTIPROC_DIR", &folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let mut process = process.ok()?;
        let (to, from) = (process.stdin.take()?, process.stdout.take()?);
        let mut started = Prometheus {
            process,
            to,
            from: BufReader::new(from),
            folder,
        };
        let is_ready = started.line() == "ready\n";
        if !is_ready {
            println!("SKIPPED: no python3 with prometheus_client; PYTHON may name one");
        }
        is_ready.then_some(started)
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.from.read_line(&mut line).expect("text");
        line
    }

    fn run(&mut self, times: u64) -> f64 {
        writeln!(self.to, "{times}").expect("told");
        self.line().trim().parse().expect("a number")
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

pub fn measure(effort: Effort) -> Vec<Figure> {
    let key = Key::from(Place::fresh().key());
    let mut options = SharedTable::<Row>::options();
    options.rows(ROWS).remove_on_drop(true);
    let table = options.create_new(key).expect("a table");
    let _owner = Owner::of(key, ROWS - 1);
    let mut seat = table.claim(Row::numbered(1)).expect("the last row");
    let mut options = SharedTable::<Worker>::options();
    options.rows(2).remove_on_drop(true);
    let counters = options.create_new(Key::PRIVATE).expect("a table");
    let worker = Worker {
        served: 0,
        rest: [0; 7],
    };
    let mut counting = counters.claim(worker).expect("a row");
    let mut options = SharedBox::options();
    options.remove_on_drop(true);
    let single = options.create_new(Key::PRIVATE, Row::numbered(1));
    let single = single.expect("a box");
    let mode = Mode::new(0o600);
    let set = sem::get(Key::PRIVATE, 1, sem::GetFlags::CREATE, mode).expect("a semaphore");
    let array = || Pthread::<Array, Robust>::create(Place::fresh(), &Array::numbered(1));
    let (mut setting, mut reading, mut adding) = (array(), array(), array());
    let board = peer::Board::<Row>::new(Place::fresh(), ROWS.into());
    let counts = peer::Board::<u64>::new(Place::fresh(), ROWS.into());
    let atomic = AtomicU64::new(0);
    let (mut one, mut two) = (Row::numbered(1), Row::numbered(1));
    let value = Row::numbered(7);
    let mut options = SharedBox::options();
    options.remove_on_drop(true);
    let blocks = [Row::numbered(1); ROWS as usize];
    let places = options.create_new(Key::PRIVATE, Places { blocks });
    let places = places.expect("a box");
    let read_hot = || {
        for _ in 0..ROWS {
            black_box(single.get().expect("a value"));
        }
    };
    let read_places = || {
        for at in 0..ROWS as usize {
            let place = field!(Places.blocks).at(at).expect("there");
            black_box(places.load(place).expect("a value"));
        }
    };
    let mut groups = vec![
        (
            SET,
            vec![
                (
                    BARE,
                    runner(|| {
                        let value = black_box(value);
                        *black_box(&mut one) = value;
                        *black_box(&mut two) = value;
                    }),
                ),
                (
                    OURS,
                    runner(|| _ = seat.set(black_box(value)).expect("set")),
                ),
                (
                    MUTEX,
                    runner(|| setting.update(|all| all.put(8, black_box(&value)))),
                ),
                (ICEORYX, runner(|| board.set(1, black_box(value)))),
            ],
        ),
        (
            READ,
            vec![
                (BARE, runner(read_places)),
                (HOT, runner(read_hot)),
                (
                    OURS,
                    runner(|| {
                        let mut count = 0;
                        for row in table.rows() {
                            black_box(row.get().expect("a value"));
                            count += 1;
                        }
                        assert_eq!(count, ROWS);
                    }),
                ),
                (MUTEX, runner(|| reading.get(|all| _ = black_box(all)))),
                (
                    ICEORYX,
                    runner(|| (0..ROWS.into()).for_each(|row| _ = black_box(board.get(row)))),
                ),
            ],
        ),
        (
            JUDGED,
            vec![
                (
                    BARE,
                    runner(|| {
                        black_box(sem::value(set, 0).expect("a semaphore"));
                        read_places();
                    }),
                ),
                (
                    HOT,
                    runner(|| {
                        black_box(sem::value(set, 0).expect("a semaphore"));
                        read_hot();
                    }),
                ),
                (
                    OURS,
                    runner(|| {
                        let mut count = 0;
                        for row in table.look().expect("judged") {
                            black_box(row.get().expect("a value"));
                            count += 1;
                        }
                        assert_eq!(count, ROWS);
                    }),
                ),
            ],
        ),
        (
            ADD,
            vec![
                (BARE, runner(|| _ = black_box(atomic.fetch_add(black_box(1), Relaxed)))),
                (
                    OURS,
                    runner(|| {
                        let added = counting.fetch_add(field!(Worker.served), black_box(1));
                        black_box(added.expect("added"));
                    }),
                ),
                (MUTEX, runner(|| adding.update(|all| black_box(all).bump()))),
                (
                    ICEORYX,
                    runner(|| counts.set(1, black_box(counts.get(1) + 1))),
                ),
            ],
        ),
    ];
    if let Some(mut python) = Prometheus::start() {
        groups[3]
            .1
            .push((PROMETHEUS, Box::new(move |times| python.run(times))));
    }
    let figures = groups
        .into_iter()
        .flat_map(|(what, runners)| rounds(what, runners, effort.rounds(300)))
        .collect();
    sem::remove(set).expect("removed");
    figures
}

/// Interleaves the candidates, round by round.
fn rounds(what: &str, mut runners: Vec<(&'static str, Runner<'_>)>, rounds: u32) -> Vec<Figure> {
    let often = |(_, run): &mut (_, Runner<'_>)| ((ROUND / run(8).min(run(8))) as u64).max(2);
    let times: Vec<_> = runners.iter_mut().map(often).collect();
    let mut samples = vec![Vec::new(); runners.len()];
    for _ in 0..rounds {
        for (at, (_, run)) in runners.iter_mut().enumerate() {
            samples[at].push(run(times[at]));
        }
    }
    let figure = |((candidate, _), samples)| Figure {
        what: what.into(),
        bytes: 64,
        candidate,
        cost: Cost::of(samples),
    };
    runners.into_iter().zip(samples).map(figure).collect()
}
