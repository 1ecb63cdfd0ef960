//! Rows of tables that programs in C and in Rust claim, write, release and die with, and that Python reads.

use std::process::Command;
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use shm_core::sysv::sem;
use shm_core::{ErrorKind, OnDeath, RowLife, SharedBox, SharedTable, TableView};
use shm_tests::rows::{LIMIT, owner, sits_dies_and_is_reaped, table, until};
use shm_tests::{
    Compiler, Folder, Guard, Home, Peer, Row, Stop, at_each_stop, c_rows, dies_at, row_header,
    stop_points,
};

const OUT: &str = env!("CARGO_TARGET_TMPDIR");
const PEER: &str = env!("CARGO_BIN_EXE_peer");

/// The program in C, for each width that there is.
fn programs() -> &'static [String] {
    static BUILT: OnceLock<Vec<String>> = OnceLock::new();
    BUILT.get_or_init(|| {
        let widths = Compiler::widths().into_iter();
        widths.map(|compiler| c_rows(compiler, OUT)).collect()
    })
}

/// In C, or, if `program` is [`PEER`], in Rust.
fn acts(program: &str, action: &str, place: &str, number: u64) -> Peer {
    let number = number.to_string();
    let table = (program == PEER).then_some("table");
    Peer::start(
        program,
        table.into_iter().chain([action, place, number.as_str()]),
    )
}

#[test]
fn each_function_of_a_table_in_c_does_its_part_and_no_more() {
    let guard = Guard::new();
    let _table = table(&guard, 2, OnDeath::Keep);
    let sanitizing = Compiler::sanitizing().map(|compiler| c_rows(&compiler, OUT));
    for program in programs().iter().chain(&sanitizing) {
        for action in ["fields", "fork", "kinds"] {
            acts(program, action, &guard.arg(), 0).succeed();
        }
    }
}

#[test]
fn no_cast_or_conversion_in_the_header_of_a_table_is_one_that_a_strict_compiler_warns_of() {
    let place = std::path::Path::new(OUT).join(format!("row-casts.{}", std::process::id()));
    std::fs::create_dir_all(&place).unwrap();
    let source = place.join("casts.c");
    std::fs::write(place.join("row.h"), row_header()).unwrap();
    std::fs::write(
        &source,
        "#include \"row.h\"\n#include \"row.h\"\nint main(void) { return 0; }\n",
    )
    .unwrap();
    for compiler in Compiler::all() {
        let mut arguments = vec![
            "-Wno-unknown-warning-option",
            "-Wconversion",
            "-Wsign-conversion",
            "-Wcast-qual",
        ];
        if compiler.to_string().contains("c++") {
            arguments.extend([
                "-Wold-style-cast",
                "-Wuseless-cast",
                "-Wzero-as-null-pointer-constant",
            ]);
        }
        compiler.compile(&source, &place.join("casts"), &arguments);
    }
    std::fs::remove_dir_all(place).unwrap();
}

#[test]
fn only_a_header_that_was_asked_for_it_has_the_functions_of_tables() {
    use shm_core::SharedLayout;
    assert!(!Row::c_header().contains("table_claim"));
    assert!(row_header().starts_with(&Row::c_header()));
    assert!(row_header().contains("#define ROW_TABLE_STRIDE UINT64_C(64)\n"));
    assert!(!row_header().contains("any_struct"));
}

#[test]
fn rows_of_c_and_of_rust_show_each_other_value_owner_and_claim() {
    for program in programs() {
        let guard = Guard::new();
        let table = table(&guard, 3, OnDeath::Keep);
        let mut seat = table.claim(Row::new(5, 6)).unwrap();
        let mut peer = acts(program, "sit", &guard.arg(), 5);
        let name = peer.line();
        let row = table.rows().nth(1).unwrap();
        assert_eq!(
            (row.id().to_string(), row.owner()),
            (name, Some(peer.pid()))
        );
        assert_eq!(row.get().unwrap(), Row::new(owner(&peer), 5));
        seat.set(Row::new(5, 7)).unwrap();
        let own = std::process::id();
        let shown = acts(program, "list", &guard.arg(), 0).succeed();
        let wanted = [
            format!("0#1 {own} live 2 5 7"),
            format!("1#2 {0} live {1} {0} 5", peer.pid(), row.version()),
        ];
        assert_eq!(shown.lines().collect::<Vec<_>>(), wanted);
        // What it does not release, the end of its handle does.
        assert_eq!(peer.succeed(), "");
        // Nothing of the owner's bytes is left: of the payload at its stride.
        assert_eq!(guard.memory().read(64, 64), [0; 64]);
        assert_eq!(table.rows().count(), 1);
        assert_eq!(table.get(row.id()).unwrap_err().kind(), ErrorKind::Stale);
    }
}

