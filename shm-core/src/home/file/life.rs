//! Whether the bytes of a file are those that living processes left, or what a disk or a copy made of them.
//!
//! The kernel keeps the memory of a file whole as long as the machine runs, whichever process dies. After a restart the file is a mixture of
//! old and new sectors; a copy of a live file is one of old and new bytes. So a word in the file says which start of the machine,
//! and which file, its bytes belong to. Where it says another, the live value counts for nothing.
//!
//! | step of a restoration | a death after it leaves |
//! |---|---|
//! | the life byte is locked by one alone | the word of before: the next one begins anew |
//! | the value is restored | the same |
//! | the word is this life's | a restored value |
//! | the lock is let go, and taken as a shared one | an ordinary user's death |

use core::num::NonZeroU64;
use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering::{Acquire, Release};
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use super::boot::boot_word;
use super::checksum::checksum;
use super::description::{Description, LIFE_BYTE};
use super::error::{Error, Kind};
use super::forked::Kept;
use super::syscalls;
use super::turn::within;

/// The word for the bytes of this file, as long as the machine runs: of its boot id, and of the device, the inode, and when that
/// was made. What is kept in memory has no other boot.
///
/// # Errors
///
/// `/proc` is not there.
pub(crate) fn life_word(description: &Description) -> Result<NonZeroU64, Error> {
    let boot = if description.file_system.volatile {
        0
    } else {
        boot_word()?.get()
    };
    let stat = description.stat()?;
    let born = syscalls::born(&description.file);
    let words = [boot, stat.dev(), stat.ino(), born];
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
    Ok(NonZeroU64::new(checksum(&bytes)).unwrap_or(NonZeroU64::MIN))
}

/// Makes this description one of those that use the live value, for as long as it is open. `word` is the file's; where it does
/// not say `life`, `restore` is called first, while no other process uses the value.
///
/// # Errors
///
/// Others restore it, or use it under another word, for the whole limit; what `restore` fails for.
pub(crate) fn enter<E: From<Error>>(
    description: &Description,
    word: &AtomicU64,
    life: NonZeroU64,
    limit: Duration,
    mut restore: impl FnMut() -> Result<(), E>,
) -> Result<(), E> {
    // Acquire pairs with the release below: who sees the word sees the restored value.
    let is_ours = || word.load(Acquire) == life.get();
    let entered = within(limit, || -> Result<_, E> {
        if !is_ours() {
            // From nothing: two that had it shared would wait for each other. And out of children, which would keep it.
            let alone = Kept::open(description)?;
            if !alone.lock_byte(LIFE_BYTE)? {
                return Ok(None);
            }
            if !is_ours() {
                restore()?;
                word.store(life.get(), Release);
            }
        }
        if !description.lock_shared(LIFE_BYTE)? {
            return Ok(None);
        }
        // Looked at again: it may have become another's in between.
        if is_ours() {
            return Ok(Some(()));
        }
        description.unlock(LIFE_BYTE)?;
        Ok(None)
    })?;
    entered.ok_or_else(|| busy(description, limit).into())
}

/// Keeps others from restoring the value for as long as what it returns is open.
///
/// # Errors
///
/// Another process restores it for the whole limit.
pub(crate) fn keep_as_is(description: &Description, limit: Duration) -> Result<Description, Error> {
    // Of its own: a child's copy of this one would keep the lock.
    let own = description.again(false)?;
    let lock = || Ok::<_, Error>(own.lock_shared(LIFE_BYTE)?.then_some(()));
    within(limit, lock)?.ok_or_else(|| busy(description, limit))?;
    Ok(own)
}

fn busy(description: &Description, limit: Duration) -> Error {
    let cause = format!(
        "another process restores its value, or uses it from another sandbox, for {limit:?} now"
    );
    let hint = "look who has it open, with `fuser` or `lsof` and the path, and try again once that has ended";
    Error::early("enter", description.path(), cause, hint).of_kind(Kind::Busy)
}

#[cfg(all(test, not(loom)))]
#[allow(clippy::unwrap_used, reason = "a failure is the test's")]
mod tests {
    use super::*;
    use crate::home::file::tests::Scratch;

