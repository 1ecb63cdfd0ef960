//! A value, or the rows of a table, and the schema in a file.
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
//! One of a table begins with `shmrows1`, has the number of its rows in the place of the version, and in that of the value
//! the rows that showed one: row, claim, owner's pid, life (0 live, 1 dead) and version with 8 bytes each, and the value.
//!
//! Numbers are little-endian; the value has the byte order of the machine that it is from, as the schema has it.

use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::Path;

use shm_core::layout::{Schema, Value};
use shm_core::{InspectedRow, Place};

use crate::failure::{Exit, Failure};
use crate::output::quoted;
use crate::rows::{Life, Row, whole};
use crate::source::Source;
use crate::value::Node;

const HEADER: usize = 32;

/// Which no table exceeds; free rows are made up for.
const MOST_ROWS: u64 = 1 << 20;

/// What a file keeps.
pub struct Kept {
    pub schema: Schema,
    pub held: Held,
}

pub enum Held {
    Value {
        version: u64,
        bytes: Vec<u8>,
    },
    /// Of a table of so many rows those that showed a value, each of one commit.
    Rows {
        count: u64,
        rows: Vec<KeptRow>,
    },
}

pub struct KeptRow {
    pub row: Row,
    pub bytes: Vec<u8>,
}

/// How often a value is read anew since an upgrade came in between.
const LOOKS: u32 = 100;

/// What is held while one schema is in force from before it is read until after it; `None`: the schema goes on changing.
pub fn under_one<H, E>(
    schema: impl Fn() -> Result<Schema, E>,
    held: impl Fn() -> Result<H, E>,
) -> Result<Option<(Schema, H)>, E> {
    let mut before = schema()?;
    for _ in 0..LOOKS {
        let held = held()?;
        let now = schema()?;
        if now == before {
            return Ok(Some((now, held)));
        }
        before = now;
    }
    Ok(None)
}

/// Of a schema that goes on changing.
pub fn restless(place: &Place) -> Failure {
    Failure::new(
        Exit::Other,
        format!(
            "{place}: its schema changes without end, which no program of this library does; `shm who {}` names those that write",
            quoted(place)
        ),
    )
}

impl Kept {
    /// How a file with a value begins.
    const VALUE: &[u8; 8] = b"shmdump1";

    /// How one with rows begins.
    const ROWS: &[u8; 8] = b"shmrows1";

    /// Whether a file that begins so is one.
    pub fn begins(start: &[u8]) -> bool {
        start == Kept::VALUE || start == Kept::ROWS
    }

    /// The value that stands, and the schema that it is of.
    pub fn of(source: &Source) -> Result<Kept, Failure> {
        let Some(inspector) = source.inspector() else {
            return Err(Failure::usage(
                "a dump is of a segment that has a schema; `shm ls --typed` lists those",
            ));
        };
        let schema = || inspector.schema().map_err(source.failed());
        let held = || {
            Ok(match source.row_count() {
                None => {
                    let seen = inspector.snapshot_bytes().map_err(source.failed())?;
                    let (version, bytes) = (seen.version, seen.value);
                    Held::Value { version, bytes }
                }
                Some(count) => {
                    let rows = inspector.rows().map_err(source.failed())?;
                    let kept = |row: InspectedRow| KeptRow {
                        row: Row::from(&row),
                        bytes: row.bytes,
                    };
                    Held::Rows {
                        count: count.into(),
                        rows: rows.into_iter().map(kept).collect(),
                    }
                }
            })
        };
        let (schema, held) =
            under_one(schema, held)?.ok_or_else(|| restless(&source.found.place()))?;
        Ok(Kept { schema, held })
    }

    /// Writes the file whole, in the place of one that is there, with the rights of that if it is this user's, or else no more
    /// than these.
    pub fn write(&self, path: &Path, rights: u32) -> Result<(), Failure> {
        let schema = self.schema.encode();
        let (magic, number, body) = match &self.held {
            Held::Value { version, bytes } => (Kept::VALUE, *version, bytes.clone()),
            Held::Rows { count, rows } => (
                Kept::ROWS,
                *count,
                rows.iter().flat_map(KeptRow::encode).collect(),
            ),
        };
        let mut all = magic.to_vec();
        for number in [number, schema.len() as u64, body.len() as u64] {
            all.extend(number.to_le_bytes());
        }
        all.extend(schema);
        all.extend(body);
        let sum = checksum(&all);
        all.extend(sum.to_le_bytes());
        let next = "name a file in a folder of yours, on a disk with room";
        store(path, &all, rights)
            .map_err(|error| Failure::of_file(path.display(), "written", &error, next))
    }

