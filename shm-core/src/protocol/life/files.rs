//! Files: found by path or descriptor, born whole, brought back after a restart.
//!
//! A birth is private until the file has its name, so it has no table of deaths of its own: see
//! [`create_whole`]. The first value is written under the lock, as in a segment, by the code that does so there.

use std::fs::Metadata;
use std::num::NonZeroU64;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::AtomicU64 as PlainU64;

use super::find::{control, divide, header};
use super::newborn::{Newborn, Write, describe, unique_id};
use super::open::retry;
use super::removal::bury_file;
use crate::home::file::{
    self, Description, Kind, create_memory, create_whole, enter, keep_as_is, life_word,
};
use crate::home::{FileHome, Home};
use crate::protocol::fault::Fault;
use crate::protocol::memory::atomics::{
    AtomicU64,
    Ordering::{Acquire, Relaxed},
};
use crate::protocol::memory::control::{CONTROL, MAGIC, State, may_end_in_control};
use crate::protocol::memory::stop::stop;
use crate::protocol::segment::commit::Payload;
use crate::protocol::segment::kernel::Access;
use crate::protocol::segment::segment::Segment;
use crate::sysv::Mode;

/// The rights of others to write, in a mode.
const OTHERS: u32 = 0o022;

/// Maps the file of a path.
pub(crate) fn open_file(path: &Path, access: Access) -> Result<Segment, Fault> {
    attach(Description::open(path, access.writable)?, access)
}

/// Maps a file in which another program laid something out: all that is known are its owner, its rights and its size.
pub(crate) fn map_file(path: &Path, access: Access) -> Result<FileHome, Fault> {
    let description = Description::open(path, access.writable)?;
    check_rights(&description.stat()?, access)?;
    Ok(FileHome::map(description, access.writable)?)
}

/// Makes a file of so many zeros; `None`: there is one of that path.
pub(crate) fn create_zeros(
    path: &Path,
    mode: Mode,
    group: Option<u32>,
    size: usize,
) -> Result<Option<FileHome>, Fault> {
    let fill = |_| Ok::<_, file::Error>(());
    Ok(create_whole(path, mode.bits(), group, size as u64, fill)?)
}

/// Maps the memory that a descriptor stands for, whose size is sealed.
pub(crate) fn open_memory(fd: BorrowedFd<'_>, access: Access) -> Result<Segment, Fault> {
    let sealed = Access {
        may_write: OTHERS,
        ..access
    };
    attach(Description::of_memory(&fd, access.writable)?, sealed)
}

/// Makes the file of a path, which must not exist.
pub(crate) fn create_file(
    path: &Path,
    access: Access,
    newborn: &Newborn,
    write: &mut Write<'_>,
) -> Result<Segment, Fault> {
    retry(access.limit, |_| {
        match bear(path, access, newborn, write) {
            // Others have found it at once, and removed it.
            Err(Fault::Removed) => Ok(None),
            // One that was removed, and put back under its name.
            Ok(None) if !matches!(bury_file(path, access.limit), Ok(true)) => {
                Err(file::Error::exists(path).into())
            }
            born => born,
        }
    })
}

/// Maps the file of a path, or makes it. The flag says whether this call did.
pub(crate) fn open_or_create_file(
    path: &Path,
    access: Access,
    newborn: &Newborn,
    write: &mut Write<'_>,
) -> Result<(Segment, bool), Fault> {
    retry(access.limit, |_| match open_file(path, access) {
        Ok(segment) => Ok(Some((segment, false))),
        Err(Fault::File(error)) if error.kind() == Kind::NotFound => {
            match bear(path, access, newborn, write) {
                // Others have found it at once.
                Err(Fault::Removed) => Ok(None),
                born => Ok(born?.map(|segment| (segment, true))),
            }
        }
        // Between the two steps of a removal, or put back under its name.
        Err(Fault::Removed) => {
            bury_file(path, access.limit)?;
            Ok(None)
        }
        Err(fault) => Err(fault),
    })
}

