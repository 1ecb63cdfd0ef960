//! Who is alive, between programs in C and programs in Rust: those that leave their IPC namespace,
//! give up their rights, lose their semaphores, or end.

use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use nix::libc;
use shm_core::sysv::sem;
use shm_core::{Error, ErrorKind, SharedBox, SharedLayout};
use shm_tests::{
    Compiler, Guard, Ledger, Memory, Peer, Stop, at_each_stop, c_peer, c_peers, dies as rust_dies,
    may_change_user, may_unshare, own_ipc_namespace, semaphore_sets, set_slots, slots,
};

const OUT: &str = env!("CARGO_TARGET_TMPDIR");
const PEER: &str = env!("CARGO_BIN_EXE_peer");
const MORTAL: &str = env!("CARGO_BIN_EXE_mortal");

/// How many a segment has, unless more were asked for.
const SLOTS: usize = 248;

/// A record that no process here can compare with its own: of another namespace.
const ELSEWHERE: u64 = 1 << 44 | 7;

/// A living owner is not waited for any longer than this.
const SHORT: Duration = Duration::from_millis(100);

fn programs() -> Vec<&'static str> {
    let c = c_peers(OUT).iter().map(|path| path.to_str().unwrap());
    c.chain([MORTAL]).collect()
}

fn start(program: &str, action: &str, guard: &Guard) -> Peer {
    Peer::start(program, [action, &guard.arg(), "0"])
}

/// A program in C that waits no longer than [`SHORT`]; `environment` is "NAME=value".
fn start_impatient(program: &Path, guard: &Guard, environment: &[&str]) -> Peer {
    let limit = format!("SHM_LIMIT_MS={}", SHORT.as_millis());
    let key = guard.arg();
    let command = [limit.as_str()]
        .into_iter()
        .chain(environment.iter().copied());
    Peer::start(
        "env",
        command.chain([program.to_str().unwrap(), "stay", &key]),
    )
}

/// What the program printed, whether it succeeded or not.
fn says(program: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> String {
    let mut command = Command::new(program);
    let output: Output = command
        .args(arguments)
        .envs(environment.iter().copied())
        .output()
        .unwrap();
    assert!(output.status.code().is_some(), "{output:?}");
    String::from_utf8(output.stdout)
        .unwrap()
        .trim_end()
        .to_owned()
}

fn set_in_c(program: &Path, guard: &Guard, number: u64, environment: &[(&str, &str)]) -> String {
    let arguments = ["set", &guard.arg(), &number.to_string()];
    says(program, &arguments, environment)
}

fn open(guard: &Guard, limit: Duration) -> Result<SharedBox<Ledger>, Error> {
    SharedBox::options().timeout(limit).open(guard.key())
}

fn shared(guard: &Guard) -> SharedBox<Ledger> {
    let shared = SharedBox::create_new(guard.key(), Ledger::new(0)).unwrap();
    guard.memory();
    shared
}

/// Waits until it holds, which takes a moment.
fn eventually(holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(20));
        std::thread::yield_now();
    }
}

fn is_stopped(peer: &Peer) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", peer.pid())).unwrap();
    stat.rsplit(')').next().unwrap().starts_with(" T")
}

/// Where the records begin.
fn records(memory: &Memory) -> usize {
    word(memory, 0) - SLOTS.next_multiple_of(8) * 8
}

/// A place of the control block.
fn word(memory: &Memory, offset: usize) -> usize {
    memory.len() - 320 + offset
}

