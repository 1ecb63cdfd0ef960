//! Waiting for a newer version without a thread: what [`Segment::wait`] does, in steps.

use std::task::{Poll, Waker};

use super::kernel;
use super::segment::{Segment, seq_low};
use crate::home::{Home, file};
use crate::protocol::fault::Fault;
use crate::protocol::lock::process;
use crate::protocol::lock::reactor::{self, Waiting, Words};
use crate::protocol::lock::watches::Seen;
use crate::protocol::memory::atomics::{AtomicU32, Ordering::Relaxed};
use crate::protocol::memory::latch::version_of;
use crate::sysv::shm;

impl Segment {
    /// Ready once a version above `version` stands; until then `waker` is woken when it is time to ask again.
    pub(crate) fn poll_newer(
        &self,
        version: u64,
        waiting: &mut Waiting,
        waker: &Waker,
    ) -> Poll<Result<(), Fault>> {
        let seq = self.latch.sequence();
        if version_of(seq) > version {
            waiting.end();
            return Poll::Ready(Ok(()));
        }
        let state = self.state();
        if self.is_outdated() {
            return Poll::Ready(Err(Fault::Removed));
        }
        self.check_life()?;
        // In the place of a snapshot another value is put, and no process wakes for that.
        let is_frozen = self.frozen.is_some();
        let announced = !is_frozen && self.will_be_woken(version_of(seq).wrapping_add(1));
        let word = match is_frozen {
            true => self.control().seq.load(Relaxed),
            false => seq,
        };
        let seen = Seen {
            word: word as u32,
            state: state.0,
        };
        self.watched.store(process::epoch(), Relaxed);
        // SAFETY: the words are in the mapping (**divided**), and `unwatch` tells before that goes.
        let was_woken = unsafe { waiting.wait(self.words(), seen, !announced, waker) }?;
        if self.latch.sequence() != seq || self.state() != state {
            // What came in between may not have woken the reactor. No loop here: a peer may store without end.
            waker.wake_by_ref();
        } else if was_woken && self.is_orphan()? {
            return Poll::Ready(Err(Fault::Removed));
        }
        Poll::Pending
    }

    fn words(&self) -> Words {
        let (may_be_gone, number): (fn(i32) -> bool, _) = match &self.home {
            _ if self.doomed => (|_| false, 0),
            Home::Segment(mapping) => (is_marked, mapping.id().as_raw()),
            Home::File(file) => (file::has_no_name, file.number()),
        };
        Words {
            word: self.word(),
            state: &raw const self.control().state,
            may_be_gone,
            number,
        }
    }

    fn word(&self) -> *const AtomicU32 {
        seq_low(self.control()).cast()
    }

    /// No task waits for this segment any more: the mapping is about to go.
    pub(super) fn unwatch(&self) {
        let epoch = self.watched.load(Relaxed);
        if epoch != 0 {
            reactor::retire(self.word(), epoch);
        }
    }
}

/// Whether the segment goes with its last process, or its id leads nowhere.
fn is_marked(id: i32) -> bool {
    let stat = kernel::stat(shm::Id::from_raw(id));
    stat.is_ok_and(|stat| stat.is_none_or(|stat| stat.dest))
}
