//! What is measured, one file for each kind, and what the figures look like.

use serde::Serialize;

use crate::peer::Candidate;

pub mod attach;
pub mod build;
pub mod contention;
pub mod readers;
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
}

fn find(figures: &[Figure], what: &str, bytes: usize, candidate: &str) -> Option<Cost> {
    let is = |figure: &&Figure| {
        figure.what == what && figure.bytes == bytes && figure.candidate == candidate
    };
    figures.iter().find(is).map(|figure| figure.cost)
}
