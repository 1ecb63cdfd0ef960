//! The handshake of a task that waits, the thread that sleeps in its place, and a committer: register, look, poke.
//!
//! The futex is that of `wait.rs`, on two words. No nap ends by itself, so a lost wake-up is a deadlock, which loom
//! reports.

use std::sync::Arc;
use std::task::{Wake, Waker};

use loom::sync::{Condvar, Mutex};
use loom::thread;

use super::super::lock::claim::Claim;
use super::super::lock::lock;
use super::super::lock::wait;
use super::super::lock::watches::{Seen, Waiter, Watches};
use super::super::memory::latch::version_of;
use super::atomics::{AtomicU32, Ordering::Relaxed};
use super::faults::quietly;
use super::{Board, Copied, Model};

/// What is wrong in a model that must break.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wrong {
    Nothing,
    /// The task does not look again once it is registered.
    NoLook,
    /// It does not announce itself to committers.
    NoAnnouncement,
    /// It pokes no thread that sleeps without its word.
    NoPoke,
    /// The thread notes after its look, without the lock, what it is going to sleep on.
    LateWord,
    /// The same for the word that is poked.
    LatePoke,
    /// It sleeps without words that have no task any more, and takes them for listed.
    Unlisted,
    /// It does not announce the tasks that it says it has announced.
    NoAnnouncementByThread,
    /// It does so for what comes after another word than it says.
    EarlyAnnouncement,
}

struct Bell {
    rung: Mutex<bool>,
    heard: Condvar,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        *self.rung.lock().expect("no panic inside") = true;
        self.heard.notify_one();
    }
}

struct Room {
    board: Arc<Board>,
    watches: Mutex<Watches<()>>,
    poked: AtomicU32,
    queue: Mutex<()>,
    sleepers: Condvar,
    wrong: Wrong,
}

/// The address of the one word.
const WORD: usize = 1;

impl Room {
    fn seen(&self) -> Seen {
        Seen {
            word: self.board.latch().sequence() as u32,
            state: 0,
            deaths: 0,
        }
    }

    /// The thread has just woken a task, which may come back at once: then it announces it the next time.
    fn was_waited_for(&self) {
        let (seen, waker) = (self.seen(), Waker::noop().clone());
        let mut watches = self.watches.lock().expect("no panic inside");
        let _ = watches.add(WORD, (), false, (0, Waiter { seen, waker }));
        let _ = watches.look(|(), _| seen, &mut Vec::new(), |_, _| ());
        drop(watches.cancel(WORD, 0));
    }

    /// FUTEX_WAKE, of the word or the one that is poked: the thread sleeps on both.
    fn wake(&self) {
        drop(self.queue.lock());
        self.sleepers.notify_all();
    }

    /// `futex_waitv`. Whether it was woken.
    fn sleep(&self, word: Option<u32>, poked: u32) -> bool {
        let queue = self.queue.lock().expect("no panic inside");
        let is_same = word.is_none_or(|word| self.seen().word == word);
        let sleeps = is_same && self.poked.load(Relaxed) == poked;
        if sleeps {
            drop(self.sleepers.wait(queue));
        }
        sleeps
    }

    /// What `Segment::poll_newer` and `Waiting::wait` do, until they find the version.
    fn wait_for(&self, version: u64, numbers: &mut u64) {
        loop {
            let seq = self.board.latch().sequence();
            if version_of(seq) >= version {
                return;
            }
            let bell = Arc::new(Bell {
                rung: Mutex::new(false),
                heard: Condvar::new(),
            });
            let seen = Seen {
                word: seq as u32,
                state: 0,
                deaths: 0,
            };
            let waker = Waker::from(bell.clone());
            let mut watches = self.watches.lock().expect("no panic inside");
            let before = watches.cancel(WORD, *numbers);
            if !watches.is_announced(WORD, seen.word) {
                drop(watches);
                if self.wrong != Wrong::NoAnnouncement {
                    wait::announce(&self.board.awaited, version_of(seq) + 1);
                }
                watches = self.watches.lock().expect("no panic inside");
            }
            *numbers += 1;
            let poke = watches.add(WORD, (), false, (*numbers, Waiter { seen, waker }));
            let poke = poke && self.wrong != Wrong::NoPoke;
            if poke {
                self.poked.fetch_add(1, Relaxed);
            }
            drop(watches);
            drop(before);
            if poke {
                self.wake();
            }
            if self.wrong == Wrong::NoLook || self.board.latch().sequence() == seq {
                let mut rung = bell.rung.lock().expect("no panic inside");
                while !*rung {
                    rung = bell.heard.wait(rung).expect("no panic inside");
                }
            }
        }
    }

