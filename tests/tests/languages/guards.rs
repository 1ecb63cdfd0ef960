//! Guards that C programs use (a semaphore, a mutex among the fields), held by Rust and by C in turn, also by those that are
//! killed while they hold one.

use std::sync::Mutex;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

use shm_core::sysv::{Kind, Mode, sem};
use shm_core::{
    Error, ErrorKind, Guard as Lock, GuardedBox, GuardedTable, HolderState, Key, Opaque, RawBox,
    RawTable, SemGuard, SharedLayout, field,
};
use shm_tests::{Compiler, Guard, Guarded, MutexBytes, Peer, ROOM, guarded};

/// Beyond which something hangs.
const LONG: Duration = Duration::from_secs(60);

/// What no test waits for.
const SHORT: Duration = Duration::from_millis(50);

/// A segment, and the semaphore set of the same key.
struct World {
    guard: Guard,
    kind: &'static str,
}

impl World {
    /// As the C program initialises it.
    fn new(kind: &'static str) -> World {
        let world = World {
            guard: Guard::new(),
            kind,
        };
        world.c(None, &["init"]).expect("ready");
        world
    }

    fn c(&self, compiler: Option<&Compiler>, what: &[&str]) -> Peer {
        let compiler = compiler.unwrap_or(Compiler::widths()[0]);
        let out = env!("CARGO_TARGET_TMPDIR");
        let defines = ["-D_XOPEN_SOURCE=700", "-pthread"];
        let program = compiler.compile_with_header(out, "guarded.c", ("none.h", ""), &defines);
        self.start(program.to_str().unwrap(), what)
    }

    fn rust(&self, what: &[&str]) -> Peer {
        self.start(env!("CARGO_BIN_EXE_guarded"), what)
    }

    fn start(&self, program: &str, what: &[&str]) -> Peer {
        let key = self.guard.arg();
        Peer::start(
            program,
            [&*key, self.kind].into_iter().chain(what.iter().copied()),
        )
    }

    /// A process that holds the guard.
    fn hold(&self, by_c: bool) -> Peer {
        let what = ["hold"];
        let mut holder = if by_c {
            self.c(None, &what)
        } else {
            self.rust(&what)
        };
        holder.expect("held");
        holder
    }

    fn open(&self, limit: Duration) -> GuardedBox<Guarded> {
        guarded(self.guard.key(), self.kind, limit).unwrap()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Ok(set) = find(self.guard.key()) {
            let _ = sem::remove(set);
        }
    }
}

fn find(key: Key) -> Result<sem::Id, shm_core::sysv::Error> {
    sem::get(key, 0, sem::GetFlags::NONE, Mode::new(0))
}

#[test]
fn no_count_is_lost_between_rust_and_c_of_each_width() {
    let wide = Compiler::widths();
    for (kind, compilers) in [
        ("sem", &wide[..]),
        ("robust", &wide[..1]),
        ("plain", &wide[..1]),
    ] {
        for compiler in compilers {
            let world = World::new(kind);
            let times = 20_000;
            let text = times.to_string();
            let mut all = [
                world.c(Some(compiler), &["count", "0", &text]),
                world.c(None, &["count", "1", &text]),
                world.rust(&["count", "2", &text]),
                world.rust(&["count", "3", &text]),
            ];
            all.iter_mut().for_each(|peer| peer.expect("done"));
            let value = world.open(LONG).get().unwrap();
            assert_eq!(value.rows, [times; 4], "{kind} {compiler}");
            assert_eq!(value.total, 4 * times, "{kind} {compiler}");
            println!(
                "{kind}, {compiler} and Rust: {} counts, none lost",
                value.total
            );
        }
    }
}

