//! Metrics: many processes count, and one prints what Prometheus reads.
//!
//! ```sh
//! cargo run --example metrics -- 0x5eed0004 work 1000  # in many terminals
//! cargo run --example metrics -- 0x5eed0004 print
//! cargo run --example metrics -- 0x5eed0004 remove
//! ```

use std::error::Error;
use std::fmt::Write as _;
use std::io::{Write, stdout};
use std::process::ExitCode;

use shm_core::{Key, SharedBox, SharedLayout, SharedView, field};
use shm_examples::ended;

/// Upper ends of the buckets, in milliseconds.
const BUCKETS: [u32; 4] = [1, 10, 100, 1000];

#[derive(SharedLayout, Clone, Copy, Default)]
#[repr(C)]
struct Metrics {
    requests: u64,
    errors: u64,
    milliseconds: u64,
    /// How many requests took so long; one more for those that took longer.
    took: [u64; BUCKETS.len() + 1],
}

fn main() -> ExitCode {
    ended("metrics", run())
}

fn run() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        [key, "work", times] => work(key.parse()?, times.parse()?),
        [key, "print"] => {
            let metrics = SharedView::open(key.parse::<Key>()?)?.get()?;
            Ok(stdout().write_all(prometheus(&metrics).as_bytes())?)
        }
        [key, "remove"] => Ok(shm_core::remove(key.parse::<Key>()?)?),
        _ => Err("usage: metrics KEY work TIMES, or KEY print, or KEY remove".into()),
    }
}

fn work(key: Key, times: u32) -> Result<(), Box<dyn Error>> {
    let shared = SharedBox::open_or_create(key, Metrics::default)?;
    for request in 0..times {
        let (took, failed) = (request * 7 % 1500, request % 10 == 9);
        let bucket = BUCKETS.iter().position(|end| took <= *end);
        let bucket = field!(Metrics.took).at(bucket.unwrap_or(BUCKETS.len()));
        // Each a commit of eight bytes. What must fit together goes into one `update`.
        shared.fetch_add(bucket.ok_or("no such bucket")?, 1)?;
        shared.fetch_add(field!(Metrics.milliseconds), took.into())?;
        shared.fetch_add(field!(Metrics.requests), 1)?;
        if failed {
            shared.fetch_add(field!(Metrics.errors), 1)?;
        }
    }
    Ok(())
}

fn prometheus(metrics: &Metrics) -> String {
    let mut text = String::new();
    for (name, value) in [("requests", metrics.requests), ("errors", metrics.errors)] {
        let _ = writeln!(text, "# TYPE app_{name}_total counter");
        let _ = writeln!(text, "app_{name}_total {value}");
    }
    let _ = writeln!(text, "# TYPE app_duration_milliseconds histogram");
    let ends = BUCKETS.iter().map(ToString::to_string);
    let mut so_far = 0;
    for (end, count) in ends.chain(["+Inf".to_owned()]).zip(metrics.took) {
        so_far += count;
        let _ = writeln!(
            text,
            "app_duration_milliseconds_bucket{{le=\"{end}\"}} {so_far}"
        );
    }
    let _ = writeln!(
        text,
        "app_duration_milliseconds_sum {}",
        metrics.milliseconds
    );
    let _ = writeln!(text, "app_duration_milliseconds_count {so_far}");
    text
}
