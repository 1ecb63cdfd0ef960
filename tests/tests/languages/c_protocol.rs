//! Processes in C, with the functions of the generated header, beside processes in Rust: both write,
//! read, wait, die and take over.

use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use shm_core::{Field, SharedBox, SharedLayout, SharedView, field};
use shm_tests::{
    Compiler, Guard, Ledger, Peer, Stop, c_peer, c_peers, dies as rust_dies, other_peers,
    set_slots, slots, stop_points,
};

const OUT: &str = env!("CARGO_TARGET_TMPDIR");

/// No process may wait longer: the limit of both sides is 5 s.
const LIMIT: Duration = Duration::from_secs(2);

pub(crate) fn peers() -> &'static [std::path::PathBuf] {
    c_peers(OUT)
}

pub(crate) fn start(program: &Path, action: &str, guard: &Guard, more: &[&str]) -> Peer {
    let key = guard.arg();
    let arguments = [action, &key].into_iter().chain(more.iter().copied());
    Peer::start(program.to_str().unwrap(), arguments)
}

pub(crate) fn run(program: &Path, action: &str, guard: &Guard, more: &[&str]) -> Output {
    let mut command = Command::new(program);
    command.args([action, &guard.arg()]).args(more);
    command.output().unwrap()
}

/// What it printed, if it succeeded.
pub(crate) fn done(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout)
        .trim_end()
        .to_owned()
}

fn shared(guard: &Guard, number: u64) -> SharedBox<Ledger> {
    SharedBox::create_new(guard.key(), Ledger::new(number)).unwrap()
}

#[test]
fn every_compilers_program_reads_and_writes_what_rust_does() {
    let sanitizing = Compiler::sanitizing();
    for compiler in Compiler::all().iter().chain(&sanitizing) {
        let program = c_peer(compiler, OUT);
        let guard = Guard::new();
        let shared = shared(&guard, 1);
        assert_eq!(
            done(&run(&program, "get", &guard, &[])),
            "1 1",
            "{compiler}"
        );
        assert_eq!(done(&run(&program, "set", &guard, &["7"])), "7 2");
        let seen = shared.snapshot().unwrap();
        assert_eq!((seen.value, seen.version), (Ledger::new(7), 2));
        assert_eq!(done(&run(&program, "commit", &guard, &["8"])), "8 4");
        shared.set(Ledger::new(9)).unwrap();
        assert_eq!(done(&run(&program, "get", &guard, &[])), "9 5");
        done(&run(&program, "misuse", &guard, &[]));
        done(&run(&program, "fields", &guard, &[]));
        shared.set(Ledger::new(9)).unwrap();
        done(&run(&program, "fork", &guard, &[]));
        assert_eq!(shared.get().unwrap().number(), 9 + 1 + 5 + 5);
    }
}

#[test]
fn no_update_of_either_side_is_lost_and_no_reader_sees_a_mixture() {
    const TIMES: u64 = 5_000;
    let guard = Guard::new();
    let shared = shared(&guard, 0);
    let others = other_peers();
    let last = TIMES * (peers().len() as u64 * 2 + others.len() as u64 + 1);
    let mut readers = Vec::new();
    let mut writers = Vec::new();
    for program in &others {
        let program = Path::new(program);
        readers.push(start(program, "watch-ledger", &guard, &[&last.to_string()]));
        writers.push(start(
            program,
            "count-ledger",
            &guard,
            &[&TIMES.to_string()],
        ));
    }
    for program in peers() {
        readers.push(start(program, "watch", &guard, &[&last.to_string()]));
        for _ in 0..2 {
            writers.push(start(program, "count", &guard, &[&TIMES.to_string()]));
        }
    }
    let view = SharedView::<Ledger>::open(guard.key()).unwrap();
    let reads = std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let (mut reads, mut version) = (0_u64, 0);
            loop {
                let seen = view.snapshot().unwrap();
                assert!(seen.version >= version);
                version = seen.version;
                reads += 1;
                if seen.value.number() == last {
                    return reads;
                }
            }
        });
        for _ in 0..TIMES {
            shared
                .update(|ledger| *ledger = Ledger::new(ledger.number() + 1))
                .unwrap();
        }
        for writer in &mut writers {
            writer.succeed();
        }
        reader.join().unwrap()
    });
    let seen = shared.snapshot().unwrap();
    assert_eq!((seen.value.number(), seen.version), (last, last + 1));
    println!("{last} updates, 0 lost; Rust: {reads} reads, 0 torn");
    for reader in &mut readers {
        println!("another process: {}", reader.succeed().trim_end());
    }
}