#[test]
fn a_dead_owners_row_is_dead_for_the_other_language_and_claimed_there() {
    for program in programs() {
        for (dies, claims) in [(&**program, PEER), (PEER, program)] {
            let guard = Guard::new();
            let table = table(&guard, 2, OnDeath::Keep);
            let mut peer = acts(dies, "sit", &guard.arg(), 3);
            peer.line();
            let id = table.rows().next().unwrap().id();
            let last = Row::new(owner(&peer), 3);
            peer.kill();
            drop(peer);
            until("it is dead", || {
                let lives: Vec<_> = table.look().unwrap().map(|row| row.life()).collect();
                lives == [RowLife::Dead]
            });
            assert_eq!(table.get(id).unwrap(), last);
            let shown = acts(programs()[0].as_str(), "list", &guard.arg(), 0).succeed();
            assert!(shown.contains(" dead "), "{shown}");
            let all = acts(claims, "claim all", &guard.arg(), 1).succeed();
            assert!(all.is_empty() || all == "2\n", "{all}");
            assert_eq!(table.rows().count(), 0, "all were let go");
        }
    }
}

/// What C notices of a death, and what a C claim finds that no process has noticed yet.
#[test]
fn c_notes_deaths_and_frees_the_rows_where_that_was_asked_for() {
    for program in programs() {
        for (on_death, left) in [(OnDeath::Keep, 1), (OnDeath::Free, 0)] {
            let guard = Guard::new();
            let table = table(&guard, 2, on_death);
            let before = table.membership();
            acts(PEER, "claim and die", &guard.arg(), 1).finish();
            until("C notes it", || {
                acts(program, "look", &guard.arg(), 0).succeed();
                table.membership() == before + 2
            });
            assert_eq!(table.rows().count(), left);
        }
    }
}

/// Whoever claims the slot of a dead process gets no row of that one's: they would look alive for as long as it lives.
#[test]
fn rows_of_the_dead_do_not_live_on_with_a_c_process_in_their_slot() {
    for program in programs() {
        let guard = Guard::new();
        let mut options = SharedTable::<Row>::options();
        options.rows(3).slots(2).remove_on_drop(true);
        let table = options.create_new(guard.key()).unwrap();
        let mut peer = acts(PEER, "sit", &guard.arg(), 1);
        peer.line();
        let before = table.membership();
        peer.kill();
        drop(peer);
        // Of two slots this process has one, so both others had the other.
        let mut next = acts(program, "sit", &guard.arg(), 1);
        assert_ne!(next.line(), "");
        let lives: Vec<_> = table.rows().map(|row| row.life()).collect();
        assert_eq!(lives, [RowLife::Dead, RowLife::Live]);
        assert_eq!(table.membership(), before + 2, "the death is counted");
        next.succeed();
    }
}

/// Whatever stands in the words of a table: no access outside it, no hang.
#[test]
fn hostile_words_in_a_table_end_no_process_in_c() {
    let seeds = if std::env::var_os("SHM_FULL").is_some() {
        100
    } else {
        6
    };
    let Some(sanitizing) = Compiler::sanitizing() else {
        return;
    };
    let program = c_rows(&sanitizing, OUT);
    for seed in 1..=seeds {
        let guard = Guard::new();
        let table = table(&guard, 3, OnDeath::Keep);
        let _seat = table.claim(Row::new(1, 1)).unwrap();
        let memory = guard.memory();
        let mut number = u64::wrapping_mul(seed, 0x9e37_79b9_7f4a_7c15) | 1;
        let mut next = move || {
            number ^= number << 13;
            number ^= number >> 7;
            number ^= number << 17;
            number
        };
        for action in ["list", "look", "claim and release", "fields"] {
            for _ in 0..1 + next() % 4 {
                let words = memory.len() / 8;
                let at = (words / 3 * 2 + next() as usize % (words / 3)) * 8;
                let value = [0, u64::MAX, 1 << (next() % 64), next()][next() as usize % 4];
                memory.write(at, &value.to_ne_bytes());
            }
            let run = Command::new(&program)
                .args([action, &guard.arg(), "1"])
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&run.stderr);
            assert!(
                run.status.code().is_some() && said.is_empty(),
                "{seed} {action}: {run:?}"
            );
        }
        drop(table);
    }
}