    /// What `reactor::run` does, until it finds the version.
    fn run(&self, last: u64) {
        loop {
            let mut woken = Vec::new();
            let mut word = None;
            let mut watches = self.watches.lock().expect("no panic inside");
            let mut poked = self.poked.load(Relaxed);
            // Before the look, which takes all that saw less.
            let is_over = version_of(self.board.latch().sequence()) == last;
            let _ = watches.look(|(), _| self.seen(), &mut woken, |_, seen| word = Some(seen));
            if self.wrong == Wrong::Unlisted && !woken.is_empty() {
                word = None;
            }
            drop(watches);
            if is_over {
                woken.drain(..).for_each(Waker::wake);
                return;
            }
            if self.wrong == Wrong::LatePoke {
                poked = self.poked.load(Relaxed);
            }
            if self.wrong == Wrong::LateWord {
                word = word.map(|_| self.seen().word);
            }
            woken.drain(..).for_each(Waker::wake);
            if self.sleep(word, poked) {
                self.hasten();
            }
        }
    }

    /// What `reactor::hasten` does. The barrier is in the announcement.
    fn hasten(&self) {
        let mut woken = Vec::new();
        let announce = |()| {
            let seq = self.board.latch().sequence();
            let early = u64::from(self.wrong == Wrong::EarlyAnnouncement);
            if self.wrong != Wrong::NoAnnouncementByThread {
                wait::announce(&self.board.awaited, version_of(seq) + 1 - early);
            }
            Some(seq as u32)
        };
        let mut watches = self.watches.lock().expect("no panic inside");
        watches.look_at(WORD, |(), _| self.seen(), |()| announce(()), &mut woken);
        drop(watches);
        woken.drain(..).for_each(Waker::wake);
    }

    fn commit(&self) {
        let claim = Claim::new(0, 0, 0);
        assert!(lock::try_acquire(&self.board.lock, claim));
        let version = self.board.commit();
        lock::release(&self.board.lock, claim);
        if wait::is_awaited_after_release(&self.board.awaited, version) {
            self.wake();
        }
    }
}

/// A task waits for each of some commits.
fn model(commits: u64, wrong: Wrong, preemptions: usize) -> Model {
    let name = format!("tasks, {commits} commits, {wrong:?}");
    Model::new(name, preemptions, move |tally| {
        let room = Arc::new(Room {
            board: Board::new(Copied::AtOnce),
            watches: Mutex::new(Watches::new()),
            poked: AtomicU32::new(0),
            queue: Mutex::new(()),
            sleepers: Condvar::new(),
            wrong,
        });
        room.was_waited_for();
        let last = 1 + commits;
        let task = thread::spawn({
            let (room, tally) = (room.clone(), tally.clone());
            move || {
                let mut numbers = 0;
                (2..=last).for_each(|version| room.wait_for(version, &mut numbers));
                if numbers > 0 {
                    tally.special();
                }
            }
        });
        let reactor = thread::spawn({
            let room = room.clone();
            move || room.run(last)
        });
        (0..commits).for_each(|_| room.commit());
        task.join().expect("its own panic comes first");
        // The thread may be asleep, with nothing left to do.
        let watches = room.watches.lock();
        room.poked.fetch_add(1, Relaxed);
        drop(watches);
        room.wake();
        reactor.join().expect("its own panic comes first");
    })
}

#[test]
fn no_task_sleeps_on() {
    for model in [model(1, Wrong::Nothing, 3), model(2, Wrong::Nothing, 2)] {
        assert!(model.check().special.load(Relaxed) > 0);
    }
}

#[test]
fn without_any_of_its_steps_a_task_sleeps_on() {
    use Wrong::{EarlyAnnouncement, LatePoke, LateWord, NoAnnouncement};
    use Wrong::{NoAnnouncementByThread, NoLook, NoPoke, Unlisted};
    let of_task = [NoLook, NoAnnouncement, NoPoke];
    let of_thread = [
        LateWord,
        LatePoke,
        Unlisted,
        NoAnnouncementByThread,
        EarlyAnnouncement,
    ];
    for wrong in of_task.into_iter().chain(of_thread) {
        assert!(quietly(|| model(2, wrong, 2).breaks()), "{wrong:?}");
    }
}
