//! Makes a segment in an IPC namespace of its own, has it attacked, and makes every public call on
//! it. A crash, a panic and a hang all end it with something else than success: the test that started it
//! sees which attack that was.

use std::error::Error;
use std::io::stdin;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use nix::unistd::alarm;
use shm_core::sysv::{Mode, shm};
use shm_core::{Key, SharedBox};
use shm_tests::attack::{Attacker, Stroke};
use shm_tests::every_call::{
    LIMIT, Large, Later, Padded, Plain, Strict, Tally, Target, every_call, on_box, on_view,
};
use shm_tests::own_ipc_namespace;

type Outcome = Result<Tally, Box<dyn Error>>;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if !own_ipc_namespace() {
        println!("SKIPPED: hostile bytes: no IPC namespace of its own is to be had");
        return Ok(());
    }
    let tally = match arguments[..] {
        ["struck", kind] => {
            let lines = stdin().lines().collect::<Result<Vec<_>, _>>()?;
            let attacks = lines
                .split(|line| line == "again")
                .map(|lines| lines.iter().map(|line| line.parse()).collect());
            dispatch(kind, Task::Struck(&attacks.collect::<Result<Vec<_>, _>>()?))?
        }
        ["storm", kind, mode, seed, rounds] => dispatch(
            kind,
            Task::Storm {
                mode: mode.parse()?,
                seed: seed.parse()?,
                rounds: rounds.parse()?,
            },
        )?,
        _ => return Err(format!("victim does not know {arguments:?}").into()),
    };
    println!("{} {} {:?}", tally.good, tally.refused, tally.longest);
    Ok(())
}

enum Task<'a> {
    Struck(&'a [Vec<Stroke>]),
    Storm { mode: u8, seed: u64, rounds: u32 },
}

fn dispatch(kind: &str, task: Task<'_>) -> Outcome {
    match kind {
        "plain" => run::<Plain, Strict>(task),
        "strict" => run::<Strict, Padded>(task),
        "padded" => run::<Padded, Large>(task),
        "large" => run::<Large, Plain>(task),
        "earlier" => run::<Padded, Later>(task),
        "later" => run::<Later, Padded>(task),
        _ => Err(format!("no type {kind:?}").into()),
    }
}

fn run<T: Target + Send + Sync, U: Target>(task: Task<'_>) -> Outcome {
    let mut tally = Tally::new(LIMIT);
    match task {
        Task::Struck(attacks) => {
            for strokes in attacks {
                struck::<T, U>(strokes, &mut tally)?;
            }
        }
        Task::Storm { mode, seed, rounds } => {
            for round in 0..rounds {
                storm::<T, U>(mode, seed + u64::from(round), &mut tally)?;
            }
        }
    }
    Ok(tally)
}

const KEY: Key = Key::new(0x7a67);

/// Attached before the attack: one that writes already, one that does not yet, one that only reads.
fn struck<T: Target, U: Target>(
    strokes: &[Stroke],
    tally: &mut Tally,
) -> Result<(), Box<dyn Error>> {
    alarm::set(60);
    let mut options = SharedBox::<T>::options();
    options.timeout(LIMIT).capacity(size_of::<T>());
    let writes = options.create_new(KEY, T::sample(1))?;
    writes.set(T::sample(2))?;
    writes.set(T::sample(3))?;
    let reads = options.open(KEY)?;
    let view = options.open_read_only(KEY)?;
    let attacker = Attacker::new(writes.id().expect("it lies in a segment"));
    for stroke in strokes {
        attacker.strike(stroke);
    }
    on_view(tally, &view);
    on_box(tally, &reads);
    on_box(tally, &writes);
    every_call::<T>(tally, None, writes.id().expect("it lies in a segment"));
    every_call::<U>(tally, None, writes.id().expect("it lies in a segment"));
    every_call::<T>(tally, Some(KEY), writes.id().expect("it lies in a segment"));
    every_call::<U>(tally, Some(KEY), writes.id().expect("it lies in a segment"));
    on_box(tally, &writes);
    let _ = (reads.remove(), writes.remove());
    clear_key()
}

/// One that never ends while the calls are made.
fn storm<T: Target + Send + Sync, U: Target>(
    mode: u8,
    seed: u64,
    tally: &mut Tally,
) -> Result<(), Box<dyn Error>> {
    alarm::set(120);
    let mut options = SharedBox::<T>::options();
    options.timeout(LIMIT).capacity(size_of::<T>());
    let writes = options.create_new(KEY, T::sample(1))?;
    writes.set(T::sample(2))?;
    let view = options.open_read_only(KEY)?;
    let attacker = Attacker::new(writes.id().expect("it lies in a segment"));
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| rage(&attacker, mode, seed, &over));
        for _ in 0..3 {
            on_box(tally, &writes);
            on_view(tally, &view);
            every_call::<T>(tally, None, writes.id().expect("it lies in a segment"));
            every_call::<U>(tally, None, writes.id().expect("it lies in a segment"));
            every_call::<T>(tally, Some(KEY), writes.id().expect("it lies in a segment"));
        }
        over.store(true, Relaxed);
    });
    on_box(tally, &writes);
    on_view(tally, &view);
    drop(attacker);
    clear_key()
}

/// Removes whatever the calls have made in place of what was attacked.
fn clear_key() -> Result<(), Box<dyn Error>> {
    if let Ok(id) = shm::get(KEY, 0, shm::GetFlags::NONE, Mode::new(0)) {
        shm::remove(id)?;
    }
    Ok(())
}

fn rage(attacker: &Attacker, mode: u8, seed: u64, over: &AtomicBool) {
    let start = Instant::now();
    let mut noise = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        noise ^= noise << 13;
        noise ^= noise >> 7;
        noise ^= noise << 17;
        noise
    };
    let (seq, state, lock) = (8, 9, 11);
    let mut count = 0_u64;
    while !over.load(Relaxed) && start.elapsed() < Duration::from_secs(100) {
        for _ in 0..64 {
            count += 1;
            let random = next();
            let any_word = random as usize % Attacker::words();
            attacker.strike(&match mode {
                // Whatever is there.
                0 => Stroke::Byte((random >> 8) as u32, random as u8),
                1 => Stroke::Flip((random >> 8) as u32),
                2 => Stroke::Word(any_word, attacker.plausible(any_word, random)),
                // Never the same word twice: no exchange on it succeeds.
                3 => Stroke::Word(lock, count << 10 & 0x7fff_ffff | 1),
                4 => Stroke::Word(lock, count << 10 & 0x7fff_ffff),
                5 => Stroke::Word(lock, count << 10 & 0x7fff_ffff | 900),
                // No copy ends under the sequence it began with, and no version is new.
                6 => Stroke::Word(seq, count % 4),
                7 => Stroke::Word(seq, random),
                8 => Stroke::Word(state, [1, 1, 1, 0, 0x101, 3][random as usize % 6]),
                9 => Stroke::Semaphore((random >> 8) as u16, (random >> 24) as u16 % 3),
                10 => Stroke::Room((random >> 8) as usize, random >> 16),
                _ => match random % 1000 {
                    0 => Stroke::RemoveSet,
                    1 => Stroke::RemoveSegment,
                    2 => Stroke::OtherSet((random >> 16) as u8),
                    3 => Stroke::GiveSetAway,
                    4..300 => Stroke::Byte((random >> 16) as u32, random as u8),
                    _ => Stroke::Word(any_word, attacker.plausible(any_word, random)),
                },
            });
        }
    }
}