#[test]
fn a_commit_of_one_language_wakes_waiters_of_the_other() {
    // Without wake-ups each round would take a nap of 250 ms on either side.
    const ROUNDS: u64 = 500;
    for program in peers() {
        let guard = Guard::new();
        let shared = shared(&guard, 0);
        let mut peer = start(program, "answer", &guard, &[&ROUNDS.to_string()]);
        peer.expect("ready");
        let start = Instant::now();
        for round in 0..ROUNDS {
            let version = shared.set(Ledger::new(round * 2 + 1)).unwrap();
            let next = shared
                .wait_timeout(version, Duration::from_secs(10))
                .unwrap();
            assert_eq!(next.unwrap().value.number(), round * 2 + 2);
        }
        println!("{ROUNDS} rounds in {:?}", start.elapsed());
        assert!(start.elapsed() < Duration::from_millis(250) * ROUNDS as u32 / 4);
        peer.succeed();
    }
}

/// glibc lets a program of 32 bits have times and offsets of 64: other structs than the kernel's.
#[test]
fn a_program_of_32_bits_with_times_of_64_takes_part_and_sleeps() {
    let narrow = Compiler::widths()
        .into_iter()
        .find(|compiler| compiler.to_string().ends_with("-m32"));
    let Some(narrow) = narrow else {
        println!("SKIPPED: no compiler for 32 bits");
        return;
    };
    let defines = [
        "-D_DEFAULT_SOURCE",
        "-D_TIME_BITS=64",
        "-D_FILE_OFFSET_BITS=64",
    ];
    let header = ("ledger.h", &*Ledger::c_header());
    let program = narrow.compile_with_header(OUT, "peer.c", header, &defines);
    let guard = Guard::new();
    let shared = shared(&guard, 1);
    assert_eq!(done(&run(&program, "set", &guard, &["7"])), "7 2");
    assert_eq!(done(&run(&program, "commit", &guard, &["8"])), "8 4");
    let mut waiter = start(&program, "wait", &guard, &[]);
    waiter.expect("waiting");
    let sleeps = || -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", waiter.pid())).unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        line.unwrap().trim().parse().unwrap()
    };
    let before = sleeps();
    std::thread::sleep(Duration::from_millis(600));
    let slept = sleeps() - before;
    println!("{slept} sleeps in 600 ms");
    assert!(slept < 30, "{slept}");
    shared.set(Ledger::new(9)).unwrap();
    assert_eq!(waiter.succeed().trim_end(), "9 5");
}

#[test]
fn a_waiter_in_c_learns_of_a_removal() {
    for program in peers() {
        let guard = Guard::new();
        let shared = shared(&guard, 0);
        let mut peer = start(program, "wait", &guard, &[]);
        peer.expect("waiting");
        shared.remove().unwrap();
        let (status, said) = peer.finish();
        assert!(
            !status.success() && said.contains("-9 the segment has been removed"),
            "{said}"
        );
    }
}

const OLD: u64 = 1;
const NEW: u64 = 2;
const SECOND: u64 = 3;
const SURVIVOR: u64 = 4;

/// Steps at which a process can be stopped, once for each time that it comes there, until none
/// dies. Returns those at which one did.
fn at_each_stop(steps: &[String], mut run: impl FnMut(&Stop) -> bool) -> BTreeSet<String> {
    let mut reached = BTreeSet::new();
    for point in steps {
        for pass in 1.. {
            let stop = Stop {
                point: point.clone(),
                pass,
            };
            if !run(&stop) {
                break;
            }
            reached.insert(point.clone());
        }
    }
    reached
}

/// The steps of a process in C, as the header names them.
pub(crate) fn steps() -> Vec<String> {
    let header = Ledger::c_header();
    let steps: BTreeSet<_> = header
        .split("SHMBOX_STOP(\"")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap().to_owned())
        .collect();
    steps.into_iter().collect()
}

