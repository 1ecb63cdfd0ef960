//! `Description`: a file opened for one owner alone, whose locks tell that the owner lives.

use core::fmt;
use core::mem::ManuallyDrop;
use std::collections::hash_map::RandomState;
use std::ffi::OsString;
use std::fs::{File, Metadata, OpenOptions};
use std::hash::{BuildHasher, Hasher};
use std::io::{self, Seek, SeekFrom};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::error::Error;
use super::file_system::FileSystem;
use super::syscalls;

// Which byte of a file says what, by a lock on it. Slots have those from 0 on.
/// Locked together by all that use the live value; alone by the one that restores it.
pub(super) const LIFE_BYTE: i64 = 1 << 32;
/// Locked by the one that writes to the disk.
pub(super) const DISK_BYTE: i64 = LIFE_BYTE + 1;
/// Locked by the creator, as long as the file has a temporary name; and by the one that takes its name away.
pub(super) const BIRTH_BYTE: i64 = LIFE_BYTE + 2;

/// One open file description with one descriptor, closed on `exec`: opened anew for its owner, never duplicated, never mapped
/// through. Its locks belong to the inode, and end when it is dropped, which closes it: never by `F_UNLCK`, which in a forked
/// child would free the parent's.
///
/// It closes its own description and no other: a program that closes every number it finds (`close_range`, as daemons do) frees this
/// one for another file, or for this one once more. In a child that gave up its copy, the number stays taken.
pub(crate) struct Description {
    /// For calls that neither map nor duplicate it.
    pub(super) file: ManuallyDrop<File>,
    /// Device and inode.
    pub(super) identity: (u64, u64),
    /// Where the description's offset stands, by which it is told from others: nothing reads or writes by it.
    mark: i64,
    path: PathBuf,
    /// Whether `path` leads to it; else it was received as a descriptor.
    pub(super) by_path: bool,
    pub(super) file_system: FileSystem,
}

/// Beyond what files have, within what file systems allow.
const MARKS: u64 = 1 << 39;

impl Drop for Description {
    fn drop(&mut self) {
        if self.is_intact() {
            // SAFETY: `ManuallyDrop::drop` demands that the value is not used after it: this is its owner's only drop.
            unsafe { ManuallyDrop::drop(&mut self.file) };
        }
    }
}

impl Description {
    /// Opens the ordinary file of this path.
    ///
    /// # Errors
    ///
    /// There is none, or it can't be opened; it is a symbolic link, a directory, a FIFO, a socket or a device; it is on a file
    /// system that can't be a home.
    pub(crate) fn open(path: &Path, write: bool) -> Result<Description, Error> {
        let open = |write| {
            let opened = open_as(path, write, libc::O_NOFOLLOW);
            opened.map_err(|e| Error::of("open", path, &link_on_the_way(path, e)))
        };
        let description = Description::of_new(open(write)?, path, true)?;
        if write || !description.file_system.copies_up {
            return Ok(description);
        }
        // Opened for writing, the file gets its last place; what is opened after that stays valid.
        drop(open(true).map_err(|_| unseen_copy(path))?);
        Description::of_new(open(false)?, path, true)
    }

    /// Opens the file of a descriptor once more, whatever the descriptor is opened for: as a description of its own.
    ///
    /// # Errors
    ///
    /// `/proc` is not there; the file can't be opened, or can't be a home.
    pub(crate) fn open_again(fd: BorrowedFd<'_>, write: bool) -> Result<Description, Error> {
        let path = link_in_proc(fd);
        let file = open_as(&path, write, 0).map_err(|e| no_proc(&path, &e))?;
        let description = Description::of_new(file, &path, false)?;
        // Nothing keeps a `/proc` from being another thing.
        let known = fd.try_clone_to_owned();
        let known = known.and_then(|fd| File::from(fd).metadata());
        let known = known.map_err(|e| Error::of("fstat", &path, &e))?;
        if identity(&known) != description.identity {
            return Err(replaced(&path));
        }
        Ok(description)
    }

