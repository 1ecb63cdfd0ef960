//! `shm restore`: a value from a file into a segment.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use shm_core::Place;
use shm_core::layout::{Mismatch, Value};

use crate::cli::place;
use crate::failure::{Exit, Failure, of_place};
use crate::kept::Kept;
use crate::kernel::found::{Found, inspect_to_write};
use crate::output::{print, visible};

/// Store the value of a file that `shm dump` wrote, as one commit
///
/// The segment must be there, with the layout that the file has; what does not fit is refused with both.
///
/// Example: shm restore st_pid.dump 0x1234
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct Restore {
    file: PathBuf,

    /// The value: 0x1234, id:5, ftok:PATH:ID, file:PATH or posix:/NAME
    #[arg(value_parser = place)]
    place: Place,

    /// Also if neither this user nor root owns the segment
    #[arg(long)]
    anybody: bool,
}

impl Restore {
    pub fn run(self) -> Result<(), Failure> {
        let kept = Kept::read(&self.file)?;
        let value = Value::decode(&kept.schema, &kept.bytes).map_err(|why| {
            Failure::new(
                Exit::Misfit,
                format!("{}: {why}; take another file", self.file.display()),
            )
        })?;
        let found = Found::at(&self.place)?;
        let failed = of_place(&self.place);
        let inspector = inspect_to_write(&found.way(), Duration::from_secs(5), self.anybody)
            .map_err(&failed)?;
        let schema = inspector.schema().map_err(&failed)?;
        if schema.fingerprint() != kept.schema.fingerprint() {
            return Err(Failure::new(
                Exit::Misfit,
                format!(
                    "{}: the segment has another layout than the file (below: in this program):\n{}\n; nothing was stored; \
                     `shm schema` shows the segment's",
                    self.place,
                    Mismatch::new(&schema, &kept.schema)
                ),
            ));
        }
        let version = inspector.set_all(&[("", value)]).map_err(&failed)?;
        print(&format!(
            "stored version {} of {} as version {version}\n",
            kept.version,
            visible(&kept.schema.to_string())
        ))
    }
}
