//! `shm rm`: removes segments, with the semaphore sets that belong to them.

use std::fs;
use std::io::{self, BufRead, IsTerminal};

use clap::Args;
use shm_core::sysv::{sem, shm};
use shm_core::{ErrorKind, Place};

use crate::cli::place;
use crate::failure::{Exit, Failure};
use crate::kernel::files::is_posix;
use crate::kernel::found::{Found, Inside, denied};
use crate::kernel::processes::AttachedProcesses;
use crate::output::{human_size, print, visible};

/// Remove segments, with the semaphore set that belongs to each, and files of values
///
/// What a process has attached stays, unless --force is given. On a terminal it
/// asks before it removes.
///
/// Examples:
///   shm rm 0x1234
///   shm rm --orphans --dry-run
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct Rm {
    /// What to remove: 0x1234, id:5, ftok:PATH:ID, file:PATH or posix:/NAME
    #[arg(required_unless_present = "orphans", value_parser = place)]
    #[arg(value_name = "PLACE")]
    places: Vec<Place>,

    /// What no process will find: segments without a key, not attached, whose creator has gone; and semaphore sets
    /// that this library made for segments that are gone
    #[arg(long, conflicts_with = "places")]
    orphans: bool,

    /// Do not ask
    #[arg(short, long)]
    yes: bool,

    /// Say what would be removed, and remove nothing
    #[arg(short = 'n', long)]
    dry_run: bool,

    /// Also what processes have attached: it goes when the last of them detaches
    #[arg(short, long)]
    force: bool,
}

/// What is to be removed.
enum Target {
    Value(Box<Found>),
    Set(sem::Id),
}

impl Rm {
    pub fn run(self) -> Result<(), Failure> {
        let mut tally = Tally::default();
        let targets = if self.orphans {
            orphans()?
        } else {
            self.named(&mut tally)
        };
        if self.orphans && targets.is_empty() {
            return print("nothing is orphaned\n");
        }
        let asks = !self.yes && !self.dry_run;
        if asks && self.orphans && !io::stdin().is_terminal() {
            return Err(Failure::usage(
                "--orphans: there is no terminal to ask on; add --yes or --dry-run",
            ));
        }
        for target in targets {
            let text = target.describe();
            if self.dry_run {
                print(&format!("would remove {text}\n"))?;
                tally.done += 1;
            } else if asks && io::stdin().is_terminal() && !confirmed(&text)? {
                print(&format!("kept {text}\n"))?;
            } else {
                match target.remove() {
                    Ok(()) => {
                        print(&format!("removed {text}\n"))?;
                        tally.done += 1;
                    }
                    Err(failure) => tally.failed(failure),
                }
            }
        }
        tally.result()
    }

    /// Those of the places that may go.
    fn named(&self, tally: &mut Tally) -> Vec<Target> {
        let mut targets = Vec::new();
        for place in &self.places {
            match Found::at(place).and_then(|found| self.may_go(place, found)) {
                Ok(found) => targets.push(Target::Value(found.into())),
                Err(failure) => tally.failed(failure),
            }
        }
        targets
    }

    fn may_go(&self, place: &Place, found: Found) -> Result<Found, Failure> {
        if found.is_removed() {
            return Err(Failure::not_found(format!(
                "{place}: removed already; it goes when the last of {} attachments does",
                found.attached().unwrap_or(0)
            )));
        }
        if self.force || found.attached() == Some(0) {
            return Ok(found);
        }
        let processes = AttachedProcesses::of(&found);
        if found.attached().unwrap_or(processes.attachments()) > 0 {
            let by = processes.by();
            return Err(Failure::new(
                Exit::NotPermitted,
                format!("{place}: attached{by}; end them first, or remove it with --force"),
            ));
        }
        Ok(found)
    }
}

fn orphans() -> Result<Vec<Target>, Failure> {
    let (all, _) = Found::all()?;
    let orphans = all.into_iter().filter(Found::is_orphan);
    let segments = orphans.map(|found| Target::Value(found.into()));
    let sets = shm_core::orphaned_sets();
    let sets = sets.map_err(|error| Failure::of_sysv("semaphore sets", &error))?;
    Ok(segments.chain(sets.into_iter().map(Target::Set)).collect())
}

impl Target {
    fn describe(&self) -> String {
        match self {
            Target::Value(found) => {
                let ty = match Inside::of(found) {
                    Inside::Typed(typed) => format!(", {}", typed.written()),
                    _ => String::new(),
                };
                let size = human_size(found.size());
                let attached = match found.attached() {
                    Some(attached) => format!(", {attached} attached"),
                    None => String::new(),
                };
                let place = found.place().to_string();
                format!("{} ({size}{ty}{attached})", visible(&place))
            }
            Target::Set(set) => format!("semaphore set {set} (of a segment that is gone)"),
        }
    }

    fn remove(&self) -> Result<(), Failure> {
        match self {
            Target::Value(found) => remove(found),
            Target::Set(set) => {
                sem::remove(*set).map_err(|error| Failure::of_sysv(format!("set {set}"), &error))
            }
        }
    }
}

/// By the library, which knows the set that goes with it; by the kernel alone where another program made it.
fn remove(found: &Found) -> Result<(), Failure> {
    let place = found.place();
    #[cfg(feature = "mirror")]
    let record = crate::mirror::record_beside(&found.way());
    match (shm_core::remove(found.way()), found) {
        (Ok(()), _) => {
            // There is one only if a mirror has written the place.
            #[cfg(feature = "mirror")]
            let _ = record.map(shm_core::remove);
            Ok(())
        }
        // Removed under the feet: it is gone, which was asked for.
        (Err(error), _) if error.kind() == ErrorKind::Removed => Ok(()),
        // Without the right to read it, its owner may remove it all the same.
        (Err(error), Found::Segment(segment)) if is_not_ours(&error) => {
            shm::remove(segment.id).map_err(|error| Failure::of_sysv(place, &error))
        }
        // What has a POSIX name is shared memory; any other file may be anything.
        (Err(error), Found::File(file))
            if is_posix(&place)
                && (is_not_ours(&error) || Inside::of(found) == Inside::Untyped) =>
        {
            fs::remove_file(&file.path).map_err(|error| Failure::of_io(place, &error))
        }
        (Err(_), Found::File(_)) if Inside::of(found) == Inside::Untyped => Err(Failure::new(
            Exit::Misfit,
            format!("{place}: no value of this library is in that file; `rm` removes files"),
        )),
        (Err(error), _) => Err(Failure::of(place, &error)),
    }
}

fn is_not_ours(error: &shm_core::Error) -> bool {
    error.kind() == ErrorKind::Foreign || denied(error)
}

fn confirmed(what: &str) -> Result<bool, Failure> {
    print(&format!("remove {what}? [y/N] "))?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// What was done, and what was not.
#[derive(Default)]
struct Tally {
    done: usize,
    failures: Vec<Failure>,
}

impl Tally {
    fn failed(&mut self, failure: Failure) {
        self.failures.push(failure);
    }

    /// The one failure, or all of them and that it was done in part.
    fn result(mut self) -> Result<(), Failure> {
        let last = match self.failures.pop() {
            None => return Ok(()),
            Some(last) => last,
        };
        for failure in &self.failures {
            failure.say();
        }
        if self.done == 0
            && self
                .failures
                .iter()
                .all(|failure| failure.exit == last.exit)
        {
            return Err(last);
        }
        last.say();
        let failed = self.failures.len() + 1;
        Err(Failure::new(
            Exit::InPart,
            format!("{} done, {failed} not", self.done),
        ))
    }
}
