//! `shm unlock`: what to do about the owner of a lock. It takes none from the living.

use std::io::{self, BufRead, IsTerminal};
use std::time::Duration;

use clap::Args;
use rustix::process::{Pid, Signal, kill_process};
use shm_core::{ErrorKind, Holder, HolderState, Place};

use crate::cli::{place, seconds};
use crate::failure::{Exit, Failure, of_place};
use crate::kernel::found::{Found, inspect_to_write, who};
use crate::kernel::processes::with_name;
use crate::output::print;

/// Take over the lock of a process that is dead, or say what to do about one that is not
///
/// It takes no lock from a process that could still store to the value: one that
/// has called exec does not map it any more. For a stopped one it gives the
/// commands that free it, and on a terminal offers to run them. Rows of a table
/// hold no lock.
///
/// Example: shm unlock 0x1234
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct Unlock {
    /// The value: 0x1234, id:5, ftok:PATH:ID, file:PATH or posix:/NAME
    #[arg(value_parser = place)]
    place: Place,

    /// Also if neither this user nor root owns the segment
    #[arg(long)]
    anybody: bool,

    /// How long to wait for a process that is ending
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = seconds)]
    timeout: Duration,
}

impl Unlock {
    pub fn run(self) -> Result<(), Failure> {
        let found = Found::at(&self.place)?;
        let failed = of_place(&self.place);
        let inspector = match inspect_to_write(&found.way(), self.timeout, self.anybody) {
            Err(error) if error.kind() == ErrorKind::OtherKind => {
                return print(
                    "not locked: rows of a table hold no lock, since each is stored to by its owner alone\n",
                );
            }
            opened => opened.map_err(&failed)?,
        };
        let Some(holder) = inspector.holder().map_err(&failed)? else {
            return print("not locked\n");
        };
        match holder.state {
            HolderState::Gone | HolderState::Exiting | HolderState::DumpingCore => {
                inspector.unlock().map_err(&failed)?;
                print(&format!(
                    "took the lock over from {}, and let it go\n",
                    who(holder.pid, HolderState::Gone)
                ))
            }
            HolderState::Replaced => {
                inspector.unlock().map_err(&failed)?;
                print(&format!(
                    "took the lock over from {}, which has called exec and maps it no more, and let it go\n",
                    with_name(holder.pid)
                ))
            }
            HolderState::Stopped => self.offer(holder),
            // `kill -9 0` would end the reader's own processes.
            _ if holder.pid == 0 => Err(self.refusal(
                holder,
                "look as root outside of this container, where it has a pid",
            )),
            _ => Err(self.refusal(
                holder,
                &format!("kill -9 {} ends it, and with it its lock", holder.pid),
            )),
        }
    }

    /// On a terminal, asks which of the two commands to run.
    fn offer(&self, holder: Holder) -> Result<(), Failure> {
        let pid = holder.pid;
        let hint =
            format!("kill -CONT {pid} lets it go on, kill -9 {pid} ends it and frees the lock");
        if !io::stdin().is_terminal() {
            return Err(self.refusal(holder, &hint));
        }
        print(&format!(
            "{}, stopped, holds the lock. Let it go on (c), end it (9), or neither? ",
            with_name(pid)
        ))?;
        let mut answer = String::new();
        io::stdin().lock().read_line(&mut answer)?;
        let signal = match answer.trim() {
            "c" => Signal::CONT,
            "9" => Signal::KILL,
            _ => return Err(self.refusal(holder, &hint)),
        };
        let target = Pid::from_raw(pid.cast_signed()).ok_or_else(|| {
            Failure::not_found("the process can't be seen from here; look in its pid namespace")
        })?;
        kill_process(target, signal).map_err(|errno| Failure::from(io::Error::from(errno)))?;
        print("done\n")
    }

    fn refusal(&self, holder: Holder, hint: &str) -> Failure {
        let holder = who(holder.pid, holder.state);
        Failure::new(
            Exit::NotPermitted,
            format!("{}: the lock is held by {holder}; {hint}", self.place),
        )
    }
}
