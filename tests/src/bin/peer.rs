//! The other process of the tests: does one thing to one segment, and says what came of it, line by
//! line.

use std::error::Error;
use std::io::{Read, Write, stderr, stdin};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Gid, Uid, fork, setgid, setgroups, setuid};
use shm_core::sysv::{self, sem, shm};
use shm_core::{FixedStr, Key, Place, RawBox, SharedBox, SharedLayout, SharedView, field};
use shm_tests::{Ledger, Memory, NOBODY, own_ipc_namespace, semaphores, slots, table_act};

/// What `python.rs` shares with its modules.
#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
struct StPid {
    pid: i32,
    names: FixedStr<51>,
}

type Outcome = Result<(), Box<dyn Error>>;

fn main() -> Outcome {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if let ["--user", user, ..] = arguments[..] {
        let user = user.parse()?;
        setgroups(&[])?;
        setgid(Gid::from_raw(user))?;
        setuid(Uid::from_raw(user))?;
        arguments.drain(..2);
    }
    match arguments[..] {
        ["table", action, key, number] => table_act(action, &parse(key)?, number.parse()?),
        ["count", key, times] => count(&parse(key)?, times.parse()?),
        ["count-ledger", key, times] => count_ledger(&parse(key)?, times.parse()?),
        ["watch-ledger", key, last] => watch_ledger(&parse(key)?, last.parse()?),
        ["create", key] => create(&parse(key)?),
        ["hold-lock", key] => hold_lock::<u64>(&parse(key)?),
        ["hold-lock", key, "st_pid"] => hold_lock::<StPid>(&parse(key)?),
        ["hold-update", key] => hold_update(&parse(key)?),
        ["write-for-ever", key, "64"] => write_for_ever::<[u64; 8]>(&parse(key)?, |n| [n; 8]),
        ["write-for-ever", key, "65536"] => {
            write_for_ever::<[u64; 8192]>(&parse(key)?, |n| [n; 8192])
        }
        ["read", key, "64", "box", times] => {
            let shared = SharedBox::<[u64; 8]>::open(&parse(key)?)?;
            read(times.parse()?, [0; 8], |value| Ok(shared.read_into(value)?))
        }
        ["read", key, "64", "view", times] => {
            let view = SharedView::<[u64; 8]>::open(&parse(key)?)?;
            read(times.parse()?, [0; 8], |value| Ok(view.read_into(value)?))
        }
        ["read", key, "65536", "box", times] => {
            let shared = SharedBox::<[u64; 8192]>::open(&parse(key)?)?;
            read(times.parse()?, [0; 8192], |value| {
                Ok(shared.read_into(value)?)
            })
        }
        ["read", key, "65536", "view", times] => {
            let view = SharedView::<[u64; 8192]>::open(&parse(key)?)?;
            read(
                times.parse()?,
                [0; 8192],
                |value| Ok(view.read_into(value)?),
            )
        }
        ["wait", key, "box"] => {
            let shared = SharedBox::<u64>::open(&parse(key)?)?;
            let version = shared.version();
            println!("waiting");
            say(shared.wait(version).map(|seen| seen.value))
        }
        ["wait", key, "view"] => {
            let view = SharedView::<u64>::open(&parse(key)?)?;
            let version = view.version();
            println!("waiting");
            say(view.wait(version).map(|seen| seen.value))
        }
        ["open", key] => say(SharedBox::<u64>::open(&parse(key)?).and_then(|shared| shared.get())),
        ["view", key] => say(SharedView::<u64>::open(&parse(key)?).and_then(|view| view.get())),
        ["remove", key] => say(shm_core::remove(&parse(key)?).map(|()| 0)),
        ["raw", key] => say(RawBox::<u64>::open(&parse(key)?).and_then(|raw| raw.get())),
        ["raw-view", key] => {
            say(RawBox::<u64>::open_read_only(&parse(key)?).and_then(|raw| raw.get()))
        }
        ["try-view", key, limit] => {
            let limit = Duration::from_millis(limit.parse()?);
            let mut options = SharedBox::<u64>::options();
            let view = options.timeout(limit).open_read_only(&parse(key)?);
            say(view.and_then(|view| view.get()))
        }
        ["attach", id] => {
            let _memory = Memory::attach(shm::Id::from_raw(id.parse()?));
            println!("attached");
            stdin().read_line(&mut String::new())?;
            Ok(())
        }
        ["claim", set] => {
            sem::op(sem::Id::from_raw(set.parse()?), &[sem::Op::add(0, 1)])?;
            println!("claimed");
            stdin().read_line(&mut String::new())?;
            Ok(())
        }
        ["make", key, mode] => {
            let mode = u32::from_str_radix(mode, 8)?;
            SharedBox::<u64>::options()
                .mode(mode)
                .create_new(&parse(key)?, 7)?;
            Ok(())
        }
        ["add-by-id", id] => {
            let id = shm::Id::from_raw(id.parse()?);
            SharedBox::<u64>::open(id)?.update(|n| *n += 1)?;
            say(SharedView::<u64>::open(id)?.get())
        }
        ["create-rounds"] => create_rounds(|own| [own; 512], |value| value[0]),
        ["create-ledgers"] => create_rounds(Ledger::new, |ledger| ledger.number()),
        ["churn", key, times] => churn(&parse(key)?, times.parse()?),
        ["try-set", key, limit] => {
            let limit = Duration::from_millis(limit.parse()?);
            let shared = SharedBox::<u64>::options()
                .timeout(limit)
                .open(&parse(key)?)?;
            say(shared.set(9).and_then(|_| shared.get()))
        }
        ["hold-lock-in-thread", key] => hold_lock_in_thread(&parse(key)?),
        ["exec-with-lock", key] => exec_with_lock(&parse(key)?),
        ["after-exec", key] => after_exec(&parse(key)?),
        ["leave-and-write", key, times] => leave_and_write(&parse(key)?, times.parse()?),
        ["without-undo", key, errno] => without_undo(&parse(key)?, errno.parse()?),
        ["exec-without-undo", errno, program, ref rest @ ..] => {
            exec_without_undo(errno.parse()?, program, rest)
        }
        ["exec-without", call, errno, program, ref rest @ ..] => {
            refuse(call.parse()?, errno.parse()?)?;
            println!("filtered");
            Err(Command::new(program).args(rest).exec().into())
        }
        ["give-up-rights", key] => give_up_rights(&parse(key)?),
        ["fork-and-write", key] => fork_and_write(&parse(key)?),
        ["fork-and-claim-in-threads", key] => fork_and_claim_in_threads(&parse(key)?),
        ["costs", key] => costs(&parse(key)?),
        ["fork-and-drop", key] => fork_and_drop(&parse(key)?),
        ["fork-with-one-pid", key] => fork_with_one_pid(&parse(key)?),
        ["fork-in-update", key] => fork_in_update(&parse(key)?, |shared, f| {
            shared.update(|counter| f(&mut counter.n))
        }),
        ["fork-in-update-field", key] => fork_in_update(&parse(key)?, |shared, f| {
            shared.update_field(field!(Counter.n), f)
        }),
        ["fork-in-try-update", key] => fork_in_update(&parse(key)?, |shared, f| {
            let updated = shared.try_update(|counter| {
                f(&mut counter.n);
                Ok::<_, shm_core::Error>(())
            });
            updated.map(|seen| seen.version)
        }),
        ["fork-in-birth", key] => fork_in_birth(&parse(key)?),
        ["fork-in-upgrade", key] => fork_in_upgrade(&parse(key)?),
        ["fork-with-writer", key] => fork_with_writer(&parse(key)?),
        _ => Err(format!("peer does not know {arguments:?}").into()),
    }
}

