//! A stretch of time in which several processes work at once, and whether the scheduler let them.

use std::time::Duration;

/// From when to when, on the clock that all processes share; nanoseconds.
#[derive(Clone, Copy, Debug)]
pub struct Shift {
    start: u64,
    end: u64,
}

/// Enough for all to hear of it and to be at work when it begins.
const NOTICE: Duration = Duration::from_micros(800);

/// The last part of the notice is not slept: to wake up takes as long.
const AWAKE: u64 = 150_000;

/// Calls between two looks at the clock take about this long: far longer than the look.
const BATCH: u64 = 2_000;

/// Nanoseconds of the monotonic clock, which is one for all processes.
fn now() -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: a place of the right type.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// How long this thread has waited for a processor although it could have worked: nanoseconds.
fn delayed() -> u64 {
    // Documentation/scheduler/sched-stats.rst: "time spent waiting on a runqueue". Without it all
    // rounds count as undisturbed.
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let field = text.split(' ').nth(1);
    field.and_then(|field| field.parse().ok()).unwrap_or(0)
}

impl Shift {
    /// One that begins as soon as everybody can be there.
    pub fn soon(length: Duration) -> Shift {
        let start = now() + NOTICE.as_nanos() as u64;
        Shift {
            start,
            end: start + length.as_nanos() as u64,
        }
    }

    /// Begins earlier and ends later by so much.
    pub fn wider(self, by: Duration) -> Shift {
        let by = by.as_nanos() as u64;
        Shift {
            start: self.start - by.min(NOTICE.as_nanos() as u64 / 2),
            end: self.end + by,
        }
    }

    /// In an order to a child.
    pub fn spoken(self) -> String {
        format!("{} {}", self.start, self.end)
    }

    /// From a parent's order.
    pub fn heard(words: &[&str]) -> Shift {
        let number = |word: &str| word.parse().expect("a number");
        Shift {
            start: number(words[0]),
            end: number(words[1]),
        }
    }

    /// Waits for the beginning, works, and says what share of the time the scheduler took away.
    pub fn work<R>(self, work: impl FnOnce(Clock) -> R) -> (R, f64) {
        let left = self.start.saturating_sub(now() + AWAKE);
        std::thread::sleep(Duration::from_nanos(left));
        while now() < self.start {
            std::hint::spin_loop();
        }
        let before = delayed();
        let start = now();
        let result = work(Clock {
            start,
            end: self.end,
        });
        let lost = (delayed() - before) as f64 + start.saturating_sub(self.start) as f64;
        (result, lost / (self.end - self.start) as f64)
    }
}

/// The clock of one shift.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: u64,
    end: u64,
}

impl Clock {
    /// Nanoseconds since the beginning; `None`: it is over.
    pub fn passed(self) -> Option<u64> {
        let now = now();
        (now < self.end).then(|| now - self.start)
    }

    /// Calls to the end of the shift; returns how often and nanoseconds per call.
    #[inline(always)]
    pub fn fill(self, mut once: impl FnMut()) -> (u64, f64) {
        let (mut count, mut batch, mut before) = (0, 1, self.start);
        loop {
            for _ in 0..batch {
                once();
            }
            count += batch;
            let now = now();
            if now >= self.end {
                return (count, (now - self.start) as f64 / count as f64);
            }
            if now - before < BATCH {
                batch *= 2;
            }
            before = now;
        }
    }
}