    /// One for a file that was just opened, and for nothing else; `by_path` says that `path` leads to it.
    pub(super) fn of_new(file: File, path: &Path, by_path: bool) -> Result<Description, Error> {
        let found = file.metadata().map_err(|e| Error::of("fstat", path, &e))?;
        let sort = found.file_type();
        if !sort.is_file() {
            let errno = if sort.is_dir() {
                libc::EISDIR
            } else {
                libc::ENXIO
            };
            let error = io::Error::from_raw_os_error(errno);
            return Err(Error::of("open", path, &error));
        }
        let file_system = FileSystem::of(&file, path)?;
        let mark = MARKS + RandomState::new().build_hasher().finish() % MARKS;
        let sought = (&file).seek(SeekFrom::Start(mark));
        sought.map_err(|e| Error::of("lseek", path, &e))?;
        Ok(Description {
            file: ManuallyDrop::new(file),
            identity: identity(&found),
            mark: mark as i64,
            path: path.to_owned(),
            by_path,
            file_system,
        })
    }

    /// The same, known by another path from now on.
    pub(super) fn named(mut self, path: &Path) -> Description {
        self.path = path.to_owned();
        self.by_path = true;
        self
    }

    /// Locks a byte for this owner alone; `false` if another description has a lock on it.
    pub(crate) fn lock_byte(&self, offset: i64) -> Result<bool, Error> {
        self.lock(libc::F_WRLCK, offset)
    }

    /// Locks a byte together with others who do so, also what this description had locked for itself alone; `false` if another
    /// has locked it for itself alone. No description needs the right to write for it.
    pub(crate) fn lock_shared(&self, offset: i64) -> Result<bool, Error> {
        self.lock(libc::F_RDLCK, offset)
    }

    fn lock(&self, sort: i32, offset: i64) -> Result<bool, Error> {
        syscalls::try_lock(&self.file, sort, offset).map_err(|e| self.error("fcntl", &e))
    }

    /// Lets go of a byte that is never held beyond a call: of others, a forked child's copy of the descriptor would free the
    /// parent's.
    pub(super) fn unlock(&self, offset: i64) -> Result<(), Error> {
        syscalls::unlock(&self.file, offset).map_err(|e| self.error("fcntl", &e))
    }

    /// Whether another description has locked the byte for itself alone. A shared lock does not count: every reader can have
    /// one.
    pub(crate) fn is_held(&self, offset: i64) -> Result<bool, Error> {
        syscalls::is_locked(&self.file, offset).map_err(|e| self.error("fcntl", &e))
    }

    /// What the kernel says of the file now.
    pub(crate) fn stat(&self) -> Result<Metadata, Error> {
        let found = self.file.metadata();
        found.map_err(|e| self.error("fstat", &e))
    }

    /// Whether the path leads to this file.
    pub(crate) fn is_at(&self, path: &Path) -> Result<bool, Error> {
        match path.symlink_metadata() {
            Ok(found) => Ok(identity(&found) == self.identity),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(e) => Err(self.error("stat", &e)),
        }
    }

    /// What it was opened by.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The file by a further description, for a use that must not keep this one alive, and what the kernel says of it.
    pub(super) fn another(&self, write: bool) -> Result<(File, Metadata), Error> {
        let same = |file: File| {
            let found = file.metadata().map_err(|e| self.error("fstat", &e))?;
            let same = identity(&found) == self.identity;
            Ok(same.then_some((file, found)))
        };
        // The path costs less than a link of `/proc`, which is needed where the file has another path by now, or none.
        let by_path = self
            .by_path
            .then(|| open_as(&self.path, write, libc::O_NOFOLLOW).ok());
        if let Some(found) = by_path.flatten().map(same).transpose()?.flatten() {
            return Ok(found);
        }
        if !self.is_intact() {
            return Err(Error::early(
                "open",
                &self.path,
                "this process has closed the descriptor, and the path leads to another file",
                "leave descriptors of this library's open (`close_range`)",
            ));
        }
        let link = link_in_proc(self.file.as_fd());
        let file = open_as(&link, write, 0).map_err(|e| no_proc(&self.path, &e))?;
        same(file)?.ok_or_else(|| replaced(&self.path))
    }

    /// Another description of the file.
    pub(crate) fn again(&self, write: bool) -> Result<Description, Error> {
        let (file, _) = self.another(write)?;
        Description::of_new(file, &self.path, self.by_path)
    }