fn parse(key: &str) -> Result<Place, Box<dyn Error>> {
    Ok(key.parse()?)
}

/// Prints a value, or the error in its own words.
fn say(result: Result<u64, shm_core::Error>) -> Outcome {
    match result {
        Ok(value) => println!("{value}"),
        Err(error) => println!("{error}"),
    }
    Ok(())
}

/// Waits until the process that started this one closes its input, or dies.
fn await_end_of_input() {
    let _ = stdin().read_to_end(&mut Vec::new());
}

fn count(key: &Place, times: u64) -> Outcome {
    let shared = SharedBox::<u64>::open(key)?;
    for _ in 0..times {
        shared.update(|n| *n += 1)?;
    }
    Ok(())
}

fn count_ledger(key: &Place, times: u64) -> Outcome {
    let shared = SharedBox::<Ledger>::open(key)?;
    for _ in 0..times {
        shared.update(|ledger| *ledger = Ledger::new(ledger.number() + 1))?;
    }
    Ok(())
}

/// Reads until the last value is there; each must be whole.
fn watch_ledger(key: &Place, last: u64) -> Outcome {
    let view = SharedView::<Ledger>::open(key)?;
    let mut reads = 1;
    while view.get()?.number() != last {
        reads += 1;
    }
    println!("{reads} reads, 0 torn");
    Ok(())
}