/// Has the program do `action`, and says whether it died at `stop`.
fn dies(program: &Path, action: &str, guard: &Guard, number: u64, stop: &Stop) -> bool {
    let Stop { point, pass } = stop;
    let output = Command::new(program)
        .args([action, &guard.arg(), &number.to_string()])
        .env("SHM_STOP", format!("{pass} {point}"))
        .output()
        .unwrap();
    let died = output.status.signal() == Some(9);
    assert!(died || output.status.success(), "{stop:?}: {output:?}");
    died
}

/// A segment with an old value, at an even or an odd version, and a reader.
struct World {
    guard: Guard,
    shared: SharedBox<Ledger>,
    view: SharedView<Ledger>,
}

impl World {
    fn new(odd: bool) -> World {
        let guard = Guard::new();
        let shared = shared(&guard, 100);
        // A mirror that a repair forgets would show: it holds a value from before. The box that
        // writes goes, and its slot.
        let early = SharedBox::<Ledger>::open(guard.key()).unwrap();
        if odd {
            early.set(Ledger::new(101)).unwrap();
        }
        early.set(Ledger::new(102)).unwrap();
        early.set(Ledger::new(OLD)).unwrap();
        let view = SharedView::open(guard.key()).unwrap();
        World {
            guard,
            shared,
            view,
        }
    }

    fn look(&self) -> u64 {
        self.view.get().unwrap().number()
    }

    /// Rust writes, and between its writes readers are sent to either mirror.
    fn rust_survives(&self, program: &Path, worst: &mut Duration) {
        for number in [SURVIVOR, SURVIVOR + 1, SURVIVOR + 2] {
            let start = Instant::now();
            self.shared.set(Ledger::new(number)).unwrap();
            self.in_time(start, worst);
            assert_eq!(self.look(), number);
            assert!(dies(program, "set", &self.guard, 50, &odd()));
            assert_eq!(self.look(), number, "from the mirror");
        }
    }

    /// The same with a survivor in C.
    fn c_survives(&self, program: &Path, worst: &mut Duration) {
        for number in [SURVIVOR, SURVIVOR + 1, SURVIVOR + 2] {
            let start = Instant::now();
            let printed = done(&run(program, "set", &self.guard, &[&number.to_string()]));
            self.in_time(start, worst);
            assert!(printed.starts_with(&format!("{number} ")));
            assert_eq!(self.look(), number);
            assert!(rust_dies("set ledger", &self.guard, 0, 50, Some(&odd())));
            assert_eq!(self.look(), number, "from the mirror");
        }
    }

    fn in_time(&self, start: Instant, worst: &mut Duration) {
        let waited = start.elapsed();
        assert!(waited < LIMIT, "{waited:?}");
        *worst = waited.max(*worst);
    }

    /// The lock, as `FORMAT.md` has it.
    fn lock_word(&self) -> u32 {
        let memory = self.guard.memory();
        let bytes = memory.read(memory.len() - 320 + 192, 4);
        u32::from_ne_bytes(bytes.try_into().unwrap())
    }

    /// Leaves one slot free, that which the lock names: the next claimant is the dead owner's heir.
    fn only_the_heirs_slot(&self, taken: bool) {
        let set = self.guard.set();
        let mut values = vec![u16::from(taken); slots(set).len()];
        if taken {
            values[(self.lock_word() & 0x3ff) as usize - 1] = 0;
        }
        set_slots(set, &values);
    }
}

/// With the payload half-written, or about to be.
fn odd() -> Stop {
    Stop {
        point: "commit: odd".to_owned(),
        pass: 1,
    }
}

#[test]
fn a_death_in_c_at_any_step_leaves_the_old_or_the_new_value_to_rust() {
    let steps = steps();
    let (mut deaths, mut worst) = (0, Duration::ZERO);
    let mut reached = BTreeSet::new();
    for program in peers() {
        for (action, is_odd) in [("set", false), ("set", true), ("commit", false)] {
            reached.extend(at_each_stop(&steps, |stop| {
                let world = World::new(is_odd);
                let died = dies(program, action, &world.guard, NEW, stop);
                let found = world.look();
                assert!(found == NEW || died && found == OLD, "{found}");
                world.rust_survives(program, &mut worst);
                deaths += u32::from(died);
                died
            }));
        }
    }
    println!(
        "{deaths} deaths in C, {} steps, longest wait {worst:?}",
        reached.len()
    );
    for step in [
        "claim: recorded",
        "claim: record released",
        "commit: odd",
        "commit: payload written",
        "commit: even",
        "commit: mirror written",
    ] {
        assert!(reached.contains(step), "{step}");
    }
}