    /// Asks this description or, where this process has closed it, a further one of the file; `None` if none can be had.
    pub(super) fn ask<R>(
        &self,
        question: impl FnOnce(&Description) -> Result<R, Error>,
    ) -> Result<Option<R>, Error> {
        if self.is_intact() {
            return question(self).map(Some);
        }
        match self.again(false) {
            Ok(further) => question(&further).map(Some),
            Err(_) => Ok(None),
        }
    }

    /// Whether the descriptor is still the file's: this process may have closed it.
    pub(super) fn is_intact(&self) -> bool {
        syscalls::offset(self.file.as_raw_fd()) == Some(self.mark)
    }

    /// The descriptor, and where the description's offset stands as long as it is this one's.
    pub(super) fn marked(&self) -> (RawFd, i64) {
        (self.file.as_raw_fd(), self.mark)
    }

    #[cold]
    pub(super) fn error(&self, call: &'static str, error: &io::Error) -> Error {
        Error::of(call, &self.path, error)
    }
}

impl fmt::Debug for Description {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Description({:?})", self.path)
    }
}

/// Device and inode.
fn identity(found: &Metadata) -> (u64, u64) {
    (found.dev(), found.ino())
}

/// `/proc`'s link to a descriptor of this thread. Opened, it makes a new description: also of a file without a name.
pub(super) fn link_in_proc(fd: BorrowedFd<'_>) -> PathBuf {
    OsString::from(format!("/proc/thread-self/fd/{}", fd.as_raw_fd())).into()
}

/// With `O_NOFOLLOW` in `flags`, unless it is a link of `/proc`'s own.
fn open_as(path: &Path, write: bool, flags: i32) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(write);
    // What it is, is known only once it is open: so a FIFO must not wait for a writer.
    options.custom_flags(flags | libc::O_NONBLOCK | libc::O_NOCTTY);
    options.open(path)
}

/// What it means that a link of `/proc` could not be opened.
fn no_proc(path: &Path, error: &io::Error) -> Error {
    if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENOTDIR)) {
        return Error::early(
            "open",
            path,
            "there is no /proc, through which a file is opened once more",
            "mount it: `mount -t proc proc /proc` inside the chroot or container",
        );
    }
    Error::of("open", path, error)
}

/// The kernel says `ELOOP` also of a path with too many links on the way; that is not this file's fault.
fn link_on_the_way(path: &Path, error: io::Error) -> io::Error {
    let itself = || {
        path.symlink_metadata()
            .is_ok_and(|found| found.is_symlink())
    };
    if error.raw_os_error() == Some(libc::ELOOP) && !itself() {
        return io::Error::other("too many symbolic links on the way");
    }
    error
}

fn unseen_copy(path: &Path) -> Error {
    Error::early(
        "open",
        path,
        "it is on an overlay file system and may not be opened for writing: a mapping made before the first writer came would \
         not see what it stores",
        "allow this process to write the file, or put it on a volume that is no overlay",
    )
}

fn replaced(path: &Path) -> Error {
    Error::early(
        "open",
        path,
        "the path leads to another file than a moment ago",
        "open it again",
    )
}

#[cfg(all(test, not(loom)))]
#[allow(clippy::unwrap_used, reason = "a failure is the test's")]
mod tests {
    use super::*;
    use crate::home::file::error::Kind;
    use crate::home::file::mapped::Mapped;
    use crate::home::file::tests::Scratch;

    fn open(path: &Path) -> Description {
        Description::open(path, true).unwrap()
    }

