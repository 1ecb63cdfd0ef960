//! `shm mirror` beside `mosquitto_pub` and `mosquitto_sub`: values per second and milliseconds behind, over one mosquitto on
//! loopback.
//!
//! `cargo bench --features mirror --bench mirror`, in an IPC namespace of its own (`unshare -i`).
#![allow(missing_docs, clippy::unwrap_used, reason = "a bench")]

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use shm_core::{SharedBox, SharedView};

const RUN: Duration = Duration::from_secs(3);

/// Killed when it is dropped.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Microseconds since the start.
fn now() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_micros() as u64
}

/// Calls `send` without a pause, or so many times a second; returns how often.
fn sends(stopped: &AtomicBool, pause: Option<Duration>, mut send: impl FnMut()) {
    while !stopped.load(Relaxed) {
        send();
        if let Some(pause) = pause {
            thread::sleep(pause);
        }
    }
}

/// How far behind each value was when it was seen, in microseconds, from when it was sent.
fn report(what: &str, size: usize, pace: &str, mut behind: Vec<u64>) {
    behind.sort_unstable();
    let at = |part: f64| behind.get((behind.len() as f64 * part) as usize).copied();
    let ms = |part| at(part).unwrap_or(0) as f64 / 1000.0;
    println!(
        "{what:14} {size:6} B  {pace:12}  {:8.0} values/s  {:9.2} ms behind, {:9.2} at most of 99 %",
        behind.len() as f64 / RUN.as_secs_f64(),
        ms(0.5),
        ms(0.99)
    );
}

/// Collects for the time of a run, once the first has come.
fn collect(stopped: &AtomicBool, mut next: impl FnMut() -> Option<u64>) -> Vec<u64> {
    let first = Instant::now();
    while next().is_none() && first.elapsed() < 10 * RUN {}
    let (start, mut behind) = (Instant::now(), Vec::new());
    while start.elapsed() < RUN {
        behind.extend(next().map(|sent| now().saturating_sub(sent)));
    }
    stopped.store(true, Relaxed);
    behind
}

fn mirror<const WORDS: usize>(port: u16, pause: Option<Duration>) -> Vec<u64> {
    let shared = SharedBox::create_new(0x1111, [0_u64; WORDS]).unwrap();
    let run = |arguments: String| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_shm"));
        command
            .arg("mirror")
            .args(arguments.split_whitespace())
            .stderr(Stdio::null());
        Killed(command.spawn().unwrap())
    };
    let topic = format!("mqtt://127.0.0.1:{port}/{WORDS}/{}", pause.is_some());
    let _source = run(format!("0x1111 --to {topic} --name a"));
    let _target = run(format!("0x2222 --from {topic}"));
    let view = loop {
        match SharedView::<[u64; WORDS]>::open(0x2222) {
            Ok(view) => break view,
            Err(_) => thread::sleep(Duration::from_millis(10)),
        }
    };
    let stopped = AtomicBool::new(false);
    let behind = thread::scope(|scope| {
        scope.spawn(|| sends(&stopped, pause, || _ = shared.set([now(); WORDS]).unwrap()));
        let mut last = view.version();
        collect(&stopped, || {
            let version = view.version();
            if version == last {
                thread::sleep(Duration::from_micros(20));
                return None;
            }
            let seen = view.snapshot().unwrap();
            last = seen.version;
            Some(seen.value[0])
        })
    });
    shared.remove().unwrap();
    shm_core::remove(0x2222).unwrap();
    behind
}

fn bare(port: u16, size: usize, pause: Option<Duration>) -> Vec<u64> {
    let (port, topic) = (port.to_string(), format!("bare/{size}/{}", pause.is_some()));
    let run = |program: &str, arguments: &[&str]| {
        let mut command = Command::new(program);
        command.args(["-p", &port, "-t", &topic]).args(arguments);
        Killed(
            command
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap(),
        )
    };
    let mut reads = run("mosquitto_sub", &[]);
    thread::sleep(Duration::from_millis(300));
    let mut writes = run("mosquitto_pub", &["-l"]);
    let mut input = writes.0.stdin.take().unwrap();
    let mut output = BufReader::new(reads.0.stdout.take().unwrap());
    let stopped = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            sends(&stopped, pause, || {
                // Fails at the end, when the other program was killed.
                let _ = input.write_all(format!("{:<1$}\n", now(), size - 1).as_bytes());
            });
        });
        let mut line = String::new();
        let behind = collect(&stopped, || {
            line.clear();
            output.read_line(&mut line).unwrap();
            line.trim().parse().ok()
        });
        drop((writes, reads));
        behind
    })
}

fn main() {
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let broker = Command::new("mosquitto")
        .args(["-p", &port.to_string()])
        .stderr(Stdio::null())
        .spawn();
    let Ok(broker) = broker.map(Killed) else {
        println!("SKIPPED: no mosquitto: apt-get install mosquitto mosquitto-clients");
        return;
    };
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        thread::sleep(Duration::from_millis(10));
    }
    for (pace, pause) in [
        ("100 a second", Some(Duration::from_millis(10))),
        ("no pause", None),
    ] {
        report("shm mirror", 64, pace, mirror::<8>(port, pause));
        report("mosquitto_pub", 64, pace, bare(port, 64, pause));
        report("shm mirror", 65536, pace, mirror::<8192>(port, pause));
        report("mosquitto_pub", 65536, pace, bare(port, 65536, pause));
    }
    drop(broker);
}