#[test]
fn a_full_table_is_told_in_c_and_names_owners_in_rust() {
    for program in programs() {
        let guard = Guard::new();
        let table = table(&guard, 1, OnDeath::Keep);
        let mut peer = acts(program, "sit", &guard.arg(), 1);
        peer.line();
        let full = table.claim(Row::new(1, 1)).unwrap_err();
        assert_eq!(
            (full.kind(), full.claimants()),
            (ErrorKind::Full, &[peer.pid()][..])
        );
        let (status, said) = acts(program, "sit", &guard.arg(), 1).finish();
        assert!(
            !status.success() && said.contains("-34 each row of the table"),
            "{said}"
        );
        peer.succeed();
    }
}

#[test]
fn c_refuses_a_single_value_where_a_table_is_meant() {
    for program in programs() {
        let guard = Guard::new();
        let _shared = SharedBox::create_new(guard.key(), Row::new(1, 1)).unwrap();
        guard.memory();
        acts(program, "no table", &guard.arg(), 0).succeed();
    }
}

#[test]
fn claims_releases_and_deaths_of_c_wake_those_who_wait_in_rust() {
    for program in programs() {
        let guard = Guard::new();
        let table = table(&guard, 1, OnDeath::Keep);
        let changes = |act: &mut dyn FnMut()| {
            let before = table.membership();
            thread::scope(|scope| {
                let waiter = scope.spawn(|| table.wait_membership_timeout(before, LIMIT));
                act();
                assert!(waiter.join().unwrap().unwrap() > Some(before));
            });
        };
        let mut peer = None;
        changes(&mut || peer = Some(acts(program, "sit", &guard.arg(), 1)));
        let mut peer = peer.unwrap();
        peer.line();
        changes(&mut || assert_eq!(peer.succeed(), ""));
        let mut peer = acts(program, "sit", &guard.arg(), 1);
        peer.line();
        changes(&mut || peer.kill());
    }
}

/// What those who wait for deaths sleep on. No look of theirs is in it: the kernel counts what a process in C has claimed.
#[test]
fn the_kernel_counts_each_death_of_c_and_no_end_that_gave_the_slot_back_and_wakes_for_it() {
    for program in programs() {
        let guard = Guard::new();
        let _table = table(&guard, 1, OnDeath::Keep);
        let set = guard.set();
        // Behind the slots, and before the two tags.
        let counter = u16::try_from(sem::stat(set).unwrap().count - 3).unwrap();
        let counted = || sem::value(set, counter).unwrap();
        let before = counted();
        let sits = || {
            let mut peer = acts(program, "sit", &guard.arg(), 1);
            peer.line();
            peer
        };
        let mut peer = sits();
        assert_eq!(counted(), before, "a living process counts for nothing");
        assert_eq!(peer.succeed(), "");
        assert_eq!(counted(), before);
        for deaths in 1..=3 {
            let peer = sits();
            peer.kill();
            let more = i16::try_from(before + deaths).unwrap();
            let woken = sem::op_timeout(
                set,
                &[sem::Op::add(counter, -more), sem::Op::add(counter, more)],
                LIMIT,
            );
            woken.expect("the kernel wakes it");
            assert_eq!(counted(), before + deaths);
        }
    }
}

/// A dead owner's row has one committed value in the payload and in the mirror of its version, once C has claimed it.
fn is_claimed_whole_by_c(guard: &Guard, table: &SharedTable<Row>, what: &str) {
    // Of one row and the template.
    const COPY: usize = 2 * 64;
    // With a commit behind the first one, which finds the row as a claim leaves it.
    let mut peer = acts(&programs()[0], "sit", &guard.arg(), 1);
    peer.line();
    let row = table.rows().next().expect(what);
    let last = Row::new(owner(&peer), 1);
    assert_eq!(row.get().unwrap(), last, "{what}");
    let memory = guard.memory();
    let (payload, mirror) = (0, COPY * (1 + row.version() as usize % 2));
    assert_eq!(memory.read(payload, 64), memory.read(mirror, 64), "{what}");
    peer.kill();
    drop(peer);
    let mut reaped = Vec::new();
    until("it is reaped", || {
        table.reap(|_, last| reaped.push(last.unwrap())).unwrap() == 1
    });
    assert_eq!(reaped, [last], "{what}");
    assert_eq!(memory.read(0, 64), [0; 64], "{what}: nothing of it is left");
}

