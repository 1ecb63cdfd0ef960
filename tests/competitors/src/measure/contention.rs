//! Several processes that add to one counter as fast as they can.

use std::time::Duration;

use serde::Serialize;

use super::{Effort, Rate, Rounds, tell, until_quiet};
use crate::child::Child;
use crate::peer::{ALL, Candidate, Peer};
use crate::place::Place;
use crate::shift::Shift;
use crate::value::{Block, Value};
use crate::with_peer;

/// Updates per second of all processes together.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    pub candidate: &'static str,
    pub processes: usize,
    pub updates: Rate,
    pub lost: u64,
}

/// The value: 64 bytes.
type Counter = Block<8>;

pub const PROCESSES: [usize; 3] = [1, 2, 4];

/// A round's length.
const ROUND: Duration = Duration::from_millis(10);

/// The writers of one candidate, so many at once.
struct Writers {
    candidate: Candidate,
    children: Vec<Child>,
    rounds: Rounds<f64>,
    done: u64,
    counted: Box<dyn FnMut() -> u64>,
}

impl Writers {
    fn new<P: Peer<Counter> + 'static>(candidate: Candidate, processes: usize) -> Writers {
        let place = Place::fresh();
        let mut home = P::create(place, &Counter::numbered(0));
        Writers {
            candidate,
            children: (0..processes)
                .map(|n| Child::serving(candidate, size_of::<Counter>(), place, n))
                .collect(),
            rounds: Rounds::new(),
            done: 0,
            counted: Box::new(move || home.get(Counter::count)),
        }
    }

    fn round(&mut self) {
        let order = format!("change {}", Shift::soon(ROUND).spoken());
        let children = &mut self.children;
        children.iter_mut().for_each(|child| child.order(&order));
        let (mut rate, mut lost) = (0.0, Vec::new());
        for child in children {
            let [count, each, delayed] = child.numbers()[..] else {
                unreachable!("three numbers")
            };
            self.done += count as u64;
            rate += 1e9 / each;
            lost.push(delayed);
        }
        self.rounds.note(&lost, rate);
    }

    fn end(mut self) -> Row {
        Row {
            candidate: self.candidate.name(),
            processes: self.children.len(),
            updates: Rate::of(self.rounds.quiet()),
            lost: self.done.abs_diff((self.counted)()),
        }
    }
}

pub fn measure(effort: Effort) -> Vec<Row> {
    let mut rows = Vec::new();
    for processes in PROCESSES {
        let mut all: Vec<Writers> = ALL
            .iter()
            .copied()
            .filter(|candidate| candidate.many_writers())
            .map(|candidate| {
                with_peer!(candidate, Counter, P => Writers::new::<P>(candidate, processes))
            })
            .collect();
        let wanted = effort.rounds(16);
        until_quiet(&mut all, wanted, Writers::round, |one| &one.rounds);
        let rounds = all.iter().map(|writers| writers.rounds.count());
        tell(&format!("{processes} writing"), rounds);
        rows.extend(all.into_iter().map(Writers::end));
    }
    rows
}