/// The word that a process in C stores to, and one that is another writer's.
const WORD: Field<Ledger, u64> = field!(Ledger.words[7]);
const OTHER: Field<Ledger, u64> = field!(Ledger.words[40]);

#[test]
fn a_death_in_c_at_any_step_of_a_store_to_one_field_changes_no_other_and_that_one_wholly_or_not() {
    let steps = steps();
    let (mut deaths, mut worst) = (0, Duration::ZERO);
    let mut reached = BTreeSet::new();
    for (number, program) in peers().iter().enumerate() {
        for (action, is_odd) in [("store", false), ("add", true)] {
            reached.extend(at_each_stop(&steps, |stop| {
                let world = World::new(is_odd);
                let mut wanted = Ledger::new(OLD);
                // What the mirror lacks of the commit before, this one brings.
                wanted.words[40] = NEW;
                world.shared.store(OTHER, NEW).unwrap();
                let died = dies(program, action, &world.guard, NEW, stop);
                let new = if action == "add" { OLD + NEW } else { NEW };
                let found = world.view.load(WORD).unwrap();
                assert!(found == new || died && found == OLD, "{found}");
                wanted.words[7] = found;
                assert_eq!(world.view.get().unwrap(), wanted, "{stop:?}");
                // By stores to fields in both languages, each of which readers then take from a mirror.
                for next in [SURVIVOR, SURVIVOR + 1, SURVIVOR + 2] {
                    let start = Instant::now();
                    if (next + number as u64) % 2 == 0 {
                        done(&run(program, "store", &world.guard, &[&next.to_string()]));
                        wanted.words[7] = next;
                    } else {
                        world.shared.fetch_add(OTHER, next).unwrap();
                        wanted.words[40] += next;
                    }
                    world.in_time(start, &mut worst);
                    assert_eq!(world.view.get().unwrap(), wanted);
                    assert!(dies(program, "store", &world.guard, 50, &odd()));
                    assert_eq!(world.view.get().unwrap(), wanted, "from the mirror");
                }
                deaths += u32::from(died);
                died
            }));
        }
    }
    println!("{deaths} deaths in C, longest wait {worst:?}");
    for step in ["commit: odd", "commit: even", "commit: mirror written"] {
        assert!(reached.contains(step), "{step}");
    }
}

#[test]
fn a_store_to_one_field_in_c_costs_what_it_has_changed_and_not_the_struct() {
    for program in peers() {
        let guard = Guard::new();
        let shared = shared(&guard, OLD);
        let memory = guard.memory();
        // Nothing but a copy of everything would reach this: the mirrors are no one's to read now.
        let mirrors = [1, 2].map(|copy| copy * shared.capacity() + 400);
        done(&run(program, "store", &guard, &["3"]));
        mirrors.iter().for_each(|at| memory.write(*at, &[0xee]));
        for _ in 0..4 {
            done(&run(program, "store", &guard, &["4"]));
        }
        let range = memory.read(memory.len() - 320 + 144, 8);
        assert_eq!(range, (8_u64 << 32 | (8 + 7 * 8)).to_ne_bytes());
        mirrors
            .map(|at| memory.read(at, 1))
            .iter()
            .for_each(|byte| assert_eq!(byte, &[0xee], "copied"));
    }
}

