//! Segments that a program in C makes: what lies in them, races with creators in Rust, and deaths on the way.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::{Duration, Instant};

use shm_core::sysv::{Mode, sem, shm};
use shm_core::{ErrorKind, SharedBox};
use shm_tests::{
    Compiler, Guard, Ledger, Peer, Stop, at_each_stop, c_peer, dies as rust_dies,
    in_own_ipc_namespace, may_change_user, semaphore_sets, stop_points,
};

use crate::c_protocol::{done, peers, run, start, steps};

const OUT: &str = env!("CARGO_TARGET_TMPDIR");

/// The numbers of the first to create, of who ends its birth, and of who comes later.
const FIRST: u64 = 1;
const SECOND: u64 = 2;
const LATER: u64 = 3;

#[test]
fn what_c_creates_is_what_rust_would_have_created() {
    let sanitizing = Compiler::sanitizing();
    for compiler in Compiler::all().iter().chain(&sanitizing) {
        let program = c_peer(compiler, OUT);
        let guards = [Guard::new(), Guard::new()];
        let created = done(&run(&program, "create", &guards[0], &["7", "640"]));
        assert_eq!(created, "true 7 1", "{compiler}");
        SharedBox::options()
            .mode(0o640)
            .create_new(guards[1].key(), Ledger::new(7))
            .unwrap();
        let [mine, rusts]: [Vec<u8>; 2] = guards.each_ref().map(|guard| {
            let memory = guard.memory();
            let mut bytes = memory.bytes();
            let control = bytes.len() - 320;
            // What each creation has its own of: unique, the set's id, the number of claims.
            bytes[control + 32..control + 40].fill(0);
            bytes[control + 64..control + 72].fill(0);
            let stat = shm::stat(memory.id()).unwrap();
            let set = sem::stat(guard.set()).unwrap();
            assert_eq!((stat.mode, set.mode), (Mode::new(0o640), Mode::new(0o640)));
            bytes
        });
        let differ: Vec<_> = (0..rusts.len())
            .filter(|at| mine[*at] != rusts[*at])
            .collect();
        assert_eq!(differ, [0; 0], "{compiler}, of {}", rusts.len());
        let again = done(&run(&program, "born", &guards[0], &["9", "640"]));
        assert_eq!(again, "false 7 1", "{compiler}");
        let said = run(&program, "create", &guards[0], &["9", "640"]).stdout;
        let said = String::from_utf8(said).unwrap();
        assert!(said.contains(": -26 "), "{said}");
        let shared = SharedBox::<Ledger>::open(guards[0].key()).unwrap();
        assert_eq!(shared.update(|ledger| *ledger = Ledger::new(8)).unwrap(), 2);
        assert_eq!(done(&run(&program, "get", &guards[0], &[])), "8 2");
    }
}

#[test]
fn in_each_race_of_c_and_rust_one_process_creates_and_all_see_its_value() {
    const ROUNDS: u32 = 200;
    let nowhere = Guard::new();
    let rust = || Peer::start(env!("CARGO_BIN_EXE_peer"), ["create-ledgers"]);
    let c = peers()
        .iter()
        .map(|program| start(program, "create rounds", &nowhere, &[]));
    let mut all: Vec<(bool, Peer)> = c.map(|peer| (true, peer)).collect();
    all.extend((0..2).map(|_| (false, rust())));
    all.push((true, start(&peers()[0], "create rounds", &nowhere, &[])));
    for (_, peer) in &mut all {
        peer.expect("ready");
    }
    let mut creators = [0; 2];
    for round in 0..ROUNDS {
        let guard = Guard::new();
        // Begin with another one each time: the first to be told has a lead.
        all.rotate_left(1);
        for (_, peer) in &mut all {
            peer.tell(&guard.arg());
        }
        let lines = all.iter_mut().map(|(is_c, peer)| (*is_c, peer.line()));
        let lines: Vec<(bool, String)> = lines.collect();
        let created: Vec<_> = lines
            .iter()
            .filter_map(|(is_c, line)| Some((*is_c, line.strip_prefix("true ")?)))
            .collect();
        let [(is_c, number)] = created[..] else {
            panic!("round {round}: {lines:?}");
        };
        let end = format!(" {number}");
        assert!(
            lines.iter().all(|(_, line)| line.ends_with(&end)),
            "round {round}: {lines:?}"
        );
        creators[usize::from(is_c)] += 1;
        guard.memory();
    }
    println!("{ROUNDS} rounds, created by Rust and by C: {creators:?}");
    assert!(creators.iter().all(|times| *times > 0), "{creators:?}");
    for (_, peer) in &mut all {
        peer.succeed();
    }
}