    const LIFE: NonZeroU64 = NonZeroU64::new(7).unwrap();

    fn open(scratch: &Scratch) -> Description {
        let path = scratch.path("file");
        if !path.exists() {
            scratch.file("file", &[0; 64]);
        }
        Description::open(&path, true).unwrap()
    }

    /// Of the processes that other tests spawn each has a copy of every descriptor, until it calls `exec`.
    const LIMIT: Duration = Duration::from_secs(60);

    fn enter_now(description: &Description, word: &AtomicU64, mut restore: impl FnMut()) {
        let restored = || {
            restore();
            Ok::<_, Error>(())
        };
        enter(description, word, LIFE, LIMIT, restored).unwrap();
    }

    fn refused_now(description: &Description, word: &AtomicU64) -> Error {
        let restore = || panic!("it is in use");
        enter::<Error>(description, word, LIFE, Duration::ZERO, restore).unwrap_err()
    }

    #[test]
    fn a_value_is_restored_once_and_used_together() {
        let scratch = Scratch::new();
        let word = AtomicU64::new(1);
        let (one, two) = (open(&scratch), open(&scratch));
        let mut restored = 0;
        enter_now(&one, &word, || restored += 1);
        assert_eq!((restored, word.load(Acquire)), (1, 7));
        enter_now(&two, &word, || panic!("it is there"));
        // A process of another sandbox, which has another boot id, does not restore it under them.
        word.store(2, Release);
        let error = refused_now(&open(&scratch), &word);
        assert_eq!(error.kind(), Kind::Busy);
        drop((one, two));
        enter_now(&open(&scratch), &word, || restored += 1);
        assert_eq!(restored, 2);
    }

    #[test]
    fn nobody_enters_while_a_value_is_restored_and_a_failure_leaves_it_to_the_next() {
        let scratch = Scratch::new();
        let word = AtomicU64::new(0);
        let one = open(&scratch);
        enter_now(&one, &word, || {
            let error = refused_now(&open(&scratch), &word);
            assert!(error.to_string().contains("`fuser`"), "{error}");
        });
        drop(one);
        word.store(0, Release);
        let refused = || Err(Error::early("restore", "file".as_ref(), "", ""));
        let two = open(&scratch);
        assert!(enter(&two, &word, LIFE, LIMIT, refused).is_err());
        drop(two);
        enter_now(&open(&scratch), &word, || ());
    }

    /// Whichever libc this was built with.
    #[test]
    fn when_a_file_was_made_is_told_in_nanoseconds() {
        let scratch = Scratch::new();
        let file = open(&scratch);
        let by_std = scratch.path("file").metadata().unwrap().created();
        if cfg!(target_env = "gnu") && by_std.is_err() {
            println!("SKIPPED: the file system does not tell when a file was made");
            return;
        }
        let born = syscalls::born(&file.file);
        let seconds = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
        assert!(
            (seconds - 60..=seconds).contains(&(born / 1_000_000_000)),
            "{born}"
        );
        let by_std = by_std
            .ok()
            .and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
        assert!(
            by_std.is_none_or(|since| since.as_nanos() == born.into()),
            "{born}"
        );
    }

    #[test]
    fn a_copy_is_another_life() {
        for scratch in [Scratch::new(), Scratch::in_memory()] {
            let original = open(&scratch);
            let copy = scratch.path("copy");
            std::fs::copy(scratch.path("file"), &copy).unwrap();
            let copied = Description::open(&copy, true).unwrap();
            assert_ne!(life_word(&original).unwrap(), life_word(&copied).unwrap());
            assert_eq!(
                life_word(&original).unwrap(),
                life_word(&open(&scratch)).unwrap()
            );
            // Put in the original's place, which may have given it the inode's number.
            drop(original);
            let before = life_word(&open(&scratch)).unwrap();
            std::fs::remove_file(scratch.path("file")).unwrap();
            std::fs::copy(&copy, scratch.path("file")).unwrap();
            assert_ne!(life_word(&open(&scratch)).unwrap(), before);
        }
    }
}