/// Makes memory without a name.
pub(crate) fn create_memory_home(
    access: Access,
    newborn: &Newborn,
    write: &mut Write<'_>,
) -> Result<Segment, Fault> {
    let size = newborn.geometry.total().ok_or(Fault::TooLarge)?;
    let fd = create_memory(size as u64, newborn.mode.bits())?;
    let description = Description::of_memory(&fd, true)?;
    let home = FileHome::map(description, true)?;
    fill(home, access, newborn, write)?;
    open_memory(fd.as_fd(), access)
}

/// `None`: there is a file of that path.
fn bear(
    path: &Path,
    access: Access,
    newborn: &Newborn,
    write: &mut Write<'_>,
) -> Result<Option<Segment>, Fault> {
    let size = newborn.geometry.total().ok_or(Fault::TooLarge)?;
    let (mode, group) = (newborn.mode.bits(), newborn.group);
    let fill = |home| fill(home, access, newborn, write);
    let born = create_whole(path, mode, group, size as u64, fill)?;
    stop!("file birth: named");
    born.map(|home| verified(home, access)).transpose()
}

/// Writes everything that a file holds, under its lock; no other process knows it yet.
fn fill(
    home: FileHome,
    access: Access,
    newborn: &Newborn,
    write: &mut Write<'_>,
) -> Result<(), Fault> {
    let life = life_word(home.description())?;
    let control = control(&home);
    control.unique.store(unique_id(), Relaxed);
    let slots = newborn.geometry.slots.into();
    control.slots.store(slots, Relaxed);
    control.life.store(life.get(), Relaxed);
    // SAFETY: the file was made with as many bytes as the geometry has, and mapped whole.
    let segment = unsafe { divide(Home::File(Box::new(home)), access, newborn.geometry) };
    segment.join()?;
    let locked = segment.lock_in_any_state()?;
    let first = |area| write(&locked, Payload { area, exact: false });
    // SAFETY: **owned**: `locked` is the lock, of a writable mapping, and `write` refuses where it is
    // not this process's any more. The state says newborn, and nothing reads; the geometry was made for
    // `stored` bytes.
    unsafe {
        segment.latch.give_birth(newborn.stored, first)?;
        describe(&segment, newborn);
    }
    State::NEWBORN.declare_ready(&segment.control().state);
    drop(locked);
    if newborn.geometry.snapshots {
        segment.persist()?;
    }
    stop!("file birth: filled");
    Ok(())
}

fn attach(description: Description, access: Access) -> Result<Segment, Fault> {
    check(&description.stat()?, access)?;
    let home = FileHome::map(description, access.writable)?;
    verified(home, access)
}

fn check(stat: &Metadata, access: Access) -> Result<(), Fault> {
    check_rights(stat, access)?;
    let size = stat.len() as usize;
    if !may_end_in_control(size) {
        return Err(Fault::Foreign { size });
    }
    Ok(())
}

/// Whether the file is of an owner who is trusted, and no others can cut it short under this process.
fn check_rights(stat: &Metadata, access: Access) -> Result<(), Fault> {
    access.owner.check([stat.uid(); 2])?;
    let exposed = stat.mode() & OTHERS & !access.may_write;
    if exposed != 0 {
        let mode = stat.mode() & 0o7777;
        return Err(Fault::Exposed { mode });
    }
    Ok(())
}

fn verified(home: FileHome, access: Access) -> Result<Segment, Fault> {
    let size = home.len();
    // Once more: it is the mapping's size that counts.
    if !may_end_in_control(size) {
        return Err(Fault::Foreign { size });
    }
    let block = control(&home);
    if block.magic.load(Relaxed) != MAGIC {
        return Err(Fault::Foreign { size });
    }
    let state = State::look(&block.state);
    let (geometry, flags) = header(block, size)?;
    if state.is_removed() {
        return Err(Fault::Removed);
    }
    if !state.is_ready() {
        return Err(Fault::Damaged(
            "its state word is none that this library writes",
        ));
    }
    let has_path = home.named().is_some();
    if has_path && home.stat()?.is_none_or(|stat| stat.nlink() == 0) {
        return Err(Fault::Removed);
    }
    let life = life_word(home.description())?;
    let is_live = |home: &FileHome| control(home).life.load(Acquire) == life.get();
    let mut kept = None;
    if !access.writable && geometry.snapshots && !is_live(&home) {
        kept = Some(keep_as_is(home.description(), access.limit)?);
    }
    // A view can't restore the value, and shows the one that would be.
    let frozen = (kept.is_some() && !is_live(&home)).then(|| State::look(&control(&home).state));
    let mut home = match frozen {
        Some(_) => home.with_copy()?.ok_or(Fault::Removed)?,
        None => home,
    };
    if access.writable && geometry.snapshots {
        home.open_disk()?;
    }
    // SAFETY: the geometry was found to add up to the size of the mapping, which the copy has, too.
    let mut segment = unsafe { divide(Home::File(Box::new(home)), access, geometry) };
    segment.flags = flags;
    segment.doomed = !has_path;
    match frozen {
        Some(state) => segment.show_snapshot(state)?,
        None => segment.begin_life(life)?,
    }
    Ok(segment)
}

