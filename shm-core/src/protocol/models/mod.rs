//! The protocols under the model checker: `RUSTFLAGS='--cfg loom' cargo test -p shm-core --lib
//! --release models`.
//!
//! Each model runs the code of `latch.rs`, `lock.rs`, `slots.rs`, `words.rs`, `wait.rs` or `birth.rs` itself, on loom's
//! atomics, in every order that loom finds with a bounded number of preemptions. What is not memory
//! is modelled by hand and never stronger than what the kernel promises: a semaphore is one atomic
//! word, exchanged by each process that asks for it, whose fall to 0 comes after all that its dead claimant
//! did, a futex is a mutex around "compare, then sleep".
//!
//! `faults.rs` explores them, then makes every fence, order, store and exchange that they meet wrong, one by
//! one, and asks that some model breaks.
//!
//! `SHM_FULL=1` allows one more preemption and larger models.

pub(crate) mod atomics;
mod birth;
mod counters;
mod faults;
mod latch;
mod lock;
mod repair;
mod rows;
mod slots;
#[cfg(feature = "async")]
mod tasks;
mod template;
mod upgrade;
mod wait;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64 as Count, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use super::memory::copy::{Area, Span};
use super::memory::latch::Latch;
use atomics::{AtomicU32, AtomicU64};

/// Whether the deep runs were asked for.
fn full() -> bool {
    std::env::var_os("SHM_FULL").is_some()
}

/// Words in one copy of the payload.
const WORDS: usize = 2;

/// Bytes in one copy of the payload.
const BYTES: usize = WORDS * 8;

/// The words of a segment that processes share, and the semaphores beside it.
struct Board {
    seq: AtomicU64,
    copies: [[AtomicU64; WORDS]; 3],
    lock: AtomicU32,
    awaited: AtomicU64,
    /// What readers accepted in this execution: two values under one version are a fault.
    accepted: Mutex<Vec<(u64, u64)>>,
    copied: Copied,
}

/// How readers copy.
#[derive(Clone, Copy, Debug)]
enum Copied {
    AtOnce,
    /// A word is a piece.
    InPieces,
}

impl Copied {
    const BOTH: [Copied; 2] = [Copied::AtOnce, Copied::InPieces];
}

/// The latch of a model whose actors keep sequence and copies.
fn latch_of<const N: usize>(seq: &AtomicU64, copies: &[[AtomicU64; N]; 3]) -> Latch {
    // SAFETY: mapped, words, shared: a copy's words lie side by side, are atomics, and live as long as the model, which each
    // actor keeps.
    let payload = unsafe { Area::new(copies.as_ptr().cast(), N * 8) };
    // SAFETY: sequence: an atomic of the model. Alike: three arrays of one size, one behind the other.
    unsafe { Latch::new(&raw const *seq, payload, size_of_val(&copies[0])) }
}

impl Board {
    /// A segment at version 1, whose value is 1.
    fn new(copied: Copied) -> Arc<Board> {
        Board::with(2, 1, copied)
    }

    fn with(seq: u64, value: u64, copied: Copied) -> Arc<Board> {
        Arc::new(Board {
            copied,
            seq: AtomicU64::new(seq),
            copies: std::array::from_fn(|_| std::array::from_fn(|_| AtomicU64::new(value))),
            lock: AtomicU32::new(0),
            awaited: AtomicU64::new(0),
            accepted: Mutex::new(Vec::new()),
        })
    }

    fn latch(&self) -> Latch {
        latch_of(&self.seq, &self.copies)
    }

    /// Commits a value all of whose words are the version that it is going to be.
    fn commit(&self) -> u64 {
        let latch = self.latch();
        let next = super::memory::latch::version_of(latch.sequence()) + 1;
        // SAFETY: **owned**, **whole**: models call this under the lock, or have one writer at a time.
        let version = unsafe {
            let (version, mirror) = latch.commit(|payload| store(payload, next));
            mirror.copy_from(latch.payload(), Span::whole(BYTES));
            version
        };
        assert_eq!(version, next, "another thread committed meanwhile");
        version
    }

    /// Commits the version that is so many later.
    fn commit_as(&self, later: u64) {
        let latch = self.latch();
        let next = super::memory::latch::version_of(latch.sequence()) + later;
        // SAFETY: **owned**, **whole**: as in `commit`.
        let (_, mirror) = unsafe { latch.commit_as(next, |payload| store(payload, next)) };
        // SAFETY: copies are of one size, and do not overlap.
        unsafe { mirror.copy_from(latch.payload(), Span::whole(BYTES)) };
    }

