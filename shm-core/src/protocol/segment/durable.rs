//! Bringing the value of a file to the disk. `home/file/durable.rs` has the steps and what a power loss after each leaves.

use std::sync::atomic::AtomicU32 as PlainU32;

use super::segment::Segment;
use crate::home::file;
use crate::protocol::fault::Fault;
use crate::protocol::memory::atomics::{AtomicU32, Ordering::Relaxed};

/// Attempts to copy a value whose schema others replace.
const TRIES: u32 = 64;

impl Segment {
    /// Whether there is anything that [`Segment::persist`] brings to the disk.
    pub(super) fn outlasts_boot(&self) -> bool {
        self.geometry.snapshots
    }

    /// Where the snapshots of a file lie, if it has any.
    pub(in crate::protocol) fn snapshot_slots(&self) -> Option<file::Slots> {
        let (at, size) = self.geometry.snapshots()?;
        Some(file::Slots {
            at: at as u64,
            size,
        })
    }

    /// Brings the newest committed value to the disk, unless it is there already. Nothing to do where nothing outlasts the machine.
    pub(crate) fn persist(&self) -> Result<(), Fault> {
        let (Some(file), Some(slots)) = (self.home.file(), self.snapshot_slots()) else {
            return Ok(());
        };
        let durable = &self.control().durable;
        file::persist(
            file.description(),
            file.disk(),
            slots,
            plain32(durable),
            self.limit(),
            || {
                let bytes = self.snapshot()?;
                let Some(last) = durable.load(Relaxed).checked_sub(1) else {
                    return Ok(Some(bytes));
                };
                // It ends with the checksum over all the rest.
                let mut header = [0; file::HEADER];
                let at = slots.at + u64::from(last % 2) * slots.size as u64;
                file.description().read_at(&mut header, at)?;
                Ok::<_, Fault>((!bytes.starts_with(&header)).then_some(bytes))
            },
        )
    }

    /// The committed value with its schema, as it lies on the disk.
    fn snapshot(&self) -> Result<Vec<u8>, Fault> {
        let mut schema = vec![0; self.geometry.room];
        for _ in 0..TRIES {
            let state = self.read_schema(&mut schema)?;
            let (value, version) = match self.read_bytes(state, self.length_in_force()) {
                // Another process has upgraded it meanwhile.
                Err(Fault::Changed) => continue,
                read => read?,
            };
            let snapshot = file::Snapshot {
                unique: self.unique,
                version,
                schema: &schema,
                value: &value,
            };
            return Ok(snapshot.encode());
        }
        Err(Fault::Damaged("its schema changes without end"))
    }
}

/// A word of the file as the standard library has it: `home/` knows nothing of models.
fn plain32(word: &AtomicU32) -> &PlainU32 {
    // SAFETY: the pointer is that of a word which lives as long as `word`, and is accessed by atomics alone.
    unsafe { PlainU32::from_ptr(word.as_ptr()) }
}
