//! `shm dump`: a value and its schema to a file.

use std::path::PathBuf;

use clap::Args;
use shm_core::Place;

use crate::cli::place;
use crate::failure::Failure;
use crate::kept::{Held, Kept};
use crate::output::{print, visible};
use crate::source::{Source, TypeArgs};

/// Write a value and its schema to a file, which `shm restore` reads
///
/// The value is one commit; of a table each row that shows one is, and `shm diff`
/// reads the file. The file is whole or not there at all; one of this user's that
/// is there is replaced, and keeps its mode. A new one may be read by all where
/// all may read the value, else by this user alone.
///
/// Example: shm dump 0x1234 st_pid.dump
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct Dump {
    /// The value: 0x1234, id:5, ftok:PATH:ID, file:PATH or posix:/NAME
    #[arg(value_parser = place)]
    place: Place,

    /// Where to: a file that is not there yet, or may be replaced
    file: PathBuf,
}

impl Dump {
    pub fn run(self) -> Result<(), Failure> {
        let source = Source::open(&self.place, &TypeArgs::default())?;
        let kept = Kept::of(&source)?;
        // The value's group may be another than that of the new file.
        let is_for_all = source.found.mode().bits() & 0o044 == 0o044;
        let rights = if is_for_all { 0o644 } else { 0o600 };
        kept.write(&self.file, rights)?;
        let size = kept.schema.size();
        let what = match &kept.held {
            Held::Value { version, .. } => format!("version {version}"),
            Held::Rows { count, rows } => format!("{} of {count} rows", rows.len()),
        };
        let each = if source.row_count().is_some() {
            " each"
        } else {
            ""
        };
        print(&format!(
            "wrote {what} of {} ({size} bytes{each}) to {}\n",
            visible(&kept.schema.to_string()),
            visible(&self.file.display().to_string())
        ))
    }
}
