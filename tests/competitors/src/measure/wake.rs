//! There and back: one process wakes another, which wakes the first.

use std::io::{Read, Write};
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::{Duration, Instant};

use serde::Serialize;
use shm_core::SharedBox;

use super::{Effort, percentile};
use crate::child::{Child, pin, say};
use crate::peer::Segment;
use crate::place::Place;

/// A round trip in nanoseconds.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    pub kind: &'static str,
    /// Whether both processes are on one processor.
    pub one_processor: bool,
    /// Whether the other side was surely asleep when it began.
    pub asleep: bool,
    pub min: f64,
    pub p50: f64,
    pub p99: f64,
}

/// `set` and `wait`, the bare system call, and a pair of pipes.
const KINDS: [&str; 3] = ["SharedBox", "bare futex", "pipe"];

/// Whoever has waited for so long sleeps, whatever it did before.
const FALL_ASLEEP: Duration = Duration::from_micros(50);

pub fn measure(effort: Effort) -> Vec<Row> {
    let placed = [false, true].map(|one_processor| {
        // Where the scheduler puts them decides more than the way of waking does.
        let (here, there) = (0, usize::from(!one_processor));
        std::thread::scope(|scope| {
            let measure = || {
                pin(here);
                side_by_side(effort, one_processor, there)
            };
            scope.spawn(measure).join().expect("figures")
        })
    });
    placed.concat()
}

fn side_by_side(effort: Effort, one_processor: bool, there: usize) -> Vec<Row> {
    let trips: [Box<dyn FnMut()>; 3] = [
        Box::new(ours(there)),
        Box::new(futex(there)),
        Box::new(pipe(there)),
    ];
    let mut kinds: Vec<_> = KINDS
        .into_iter()
        .zip(trips)
        .map(|(kind, trip)| (kind, trip, [Vec::new(), Vec::new()]))
        .collect();
    for _ in 0..effort.rounds(200) {
        for (_, trip, took) in &mut kinds {
            trip();
            for (asleep, took) in [false, true].into_iter().zip(took) {
                for _ in 0..10 {
                    if asleep {
                        fall_asleep(one_processor);
                    }
                    let start = Instant::now();
                    trip();
                    took.push(start.elapsed().as_nanos() as f64);
                }
            }
        }
    }
    let row = |kind, asleep, mut took: Vec<f64>| {
        took.sort_by(f64::total_cmp);
        Row {
            kind,
            one_processor,
            asleep,
            min: took[0],
            p50: percentile(&took, 0.5),
            p99: percentile(&took, 0.99),
        }
    };
    let rows = kinds.into_iter().flat_map(|(kind, _, [at_once, asleep])| {
        [row(kind, false, at_once), row(kind, true, asleep)]
    });
    rows.collect()
}

/// Gives the other side the time to go to sleep, and on one processor also the processor.
fn fall_asleep(one_processor: bool) {
    if one_processor {
        std::thread::sleep(FALL_ASLEEP);
    }
    let pause = Instant::now() + FALL_ASLEEP;
    while Instant::now() < pause {
        std::hint::spin_loop();
    }
}

fn echoing(kind: &str, there: Place, back: Place, processor: usize) -> Child {
    let words = [there.0, back.0, processor as u32].map(|number| number.to_string());
    Child::start(&["echo", kind, &words[0], &words[1], &words[2]])
}

/// The other side of a round trip.
pub fn echo(kind: &str, there: Place, back: Place) {
    if kind == KINDS[0] {
        let there = SharedBox::<u64>::open(there.key()).expect("opened");
        let back = SharedBox::<u64>::open(back.key()).expect("opened");
        let mut seen = there.version();
        say("ready");
        loop {
            seen = there.wait(seen).expect("woken").version;
            back.set(seen).expect("set");
        }
    } else if kind == KINDS[1] {
        let (there, back) = (Segment::open(there.key()), Segment::open(back.key()));
        let (there, back) = (word(&there), word(&back));
        let mut seen = there.load(SeqCst);
        say("ready");
        loop {
            seen = sleep(there, seen);
            back.store(seen, SeqCst);
            wake(back);
        }
    } else {
        say("ready");
        let (mut input, mut output) = (std::io::stdin().lock(), std::io::stdout().lock());
        let mut byte = [0];
        while input.read_exact(&mut byte).is_ok() {
            output
                .write_all(&byte)
                .and_then(|()| output.flush())
                .expect("a parent that listens");
        }
    }
}

fn ours(processor: usize) -> impl FnMut() {
    let (there, back) = (Place::fresh(), Place::fresh());
    let make = |place: Place| {
        SharedBox::<u64>::options()
            .remove_on_drop(true)
            .create_new(place.key(), 0)
            .expect("created")
    };
    let (a, b) = (make(there), make(back));
    let child = echoing(KINDS[0], there, back, processor);
    let mut seen = b.version();
    move || {
        let _ = &child;
        a.set(seen).expect("set");
        seen = b.wait(seen).expect("woken").version;
    }
}

fn futex(processor: usize) -> impl FnMut() {
    let (there, back) = (Place::fresh(), Place::fresh());
    let (a, b) = (
        Segment::create(there.key(), 64),
        Segment::create(back.key(), 64),
    );
    let child = echoing(KINDS[1], there, back, processor);
    let mut count = 0;
    move || {
        let _ = &child;
        word(&a).store(count + 1, SeqCst);
        wake(word(&a));
        count = sleep(word(&b), count);
    }
}

fn word(segment: &Segment) -> &AtomicU32 {
    // SAFETY: mapped and aligned for as long as the segment, and touched by atomics only.
    unsafe { &*segment.address().cast::<AtomicU32>() }
}

/// Sleeps until the word is another; returns that one.
fn sleep(word: &AtomicU32, seen: u32) -> u32 {
    loop {
        let now = word.load(SeqCst);
        if now != seen {
            return now;
        }
        // SAFETY: the word lives; no time limit.
        unsafe {
            libc::syscall(
                libc::SYS_futex,
                word.as_ptr(),
                libc::FUTEX_WAIT,
                seen,
                0usize,
            )
        };
    }
}

fn wake(word: &AtomicU32) {
    // SAFETY: the word lives.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAKE, i32::MAX) };
}

fn pipe(processor: usize) -> impl FnMut() {
    let mut child = echoing(KINDS[2], Place(0), Place(0), processor);
    move || {
        let (to, from) = child.pipes();
        to.write_all(b"x").expect("a child that listens");
        let mut byte = [0];
        from.read_exact(&mut byte).expect("a child that answers");
    }
}
