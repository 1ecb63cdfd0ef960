//! Starts workers, kills them at random instants, replaces them, and adds up what they saw.

use std::fmt;
use std::process::Child;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use shm_core::SharedBox;
use shm_core::sysv::sem;
use shm_tests::{Guard, Memory, set_slots, slots};

use crate::ledger::Ledger;
use crate::log::Log;
use crate::takeover;
use crate::value::{Link, Random};
use crate::worker::{self, Role};

/// Enough for four writers, the parent, and one to spare.
const FREE_SLOTS: usize = 6;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    kills: u64,
    /// How many of them hit a process because it had the lock.
    aimed: u64,
    commits: u64,
    reads: u64,
    /// Commits begun by a process that died, undone by the one that took over.
    undone: u64,
    torn: u64,
    lost: u64,
    backwards: u64,
    stalled: u64,
    /// The longest call of any worker, waiting for the lock included.
    worst: Duration,
    /// The longest wait for a newer version.
    waited: Duration,
    /// From the kill of the lock's owner to the next commit.
    takeovers: Vec<Duration>,
}

impl Figures {
    pub fn violations(&self) -> u64 {
        self.torn + self.lost + self.backwards + self.stalled
    }

    pub fn add(&mut self, other: Figures) {
        self.kills += other.kills;
        self.aimed += other.aimed;
        self.commits += other.commits;
        self.reads += other.reads;
        self.undone += other.undone;
        self.torn += other.torn;
        self.lost += other.lost;
        self.backwards += other.backwards;
        self.stalled += other.stalled;
        self.worst = self.worst.max(other.worst);
        self.waited = self.waited.max(other.waited);
        self.takeovers.extend(other.takeovers);
    }

    fn percentile(&self, percent: usize) -> Duration {
        let mut sorted = self.takeovers.clone();
        sorted.sort_unstable();
        let last = sorted.len().saturating_sub(1);
        sorted
            .get(last * percent / 100)
            .copied()
            .unwrap_or_default()
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} kills ({} of the lock's owner), {} commits told, {} reads, {} commits undone, torn {}, lost {}, backwards {}, stalled {}, \
             worst stall {:.1?}, longest wait {:.1?}, {} takeovers of a held lock: median {:.2?}, p99 {:.2?}, worst {:.2?}",
            self.kills,
            self.aimed,
            self.commits,
            self.reads,
            self.undone,
            self.torn,
            self.lost,
            self.backwards,
            self.stalled,
            self.worst,
            self.waited,
            self.takeovers.len(),
            self.percentile(50),
            self.percentile(99),
            self.percentile(100),
        )
    }
}

struct Worker {
    role: Role,
    child: Child,
    log: Log,
}

/// One size's share.
pub fn run(orders: crate::Orders) -> Outcome<Figures> {
    match orders.size {
        64 => of_size::<8>(orders),
        256 => of_size::<32>(orders),
        4096 => of_size::<512>(orders),
        65_536 => of_size::<8192>(orders),
        _ => of_size::<131_072>(orders),
    }
}

