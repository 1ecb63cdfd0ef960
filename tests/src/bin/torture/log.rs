//! What a worker tells its parent: words in a segment of their own, which outlive the worker
//! whatever kills it.

use std::sync::atomic::{
    AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};

use shm_core::sysv::shm::{self, Access, Attachment, GetFlags};
use shm_core::sysv::{self, Key, Mode};

use crate::value::Link;

/// Commits that a worker may log; then it waits to be killed.
pub const ENTRIES: u64 = 1 << 16;

const CALLS: usize = 0;
const WORST: usize = 1;
const TORN: usize = 2;
const BACKWARDS: usize = 3;
const STALLED: usize = 4;
const LOGGED: usize = 5;
const WAITED: usize = 6;
const HEAD: usize = 8;
const ENTRY: usize = 4;

/// A commit that its writer was told of.
#[derive(Clone, Copy, Debug)]
pub struct Told {
    pub version: u64,
    pub link: Link,
}

/// One worker's log.
#[derive(Debug)]
pub struct Log {
    attachment: Attachment,
}

impl Log {
    /// A fresh one. The kernel frees it with its last user.
    pub fn create() -> Result<Log, sysv::Error> {
        let bytes = (HEAD + ENTRY * ENTRIES as usize) * 8;
        let id = shm::get(Key::PRIVATE, bytes, GetFlags::CREATE, Mode::new(0o600))?;
        let log = Log::open(id);
        // Linux lets others attach it by its id all the same, for as long as a process has it
        // attached.
        shm::remove(id)?;
        log
    }

    /// The log that the parent made.
    pub fn open(id: shm::Id) -> Result<Log, sysv::Error> {
        let attachment = shm::attach(id, Access::ReadWrite)?;
        Ok(Log { attachment })
    }

    pub fn id(&self) -> shm::Id {
        self.attachment.id()
    }

    fn word(&self, index: usize) -> &AtomicU64 {
        assert!(index < HEAD + ENTRY * ENTRIES as usize);
        // SAFETY: the index was checked, the mapping is aligned to a page and lives as long as
        // `self`; every access is atomic.
        unsafe { AtomicU64::from_ptr(self.attachment.as_ptr().cast::<u64>().add(index)) }
    }

    /// Counts a call that took so many nanoseconds.
    pub fn called(&self, nanoseconds: u64) {
        self.word(CALLS)
            .store(self.word(CALLS).load(Relaxed) + 1, Relaxed);
        self.word(WORST).fetch_max(nanoseconds, Relaxed);
    }

    /// Counts a wait for a newer version.
    pub fn waited(&self, nanoseconds: u64) {
        self.word(CALLS)
            .store(self.word(CALLS).load(Relaxed) + 1, Relaxed);
        self.word(WAITED).fetch_max(nanoseconds, Relaxed);
    }

    pub fn torn(&self) {
        self.word(TORN).fetch_add(1, Relaxed);
    }

    pub fn backwards(&self) {
        self.word(BACKWARDS).fetch_add(1, Relaxed);
    }

    pub fn stalled(&self) {
        self.word(STALLED).fetch_add(1, Relaxed);
    }

    /// Logs a commit; `false`: the log is full.
    pub fn tell(&self, told: Told) -> bool {
        let logged = self.word(LOGGED).load(Relaxed);
        let at = HEAD + ENTRY * logged as usize;
        let Told { version, link } = told;
        for (place, word) in [version, link.counter, link.stamp, link.previous]
            .into_iter()
            .enumerate()
        {
            self.word(at + place).store(word, Relaxed);
        }
        self.word(LOGGED).store(logged + 1, Release);
        logged + 1 < ENTRIES
    }

    /// How many commits were logged.
    pub fn logged(&self) -> u64 {
        self.word(LOGGED).load(Acquire)
    }

    /// All of them, in order.
    pub fn entries(&self) -> impl Iterator<Item = Told> + '_ {
        (0..self.logged() as usize).map(|entry| {
            let word = |place| self.word(HEAD + ENTRY * entry + place).load(Relaxed);
            Told {
                version: word(0),
                link: Link {
                    counter: word(1),
                    stamp: word(2),
                    previous: word(3),
                },
            }
        })
    }

    /// Calls, longest call in nanoseconds, torn values, steps back, stalls, longest wait for a
    /// version; and begins anew.
    pub fn take_counts(&self) -> [u64; 6] {
        self.word(LOGGED).store(0, Relaxed);
        [CALLS, WORST, TORN, BACKWARDS, STALLED, WAITED]
            .map(|index| self.word(index).swap(0, Relaxed))
    }
}
