//! How long it takes from a commit until a task runs, beside a thread that waits and tells the task, and beside an
//! eventfd; and what waiting costs while nothing happens. All take turns in one run: only the ratios mean anything.
//! `cargo bench … --bench tasks -- turns` leaves out what takes no turns. On a machine with other work run it on one processor
//! (`taskset -c 0`): whether a thread wakes on this one or another makes times of 10 us or of 30, as the scheduler likes.
#![allow(clippy::unwrap_used, reason = "a measurement")]

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, LazyLock};
use std::thread;
use std::time::{Duration, Instant};

use shm_core::{Key, Place, SharedBox, SharedTable, SharedView};

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

fn now() -> u64 {
    START.elapsed().as_nanos() as u64
}

fn shared() -> SharedBox<u64> {
    let mut options = SharedBox::options();
    options
        .remove_on_drop(true)
        .create_new(Key::PRIVATE, 0)
        .unwrap()
}

/// What is told the time, and hands on how much later it ran.
struct Candidate {
    name: &'static str,
    tell: Box<dyn Fn(u64)>,
    told: Receiver<u64>,
    times: Vec<u64>,
}

impl Candidate {
    fn new(name: &'static str, start: impl FnOnce(Sender<u64>) -> Box<dyn Fn(u64)>) -> Candidate {
        let (tell, told) = channel();
        Candidate {
            name,
            tell: start(tell),
            told,
            times: Vec::new(),
        }
    }

    /// How many microseconds a quarter of the times took at most, and half of them.
    fn quartiles(&self) -> [f64; 2] {
        let mut times = self.times.clone();
        times.sort_unstable();
        [4, 2].map(|part| times[times.len() / part] as f64 / 1e3)
    }

    /// How many times as long it took as another one, round by round: the median.
    fn ratio(&self, other: &Candidate) -> f64 {
        let pairs = self.times.iter().zip(&other.times);
        let mut ratios: Vec<_> = pairs.map(|(a, b)| *a as f64 / *b as f64).collect();
        ratios.sort_by(f64::total_cmp);
        ratios[ratios.len() / 2]
    }

    /// The same of what a quarter of the rounds took at most.
    fn ratio_of_quarters(&self, other: &Candidate) -> f64 {
        self.quartiles()[0] / other.quartiles()[0]
    }
}

fn stream(told: Sender<u64>) -> Box<dyn Fn(u64)> {
    let shared = shared();
    let mut changes = SharedBox::<u64>::open(Place::id(shared.id().unwrap()))
        .unwrap()
        .into_stream();
    tokio::spawn(async move {
        while let Some(Ok(seen)) = changes.next().await {
            told.send(now() - seen.value).unwrap();
        }
    });
    Box::new(move |time| assert!(shared.set(time).is_ok()))
}

fn thread_and_channel(told: Sender<u64>) -> Box<dyn Fn(u64)> {
    let shared = shared();
    let waiting = SharedBox::<u64>::open(Place::id(shared.id().unwrap())).unwrap();
    let (tell, mut hear) = tokio::sync::mpsc::unbounded_channel();
    thread::spawn(move || {
        for seen in waiting.changes().map_while(Result::ok) {
            tell.send(seen.value).unwrap();
        }
    });
    tokio::spawn(async move {
        while let Some(time) = hear.recv().await {
            told.send(now() - time).unwrap();
        }
    });
    Box::new(move |time| assert!(shared.set(time).is_ok()))
}

fn eventfd(told: Sender<u64>) -> Box<dyn Fn(u64)> {
    // SAFETY: eventfd(2) takes numbers; what it returns is no other's.
    let event = Arc::new(File::from(unsafe {
        OwnedFd::from_raw_fd(libc::eventfd(0, 0))
    }));
    let time = Arc::new(AtomicU64::new(0));
    let (there, stored) = (event.clone(), time.clone());
    thread::spawn(move || {
        told.send(0).unwrap();
        loop {
            (&*there).read_exact(&mut [0; 8]).unwrap();
            told.send(now() - stored.load(SeqCst)).unwrap();
        }
    });
    Box::new(move |now| {
        time.store(now, SeqCst);
        (&*event).write_all(&1_u64.to_ne_bytes()).unwrap();
    })
}

/// What part of a processor this process uses while a task waits and nothing happens.
fn idle(task: impl Future<Output = ()> + Send + 'static) -> f64 {
    let task = tokio::spawn(task);
    let used = || {
        let mut time = libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        // SAFETY: clock_gettime(2) stores the time to its second argument.
        unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
        Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
    };
    thread::sleep(Duration::from_millis(1500));
    let (start, before) = (Instant::now(), used());
    thread::sleep(Duration::from_secs(8));
    let idle = (used() - before).as_secs_f64() / start.elapsed().as_secs_f64() * 100.0;
    task.abort();
    idle
}

/// Of a table with 16 rows that have owners.
fn idle_costs() {
    macro_rules! idle {
        ($what:literal, $stream:expr) => {
            let mut stream = $stream;
            let used = idle(async move { while stream.next().await.is_some() {} });
            println!("idle, {:22} {used:.4} % of a processor", $what);
        };
    }
    let whole = shared();
    let id = || Place::id(whole.id().unwrap());
    idle!("a box", SharedBox::<u64>::open(id()).unwrap().into_stream());
    idle!(
        "a view",
        SharedView::<u64>::open(id()).unwrap().into_stream()
    );
    let mut options = SharedTable::<u64>::options();
    options.rows(32).remove_on_drop(true);
    let table = options.create_new(Key::PRIVATE).unwrap();
    let view = options.open_read_only(table.place().unwrap()).unwrap();
    let in_file = options.anonymous().unwrap();
    let claim = |table: &SharedTable<u64>| table.claim(0).unwrap();
    let _seats: Vec<_> = (0..16).map(|_| (claim(&table), claim(&in_file))).collect();
    idle!("a table", table.stream());
    idle!("a view of a table", view.stream());
    idle!("a table in a file", in_file.stream());
}

fn main() {
    let workers = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .build()
        .unwrap();
    let _inside = workers.enter();
    if std::env::args().all(|arg| arg != "turns") {
        idle_costs();
    }
    let mut all = [
        Candidate::new("stream", stream),
        Candidate::new("thread and channel", thread_and_channel),
        Candidate::new("eventfd, to a thread", eventfd),
    ];
    for one in &all {
        one.told.recv().unwrap();
    }
    for round in 0..5000 {
        for turn in 0..all.len() {
            let one = &mut all[(round + turn) % 3];
            // All are asleep.
            thread::sleep(Duration::from_micros(100));
            (one.tell)(now());
            one.times.push(one.told.recv().unwrap());
        }
    }
    for one in &all {
        let [quarter, half] = one.quartiles();
        println!(
            "{:22} {quarter:6.1} us in a quarter of the rounds, {half:6.1} us in half; {:.2} x thread and channel, {:.2} x eventfd",
            one.name,
            one.ratio(&all[1]),
            one.ratio(&all[2])
        );
    }
    let [stream, thread, _] = &all;
    let (ratio, quarters) = (stream.ratio(thread), stream.ratio_of_quarters(thread));
    let verdict = match ratio <= 1.0 {
        true => "no slower",
        false => "SLOWER",
    };
    println!(
        "from the commit to the task, stream by thread and channel: {ratio:.3} round by round (median), \
         {quarters:.3} in the quickest quarter: {verdict}"
    );
}