    /// What it holds as a tree: of a table its rows by their numbers.
    pub fn node(&self, path: &Path) -> Result<Node, Failure> {
        let decode = |bytes: &[u8]| decoded(&self.schema, bytes, path).map(Node::from);
        match &self.held {
            Held::Value { bytes, .. } => decode(bytes),
            Held::Rows { count, rows } => {
                let values = rows
                    .iter()
                    .map(|kept| Ok((kept.row.row, decode(&kept.bytes)?)));
                let values = values.collect::<Result<Vec<_>, Failure>>()?;
                Ok(whole(usize::try_from(*count).unwrap_or(0), values))
            }
        }
    }

    /// Reads a file; one that is not as it was written is refused.
    pub fn read(path: &Path) -> Result<Kept, Failure> {
        let next = "name a file that `shm dump` wrote";
        let all = contents(path)
            .map_err(|error| Failure::of_file(path.display(), "read", &error, next))?;
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
        if !Kept::begins(body.get(..8)?) || checksum(body) != u64::from_le_bytes(*sum) {
            return None;
        }
        let number = |at: usize| number(body, at);
        let (first, schema_len, len) = (number(8)?, number(16)?, number(24)?);
        let (schema, rest) = body
            .get(HEADER..)?
            .split_at_checked(schema_len.try_into().ok()?)?;
        let schema = Schema::decode(schema).ok()?;
        if rest.len() as u64 != len {
            return None;
        }
        let held = if body.starts_with(Kept::ROWS) {
            let rows = rest.chunks(KeptRow::HEADER + schema.size());
            let rows = rows.map(|bytes| KeptRow::parsed(bytes, schema.size()));
            let rows = rows.collect::<Option<Vec<_>>>()?;
            let fit = rows.iter().all(|kept| u64::from(kept.row.row) < first);
            Some(Held::Rows { count: first, rows }).filter(|_| fit && first <= MOST_ROWS)?
        } else {
            let bytes = rest.to_vec();
            Some(Held::Value {
                version: first,
                bytes,
            })
            .filter(|_| rest.len() == schema.size())?
        };
        Some(Kept { schema, held })
    }
}

/// A value that a file has.
pub fn decoded(schema: &Schema, bytes: &[u8], path: &Path) -> Result<Value, Failure> {
    Value::decode(schema, bytes).map_err(|why| {
        let file = path.display();
        Failure::new(Exit::Misfit, format!("{file}: {why}; take another file"))
    })
}

impl KeptRow {
    const HEADER: usize = 40;

    fn encode(&self) -> Vec<u8> {
        let Row {
            row,
            claim,
            owner,
            life,
            version,
        } = self.row;
        let owner = owner.unwrap_or(0).into();
        let numbers = [row.into(), claim, owner, life as u64, version];
        let numbers = numbers.into_iter().flat_map(u64::to_le_bytes);
        numbers.chain(self.bytes.iter().copied()).collect()
    }

    fn parsed(bytes: &[u8], size: usize) -> Option<KeptRow> {
        let number = |at: usize| number(bytes, at);
        let short = |at: usize| u32::try_from(number(at)?).ok();
        let row = Row {
            row: short(0)?,
            claim: number(8)?,
            owner: Some(short(16)?).filter(|owner| *owner > 0),
            life: match number(24)? {
                0 => Life::Live,
                1 => Life::Dead,
                _ => Life::Unknown,
            },
            version: number(32)?,
        };
        let bytes = bytes.get(KeptRow::HEADER..)?;
        (bytes.len() == size).then(|| KeptRow {
            row,
            bytes: bytes.to_vec(),
        })
    }
}