#[test]
fn an_owner_that_has_left_its_namespace_keeps_the_lock_whoever_judges() {
    let test = "an_owner_that_has_left_its_namespace_keeps_the_lock_whoever_judges";
    if !may_unshare(test, &["--ipc"]) {
        return;
    }
    for program in programs() {
        let guard = Guard::new();
        let shared = shared(&guard);
        let mut leaver = start(program, "leave", &guard);
        leaver.expect("left");
        let raised: u16 = slots(guard.set()).iter().sum();
        assert!(raised < 2, "the kernel has undone its semaphore");
        let judged = open(&guard, SHORT).unwrap().set(Ledger::new(99));
        match judged {
            Err(error) if error.kind() == ErrorKind::Busy => {
                assert_eq!(error.holder().unwrap().pid, leaver.pid(), "{program}");
            }
            other => panic!("{program}: {other:?}"),
        }
        for judge in c_peers(OUT) {
            let said = set_in_c(judge, &guard, 99, &[("SHM_LIMIT_MS", "50")]);
            assert!(said.contains(" -12 "), "{program}: {said}");
        }
        leaver.tell("");
        let counted: u64 = leaver.succeed().trim().parse().unwrap();
        assert!(counted <= 1024, "{program} learnt of it after {counted}");
        assert_eq!(shared.get().unwrap().number(), counted);
        shared.set(Ledger::new(5)).unwrap();
        let judge = &c_peers(OUT)[0];
        assert_eq!(
            set_in_c(judge, &guard, 6, &[]),
            format!("6 {}", shared.version())
        );
        let left = slots(guard.set()).iter().sum::<u16>();
        assert!(left <= 1, "slots are given back: {left}");
    }
}

#[test]
fn an_owner_that_has_left_is_not_looked_for_in_the_proc_of_an_outer_pid_namespace() {
    let test = "an_owner_that_has_left_is_not_looked_for_in_the_proc_of_an_outer_pid_namespace";
    let inside = ["--pid", "--fork", "--kill-child"];
    if !may_unshare(test, &inside) || !may_unshare(test, &["--ipc"]) {
        return;
    }
    for program in c_peers(OUT) {
        let guard = Guard::new();
        let shared = shared(&guard);
        let (path, key) = (program.to_str().unwrap(), guard.arg());
        // It is process 1 there, and /proc still shows process 1 of this namespace.
        let leaver = inside.into_iter().chain([path, "leave", &key]);
        let mut leaver = Peer::start("unshare", leaver);
        leaver.expect("left");
        let unshare = leaver.pid();
        let children = format!("/proc/{unshare}/task/{unshare}/children");
        let owner = std::fs::read_to_string(children).unwrap();
        let enter = ["-t", owner.trim(), "--pid", path, "set", &key, "99"];
        let said = says(Path::new("nsenter"), &enter, &[("SHM_LIMIT_MS", "50")]);
        assert!(said.contains(" -12 "), "{said}");
        leaver.tell("");
        let counted: u64 = leaver.succeed().trim().parse().unwrap();
        assert_eq!(shared.get().unwrap().number(), counted);
    }
}

#[test]
fn writers_that_leave_and_writers_that_stay_lose_no_update() {
    const LEAVERS: usize = 24;
    let test = "writers_that_leave_and_writers_that_stay_lose_no_update";
    if !may_unshare(test, &["--ipc"]) {
        return;
    }
    let guard = Guard::new();
    let shared = shared(&guard);
    let stays: Vec<_> = programs()
        .into_iter()
        .map(|program| start(program, "stay on", &guard))
        .collect();
    let mut counted = 0;
    for leaver in 0..LEAVERS {
        let program = programs()[leaver % programs().len()];
        let mut leaver = start(program, "leave", &guard);
        leaver.expect("left");
        counted += leaver.succeed().trim().parse::<u64>().unwrap();
    }
    for mut writer in stays {
        counted += writer.succeed().trim().parse::<u64>().unwrap();
    }
    assert_eq!(shared.get().unwrap().number(), counted);
    println!("{LEAVERS} leavers, {counted} updates, 0 lost");
}

#[test]
fn a_death_that_a_set_semaphore_hides_is_found_by_the_record() {
    for program in programs() {
        let guard = Guard::new();
        shared(&guard);
        let impatient = open(&guard, SHORT).unwrap();
        let kill_one = |reap: bool| {
            let mut owner = start(program, "hold", &guard);
            owner.expect("locked");
            owner.kill();
            if reap {
                owner.finish();
            }
            let set = guard.set();
            eventually(|| slots(set).iter().sum::<u16>() <= 1);
            // As a peer does that is wrong, or hostile: all seem to live.
            set_slots(set, &vec![1; slots(set).len()]);
            owner
        };
        for reap in [true, false] {
            let owner = kill_one(reap);
            impatient.set(Ledger::new(1)).unwrap();
            drop(owner);
            set_slots(guard.set(), &vec![0; slots(guard.set()).len()]);
            for judge in c_peers(OUT) {
                // It has its slot before the owner's death is hidden.
                let mut judge = start_impatient(judge, &guard, &[]);
                judge.line();
                let owner = kill_one(reap);
                judge.tell("2");
                assert!(judge.line().starts_with("2 "), "{program}");
                drop(owner);
                judge.succeed();
                set_slots(guard.set(), &vec![0; slots(guard.set()).len()]);
            }
        }
    }
}

