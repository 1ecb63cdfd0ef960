//! A file on its way into the world: without a name where the file system can do that, else under a name that no program looks
//! for, with a lock that tells whether its creator lives.

use std::collections::hash_map::RandomState;
use std::ffi::{CString, OsStr};
use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher, Hasher};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::description::{BIRTH_BYTE, Description, link_in_proc};
use super::error::Error;
use super::syscalls;

/// How such a name begins; 16 digits follow.
const PREFIX: &str = ".shm-core-new-";

/// A new file that has not got its name yet. Dropped, it is gone.
pub(super) struct Temporary {
    description: Description,
    /// `None` where the file has no name at all.
    name: Option<Name>,
}

impl Temporary {
    /// Makes an empty file in `folder`, for this user alone; it is to become `path`.
    pub(super) fn new(folder: &Path, path: &Path) -> Result<Temporary, Error> {
        sweep(folder);
        match without_name(folder) {
            Ok(file) if link_in_proc(file.as_fd()).symlink_metadata().is_ok() => Ok(Temporary {
                description: Description::of_new(file, path, false)?,
                name: None,
            }),
            // Without /proc there is no way to give it a name.
            Ok(_) => with_name(folder, path),
            // `open(2)`: "EOPNOTSUPP: the filesystem containing pathname does not support O_TMPFILE"; kernels and file systems
            // that do not know it say "EISDIR" or "ENOENT".
            Err(e)
                if matches!(
                    e.raw_os_error(),
                    Some(libc::EOPNOTSUPP | libc::EISDIR | libc::ENOENT)
                ) =>
            {
                with_name(folder, path)
            }
            Err(e) => Err(Error::of("open", path, &e)),
        }
    }

    pub(super) fn description(&self) -> &Description {
        &self.description
    }

    /// Gives the file its name, unless another file has it: then `None`, and this one is gone.
    pub(super) fn link(self, path: &Path) -> Result<Option<Description>, Error> {
        let from = match &self.name {
            Some(name) => c_path(&name.path),
            None => c_path(&link_in_proc(self.description.file.as_fd())),
        };
        match from.and_then(|from| syscalls::link(&from, &c_path(path)?)) {
            Ok(()) => Ok(Some(self.description.named(path))),
            Err(e) if e.raw_os_error() == Some(libc::EEXIST) => Ok(None),
            Err(e) => Err(Error::of("linkat", path, &e)),
        }
    }
}

/// The name that a temporary file has; taken away when dropped.
struct Name {
    path: PathBuf,
    creator: u32,
}

impl Drop for Name {
    fn drop(&mut self) {
        // A child of a fork in the middle of a birth has a copy of this value, and no say in it.
        if self.creator == std::process::id() {
            // Where that fails, the next birth in this directory tries again, once this description is closed.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn without_name(folder: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options
        .read(true)
        .write(true)
        .mode(0o600)
        .custom_flags(libc::O_TMPFILE);
    options.open(folder)
}

fn with_name(folder: &Path, path: &Path) -> Result<Temporary, Error> {
    loop {
        let random = RandomState::new().build_hasher().finish();
        let name = Name {
            path: folder.join(format!("{PREFIX}{random:016x}")),
            creator: std::process::id(),
        };
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true).mode(0o600);
        let file = match options.open(&name.path) {
            Ok(file) => file,
            Err(e) => {
                // It is another's.
                std::mem::forget(name);
                if e.kind() == io::ErrorKind::AlreadyExists {
                    continue;
                }
                return Err(Error::of("open", path, &e));
            }
        };
        let description = Description::of_new(file, &name.path, true)?;
        // One that looked between the two calls has taken it for a dead creator's.
        if description.lock_byte(BIRTH_BYTE)? && description.stat()?.nlink() == 1 {
            let name = Some(name);
            return Ok(Temporary { description, name });
        }
    }
}

/// Removes the temporary files of dead creators, as far as this process may: what it can't do is left to the next.
fn sweep(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    let names = entries.flatten().map(|entry| entry.file_name());
    for name in names.filter(|name| is_temporary(name)) {
        let path = folder.join(name);
        // Opened for writing, which an exclusive lock needs.
        let dead = Description::open(&path, true)
            .and_then(|found| Ok((found.lock_byte(BIRTH_BYTE)?, found)));
        if let Ok((true, description)) = dead {
            if description.is_at(&path).unwrap_or(false) {
                let _ = fs::remove_file(&path);
            }
        }
    }
}

fn is_temporary(name: &OsStr) -> bool {
    let rest = name.as_bytes().strip_prefix(PREFIX.as_bytes());
    rest.is_some_and(|rest| rest.len() == 16 && rest.iter().all(u8::is_ascii_hexdigit))
}

fn c_path(path: &Path) -> io::Result<CString> {
    CString::new(path.as_os_str().as_bytes())
        .map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))
}

#[cfg(all(test, not(loom)))]
#[allow(clippy::unwrap_used, reason = "a failure is the test's")]
mod tests {
    use super::*;
    use crate::home::file::tests::Scratch;

    #[test]
    fn who_finds_a_temporary_file_that_no_process_holds_removes_it() {
        let scratch = Scratch::new();
        let path = scratch.path("file");
        let held = with_name(scratch.folder(), &path).unwrap();
        let dead = scratch.file(".shm-core-new-0123456789abcdef", b"");
        let other = scratch.file(".shm-core-new-notes", b"");
        sweep(scratch.folder());
        let kept = held.name.as_ref().unwrap().path.clone();
        assert!(kept.exists() && other.exists() && !dead.exists());
        let description = held.link(&path).unwrap().unwrap();
        assert!(description.is_at(&path).unwrap() && !kept.exists());
        assert_eq!(description.stat().unwrap().nlink(), 1);
        let late = with_name(scratch.folder(), &path).unwrap();
        let name = late.name.as_ref().unwrap().path.clone();
        assert!(late.link(&path).unwrap().is_none() && !name.exists());
    }

    #[test]
    fn a_file_without_a_name_gets_one() {
        for scratch in [Scratch::new(), Scratch::in_memory()] {
            let path = scratch.path("file");
            let new = |path| Temporary::new(scratch.folder(), path).unwrap();
            let (first, second) = (new(&path), new(&path));
            assert!(scratch.is_empty() || first.name.is_some());
            assert!(first.link(&path).unwrap().unwrap().is_at(&path).unwrap());
            assert!(second.link(&path).unwrap().is_none());
            assert_eq!(scratch.names(), ["file"]);
        }
    }
}