/// Has the program begin a birth, and says whether it died at `stop`.
fn dies_in_birth(program: &std::path::Path, guard: &Guard, number: u64, stop: &Stop) -> bool {
    let Stop { point, pass } = stop;
    let output = Command::new(program)
        .args(["born", &guard.arg(), &number.to_string(), "600"])
        .env("SHM_STOP", format!("{pass} {point}"))
        .output()
        .unwrap();
    let died = output.status.code().is_none();
    assert!(died || output.status.success(), "{stop:?}: {output:?}");
    died
}

/// After deaths in birth: one of those who come later ends it, and all have one value.
fn completed(program: &std::path::Path, guard: &Guard, dead: &[u64], by_rust: bool) {
    let began = Instant::now();
    let number = if by_rust {
        let shared = SharedBox::open_or_create(guard.key(), || Ledger::new(LATER)).unwrap();
        shared.get().unwrap().number()
    } else {
        let said = done(&run(program, "born", guard, &[&LATER.to_string(), "600"]));
        let number = said.split(' ').nth(1).unwrap();
        number.parse().unwrap()
    };
    assert!(began.elapsed() < Duration::from_secs(2));
    assert!(number == LATER || dead.contains(&number), "{number}");
    let shared = SharedBox::<Ledger>::open(guard.key()).unwrap();
    assert_eq!(shared.get().unwrap().number(), number);
    shared.set(Ledger::new(9)).unwrap();
    assert_eq!(done(&run(program, "get", guard, &[])), "9 2");
    guard.memory();
}

#[test]
fn a_birth_that_c_or_rust_did_not_live_to_end_is_ended_by_the_other_at_any_step() {
    in_own_ipc_namespace(|| {
        let (mut deaths, mut reached) = (0, BTreeSet::new());
        for program in peers() {
            for by_rust in [true, false] {
                reached.extend(at_each_stop(&steps(), |stop| {
                    let guard = Guard::new();
                    let died = dies_in_birth(program, &guard, FIRST, stop);
                    completed(program, &guard, &[FIRST], by_rust);
                    deaths += u32::from(died);
                    died
                }));
            }
            // One in Rust begins, and one in C, which goes on, dies too.
            at_each_stop(&stop_points(), |first| {
                let guard = Guard::new();
                let died = rust_dies("birth ledger", &guard, 0, FIRST, Some(first));
                if died && first.point.starts_with("birth: ") {
                    let ready = Stop {
                        point: "birth: header written".to_owned(),
                        pass: 1,
                    };
                    deaths += u32::from(dies_in_birth(program, &guard, SECOND, &ready));
                }
                completed(program, &guard, &[FIRST, SECOND], false);
                died
            });
            // A death between the making of a set and its installation leaves it behind.
            for set in semaphore_sets() {
                sem::remove(sem::Id::from_raw(set)).unwrap();
            }
        }
        println!("{deaths} deaths, {} steps", reached.len());
        for step in steps().iter().filter(|step| step.starts_with("birth: ")) {
            assert!(reached.contains(step), "{step}");
        }
    });
}

