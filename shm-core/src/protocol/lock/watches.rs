//! What one thread of the [reactor](super::reactor) looks at: words that other processes change, and the tasks that
//! wait for that. Plain data, under the reactor's lock.
//!
//! Invariant: **the thread does not sleep without a word that a task waits for, nor on another value than the one
//! that the task has seen.** So a committer that changes the word and wakes those who sleep on it wakes the thread.
//!
//! | step of a waiting task | step of the thread |
//! |---|---|
//! | announces itself to committers (`wait.rs`) | looks at all words under the lock, takes the tasks that saw other ones, and notes what it found as what it is going to sleep on |
//! | adds itself under the lock, with what it saw; pokes the thread if that does not sleep on the word | wakes the tasks that it took, without the lock |
//! | looks at the word again: what is committed from here on finds the thread on its way to sleep | sleeps until one of the words, or the one that is poked, is another than was noted, or is woken |
//!
//! A word stays listed for one more sleep after its tasks were woken: most wait again at once, and then need not
//! poke. Where they did so the last time, the thread announces them before it wakes them; then it makes the barrier, looks, and
//! sleeps. So a task that comes back, and has seen just the word for which that was done, need not announce itself: a later
//! commit meets the announcement, or the thread's look. For tasks that don't come back a committer wakes the thread
//! once in vain.

use std::collections::BTreeMap;
use std::mem;
use std::task::Waker;

/// What a waiting task goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::protocol) struct Seen {
    /// The word that the thread sleeps on.
    pub(in crate::protocol) word: u32,
    /// Another one, which is looked at whenever that is: whether the segment lives.
    pub(in crate::protocol) state: u32,
    /// What the kernel said of deaths, which change no word; 0 where none asks.
    pub(in crate::protocol) deaths: u32,
}

/// A task that waits until a word is other than it has seen.
#[derive(Debug)]
pub(in crate::protocol) struct Waiter {
    pub(in crate::protocol) seen: Seen,
    pub(in crate::protocol) waker: Waker,
}

/// One word, with all that wait for it.
#[derive(Debug)]
struct Watch<W> {
    words: W,
    waiters: Waiters,
    /// What all of them have seen, if that is one thing: a look that finds the same asks none of them.
    alike: Option<Seen>,
    /// No committer wakes: the thread looks often.
    polled: bool,
    /// The thread's next or present sleep regards it.
    listed: bool,
    /// Tasks were woken since the thread looked at all words: the next sleep regards it without them.
    lingers: bool,
    /// The last one that added itself had seen what the thread had: tasks come back before a committer does.
    prompt: bool,
    /// The word, when the thread announced to committers that one waits for what comes after that.
    announced: Option<u32>,
    /// What the kernel said of deaths when it was asked last.
    deaths: u32,
}

/// By the addresses of their words.
#[derive(Debug)]
pub(in crate::protocol) struct Watches<W>(BTreeMap<usize, Watch<W>>);

/// By their numbers.
pub(in crate::protocol) type Waiters = BTreeMap<u64, Waiter>;

impl<W> Watches<W> {
    pub(in crate::protocol) fn new() -> Watches<W> {
        Watches(BTreeMap::new())
    }

    pub(in crate::protocol) fn contains(&self, address: usize) -> bool {
        self.0.contains_key(&address)
    }

    pub(in crate::protocol) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(in crate::protocol) fn len(&self) -> usize {
        self.0.len()
    }

    /// Words that the thread sleeps on.
    pub(in crate::protocol) fn slept_on(&self) -> usize {
        self.0.values().filter(|watch| !watch.polled).count()
    }

    /// Adds a task. `true`: the thread must be poked, since its sleep does not regard the word.
    #[must_use]
    pub(in crate::protocol) fn add(
        &mut self,
        address: usize,
        words: W,
        polled: bool,
        (number, waiter): (u64, Waiter),
    ) -> bool {
        let watch = self.0.entry(address).or_insert_with(|| Watch {
            words,
            waiters: Waiters::new(),
            alike: None,
            polled,
            listed: false,
            lingers: false,
            prompt: false,
            announced: None,
            deaths: 0,
        });
        let regarded = watch.listed && watch.polled == polled;
        watch.prompt = regarded && watch.alike == Some(waiter.seen);
        watch.polled = polled;
        watch.deaths = waiter.seen.deaths;
        watch.alike = match watch.waiters.is_empty() {
            true => Some(waiter.seen),
            false => watch.alike.filter(|seen| *seen == waiter.seen),
        };
        watch.waiters.insert(number, waiter);
        !regarded
    }

    /// Whether the thread has announced one that has seen this word, and will find what comes after it.
    pub(in crate::protocol) fn is_announced(&self, address: usize, word: u32) -> bool {
        let watch = self.0.get(&address);
        watch.is_some_and(|watch| watch.listed && !watch.polled && watch.announced == Some(word))
    }

    /// Takes a task away, unless it has been woken.
    pub(in crate::protocol) fn cancel(&mut self, address: usize, number: u64) -> Option<Waiter> {
        let watch = self.0.get_mut(&address)?;
        let waiter = watch.waiters.remove(&number);
        if watch.waiters.is_empty() && !watch.listed {
            self.0.remove(&address);
        }
        waiter
    }

    /// Takes a word away, and gives back those that waited for it.
    pub(in crate::protocol) fn retire(&mut self, address: usize) -> Waiters {
        let watch = self.0.remove(&address);
        watch.map(|watch| watch.waiters).unwrap_or_default()
    }