#[test]
fn a_row_that_its_owner_in_c_or_rust_left_at_any_step_is_repaired_and_claimed_in_c() {
    const MORTAL: u64 = 70;
    let is_of_a_row = |step: &String| {
        let kinds = ["row:", "commit:", "repair:", "copy:"];
        kinds.iter().any(|kind| step.starts_with(kind))
    };
    let header = row_header();
    let of_c = header.split("SHMBOX_STOP(\"").skip(1);
    let of_c = of_c.map(|rest| rest.split('"').next().unwrap().to_owned());
    let mut of_c: Vec<_> = of_c.filter(is_of_a_row).collect();
    of_c.sort();
    of_c.dedup();
    let of_rust: Vec<_> = stop_points().into_iter().filter(is_of_a_row).collect();
    let mut deaths = 0;
    for (steps, is_c) in [(of_c, true), (of_rust, false)] {
        at_each_stop(&steps, |stop| {
            let guard = Guard::new();
            let table = table(&guard, 1, OnDeath::Keep);
            let died = if is_c {
                let mut command = Command::new(&programs()[0]);
                command.args(["claim and release", &guard.arg(), "70"]);
                let output = command.env("SHM_STOP", format!("{} {}", stop.pass, stop.point));
                output.output().unwrap().status.code().is_none()
            } else {
                let action = "table claim and release";
                dies_at(action, &guard.arg(), 0, MORTAL, Some(stop))
            };
            deaths += u32::from(died);
            is_claimed_whole_by_c(&guard, &table, &format!("{stop:?}, in C: {is_c}"));
            died
        });
    }
    println!("{deaths} deaths");
    assert!(deaths > 20, "{deaths} deaths");
}

/// As an upgrade puts another schema in force, under the lock of a process that lives and does not let it go.
#[test]
fn a_seat_of_c_looks_at_another_schema_without_the_lock() {
    const COPIES: usize = 3 * 2 * 64;
    for program in programs() {
        let guard = Guard::new();
        let mut options = SharedTable::<Row>::options();
        options.rows(1).remove_on_drop(true);
        let table = options.create_new(guard.key()).unwrap();
        let mut peer = acts(program, "sit and set", &guard.arg(), 1);
        peer.line();
        let memory = guard.memory();
        let control = memory.len() - 320;
        let word = |at: usize| u64::from_ne_bytes(memory.read(at, 8).try_into().unwrap());
        let room = word(control + 24) as usize;
        let (rooms, claim) = (COPIES, word(COPIES + 2 * room) & u64::from(u32::MAX));
        memory.store(control + 192, claim, 4);
        memory.write(rooms + room, &memory.read(rooms, room));
        memory.store(
            control + 136,
            (word(control + 136) + (1 << 8)) & u64::from(u32::MAX),
            4,
        );
        peer.tell("");
        peer.expect("set");
        assert_eq!(
            table.rows().next().unwrap().get().unwrap(),
            Row::new(owner(&peer), 2)
        );
        memory.store(control + 192, 0, 4);
        peer.succeed();
    }
}

/// Another layout comes in force, as a peer may put one there, between a claim's look at the schema and the row that it takes.
#[test]
fn a_row_that_c_takes_and_can_not_write_is_cleared_and_counted() {
    // Of one row and the template, three times.
    const ROOMS: usize = 3 * 2 * 64;
    for program in programs() {
        let guard = Guard::new();
        let table = table(&guard, 1, OnDeath::Keep);
        acts(PEER, "claim and die", &guard.arg(), 7).finish();
        until("the death is noted", || {
            table.look().unwrap().any(|row| row.life() == RowLife::Dead)
        });
        let memory = guard.memory();
        let control = memory.len() - 320;
        let word = |at: usize| u64::from_ne_bytes(memory.read(at, 8).try_into().unwrap());
        assert_eq!(word(0), 7);
        let room = word(control + 24) as usize;
        let own = ROOMS + 2 * room;
        let pause = "SHM_PAUSE=row: taken";
        let claim = [pause, program, "claim and release", &guard.arg(), "1"];
        let mut peer = Peer::start("env", claim);
        until("it has taken the row", || word(own) >> 32 & 7 == 1);
        let (seq, state) = (
            word(control + 128),
            word(control + 136) & u64::from(u32::MAX),
        );
        let mut other = memory.read(ROOMS, room);
        other[0] ^= 1;
        memory.write(ROOMS + room, &other);
        memory.store(control + 136, state + (1 << 8), 4);
        until("it goes on", || {
            peer.go_on();
            peer.has_ended()
        });
        let said = peer.finish().1;
        assert!(said.contains(": -7 "), "{said}");
        assert_eq!(
            memory.read(0, 64),
            [0; 64],
            "nothing of the dead one is left"
        );
        assert_eq!(word(control + 128), seq + 2, "the row is free: that counts");
        memory.store(control + 136, state, 4);
        assert_eq!(table.rows().count(), 0);
    }
}