/// Each raises its row, and then the total: of both no more is missing than was killed in between.
#[test]
fn no_count_is_lost_where_holders_kill_each_other() {
    const KILLS: usize = 40;
    for kind in ["sem", "robust"] {
        let world = World::new(kind);
        let counts = |row: usize| {
            let what = ["count", ["0", "1", "2", "3"][row], "1000000000"];
            if row < 2 {
                world.c(None, &what)
            } else {
                world.rust(&what)
            }
        };
        let mut all = [0, 1, 2, 3].map(counts);
        let shared = world.open(LONG);
        let total = || shared.get().unwrap().total;
        for kill in 0..KILLS {
            let (before, start) = (total(), Instant::now());
            while total() < before + 20 * (1 + kill as i32 % 7) {
                assert!(start.elapsed() < LONG, "{kind}: nobody counts");
            }
            let row = kill % 4;
            all[row].kill();
            all[row].finish();
            all[row] = counts(row);
        }
        all.iter_mut().for_each(|peer| {
            peer.kill();
            peer.finish();
        });
        let value = shared.get().unwrap();
        let lost = value.rows.iter().sum::<i32>() - value.total;
        println!(
            "{kind}: {} counts, {KILLS} killed, {lost} in between",
            value.total
        );
        assert!((0..=KILLS as i32 + 4).contains(&lost), "{kind}: {value:?}");
        assert!(value.rows.iter().all(|row| *row > 0), "{kind}: {value:?}");
    }
}

#[test]
fn a_time_limit_says_who_holds_it_and_what_that_process_does() {
    for kind in ["sem", "robust", "plain"] {
        let world = World::new(kind);
        let shared = world.open(SHORT);
        for by_c in [true, false] {
            let mut holder = world.hold(by_c);
            let busy = |state: HolderState| {
                for error in [
                    shared.get().map(drop).unwrap_err(),
                    shared.update(|value| value.total = -1).unwrap_err(),
                    shared.under(|_| ()).unwrap_err(),
                ] {
                    assert_eq!(error.kind(), ErrorKind::Busy, "{kind}: {error}");
                    let found = error.holder().unwrap();
                    assert_eq!((found.pid, found.state), (holder.pid(), state), "{kind}");
                    let text = error.to_string();
                    assert!(text.contains(&holder.pid().to_string()));
                    // Nor that a death frees a guard, which not every one is by, nor an option of another type.
                    for wrong in ["the lock is free then", "`Options::timeout`"] {
                        assert!(!text.contains(wrong), "{text}");
                    }
                }
            };
            busy(HolderState::Running);
            holder.stop();
            let start = Instant::now();
            while shared.get().unwrap_err().holder().unwrap().state != HolderState::Stopped {
                assert!(start.elapsed() < LONG);
            }
            busy(HolderState::Stopped);
            holder.go_on();
            holder.tell("");
            holder.succeed();
            assert_eq!(shared.get().unwrap().total, 0, "{kind}");
        }
    }
}

#[test]
fn what_a_killed_holder_held_is_free_or_the_limit_says_that_it_has_ended() {
    for kind in ["sem", "robust", "plain"] {
        for by_c in [true, false] {
            let world = World::new(kind);
            let mut holder = world.hold(by_c);
            holder.kill();
            holder.finish();
            if kind == "plain" {
                let error = world.open(SHORT).get().map(drop).unwrap_err();
                assert_eq!(error.holder().unwrap().state, HolderState::Gone, "{error}");
                assert!(
                    error.to_string().contains("it will not let go any more"),
                    "{error}"
                );
                continue;
            }
            // Both sides go on.
            world.open(LONG).update(|value| value.spare += 1).unwrap();
            world.c(None, &["count", "0", "1"]).expect("done");
            world.rust(&["count", "0", "1"]).expect("done");
            assert_eq!(world.open(LONG).get().unwrap().total, 2, "{kind}");
        }
    }
}

/// `Guarded` as rows behind a header: what counts in it.
#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
struct Head {
    lock: MutexBytes,
    #[shared(padding)]
    _room: [u8; ROOM - size_of::<MutexBytes>()],
    total: i32,
}

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
struct Cell {
    count: i32,
}

type Rows = GuardedTable<Head, Cell>;

fn rows(world: &World, limit: Duration) -> Result<Rows, Error> {
    let mut options = RawTable::options();
    let rows = options
        .rows_at(ROOM + 4)
        .timeout(limit)
        .open(world.guard.key())?;
    if world.kind == "sem" {
        return Ok(rows.guarded_by(SemGuard::open(world.guard.key(), 0, limit)?));
    }
    // SAFETY: the processes of a test trust each other, and use the mutex as one only.
    unsafe { rows.guarded_by_pthread(field!(Head.lock)) }
}

