//! Waiting for a newer version, or for rows that come and go, without a thread: what [`Segment::wait`] and
//! [`Segment::wait_membership`] do, in steps.

use std::sync::LazyLock;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use super::kernel;
use super::rows::DEATHS_TAKEN_DOWN;
use super::segment::{Segment, seq_low};
use crate::home::{Home, file};
use crate::protocol::fault::Fault;
use crate::protocol::lock::process;
use crate::protocol::lock::reactor::{self, Announcement, Deaths, Waiting, Words};
use crate::protocol::lock::wait::DEATH_NAP;
use crate::protocol::lock::watches::Seen;
use crate::protocol::memory::atomics::{AtomicU32, Ordering::Relaxed};
use crate::protocol::memory::latch::version_of;
use crate::sysv::{sem, shm};

/// After so long those who wait for deaths look at the rows although the kernel has told of none.
const JUDGED_EACH: Duration = Duration::from_secs(4);

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
        self.wait_for_change(seq, None, waiting, waker)?;
        Poll::Pending
    }

    /// Ready once the membership is above `count`, with it.
    pub(crate) fn poll_membership(
        &self,
        count: u64,
        waiting: &mut Waiting,
        waker: &Waker,
    ) -> Poll<Result<u64, Fault>> {
        // Before the look at the rows: a death behind it is news.
        let deaths = self.deaths_by_kernel();
        let told = deaths.ask();
        let seq = self.latch.sequence();
        // What a view counts it notes nowhere.
        let judges = !self.writable || self.judged.load(Relaxed) != told;
        let now = self.membership(judges)?;
        self.judged.store(told, Relaxed);
        if now > count {
            waiting.end();
            return Poll::Ready(Ok(now));
        }
        if told as u16 > DEATHS_TAKEN_DOWN {
            self.deaths();
        }
        self.wait_for_change(seq, Some((deaths, told)), waiting, waker)?;
        Poll::Pending
    }

    /// Has `waker` woken for what comes after `seq`, and for deaths of which was not told yet.
    fn wait_for_change(
        &self,
        seq: u64,
        deaths: Option<(Deaths, u32)>,
        waiting: &mut Waiting,
        waker: &Waker,
    ) -> Result<(), Fault> {
        let state = self.state();
        if self.is_outdated() {
            return Err(Fault::Removed);
        }
        self.check_life()?;
        // In the place of a snapshot another value is put, and no process wakes for that.
        let is_frozen = self.frozen.is_some();
        let next = version_of(seq).wrapping_add(1);
        // What asks for deaths looks at the word often enough.
        let announce = || (!is_frozen && self.will_be_woken(next)) || deaths.is_some();
        let word = match is_frozen {
            true => self.control().seq.load(Relaxed),
            false => seq,
        };
        let seen = Seen {
            word: word as u32,
            state: state.0,
            deaths: deaths.map_or(0, |(_, told)| told),
        };
        self.watched.store(process::epoch(), Relaxed);
        let words = self.words(deaths.map(|(deaths, _)| deaths));
        // SAFETY: the words are in the mapping (**divided**), and `unwatch` tells before that goes; of an announcement there is
        // none unless it may be written.
        let was_woken = unsafe { waiting.wait(words, seen, announce, waker) }?;
        if self.latch.sequence() != seq || self.state() != state {
            // What came in between may not have woken the reactor. No loop here: a peer may store without end.
            waker.wake_by_ref();
        } else if was_woken && self.is_orphan()? {
            return Err(Fault::Removed);
        }
        Ok(())
    }

    fn words(&self, deaths: Option<Deaths>) -> Words {
        let (may_be_gone, number): (fn(i32) -> bool, _) = match &self.home {
            _ if self.doomed => (|_| false, 0),
            Home::Segment(mapping) => (is_marked, mapping.id().as_raw()),
            Home::File(file) => (file::has_no_name, file.number()),
        };
        let announces = self.writable && self.frozen.is_none();
        Words {
            word: self.word(),
            state: &raw const self.control().state,
            announcement: announces.then(|| Announcement {
                seq: &raw const self.control().seq,
                awaited: &raw const self.control().awaited,
            }),
            may_be_gone,
            number,
            deaths,
        }
    }

    fn deaths_by_kernel(&self) -> Deaths {
        let counter = self.death_counter().zip(self.semaphores().ok());
        let (ask, numbers): (fn(i32, u16) -> u32, _) = match (&self.home, counter) {
            (Home::File(file), _) => (held, (file.number(), self.geometry.slots)),
            (_, Some((counter, set))) => (counted, (set.as_raw(), counter)),
            _ => (|_, _| periods(DEATH_NAP), (0, 0)),
        };
        Deaths { ask, numbers }
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

/// What is another once the semaphore has counted a death, and now and then by itself.
fn counted(set: i32, counter: u16) -> u32 {
    match sem::value(sem::Id::from_raw(set), counter) {
        Ok(deaths) => u32::from(deaths) | periods(JUDGED_EACH) << 16,
        Err(_) => periods(DEATH_NAP),
    }
}

/// The same of a file's slots that are held.
fn held(file: i32, slots: u16) -> u32 {
    match file::held(file, slots) {
        Some(held) => held.wrapping_add(periods(JUDGED_EACH)),
        None => periods(DEATH_NAP),
    }
}

/// How often this time has passed.
fn periods(time: Duration) -> u32 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    (START.elapsed().as_nanos() / time.as_nanos()) as u32
}