#[test]
fn a_writer_in_c_that_gave_up_its_rights_goes_on_by_the_records() {
    if !may_change_user("a_writer_in_c_that_gave_up_its_rights_goes_on_by_the_records") {
        return;
    }
    for owner in programs() {
        for program in c_peers(OUT) {
            let guard = Guard::new();
            let shared = shared(&guard);
            let mut writer = start_impatient(program, &guard, &["SHM_USER=nobody"]);
            writer.expect("0 1");
            let say = |writer: &mut Peer, number: &str| {
                writer.tell(number);
                writer.line()
            };
            assert_eq!(say(&mut writer, "1"), "1 2");
            let mut holder = start(owner, "hold", &guard);
            holder.expect("locked");
            assert!(say(&mut writer, "2").contains(" -12 "), "the owner lives");
            holder.kill();
            holder.finish();
            assert_eq!(say(&mut writer, "3"), "3 3");
            // Beyond each look that comes now and then.
            for number in 0..1100 {
                let said = say(&mut writer, &number.to_string());
                assert_eq!(said, format!("{number} {}", number + 4));
            }
            assert_eq!(shared.get().unwrap().number(), 1099);
            writer.succeed();
            shared.set(Ledger::new(7)).unwrap();
        }
    }
}

#[test]
fn who_opens_a_segment_whose_semaphores_are_lost_makes_new_ones_for_all() {
    for program in programs() {
        let guard = Guard::new();
        let shared = shared(&guard);
        let mut stays: Vec<_> = c_peers(OUT)
            .iter()
            .map(|program| start(program.to_str().unwrap(), "stay", &guard))
            .collect();
        for peer in &mut stays {
            peer.expect("0 1");
        }
        let lost = guard.set();
        sem::remove(lost).unwrap();
        // Those who are attached go on.
        shared.set(Ledger::new(1)).unwrap();
        for peer in &mut stays {
            peer.tell("2");
            assert!(peer.line().starts_with("2 "));
        }
        let mut owner = start(program, "hold", &guard);
        owner.expect("locked");
        let set = guard.set();
        assert_ne!(set, lost);
        // Their slow paths find it.
        for peer in &mut stays {
            peer.tell("3");
        }
        let wanted = 1 + stays.len() as u16;
        eventually(|| slots(set).iter().sum::<u16>() >= wanted);
        owner.kill();
        owner.finish();
        for peer in &mut stays {
            assert!(peer.line().starts_with("3 "));
            peer.succeed();
        }
        shared.set(Ledger::new(4)).unwrap();
    }
}

#[test]
fn a_set_is_not_replaced_where_a_claimant_can_not_be_judged() {
    let guard = Guard::new();
    let shared = shared(&guard);
    let memory = guard.memory();
    sem::remove(guard.set()).unwrap();
    // A claimant in another namespace; the slots' records lie below the control block.
    let records = records(&memory);
    memory.store(records, ELSEWHERE, 8);
    for program in c_peers(OUT) {
        let said = set_in_c(program, &guard, 1, &[]);
        assert!(said.contains(" -24 "), "{said}");
    }
    memory.store(records, 0, 8);
    for program in c_peers(OUT) {
        assert!(set_in_c(program, &guard, 1, &[]).starts_with("1 "));
    }
    guard.memory();
    shared.set(Ledger::new(2)).unwrap();
}