#[test]
fn rows_are_under_the_guard_of_the_c_program_too() {
    let wide = Compiler::widths();
    let semaphores = wide.iter().map(|compiler| ("sem", *compiler));
    for (kind, compiler) in semaphores.chain([("robust", wide[0])]) {
        let world = World::new(kind);
        let mut other = world.c(Some(compiler), &["count", "0", "20000"]);
        let table = rows(&world, LONG).unwrap();
        for _ in 0..20_000 {
            let count = |table: &RawTable<Head, Cell>| {
                let (row, total) = (table.row(1)?, field!(Head.total));
                let Cell { count } = row.get()?;
                row.set(Cell { count: count + 1 })?;
                table.store_header(total, table.load_header(total, Relaxed)? + 1, Relaxed)
            };
            table.under(count).unwrap().unwrap();
        }
        other.expect("done");
        let value = world.open(LONG).get().unwrap();
        assert_eq!(value.rows, [20_000, 20_000, 0, 0], "{kind} {compiler}");
        assert_eq!(value.total, 40_000, "{kind} {compiler}");

        let mut holder = world.hold(true);
        let table = rows(&world, SHORT).unwrap();
        let error = table.under(|_| ()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
        assert_eq!(error.holder().unwrap().pid, holder.pid());
        if kind == "sem" {
            let guard = SemGuard::open(world.guard.key(), 0, SHORT).unwrap();
            let text = guard.under(SHORT, || ()).unwrap_err().to_string();
            assert!(text.starts_with("SemGuard::under: after"), "{text}");
        }
        holder.kill();
        holder.finish();
        rows(&world, LONG).unwrap().under(|_| ()).unwrap();
    }
    // Who only reads can't take a mutex: it would fault.
    let world = World::new("robust");
    let key = world.guard.key();
    let table = RawTable::<Head, Cell>::open_read_only(key).unwrap();
    // SAFETY: as in `rows`.
    let error = unsafe { table.guarded_by_pthread(field!(Head.lock)) }.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Options, "{error}");
    // Nor who stores rows in it.
    let table = RawTable::<Head, Cell>::options()
        .rows_at(size_of::<MutexBytes>() - 4)
        .open(key);
    // SAFETY: as in `rows`.
    let error = unsafe { table.unwrap().guarded_by_pthread(field!(Head.lock)) }.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Guard, "{error}");
}

#[test]
fn a_guard_that_is_not_there_or_not_initialised_is_refused() {
    type Words = [u32; size_of::<MutexBytes>() / 4];
    let guard = Guard::new();
    let (key, raw) = (guard.key(), || {
        RawBox::<Guarded>::options()
            .create_exact(true)
            .open(guard.key())
            .unwrap()
    });
    let error = SemGuard::open(key, 0, SHORT).unwrap_err();
    assert_eq!(error.sysv().unwrap().kind(), Kind::NotFound);
    assert!(error.to_string().contains("ipcs -s"), "{error}");

    let set = sem::get(key, 2, sem::GetFlags::CREATE, Mode::new(0o600)).unwrap();
    for error in [
        SemGuard::open(key, 0, SHORT),
        SemGuard::open_id(set, 1, SHORT),
    ] {
        let error = error.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Guard);
        assert!(error.to_string().contains("sem_otime"), "{error}");
    }
    let private = SemGuard::open(Key::PRIVATE, 0, SHORT).unwrap_err();
    assert!(
        private.to_string().contains("`SemGuard::open_id`"),
        "{private}"
    );
    let error = SemGuard::open(key, 2, SHORT).unwrap_err();
    assert!(error.to_string().contains("are counted from 0"), "{error}");
    // Its creator comes to that in the meantime.
    let creator = spawn(move || {
        sleep(SHORT);
        sem::op(set, &[sem::Op::add(1, 1)]).unwrap();
    });
    let second = SemGuard::open(key, 1, LONG).unwrap();
    creator.join().unwrap();
    let shared = raw().guarded_by(second);
    shared.set(shared.get().unwrap()).unwrap();

    // In the meantime it goes.
    sem::remove(set).unwrap();
    let error = shared.update(|value| value.total = 7).unwrap_err();
    assert_eq!(error.sysv().unwrap().kind(), Kind::Removed, "{error}");
    assert_eq!(raw().load(field!(Guarded.total), Relaxed).unwrap(), 0);

    // SAFETY: no process uses it.
    let error = unsafe { raw().guarded_by_pthread(field!(Guarded.lock)) }.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Guard);
    assert!(
        error.to_string().contains("PTHREAD_PROCESS_SHARED"),
        "{error}"
    );
    let bytes = RawBox::<[u64; 8]>::open(key).unwrap();
    // SAFETY: no process uses it.
    let error = unsafe {
        bytes.guarded_by_pthread(shm_core::Field::<[u64; 8], Words>::__new(0, |all| {
            std::array::from_fn(|at| all[at] as u32)
        }))
    };
    assert!(
        error
            .unwrap_err()
            .to_string()
            .contains("declare its field as `Opaque`")
    );
    guard.ipcrm();
}

