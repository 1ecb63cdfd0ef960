//! A reader in one process while a writer in another commits: now and then, often, and without
//! pause.

use std::time::Duration;

use serde::Serialize;

use super::{Effort, percentile};
use crate::child::{Child, Judgement};
use crate::peer::{ALL, Candidate, Peer};
use crate::place::Place;
use crate::value::Value;
use crate::{with_peer, with_size};

/// A reader's and its writer's lot. Times in nanoseconds, rates per second.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    pub candidate: &'static str,
    pub bytes: usize,
    /// Between two commits; 0: none.
    pub period: u64,
    pub reads: f64,
    pub p50: f64,
    pub p99: f64,
    pub worst: f64,
    pub torn: u64,
    pub preempted: u64,
    pub commits: f64,
    pub commits_alone: f64,
}

pub const BYTES: [usize; 4] = [64, 4 << 10, 64 << 10, 1 << 20];

/// 1 kHz, 10 kHz, and as fast as it can.
pub const PERIODS: [Duration; 3] = [
    Duration::from_millis(1),
    Duration::from_micros(100),
    Duration::ZERO,
];

/// Of one phase, in milliseconds.
const PHASE: u64 = 20;

/// The writer begins before the reader and ends after it.
const LONGER: u64 = PHASE + 6;

struct Pair {
    reader: Child,
    writer: Child,
    row: Row,
    reads: Vec<f64>,
    commits: Vec<f64>,
    alone: Vec<f64>,
    judged: Vec<Judgement>,
    /// Keeps the place.
    _home: Box<dyn std::any::Any>,
}

impl Pair {
    fn round(&mut self) {
        let write = format!("write {} {LONGER}", self.row.period);
        self.writer.order(&write);
        self.alone.push(self.writer.numbers()[0]);

        self.writer.order(&write);
        std::thread::sleep(Duration::from_millis(2));
        self.reader.order(&format!("read {PHASE}"));
        self.reads.push(self.reader.numbers()[0]);
        self.commits.push(self.writer.numbers()[0]);

        self.writer.order(&write);
        std::thread::sleep(Duration::from_millis(2));
        self.reader.order(&format!("judge {PHASE}"));
        self.judged.push(Judgement::of(&self.reader.numbers()));
        self.writer.numbers();
    }

    fn end(self) -> Row {
        let of = |pick: fn(&Judgement) -> f64| median(self.judged.iter().map(pick).collect());
        Row {
            reads: median(self.reads),
            commits: median(self.commits),
            commits_alone: median(self.alone),
            p50: of(|judged| judged.p50),
            p99: of(|judged| judged.p99),
            worst: self
                .judged
                .iter()
                .map(|judged| judged.worst)
                .fold(0.0, f64::max),
            torn: self.judged.iter().map(|judged| judged.torn).sum(),
            preempted: self.judged.iter().map(|judged| judged.preempted).sum(),
            ..self.row
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

fn pair<T: Value, P: Peer<T> + 'static>(reader: Candidate, bytes: usize, period: Duration) -> Pair {
    let place = Place::fresh();
    let home = P::create(place, &Box::new(T::numbered(1)));
    Pair {
        reader: Child::serving(reader, bytes, place, 0),
        writer: Child::serving(writer(reader), bytes, place, 1),
        row: Row {
            candidate: reader.name(),
            bytes,
            period: period.as_nanos() as u64,
            reads: 0.0,
            p50: 0.0,
            p99: 0.0,
            worst: 0.0,
            torn: 0,
            preempted: 0,
            commits: 0.0,
            commits_alone: 0.0,
        },
        reads: Vec::new(),
        commits: Vec::new(),
        alone: Vec::new(),
        judged: Vec::new(),
        _home: Box::new(home),
    }
}

pub fn measure(effort: Effort) -> Vec<Row> {
    let mut rows = Vec::new();
    for bytes in BYTES {
        for period in PERIODS {
            let readers = ALL
                .iter()
                .copied()
                .filter(|candidate| candidate.is_consistent() && *candidate != Candidate::Held);
            let mut pairs: Vec<Pair> = readers
                .map(|reader| {
                    with_size!(bytes, T => with_peer!(reader, T, P => pair::<T, P>(reader, bytes, period)))
                })
                .collect();
            for _ in 0..effort.rounds(8) {
                pairs.iter_mut().for_each(Pair::round);
            }
            rows.extend(pairs.into_iter().map(Pair::end));
        }
    }
    rows
}
