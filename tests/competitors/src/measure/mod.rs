//! What is measured, one file for each kind, and what the figures look like.

use serde::Serialize;

use crate::peer::Candidate;

pub mod attach;
pub mod build;
pub mod contention;
pub mod files;
pub mod readers;
pub mod rows;
pub mod solo;
pub mod takeover;
pub mod under_writer;
pub mod wake;

/// Nanoseconds per call, over many short rounds.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Cost {
    pub min: f64,
    pub median: f64,
}

impl Cost {
    /// Of the rounds' figures.
    pub fn of(mut rounds: Vec<f64>) -> Cost {
        rounds.sort_by(f64::total_cmp);
        Cost {
            min: rounds[0],
            median: percentile(&rounds, 0.5),
        }
    }
}

/// Of sorted figures.
pub fn percentile(sorted: &[f64], share: f64) -> f64 {
    sorted[((sorted.len() as f64 * share) as usize).min(sorted.len() - 1)]
}

/// Calls per second, over many short rounds.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Rate {
    pub best: f64,
    pub median: f64,
}

impl Rate {
    /// Of the rounds' figures.
    pub fn of(mut rounds: Vec<f64>) -> Rate {
        rounds.sort_by(f64::total_cmp);
        Rate {
            best: rounds[rounds.len() - 1],
            median: percentile(&rounds, 0.5),
        }
    }
}

/// Rounds in which several processes worked at once.
///
/// Only those count in which the scheduler let them: a contended call looks cheap while the other
/// process is off its processor, and a writer that is stopped half-way keeps readers busy.
#[derive(Clone, Debug)]
pub struct Rounds<S> {
    all: Vec<(f64, S)>,
}

/// A round lost no more than this share of one processor's time to other programs.
const QUIET: f64 = 0.03;

impl<S: Clone> Rounds<S> {
    pub fn new() -> Rounds<S> {
        Rounds { all: Vec::new() }
    }

    /// Notes a round and the shares of its time that its processes were kept from working.
    ///
    /// More processes than processors wait for each other; that is no disturbance.
    pub fn note(&mut self, lost: &[f64], sample: S) {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let each_other = lost.len().saturating_sub(processors);
        let disturbed = lost.iter().sum::<f64>() - each_other as f64;
        self.all.push((disturbed.max(0.0), sample));
    }

    /// Those that were not disturbed, but at least the quietest quarter.
    pub fn quiet(&self) -> Vec<S> {
        let mut all = self.all.clone();
        all.sort_by(|a, b| a.0.total_cmp(&b.0));
        let quiet = all.iter().filter(|(lost, _)| *lost <= QUIET).count();
        all.truncate(quiet.max(all.len().div_ceil(4)));
        all.into_iter().map(|(_, sample)| sample).collect()
    }

    /// How many were not disturbed, of how many.
    pub fn count(&self) -> (usize, usize) {
        let quiet = self.all.iter().filter(|(lost, _)| *lost <= QUIET).count();
        (quiet, self.all.len())
    }
}

/// Goes on in rounds until every candidate has so many undisturbed ones, but not for ever.
fn until_quiet<C, S: Clone>(
    all: &mut [C],
    wanted: u32,
    round: impl Fn(&mut C),
    rounds: impl Fn(&C) -> &Rounds<S>,
) {
    for count in 1..=MOST * wanted {
        all.iter_mut().for_each(&round);
        let enough = |one: &C| rounds(one).count().0 >= wanted as usize / 2;
        if count >= wanted && all.iter().all(enough) {
            return;
        }
    }
}

/// So many times the rounds are tried on a busy machine.
const MOST: u32 = 4;

/// Says how much of a measurement was undisturbed.
fn tell(what: &str, counts: impl Iterator<Item = (usize, usize)>) {
    let (quiet, all) = counts.fold((0, 0), |(a, b), (c, d)| (a + c, b + d));
    eprintln!(
        "  {what}: {quiet} of {all} rounds undisturbed; only those count where there are enough"
    );
}

/// How much of everything: rounds are multiplied by this.
#[derive(Clone, Copy, Debug)]
pub struct Effort(pub u32);

impl Effort {
    /// As many rounds as that.
    pub fn rounds(self, full: u32) -> u32 {
        (full * self.0 / 10).max(3)
    }
}

/// A figure of one candidate.
#[derive(Clone, Debug, Serialize)]
pub struct Figure {
    pub what: String,
    pub bytes: usize,
    pub candidate: &'static str,
    pub cost: Cost,
}

/// Everything.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    pub boost: bool,
    pub solo: Vec<Figure>,
    pub readers: Vec<readers::Row>,
    pub under_writer: Vec<under_writer::Row>,
    pub contention: Vec<contention::Row>,
    pub attach: Vec<Figure>,
    pub files: Vec<Figure>,
    pub rows: Vec<Figure>,
    pub wake: Vec<wake::Row>,
    pub takeover: Vec<takeover::Row>,
    pub build: Vec<build::Row>,
}

impl Report {
    /// What one call costs a process that is alone.
    pub fn solo(&self, what: &str, bytes: usize, candidate: Candidate) -> Option<Cost> {
        find(&self.solo, what, bytes, candidate.name())
    }

    /// What it costs to come and to go.
    pub fn attach(&self, what: &str, candidate: &str) -> Option<Cost> {
        find(&self.attach, what, 64, candidate)
    }

    /// What a call on a value in a file costs.
    pub fn file(&self, what: &str, bytes: usize, candidate: &str) -> Option<Cost> {
        find(&self.files, what, bytes, candidate)
    }

    /// What a call on rows costs.
    pub fn rows(&self, what: &str, candidate: &str) -> Option<Cost> {
        find(&self.rows, what, 64, candidate)
    }
}

fn find(figures: &[Figure], what: &str, bytes: usize, candidate: &str) -> Option<Cost> {
    let is = |figure: &&Figure| {
        figure.what == what && figure.bytes == bytes && figure.candidate == candidate
    };
    figures.iter().find(is).map(|figure| figure.cost)
}