#[test]
fn once_a_set_was_replaced_its_zeros_tell_a_program_in_c_nothing_of_claimants_elsewhere() {
    for program in c_peers(OUT) {
        let guard = Guard::new();
        let shared = shared(&guard);
        let memory = guard.memory();
        let (record, lock) = (records(&memory), word(&memory, 192));
        let set = |number| set_in_c(program, &guard, number, &[("SHM_LIMIT_MS", "50")]);
        let slot = slots(guard.set()).iter().position(|value| *value == 0);
        let slot = slot.unwrap();
        memory.store(record + slot * 8, ELSEWHERE, 8);
        memory.store(lock, slot as u64 + 1, 4);
        memory.store(word(&memory, 72), 1, 4);
        let said = set(1);
        assert!(said.contains(" -24 "), "{said}");
        // All slots are like that: there is none to take.
        for other in 0..SLOTS {
            if memory.read(record + other * 8, 8) == [0; 8] {
                memory.store(record + other * 8, ELSEWHERE, 8);
            }
        }
        let said = set(2);
        assert!(said.contains("open: -14 "), "{said}");
        // Without a replacement the kernel has undone what they raised.
        memory.store(word(&memory, 72), 0, 4);
        assert!(set(3).starts_with("3 "));
        shared.set(Ledger::new(4)).unwrap();
    }
}

#[test]
fn who_can_not_be_judged_by_a_program_in_c_has_the_whole_time_limit() {
    for program in c_peers(OUT) {
        for unreadable in [false, true] {
            let guard = Guard::new();
            let shared = shared(&guard);
            let memory = guard.memory();
            let mut judge = start(program.to_str().unwrap(), "stay", &guard);
            judge.expect("0 1");
            let slot = slots(guard.set()).iter().position(|value| *value == 0);
            let slot = slot.unwrap();
            if unreadable {
                sem::remove(guard.set()).unwrap();
            } else {
                memory.store(word(&memory, 72), 1, 4);
            }
            let lock = word(&memory, 192);
            memory.store(records(&memory) + slot * 8, ELSEWHERE, 8);
            memory.store(lock, slot as u64 + 1, 4);
            judge.tell("2");
            // It sleeps on it: the mark is bit 31.
            eventually(|| memory.read(lock, 4) != (slot as u32 + 1).to_ne_bytes());
            memory.store(lock, 0, 4);
            assert_eq!(judge.line(), "2 2");
            memory.store(records(&memory) + slot * 8, 0, 8);
            judge.succeed();
            drop(shared);
        }
    }
}

#[test]
fn a_program_in_c_uses_a_set_with_both_tags_only() {
    for program in c_peers(OUT) {
        let guard = Guard::new();
        let shared = shared(&guard);
        let set = guard.set();
        for tag in [SLOTS, SLOTS + 1] {
            let right = sem::values(set).unwrap()[tag];
            for wrong in [0, right ^ 1] {
                sem::set_value(set, tag as u16, wrong).unwrap();
                let said = set_in_c(program, &guard, 1, &[]);
                assert!(said.contains(" -5 "), "{tag} {wrong}: {said}");
            }
            sem::set_value(set, tag as u16, right).unwrap();
        }
        assert!(set_in_c(program, &guard, 1, &[]).starts_with("1 "));
        shared.set(Ledger::new(2)).unwrap();
    }
}

#[test]
fn a_set_that_came_too_late_is_taken_away_again_by_the_program_in_c_that_made_it() {
    for program in c_peers(OUT) {
        for remove in [false, true] {
            let guard = Guard::new();
            let shared = shared(&guard);
            sem::remove(guard.set()).unwrap();
            let path = program.to_str().unwrap();
            let pause = "SHM_PAUSE=set: installed";
            let mut slow = Peer::start("env", [pause, path, "stay", &guard.arg()]);
            eventually(|| is_stopped(&slow));
            let late = guard.set();
            if remove {
                shared.remove().unwrap();
                slow.go_on();
                let said = slow.line();
                assert!(said.starts_with("open: -9 "), "{said}");
            } else {
                // It has no tags yet, so it is as good as lost.
                assert!(set_in_c(program, &guard, 1, &[]).starts_with("1 "));
                guard.memory();
                assert_ne!(guard.set(), late);
                slow.go_on();
                slow.expect("1 2");
                slow.succeed();
                shared.set(Ledger::new(2)).unwrap();
            }
            assert!(sem::stat(late).is_err(), "it is left");
        }
    }
}