#[test]
fn tables_in_files_have_rows_of_c_too() {
    let home = Home::file(Folder::in_memory());
    let mut options = SharedTable::<Row>::options();
    let table = options.rows(2).create_new(home.place()).unwrap();
    for program in programs() {
        sits_dies_and_is_reaped(&table, acts(program, "sit", &home.arg(), 3), 3);
    }
    table.remove().unwrap();
}

/// As after a restart of the machine.
#[test]
fn a_table_in_a_file_of_another_life_is_empty_for_c() {
    for program in programs() {
        let home = Home::file(Folder::in_memory());
        let mut options = SharedTable::<Row>::options();
        let table = options.rows(2).create_new(home.place()).unwrap();
        let seats = [1, 2].map(|owner| table.claim(Row::new(owner, 1)).unwrap());
        std::mem::forget((table, seats));
        let mut bytes = std::fs::read(home.path()).unwrap();
        let life = bytes.len() - 320 + 80;
        bytes[life] ^= 1;
        let other = home.folder().file("other");
        std::fs::write(&other, bytes).unwrap();
        let place = format!("file:{}", other.display());
        let all = acts(program, "claim all", &place, 1).succeed();
        assert_eq!(all, "2\n");
    }
}

/// Each value that is shown is one commit of an owner that there was.
fn look(view: &TableView<Row>, owners: &[u64]) {
    for row in view.rows() {
        let row = row.get().unwrap();
        assert!(row.is_whole() && owners.contains(&row.owner), "{row:?}");
    }
}

#[test]
fn a_death_in_c_at_any_step_of_a_row_loses_no_row_and_touches_no_other() {
    const MORTAL: u64 = 70;
    const DEAD: u64 = 80;
    const OWN: u64 = 90;
    let header = row_header();
    let mut steps: Vec<_> = header
        .split("SHMBOX_STOP(\"")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap().to_owned())
        .filter(|step| {
            ["row:", "commit:", "repair:"]
                .iter()
                .any(|kind| step.starts_with(kind))
        })
        .collect();
    steps.sort();
    steps.dedup();
    let program = &programs()[0];
    let mut deaths = 0;
    let mut reached = std::collections::BTreeSet::new();
    for (action, on_death) in [
        ("claim and release", OnDeath::Keep),
        ("claim all", OnDeath::Keep),
        ("look", OnDeath::Keep),
        ("look", OnDeath::Free),
    ] {
        reached.extend(at_each_stop(&steps, |Stop { point, pass }| {
            let guard = Guard::new();
            let table = table(&guard, 3, on_death);
            let seat = table.claim(Row::new(OWN, 1)).unwrap();
            acts(PEER, "claim and die", &guard.arg(), DEAD).finish();
            let output = Command::new(program)
                .args([action, &guard.arg(), &MORTAL.to_string()])
                .env("SHM_STOP", format!("{pass} {point}"))
                .output()
                .unwrap();
            let died = output.status.code().is_none();
            assert!(died || output.status.success(), "{output:?}");
            deaths += u32::from(died);

            look(&table, &[MORTAL, DEAD, OWN]);
            let lives: Vec<_> = table.look().unwrap().map(|row| row.life()).collect();
            let living = lives.iter().filter(|life| **life == RowLife::Live);
            assert_eq!(living.count(), 1, "{point}: {lives:?}");
            assert_eq!(table.get(seat.id()).unwrap(), Row::new(OWN, 1));
            // All rows but this process's own are to be had, each once.
            let seats = [10, 11].map(|count| table.claim(Row::new(OWN, count)).unwrap());
            let full = table.claim(Row::new(OWN, 99)).unwrap_err();
            assert_eq!(full.kind(), ErrorKind::Full, "{full}");
            for (count, seat) in (10..).zip(&seats) {
                assert_eq!(table.get(seat.id()).unwrap(), Row::new(OWN, count));
            }
            died
        }));
    }
    println!("{deaths} deaths");
    let missed: Vec<_> = steps
        .iter()
        .filter(|step| step.starts_with("row:") && !reached.contains(*step))
        .collect();
    assert!(missed.is_empty(), "never reached: {missed:?}");
}

