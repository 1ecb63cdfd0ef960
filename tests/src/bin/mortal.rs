//! A process that does one thing to one segment, and dies where the environment names a stop point
//! on its way.
//!
//! Built with `--cfg shm_stop_points` by the tests that need it.

use std::error::Error;
use std::fs::File;
use std::io::stdin;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use nix::sys::signal::{Signal, raise};
use shm_core::{Place, SharedBox, SharedTable, field};
use shm_tests::family::Version;
use shm_tests::{Halves, Ledger, own_ipc_namespace, table_act, with_version};

type Outcome = Result<(), Box<dyn Error>>;

fn main() -> Outcome {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["store left", key, "64", number] => {
            let shared = SharedBox::<Halves>::open(&parse(key)?)?;
            shared.store(field!(Halves.left), [number.parse()?; 4])?;
        }
        ["set ledger", key, _, number] => {
            let shared = SharedBox::<Ledger>::open(&parse(key)?)?;
            shared.set(Ledger::new(number.parse()?))?;
        }
        ["birth ledger", key, _, number] => {
            let number = number.parse()?;
            SharedBox::open_or_create(&parse(key)?, || Ledger::new(number))?;
        }
        ["birth with slots", key, slots] => {
            let mut options = SharedBox::<[u64; 8]>::options();
            options.slots(slots.parse()?);
            options.open_or_create(&parse(key)?, || [0; 8])?;
        }
        ["hold", key, _] => return hold(&parse(key)?),
        ["leave", key, _] => return leave(&parse(key)?),
        ["stay on", key, _] => return stay_on(&parse(key)?),
        ["count", key, number, journal] => {
            return count(&parse(key)?, number.parse()?, journal);
        }
        ["upgrade", key, _, version] => {
            return with_version!(version.parse()?, upgrade(&parse(key)?));
        }
        ["upgrade rows", key, _, version] => {
            return with_version!(version.parse()?, upgrade_rows(&parse(key)?));
        }
        ["claim a row", key, _, version] => {
            return with_version!(version.parse()?, claim_a_row(&parse(key)?));
        }
        ["store", key, _, version] => {
            return with_version!(version.parse()?, store(&parse(key)?));
        }
        ["step", key, _, version] => {
            return with_version!(version.parse()?, step(&parse(key)?));
        }
        ["replace", key, _, number] => {
            let mut options = SharedBox::<[u32; 16]>::options();
            options
                .replace_unused(true)
                .timeout(Duration::from_millis(50));
            let number = number.parse()?;
            drop(options.open_or_create(&parse(key)?, || [number; 16])?);
        }
        ["table", action, key, number] => {
            return table_act(action, &parse(key)?, number.parse()?);
        }
        [action, key, "0", number] if action.starts_with("table ") => {
            return table_act(&action["table ".len()..], &parse(key)?, number.parse()?);
        }
        [action, key, "64", number] => return act::<8>(action, &parse(key)?, number.parse()?),
        [action, key, "65536", number] => {
            return act::<8192>(action, &parse(key)?, number.parse()?);
        }
        _ => return Err(format!("mortal does not know {arguments:?}").into()),
    }
    Ok(())
}

fn parse(place: &str) -> Result<Place, Box<dyn Error>> {
    Ok(place.parse()?)
}

/// Adds 1 to a ledger, so many times, and keeps in a file what it intends and what it has done.
fn count(key: &Place, times: u64, journal: &str) -> Outcome {
    let shared = SharedBox::<Ledger>::open(key)?;
    let journal = File::options().write(true).open(journal)?;
    for done in 1..=times {
        journal.write_all_at(&done.to_ne_bytes(), 0)?;
        shared.update(|ledger| *ledger = Ledger::new(ledger.number() + 1))?;
        journal.write_all_at(&done.to_ne_bytes(), 8)?;
    }
    Ok(())
}

/// Keeps the lock until its input ends.
fn hold(key: &Place) -> Outcome {
    let shared = SharedBox::<Ledger>::open(key)?;
    let _writer = shared.writer()?;
    println!("locked");
    stdin().read_line(&mut String::new())?;
    Ok(())
}