#[test]
fn c_takes_over_from_a_process_in_rust_that_died_at_any_step() {
    let points = stop_points();
    let mut worst = Duration::ZERO;
    let mut firsts = Vec::new();
    for program in peers() {
        for is_odd in [false, true] {
            at_each_stop(&points, |stop| {
                let world = World::new(is_odd);
                let died = rust_dies("set ledger", &world.guard, 0, NEW, Some(stop));
                let found = world.look();
                assert!(found == NEW || died && found == OLD, "{found}");
                if died && world.lock_word() != 0 && !firsts.contains(stop) {
                    firsts.push(stop.clone());
                }
                world.c_survives(program, &mut worst);
                died
            });
        }
    }
    assert!(firsts.len() >= 8, "{firsts:?}");
    println!(
        "Rust died at {} steps with the lock; longest wait {worst:?}",
        firsts.len()
    );

    // And the one in C dies while it repairs, as any other or as the heir; a third one survives.
    let steps = steps();
    let mut reached = BTreeSet::new();
    let mut deaths = 0;
    for first in &firsts {
        for heir in [false, true] {
            reached.extend(at_each_stop(&steps, |second| {
                let program = &peers()[deaths % peers().len()];
                let world = World::new(deaths % 3 == 0);
                assert!(rust_dies("set ledger", &world.guard, 0, NEW, Some(first)));
                let found = world.look();
                if heir {
                    world.only_the_heirs_slot(true);
                }
                let died = dies(program, "set", &world.guard, SECOND, second);
                assert!(
                    [found, SECOND].contains(&world.look()),
                    "a repair changes no value"
                );
                if heir {
                    world.only_the_heirs_slot(false);
                }
                if deaths % 2 == 0 {
                    world.rust_survives(program, &mut worst);
                } else {
                    world.c_survives(program, &mut worst);
                }
                deaths += usize::from(died);
                died
            }));
        }
    }
    println!("{deaths} deaths of repairers in C, longest wait {worst:?}");
    for step in [
        "repair: begun",
        "repair: payload restored",
        "repair: done",
        "claim: numbered",
    ] {
        assert!(reached.contains(step), "{step}");
    }
}

/// What a process intended and what it had done when it died.
fn journal(path: &Path) -> [u64; 2] {
    let bytes = std::fs::read(path).unwrap();
    [0, 8].map(|at| u64::from_ne_bytes(bytes[at..at + 8].try_into().unwrap()))
}

#[test]
fn writers_of_both_languages_that_are_killed_at_random_lose_nothing_and_block_nobody() {
    const KILLS: u32 = 60;
    let guard = Guard::new();
    let shared = shared(&guard, 0);
    let path = Path::new(OUT).join(format!("journal.{}", std::process::id()));
    let path = path.to_str().unwrap();
    let many = u64::MAX.to_string();
    let (mut least, mut most, mut worst) = (0, 0, Duration::ZERO);
    let mut noise = u64::from(std::process::id()) | 1;
    let mut survivors: Vec<_> = peers()
        .iter()
        .map(|program| start(program, "count", &guard, &["20000"]))
        .collect();
    for kill in 0..KILLS {
        std::fs::write(path, [0; 16]).unwrap();
        let mut victim = match peers().get(kill as usize % (peers().len() + 1)) {
            Some(program) => start(program, "count", &guard, &[&many, path]),
            None => Peer::start(
                env!("CARGO_BIN_EXE_mortal"),
                ["count", &guard.arg(), &many, path],
            ),
        };
        while journal(Path::new(path))[1] == 0 {
            assert!(!victim.has_ended());
            std::thread::yield_now();
        }
        noise = noise
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        std::thread::sleep(Duration::from_micros(noise >> 33 & 0x7ff));
        victim.kill();
        victim.finish();
        let [intended, done] = journal(Path::new(path));
        least += done;
        most += intended;
        let start = Instant::now();
        shared
            .update(|ledger| *ledger = Ledger::new(ledger.number() + 1))
            .unwrap();
        worst = worst.max(start.elapsed());
        assert!(worst < LIMIT, "{worst:?}");
        (least, most) = (least + 1, most + 1);
    }
    for survivor in &mut survivors {
        survivor.succeed();
        (least, most) = (least + 20_000, most + 20_000);
    }
    std::fs::remove_file(path).unwrap();
    let number = shared.get().unwrap().number();
    assert!(
        (least..=most).contains(&number),
        "{number}: {least} to {most}"
    );
    println!(
        "{KILLS} kills, {number} updates, 0 lost (those cut short: {}), longest wait {worst:?}",
        most - least
    );
}

