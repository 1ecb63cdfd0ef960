//! `shm restore`: a value from a file into a segment or a file of values, or into a new one with more room.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use shm_core::layout::{Mismatch, Schema, Value};
use shm_core::{Inspector, InspectorOptions, Place};

use crate::cli::place;
use crate::failure::{Exit, Failure, of_place};
use crate::kept::{Held, Kept, decoded};
use crate::kernel::files::looked_into;
use crate::kernel::found::{Found, as_it_was, inspect_to_write};
use crate::kernel::processes::AttachedProcesses;
use crate::output::{print, quoted, visible};

/// Store the value of a file that `shm dump` wrote, as one commit; or make a segment or file of it
///
/// What is there must have the layout that the file has; what does not fit is
/// refused with both. Where nothing is, it is made. With --capacity what is there
/// is made anew with that much room, for a later version of the type: it must not
/// be attached, keeps its mode and group, and begins at version 1. The steps are
/// printed. Rows of a table come from the processes that claim them, and from no
/// file.
///
/// Examples:
///   shm restore st_pid.dump 0x1234
///   shm dump 0x1234 st_pid.dump && shm restore st_pid.dump 0x1234 --capacity 4096
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct Restore {
    /// What `shm dump` wrote
    file: PathBuf,

    /// Where to: 0x1234, id:5, ftok:PATH:ID, file:PATH or posix:/NAME
    #[arg(value_parser = place)]
    place: Place,

    /// Make it anew, with so many bytes for the value
    #[arg(long, value_name = "BYTES")]
    capacity: Option<usize>,

    /// Of what is made where nothing is: the permissions, octal
    #[arg(long, default_value = "600", value_parser = octal)]
    mode: u32,

    /// Also if neither this user nor root owns it
    #[arg(long)]
    anybody: bool,
}

/// A single value of a file.
struct KeptValue {
    version: u64,
    schema: Schema,
    bytes: Vec<u8>,
}

pub fn octal(text: &str) -> Result<u32, String> {
    u32::from_str_radix(text, 8).map_err(|_| "write octal digits, such as 640".to_owned())
}

impl Restore {
    pub fn run(self) -> Result<(), Failure> {
        let kept = self.read()?;
        let value = decoded(&kept.schema, &kept.bytes, &self.file)?;
        match (Found::at(&self.place), self.capacity) {
            (Ok(found), None) => self.store(&found, &kept, value),
            (Ok(found), Some(_)) => self.make_anew(&found, &kept),
            (Err(failure), _) if failure.exit == Exit::NotFound && leads_somewhere(&self.place) => {
                let mut options = Inspector::options();
                self.make(options.mode(self.mode), &looked_into(&self.place), &kept)
            }
            (Err(failure), _) => Err(failure),
        }
    }

    fn read(&self) -> Result<KeptValue, Failure> {
        let Kept { schema, held } = Kept::read(&self.file)?;
        match held {
            Held::Value { version, bytes } => Ok(KeptValue {
                version,
                schema,
                bytes,
            }),
            Held::Rows { .. } => Err(Failure::new(
                Exit::Misfit,
                format!(
                    "{}: it has rows, and a row belongs to the process that claims it, which is gone with its value; start \
                     the programs again, and see what differs with `shm diff`",
                    self.file.display()
                ),
            )),
        }
    }

    /// Into what is there.
    fn store(&self, found: &Found, kept: &KeptValue, value: Value) -> Result<(), Failure> {
        let inspector = self.open(found, kept)?;
        let version = inspector
            .set_all(&[("", value)])
            .map_err(of_place(&self.place))?;
        print(&format!(
            "stored version {} of {} as version {version}\n",
            kept.version,
            visible(&kept.schema.to_string())
        ))
    }

    /// What is there, if it has the layout of the file.
    fn open(&self, found: &Found, kept: &KeptValue) -> Result<Inspector, Failure> {
        let failed = of_place(&self.place);
        let timeout = Duration::from_secs(5);
        let inspector = inspect_to_write(&found.way(), timeout, self.anybody).map_err(&failed)?;
        let schema = inspector.schema().map_err(&failed)?;
        if schema.fingerprint() == kept.schema.fingerprint() {
            return Ok(inspector);
        }
        Err(Failure::new(
            Exit::Misfit,
            format!(
                "{}: it has another layout than the file (below: in this program):\n{}\n; nothing was stored; \
                 `shm schema {}` shows the one that is there",
                self.place,
                Mismatch::new(&schema, &kept.schema),
                quoted(&self.place)
            ),
        ))
    }

    /// In the place of what is there, and as that was.
    fn make_anew(&self, found: &Found, kept: &KeptValue) -> Result<(), Failure> {
        let place = found.place();
        if place.segment_id().is_some() {
            return Err(Failure::usage(format!(
                "{place}: what is made anew gets another id, which no program would know; name one with a key"
            )));
        }
        let inspector = self.open(found, kept)?;
        let stands = inspector.snapshot_bytes().map_err(of_place(&self.place))?;
        if stands.value != kept.bytes {
            return Err(Failure::new(
                Exit::Differs,
                format!(
                    "{place}: its value, version {}, is not that of the file, and would be lost; dump it again, or remove it first",
                    stands.version
                ),
            ));
        }
        let mut options = as_it_was(found, &inspector);
        drop(inspector);
        let processes = AttachedProcesses::of(found);
        // Asked now: this program had it attached.
        let counted = Found::at(&place)?.attached();
        if counted.unwrap_or(processes.attachments()) > 0 {
            let by = processes.by();
            return Err(Failure::new(
                Exit::NotPermitted,
                format!(
                    "{place}: attached{by}; end all that `shm who {}` names first",
                    quoted(&place)
                ),
            ));
        }
        let capacity = self.capacity.unwrap_or(0);
        if capacity < kept.schema.size() {
            return Err(Failure::new(
                Exit::Misfit,
                format!(
                    "{capacity} bytes have no room for {}, which has {}; allow more",
                    kept.schema,
                    kept.schema.size()
                ),
            ));
        }
        shm_core::remove(found.way()).map_err(of_place(&self.place))?;
        print(&format!("removed {}\n", visible(&place.to_string())))?;
        self.make(&mut options, &place, kept)
    }

    fn make(
        &self,
        options: &mut InspectorOptions,
        place: &Place,
        kept: &KeptValue,
    ) -> Result<(), Failure> {
        if let Some(capacity) = self.capacity {
            options.capacity(capacity);
        }
        let made = options.create_new(place, &kept.schema, &kept.bytes);
        let made = made.map_err(|error| {
            let failure = Failure::of(place, &error);
            Failure::new(
                failure.exit,
                format!("{failure}; the value is in {}", self.file.display()),
            )
        })?;
        print(&format!(
            "made {} with room for {} bytes\nstored version {} of {} as version {}\n",
            visible(&place.to_string()),
            made.capacity(),
            kept.version,
            visible(&kept.schema.to_string()),
            made.version()
        ))
    }
}

/// Whether something can be made there.
fn leads_somewhere(place: &Place) -> bool {
    place.key().is_some() || place.path().is_some()
}
