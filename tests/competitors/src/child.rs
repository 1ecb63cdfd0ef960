//! Other processes: this program again, told over its standard input what to do.

use std::hint::black_box;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child as Process, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use crate::measure::solo::Work;
use crate::measure::{percentile, takeover, wake};
use crate::peer::{ALL, Candidate, Peer};
use crate::place::Place;
use crate::shift::{Clock, Shift};
use crate::value::Value;
use crate::{with_peer, with_size};

/// The first argument of a child.
pub const FLAG: &str = "--child";

/// A child, killed when this is dropped.
pub struct Child {
    process: Process,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Child {
    /// Starts a role; returns when it is ready.
    pub fn start(args: &[&str]) -> Child {
        let program = std::env::current_exe().expect("this program's path");
        let mut process = Command::new(program)
            .arg(FLAG)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a child");
        let to = process.stdin.take().expect("piped");
        let from = BufReader::new(process.stdout.take().expect("piped"));
        let mut child = Child { process, to, from };
        assert_eq!(child.answer(), "ready");
        child
    }

    /// Starts one that serves a candidate, on that processor.
    pub fn serving(candidate: Candidate, bytes: usize, place: Place, processor: usize) -> Child {
        let (bytes, place, processor) = (
            bytes.to_string(),
            place.0.to_string(),
            processor.to_string(),
        );
        Child::start(&["serve", candidate.name(), &bytes, &place, &processor])
    }

    /// Gives an order.
    pub fn order(&mut self, order: &str) {
        writeln!(self.to, "{order}").expect("a child that listens");
    }

    /// Waits for the answer.
    pub fn answer(&mut self) -> String {
        let mut line = String::new();
        self.from
            .read_line(&mut line)
            .expect("a child that answers");
        line.trim_end().into()
    }

    /// The answer's numbers.
    pub fn numbers(&mut self) -> Vec<f64> {
        let answer = self.answer();
        answer
            .split(' ')
            .map(|number| number.parse().expect("a number"))
            .collect()
    }

    /// Its process.
    pub fn pid(&self) -> i32 {
        self.process.id() as i32
    }

    /// The raw pipes to it.
    pub fn pipes(&mut self) -> (&mut ChildStdin, &mut BufReader<ChildStdout>) {
        (&mut self.to, &mut self.from)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Says a line to the parent.
pub fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")
        .and_then(|()| out.flush())
        .expect("a parent that listens");
}

/// What a child does.
pub fn main(args: &[String]) {
    // SAFETY: no memory is involved. A child does not outlive its parent.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
    let place = |at: usize| Place(args[at].parse().expect("a place"));
    match args[0].as_str() {
        "serve" => {
            let candidate = *ALL
                .iter()
                .find(|candidate| candidate.name() == args[1])
                .expect("a candidate");
            pin(args[4].parse().expect("a processor"));
            let bytes: usize = args[2].parse().expect("a size");
            let place = place(3);
            with_size!(bytes, T => with_peer!(candidate, T, P => serve::<T, P>(P::open(place))));
        }
        "hold" => takeover::hold(&args[1], place(2)),
        "echo" => {
            pin(args[4].parse().expect("a processor"));
            wake::echo(&args[1], place(2), place(3));
        }
        other => unreachable!("no role {other}"),
    }
}

/// Stays on one processor, where there are that many.
pub fn pin(processor: usize) {
    // SAFETY: the first call involves no memory. It counts all processors, not those that the parent
    // left to this process. The set is as large as told, all of it initialised by zeros.
    unsafe {
        let processors = libc::sysconf(libc::_SC_NPROCESSORS_ONLN).max(1) as usize;
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(processor % processors, &mut set);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set);
    }
}

fn serve<T: Value, P: Peer<T>>(mut peer: P) {
    say("ready");
    for line in std::io::stdin().lines() {
        let line = line.expect("a parent that speaks");
        let words: Vec<&str> = line.split(' ').collect();
        let (verb, rest) = words.split_first().expect("an order");
        let answer = match *verb {
            "read" => read(&mut peer, Work::named(rest[0]), Shift::heard(&rest[1..])),
            "judge" => judged(&mut peer, Work::named(rest[0]), Shift::heard(&rest[1..])),
            "write" => {
                let period = rest[0].parse().expect("a period");
                write(&mut peer, period, Shift::heard(&rest[1..]))
            }
            "change" => change(&mut peer, Shift::heard(rest)),
            other => unreachable!("no order {other}"),
        };
        say(&answer);
    }
}

/// How often, nanoseconds for each, and the share of time that was lost to others.
fn spoken(((count, each), lost): ((u64, f64), f64)) -> String {
    format!("{count} {each} {lost}")
}

/// Commits, one in each period.
fn write<T: Value, P: Peer<T>>(peer: &mut P, period: u64, shift: Shift) -> String {
    let values: Vec<T> = (1..=4).map(T::numbered).collect();
    let mut next = values.iter().cycle();
    let mut once = || peer.set(next.next().expect("an endless supply"));
    let without_pause = |clock: Clock| clock.fill(&mut once);
    if period == 0 {
        return spoken(shift.work(without_pause));
    }
    spoken(shift.work(|clock| {
        let (mut count, mut last) = (0, 0);
        while let Some(passed) = clock.passed() {
            if passed >= period * count {
                once();
                count += 1;
            }
            last = passed;
            std::hint::spin_loop();
        }
        (count, last as f64 / count as f64)
    }))
}

fn read<T: Value, P: Peer<T>>(peer: &mut P, call: Work, shift: Shift) -> String {
    let mut place = Box::new(T::numbered(0));
    spoken(shift.work(|clock| match call {
        Work::ReadInto => clock.fill(|| {
            peer.read_into(&mut place);
            black_box(&mut *place);
        }),
        _ => clock.fill(|| {
            peer.get(|value| {
                black_box(value);
            });
        }),
    }))
}

/// Adds to the value.
fn change<T: Value, P: Peer<T>>(peer: &mut P, shift: Shift) -> String {
    spoken(shift.work(|clock| clock.fill(|| peer.update(T::bump))))
}

fn judged<T: Value, P: Peer<T>>(peer: &mut P, call: Work, shift: Shift) -> String {
    let (judgement, lost) = shift.work(|clock| judge(peer, call, || clock.passed().is_some()));
    format!("{judgement} {lost}")
}

/// What single reads took, in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub struct Judgement {
    pub p50: f64,
    pub p99: f64,
    pub worst: f64,
    pub torn: u64,
    /// Reads left out because the scheduler gave the processor to somebody else meanwhile.
    pub preempted: u64,
}

