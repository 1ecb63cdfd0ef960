//! A process is killed while it holds the lock; another waits for it. And readers meanwhile.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use serde::Serialize;
use shm_core::SharedBox;

use super::solo::Work;
use super::{Effort, percentile};
use crate::child::{Child, judge, say};
use crate::peer::{Candidate, Held, Ours, Peer, Pthread, Robust};
use crate::place::Place;
use crate::value::{Block, Value};

/// From `kill -9` to the waiting call's return, in nanoseconds.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    pub candidate: &'static str,
    pub median: f64,
    pub p99: f64,
    pub worst: f64,
    /// The longest read of a reader that reads all the while; 0: not measured.
    pub worst_read: f64,
    pub torn: u64,
}

type Small = Block<8>;

/// Takes the lock and keeps it, to the end.
pub fn hold(candidate: &str, place: Place) {
    let ours = |place| {
        let mut held = Held::<Small>::open(place);
        held.set(&Small::numbered(2));
        held
    };
    let robust = |place| {
        let peer = Pthread::<Small, Robust>::open(place);
        peer.lock();
        peer
    };
    let _held: Box<dyn std::any::Any> = if candidate == Candidate::Ours.name() {
        Box::new(ours(place))
    } else {
        Box::new(robust(place))
    };
    say("ready");
    loop {
        std::thread::park();
    }
}

pub fn measure(effort: Effort) -> Vec<Row> {
    let rounds = effort.rounds(200);
    let mut ours = one::<Ours<Small>>(Candidate::Ours, rounds);
    (ours.worst_read, ours.torn) = read_beside(effort.rounds(30));
    vec![
        ours,
        one::<Pthread<Small, Robust>>(Candidate::Robust, rounds),
    ]
}

fn one<P: Peer<Small>>(candidate: Candidate, rounds: u32) -> Row {
    let place = Place::fresh();
    let mut home = P::create(place, &Small::numbered(1));
    let mut took: Vec<f64> = (0..rounds)
        .map(|_| once(candidate, place, || home.set(&Small::numbered(3))))
        .collect();
    took.sort_by(f64::total_cmp);
    Row {
        candidate: candidate.name(),
        median: percentile(&took, 0.5),
        p99: percentile(&took, 0.99),
        worst: took[took.len() - 1],
        worst_read: 0.0,
        torn: 0,
    }
}

/// One death; `write` waits for the lock meanwhile.
fn once(candidate: Candidate, place: Place, write: impl FnOnce()) -> f64 {
    let child = Child::start(&["hold", candidate.name(), &place.0.to_string()]);
    let pid = child.pid();
    std::thread::scope(|scope| {
        let killer = scope.spawn(move || {
            // The writer below sleeps by then; if it does not, the figure is a little too good or
            // too bad.
            std::thread::sleep(Duration::from_millis(3));
            let killed = Instant::now();
            // SAFETY: a child of this process that nobody has waited for.
            unsafe { libc::kill(pid, libc::SIGKILL) };
            killed
        });
        write();
        let taken = Instant::now();
        taken
            .duration_since(killer.join().expect("a killer"))
            .as_nanos() as f64
    })
}

fn read_beside(rounds: u32) -> (f64, u64) {
    let place = Place::fresh();
    let home = SharedBox::<Small>::options()
        .remove_on_drop(true)
        .create_new(place.key(), Small::numbered(1))
        .expect("created");
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut peer = Ours::<Small>::open(place);
            let (mut worst, mut torn) = (0.0, 0);
            while !over.load(Relaxed) {
                let start = Instant::now();
                let goes_on = || start.elapsed() < Duration::from_millis(5);
                let judged = judge(&mut peer, Work::Get, goes_on);
                worst = f64::max(worst, judged.worst);
                torn += judged.torn;
            }
            (worst, torn)
        });
        for _ in 0..rounds {
            once(Candidate::Ours, place, || {
                _ = home.set(Small::numbered(3)).expect("set")
            });
        }
        over.store(true, Relaxed);
        reader.join().expect("a reader")
    })
}