#[test]
fn a_record_that_a_peer_wiped_is_made_anew_by_its_owner_in_c() {
    for program in c_peers(OUT) {
        let guard = Guard::new();
        let shared = shared(&guard);
        let memory = guard.memory();
        let before = slots(guard.set());
        let mut writer = start(program.to_str().unwrap(), "stay", &guard);
        writer.expect("0 1");
        let now = slots(guard.set());
        let slot = (0..SLOTS).find(|slot| now[*slot] != before[*slot]).unwrap();
        let place = records(&memory) + slot * 8;
        let record = memory.read(place, 8);
        memory.store(place, 0, 8);
        set_slots(guard.set(), &before);
        // It looks at each version that is a multiple of 1,024.
        for number in 0..1100 {
            writer.tell(&number.to_string());
            let said = writer.line();
            assert_eq!(said, format!("{number} {}", number + 2));
        }
        assert_eq!(memory.read(place, 8), record);
        assert_eq!(slots(guard.set()), now);
        writer.succeed();
        shared.set(Ledger::new(1)).unwrap();
    }
}

#[test]
fn a_stranger_with_the_old_id_that_is_being_removed_tells_a_program_in_c_nothing() {
    let test = "a_stranger_with_the_old_id_that_is_being_removed_tells_a_program_in_c_nothing";
    if !may_unshare(test, &["--ipc"]) {
        return;
    }
    for program in c_peers(OUT) {
        let guard = Guard::new();
        let shared = shared(&guard);
        let said = says(program, &["stray", &guard.arg()], &[]);
        if said == "unreached" {
            eprintln!("SKIPPED: no segment of a new namespace got the id");
            return;
        }
        assert_eq!(said, "told nothing");
        shared.set(Ledger::new(1)).unwrap();
    }
}

#[test]
fn a_death_in_c_at_any_step_of_the_replacement_of_a_set_leaves_it_to_the_next() {
    /// A death after these leaves a set without tags, of which no other process knows that it is the
    /// segment's.
    const LEAKS: [&str; 3] = ["set: made", "set: counted", "set: installed"];
    let alone = own_ipc_namespace();
    if !alone {
        eprintln!("SKIPPED in part: no IPC namespace of its own is to be had, in which to count");
    }
    let header = Ledger::c_header();
    let steps: Vec<_> = header
        .split("SHMBOX_STOP(\"")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap().to_owned())
        .collect();
    let mut deaths = 0;
    for program in c_peers(OUT) {
        let reached = at_each_stop(&steps, |Stop { point, pass }| {
            if !alone && LEAKS.contains(&&**point) {
                return false;
            }
            let guard = Guard::new();
            let _shared = shared(&guard);
            let before = semaphore_sets();
            sem::remove(guard.set()).unwrap();
            let stop = format!("{pass} {point}");
            let output = Command::new(program)
                .args(["set", &guard.arg(), "1"])
                .env("SHM_STOP", stop)
                .output()
                .unwrap();
            let died = output.status.code().is_none();
            assert!(died || output.status.success(), "{output:?}");
            deaths += u32::from(died);
            if deaths % 2 == 0 {
                let next = open(&guard, Duration::from_secs(5)).unwrap();
                next.set(Ledger::new(2)).unwrap();
            } else {
                assert!(set_in_c(program, &guard, 2, &[]).starts_with("2 "));
            }
            guard.memory();
            // What a death between making and installing leaves is no segment's.
            let installed = guard.set().as_raw();
            for left in semaphore_sets().difference(&before) {
                if alone && *left != installed {
                    assert!(LEAKS.contains(&&**point), "{point}");
                    sem::remove(sem::Id::from_raw(*left)).unwrap();
                }
            }
            died
        });
        for step in [
            "set: made",
            "set: counted",
            "set: installed",
            "set: tagged",
            "claim: recorded",
        ] {
            let tried = alone || !LEAKS.contains(&step);
            assert!(!tried || reached.contains(step), "{step}");
        }
    }
    println!("{deaths} deaths");
}

