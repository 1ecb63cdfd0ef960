//! The locks by which an attachment holds slots of a file: one description for each, which is closed when the slot is given back.

use std::sync::Mutex;

use super::chain::Chain;
use super::description::Description;
use super::error::Error;
use super::forked::Kept;

/// The slots of one attachment. What it judges others through never holds a slot: asked through its own description, a byte that is
/// held reads as free.
#[derive(Debug)]
pub(crate) struct Locks {
    pub(super) judge: Description,
    /// The slots taken, and by what; `None` once it was given back.
    held: Chain<(u32, Mutex<Option<Kept>>)>,
}

impl Locks {
    pub(super) fn new(judge: Description) -> Locks {
        Locks {
            judge,
            held: Chain::new(),
        }
    }

    /// Whether a process holds the slot; `None` if it can't be told.
    pub(crate) fn is_held(&self, slot: u32) -> Option<bool> {
        let judged = self.judge.ask(|judge| judge.is_held(slot.into()));
        judged.ok().flatten()
    }

    /// Takes a slot, by a new description; `false` if it is held.
    pub(crate) fn take(&self, slot: u32) -> Result<bool, Error> {
        let kept = Kept::open(&self.judge)?;
        if !kept.lock_byte(slot.into())? {
            return Ok(false);
        }
        self.held.push((slot, Mutex::new(Some(kept))));
        Ok(true)
    }

    /// Gives back the slot that was taken last under this number.
    pub(crate) fn give(&self, slot: u32) {
        for (_, by) in self.held.iter().filter(|(of, _)| *of == slot) {
            // In a child, what another thread of the parent had locked stays locked for ever; that slot is the parent's.
            if by.try_lock().is_ok_and(|mut by| by.take().is_some()) {
                return;
            }
        }
    }
}

#[cfg(all(test, not(loom)))]
#[allow(clippy::unwrap_used, reason = "a failure is the test's")]
mod tests {
    use super::*;
    use crate::home::file::tests::Scratch;
    use core::ptr;
    use std::os::fd::IntoRawFd;

    fn locks(path: &std::path::Path) -> Locks {
        Locks::new(Description::open(path, true).unwrap())
    }

    /// What other tests spawn meanwhile has copies of descriptors until it calls `exec`.
    fn until_free(locks: &Locks, slot: u32) {
        let start = std::time::Instant::now();
        while locks.is_held(slot) != Some(false) {
            assert!(start.elapsed().as_secs() < 60, "something keeps it");
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_slot_is_held_from_its_taking_to_its_giving() {
        let scratch = Scratch::new();
        let path = scratch.file("file", b"x");
        let (one, two) = (locks(&path), locks(&path));
        assert!(one.take(3).unwrap());
        assert!(!one.take(3).unwrap() && !two.take(3).unwrap());
        assert_eq!((one.is_held(3), two.is_held(3)), (Some(true), Some(true)));
        assert!(one.take(4).unwrap() && two.take(5).unwrap());
        one.give(3);
        until_free(&two, 3);
        assert_eq!(two.is_held(4), Some(true));
        drop(one);
        until_free(&two, 4);
        assert_eq!(two.is_held(5), Some(true));
    }

    #[cfg(feature = "async")]
    #[test]
    fn which_slots_are_held_is_one_number() {
        use crate::home::file::held;
        let scratch = Scratch::new();
        let path = scratch.file("file", b"x");
        let (one, two) = (locks(&path), locks(&path));
        let (fd, _) = two.judge.marked();
        let mut numbers = vec![held(fd, 9).unwrap()];
        for slot in [4, 5, 0, 8] {
            assert!(one.take(slot).unwrap());
            numbers.push(held(fd, 9).unwrap());
        }
        assert!(one.take(9).unwrap());
        assert_eq!(held(fd, 9), numbers.last().copied(), "beyond them");
        one.give(4);
        until_free(&two, 4);
        numbers.push(held(fd, 9).unwrap());
        for (at, number) in numbers.iter().enumerate() {
            assert!(!numbers[..at].contains(number), "{numbers:?}");
        }
        assert_eq!(held(-1, 9), None);
    }

    #[test]
    fn a_child_keeps_no_slot_of_its_parent() {
        let scratch = Scratch::new();
        let path = scratch.file("file", b"x");
        let (one, two) = (locks(&path), locks(&path));
        assert!(one.take(0).unwrap());
        let mut pipe = [0; 2];
        // SAFETY: `pipe(2)` fills the two numbers.
        assert_eq!(unsafe { libc::pipe(pipe.as_mut_ptr()) }, 0);
        // SAFETY: the child makes calls alone that a signal handler may make.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let mut byte = 0_u8;
            // SAFETY: `read(2)` fills the one byte; `_exit(2)` ends the child.
            unsafe {
                libc::close(pipe[1]);
                libc::read(pipe[0], (&raw mut byte).cast(), 1);
                libc::_exit(0);
            }
        }
        assert_eq!(two.is_held(0), Some(true), "the parent's");
        one.give(0);
        until_free(&two, 0);
        // SAFETY: the numbers are the pipe's; the child is this process's.
        unsafe {
            libc::close(pipe[1]);
            libc::close(pipe[0]);
            assert_eq!(libc::waitpid(child, ptr::null_mut(), 0), child);
        }
    }

    #[test]
    fn a_program_that_closes_all_it_finds_is_told_apart_and_nothing_else_is_closed() {
        let scratch = Scratch::new();
        let path = scratch.file("file", b"x");
        let (one, two) = (locks(&path), locks(&path));
        assert!(one.take(0).unwrap());
        let (first, _) = one.judge.marked();
        // SAFETY: takes a number. What owned it finds that it is not its own any more.
        assert_eq!(unsafe { libc::close(first) }, 0);
        // Its number is soon one of this same file, which a device and an inode do not tell apart.
        let mut others = Vec::new();
        while others.last().is_none_or(|fd| *fd < first) {
            others.push(std::fs::File::open(&path).unwrap().into_raw_fd());
        }
        assert_eq!(one.is_held(0), Some(true), "seen through the path");
        drop(one);
        until_free(&two, 0);
        for fd in others {
            // SAFETY: the descriptors were made above, and nothing else has closed them: this says so.
            assert_eq!(unsafe { libc::close(fd) }, 0);
        }
    }
}
