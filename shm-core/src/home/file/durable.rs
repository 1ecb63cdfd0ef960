//! Bringing a value to the disk, and back.
//!
//! | step | a power loss after it leaves |
//! |---|---|
//! | the disk byte is locked | what was there |
//! | the slot that does not count is written, and waited for | the new snapshot if all of it arrived, else the one in the other slot |
//! | `durable` names the slot | the new snapshot |
//!
//! Where a step fails, `durable` still names the other slot, and the next try writes the whole slot anew.

use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use core::sync::atomic::{AtomicBool, AtomicU32};
use std::time::Duration;

use super::description::{DISK_BYTE, Description};
use super::error::{Error, Kind};
use super::snapshot::{Snapshot, newest};
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

/// Whose turn it is among those that share a description, whose lock does not tell them apart: threads of the process that opened it,
/// and its children.
#[derive(Debug)]
pub(crate) struct Turn {
    process: u32,
    taken: AtomicBool,
}

impl Default for Turn {
    /// For a description that this process opens.
    fn default() -> Turn {
        Turn {
            process: std::process::id(),
            taken: AtomicBool::new(false),
        }
    }
}

/// Writes what `encode` gives, an encoded [`Snapshot`] that fits a slot, while no other process or thread writes; `None` says that
/// there is nothing to write. `durable` is the file's word: 0, or 1 + the slot that was written last. `encode` is called when it is
/// this one's turn, so that no older value follows a newer one. `turn` was made with the description.
///
/// # Errors
///
/// Another process writes for the whole limit, or the disk fails: then what was durable still is. What `encode` fails for.
pub(crate) fn persist<E: From<Error>>(
    description: &Description,
    turn: &Turn,
    slots: Slots,
    durable: &AtomicU32,
    limit: Duration,
    encode: impl FnOnce() -> Result<Option<Vec<u8>>, E>,
) -> Result<(), E> {
    if turn.process != std::process::id() || !description.is_intact() {
        // A child, or the number is another file's by now.
        let own = description.again(true)?;
        return persist_alone(&own, slots, durable, limit, encode);
    }
    // Acquire pairs with the release below: the thread before has let go of the byte.
    let take = || Ok::<_, Error>((!turn.taken.swap(true, Acquire)).then_some(()));
    if within(limit, take)?.is_none() {
        return Err(busy(description, limit).into());
    }
    let written = persist_alone(description, slots, durable, limit, encode);
    turn.taken.store(false, Release);
    written
}

fn persist_alone<E: From<Error>>(
    description: &Description,
    slots: Slots,
    durable: &AtomicU32,
    limit: Duration,
    encode: impl FnOnce() -> Result<Option<Vec<u8>>, E>,
) -> Result<(), E> {
    let locked = within(limit, || {
        Ok::<_, Error>(description.lock_byte(DISK_BYTE)?.then_some(()))
    })?;
    if locked.is_none() {
        return Err(busy(description, limit).into());
    }
    let written = encode().and_then(|bytes| match bytes {
        Some(bytes) => Ok(write(description, slots, durable, &bytes)?),
        None => Ok(()),
    });
    description.unlock(DISK_BYTE)?;
    written
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
    // Relaxed: it decides on slots alone, and whoever reads it has the lock, or no other process to fear.
    durable.store(slot as u32 + 1, Relaxed);
    Ok(())
}

fn busy(description: &Description, limit: Duration) -> Error {
    let cause = format!(
        "another process, or thread, has been writing it to the disk for {limit:?}: the disk may hang"
    );
    let hint = "look at `dmesg` and `cat /proc/pressure/io`, and try again";
    Error::early("persist", description.path(), Kind::Busy, cause, hint)
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
    let (mut one, mut two) = (vec![0; slots.size], vec![0; slots.size]);
    description.read_at(&mut one, slots.place(0))?;
    description.read_at(&mut two, slots.place(1))?;
    match newest([&mut one, &mut two], unique) {
        Some((slot, snapshot)) => take(snapshot, slot as u32 + 1),
        None => Err(none_whole(description).into()),
    }
}

fn none_whole(description: &Description) -> Error {
    let cause = "the machine was restarted, or the file copied, and no snapshot in it is whole";
    let hint =
        "restore it from a backup that was made of a closed file, or remove it and create it anew";
    Error::early(
        "restore",
        description.path(),
        Kind::NotRestored,
        cause,
        hint,
    )
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

    fn persist_now(file: &Description, durable: &AtomicU32, version: u64) -> Result<(), Error> {
        persist(
            file,
            &Turn::default(),
            SLOTS,
            durable,
            Duration::ZERO,
            || encoded(version),
        )
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
        persist(
            &file,
            &Turn::default(),
            SLOTS,
            &durable,
            Duration::ZERO,
            || Ok::<_, Error>(None),
        )
        .unwrap();
        assert_eq!(durable.load(Relaxed), 1);
    }

    #[test]
    fn one_writes_at_a_time_and_a_failure_leaves_the_turn_to_others() {
        let scratch = Scratch::new();
        let path = scratch.file("file", &[0; 4096 * 3]);
        let [one, two] = [(), ()].map(|()| Description::open(&path, true).unwrap());
        let (durable, turn) = (AtomicU32::new(0), Turn::default());
        persist(&one, &turn, SLOTS, &durable, Duration::ZERO, || {
            let error = persist_now(&two, &durable, 5).unwrap_err();
            assert!(
                error.kind() == Kind::Busy && error.to_string().contains("the disk may hang"),
                "{error}"
            );
            encoded(1)
        })
        .unwrap();
        // A thread of the same process, by the same description.
        turn.taken.store(true, Relaxed);
        let mine = |turn| {
            persist(&one, turn, SLOTS, &durable, Duration::ZERO, || {
                Ok::<_, Error>(None)
            })
        };
        assert_eq!(mine(&turn).unwrap_err().kind(), Kind::Busy);
        // In a child that thread is not, and the lock is the parent's.
        let inherited = Turn {
            process: 1,
            taken: AtomicBool::new(true),
        };
        mine(&inherited).unwrap();
        assert!(one.lock_byte(DISK_BYTE).unwrap());
        assert_eq!(mine(&inherited).unwrap_err().kind(), Kind::Busy);
        one.unlock(DISK_BYTE).unwrap();
        let refused = || Err(Error::early("copy", &path, Kind::Other, "", ""));
        persist(&one, &turn, SLOTS, &durable, Duration::ZERO, refused).unwrap_err();
        persist_now(&two, &durable, 2).unwrap();
        assert_eq!(version(&one).unwrap(), (2, 2));
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