#[test]
fn a_segment_that_ipcrm_removed_is_buried_by_its_next_writer_in_c() {
    for program in c_peers(OUT) {
        let guard = Guard::new();
        let _shared = shared(&guard);
        let mut peer = start(program.to_str().unwrap(), "stay", &guard);
        peer.expect("0 1");
        let memory = guard.memory();
        guard.ipcrm();
        // It notices at the next version that is a multiple of 1,024.
        let said = (1..2000)
            .map(|number: u32| {
                peer.tell(&number.to_string());
                peer.line()
            })
            .find(|said| said.contains(" -9 "));
        assert!(said.is_some());
        let state = memory.read(word(&memory, 136), 1);
        assert_eq!(state, [2], "all learn of it");
    }
}

#[test]
fn a_signals_handler_that_writes_in_the_middle_of_a_commit_is_told_at_once() {
    let header = Ledger::c_header();
    let sanitizing = Compiler::sanitizing().map(|compiler| c_peer(&compiler, OUT));
    let mut told = Vec::new();
    for program in c_peers(OUT).iter().chain(&sanitizing) {
        for step in header.split("SHMBOX_STOP(\"").skip(1) {
            let step = step.split('"').next().unwrap();
            let guard = Guard::new();
            let _shared = shared(&guard);
            let arguments = ["interrupt", &guard.arg(), "7", step];
            let said = says(program, &arguments, &[]);
            let (code, found) = said
                .split_once(' ')
                .unwrap_or_else(|| panic!("{step}: {said}"));
            match code {
                // Not on its way.
                "1" => assert_eq!(found, "7 2"),
                // Before or after it.
                "0" => assert!(["7 3", "0 3"].contains(&found), "{step}: {said}"),
                "-15" => {
                    assert_eq!(found, "7 2", "{step}");
                    told.push(step.to_owned());
                }
                _ => panic!("{step}: {said}"),
            }
        }
    }
    for step in [
        "lock: taken",
        "commit: begun",
        "commit: odd",
        "commit: payload written",
        "commit: even",
        "commit: mirror written",
        "unlock: begun",
    ] {
        assert!(told.iter().any(|told| told == step), "{step}");
    }
}

#[test]
fn the_steps_of_a_claim_in_c_are_each_survived_by_the_slot() {
    const FREE: usize = 3;
    let steps = [
        "claim: semaphore raised",
        "claim: recorded",
        "claim: numbered",
        "claim: record released",
        "claim: given back",
    ];
    for program in c_peers(OUT) {
        for step in steps {
            let guard = Guard::new();
            let shared = shared(&guard);
            let set = guard.set();
            // So few are free that each is claimed again.
            let mut values = vec![1; slots(set).len()];
            let own = slots(set).iter().position(|value| *value == 1).unwrap();
            let free = (0..values.len()).filter(|slot| *slot != own).take(FREE);
            free.for_each(|slot| values[slot] = 0);
            set_slots(set, &values);
            for round in 0..2 * FREE as u64 {
                let said = Command::new(program)
                    .args(["set", &guard.arg(), "1"])
                    .env("SHM_STOP", format!("1 {step}"))
                    .output()
                    .unwrap();
                assert!(said.status.code().is_none(), "{step}: {said:?}");
                assert_eq!(slots(set), values, "{step}: undone");
                let next = set_in_c(program, &guard, round, &[]);
                assert!(next.starts_with(&format!("{round} ")), "{step}: {next}");
                assert!(!rust_dies("set ledger", &guard, 0, round, None));
                assert_eq!(slots(set), values, "{step}: given back");
            }
            shared.set(Ledger::new(1)).unwrap();
        }
    }
}

