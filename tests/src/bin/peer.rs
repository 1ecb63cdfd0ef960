//! The other process of the tests: does one thing to one segment, and says what came of it, line by
//! line.

use std::error::Error;
use std::io::{Read, stdin};
use std::time::Duration;

use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Gid, Uid, fork, setgid, setgroups, setuid};
use shm_core::sysv::shm;
use shm_core::{Key, SharedBox, SharedLayout, SharedView};
use shm_tests::{semaphores, slots};

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
        ["count", key, times] => count(parse(key)?, times.parse()?),
        ["create", key] => create(parse(key)?),
        ["hold-lock", key] => hold_lock(parse(key)?),
        ["hold-update", key] => hold_update(parse(key)?),
        ["write-for-ever", key, "64"] => write_for_ever::<[u64; 8]>(parse(key)?, |n| [n; 8]),
        ["write-for-ever", key, "65536"] => {
            write_for_ever::<[u64; 8192]>(parse(key)?, |n| [n; 8192])
        }
        ["read", key, "64", "box", times] => {
            let shared = SharedBox::<[u64; 8]>::open(parse(key)?)?;
            read(times.parse()?, [0; 8], |value| Ok(shared.read_into(value)?))
        }
        ["read", key, "64", "view", times] => {
            let view = SharedView::<[u64; 8]>::open(parse(key)?)?;
            read(times.parse()?, [0; 8], |value| Ok(view.read_into(value)?))
        }
        ["read", key, "65536", "box", times] => {
            let shared = SharedBox::<[u64; 8192]>::open(parse(key)?)?;
            read(times.parse()?, [0; 8192], |value| {
                Ok(shared.read_into(value)?)
            })
        }
        ["read", key, "65536", "view", times] => {
            let view = SharedView::<[u64; 8192]>::open(parse(key)?)?;
            read(
                times.parse()?,
                [0; 8192],
                |value| Ok(view.read_into(value)?),
            )
        }
        ["wait", key, "box"] => {
            let shared = SharedBox::<u64>::open(parse(key)?)?;
            let version = shared.version();
            println!("waiting");
            say(shared.wait(version).map(|seen| seen.value))
        }
        ["wait", key, "view"] => {
            let view = SharedView::<u64>::open(parse(key)?)?;
            let version = view.version();
            println!("waiting");
            say(view.wait(version).map(|seen| seen.value))
        }
        ["open", key] => say(SharedBox::<u64>::open(parse(key)?).and_then(|shared| shared.get())),
        ["view", key] => say(SharedView::<u64>::open(parse(key)?).and_then(|view| view.get())),
        ["try-view", key, limit] => {
            let limit = Duration::from_millis(limit.parse()?);
            let mut options = SharedBox::<u64>::options();
            let view = options.timeout(limit).open_read_only(parse(key)?);
            say(view.and_then(|view| view.get()))
        }
        ["make", key, mode] => {
            let mode = u32::from_str_radix(mode, 8)?;
            SharedBox::<u64>::options()
                .mode(mode)
                .create_new(parse(key)?, 7)?;
            Ok(())
        }
        ["add-by-id", id] => {
            let id = shm::Id::from_raw(id.parse()?);
            SharedBox::<u64>::open_id(id)?.update(|n| *n += 1)?;
            say(SharedView::<u64>::open_id(id)?.get())
        }
        ["create-rounds"] => create_rounds(),
        ["churn", key, times] => churn(parse(key)?, times.parse()?),
        ["try-set", key, limit] => {
            let limit = Duration::from_millis(limit.parse()?);
            let shared = SharedBox::<u64>::options()
                .timeout(limit)
                .open(parse(key)?)?;
            say(shared.set(9).and_then(|_| shared.get()))
        }
        ["hold-lock-in-thread", key] => hold_lock_in_thread(parse(key)?),
        ["exec-with-lock", key] => exec_with_lock(parse(key)?),
        ["after-exec", key] => after_exec(parse(key)?),
        ["fork-and-write", key] => fork_and_write(parse(key)?),
        ["fork-and-drop", key] => fork_and_drop(parse(key)?),
        ["fork-in-update", key] => fork_in_update(parse(key)?),
        ["fork-in-birth", key] => fork_in_birth(parse(key)?),
        ["fork-in-upgrade", key] => fork_in_upgrade(parse(key)?),
        ["fork-with-writer", key] => fork_with_writer(parse(key)?),
        _ => Err(format!("peer does not know {arguments:?}").into()),
    }
}