#[test]
fn processes_that_add_to_one_field_and_are_killed_at_random_lose_no_addition() {
    const KILLS: u32 = 40;
    let guard = Guard::new();
    let shared = shared(&guard, 0);
    let path = Path::new(OUT).join(format!("additions.{}", std::process::id()));
    let path = path.to_str().unwrap();
    let (mut least, mut most) = (0, 0);
    let mut noise = u64::from(std::process::id()) | 1;
    for kill in 0..KILLS {
        std::fs::write(path, [0; 16]).unwrap();
        let program = &peers()[kill as usize % peers().len()];
        let mut victim = start(program, "bump", &guard, &[&u64::MAX.to_string(), path]);
        while journal(Path::new(path))[1] == 0 {
            assert!(!victim.has_ended());
            shared.fetch_add(WORD, 1).unwrap();
            shared.fetch_add(OTHER, 1).unwrap();
            (least, most) = (least + 1, most + 1);
        }
        noise = noise
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        std::thread::sleep(Duration::from_micros(noise >> 33 & 0x7ff));
        victim.kill();
        victim.finish();
        let [intended, done] = journal(Path::new(path));
        (least, most) = (least + done, most + intended);
        let start = Instant::now();
        let seen = shared.get().unwrap();
        shared.fetch_add(WORD, 1).unwrap();
        assert!(start.elapsed() < LIMIT);
        (least, most) = (least + 1, most + 1);
        assert!((least..=most).contains(&(seen.words[7] + 1)), "{seen:?}");
        let mut others = seen;
        (others.words[7], others.words[40]) = (0, 0);
        assert_eq!(others, Ledger::new(0));
    }
    std::fs::remove_file(path).unwrap();
    println!("{KILLS} kills, {least} additions, 0 lost");
}

#[test]
fn what_a_process_in_c_held_before_exec_is_free() {
    for program in peers() {
        let guard = Guard::new();
        let shared = shared(&guard, 1);
        let path = program.to_str().unwrap();
        // It takes the lock, starts anew, and writes: as the same process, with the same semaphore.
        let again = [path, "set", &guard.arg(), "5"];
        let printed = done(&run(program, "exec", &guard, &again));
        assert!(printed.starts_with("5 "), "{printed}");
        shared.set(Ledger::new(6)).unwrap();
    }
}

#[test]
fn a_living_owner_in_c_keeps_the_lock_and_rust_says_who_it_is() {
    for program in peers() {
        let guard = Guard::new();
        let shared = shared(&guard, 1);
        let mut holder = start(program, "hold", &guard, &[]);
        holder.expect("locked");
        let impatient = SharedBox::<Ledger>::options()
            .timeout(Duration::from_millis(20))
            .open(guard.key())
            .unwrap();
        let error = impatient.set(Ledger::new(2)).unwrap_err().to_string();
        assert!(
            error.contains(&format!("process {}", holder.pid())),
            "{error}"
        );
        let mut other = Command::new(program);
        other
            .args(["set", &guard.arg(), "2"])
            .env("SHM_LIMIT_MS", "20");
        let said = String::from_utf8(other.output().unwrap().stdout).unwrap();
        assert!(
            said.contains("-12 a living process keeps the lock"),
            "{said}"
        );
        holder.succeed();
        shared.set(Ledger::new(3)).unwrap();
        assert!(
            slots(guard.set()).iter().sum::<u16>() <= 2,
            "slots were given back"
        );
    }
}

#[test]
fn a_program_in_c_makes_the_segment_and_a_program_in_rust_completes_it() {
    for program in peers() {
        let guard = Guard::new();
        // As `shmget(key, LEDGER_SEGMENT_SIZE, IPC_CREAT | 0600)` does; another test compares it.
        let size = SharedBox::<Ledger>::segment_size().unwrap();
        let memory = guard.foreign(size);
        let mut first = Command::new(program);
        first.args(["get", &guard.arg()]).env("SHM_LIMIT_MS", "20");
        let said = String::from_utf8(first.output().unwrap().stdout).unwrap();
        assert!(said.contains(": -3 "), "not completed yet: {said}");
        memory.write(0, &[0; size_of::<Ledger>()]);
        let adopted = SharedBox::<Ledger>::options()
            .adopt(true)
            .open(guard.key())
            .unwrap();
        guard.memory();
        assert_eq!(done(&run(program, "get", &guard, &[])), "0 1");
        done(&run(program, "count", &guard, &["5"]));
        assert_eq!(adopted.get().unwrap().number(), 5);
    }
}