/// More processes than rows, in C and in Rust, claim, write, release and look; one after another is killed. With `SHM_FULL`: 2,000
/// of them, beside 2,000,000 reads.
#[test]
fn kills_at_random_among_c_and_rust_lose_no_row_and_tear_none() {
    const OWN: u64 = 7;
    let full = std::env::var_os("SHM_FULL").is_some();
    let (kills, least) = if full { (2000, 2_000_000) } else { (20, 5_000) };
    let guard = Guard::new();
    let table = table(&guard, 4, OnDeath::Keep);
    let mut seat = table.claim(Row::new(OWN, 0)).unwrap();
    let programs: Vec<_> = programs()
        .iter()
        .map(String::as_str)
        .chain([PEER])
        .collect();
    let mut commits = 0;
    let churns = |which: usize| acts(programs[which % programs.len()], "churn", &guard.arg(), 0);
    let mut peers: Vec<Peer> = (0..5).map(churns).collect();
    let (mut reads, mut killed, mut number) = (0_u64, 0, 1_u64);
    while killed < kills || reads < least {
        number = number
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        let until = Instant::now() + Duration::from_micros(number >> 53);
        while Instant::now() < until {
            for row in table.rows() {
                match row.get() {
                    Ok(value) => {
                        assert!(value.is_whole(), "torn: {value:?}");
                        let owner = u64::from(row.owner().unwrap());
                        assert!([owner, OWN].contains(&value.owner), "{owner} has {value:?}");
                        reads += 1;
                    }
                    Err(error) => assert_eq!(error.kind(), ErrorKind::Stale, "{error}"),
                }
            }
            commits += 1;
            seat.set(Row::new(OWN, commits)).unwrap();
        }
        let victim = (number >> 33) as usize % peers.len();
        if peers[victim].has_ended() {
            panic!("it ended by itself: {:?}", peers[victim].finish());
        }
        peers[victim].kill();
        peers[victim] = churns((number >> 40) as usize);
        killed += 1;
        assert_eq!(
            seat.get().unwrap(),
            Row::new(OWN, commits),
            "a commit was lost"
        );
    }
    drop(peers);
    println!("{killed} kills, {reads} rows read");
    let mut seats = Vec::new();
    until("all rows but one are to be had", || {
        seats.extend(table.claim(Row::new(OWN, 2)).ok());
        seats.len() == 3
    });
    assert_eq!(
        table.claim(Row::new(OWN, 3)).unwrap_err().kind(),
        ErrorKind::Full
    );
    assert_eq!(table.rows().count(), 4);
}

// Of 32 bits, x86 lays a `u64` behind a byte where no processor counts in it.
#[cfg(target_pointer_width = "64")]
mod counted {
    use super::*;
    use shm_core::{CHeader, SharedLayout, field};
    use shm_tests::Python;

    /// A row with counters.
    #[derive(SharedLayout, Clone, Copy, Debug)]
    #[repr(C)]
    pub(super) struct Counted {
        // Padding behind it.
        tag: u8,
        #[shared(counter)]
        pub(super) served: u64,
        #[shared(counter)]
        lanes: [u64; 2],
        job: u32,
    }

    pub(super) const FIRST: Counted = Counted {
        tag: 3,
        served: 0,
        lanes: [0; 2],
        job: 4,
    };

    fn programs() -> Vec<String> {
        let header = CHeader::of::<Counted>().table().to_string();
        let build = |compiler: &Compiler| {
            let define = ["-D_DEFAULT_SOURCE"];
            compiler.compile_with_header(OUT, "counted.c", ("counted.h", &header), &define)
        };
        let built = Compiler::widths().into_iter().map(build);
        built.map(|path| path.display().to_string()).collect()
    }

    fn total(table: &TableView<Counted>) -> u64 {
        table.total(field!(Counted.served)).unwrap()
    }

    fn table(guard: &Guard) -> SharedTable<Counted> {
        let mut options = SharedTable::<Counted>::options();
        options.rows(2).remove_on_drop(true);
        options.create_new(guard.key()).unwrap()
    }

    #[test]
    fn what_c_counts_is_in_the_total_of_rust_whatever_step_it_dies_at() {
        let header = CHeader::of::<Counted>().table().to_string();
        let steps = [
            "counted",
            "row: taken",
            "row: bases noted",
            "row: filled",
            "row: hidden",
            "row: cleared",
            "commit: odd",
            "none",
        ];
        for program in programs() {
            let guard = Guard::new();
            let table = table(&guard);
            let mut counted = 0;
            for step in steps {
                assert!(
                    header.contains(&format!("\"{step}\"")) || ["counted", "none"].contains(&step)
                );
                let run = Command::new(&program)
                    .args(["count", &guard.arg()])
                    .env("SHM_STOP", format!("1 {step}"))
                    .output()
                    .unwrap();
                assert_eq!(run.status.success(), step == "none", "{step}: {run:?}");
                counted += match step {
                    "counted" | "commit: odd" => 5,
                    "row: hidden" | "row: cleared" | "none" => 8,
                    _ => 0,
                };
                assert_eq!(total(&table), counted, "{step}");
                // The next owner begins anew.
                let mut seat = table.claim(FIRST).unwrap();
                assert_eq!(seat.get().unwrap().served, 0);
                assert_eq!(seat.fetch_add(field!(Counted.served), 1).unwrap(), 0);
                counted += 1;
            }
            assert_eq!(table.total(field!(Counted.lanes[1])).unwrap(), 6);
        }
    }