fn create(key: &Place) -> Outcome {
    println!("ready");
    stdin().read_line(&mut String::new())?;
    let shared = SharedBox::<u64>::open_or_create(key, || u64::from(std::process::id()))?;
    println!("{} {}", shared.created(), shared.get()?);
    Ok(())
}

fn hold_lock<T: SharedLayout>(key: &Place) -> Outcome {
    let shared = SharedBox::<T>::open(key)?;
    let writer = shared.writer()?;
    println!("locked");
    await_end_of_input();
    drop(writer);
    Ok(())
}

/// For each key that it is told: opens or creates, and says whether it created and what it found.
fn create_rounds<T: SharedLayout + PartialEq>(new: fn(u64) -> T, number: fn(&T) -> u64) -> Outcome {
    let own = u64::from(std::process::id());
    println!("ready");
    for key in stdin().lines() {
        let shared = SharedBox::open_or_create(&parse(&key?)?, || new(own))?;
        let value = shared.get()?;
        check("the value is whole", value == new(number(&value)))?;
        println!("{} {}", shared.created(), number(&value));
    }
    Ok(())
}

/// Creates and removes.
fn churn(key: &Place, times: u64) -> Outcome {
    for n in 1..=times {
        let shared = SharedBox::<[u64; 512]>::open_or_create(key, || [n; 512])?;
        shared.set([n; 512])?;
        shared.remove()?;
    }
    Ok(())
}

/// The leading thread ends, and another one has the lock.
fn hold_lock_in_thread(key: &Place) -> Outcome {
    let key = key.clone();
    std::thread::spawn(move || {
        // So that it is the only one left when it says that it has the lock.
        std::thread::sleep(Duration::from_millis(20));
        let code = i32::from(hold_lock::<u64>(&key).is_err());
        std::process::exit(code);
    });
    // SAFETY: _exit(2): the bare system call ends this thread alone, and what it borrowed no other
    // else looks at.
    unsafe { libc::syscall(libc::SYS_exit, 0) };
    Err("this thread has ended".into())
}

/// Becomes another program while it has the lock.
fn exec_with_lock(key: &Place) -> Outcome {
    let shared = SharedBox::<u64>::open(key)?;
    let mut writer = shared.writer()?;
    writer.set(6)?;
    Err(Command::new(std::env::current_exe()?)
        .args(["after-exec", &key.to_string()])
        .exec()
        .into())
}

/// Does what it is told: opens the segment, writes to it, or nothing.
fn after_exec(key: &Place) -> Outcome {
    println!("another program");
    let mut shared = None;
    for line in stdin().lines() {
        match line?.as_str() {
            "open" => shared = Some(SharedBox::<u64>::open(key)?),
            _ => say(shared.as_ref().ok_or("open first")?.update(|n| *n += 1))?,
        }
        println!("done");
    }
    Ok(())
}