#[test]
fn creators_in_c_that_are_killed_at_random_leave_a_birth_that_rust_ends() {
    const KILLS: u64 = 60;
    in_own_ipc_namespace(|| {
        let mut noise = u64::from(std::process::id()) | 1;
        let mut numbers = BTreeSet::new();
        for kill in 0..KILLS {
            let guard = Guard::new();
            let program = &peers()[kill as usize % peers().len()];
            let mut victim = start(program, "create rounds", &guard, &[]);
            victim.expect("ready");
            victim.tell(&guard.arg());
            noise = noise
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            std::thread::sleep(Duration::from_micros((noise >> 33) % 400));
            let own = u64::from(victim.pid());
            victim.kill();
            victim.finish();
            let shared = SharedBox::open_or_create(guard.key(), || Ledger::new(LATER)).unwrap();
            let number = shared.get().unwrap().number();
            assert!(number == own || number == LATER, "{number}");
            assert_eq!(shared.created(), number == LATER);
            numbers.insert(number == own);
            shared.set(Ledger::new(9)).unwrap();
            guard.memory();
        }
        println!(
            "{KILLS} kills, those who were killed after and before they were done: {numbers:?}"
        );
    });
}

/// As in Rust and as of a file; also where a segment stands already.
#[test]
fn a_segments_mode_that_would_keep_its_creator_out_is_refused_in_c_and_nothing_is_made() {
    in_own_ipc_namespace(|| {
        for program in peers() {
            let guard = Guard::new();
            let refused = |action, mode: &str| {
                let output = run(program, action, &guard, &["7", mode]);
                let said = String::from_utf8(output.stdout).unwrap();
                assert!(
                    said.starts_with("open: -21 ") && said.contains("without 0600"),
                    "{said}"
                );
            };
            for mode in ["000", "400", "200", "60", "1466"] {
                refused("create", mode);
                refused("born", mode);
                guard.assert_nothing_left();
            }
            let mut options = SharedBox::<Ledger>::options();
            let error = options
                .mode(0o400)
                .open_or_create(guard.key(), || Ledger::new(1));
            assert_eq!(error.unwrap_err().kind(), ErrorKind::Options);
            let shared = SharedBox::create_new(guard.key(), Ledger::new(FIRST)).unwrap();
            refused("born", "400");
            shared.remove().unwrap();
        }
    });
}

#[test]
fn a_creator_in_c_that_can_t_go_on_leaves_nothing_and_a_tombstone_s_end_is_made_up_for() {
    in_own_ipc_namespace(|| {
        for program in peers() {
            let guard = Guard::new();
            let mut cramped = Command::new(program);
            cramped.args(["create", &guard.arg(), "7", "600"]);
            let said = cramped.env("SHM_NO_SPACE", "1").output().unwrap().stdout;
            let said = String::from_utf8(said).unwrap();
            assert!(
                said.starts_with("open: -1 ") && said.ends_with("(errno 12)\n"),
                "{said}"
            );
            guard.assert_nothing_left();
            // Another process died while it removed.
            let guard = Guard::new();
            let shared = SharedBox::create_new(guard.key(), Ledger::new(FIRST)).unwrap();
            let set = guard.set();
            let memory = guard.memory();
            memory.store(memory.len() - 320 + 136, 2, 4);
            drop(shared);
            let said = done(&run(program, "create", &guard, &["7", "600"]));
            assert_eq!(said, "true 7 1");
            assert!(sem::stat(set).is_err(), "its semaphores went with it");
        }
    });
}

#[test]
fn a_removal_that_only_another_user_may_end_is_the_kernels_refusal_at_the_limit() {
    if !may_change_user(
        "a_removal_that_only_another_user_may_end_is_the_kernels_refusal_at_the_limit",
    ) {
        return;
    }
    let guard = Guard::new();
    let shared = SharedBox::options()
        .mode(0o666)
        .create_new(guard.key(), Ledger::new(FIRST))
        .unwrap();
    let memory = guard.memory();
    memory.store(memory.len() - 320 + 136, 2, 4);
    drop(shared);
    let output = Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(&peers()[0])
        .args(["create", &guard.arg(), "7", "600"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let told = said.contains(": -1 ") && said.contains("(errno 1)");
    assert!(told, "{output:?}");
}