fn parse(key: &str) -> Result<Key, Box<dyn Error>> {
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

/// Waits until whoever started this process closes its input, or dies.
fn await_end_of_input() {
    let _ = stdin().read_to_end(&mut Vec::new());
}

fn count(key: Key, times: u64) -> Outcome {
    let shared = SharedBox::<u64>::open(key)?;
    for _ in 0..times {
        shared.update(|n| *n += 1)?;
    }
    Ok(())
}

fn create(key: Key) -> Outcome {
    println!("ready");
    stdin().read_line(&mut String::new())?;
    let shared = SharedBox::<u64>::open_or_create(key, || u64::from(std::process::id()))?;
    println!("{} {}", shared.created(), shared.get()?);
    Ok(())
}

fn hold_lock(key: Key) -> Outcome {
    let shared = SharedBox::<u64>::open(key)?;
    let writer = shared.writer()?;
    println!("locked");
    await_end_of_input();
    drop(writer);
    Ok(())
}

/// For each key that it is told: opens or creates, and says whether it created and what it found.
fn create_rounds() -> Outcome {
    let own = u64::from(std::process::id());
    println!("ready");
    for key in stdin().lines() {
        let shared = SharedBox::<[u64; 512]>::open_or_create(parse(&key?)?, || [own; 512])?;
        let value = shared.get()?;
        check("the value is whole", value == [value[0]; 512])?;
        println!("{} {}", shared.created(), value[0]);
    }
    Ok(())
}

/// Creates and removes.
fn churn(key: Key, times: u64) -> Outcome {
    for n in 1..=times {
        let shared = SharedBox::<[u64; 512]>::open_or_create(key, || [n; 512])?;
        shared.set([n; 512])?;
        shared.remove()?;
    }
    Ok(())
}

/// The leading thread ends, and another one has the lock.
fn hold_lock_in_thread(key: Key) -> Outcome {
    std::thread::spawn(move || {
        // So that it is the only one left when it says that it has the lock.
        std::thread::sleep(Duration::from_millis(20));
        let code = i32::from(hold_lock(key).is_err());
        std::process::exit(code);
    });
    // SAFETY: _exit(2): the bare system call ends this thread alone, and what it borrowed nobody
    // else looks at.
    unsafe { nix::libc::syscall(nix::libc::SYS_exit, 0) };
    Err("this thread has ended".into())
}

/// Becomes another program while it has the lock.
fn exec_with_lock(key: Key) -> Outcome {
    use std::os::unix::process::CommandExt;
    let shared = SharedBox::<u64>::open(key)?;
    let mut writer = shared.writer()?;
    writer.set(6)?;
    Err(std::process::Command::new(std::env::current_exe()?)
        .args(["after-exec", &key.to_string()])
        .exec()
        .into())
}

/// Does what it is told: opens the segment, writes to it, or nothing.
fn after_exec(key: Key) -> Outcome {
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

fn hold_update(key: Key) -> Outcome {
    let shared = SharedBox::<u64>::open(key)?;
    shared.update(|n| {
        *n = 666;
        println!("locked");
        await_end_of_input();
    })?;
    Ok(())
}

fn write_for_ever<T: SharedLayout>(key: Key, value: impl Fn(u64) -> T) -> Outcome {
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
fn fork_and_write(key: Key) -> Outcome {
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

/// What the child drops was its parent's: slot, segment, `remove_on_drop`.
fn fork_and_drop(key: Key) -> Outcome {
    let shared = SharedBox::<u64>::options()
        .remove_on_drop(true)
        .create_new(key, 0)?;
    shared.set(1)?;
    let id = shared.id();
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
    in_child(|| {
        let other = SharedBox::<u64>::options()
            .timeout(Duration::from_millis(100))
            .open(key)?;
        check(
            "the child finds the lock busy",
            matches!(other.set(5), Err(shm_core::Error::Busy { .. })),
        )
    })?;
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
        let refused = matches!(result, Err(shm_core::Error::Forked { .. }));
        std::process::exit(if refused { 42 } else { 1 });
    }
    Ok(result?)
}

/// A child that is born inside `update` returns from the closure as well, and may not commit.
fn fork_in_update(key: Key) -> Outcome {
    let shared = SharedBox::<u64>::open_or_create(key, || 1)?;
    in_parent(|| {
        shared.update(|n| {
            *n += 1;
            fork_under_lock();
        })
    })?;
    check(
        "the parent's commit counts, once",
        shared.snapshot()?.value == 2 && shared.version() == 2,
    )
}

/// The same for a child that is born while the first value is made.
fn fork_in_birth(key: Key) -> Outcome {
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
fn fork_in_upgrade(key: Key) -> Outcome {
    let early = SharedBox::create_new(key, Early { number: 5 })?;
    let late = in_parent(|| SharedBox::<Late>::options().upgrade(true).open(key))?;
    check(
        "the old fields stay",
        early.get()?.number == late.get()?.number,
    )?;
    check("the parent upgraded it", late.get()?.more == 7)
}

/// The same for a `Writer` that outlives the fork.
fn fork_with_writer(key: Key) -> Outcome {
    let shared = SharedBox::<u64>::open_or_create(key, || 1)?;
    let mut writer = Some(shared.writer()?);
    in_child(|| {
        let mut inherited = writer.take().ok_or("only the child takes it")?;
        check(
            "the child can't commit",
            matches!(inherited.set(9), Err(shm_core::Error::Forked { .. })),
        )?;
        drop(inherited);
        let other = SharedBox::<u64>::options()
            .timeout(Duration::from_millis(100))
            .open(key)?;
        check(
            "the lock is still the parent's",
            matches!(other.set(9), Err(shm_core::Error::Busy { .. })),
        )
    })?;
    let Some(mut writer) = writer else {
        return Err("only the child took it".into());
    };
    writer.set(2)?;
    drop(writer);
    check("the parent's commit counts", shared.get()? == 2)
}
