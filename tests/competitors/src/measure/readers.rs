//! One, two and four processes that read at once, nobody writing.

use std::time::Duration;

use serde::Serialize;

use super::solo::Work;
use super::{Cost, Effort, Rounds, tell, until_quiet};
use crate::child::Child;
use crate::peer::{ALL, Candidate, Peer};
use crate::place::Place;
use crate::shift::Shift;
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

/// A round's length where each process has a processor, and where they share them.
const ROUND: [Duration; 2] = [Duration::from_millis(2), Duration::from_millis(12)];

/// The readers of one candidate.
struct Readers {
    candidate: Candidate,
    bytes: usize,
    children: Vec<Child>,
    rounds: [Rounds<f64>; PROCESSES.len()],
    _home: Box<dyn std::any::Any>,
}

impl Readers {
    fn new<T: Value, P: Peer<T> + 'static>(candidate: Candidate, bytes: usize) -> Readers {
        let place = Place::fresh();
        let home = P::create(place, &Box::new(T::numbered(1)));
        let most = PROCESSES[PROCESSES.len() - 1];
        Readers {
            candidate,
            bytes,
            children: (0..most)
                .map(|n| Child::serving(candidate, bytes, place, n))
                .collect(),
            rounds: PROCESSES.map(|_| Rounds::new()),
            _home: Box::new(home),
        }
    }

    fn round(&mut self) {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        for (processes, rounds) in PROCESSES.into_iter().zip(&mut self.rounds) {
            let shift = Shift::soon(ROUND[usize::from(processes > processors)]);
            let order = format!("read {} {}", Work::Get.name(), shift.spoken());
            let at_work = &mut self.children[..processes];
            at_work.iter_mut().for_each(|child| child.order(&order));
            let (mut sum, mut lost) = (0.0, Vec::new());
            for child in at_work {
                let [_, each, delayed] = child.numbers()[..] else {
                    unreachable!("three numbers")
                };
                sum += each;
                lost.push(delayed);
            }
            rounds.note(&lost, sum / processes as f64);
        }
    }

    fn end(self) -> impl Iterator<Item = Row> {
        let (candidate, bytes) = (self.candidate.name(), self.bytes);
        let all = PROCESSES.into_iter().zip(self.rounds);
        all.map(move |(processes, rounds)| Row {
            candidate,
            bytes,
            processes,
            get: Cost::of(rounds.quiet()),
        })
    }
}

pub fn measure(effort: Effort) -> Vec<Row> {
    let mut rows = Vec::new();
    for bytes in BYTES {
        let mut all: Vec<Readers> = ALL
            .iter()
            .copied()
            .filter(|candidate| *candidate != Candidate::Held)
            .map(|candidate| {
                with_size!(bytes, T => with_peer!(candidate, T, P => {
                    Readers::new::<T, P>(candidate, bytes)
                }))
            })
            .collect();
        let wanted = effort.rounds(40);
        until_quiet(&mut all, wanted, Readers::round, |one| &one.rounds[1]);
        let rounds = all.iter().flat_map(|readers| &readers.rounds);
        tell(&crate::value::spoken(bytes), rounds.map(Rounds::count));
        rows.extend(all.into_iter().flat_map(Readers::end));
    }
    rows
}