/// Leaves the IPC namespace, and writes until it is told that it must not: says how often it did.
fn leave_and_write(key: &Place, times: u64) -> Outcome {
    let shared = SharedBox::<[u64; 8192]>::open(key)?;
    let view = SharedView::<[u64; 8192]>::open(key)?;
    println!("open");
    stdin().read_line(&mut String::new())?;
    if !own_ipc_namespace() {
        println!("can't leave");
        return Ok(());
    }
    // A stranger's segments and semaphores, with the ids that these had.
    let stranger = SharedBox::<[u64; 8192]>::create_new(key, [0; 8192])?;
    let id = shared.id().expect("it lies in a segment");
    let mut strangers = vec![stranger.id().expect("it lies in a segment")];
    while strangers.len() < 4096 && !strangers.contains(&id) {
        let flags = shm::GetFlags::CREATE;
        strangers.push(shm::get(Key::PRIVATE, 1, flags, sysv::Mode::new(0o600))?);
    }
    println!("left");
    let base = u64::from(std::process::id()) << 32;
    let mut written = 0;
    let refusal = loop {
        match shared.set([base + written; 8192]) {
            Ok(_) if written < times => written += 1,
            Ok(_) => return Err("nothing told it".into()),
            Err(error) => break error,
        }
    };
    println!("{written}");
    println!("{refusal}");
    for result in [shared.update(|_| ()), shared.writer().map(|_| 0)] {
        println!(
            "{}",
            result
                .as_ref()
                .is_err_and(|error| error.kind() == shm_core::ErrorKind::Left)
        );
    }
    println!("{}", shared.get().is_ok() && view.get().is_ok());
    // Nothing is done to, or told of, what the old id leads to here.
    let left = |result: Result<bool, shm_core::Error>| {
        result
            .as_ref()
            .is_err_and(|error| error.kind() == shm_core::ErrorKind::Left)
    };
    println!(
        "{}",
        left(shared.remove().map(|()| true))
            && left(shared.info().map(|_| true))
            && left(view.info().map(|_| true))
            && left(shared.is_removed())
            && left(view.is_removed())
    );
    drop((shared, view));
    println!(
        "{}",
        strangers
            .iter()
            .all(|id| shm::stat(*id).is_ok_and(|stat| !stat.dest))
    );
    Ok(())
}

/// Opens the segment where `semop` fails with this errno, as in sandboxes without `SEM_UNDO`.
fn without_undo(key: &Place, errno: u32) -> Outcome {
    refuse_semop(errno)?;
    say(SharedBox::<u64>::open(key).and_then(|shared| shared.get()))?;
    say(SharedView::<u64>::open(key).and_then(|view| view.get()))
}

/// Becomes another program, in whose process `semop` fails with this errno.
fn exec_without_undo(errno: u32, program: &str, arguments: &[&str]) -> Outcome {
    refuse_semop(errno)?;
    println!("filtered");
    Err(Command::new(program).args(arguments).exec().into())
}

fn refuse_semop(errno: u32) -> Outcome {
    // Whichever of them the C library makes of it.
    #[cfg(not(target_arch = "x86"))]
    return refuse(libc::SYS_semop, errno).and_then(|()| refuse(libc::SYS_semtimedop, errno));
    // There it is one call with all others of System V's, told apart by an argument.
    #[cfg(target_arch = "x86")]
    return Err(format!("no filter for errno {errno} of one number").into());
}