#[test]
fn who_makes_a_guard_first_makes_it_free_and_once() {
    let guard = Guard::new();
    let key = guard.key();
    let all: Vec<_> = (0..8)
        .map(|_| spawn(move || SemGuard::open_or_create(key, 0o600, LONG).unwrap().id()))
        .collect();
    let ids: Vec<_> = all.into_iter().map(|made| made.join().unwrap()).collect();
    let stat = sem::stat(ids[0]).unwrap();
    assert!(ids.iter().all(|id| *id == ids[0]));
    assert!(stat.otime.is_some());
    assert_eq!(sem::values(ids[0]).unwrap(), [1]);
    sem::remove(ids[0]).unwrap();
}

#[test]
fn a_child_that_is_born_under_a_guard_stores_nothing_and_lets_nothing_go() {
    for kind in ["sem", "robust", "plain"] {
        let world = World::new(kind);
        let mut parent = world.rust(&["fork"]);
        parent.expect("42");
        parent.succeed();
        let holder = world.hold(true);
        let error = world.open(SHORT).get().map(drop).unwrap_err();
        assert_eq!(
            error.holder().unwrap().pid,
            holder.pid(),
            "{kind}: it is free once"
        );
    }
}

#[test]
fn a_pair_of_closures_is_called_around_each_access_also_if_that_panics() {
    static CALLS: Mutex<Vec<&str>> = Mutex::new(Vec::new());
    let log = |what| CALLS.lock().unwrap().push(what);
    let guard = Guard::new();
    let raw = RawBox::<Guarded>::options()
        .create_exact(true)
        .open(guard.key())
        .unwrap();
    let refusing = Mutex::new(false);
    let shared = raw.guarded_by(Lock::pair(
        move |limit| {
            assert_eq!(limit, Duration::from_secs(5));
            let mut refuses = refusing.lock().unwrap();
            *refuses = !*refuses;
            match *refuses {
                true => {
                    log("lock");
                    Ok(())
                }
                false => Err(std::io::Error::other("not today")),
            }
        },
        move || log("unlock"),
    ));
    let panics = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        shared.update(|value| {
            value.total = 7;
            panic!("as a test may")
        })
    }));
    assert!(panics.is_err());
    let error = shared.set(Guarded {
        total: 9,
        ..shared_zero()
    });
    let error = error.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Guard);
    assert!(error.to_string().contains("not today"), "{error}");
    assert_eq!(shared.get().unwrap().total, 0);
    assert_eq!(*CALLS.lock().unwrap(), ["lock", "unlock", "lock", "unlock"]);
    drop(shared);
    guard.ipcrm();
}

fn shared_zero() -> Guarded {
    Guarded {
        lock: Opaque::default(),
        _room: [0; ROOM - size_of::<MutexBytes>()],
        total: 0,
        rows: [0; 4],
        spare: 0,
    }
}
