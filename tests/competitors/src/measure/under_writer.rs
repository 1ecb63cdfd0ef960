//! A reader in one process while a writer in another commits: now and then, often, and without
//! pause. Each has a processor of its own.

use std::time::Duration;

use serde::Serialize;

use super::solo::Work;
use super::{Effort, Rate, Rounds, percentile, tell, until_quiet};
use crate::child::{Child, Judgement};
use crate::peer::{ALL, Candidate, Peer};
use crate::place::Place;
use crate::shift::Shift;
use crate::value::Value;
use crate::{with_peer, with_size};

/// A reader's and its writer's lot. Times in nanoseconds, rates per second.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    pub candidate: &'static str,
    /// The call that reads.
    pub call: &'static str,
    pub bytes: usize,
    /// Between two commits; 0: none.
    pub period: u64,
    pub reads: Rate,
    pub p50: f64,
    pub p99: f64,
    pub worst: f64,
    pub torn: u64,
    pub preempted: u64,
    pub commits: Rate,
    pub commits_alone: Rate,
    /// The part of its best rate alone that the writer keeps beside the reader.
    pub kept: f64,
}

pub const BYTES: [usize; 4] = [64, 4 << 10, 64 << 10, 1 << 20];

/// From here on users are told to read in place.
const LARGE: usize = 4 << 10;

/// 1 kHz, 10 kHz, and as fast as it can.
pub const PERIODS: [Duration; 3] = [
    Duration::from_millis(1),
    Duration::from_micros(100),
    Duration::ZERO,
];

/// The reader's part of a round, twice.
const PHASE: Duration = Duration::from_millis(6);

/// The writer begins before the reader and ends after it.
const WIDER: Duration = Duration::from_micros(300);

struct Pair {
    candidate: Candidate,
    call: Work,
    bytes: usize,
    period: Duration,
    reader: Child,
    writer: Child,
    /// Reads, commits, and commits without a reader, per second.
    rates: Rounds<[f64; 3]>,
    judged: Rounds<Judgement>,
    /// Keeps the place.
    _home: Box<dyn std::any::Any>,
}

impl Pair {
    fn new<T: Value, P: Peer<T> + 'static>(
        (candidate, call): (Candidate, Work),
        bytes: usize,
        period: Duration,
    ) -> Pair {
        let place = Place::fresh();
        let home = P::create(place, &Box::new(T::numbered(1)));
        Pair {
            candidate,
            call,
            bytes,
            period,
            reader: Child::serving(candidate, bytes, place, 0),
            writer: Child::serving(writer(candidate), bytes, place, 1),
            rates: Rounds::new(),
            judged: Rounds::new(),
            _home: Box::new(home),
        }
    }

    /// Orders the writer to write in a shift and the reader to do that in it; returns the writer's
    /// rate, the reader's answer, and what either lost.
    fn together(&mut self, reader: Option<&str>) -> (f64, Vec<f64>, [f64; 2]) {
        let shift = Shift::soon(PHASE);
        let period = self.period.as_nanos();
        let wide = shift.wider(WIDER).spoken();
        self.writer.order(&format!("write {period} {wide}"));
        let (mut read, mut lost) = (Vec::new(), 0.0);
        if let Some(verb) = reader {
            let call = self.call.name();
            self.reader
                .order(&format!("{verb} {call} {}", shift.spoken()));
            read = self.reader.numbers();
            lost = read.pop().expect("what it lost");
        }
        let [_, each, delayed] = self.writer.numbers()[..] else {
            unreachable!("three numbers")
        };
        (1e9 / each, read, [lost, delayed])
    }

    fn round(&mut self) {
        let (alone, _, lost_alone) = self.together(None);
        let (commits, read, lost) = self.together(Some("read"));
        let most = [lost, lost_alone].concat().into_iter().fold(0.0, f64::max);
        self.rates.note(&[most], [1e9 / read[1], commits, alone]);
        let (_, judged, lost) = self.together(Some("judge"));
        self.judged.note(&lost, Judgement::of(&judged));
    }

    fn end(self) -> Row {
        let rates = self.rates.quiet();
        let rate = |at: usize| Rate::of(rates.iter().map(|round| round[at]).collect());
        let judged = self.judged.quiet();
        let of = |pick: fn(&Judgement) -> f64| median(judged.iter().map(pick).collect());
        let worst = judged.iter().map(|judged| judged.worst);
        // A torn value is one in whatever round.
        let all = || self.judged.all.iter().map(|(_, judged)| judged);
        Row {
            candidate: self.candidate.name(),
            call: self.call.name(),
            bytes: self.bytes,
            period: self.period.as_nanos() as u64,
            reads: rate(0),
            commits: rate(1),
            commits_alone: rate(2),
            kept: rate(1).median / rate(2).best,
            p50: of(|judged| judged.p50),
            p99: of(|judged| judged.p99),
            worst: worst.fold(0.0, f64::max),
            torn: all().map(|judged| judged.torn).sum(),
            preempted: all().map(|judged| judged.preempted).sum(),
        }
    }
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    percentile(&figures, 0.5)
}

/// Who writes where that one reads.
fn writer(reader: Candidate) -> Candidate {
    match reader {
        Candidate::Ours | Candidate::View => Candidate::Held,
        other => other,
    }
}

/// Who reads, and how.
fn readers(bytes: usize) -> impl Iterator<Item = (Candidate, Work)> {
    let all = ALL
        .iter()
        .copied()
        .filter(|candidate| candidate.is_consistent() && *candidate != Candidate::Held);
    all.flat_map(move |candidate| {
        let into = bytes >= LARGE && candidate.reads_into();
        [(candidate, Work::Get)]
            .into_iter()
            .chain(into.then_some((candidate, Work::ReadInto)))
    })
}

pub fn measure(effort: Effort) -> Vec<Row> {
    let mut rows = Vec::new();
    for bytes in BYTES {
        for period in PERIODS {
            let mut pairs: Vec<Pair> = readers(bytes)
                .map(|who| {
                    with_size!(bytes, T => with_peer!(who.0, T, P => Pair::new::<T, P>(who, bytes, period)))
                })
                .collect();
            let wanted = effort.rounds(20);
            until_quiet(&mut pairs, wanted, Pair::round, |pair| &pair.rates);
            let what = format!("{}, a commit each {period:?}", crate::value::spoken(bytes));
            tell(&what, pairs.iter().map(|pair| pair.rates.count()));
            rows.extend(pairs.into_iter().map(Pair::end));
        }
    }
    rows
}
