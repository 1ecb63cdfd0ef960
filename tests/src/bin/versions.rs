//! One release of a program out of four: it writes to, or watches, a value that other releases
//! write to as well.

use std::error::Error;
use std::io::{BufRead, Write, stdin, stdout};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use shm_core::{ErrorKind, Key, SharedBox, SharedTable, SharedView, Snapshot, field};
use shm_tests::family::{CAPACITY, Version};
use shm_tests::others::Station;
use shm_tests::with_version;

type Outcome = Result<(), Box<dyn Error>>;

fn main() -> Outcome {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["write", key, version, side, left, right, steps, how] => {
            let part = Part {
                key: key.parse()?,
                side: side.parse()?,
                versions: [left.parse()?, right.parse()?],
                steps: steps.parse()?,
            };
            with_version!(version.parse()?, write(&part, how))
        }
        ["watch", key, version, left, right] => {
            let versions = [left.parse()?, right.parse()?];
            with_version!(version.parse()?, watch(key.parse()?, versions))
        }
        ["own a row", key, version] => with_version!(version.parse()?, own_a_row(key.parse()?)),
        ["churn rows", key, version] => with_version!(version.parse()?, churn_rows(key.parse()?)),
        ["watch rows", key, version] => with_version!(version.parse()?, watch_rows(key.parse()?)),
        ["others", key, times] => others(key.parse()?, times.parse()?),
        _ => Err(format!("versions does not know {arguments:?}").into()),
    }
}

/// What one of two writers does.
struct Part {
    key: Key,
    side: usize,
    versions: [u32; 2],
    steps: u64,
}

fn say(line: &str) -> Outcome {
    println!("{line}");
    Ok(stdout().flush()?)
}

/// Waits for a line of the parent's.
fn told() -> Outcome {
    let mut line = String::new();
    stdin().lock().read_line(&mut line)?;
    Ok(())
}

/// Reads and what was wrong with them.
#[derive(Default)]
struct Checks {
    reads: u64,
    faults: u64,
}

impl Checks {
    fn value<V: Version>(&mut self, value: &V, versions: [u32; 2]) {
        self.reads += 1;
        if let Some(fault) = value.fault(versions) {
            self.faults += 1;
            if self.faults < 4 {
                eprintln!("version {} of {versions:?} reads: {fault}", V::VERSION);
            }
        }
    }
}

fn options<V: Version>() -> shm_core::Options<V> {
    let mut options = SharedBox::<V>::options();
    options.capacity(CAPACITY).timeout(Duration::from_secs(20));
    options
}

/// Attaches, and upgrades if it must, not without having been refused.
fn join<V: Version>(part: &Part) -> Result<SharedBox<V>, Box<dyn Error>> {
    let older = V::VERSION > part.versions[0];
    match options::<V>().open(part.key) {
        Ok(shared) if !older => return Ok(shared),
        Err(error) if older && error.kind() == ErrorKind::NeedsUpgrade => {}
        other => return Err(format!("opened as version {}: {other:?}", V::VERSION).into()),
    }
    let view = SharedView::<V>::open(part.key)?;
    let early = view.get()?;
    if let Some(fault) = early.fault(part.versions) {
        return Err(format!("with defaults: {fault}").into());
    }
    Ok(options::<V>().upgrade(true).open(part.key)?)
}

fn write<V: Version>(part: &Part, how: &str) -> Outcome {
    let start = Instant::now();
    let shared = match how {
        "create" | "create, then go on" => options().create_new(part.key, V::first())?,
        "join" | "join, then go on" => join(part)?,
        _ => options().upgrade(true).open_or_create(part.key, V::first)?,
    };
    say(&format!("attached {}", start.elapsed().as_micros()))?;
    told()?;
    let over = AtomicBool::new(!how.ends_with("then go on"));
    let mut checks = Checks::default();
    let mut steps = 0;
    let mut longest = Duration::ZERO;
    let result = std::thread::scope(|scope| {
        if !over.load(Relaxed) {
            scope.spawn(|| {
                let _ = told();
                over.store(true, Relaxed);
            });
        }
        while steps < part.steps || !over.load(Relaxed) {
            let start = Instant::now();
            step(&shared, part, steps, &mut checks)?;
            longest = longest.max(start.elapsed());
            steps += 1;
        }
        Ok(())
    });
    let Checks { reads, faults } = checks;
    say(&format!("{steps} {reads} {faults} {}", longest.as_micros()))?;
    result
}

