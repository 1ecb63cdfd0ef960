//! A value and its schema in a file.
//!
//! | bytes | hold |
//! |---|---|
//! | 8 | `shmdump1` |
//! | 8 | the version that the value had |
//! | 8 | length of the encoded schema |
//! | 8 | length of the value |
//! | … | the schema, encoded as `FORMAT.md` says |
//! | … | the value, as it lay in the segment |
//! | 8 | FNV-1a of all before |
//!
//! Numbers are little-endian; the value has the byte order of the machine that it is from, as the schema has it.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use shm_core::layout::Schema;

use crate::failure::{Exit, Failure};
use crate::source::Source;

const HEADER: usize = 32;

/// What a file keeps.
pub struct Kept {
    pub version: u64,
    pub schema: Schema,
    pub bytes: Vec<u8>,
}

impl Kept {
    /// How such a file begins.
    pub const MAGIC: &[u8; 8] = b"shmdump1";

    /// The value that stands, and the schema that it is of.
    pub fn of(source: &Source) -> Result<Kept, Failure> {
        let Some(inspector) = source.inspector() else {
            return Err(Failure::usage("a dump is of a segment that has a schema"));
        };
        loop {
            let schema = inspector.schema().map_err(source.failed())?;
            let seen = inspector.snapshot_bytes().map_err(source.failed())?;
            // An upgrade may have come in between.
            if inspector.schema().map_err(source.failed())? == schema {
                return Ok(Kept {
                    version: seen.version,
                    schema,
                    bytes: seen.value,
                });
            }
        }
    }

    /// Writes the file whole, in the place of one that is there.
    pub fn write(&self, path: &Path) -> Result<(), Failure> {
        let schema = self.schema.encode();
        let mut all = Kept::MAGIC.to_vec();
        for number in [self.version, schema.len() as u64, self.bytes.len() as u64] {
            all.extend(number.to_le_bytes());
        }
        all.extend(schema);
        all.extend(&self.bytes);
        let sum = checksum(&all);
        all.extend(sum.to_le_bytes());
        store(path, &all).map_err(|error| {
            let exit = Failure::from(error).exit;
            Failure::new(
                exit,
                format!(
                    "{}: it can't be written; name a file in a folder of yours",
                    path.display()
                ),
            )
        })
    }

    /// Reads a file; one that is not as it was written is refused.
    pub fn read(path: &Path) -> Result<Kept, Failure> {
        let all = fs::read(path).map_err(|error| {
            let exit = Failure::from(error).exit;
            Failure::new(
                exit,
                format!(
                    "{}: it can't be read; name a file that `shm dump` wrote",
                    path.display()
                ),
            )
        })?;
        Kept::parsed(&all).ok_or_else(|| {
            Failure::new(
                Exit::Misfit,
                format!(
                    "{}: it is no whole dump; name a file that `shm dump` wrote",
                    path.display()
                ),
            )
        })
    }

    fn parsed(all: &[u8]) -> Option<Kept> {
        let (body, sum) = all.split_last_chunk::<8>()?;
        if !body.starts_with(Kept::MAGIC) || checksum(body) != u64::from_le_bytes(*sum) {
            return None;
        }
        let number = |at: usize| Some(u64::from_le_bytes(body.get(at..at + 8)?.try_into().ok()?));
        let (version, schema_len, len) = (number(8)?, number(16)?, number(24)?);
        let (schema, bytes) = body
            .get(HEADER..)?
            .split_at_checked(schema_len.try_into().ok()?)?;
        let schema = Schema::decode(schema).ok()?;
        let fits = bytes.len() as u64 == len && schema.size() == bytes.len();
        fits.then(|| Kept {
            version,
            schema,
            bytes: bytes.to_vec(),
        })
    }
}

/// A temporary file beside it, on the disk, and then renamed.
fn store(path: &Path, all: &[u8]) -> io::Result<()> {
    let mut name = path
        .file_name()
        .ok_or(io::ErrorKind::InvalidInput)?
        .to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let temporary = path.with_file_name(name);
    let written = File::create_new(&temporary)
        .and_then(|mut file| file.write_all(all).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// FNV-1a, of 64 bits: tells a torn or cut file.
fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |sum, byte| {
        (sum ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_whole_dump_is_refused() {
        assert!(Kept::parsed(b"").is_none());
        assert!(Kept::parsed(b"shmdump1").is_none());
        let mut lies = Kept::MAGIC.to_vec();
        lies.extend([0xff; 40]);
        let sum = checksum(&lies);
        lies.extend(sum.to_le_bytes());
        assert!(Kept::parsed(&lies).is_none());
    }
}