    /// Adds to `woken` all that wait for words of which `suspect` says that a look at the word is not enough.
    pub(in crate::protocol) fn question(
        &mut self,
        suspect: impl Fn(usize, &W) -> bool,
        woken: &mut Vec<Waker>,
    ) {
        for (address, watch) in &mut self.0 {
            if !watch.waiters.is_empty() && suspect(*address, &watch.words) {
                let waiters = mem::take(&mut watch.waiters);
                woken.extend(waiters.into_values().map(|waiter| waiter.waker));
            }
        }
    }

    /// Looks at the word that has ended the sleep, before all others: adds to `woken` those that saw another one. `true`: they
    /// were announced by `announce`, which says for what word, and a barrier must follow.
    pub(in crate::protocol) fn look_at(
        &mut self,
        address: usize,
        look: impl FnOnce(&W, u32) -> Seen,
        announce: impl FnOnce(&W) -> Option<u32>,
        woken: &mut Vec<Waker>,
    ) -> bool {
        let Some(watch) = self.0.get_mut(&address) else {
            return false;
        };
        let now = look(&watch.words, watch.deaths);
        watch.take(now, woken);
        let announces = watch.lingers && watch.prompt && !watch.polled;
        watch.announced = announces.then(|| announce(&watch.words)).flatten();
        watch.announced.is_some()
    }

    /// Looks at each word, told what the kernel said of deaths last: adds to `woken` those that saw another one, and to
    /// `list` what the thread is to sleep on. `true`: it must look often.
    #[must_use]
    pub(in crate::protocol) fn look(
        &mut self,
        look: impl Fn(&W, u32) -> Seen,
        woken: &mut Vec<Waker>,
        mut list: impl FnMut(usize, u32),
    ) -> bool {
        let mut often = false;
        self.0.retain(|address, watch| {
            let now = look(&watch.words, watch.deaths);
            watch.take(now, woken);
            watch.listed = !watch.waiters.is_empty() || watch.lingers;
            watch.lingers = false;
            if watch.listed && !watch.polled {
                list(*address, now.word);
            }
            often |= watch.listed && watch.polled;
            watch.listed
        });
        often
    }
}

impl<W> Watch<W> {
    /// Adds to `woken` those that have not seen what is there now.
    fn take(&mut self, now: Seen, woken: &mut Vec<Waker>) {
        self.deaths = now.deaths;
        if self.alike == Some(now) {
            return;
        }
        let before = woken.len();
        self.waiters.retain(|_, waiter| {
            let same = waiter.seen == now;
            if !same {
                // A waker's own code does not run here, under a lock.
                woken.push(mem::replace(&mut waiter.waker, Waker::noop().clone()));
            }
            same
        });
        self.alike = Some(now);
        self.lingers |= woken.len() > before;
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn seen(word: u32) -> Seen {
        Seen {
            word,
            state: 0,
            deaths: 0,
        }
    }

    fn waiter(number: u64, word: u32) -> (u64, Waiter) {
        let waker = Waker::noop().clone();
        (
            number,
            Waiter {
                seen: seen(word),
                waker,
            },
        )
    }

    /// What the thread does when a committer has changed the word; how many tasks it woke, and whether it announced them.
    fn change(watches: &mut Watches<()>, word: u32) -> (usize, bool) {
        let mut woken = Vec::new();
        let announced = watches.look_at(1, |(), _| seen(word), |()| Some(word), &mut woken);
        let _ = watches.look(|(), _| seen(word), &mut woken, |_, _| ());
        (woken.len(), announced)
    }

    #[test]
    fn tasks_that_come_back_at_once_are_announced_and_no_others() {
        let mut watches = Watches::new();
        assert!(watches.add(1, (), false, waiter(1, 5)));
        assert_eq!(change(&mut watches, 5), (0, false));
        assert_eq!(change(&mut watches, 6), (1, false), "it may be gone");
        assert!(!watches.is_announced(1, 6));
        assert!(!watches.add(1, (), false, waiter(2, 6)), "it was prompt");
        assert_eq!(change(&mut watches, 7), (1, true));
        assert!(watches.is_announced(1, 7) && !watches.is_announced(1, 8));
        // It comes back after the next commit: which woke the thread for nothing, once.
        assert_eq!(change(&mut watches, 8), (0, false));
        assert!(!watches.is_announced(1, 8) && watches.is_empty());
        assert!(watches.add(1, (), false, waiter(3, 8)));
        assert_eq!(change(&mut watches, 9), (1, false));
    }

    #[test]
    fn those_are_woken_who_saw_another_word_and_no_others() {
        let mut watches = Watches::new();
        let woken = |watches: &mut Watches<()>, word| {
            let mut woken = Vec::new();
            let often = watches.look(
                |(), _| seen(word),
                &mut woken,
                |_, noted| assert_eq!(noted, word),
            );
            assert!(!often);
            woken.len()
        };
        let first = watches.add(1, (), false, waiter(1, 5));
        assert!(first, "the thread does not know the word");
        assert_eq!(woken(&mut watches, 5), 0);
        assert!(!watches.add(1, (), false, waiter(2, 6)), "now it does");
        assert!(!watches.add(1, (), false, waiter(3, 5)));
        assert_eq!(woken(&mut watches, 6), 2);
        assert_eq!(woken(&mut watches, 6), 0);
        assert!(!watches.add(1, (), false, waiter(4, 5)), "seen late");
        assert_eq!(woken(&mut watches, 6), 1);
        assert!(watches.cancel(1, 2).is_some() && watches.cancel(1, 2).is_none());
        // No task is left: the word goes with the next look.
        assert_eq!(woken(&mut watches, 7), 0);
        assert!(watches.is_empty());
    }
}