#[test]
fn two_that_judge_one_dead_claim_get_two_slots() {
    const FEW: usize = 3;
    for program in c_peers(OUT) {
        let guard = Guard::new();
        let mut options = SharedBox::<Ledger>::options();
        options.slots(FEW as u16).remove_on_drop(true);
        let shared = options.create_new(guard.key(), Ledger::new(0)).unwrap();
        let (set, memory) = (guard.set(), guard.memory());
        let own = slots(set);
        let free: Vec<_> = (0..own.len()).filter(|slot| own[*slot] == 0).collect();
        let only = |slots: &[usize]| {
            let mut values = vec![1; own.len()];
            slots.iter().for_each(|slot| values[*slot] = 0);
            set_slots(set, &values);
        };
        let claimed = || {
            let records = word(&memory, 0) - FEW.next_multiple_of(8) * 8;
            let is_claimed = |slot: &usize| memory.read(records + slot * 8, 8) != [0; 8];
            (0..own.len()).filter(is_claimed).count()
        };
        let before = claimed();
        only(&free[..1]);
        let path = program.to_str().unwrap();
        let pause = "SHM_PAUSE=claim: semaphore raised";
        // It looks at the slots from that of its pid on: the one that it can't have is its last one, so it looks again.
        let mut slow = loop {
            let slow = Peer::start("env", [pause, path, "hold", &guard.arg()]);
            if slow.pid() as usize % FEW == (free[0] + 1) % FEW {
                break slow;
            }
        };
        eventually(|| slots(set)[free[0]] == 1);
        eventually(|| is_stopped(&slow));
        // Its semaphore is taken from it, as by the kernel when it leaves its namespace.
        only(&free[..1]);
        let mut other = start(path, "stay", &guard);
        other.expect("0 1");
        assert_eq!(claimed(), before + 1);
        only(&free[1..2]);
        slow.go_on();
        // Where it claims the next slot, it stops there once more.
        eventually(|| slots(set)[free[1]] == 1 || claimed() == before + 2);
        while claimed() < before + 2 {
            slow.go_on();
            std::thread::yield_now();
            assert!(!slow.has_ended());
        }
        slow.expect("locked");
        other.tell("1");
        slow.succeed();
        assert!(other.line().starts_with("1 "));
        other.succeed();
        shared.set(Ledger::new(2)).unwrap();
    }
}

/// As emulators do, the kernel answers 0 to each `madvise` and does nothing: no page is wiped in a child.
#[test]
fn a_child_in_c_is_told_from_its_parent_where_no_advice_on_memory_is_followed() {
    let madvise = libc::SYS_madvise.to_string();
    let own = Compiler::widths()[0];
    let program = c_peer(own, OUT).display().to_string();
    let guard = Guard::new();
    let shared = shared(&guard);
    let key = guard.arg();
    let mut peer = Peer::start(
        PEER,
        ["exec-without", &madvise, "0", &program, "fork", &key],
    );
    if peer.line() != "filtered" {
        eprintln!("SKIPPED: no seccomp filter is to be had here");
        return;
    }
    peer.succeed();
    assert_eq!(shared.get().unwrap().number(), 1 + 5 + 5);
}

#[test]
fn where_the_kernel_undoes_no_semaphores_a_program_in_c_is_told_and_can_read() {
    let programs = c_peers(OUT).iter();
    // The filter counts system calls as programs of this machine's own width do.
    let programs = programs.filter(|program| !program.to_string_lossy().contains("-m32"));
    for program in programs {
        let guard = Guard::new();
        let shared = shared(&guard);
        let before = slots(guard.set());
        for errno in [libc::ENOTSUP, libc::EINVAL, libc::ENOSYS, libc::EPERM] {
            let run = |action: &[&str]| {
                let (errno, path) = (errno.to_string(), program.to_str().unwrap());
                let arguments = ["exec-without-undo", &errno, path];
                let (key, arguments) = (guard.arg(), arguments.iter().chain(&action[..1]));
                let arguments = arguments.copied().chain([key.as_str()]);
                let arguments: Vec<_> = arguments.chain(action[1..].iter().copied()).collect();
                says(Path::new(PEER), &arguments, &[])
            };
            let said = run(&["set", "1"]);
            let Some(said) = said.strip_prefix("filtered\n") else {
                eprintln!("SKIPPED: no seccomp filter is to be had here");
                return;
            };
            assert!(said.starts_with("open: -25 "), "errno {errno}: {said}");
            assert!(said.contains("SEM_UNDO"), "errno {errno}: {said}");
            // The advice of the message.
            assert!(said.contains("opens it for reading only"), "{said}");
            assert_eq!(run(&["get"]), "filtered\n0 1", "errno {errno}");
        }
        assert_eq!(slots(guard.set()), before, "nothing is claimed");
        shared.set(Ledger::new(2)).unwrap();
    }
}
