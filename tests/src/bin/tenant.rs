//! A process that has a value in a file open, and does to its descriptors, locks and children what programs do.

use std::error::Error;
use std::fs::File;
use std::io::{Read, stdin};
use std::os::fd::AsRawFd;

use nix::libc;
use nix::unistd::{ForkResult, fork};
use shm_core::{ErrorKind, Place, SharedBox, SharedView};

type Outcome = Result<(), Box<dyn Error>>;

fn main() -> Outcome {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["shut", place] => shut(&place.parse()?),
        ["share-locks", path] => share_locks(path),
        ["fork-under-lock", place] => fork_under_lock(&place.parse()?),
        ["churn", place] => churn(&place.parse()?),
        ["birth", place] => birth::<8192>(&place.parse()?),
        ["look-and-set", place] => look_and_set(&place.parse()?),
        ["small-birth", place] => birth::<8>(&place.parse()?),
        ["hold-input", ..] => hold_input(),
        ["count", place] => count(&place.parse()?),
        _ => Err(format!("tenant does not know {arguments:?}").into()),
    }
}

/// Closes every descriptor but the first three under the lock, as daemons do, and goes on.
fn shut(place: &Place) -> Outcome {
    let shared = SharedBox::<u64>::open(place)?;
    let mut writer = shared.writer()?;
    // SAFETY: takes numbers. What owned these descriptors must find out that they are not its own any more: this is what is tried.
    let code = unsafe { libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, 0) };
    if code != 0 {
        println!("can't close: {}", std::io::Error::last_os_error());
        return Ok(());
    }
    // They get the numbers that were closed.
    let mut others = Vec::new();
    for _ in 0..16 {
        others.push(File::open("/dev/null")?);
    }
    println!("locked");
    for line in stdin().lines() {
        match line?.as_str() {
            "set" => println!("{}", writer.set(writer.version() + 1)?),
            _ => break,
        }
    }
    drop(writer);
    for _ in 0..2000 {
        shared.update(|n| *n += 1)?;
    }
    drop(shared);
    let open = others.iter().filter(|file| file.metadata().is_ok());
    println!("{} of 16 are open", open.count());
    Ok(())
}

/// Locks each byte that it can, as any process may that may only read.
fn share_locks(path: &str) -> Outcome {
    let file = File::open(path)?;
    let mut locked = 0;
    let slots = 0..1024;
    let others = (1_i64 << 32)..(1 << 32) + 3;
    for byte in slots.chain(others) {
        // SAFETY: the structure consists of integers, for which zeros are valid.
        let mut lock: libc::flock64 = unsafe { std::mem::zeroed() };
        lock.l_type = libc::F_RDLCK as libc::c_short;
        lock.l_whence = libc::SEEK_SET as libc::c_short;
        (lock.l_start, lock.l_len) = (byte, 1);
        let call = if cfg!(target_pointer_width = "32") {
            221 // fcntl64, which x86 and ARM give this number
        } else {
            libc::SYS_fcntl
        };
        // SAFETY: `F_OFD_SETLK(2const)` reads a `struct flock`, with offsets of 64 bits in this call, which `lock` is.
        let code =
            unsafe { libc::syscall(call, file.as_raw_fd(), libc::F_OFD_SETLK, &raw const lock) };
        locked += u32::from(code == 0);
    }
    println!("{locked}");
    let _ = stdin().read_to_end(&mut Vec::new());
    Ok(())
}

/// Forks under the lock. The child does what it is told, with the box from before; this process waits to be killed.
fn fork_under_lock(place: &Place) -> Outcome {
    let shared = SharedBox::<u64>::open(place)?;
    let mut writer = shared.writer()?;
    writer.set(6)?;
    // SAFETY: this process has one thread.
    if let ForkResult::Parent { .. } = unsafe { fork() }? {
        loop {
            std::thread::park();
        }
    }
    println!("forked");
    let mut writer = Some(writer);
    for line in stdin().lines() {
        match line?.as_str() {
            "drop writer" => {
                writer = None;
                println!("dropped");
            }
            "read" => println!("{}", shared.get()?),
            "write" => println!("{}", shared.update(|n| *n += 1)?),
            other => return Err(format!("no order {other}").into()),
        }
    }
    // As a child that ends by `_exit`.
    std::mem::forget(writer);
    Ok(())
}

/// Opens or creates, writes and removes, until it is killed. Others do so as well.
fn churn(place: &Place) -> Outcome {
    println!("begun");
    for n in 1_u64.. {
        let shared = SharedBox::<[u64; 512]>::open_or_create(place, || [n; 512])?;
        let life = || {
            let value = shared.get()?;
            assert_eq!(value, [value[0]; 512], "torn");
            shared.set([n; 512])?;
            shared.remove()
        };
        match life() {
            Err(error) if error.kind() != ErrorKind::Removed => return Err(error.into()),
            _ => {}
        }
    }
    Ok(())
}

/// Adds 1 to all words, again and again, and says each version once it stands.
fn count(place: &Place) -> Outcome {
    let shared = SharedBox::<[u64; 64]>::open(place)?;
    loop {
        let mut number = 0;
        shared.update(|words| {
            assert_eq!(*words, [words[0]; 64], "torn under the lock");
            number = words[0] + 1;
            *words = [number; 64];
        })?;
        println!("{number}");
    }
}

/// Says whether a value of so many words can be born.
fn birth<const N: usize>(place: &Place) -> Outcome {
    match SharedBox::create_new(place, [1_u64; N]) {
        Ok(_) => println!("born"),
        Err(error) => println!("{error}"),
    }
    Ok(())
}

/// Opens a view before a box, and says what the view sees of what the box sets.
fn look_and_set(place: &Place) -> Outcome {
    let mut view = match SharedView::<[u64; 8]>::open(place) {
        Ok(view) => view,
        Err(error) => {
            println!("{error}");
            return Ok(());
        }
    };
    let shared = SharedBox::<[u64; 8]>::open(place)?;
    shared.set([7; 8])?;
    if view.is_removed()? {
        view.reattach()?;
    }
    println!("{}", view.get()?[0]);
    Ok(())
}

/// Keeps the lock of the memory that its input is, until it is killed.
fn hold_input() -> Outcome {
    let shared = SharedBox::<u64>::from_fd(stdin())?;
    let mut writer = shared.writer()?;
    writer.set(writer.get()?)?;
    println!("locked");
    loop {
        std::thread::park();
    }
}
