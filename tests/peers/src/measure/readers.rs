//! One, two and four processes that read at once, nobody writing.

use serde::Serialize;

use super::{Cost, Effort};
use crate::child::Child;
use crate::peer::{ALL, Candidate, Peer};
use crate::place::Place;
use crate::value::Value;
use crate::{with_peer, with_size};

/// What one `get` costs each of so many processes.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    pub candidate: &'static str,
    pub bytes: usize,
    pub processes: usize,
    pub get: Cost,
}

pub const PROCESSES: [usize; 3] = [1, 2, 4];
const BYTES: [usize; 2] = [64, 4096];

/// A round's length in nanoseconds.
const ROUND: f64 = 3_000_000.0;

pub fn measure(effort: Effort) -> Vec<Row> {
    let mut rows = Vec::new();
    for bytes in BYTES {
        for candidate in ALL
            .iter()
            .copied()
            .filter(|candidate| *candidate != Candidate::Held)
        {
            rows.extend(with_size!(bytes, T => with_peer!(candidate, T, P => {
                one::<T, P>(candidate, bytes, effort)
            })));
        }
    }
    rows
}

fn one<T: Value, P: Peer<T>>(candidate: Candidate, bytes: usize, effort: Effort) -> Vec<Row> {
    let place = Place::fresh();
    let _home = P::create(place, &T::numbered(1));
    let most = PROCESSES[PROCESSES.len() - 1];
    let mut children: Vec<Child> = (0..most)
        .map(|n| Child::serving(candidate, bytes, place, n))
        .collect();
    let mut samples = vec![Vec::new(); PROCESSES.len()];
    children[0].order("run get 2000");
    let each = children[0].numbers()[0];
    let order = format!("run get {}", (ROUND / each.max(0.5)) as u64);
    for _ in 0..effort.rounds(20) {
        for (at, processes) in PROCESSES.into_iter().enumerate() {
            let at_work = &mut children[..processes];
            at_work.iter_mut().for_each(|child| child.order(&order));
            let sum: f64 = at_work.iter_mut().map(|child| child.numbers()[0]).sum();
            samples[at].push(sum / processes as f64);
        }
    }
    PROCESSES
        .into_iter()
        .zip(samples)
        .map(|(processes, samples)| Row {
            candidate: candidate.name(),
            bytes,
            processes,
            get: Cost::of(samples),
        })
        .collect()
}