impl Segment {
    /// Makes sure that the live value is one that living processes left: see [`enter`].
    fn begin_life(&self, life: NonZeroU64) -> Result<(), Fault> {
        let Some(file) = self.home.file() else {
            return Ok(());
        };
        let word = plain(&self.control().life);
        if self.is_writable() {
            // Another state than the one that views of the snapshot have found.
            let next = || State::READY.after(self.state());
            let restore = || {
                // A copy may be in memory alone, and what is durable by its word is not written again.
                file.description().sync()?;
                self.restore(next())
            };
            return enter(file.description(), word, life, self.limit(), restore);
        }
        if word.load(Acquire) != life.get() {
            return Err(Fault::NotRestored);
        }
        Ok(())
    }

    /// Reads the newest whole snapshot from a copy of this process's own, as long as the file's state is this one: it will be
    /// another as soon as the value is restored.
    fn show_snapshot(&mut self, state: State) -> Result<(), Fault> {
        self.restore(state)?;
        let Some((file, live)) = self.home.file().and_then(|file| Some((file, file.live()?)))
        else {
            return Err(Fault::NotRestored);
        };
        // **divided**, **mapped**: at the place of the copy's, which has the same size. The home keeps both.
        let block = live.as_ptr().wrapping_add(file.len() - CONTROL);
        self.control = block.cast_const().cast();
        self.frozen = Some(state);
        Ok(())
    }

    /// Puts the newest whole snapshot in the place of the live value, under this state. No other process uses it.
    fn restore(&self, state: State) -> Result<(), Fault> {
        if self.row_count() > 0 {
            self.forget_rows();
            return Ok(());
        }
        let file = self.home.file().ok_or(Fault::NotRestored)?;
        let slots = self.snapshot_slots().ok_or(Fault::NotRestored)?;
        file::restored(file.description(), slots, self.unique, |found, durable| {
            let fits = found.schema.len() <= self.geometry.room
                && found.value.len() <= self.geometry.capacity;
            if !fits {
                return Err(Fault::Damaged("a snapshot in it does not fit its sizes"));
            }
            let control = self.control();
            self.forget_claims();
            control.durable.store(durable, Relaxed);
            control.state.store(state.0, Relaxed);
            // SAFETY: the mapping is writable and no other process is in this life (`enter`), or it is a copy of this process's own,
            // so the copies are **owned**. Room and capacity have as many bytes, which was checked above.
            unsafe {
                self.rooms[state.room()].store(0, found.schema.as_ptr(), found.schema.len());
                self.latch.restore(found.value, found.version);
            }
            stop!("file: restored");
            Ok(())
        })
    }
}

impl Segment {
    /// Of claims of another life nothing is left.
    fn forget_claims(&self) {
        let control = self.control();
        for record in self.records() {
            record.store(0, Relaxed);
        }
        control.lock.store(0, Relaxed);
        control.awaited.store(0, Relaxed);
        control.range.store(0, Relaxed);
    }

    /// A table of another life has no owners: all of its rows are free.
    fn forget_rows(&self) {
        self.forget_claims();
        for words in self.row_words() {
            words.own.store(0, Relaxed);
            words.seq.store(0, Relaxed);
        }
    }
}

/// A word of the file as the standard library has it: `home/` knows nothing of models.
fn plain(word: &AtomicU64) -> &PlainU64 {
    // SAFETY: the pointer is that of a word which lives as long as `word`, and is accessed by atomics alone.
    unsafe { PlainU64::from_ptr(word.as_ptr()) }
}
