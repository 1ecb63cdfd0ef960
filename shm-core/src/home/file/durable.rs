//! Bringing a value to the disk, and back.
//!
//! | step | a power loss after it leaves |
//! |---|---|
//! | the disk byte is locked | what was there |
//! | the slot that does not count is written, and waited for | the new snapshot if all of it arrived, else the one in the other slot |
//! | `durable` names the slot | the new snapshot |
//!
//! Where a step fails, `durable` still names the other slot, and the next try writes the whole slot anew.

use core::sync::atomic::AtomicU32;
use core::sync::atomic::Ordering::Relaxed;
use std::io;
use std::sync::{Mutex, TryLockError};
use std::time::Duration;

use super::description::{DISK_BYTE, Description};
use super::error::{Error, Kind};
use super::forked::Kept;
use super::snapshot::{HEADER, Snapshot, claimed, newest};
use super::turn::within;

/// Where the two slots of a file are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slots {
    /// Where the first begins; the other follows it.
    pub(crate) at: u64,
    /// Bytes of each.
    pub(crate) size: usize,
}

impl Slots {
    fn place(self, slot: usize) -> u64 {
        self.at + (slot * self.size) as u64
    }
}

/// What a box goes to the disk by. It is opened with the box, since the process may have given up its rights since then.
#[derive(Debug)]
pub(crate) struct Disk {
    own: Kept,
    /// Tells threads apart, which share the description.
    turn: Mutex<()>,
}

impl Disk {
    pub(super) fn open(description: &Description) -> Result<Disk, Error> {
        Ok(Disk {
            own: Kept::open(description)?,
            turn: Mutex::new(()),
        })
    }
}

/// The disk byte, until it is dropped.
struct Locked<'a>(&'a Description);

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        // If it fails, the descriptor was closed, and the lock is gone with it.
        let _ = self.0.unlock(DISK_BYTE);
    }
}

/// Writes what `encode` gives, an encoded [`Snapshot`] that fits a slot, while no other process or thread writes; `None` says that
/// there is nothing to write. `durable` is the file's word: 0, or 1 + the slot that was written last. `encode` is called when it is
/// this one's turn, so that no older value follows a newer one.
///
/// # Errors
///
/// Another process writes for the whole limit, or the disk fails: then what was durable still is. What `encode` fails for.
pub(crate) fn persist<E: From<Error>>(
    description: &Description,
    disk: Option<&Disk>,
    slots: Slots,
    durable: &AtomicU32,
    limit: Duration,
    encode: impl FnOnce() -> Result<Option<Vec<u8>>, E>,
) -> Result<(), E> {
    let more;
    let disk = match disk {
        // A child has it no more.
        Some(disk) if disk.own.is_intact() => disk,
        _ => {
            more = Disk::open(description)?;
            &more
        }
    };
    let lock = || {
        let turn = match disk.turn.try_lock() {
            Ok(turn) => turn,
            // It guards nothing that a panic could have left half done.
            Err(TryLockError::Poisoned(turn)) => turn.into_inner(),
            Err(TryLockError::WouldBlock) => return Ok(None),
        };
        let is_locked = disk.own.lock_byte(DISK_BYTE)?;
        Ok::<_, Error>(is_locked.then(|| (Locked(&disk.own), turn)))
    };
    let _locked = within(limit, lock)?.ok_or_else(|| busy(description, limit))?;
    match encode()? {
        Some(bytes) => Ok(write(&disk.own, slots, durable, &bytes)?),
        None => Ok(()),
    }
}

fn write(
    description: &Description,
    slots: Slots,
    durable: &AtomicU32,
    bytes: &[u8],
) -> Result<(), Error> {
    debug_assert!(bytes.len() <= slots.size, "the slot was made for it");
    let slot = usize::from(durable.load(Relaxed) == 1);
    description.write_durably(bytes, slots.place(slot))?;
    // Relaxed: it decides on slots alone, and is read under the lock, or while no other process uses the value.
    durable.store(slot as u32 + 1, Relaxed);
    Ok(())
}

fn busy(description: &Description, limit: Duration) -> Error {
    let cause = format!(
        "another process, or thread, has been writing it to the disk for {limit:?}: the disk may hang, or that one is stopped"
    );
    let hint = "look at `dmesg`, and with `fuser` and the path who has it open, and try again";
    Error::early("persist", description.path(), cause, hint).of_kind(Kind::Busy)
}