    fn repair(&self) {
        // SAFETY: **owned**: models call this under the lock, or have one writer at a time.
        unsafe { self.latch().repair(BYTES) };
    }

    /// One read: the version and the value, and whether the sequence was odd. Checks what holds in
    /// every model.
    fn read(&self) -> Option<Seen> {
        let mut words = [0_u64; WORDS];
        // SAFETY: `words` has `BYTES` bytes.
        let (version, loads) = atomics::watch_loads(|| unsafe {
            let (latch, whole) = (self.latch(), Span::whole(BYTES));
            match self.copied {
                Copied::AtOnce => latch.read(whole, words.as_mut_ptr().cast()),
                Copied::InPieces => latch.read_in_pieces(whole, words.as_mut_ptr().cast(), 8),
            }
        });
        let version = version?;
        assert!(
            words.iter().all(|word| *word == words[0]),
            "torn: {words:?} as version {version}"
        );
        let value = words[0];
        let mut accepted = self.accepted.lock().expect("no panic inside");
        let other = accepted
            .iter()
            .find(|(seen, other)| *seen == version && *other != value);
        assert!(
            other.is_none(),
            "version {version} is {value} here and {other:?} there"
        );
        accepted.push((version, value));
        Some(Seen {
            version,
            value,
            odd: loads.first().is_some_and(|seq| seq % 2 == 1),
        })
    }
}

/// What a reader accepted.
#[derive(Clone, Copy, Debug)]
struct Seen {
    version: u64,
    value: u64,
    odd: bool,
}

/// Stores `value` to all words of `payload`.
fn store(payload: Area, value: u64) {
    let words = [value; WORDS];
    // SAFETY: the area has `BYTES` bytes, and so has `words`.
    unsafe { payload.store(0, words.as_ptr().cast(), BYTES) };
}

/// Counts over all executions of a model. Outside the model: loom does not see it.
#[derive(Default)]
struct Tally {
    executions: Count,
    even: Count,
    odd: Count,
    rejected: Count,
    special: Count,
}

impl Tally {
    fn note(&self, seen: Option<Seen>) {
        let count = match seen {
            None => &self.rejected,
            Some(Seen { odd: true, .. }) => &self.odd,
            Some(_) => &self.even,
        };
        count.fetch_add(1, Relaxed);
    }

    fn special(&self) {
        self.special.fetch_add(1, Relaxed);
    }
}

/// One execution of a model.
type Execution = dyn Fn(&Arc<Tally>) + Send + Sync;

/// One model: a name, the preemptions that it is explored with, and one execution.
#[derive(Clone)]
struct Model {
    name: String,
    preemptions: usize,
    run: Arc<Execution>,
}

impl Model {
    fn new(
        name: impl Into<String>,
        preemptions: usize,
        run: impl Fn(&Arc<Tally>) + Send + Sync + 'static,
    ) -> Model {
        Model {
            name: name.into(),
            preemptions,
            run: Arc::new(run),
        }
    }

    /// Explores; panics where an execution does.
    fn explore(&self) -> Arc<Tally> {
        let tally = Arc::new(Tally::default());
        let (counted, run) = (tally.clone(), self.run.clone());
        let mut explorer = loom::model::Builder::new();
        explorer.preemption_bound = Some(self.preemptions + usize::from(full()));
        explorer.max_branches = 20_000;
        explorer.check(move || {
            counted.executions.fetch_add(1, Relaxed);
            run(&counted);
        });
        tally
    }

    /// Explores and prints the counts.
    fn check(&self) -> Arc<Tally> {
        let start = std::time::Instant::now();
        let tally = self.explore();
        let count = |count: &Count| count.load(Relaxed);
        println!(
            "{}: {} executions in {:.1?}; reads accepted even {}, odd {}, refused {}; {} times what it is about",
            self.name,
            count(&tally.executions),
            start.elapsed(),
            count(&tally.even),
            count(&tally.odd),
            count(&tally.rejected),
            count(&tally.special),
        );
        tally
    }

    /// Whether some execution breaks.
    fn breaks(&self) -> bool {
        catch_unwind(AssertUnwindSafe(|| self.explore())).is_err()
    }
}
