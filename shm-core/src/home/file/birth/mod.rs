//! The birth of a file: under its path there is a whole one, or none.
//!
//! | step | a death after it leaves |
//! |---|---|
//! | a file without a name (where that can't be: with one of its own and a lock) | nothing (the name, for the next birth in the directory to remove) |
//! | owner and mode, room for all bytes, zeros on a disk, content, `fsync` | the same |
//! | `linkat` | the whole file; after a power loss the file or none |
//! | `fsync` of the directory | the whole file |

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, PermissionsExt, fchown};
use std::path::Path;

use super::description::Description;
use super::error::{Error, Kind};
use super::home::FileHome;
use super::mapped::Mapped;
use super::syscalls;
use super::temporary::Temporary;
use crate::sysv::soft_limit;

/// Makes the file of `len` bytes that `fill` fills; before, it holds zeros. It has its path once it is whole, and on the disk if
/// the file system is on one. Before that, nothing but this process can see it. `None`: there was a file already, or another
/// process was faster.
///
/// # Errors
///
/// No directory, no right to write to it, no room, a path or a size that can't be; what `fill` fails for. Nothing is left.
pub(crate) fn create_whole<E: From<Error>>(
    path: &Path,
    mode: u32,
    group: Option<u32>,
    len: u64,
    fill: impl FnOnce(FileHome) -> Result<(), E>,
) -> Result<Option<FileHome>, E> {
    let folder = folder(path)?;
    if path.symlink_metadata().is_ok() {
        return Ok(None);
    }
    check_size(path, len)?;
    let temporary = Temporary::new(folder, path)?;
    let description = temporary.description();
    furnish(description, mode, group, len)?;
    let mapped = Mapped::new(description, true)?;
    fill(FileHome::map(description.again(true)?, true)?)?;
    let lasts = !description.file_system.volatile;
    if lasts {
        let synced = description.file.sync_all();
        synced.map_err(|e| Error::of("fsync", path, &e))?;
    }
    let Some(description) = temporary.link(path)? else {
        return Ok(None);
    };
    if lasts {
        sync_name(folder, &description)?;
    }
    Ok(Some(FileHome::new(description, mapped)))
}

fn folder(path: &Path) -> Result<&Path, Error> {
    let named = path.file_name().is_some() && !path.as_os_str().as_encoded_bytes().ends_with(b"/");
    match path.parent() {
        Some(folder) if named && folder.as_os_str().is_empty() => Ok(Path::new(".")),
        Some(folder) if named => Ok(folder),
        _ => Err(Error::early(
            "open",
            path,
            "the path ends with no name of a file",
            "name the file, such as /var/lib/app/state",
        )),
    }
}

/// The kernel would end a process that goes beyond its limit (`SIGXFSZ`).
fn check_size(path: &Path, len: u64) -> Result<(), Error> {
    let limit = soft_limit(libc::RLIMIT_FSIZE as i32);
    if len <= limit {
        return Ok(());
    }
    let cause = format!(
        "this process may make files of {limit} bytes at most (RLIMIT_FSIZE), and this one has {len}"
    );
    let hint = "raise the limit with `ulimit -f`, or ask for less";
    Err(Error::early("posix_fallocate", path, cause, hint))
}

/// Owner, mode, and room for each byte.
fn furnish(
    description: &Description,
    mode: u32,
    group: Option<u32>,
    len: u64,
) -> Result<(), Error> {
    let (file, path): (&File, _) = (&description.file, description.path());
    if group.is_some() {
        fchown(file, None, group).map_err(|e| not_of_group(path, &e))?;
    }
    let mode = fs::Permissions::from_mode(mode);
    file.set_permissions(mode)
        .map_err(|e| Error::of("fchmod", path, &e))?;
    let has_room = match syscalls::allocate(file, len) {
        Ok(()) => true,
        Err(e) if e.raw_os_error() == Some(libc::EOPNOTSUPP) => false,
        Err(e) => return Err(Error::of("posix_fallocate", path, &e)),
    };
    // On a disk, room that was only set aside reads as zeros whatever is stored, until the file system has noted the store.
    if !has_room || !description.file_system.volatile {
        write_zeros(file, len).map_err(|e| Error::of("write", path, &e))?;
    }
    Ok(())
}

fn write_zeros(file: &File, len: u64) -> std::io::Result<()> {
    const PIECE: [u8; 1 << 14] = [0; 1 << 14];
    let mut at = 0;
    while at < len {
        let piece = usize::try_from(len - at).map_or(PIECE.len(), |left| left.min(PIECE.len()));
        file.write_all_at(&PIECE[..piece], at)?;
        at += piece as u64;
    }
    Ok(())
}

fn not_of_group(path: &Path, error: &std::io::Error) -> Error {
    if error.raw_os_error() == Some(libc::EPERM) {
        let cause = "this process is no member of the group that the file is to have";
        let hint = "name a group of this user's (`id` shows them), or run as root";
        return Error::early("fchown", path, cause, hint).of_kind(Kind::Denied);
    }
    Error::of("fchown", path, error)
}

/// Lets the new name survive a power loss.
fn sync_name(folder: &Path, description: &Description) -> Result<(), Error> {
    let synced = match File::open(folder) {
        Ok(folder) => folder.sync_all(),
        // A directory that may be written to and not read.
        Err(_) => syscalls::sync_file_system(&description.file),
    };
    match synced {
        // `fsync(2)`: "fd is bound to a special file … which does not support synchronization".
        Err(e) if e.raw_os_error() != Some(libc::EINVAL) => Err(description.error("fsync", &e)),
        _ => Ok(()),
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