    /// Killed at random: each addition that was made is in the total once.
    #[test]
    fn no_count_of_c_and_rust_is_lost_or_counted_twice_by_kills() {
        let rounds = if std::env::var_os("SHM_FULL").is_some() {
            500
        } else {
            6
        };
        for program in programs() {
            let guard = Guard::new();
            let table = table(&guard);
            let folder = Folder::in_memory();
            let journal = folder.file("journal");
            let (mut begun, mut made, mut own) = (0, 0, 0);
            let mut seat = table.claim(FIRST).unwrap();
            for round in 0..rounds {
                std::fs::write(&journal, [0; 16]).unwrap();
                let path = journal.to_str().unwrap();
                let mut peer = Peer::start(&program, ["count", &guard.arg(), path]);
                until("it counts", || total(&table) > begun + own);
                for _ in 0..1000 + round * 7 % 1000 {
                    seat.fetch_add(field!(Counted.served), 1).unwrap();
                    own += 1;
                }
                peer.kill();
                let (_, said) = peer.finish();
                assert_eq!(said, "");
                let words = std::fs::read(&journal).unwrap();
                let word = |at: usize| u64::from_ne_bytes(words[at..at + 8].try_into().unwrap());
                begun += word(0);
                made += word(8);
            }
            let total = total(&table);
            assert!(
                (made + own..=begun + own).contains(&total),
                "{made}..={begun} + {own}: {total}"
            );
            assert!(begun - made <= rounds && made > 0);
            assert_eq!(seat.get().unwrap().served, own);
        }
    }

    #[test]
    fn c_refuses_a_table_that_counts_elsewhere() {
        /// The same layout without counters.
        #[derive(SharedLayout, Clone, Copy)]
        #[repr(C)]
        #[shared(name = "Counted")]
        struct Plain {
            tag: u8,
            served: u64,
            lanes: [u64; 2],
            job: u32,
        }
        let guard = Guard::new();
        let mut options = SharedTable::<Plain>::options();
        options.rows(2).remove_on_drop(true);
        let _table = options.create_new(guard.key()).unwrap();
        for program in programs() {
            Peer::start(&program, ["refused", &guard.arg()]).succeed();
        }
    }

    /// Each word that Python reads of a table, at the borders of what it may hold: another value or a refusal in words, and no
    /// access outside.
    #[test]
    fn hostile_words_in_a_table_end_no_process_in_python() {
        let test = "hostile_words_in_a_table_end_no_process_in_python";
        let Some(python) = Python::find_for_tables(test, OUT) else {
            return;
        };
        python.write("counted", &Counted::python_module());
        let guard = Guard::new();
        let table = table(&guard);
        let _seat = table.claim(FIRST).unwrap();
        let said = python.run(HOSTILE, &[&guard.arg()]);
        println!("{said}");
        let figures: Vec<u32> = said
            .split(' ')
            .filter_map(|word| word.parse().ok())
            .collect();
        let [read, refused] = figures[..] else {
            panic!("{said}")
        };
        assert!(read > 100 && refused > 100, "{said}");
    }

