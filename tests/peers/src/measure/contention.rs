//! Several processes that add to one counter as fast as they can.

use serde::Serialize;

use super::{Effort, percentile};
use crate::child::Child;
use crate::peer::{ALL, Candidate, Peer};
use crate::place::Place;
use crate::value::{Block, Value};
use crate::with_peer;

/// Updates per second of all processes together.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    pub candidate: &'static str,
    pub processes: usize,
    pub updates: f64,
    pub lost: u64,
}

/// The value: 64 bytes.
type Counter = Block<8>;

/// Of one round, in milliseconds.
const ROUND: u64 = 20;

pub fn measure(effort: Effort) -> Vec<Row> {
    let mut rows = Vec::new();
    for candidate in ALL
        .iter()
        .copied()
        .filter(|candidate| candidate.many_writers())
    {
        for processes in [1, 2, 4] {
            rows.push(with_peer!(candidate, Counter, P => one::<P>(candidate, processes, effort)));
        }
    }
    rows
}

fn one<P: Peer<Counter>>(candidate: Candidate, processes: usize, effort: Effort) -> Row {
    let place = Place::fresh();
    let mut home = P::create(place, &Counter::numbered(0));
    let mut children: Vec<Child> = (0..processes)
        .map(|n| Child::serving(candidate, size_of::<Counter>(), place, n))
        .collect();
    let (mut rates, mut done) = (Vec::new(), 0);
    for _ in 0..effort.rounds(8) {
        children
            .iter_mut()
            .for_each(|child| child.order(&format!("change {ROUND}")));
        let count: f64 = children.iter_mut().map(|child| child.numbers()[0]).sum();
        done += count as u64;
        rates.push(count * 1000.0 / ROUND as f64);
    }
    rates.sort_by(f64::total_cmp);
    let counted = home.get(Counter::count);
    Row {
        candidate: candidate.name(),
        processes,
        updates: percentile(&rates, 0.5),
        lost: done.abs_diff(counted),
    }
}
