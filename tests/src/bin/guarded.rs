//! The twin of `tests/c/guarded.c`: counts in a struct under a guard, or holds it.

use std::error::Error;
use std::io::{Write, stdin, stdout};
use std::sync::atomic::Ordering::Relaxed;
use std::thread::yield_now;
use std::time::Duration;

use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};
use shm_core::{ErrorKind, Key, field};
use shm_tests::{Guarded, guarded};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let [key, guard, ref what @ ..] = arguments[..] else {
        return Err("guarded KEY GUARD …".into());
    };
    let shared = guarded(key.parse::<Key>()?, guard, Duration::from_secs(600))?;
    match *what {
        ["hold"] => shared.under(|_| -> Result<(), Box<dyn Error>> {
            writeln!(stdout(), "held")?;
            stdin().read_line(&mut String::new())?;
            Ok(())
        })?,
        ["count", row, times] => {
            let row = field!(Guarded.rows).at(row.parse()?).ok_or("no row")?;
            let total = field!(Guarded.total);
            for n in 0..times.parse::<u64>()? {
                // As its twin does: who dies in between has raised its row alone.
                shared.under(|raw| -> Result<(), shm_core::Error> {
                    let before = raw.load(total, Relaxed)?;
                    raw.store(row, raw.load(row, Relaxed)? + 1, Relaxed)?;
                    if n % 64 == 0 {
                        yield_now();
                    }
                    raw.store(total, before + 1, Relaxed)
                })??;
            }
            Ok(writeln!(stdout(), "done")?)
        }
        // A child that is born under the guard returns from the closure as well.
        ["fork"] => {
            let parent = std::process::id();
            let updated = shared.update(|value| {
                value.total += 1;
                // SAFETY: this process has a single thread.
                match unsafe { fork() } {
                    Ok(ForkResult::Parent { child }) => waitpid(child, None).ok(),
                    _ => None,
                }
            });
            if std::process::id() != parent {
                let refused = updated.is_err_and(|error| error.kind() == ErrorKind::Forked);
                std::process::exit(if refused { 42 } else { 1 });
            }
            match updated? {
                Some(WaitStatus::Exited(_, code)) => Ok(writeln!(stdout(), "{code}")?),
                other => Err(format!("{other:?}").into()),
            }
        }
        _ => Err("hold, fork, or count ROW TIMES".into()),
    }
}