    /// What other tests spawn meanwhile has copies of descriptors until it calls `exec`.
    fn until_free(description: &Description, byte: i64) {
        let start = std::time::Instant::now();
        while description.is_held(byte).unwrap() {
            assert!(start.elapsed().as_secs() < 60, "something keeps it");
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_byte_has_one_owner_and_is_free_once_its_description_is_closed() {
        let scratch = Scratch::new();
        let path = scratch.file("file", b"x");
        let (one, two) = (open(&path), open(&path));
        assert!(one.lock_byte(3).unwrap());
        assert!(one.lock_byte(3).unwrap(), "its own again");
        assert!(!two.lock_byte(3).unwrap() && two.lock_byte(4).unwrap());
        assert!(two.is_held(3).unwrap() && one.is_held(4).unwrap());
        assert!(!one.is_held(3).unwrap(), "asked through itself");
        // Closing another description of the same process frees nothing, as it would with POSIX record locks.
        drop(open(&path));
        assert!(two.is_held(3).unwrap());
        drop(one);
        until_free(&two, 3);
        assert!(two.lock_byte(3).unwrap());
    }

    #[test]
    fn a_mapping_keeps_no_lock() {
        let scratch = Scratch::new();
        let path = scratch.file("file", b"x");
        let (one, two) = (open(&path), open(&path));
        assert!(one.lock_byte(0).unwrap());
        let mapped = Mapped::new(&one, true).unwrap();
        drop(one);
        until_free(&two, 0);
        drop(mapped);
    }

    #[test]
    fn locks_of_readers_do_not_look_like_life() {
        let scratch = Scratch::new();
        let path = scratch.file("file", b"x");
        let (owner, reader) = (open(&path), Description::open(&path, false).unwrap());
        assert!(reader.lock_shared(7).unwrap() && !owner.is_held(7).unwrap());
        assert!(
            !owner.lock_byte(7).unwrap(),
            "a reader can deny a slot, and no more"
        );
        assert!(reader.lock_byte(8).is_err(), "without the right to write");
        assert!(owner.lock_shared(7).unwrap());
    }

    #[test]
    fn a_lock_for_one_becomes_a_shared_one() {
        let scratch = Scratch::new();
        let path = scratch.file("file", b"x");
        let (one, two) = (open(&path), open(&path));
        assert!(one.lock_byte(9).unwrap() && !two.lock_shared(9).unwrap());
        assert!(one.lock_shared(9).unwrap() && two.lock_shared(9).unwrap());
        assert!(!one.lock_byte(9).unwrap());
    }

    #[test]
    fn a_descriptor_is_opened_again_as_a_description_of_its_own() {
        let scratch = Scratch::new();
        let path = scratch.file("file", b"x");
        let one = open(&path);
        assert!(one.lock_byte(0).unwrap());
        // A duplicate shares the description, and sees no conflict.
        let again = Description::open_again(one.file.as_fd(), true).unwrap();
        assert!(again.is_held(0).unwrap() && !again.lock_byte(0).unwrap());
        std::fs::remove_file(&path).unwrap();
        assert!(
            Description::open_again(one.file.as_fd(), false)
                .unwrap()
                .is_held(0)
                .unwrap()
        );
        assert_eq!(one.stat().unwrap().nlink(), 0);
        assert!(!one.is_at(&path).unwrap());
    }

    #[test]
    fn what_is_no_ordinary_file_is_refused_without_waiting() {
        let scratch = Scratch::new();
        let fifo = scratch.path("fifo");
        let made = std::process::Command::new("mkfifo")
            .arg(&fifo)
            .status()
            .unwrap();
        assert!(made.success());
        let socket = scratch.path("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let link = scratch.path("link");
        std::os::unix::fs::symlink(scratch.file("file", b"x"), &link).unwrap();
        let circle = scratch.path("circle");
        std::os::unix::fs::symlink(&circle, &circle).unwrap();
        for (path, words) in [
            (scratch.folder().to_owned(), "it is a directory"),
            (fifo, "a FIFO"),
            (socket, "a socket"),
            ("/dev/null".into(), "a device"),
            (link, "readlink -f"),
            (circle.join("x"), "too many symbolic links"),
            (scratch.path("none"), "no such file"),
            (scratch.path("none/file"), "mkdir -p"),
            (scratch.path("file/file"), "no directory"),
            (scratch.path(&"n".repeat(300)), "too long"),
            ("/proc/version".into(), "file system"),
        ] {
            let error = Description::open(&path, false).unwrap_err();
            let is_free = path == scratch.path("none");
            assert_eq!(error.kind() == Kind::NotFound, is_free, "{error}");
            let text = error.to_string();
            assert!(
                text.contains(words) && text.contains(&format!("{path:?}")),
                "{text}"
            );
        }
    }

    #[test]
    fn an_empty_file_is_no_memory() {
        let scratch = Scratch::new();
        let empty = scratch.file("empty", b"");
        let error = Mapped::new(&open(&empty), false).unwrap_err();
        assert!(error.to_string().contains("the file is empty"), "{error}");
    }
}