    /// Writes to the table of the key, and reads it after each store.
    const HOSTILE: &str = "import ctypes, struct, sys, counted
key = int(sys.argv[1], 16)
libc = counted._libc()
base = libc.shmat(libc.shmget(key, 0, 0), None, 0)
reader = counted._TableReader(key, None, 0)
control, rooms, room, rows = reader._control - reader._base, reader._rooms - reader._base, reader._room, reader._rows
capacity, words = reader._capacity, rooms + 2 * room
reader.close()
size = control + 320
borders = [0, 1, 2, 3, 7, 8, rows, rows + 1, 63, 64, 65, 1022, 1023, capacity - 1, capacity, capacity + 1, size]
borders += [room - 32, room - 31, (1 << 20) + 1, (1 << 31) - 1, 1 << 31, 1 << 32, 1 << 63, (1 << 64) - 64, (1 << 64) - 1]
read = refused = 0

def tries(at, fill, values):
    global read, refused
    before = ctypes.string_at(base + at, struct.calcsize(fill))
    for value in values:
        word = struct.pack(fill, value & (1 << 8 * len(before)) - 1)
        ctypes.memmove(base + at, word, len(word))
        try:
            with counted.open_table(key, timeout=0.0) as table:
                for row in table:
                    repr(row)
            read += 1
        except counted.ShmboxError as error:
            str(error)
            refused += 1
    ctypes.memmove(base + at, before, len(before))

for at in (8, 12, 40, 44, 136):
    tries(control + at, '=I', borders)
for at in (0, 16, 24, 128):
    tries(control + at, '=Q', borders)
for row in range(rows):
    own = ctypes.c_uint64.from_address(base + words + 64 * row).value
    for at in range(0, 48, 8):
        # Of all lives, and of each of them.
        lives = [own & ~(7 << 32) | life << 32 for life in range(8)] if at == 0 else []
        tries(words + 64 * row + at, '=Q', borders + lives)
for at in (0, 8, 16):
    tries(rooms + at, '=Q', borders)
# A later version's form, each byte of which is looked at: the head, the name, and what is behind it.
ctypes.c_uint64.from_address(base + rooms).value ^= 1
form = rooms + 32
name = ctypes.c_uint8.from_address(base + form + 3).value
ctypes.c_uint32.from_address(base + form + 4 + name).value = 2
tries(rooms + 8, '=Q', borders)
tries(rooms + 16, '=Q', borders + list(range(32 + 4 + name + 28)))
for at in range(4 + name + 32):
    tries(form + at, '=B', (0, 1, 0x22, 0x7f, 0xff))
print(read, 'read', refused, 'refused')
";

    #[test]
    fn python_reads_rows_of_the_living_and_the_dead_and_what_they_have_counted() {
        let test = "python_reads_rows_of_the_living_and_the_dead_and_what_they_have_counted";
        let Some(python) = Python::find_for_tables(test, OUT) else {
            return;
        };
        python.write("counted", &Counted::python_module());
        python.write("row", &Row::python_module());
        let program = "import sys, counted, row\n\
            key = int(sys.argv[2], 16)\n\
            if sys.argv[1] == 'refused':\n    \
                for opens in (lambda at: row.open(at, read_only=True), row.open_table):\n        \
                    try:\n            \
                        opens(key)\n        \
                    except row.ShmboxError as error:\n            \
                        print(str(error).split(': ', 1)[1])\n    \
                sys.exit()\n\
            module = counted if sys.argv[1] == 'counted' else row\n\
            with module.open_table(key) as table:\n    \
                print(len(table))\n    \
                for found in table:\n        \
                    print(found.index, found.id, found.life, found.owner, found.version, found.value.to_dict())\n";
        let guard = Guard::new();
        let counting = table(&guard);
        let mut seat = counting.claim(FIRST).unwrap();
        seat.fetch_add(field!(Counted.served), 7).unwrap();
        drop(seat);
        let mut seat = counting.claim(FIRST).unwrap();
        seat.fetch_add(field!(Counted.lanes[1]), 5).unwrap();
        let own = std::process::id();
        let said = python.run(program, &["counted", &guard.arg()]);
        let version = counting.rows().next().unwrap().version();
        let fields = "{'tag': 3, 'served': 0, 'lanes': [0, 5], 'job': 4}";
        assert_eq!(said, format!("2\n0 2 live {own} {version} {fields}\n"));

        let guard = Guard::new();
        let rows = super::table(&guard, 3, OnDeath::Keep);
        let mut peer = acts(PEER, "sit", &guard.arg(), 1);
        peer.line();
        let pid = peer.pid();
        peer.kill();
        drop(peer);
        until("it is dead", || {
            rows.look().unwrap().any(|row| row.life() == RowLife::Dead)
        });
        let said = python.run(program, &["row", &guard.arg()]);
        let begin = format!("3\n0 1 dead {pid} 2 {{'owner': {pid}, 'count': 1,");
        assert!(said.starts_with(&begin), "{said}");

        let said = python.run(program, &["refused", &guard.arg()]);
        let table = "it holds a table of rows, and no single value: open it with `open_table`\n";
        assert_eq!(said, table);
        let guard = Guard::new();
        let _shared = SharedBox::create_new(guard.key(), Row::new(1, 1)).unwrap();
        guard.memory();
        let said = python.run(program, &["refused", &guard.arg()]);
        let value = "it holds a single value, and no table of rows: open it with `open`\n";
        assert_eq!(said, value);
    }
}