/// Leaves its IPC namespace while it holds the lock, and goes on counting until it learns of it.
/// Says how often it did.
fn leave(key: &Place) -> Outcome {
    let shared = SharedBox::<Ledger>::open(key)?;
    shared.update(|ledger| {
        let left = own_ipc_namespace();
        println!("{}", if left { "left" } else { "can't leave" });
        let _ = stdin().read_line(&mut String::new());
        // A judge that takes it for dead has some time to show it.
        std::thread::sleep(Duration::from_millis(3));
        *ledger = Ledger::new(ledger.number() + 1);
    })?;
    let mut done = 1;
    while done < 5000 {
        match shared.update(|ledger| *ledger = Ledger::new(ledger.number() + 1)) {
            Ok(_) => done += 1,
            Err(error) if error.kind() == shm_core::ErrorKind::Left => break,
            Err(error) => return Err(error.into()),
        }
    }
    shared.get()?.number();
    println!("{done}");
    Ok(())
}

/// Counts until its input ends. Says how often it did.
fn stay_on(key: &Place) -> Outcome {
    let input = std::thread::spawn(|| stdin().read_line(&mut String::new()));
    let shared = SharedBox::<Ledger>::open(key)?;
    let mut done = 0;
    while !input.is_finished() {
        shared.update(|ledger| *ledger = Ledger::new(ledger.number() + 1))?;
        done += 1;
    }
    println!("{done}");
    Ok(())
}

/// Puts a version in force.
fn upgrade<V: Version>(key: &Place) -> Outcome {
    SharedBox::<V>::options().upgrade(true).open(key)?;
    Ok(())
}

/// The same of a table.
fn upgrade_rows<V: Version>(key: &Place) -> Outcome {
    SharedTable::<V>::options().upgrade(true).open(key)?;
    Ok(())
}

/// Claims a row, makes a step of its version there, and lets it go.
fn claim_a_row<V: Version>(key: &Place) -> Outcome {
    let table = SharedTable::<V>::open(key)?;
    let mut seat = table.claim(V::first())?;
    seat.update(|row| row.step(usize::from(V::VERSION > 1)))?;
    Ok(())
}

/// One step of a version: side 0 is the first version's.
fn step<V: Version>(key: &Place) -> Outcome {
    let side = usize::from(V::VERSION > 1);
    SharedBox::<V>::open(key)?.update(|value| value.step(side))?;
    Ok(())
}

/// The same, stored as a part of the value.
fn store<V: Version>(key: &Place) -> Outcome {
    let side = usize::from(V::VERSION > 1);
    let shared = SharedBox::<V>::open(key)?;
    let mut writer = shared.writer()?;
    let mut value = writer.get()?;
    value.step(side);
    V::store(&mut writer, &value)?;
    Ok(())
}

/// Writes values whose words all hold `number`.
fn act<const N: usize>(action: &str, key: &Place, number: u64) -> Outcome {
    let value = [number; N];
    if action == "birth" {
        SharedBox::open_or_create(key, || value)?;
        return Ok(());
    }
    if action == "adopt" {
        SharedBox::<[u64; N]>::options().adopt(true).open(key)?;
        return Ok(());
    }
    let shared = SharedBox::<[u64; N]>::open(key)?;
    match action {
        "attach" => {}
        "set" => {
            shared.set(value)?;
        }
        "update" => {
            shared.update(|words| *words = value)?;
        }
        "die in update" => {
            shared.update(|words| {
                *words = value;
                let _ = raise(Signal::SIGKILL);
            })?;
        }
        "writer" => {
            let mut writer = shared.writer()?;
            writer.set(value)?;
            writer.update(|words| *words = value)?;
        }
        "die with a writer" => {
            let mut writer = shared.writer()?;
            writer.set(value)?;
            raise(Signal::SIGKILL)?;
        }
        "wait" => {
            shared.wait_timeout(shared.version(), Duration::from_millis(1))?;
        }
        "contend" => {
            let limited = SharedBox::<[u64; N]>::options()
                .timeout(Duration::from_millis(5))
                .open(key)?;
            match limited.set(value) {
                Err(error) if error.kind() == shm_core::ErrorKind::Busy => {}
                other => return Err(format!("the lock was to be held: {other:?}").into()),
            }
        }
        "remove" => shared.remove()?,
        _ => return Err(format!("mortal does not know the action {action}").into()),
    }
    Ok(())
}