/// Hands the newest whole snapshot of the life `unique`, and the word for `durable`, to `take`.
///
/// # Errors
///
/// Neither slot holds a whole one, or the file can't be read; what `take` fails for.
pub(crate) fn restored<R, E: From<Error>>(
    description: &Description,
    slots: Slots,
    unique: u64,
    take: impl FnOnce(Snapshot<'_>, u32) -> Result<R, E>,
) -> Result<R, E> {
    let [mut one, mut two] = [read(description, slots, 0)?, read(description, slots, 1)?];
    match newest([&mut one, &mut two], unique) {
        Some((slot, snapshot)) => take(snapshot, slot as u32 + 1),
        None => Err(none_whole(description).into()),
    }
}

/// The bytes of a slot that its header claims, as far as there is memory for them; none if it claims more than the slot has.
fn read(description: &Description, slots: Slots, slot: usize) -> Result<Vec<u8>, Error> {
    let mut header = [0; HEADER];
    description.read_at(&mut header, slots.place(slot))?;
    let claimed = claimed(&header).filter(|bytes| *bytes <= slots.size);
    let mut bytes = Vec::new();
    if bytes.try_reserve_exact(claimed.unwrap_or(0)).is_err() {
        let error = io::Error::from_raw_os_error(libc::ENOMEM);
        return Err(description.error("restore", &error));
    }
    bytes.resize(claimed.unwrap_or(0), 0);
    description.read_at(&mut bytes, slots.place(slot))?;
    Ok(bytes)
}

fn none_whole(description: &Description) -> Error {
    let cause = "the machine was restarted, or the file copied, and no snapshot in it is whole";
    let hint =
        "restore it from a backup that was made of a closed file, or remove it and create it anew";
    Error::early("restore", description.path(), cause, hint).of_kind(Kind::NotRestored)
}

#[cfg(all(test, not(loom)))]
#[allow(clippy::unwrap_used, reason = "a failure is the test's")]
mod tests {
    use super::*;
    use crate::home::file::snapshot::slot_size;
    use crate::home::file::tests::Scratch;

    const SLOTS: Slots = Slots {
        at: 4096,
        size: 4096,
    };

    fn encoded(version: u64) -> Result<Option<Vec<u8>>, Error> {
        let snapshot = Snapshot {
            unique: 1,
            version,
            schema: b"schema",
            value: &[version as u8; 99],
        };
        Ok(Some(snapshot.encode()))
    }

    /// Of the processes that other tests spawn each has a copy of every descriptor, until it calls `exec`.
    const LIMIT: Duration = Duration::from_secs(60);

    fn persist_now(file: &Description, durable: &AtomicU32, version: u64) -> Result<(), Error> {
        persist(file, None, SLOTS, durable, LIMIT, || encoded(version))
    }

    fn refused_now(file: &Description, durable: &AtomicU32) -> Error {
        persist(file, None, SLOTS, durable, Duration::ZERO, || encoded(5)).unwrap_err()
    }

    fn version(file: &Description) -> Result<(u64, u32), Error> {
        restored(file, SLOTS, 1, |found, durable| {
            assert_eq!(found.value, [found.version as u8; 99]);
            Ok((found.version, durable))
        })
    }

    #[test]
    fn slots_take_turns_and_the_newest_is_found() {
        let scratch = Scratch::new();
        let path = scratch.file("file", &[0; 4096 * 3]);
        let file = Description::open(&path, true).unwrap();
        assert_eq!(slot_size(6, 99), Some(4096));
        assert_eq!(version(&file).unwrap_err().kind(), Kind::NotRestored);
        let durable = AtomicU32::new(0);
        for (of, slot) in [(1, 1), (2, 2), (3, 1)] {
            persist_now(&file, &durable, of).unwrap();
            assert_eq!(
                (version(&file).unwrap(), durable.load(Relaxed)),
                ((of, slot), slot)
            );
        }
        persist(&file, None, SLOTS, &durable, LIMIT, || Ok::<_, Error>(None)).unwrap();
        assert_eq!(durable.load(Relaxed), 1);
    }

    #[test]
    fn one_writes_at_a_time_and_a_failure_leaves_the_turn_to_others() {
        let scratch = Scratch::new();
        let path = scratch.file("file", &[0; 4096 * 3]);
        let [one, two] = [(), ()].map(|()| Description::open(&path, true).unwrap());
        let durable = AtomicU32::new(0);
        persist(&one, None, SLOTS, &durable, LIMIT, || {
            let error = refused_now(&two, &durable);
            assert!(
                error.kind() == Kind::Busy && error.to_string().contains("the disk may hang"),
                "{error}"
            );
            // Another thread with the same box.
            let error = refused_now(&one, &durable);
            assert_eq!(error.kind(), Kind::Busy);
            encoded(1)
        })
        .unwrap();
        let refused = || Err(Error::early("copy", &path, "", ""));
        persist(&one, None, SLOTS, &durable, LIMIT, refused).unwrap_err();
        persist_now(&two, &durable, 2).unwrap();
        assert_eq!(version(&one).unwrap(), (2, 2));
    }

    /// With 32 bits no such number is a size.
    #[cfg(target_pointer_width = "64")]
    #[test]
    fn a_slot_that_claims_more_than_there_is_memory_costs_none() {
        let scratch = Scratch::new();
        for (claims, kind) in [(1_u64 << 50, Kind::Other), (1 << 60, Kind::NotRestored)] {
            let mut header = [0_u64; 8];
            header[4] = claims;
            let header: Vec<u8> = header.iter().flat_map(|word| word.to_ne_bytes()).collect();
            let path = scratch.file("file", &header);
            let slots = Slots {
                at: 0,
                size: 1 << 58,
            };
            let file = Description::open(&path, true).unwrap();
            let error = restored(&file, slots, 1, |_, _| Ok::<_, Error>(())).unwrap_err();
            assert_eq!(error.kind(), kind, "{error}");
            let number = (kind == Kind::Other).then_some(libc::ENOMEM);
            assert_eq!(error.raw_os_error(), number);
        }
    }

    /// The disk fails in the middle of a slot: sealed memory takes no byte behind its end.
    #[test]
    fn after_a_failure_the_same_slot_is_written_whole_again() {
        let memory = crate::home::file::create_memory(4096 * 2 + 10, 0o600).unwrap();
        let file = Description::of_memory(&memory, true).unwrap();
        let durable = AtomicU32::new(0);
        persist_now(&file, &durable, 1).unwrap();
        for of in [2, 3] {
            let error = persist_now(&file, &durable, of).unwrap_err();
            assert_eq!(error.kind(), Kind::Denied, "{error}");
            assert_eq!(
                (version(&file).unwrap(), durable.load(Relaxed)),
                ((1, 1), 1)
            );
        }
    }
}
