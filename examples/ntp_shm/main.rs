//! A unit of NTP's shared clock, by which GPS receivers tell `ntpd` and `chronyd` the time: feeds it with this machine's own
//! time, or reads what another program feeds.
//!
//! ```sh
//! cargo run --example ntp_shm -- 2 feed          # a sample each second; `ntpshmmon` shows them
//! cargo run --example ntp_shm -- 2 feed 10 250   # 10 samples, one each 250 ms
//! cargo run --example ntp_shm -- 2 turns 10      # the same in the older mode, which waits for its reader
//! cargo run --example ntp_shm -- 2 read 3        # in another terminal
//! chronyd -x -Q 'refclock SHM 2:perm=0666 refid TEST poll 0 dpoll -2'
//! ```
//!
//! Units 0 and 1 are for root alone.

mod unit;

use std::error::Error;
use std::io::{Write, stdout};
use std::process::ExitCode;
use std::thread::sleep;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use shm_examples::ended;
use unit::{Mode, Sample, Seconds, Unit};

fn main() -> ExitCode {
    ended("ntp_shm", run())
}

fn run() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [number, what, rest @ ..] = arguments.as_slice() else {
        return Err("usage: ntp_shm UNIT feed|turns|read [COUNT [MILLISECONDS]]".into());
    };
    let unit = Unit::open(number.parse()?)?;
    let count = rest.first().map_or(Ok(u64::MAX), |text| text.parse())?;
    let pause = Duration::from_millis(rest.get(1).map_or(Ok(1000), |text| text.parse())?);
    match what.as_str() {
        "feed" => feed(&unit, Mode::Count, count, pause),
        "turns" => feed(&unit, Mode::Turns, count, pause),
        "read" => read(&unit, count),
        other => Err(format!("{other:?} is none of feed, turns and read").into()),
    }
}

fn feed(unit: &Unit, mode: Mode, count: u64, pause: Duration) -> Result<(), Box<dyn Error>> {
    for _ in 0..count {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
        let now = (now.as_secs() as Seconds, now.subsec_nanos());
        let fed = unit.feed(
            mode,
            &Sample {
                clock: now,
                receive: now,
                leap: 0,
                precision: -20,
            },
        )?;
        let what = if fed {
            "fed"
        } else {
            "the last one was not read"
        };
        writeln!(stdout(), "{}.{:09} {what}", now.0, now.1)?;
        sleep(pause);
    }
    Ok(())
}

fn read(unit: &Unit, count: u64) -> Result<(), Box<dyn Error>> {
    for _ in 0..count {
        let sample = loop {
            match unit.take()? {
                Some(sample) => break sample,
                // The feeder wakes no reader: as `ntpd` does, look again.
                None => sleep(Duration::from_millis(1)),
            }
        };
        let Sample { clock, receive, .. } = sample;
        writeln!(
            stdout(),
            "clock {}.{:09} received {}.{:09}",
            clock.0,
            clock.1,
            receive.0,
            receive.1
        )?;
    }
    Ok(())
}