/// Step `n`, in one of the ways that there are to write.
fn step<V: Version>(shared: &SharedBox<V>, part: &Part, n: u64, checks: &mut Checks) -> Outcome {
    match n % 5 {
        0 => {
            shared.update(|value| value.step(part.side))?;
        }
        1 => {
            shared.writer()?.update(|value| value.step(part.side))?;
        }
        2 => loop {
            let seen = shared.snapshot()?;
            checks.value(&seen.value, part.versions);
            let mut value = seen.value;
            value.step(part.side);
            if shared.set_if(seen.version, value)?.is_some() {
                break;
            }
        },
        3 => {
            let mut writer = shared.writer()?;
            let mut value = writer.get()?;
            checks.value(&value, part.versions);
            value.step(part.side);
            V::store(&mut writer, &value)?;
        }
        _ => {
            let mut writer = shared.writer()?;
            let mut value = writer.get_boxed()?;
            value.step(part.side);
            writer.set_from(&value)?;
        }
    }
    checks.value(&shared.get()?, part.versions);
    Ok(())
}

fn watch<V: Version>(key: Key, versions: [u32; 2]) -> Outcome {
    let view = SharedView::<V>::open(key)?;
    let mut checks = Checks::default();
    checks.value(&view.get()?, versions);
    say("watching")?;
    let over = AtomicBool::new(false);
    let mut version = 0;
    let mut longest = Duration::ZERO;
    std::thread::scope(|scope| -> Outcome {
        scope.spawn(|| {
            let _ = told();
            over.store(true, Relaxed);
        });
        while !over.load(Relaxed) {
            if checks.reads % 3 == 0 {
                view.wait_timeout(version, Duration::from_millis(1))?;
            }
            let start = Instant::now();
            let seen = if checks.reads % 2 == 0 {
                view.snapshot()?
            } else {
                let mut value = V::first();
                let version = view.read_into(&mut value)?;
                Snapshot { value, version }
            };
            longest = longest.max(start.elapsed());
            if seen.version < version {
                return Err(format!("version {} after {version}", seen.version).into());
            }
            version = seen.version;
            checks.value(&seen.value, versions);
            // The writers are two, and so are the processors.
            std::thread::sleep(Duration::from_micros(50));
        }
        Ok(())
    })?;
    let Checks { reads, faults } = checks;
    say(&format!("0 {reads} {faults} {}", longest.as_micros()))
}

/// A version steps on its own side of a row: the first one on the left one.
fn row_step<V: Version>(row: &mut V) {
    row.step(usize::from(V::VERSION > 1));
}

/// Writes its row until it is killed.
fn own_a_row<V: Version>(key: Key) -> Outcome {
    let table = SharedTable::<V>::open(key)?;
    let mut seat = table.claim(V::first())?;
    say(&seat.id().to_string())?;
    loop {
        seat.update(row_step)?;
    }
}

/// Claims rows, writes them and lets them go, until it is killed.
fn churn_rows<V: Version>(key: Key) -> Outcome {
    let table = SharedTable::<V>::open(key)?;
    loop {
        let mut seat = table.claim(V::first())?;
        for _ in 0..8 {
            seat.update(row_step)?;
        }
    }
}

/// Reads all rows until it is told to end.
fn watch_rows<V: Version>(key: Key) -> Outcome {
    let view = SharedTable::<V>::options().open_read_only(key)?;
    say("watching")?;
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| -> Outcome {
        scope.spawn(|| {
            let _ = told();
            over.store(true, Relaxed);
        });
        while !over.load(Relaxed) {
            for row in view.rows() {
                match row.get() {
                    Ok(row) => match row.fault([1, V::VERSION]) {
                        Some(fault) => return Err(format!("{row:?}: {fault}").into()),
                        None => continue,
                    },
                    Err(error) if error.kind() == ErrorKind::Stale => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(())
    })
}

/// Raises a counter beside variants that this release does not know.
fn others(key: Key, times: u64) -> Outcome {
    let shared = SharedBox::<Station>::open(key)?;
    say("open")?;
    for n in 0..times {
        match n % 4 {
            0 => shared.update(|station| station.count += 1)?,
            1 => loop {
                let seen = shared.snapshot()?;
                let count = seen.value.count + 1;
                if let Some(version) = shared.set_if(
                    seen.version,
                    Station {
                        count,
                        ..seen.value
                    },
                )? {
                    break version;
                }
            },
            2 => shared.fetch_add(field!(Station.count), 1)?,
            _ => {
                let mut writer = shared.writer()?;
                let seen = writer.get()?;
                let batch = writer.batch().store(field!(Station.modes), seen.modes);
                batch
                    .store(field!(Station.count), seen.count + 1)
                    .commit()?
            }
        };
    }
    Ok(())
}
