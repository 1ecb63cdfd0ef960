//! Files that values live in: those of the shared-memory file system, and those that are named.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::fs::{self, Metadata};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use shm_core::Place;

use super::namespace::memory_folder;
use crate::failure::{Exit, Failure};

/// Where `shm_open(3)` keeps its objects.
pub const FOLDER: &str = "/dev/shm";

/// How names begin that hold no value: named semaphores, and files that are being born.
const NO_VALUES: [&[u8]; 2] = [b"sem.", b".shm-core-new-"];

/// A regular file, and what the kernel says of it.
#[derive(Clone, Debug)]
pub struct SharedFile {
    pub place: Place,
    pub path: PathBuf,
    pub meta: Metadata,
}

impl SharedFile {
    /// The file of a place that has this path.
    pub fn at(place: &Place, path: &Path) -> Result<SharedFile, Failure> {
        let place = looked_into(place);
        let path = place.path().map_or(path.into(), Cow::into_owned);
        let meta = fs::symlink_metadata(&path).map_err(|error| Failure::of_io(&place, &error))?;
        if !meta.is_file() {
            let why = if meta.is_symlink() {
                "it is a symbolic link; name what it leads to (`readlink -f`)"
            } else {
                "it is no regular file; `shm ls` lists those that there are"
            };
            return Err(Failure::new(Exit::Misfit, format!("{place}: {why}")));
        }
        Ok(SharedFile { place, path, meta })
    }

    /// What lies in the shared-memory file system.
    pub fn all() -> Vec<SharedFile> {
        let mut all = files_of(memory_folder());
        all.retain(|(name, _, _)| {
            !NO_VALUES
                .iter()
                .any(|prefix| name.as_bytes().starts_with(prefix))
        });
        let named = all.into_iter().map(|(name, path, meta)| {
            let (place, _) = in_memory(&name);
            SharedFile { place, path, meta }
        });
        named.collect()
    }

    /// The files of a folder.
    pub fn in_folder(folder: &Path) -> Vec<SharedFile> {
        let named = files_of(folder).into_iter().map(|(_, path, meta)| {
            let place = Place::file(&path);
            SharedFile { place, path, meta }
        });
        named.collect()
    }

    /// Whether the path leads to another file by now, or to none.
    pub fn is_gone(&self) -> bool {
        let now = fs::symlink_metadata(&self.path);
        !now.is_ok_and(|now| (now.dev(), now.ino()) == (self.meta.dev(), self.meta.ino()))
    }
}

pub fn is_posix(place: &Place) -> bool {
    place.to_string().starts_with("posix:")
}

/// The place, of a POSIX name in the shared-memory file system that is looked into.
pub fn looked_into(place: &Place) -> Place {
    match place.path().filter(|_| is_posix(place)) {
        Some(path) => path
            .file_name()
            .map_or(place.clone(), |name| in_memory(name).0),
        None => place.clone(),
    }
}

/// Place and path of a name in the shared-memory file system that is looked into: that of another mount namespace has
/// no POSIX names here.
fn in_memory(name: &OsStr) -> (Place, PathBuf) {
    let path = memory_folder().join(name);
    if memory_folder() == Path::new(FOLDER) {
        let mut slashed = OsString::from("/");
        slashed.push(name);
        (Place::posix(slashed), path)
    } else {
        (Place::file(&path), path)
    }
}

/// Name, path and facts of each regular file, by name.
fn files_of(folder: &Path) -> Vec<(OsString, PathBuf, Metadata)> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<_> = entries
        .filter_map(|entry| {
            let meta = entry.metadata().ok().filter(Metadata::is_file)?;
            Some((entry.file_name(), entry.path(), meta))
        })
        .collect();
    files.sort_by(|a, b| a.0.cmp(&b.0));
    files
}