fn number(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

/// All of it; of what is no dump the beginning, which a device may have no end of.
fn contents(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let mut all = Vec::new();
    (&file).take(8).read_to_end(&mut all)?;
    if Kept::begins(&all) {
        file.read_to_end(&mut all)?;
    }
    Ok(all)
}

/// A temporary file beside it, on the disk, and then renamed. What a link leads to is replaced, and not the link; a device or
/// a pipe is written to.
fn store(path: &Path, all: &[u8], rights: u32) -> io::Result<()> {
    // By the kernel, which refuses links that others put into shared folders; `realpath` reads them by itself.
    let there = match fs::metadata(path) {
        Ok(there) => Some(there),
        // A link to nothing is refused: another user may have chosen where it leads.
        Err(error)
            if error.kind() == io::ErrorKind::NotFound && fs::symlink_metadata(path).is_err() =>
        {
            None
        }
        Err(error) => return Err(error),
    };
    if there.as_ref().is_some_and(|there| !there.is_file()) {
        // `create`, so that `fs.protected_fifos` holds.
        let mut options = OpenOptions::new();
        let opened = options.write(true).create(true).truncate(false).mode(0o600);
        return opened.open(path)?.write_all(all);
    }
    let is_link = fs::symlink_metadata(path).is_ok_and(|meta| meta.is_symlink());
    let path = &if is_link {
        fs::canonicalize(path)?
    } else {
        path.to_owned()
    };
    // Links of `/proc` lead elsewhere than their texts: to a file without a name.
    let one = |meta: &Metadata| (meta.dev(), meta.ino());
    if fs::symlink_metadata(path).ok().as_ref().map(one) != there.as_ref().map(one) {
        return Err(io::ErrorKind::ResourceBusy.into());
    }
    // The rights of another user's file would be for that user to choose.
    let there = there.filter(|there| there.uid() == rustix::process::geteuid().as_raw());
    let mut name = path
        .file_name()
        .ok_or(io::ErrorKind::InvalidInput)?
        .to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let temporary = path.with_file_name(name);
    let mut options = OpenOptions::new();
    let rights = if there.is_some() { 0o600 } else { rights };
    let created = options.write(true).create_new(true).mode(rights);
    let mut file = created.open(&temporary)?;
    let written = there
        .map_or(Ok(()), |there| take_over_rights(&file, &there))
        .and_then(|()| file.write_all(all))
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::rename(&temporary, path))
        .and_then(|()| sync_folder(path));
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// Gives a file the mode and the group of one that it replaces. Where the group can't be had, its rights would be another's.
fn take_over_rights(file: &File, there: &Metadata) -> io::Result<()> {
    let group = fchown(file, None, Some(there.gid()));
    let lost = if group.is_ok() { 0 } else { 0o070 };
    file.set_permissions(Permissions::from_mode(there.mode() & 0o777 & !lost))
}

/// The original may be removed after that: the new name has to be on the disk first.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

/// FNV-1a, of 64 bits: tells a torn or cut file.
fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |sum, byte| {
        (sum ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use shm_core::SharedLayout;

    use super::*;

    #[test]
    fn a_schema_that_changes_once_is_read_anew_and_one_that_goes_on_changing_is_told() {
        use std::cell::Cell;
        let read = |changes: u32| {
            let looks = Cell::new(0);
            let schema = || {
                let look = looks.get();
                looks.set(look + 1);
                Ok(Schema::clone(
                    [u32::SCHEMA, u64::SCHEMA][look.min(changes) as usize % 2],
                ))
            };
            under_one(schema, || Ok::<_, ()>(looks.get())).unwrap()
        };
        assert_eq!(read(0), Some((u32::SCHEMA.clone(), 1)));
        assert_eq!(read(1), Some((u64::SCHEMA.clone(), 2)));
        assert_eq!(read(u32::MAX), None);
        let said = restless(&Place::file("/a b")).to_string();
        assert!(said.contains("`shm who 'file:/a b'`"), "{said}");
    }

    #[test]
    fn what_is_no_whole_dump_is_refused() {
        assert!(Kept::parsed(b"").is_none());
        assert!(Kept::parsed(b"shmdump1").is_none());
        for magic in [Kept::VALUE, Kept::ROWS] {
            let mut lies = magic.to_vec();
            lies.extend([0xff; 40]);
            let sum = checksum(&lies);
            lies.extend(sum.to_le_bytes());
            assert!(Kept::parsed(&lies).is_none());
        }
    }
}