fn of_size<const N: usize>(orders: crate::Orders) -> Outcome<Figures> {
    let mut random = Random(orders.seed ^ orders.size as u64);
    let guard = Guard::new();
    let first = Link {
        counter: 0,
        stamp: random.next(),
        previous: 0,
    };
    let mut value = Box::new([0; N]);
    first.fill(&mut value);
    let shared = SharedBox::create_new(guard.key(), *value)?;

    // With so few slots left, most claims get one that a dead process had, now and then with the
    // lock still naming it.
    let mut taken = slots(guard.set());
    taken.fill(1);
    taken[..FREE_SLOTS].fill(0);
    set_slots(guard.set(), &taken);

    let start = |role, seed, log: &Log| {
        let worker = worker::Orders {
            role,
            key: guard.key(),
            size: orders.size,
            seed,
            log: log.id(),
        };
        worker.spawn()
    };
    let writers = 2 + random.below(3) as usize;
    let roles = std::iter::repeat_n(Role::Writer, writers).chain([Role::Waiter, Role::Viewer]);
    let mut workers = Vec::new();
    for role in roles {
        let log = Log::create()?;
        let child = start(role, random.next(), &log)?;
        workers.push(Worker { role, child, log });
    }

    let lock = guard.memory();
    let mut figures = Figures::default();
    let mut ledger = Ledger::default();
    let mut last_version = 0;
    let bar = progress(orders)?;
    for _ in 0..orders.kills {
        std::thread::sleep(Duration::from_micros(random.below(8000)));
        let index = match random.below(10) {
            0 => writers + random.below(2) as usize,
            1..5 => random.below(writers as u64) as usize,
            _ => {
                let owner = owner_of(&lock);
                figures.aimed += u64::from(owner.is_some());
                let pid = owner.unwrap_or(0);
                workers
                    .iter()
                    .position(|worker| worker.child.id() == pid)
                    .unwrap_or(0)
            }
        };
        let victim = &mut workers[index];
        victim.child.kill()?;
        victim.child.wait()?;
        figures.kills += 1;
        collect(victim, &mut ledger, &mut figures);
        victim.child = start(victim.role, random.next(), &victim.log)?;

        // What was told before this read stands, or something newer.
        let version = shared.read_into(&mut value)?;
        match Link::of(&value) {
            None => figures.torn += 1,
            Some(link) => {
                figures.lost += u64::from(link.counter < ledger.newest);
                let oldest = ledger.newest_version.max(last_version);
                figures.backwards += u64::from(version < oldest);
            }
        }
        last_version = version;
        bar.inc(1);
        if figures.violations() > 0 {
            break;
        }
    }
    for worker in &mut workers {
        worker.child.kill()?;
        worker.child.wait()?;
        collect(worker, &mut ledger, &mut figures);
    }
    bar.finish_and_clear();

    // The last of them may have died in the middle of a commit.
    let version = shared.update(|value| {
        let link = Link::of(value).unwrap_or_default();
        figures.lost += u64::from(link.counter < ledger.newest);
        figures.undone = link.counter;
    })?;
    // The first value had version 1, and this very commit one of its own.
    figures.undone = version - 2 - figures.undone;
    figures.commits = ledger.commits;
    figures.lost += ledger.lost;
    figures.backwards += ledger.backwards;

    let samples = (orders.kills / 10).clamp(20, 1000);
    figures.takeovers = takeover::measure::<N>(&guard, orders, &shared, samples)?;
    Ok(figures)
}

/// The process that has the lock, as `FORMAT.md` says where to look; `None`: no process had it for a
/// while.
fn owner_of(memory: &Memory) -> Option<u32> {
    let control = memory.len() - 320;
    let word = |offset| {
        let bytes = memory.read(control + offset, 4);
        u32::from_ne_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
    };
    let set = sem::Id::from_raw(word(64) as i32 - 1);
    let slot = (0..10_000).find_map(|_| (word(192) & 0x3ff).checked_sub(1))?;
    u32::try_from(sem::pid(set, slot as u16).ok()?).ok()
}

/// Adds up what a dead worker left.
fn collect(worker: &Worker, ledger: &mut Ledger, figures: &mut Figures) {
    ledger.enter(worker.log.entries());
    let [calls, worst, torn, backwards, stalled, waited] = worker.log.take_counts();
    if worker.role != Role::Writer {
        figures.reads += calls;
    }
    figures.worst = figures.worst.max(Duration::from_nanos(worst));
    figures.waited = figures.waited.max(Duration::from_nanos(waited));
    figures.torn += torn;
    figures.backwards += backwards;
    figures.stalled += stalled;
}

/// Draws nothing where there is no terminal.
fn progress(orders: crate::Orders) -> Outcome<ProgressBar> {
    let style = ProgressStyle::with_template("{msg} [{wide_bar}] {pos}/{len} kills, {eta} left")?;
    let bar = ProgressBar::new(orders.kills).with_style(style);
    bar.set_message(format!("{} bytes", orders.size));
    Ok(bar)
}