impl std::fmt::Display for Judgement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} {} {} {} {}",
            self.p50, self.p99, self.worst, self.torn, self.preempted
        )
    }
}

impl Judgement {
    /// From a child's answer.
    pub fn of(numbers: &[f64]) -> Judgement {
        let &[p50, p99, worst, torn, preempted] = numbers else {
            unreachable!("five numbers")
        };
        Judgement {
            p50,
            p99,
            worst,
            torn: torn as u64,
            preempted: preempted as u64,
        }
    }
}

/// How often this thread lost its processor against its will.
fn preemptions() -> i64 {
    // SAFETY: a place of the right type, all of it set by the kernel.
    unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_THREAD, &mut usage);
        usage.ru_nivcsw
    }
}

/// A read that took this long is asked whether it had the processor all the time.
const SUSPICIOUS: Duration = Duration::from_micros(50);

/// Times each read and checks each value, as long as it may.
pub fn judge<T: Value, P: Peer<T>>(
    peer: &mut P,
    call: Work,
    goes_on: impl Fn() -> bool,
) -> Judgement {
    let (mut torn, mut preempted, mut before) = (0, 0, preemptions());
    let mut took = Vec::with_capacity(1 << 16);
    let mut place = Box::new(T::numbered(0));
    while goes_on() {
        let begun = Instant::now();
        let (whole, each) = match call {
            Work::ReadInto => {
                peer.read_into(&mut place);
                let each = begun.elapsed();
                (place.is_whole(), each)
            }
            _ => peer.get(|value| {
                let each = begun.elapsed();
                (value.is_whole(), each)
            }),
        };
        torn += u64::from(!whole);
        if each >= SUSPICIOUS {
            let now = preemptions();
            if std::mem::replace(&mut before, now) != now {
                preempted += 1;
                continue;
            }
        }
        took.push(each.as_nanos() as f64);
    }
    if took.is_empty() {
        took.push(f64::NAN);
    }
    took.sort_by(f64::total_cmp);
    Judgement {
        p50: percentile(&took, 0.5),
        p99: percentile(&took, 0.99),
        worst: took[took.len() - 1],
        torn,
        preempted,
    }
}
