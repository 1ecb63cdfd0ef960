//! `shm rm`: removes segments, with the semaphore sets that belong to them.

use std::io::{self, BufRead, IsTerminal};

use clap::Args;
use shm_core::sysv::{Kind, sem, shm};
use shm_core::{ErrorKind, Place};

use crate::failure::{Exit, Failure};
use crate::kernel::processes::AttachedProcesses;
use crate::kernel::segments::{Found, Inside};
use crate::output::{human_size, print, visible};

/// Remove segments, with the semaphore set that belongs to each
///
/// A segment that a process has attached stays, unless --force is given. On a terminal it asks before it removes.
///
/// Examples:
///   shm rm 0x1234
///   shm rm --orphans --dry-run
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct Rm {
    /// The segments: 0x1234, id:5 or ftok:PATH:ID
    #[arg(required_unless_present = "orphans")]
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
    Segment(Found),
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
                "without a terminal to ask on, --orphans wants --yes or --dry-run",
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
                Ok(found) => targets.push(Target::Segment(found)),
                Err(failure) => tally.failed(failure),
            }
        }
        targets
    }

    fn may_go(&self, place: &Place, found: Found) -> Result<Found, Failure> {
        if found.stat.dest {
            return Err(Failure::not_found(format!(
                "{place}: removed already; it goes when the last of {} attachments does",
                found.stat.attached
            )));
        }
        if found.stat.attached > 0 && !self.force {
            let processes = AttachedProcesses::of(found.id, found.stat.key);
            let who: Vec<String> = processes
                .found
                .iter()
                .take(8)
                .map(|process| format!("{} ({})", process.pid, process.name))
                .collect();
            let by = if who.is_empty() {
                String::new()
            } else {
                format!(" by {}", who.join(", "))
            };
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
    let segments = all
        .into_iter()
        .filter(Found::is_orphan)
        .map(Target::Segment);
    let sets = shm_core::orphaned_sets();
    let sets = sets.map_err(|error| Failure::of_sysv("semaphore sets", &error))?;
    Ok(segments.chain(sets.into_iter().map(Target::Set)).collect())
}

impl Target {
    fn describe(&self) -> String {
        match self {
            Target::Segment(found) => {
                let ty = match Inside::of(found) {
                    Inside::Typed(typed) => format!(", {}", visible(&typed.name)),
                    _ => String::new(),
                };
                let size = human_size(found.stat.size as u64);
                let place = found.place();
                format!("{place} ({size}{ty}, {} attached)", found.stat.attached)
            }
            Target::Set(set) => format!("semaphore set {set} (of a segment that is gone)"),
        }
    }

    fn remove(&self) -> Result<(), Failure> {
        match self {
            Target::Segment(found) => remove(found),
            Target::Set(set) => {
                sem::remove(*set).map_err(|error| Failure::of_sysv(format!("set {set}"), &error))
            }
        }
    }
}

/// By the library, which knows the set that goes with it; by the kernel alone where another program made it.
fn remove(found: &Found) -> Result<(), Failure> {
    match shm_core::remove(found.id) {
        Ok(()) => Ok(()),
        // Removed under the feet: it is gone, which was asked for.
        Err(error) if error.kind() == ErrorKind::Removed => Ok(()),
        // Without the right to read it, its owner may remove it all the same.
        Err(error) if is_not_ours(&error) => {
            shm::remove(found.id).map_err(|error| Failure::of_sysv(found.place(), &error))
        }
        Err(error) => Err(Failure::of(found.place(), &error)),
    }
}

fn is_not_ours(error: &shm_core::Error) -> bool {
    error.kind() == ErrorKind::Foreign
        || error
            .sysv()
            .is_some_and(|error| error.kind() == Kind::Denied)
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
