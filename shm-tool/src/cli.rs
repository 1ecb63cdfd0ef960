//! The command line.

use std::time::Duration;

use clap::{Parser, Subcommand};
use shm_core::{ParsePlaceError, Place};

use crate::command;
use crate::failure::{EXIT_CODES, Failure};
use crate::kernel::namespace;
use crate::output::Color;

const PLACES: &str = "\
Places:
  0x1234, 4660   the segment under that key
  id:5           the segment with that id, as `ipcs -m` shows it
  ftok:PATH:ID   the segment under the key of ftok(PATH, ID)
  file:PATH      the file of that path; file: may be left out where the path has a slash
  posix:/NAME    the shared memory of shm_open(\"/NAME\")";

/// A place, or a path with a slash in it: of other places each has a colon before that, if it has one.
pub fn place(text: &str) -> Result<Place, String> {
    if let Some((first, _)) = text.split_once('/')
        && !first.contains(':')
    {
        return Ok(Place::file(text));
    }
    text.parse().map_err(|why: ParsePlaceError| {
        if std::fs::metadata(text).is_ok() {
            return format!("write file:{text} or ./{text} for the file");
        }
        why.to_string()
    })
}

/// A time limit or a pause.
pub fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok();
    let seconds = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds.ok_or_else(|| "write a number of seconds, such as 2.5".to_owned())
}

/// See into shared memory: list, show, watch and remove segments and files, typed or not
#[derive(Debug, Parser)]
#[command(name = "shm", version, after_help = format!("{PLACES}\n\n{EXIT_CODES}"), max_term_width = 120)]
pub struct Cli {
    /// When to print in colour: auto (on a terminal, unless NO_COLOR is set), always or never
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        hide_possible_values = true,
        display_order = 900
    )]
    pub color: Color,

    /// Look into the IPC namespace of that process, and into its /dev/shm: a container's
    #[arg(long, global = true, value_name = "PID", display_order = 900)]
    ipc_of: Option<u32>,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Ls(command::ls::Ls),
    Show(command::show::Show),
    Stat(command::stat::Stat),
    Set(command::set::Set),
    Schema(command::schema::SchemaOf),
    Diff(command::diff::Diff),
    Dump(command::dump::Dump),
    Restore(command::restore::Restore),
    #[cfg(feature = "mirror")]
    Mirror(command::mirror::Mirror),
    Unlock(command::unlock::Unlock),
    Who(command::who::Who),
    Watch(command::watch::Watch),
    Top(command::top::Top),
    Wait(command::wait::Wait),
    Rm(command::rm::Rm),
    Doctor(command::doctor::Doctor),
    Completions(command::generate::Completions),
    Man(command::generate::Man),
}

impl Cli {
    pub fn run(self) -> Result<(), Failure> {
        if let Some(pid) = self.ipc_of {
            namespace::enter_ipc_of(pid)?;
        }
        match self.command {
            Command::Ls(ls) => ls.run(),
            Command::Show(show) => show.run(),
            Command::Stat(stat) => stat.run(),
            Command::Set(set) => set.run(),
            Command::Schema(schema) => schema.run(),
            Command::Diff(diff) => diff.run(),
            Command::Dump(dump) => dump.run(),
            Command::Restore(restore) => restore.run(),
            #[cfg(feature = "mirror")]
            Command::Mirror(mirror) => mirror.run(),
            Command::Unlock(unlock) => unlock.run(),
            Command::Who(who) => who.run(),
            Command::Watch(watch) => watch.run(),
            Command::Top(top) => top.run(),
            Command::Wait(wait) => wait.run(),
            Command::Rm(rm) => rm.run(),
            Command::Doctor(doctor) => doctor.run(),
            Command::Completions(completions) => completions.run(),
            Command::Man(man) => man.run(),
        }
    }
}
