//! One process alone: what each call costs at each size.

use std::hint::black_box;
use std::time::Instant;

use super::{Cost, Effort, Figure};
use crate::peer::{ALL, Candidate, Peer, Pthread, Robust};
use crate::place::Place;
use crate::value::{Block, Padded, SIZES, Value};
use crate::{with_peer, with_size};

/// What is asked of a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    Get,
    /// To a place that holds an older value.
    ReadInto,
    Set,
    /// One field of the struct is changed, whatever else lies in it.
    Update,
    /// One field is read, and no more than that where the candidate can.
    Load,
    /// One field is written, likewise.
    Store,
}

impl Work {
    pub const ALL: [Work; 6] = [
        Work::Get,
        Work::ReadInto,
        Work::Set,
        Work::Update,
        Work::Load,
        Work::Store,
    ];

    /// In tables, and to children.
    pub fn name(self) -> &'static str {
        match self {
            Work::Get => "get",
            Work::ReadInto => "read_into",
            Work::Set => "set",
            Work::Update => "update",
            Work::Load => "load a field",
            Work::Store => "store a field",
        }
    }

    /// The one of that name.
    pub fn named(name: &str) -> Work {
        *Work::ALL
            .iter()
            .find(|work| work.name() == name)
            .expect("a kind of work")
    }

    fn is_for(self, candidate: Candidate) -> bool {
        match self {
            Work::Get | Work::Load => candidate != Candidate::Held,
            Work::ReadInto => candidate.reads_into(),
            _ => candidate != Candidate::View,
        }
    }
}

/// Nanoseconds each of so many calls took.
pub fn run<T: Value, P: Peer<T>>(peer: &mut P, work: Work, times: u64) -> f64 {
    match work {
        Work::Get => get(peer, times),
        Work::ReadInto => read_into(peer, times),
        Work::Set => set(peer, times),
        Work::Update => update(peer, times),
        Work::Load => load(peer, times),
        Work::Store => store(peer, times),
    }
}

// Each in a function of its own, so that no loop pays for the registers of another.

#[inline(never)]
fn get<T: Value, P: Peer<T>>(peer: &mut P, times: u64) -> f64 {
    time(times, || {
        peer.get(|value| {
            black_box(value);
        })
    })
}

#[inline(never)]
fn read_into<T: Value, P: Peer<T>>(peer: &mut P, times: u64) -> f64 {
    let mut place = Box::new(T::numbered(0));
    time(times, || {
        peer.read_into(&mut place);
        black_box(&mut *place);
    })
}

#[inline(never)]
fn set<T: Value, P: Peer<T>>(peer: &mut P, times: u64) -> f64 {
    let value = Box::new(T::numbered(1));
    time(times, || peer.set(black_box(&value)))
}

#[inline(never)]
fn update<T: Value, P: Peer<T>>(peer: &mut P, times: u64) -> f64 {
    time(times, || peer.update(|value| black_box(value).bump()))
}

#[inline(never)]
fn load<T: Value, P: Peer<T>>(peer: &mut P, times: u64) -> f64 {
    time(times, || _ = black_box(peer.load()))
}

#[inline(never)]
fn store<T: Value, P: Peer<T>>(peer: &mut P, times: u64) -> f64 {
    time(times, || peer.store(black_box(7)))
}

#[inline(always)]
fn time(times: u64, mut once: impl FnMut()) -> f64 {
    // Warm, before the clock runs.
    once();
    let start = Instant::now();
    for _ in 0..times {
        once();
    }
    start.elapsed().as_nanos() as f64 / times as f64
}

/// Runs calls for about that long.
const ROUND: f64 = 150_000.0;

type Runner = Box<dyn FnMut(u64) -> f64>;

/// The candidates for one kind of work at one size.
struct Group {
    what: &'static str,
    bytes: usize,
    runners: Vec<(Candidate, Runner)>,
    times: Vec<u64>,
    samples: Vec<Vec<f64>>,
}

impl Group {
    fn new(what: &'static str, bytes: usize, runners: Vec<(Candidate, Runner)>) -> Group {
        Group {
            what,
            bytes,
            times: Vec::new(),
            samples: vec![Vec::new(); runners.len()],
            runners,
        }
    }

    /// Interleaves the candidates, round by round.
    fn sweep(&mut self, rounds: u32) {
        if self.times.is_empty() {
            let times = self.runners.iter_mut().map(|(_, run)| {
                let each = run(8).min(run(8)).max(0.2);
                ((ROUND / each) as u64).max(2)
            });
            self.times = times.collect();
        }
        for _ in 0..rounds {
            for (at, (_, run)) in self.runners.iter_mut().enumerate() {
                self.samples[at].push(run(self.times[at]));
            }
        }
    }

    fn end(self) -> impl Iterator<Item = Figure> {
        let (what, bytes) = (self.what, self.bytes);
        let all = self.runners.into_iter().zip(self.samples);
        all.map(move |((candidate, _), samples)| Figure {
            what: what.into(),
            bytes,
            candidate: candidate.name(),
            cost: Cost::of(samples),
        })
    }
}

fn runner<T: Value, P: Peer<T> + 'static>(work: Work) -> Runner {
    let mut peer = P::create(Place::fresh(), &Box::new(T::numbered(1)));
    Box::new(move |times| run(&mut peer, work, times))
}

/// Everything is measured that often, all of it each time: a neighbour on the machine then spoils a
/// part of each figure, not all of one.
const SWEEPS: u32 = 5;

pub fn measure(effort: Effort) -> Vec<Figure> {
    let mut groups = Vec::new();
    for work in Work::ALL {
        for bytes in SIZES {
            let competitors = ALL.iter().filter(|candidate| work.is_for(**candidate));
            let runners = competitors
                .map(|&candidate| {
                    let run =
                        with_size!(bytes, T => with_peer!(candidate, T, P => runner::<T, P>(work)));
                    (candidate, run)
                })
                .collect();
            groups.push(Group::new(work.name(), bytes, runners));
        }
    }
    let padded = [Candidate::RuntimeLength, Candidate::Ours, Candidate::Held];
    let runners = padded
        .iter()
        .map(|&candidate| {
            (
                candidate,
                with_peer!(candidate, Padded, P => runner::<Padded, P>(Work::Set)),
            )
        })
        .collect();
    groups.push(Group::new("set, padded", size_of::<Padded>(), runners));
    let pair = vec![(Candidate::Robust, pair())];
    groups.push(Group::new("lock, unlock", 64, pair));
    for _ in 0..SWEEPS {
        for group in &mut groups {
            group.sweep(effort.rounds(100).div_ceil(SWEEPS));
        }
    }
    groups.into_iter().flat_map(Group::end).collect()
}

/// A bare robust mutex, taken and let go.
fn pair() -> Runner {
    let peer = Pthread::<Block<8>, Robust>::create(Place::fresh(), &Block::numbered(1));
    Box::new(move |times| {
        time(times, || {
            peer.lock();
            peer.unlock();
        })
    })
}