/// Has the kernel answer this call with this errno.
#[cfg_attr(target_arch = "x86", allow(dead_code, reason = "see `refuse_semop`"))]
fn refuse(call: libc::c_long, errno: u32) -> Outcome {
    use libc::sock_filter;
    let statement = |code: u32, jt, jf, k| sock_filter {
        code: code as u16,
        jt,
        jf,
        k,
    };
    let mut filter = [
        // The number of the call.
        statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        statement(
            libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K,
            0,
            1,
            call as u32,
        ),
        statement(
            libc::BPF_RET | libc::BPF_K,
            0,
            0,
            libc::SECCOMP_RET_ERRNO | errno,
        ),
        statement(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog {
        len: filter.len() as u16,
        filter: filter.as_mut_ptr(),
    };
    // SAFETY: prctl(2): both calls read what they are given, a number and a program of statements
    // that lives until they return.
    let codes = unsafe {
        [
            libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0),
            libc::prctl(
                libc::PR_SET_SECCOMP,
                libc::SECCOMP_MODE_FILTER,
                &raw const program,
            ),
        ]
    };
    if codes == [0, 0] {
        Ok(())
    } else {
        Err(std::io::Error::last_os_error().into())
    }
}

/// Attaches as root, becomes another user for good, and goes on.
fn give_up_rights(key: &Place) -> Outcome {
    let shared = SharedBox::<u64>::open(key)?;
    let view = SharedView::<u64>::open(key)?;
    setgroups(&[])?;
    setgid(Gid::from_raw(NOBODY))?;
    setuid(Uid::from_raw(NOBODY))?;
    println!("ready");
    stdin().read_line(&mut String::new())?;
    let longer = Duration::from_millis(600);
    say(view.get())?;
    say(shared
        .wait_timeout(shared.version(), longer)
        .map(|seen| u64::from(seen.is_some())))?;
    say(view
        .wait_timeout(view.version(), longer)
        .map(|seen| u64::from(seen.is_some())))?;
    say(shared.set(10))?;
    say(shared.update(|n| *n += 1))?;
    say(shared.writer().and_then(|mut writer| writer.set(12)))?;
    say(shared.info().map(|stat| stat.attached))?;
    say(shared.is_removed().map(u64::from))?;
    // The owner of the lock is another process.
    println!("contend");
    stdin().read_line(&mut String::new())?;
    say(shared.set(13))?;
    // What can't be done: a child needs a claim of its own.
    // SAFETY: this process has one thread.
    match unsafe { fork() }? {
        ForkResult::Child => {
            say(shared.set(14))?;
            std::process::exit(0);
        }
        ForkResult::Parent { child } => waitpid(child, None).map(drop)?,
    }
    Ok(())
}

fn hold_update(key: &Place) -> Outcome {
    let shared = SharedBox::<u64>::open(key)?;
    shared.update(|n| {
        *n = 666;
        println!("locked");
        await_end_of_input();
    })?;
    Ok(())
}

fn write_for_ever<T: SharedLayout>(key: &Place, value: impl Fn(u64) -> T) -> Outcome {
    let shared = SharedBox::<T>::open(key)?;
    let mut writer = shared.writer()?;
    println!("writing");
    for n in writer.version() + 1.. {
        writer.set(value(n))?;
    }
    Ok(())
}

/// Reads until it has seen `times` values, and as many versions among them as show that somebody
/// wrote meanwhile.
fn read<const N: usize>(
    times: u64,
    mut value: [u64; N],
    mut read_into: impl FnMut(&mut [u64; N]) -> Result<u64, Box<dyn Error>>,
) -> Outcome {
    let (mut reads, mut changes, mut last) = (0, 0, 0);
    while reads < times || changes < 100 {
        let version = read_into(&mut value)?;
        if value.iter().any(|word| *word != version) {
            return Err(format!("version {version} is torn: {:?}…", &value[..8]).into());
        }
        if version < last {
            return Err(format!("version {version} came after {last}").into());
        }
        changes += u64::from(version > last);
        (last, reads) = (version, reads + 1);
    }
    Ok(())
}

/// Runs `child` in a forked process and reports how that ended.
fn in_child(child: impl FnOnce() -> Outcome) -> Outcome {
    // SAFETY: fork(2) limits a child to async-signal-safe functions "in a multithreaded program",
    // and this one has a single thread.
    match unsafe { fork() }? {
        ForkResult::Child => {
            let code = match child() {
                Ok(()) => 0,
                Err(error) => {
                    eprintln!("in the child: {error}");
                    1
                }
            };
            std::process::exit(code);
        }
        ForkResult::Parent { child } => match waitpid(child, None)? {
            WaitStatus::Exited(_, 0) => Ok(()),
            end => Err(format!("the child: {end:?}").into()),
        },
    }
}

fn check(what: &str, holds: bool) -> Outcome {
    if holds {
        Ok(())
    } else {
        Err(format!("not so: {what}").into())
    }
}

/// Parent and child write in turn through the box from before the fork, each with a slot of its
/// own.
fn fork_and_write(key: &Place) -> Outcome {
    let shared = SharedBox::<u64>::open_or_create(key, || 0)?;
    shared.set(1)?;
    in_child(|| {
        shared.update(|n| *n += 10)?;
        shared.update(|n| *n += 10)?;
        check("the child sees its own commits", shared.get()? == 21)
    })?;
    shared.update(|n| *n += 100)?;
    check("the parent sees the child's commits", shared.get()? == 121)
}

/// A box makes its claim when it is opened; in a child, whichever thread writes first makes one.
fn fork_and_claim_in_threads(key: &Place) -> Outcome {
    const THREADS: usize = 4;
    let shared = SharedBox::<u64>::create_new(key, 0)?;
    let set = semaphores(shared.id().expect("it lies in a segment"));
    let claimed = || slots(set).iter().filter(|value| **value != 0).count();
    for _ in 0..50 {
        in_child(|| {
            let start = std::sync::Barrier::new(THREADS);
            let write = || {
                start.wait();
                shared.update(|n| *n += 1)
            };
            std::thread::scope(|scope| {
                let threads = [(); THREADS].map(|()| scope.spawn(write));
                threads.map(|thread| thread.join().expect("no panic inside"))
            })
            .into_iter()
            .collect::<Result<Vec<_>, _>>()?;
            // Looked at while the child lives: its end would give back what it kept.
            check("parent and child have a slot each", claimed() == 2)?;
            check(
                "and the child one record",
                own_records(shared.id().expect("it lies in a segment")) == 1,
            )
        })?;
    }
    check("no update is lost", shared.get()? == 50 * THREADS as u64)
}

/// The child has the pid that its parent has, in a namespace of its own. To be run as the first process of one.
fn fork_with_one_pid(key: &Place) -> Outcome {
    let shared = SharedBox::<u64>::create_new(key, 0)?;
    let set = semaphores(shared.id().expect("it lies in a segment"));
    // SAFETY: unshare(2) takes a number.
    let apart = unsafe { libc::unshare(libc::CLONE_NEWPID) } == 0;
    check("children get a namespace of their own", apart)?;
    let own = std::process::id();
    in_child(|| {
        check("both have one pid", std::process::id() == own)?;
        shared.set(1)?;
        // Looked at while the child lives: its end would give back what it kept.
        let claimed = slots(set).iter().filter(|value| **value != 0).count();
        check("parent and child have a slot each", claimed == 2)
    })?;
    shared.update(|n| *n += 1)?;
    check("the parent sees the child's commit", shared.get()? == 2)
}

/// How many slots of a box with the usual number of them have a record of this process.
fn own_records(segment: shm::Id) -> usize {
    const SLOTS: usize = 248;
    let memory = Memory::attach(segment);
    let first = memory.len() - 320 - (SLOTS * 8).next_multiple_of(64);
    let all = memory.read(first, SLOTS * 8);
    let pid = |record: &[u8]| u32::from_ne_bytes([record[0], record[1], record[2], record[3]]);
    all.chunks(8)
        .filter(|record| pid(record) & 0x3f_ffff == std::process::id())
        .count()
}

/// Makes calls, each behind a mark that a trace of system calls shows.
fn costs(key: &Place) -> Outcome {
    let mark = |what: &str| stderr().write_all(format!("## {what}").as_bytes());
    let open = || SharedBox::<[u64; 8]>::open(key);
    let shared = SharedBox::create_new(key, [0_u64; 8])?;
    drop(open()?); // what a process does once
    mark("open")?;
    let other = open()?;
    mark("drop")?;
    drop(other);
    mark("open_read_only")?;
    let view = SharedView::<[u64; 8]>::open(key)?;
    mark("drop of a view")?;
    drop(view);
    mark("get")?;
    (0..1000).try_for_each(|_| shared.get().map(drop))?;
    mark("first writer")?;
    drop(shared.writer()?);
    mark("set")?;
    (0..100).try_for_each(|_| shared.set([7; 8]).map(drop))?;
    mark("1,024 versions")?;
    (0..1024).try_for_each(|_| shared.set([7; 8]).map(drop))?;
    mark("info")?;
    shared.info()?;
    mark("is_removed")?;
    shared.is_removed()?;
    mark("remove")?;
    shared.remove()?;
    mark("is_removed afterwards")?;
    shared.is_removed()?;
    mark("creation")?;
    let _other = SharedBox::create_new(key, [0_u64; 8])?;
    mark("shm_core::remove")?;
    shm_core::remove(key)?;
    Ok(mark("end")?)
}

/// What the child drops was its parent's: slot, segment, `remove_on_drop`.
fn fork_and_drop(key: &Place) -> Outcome {
    let shared = SharedBox::<u64>::options()
        .remove_on_drop(true)
        .create_new(key, 0)?;
    shared.set(1)?;
    let id = shared.id().expect("it lies in a segment");
    let mut shared = Some(shared);
    let set = semaphores(id);
    in_child(|| {
        drop(shared.take());
        // Looked at while the child lives: the kernel would undo what it did when it ends.
        let claimed = slots(set).iter().filter(|value| **value != 0).count();
        check("the parent's slot is still claimed", claimed == 1)
    })?;
    let Some(shared) = shared else {
        return Err("only the child took it".into());
    };
    check("the segment stays", !shared.is_removed()?)?;
    // If the child had freed the parent's slot, this lock would look like a dead process's.
    let writer = shared.writer()?;
    // Several: the pid of some ends in the bits that this one's ends in.
    for _ in 0..4 {
        in_child(|| {
            let other = SharedBox::<u64>::options()
                .timeout(Duration::from_millis(20))
                .open(key)?;
            check(
                "the child finds the lock busy",
                other
                    .set(5)
                    .is_err_and(|error| error.kind() == shm_core::ErrorKind::Busy),
            )
        })?;
    }
    drop(writer);
    check("no child committed", shared.get()? == 1)
}

/// Forks, and says how the child ended. The lock is still the parent's while the child tries.
fn fork_under_lock() {
    // SAFETY: as in `in_child`.
    if let Ok(ForkResult::Parent { child }) = unsafe { fork() } {
        let _ = waitpid(child, None).map(|end| println!("{end:?}"));
    }
}

/// What `call` gives in this process. A child that was born in it ends, and says whether it was
/// refused.
fn in_parent<R>(call: impl FnOnce() -> Result<R, shm_core::Error>) -> Result<R, Box<dyn Error>> {
    let parent = std::process::id();
    let result = call();
    if std::process::id() != parent {
        let refused = result
            .as_ref()
            .is_err_and(|error| error.kind() == shm_core::ErrorKind::Forked);
        std::process::exit(if refused { 42 } else { 1 });
    }
    Ok(result?)
}

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
struct Counter {
    n: u64,
}

/// A child that is born inside `update` returns from the closure as well, and may not commit.
fn fork_in_update(
    key: &Place,
    update: impl FnOnce(&SharedBox<Counter>, fn(&mut u64)) -> Result<u64, shm_core::Error>,
) -> Outcome {
    let shared = SharedBox::open_or_create(key, || Counter { n: 1 })?;
    in_parent(|| {
        update(&shared, |n| {
            *n += 1;
            fork_under_lock();
        })
    })?;
    check(
        "the parent's commit counts, once",
        shared.get()?.n == 2 && shared.version() == 2,
    )
}

/// The same for a child that is born while the first value is made.
fn fork_in_birth(key: &Place) -> Outcome {
    let value = || {
        fork_under_lock();
        u64::from(std::process::id())
    };
    let shared = in_parent(|| SharedBox::open_or_create(key, value))?;
    let seen = shared.snapshot()?;
    let own = (u64::from(std::process::id()), 1);
    check("the parent made it", shared.created())?;
    check("with its own value", (seen.value, seen.version) == own)
}

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
struct Early {
    number: u64,
}

#[derive(SharedLayout, Clone, Copy)]
#[shared(version = 2)]
#[repr(C)]
struct Late {
    number: u64,
    #[shared(since = 2, default = { fork_under_lock(); 7 })]
    more: u64,
}

/// The same for one that is born in a default, during an upgrade.
fn fork_in_upgrade(key: &Place) -> Outcome {
    let early = SharedBox::create_new(key, Early { number: 5 })?;
    let late = in_parent(|| SharedBox::<Late>::options().upgrade(true).open(key))?;
    check(
        "the old fields stay",
        early.get()?.number == late.get()?.number,
    )?;
    check("the parent upgraded it", late.get()?.more == 7)
}

/// The same for a `Writer` that outlives the fork.
fn fork_with_writer(key: &Place) -> Outcome {
    let shared = SharedBox::<u64>::open_or_create(key, || 1)?;
    let mut writer = Some(shared.writer()?);
    in_child(|| {
        let mut inherited = writer.take().ok_or("only the child takes it")?;
        check(
            "the child can't commit",
            inherited
                .set(9)
                .is_err_and(|error| error.kind() == shm_core::ErrorKind::Forked),
        )?;
        drop(inherited);
        let other = SharedBox::<u64>::options()
            .timeout(Duration::from_millis(100))
            .open(key)?;
        check(
            "the lock is still the parent's",
            other
                .set(9)
                .is_err_and(|error| error.kind() == shm_core::ErrorKind::Busy),
        )
    })?;
    let Some(mut writer) = writer else {
        return Err("only the child took it".into());
    };
    writer.set(2)?;
    drop(writer);
    check("the parent's commit counts", shared.get()? == 2)
}
