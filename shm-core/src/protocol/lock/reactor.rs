//! The threads that wait in the place of tasks: each sleeps on up to 127 words at once, looks at what has changed,
//! and wakes the tasks that wait for it.
//!
//! A thread is started by the first wait, and ends a second after the last. It has a name, and all signals are
//! blocked in it, so that handlers run in the program's own threads. Where the kernel or a sandbox has no
//! `futex_waitv` (Linux 5.16), one thread looks at all words every 2 ms, and every 16 ms once nothing has changed for a second.
//!
//! | what happens | what follows |
//! |---|---|
//! | a word ends the sleep | its tasks are woken before the thread does anything else; if they came back at once the last time, it announces them to committers, and makes the barrier |
//! | a future or stream is dropped | its waiter is taken away; the thread is not told, and wakes at most once more for it |
//! | the barrier is refused that a task could make | what relied on it is woken, and announces itself |
//! | a mapping goes while a thread sleeps on it | its words are taken away first, so no thread loads them any more; what the kernel still knows of them is an address: the next sleep is without it, or ends at once |
//! | `fork` | no thread goes with the child. What is known of the parent's stands for another epoch and is not touched again, its lock neither, which any thread may have held: the child begins anew, with threads of its own |
//! | a waker panics | the thread goes on |
//! | a committer dies between its commit and its wake-up | the thread looks every 250 ms |
//! | a process dies whose row tasks wait for | nothing that a thread can sleep on: it asks the kernel every 20 ms, by one call for each table in a segment, and wakes those that were told something else |
//! | another program removes the segment (`ipcrm -m`) | each 250 ms the thread asks the kernel, of 16 segments at most, whether that was so, and wakes those that wait for it, who look closely |
//!
//! It knows words and wakers, no segment.

use std::cell::Cell;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering as ProcessOrdering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::{Duration, Instant};

use super::futex::{self, MOST_WORDS, Word};
use super::process;
use super::wait::{self, ANNOUNCED_NAP, DEATH_NAP, UNANNOUNCED_NAP};
use super::watches::{Seen, Waiter, Watches};
use crate::protocol::fault::Fault;
use crate::protocol::memory::atomics::{AtomicU32, AtomicU64, Ordering::Relaxed};
use crate::protocol::memory::latch::version_of;

/// Between two looks at words that no committer wakes for, once nothing has changed for a second: a sleep costs some 20 us
/// of a processor, however little is done in between.
const QUIET_NAP: Duration = Duration::from_millis(16);

/// How long a thread without work stays, and one that looks goes on to look often.
const IDLE: Duration = Duration::from_secs(1);

/// Segments that a thread asks the kernel about at a time.
const QUESTIONS: usize = 16;

/// What a task waits for: words of a segment, and how to ask the kernel whether it may have gone without a change
/// of these.
#[derive(Clone, Copy, Debug)]
pub(in crate::protocol) struct Words {
    /// Committers wake those who sleep on it.
    pub(in crate::protocol) word: *const AtomicU32,
    pub(in crate::protocol) state: *const AtomicU32,
    /// Where a thread may announce that one waits.
    pub(in crate::protocol) announcement: Option<Announcement>,
    /// Whether what has this number may have been removed by another program.
    pub(in crate::protocol) may_be_gone: fn(i32) -> bool,
    pub(in crate::protocol) number: i32,
    /// For those who wait for deaths, too.
    pub(in crate::protocol) deaths: Option<Deaths>,
}

/// The words of an announcement (`wait.rs`).
#[derive(Clone, Copy, Debug)]
pub(in crate::protocol) struct Announcement {
    /// The sequence, half of which is the word.
    pub(in crate::protocol) seq: *const AtomicU64,
    pub(in crate::protocol) awaited: *const AtomicU64,
}

/// How to ask the kernel about deaths.
#[derive(Clone, Copy, Debug)]
pub(in crate::protocol) struct Deaths {
    /// Given the two numbers: what is another whenever a process has died, and sometimes without that.
    pub(in crate::protocol) ask: fn(i32, u16) -> u32,
    pub(in crate::protocol) numbers: (i32, u16),
}

impl Deaths {
    pub(in crate::protocol) fn ask(&self) -> u32 {
        (self.ask)(self.numbers.0, self.numbers.1)
    }
}

// SAFETY: pointers to atomics, which are loaded only under the lock that **mapped** is about.
unsafe impl Send for Words {}

impl Words {
    fn address(&self) -> usize {
        self.word.addr()
    }

    /// # Safety
    ///
    /// The words are mapped.
    unsafe fn look(&self, deaths: u32) -> Seen {
        // SAFETY: they are mapped (this function's contract), and atomics.
        unsafe {
            Seen {
                word: (*self.word).load(Relaxed),
                state: (*self.state).load(Relaxed),
                deaths,
            }
        }
    }

    /// Announces that one waits for what comes after the word that it returns. A barrier must follow.
    ///
    /// # Safety
    ///
    /// The words are mapped, and may be written.
    unsafe fn announce(&self) -> Option<u32> {
        let Announcement { seq, awaited } = self.announcement?;
        // SAFETY: they are mapped (this function's contract), and atomics.
        let (seq, awaited) = unsafe { ((*seq).load(Relaxed), &*awaited) };
        wait::announce(awaited, version_of(seq).wrapping_add(1));
        Some(seq as u32)
    }
}

/// All threads of a process, and what they look at.
struct Reactor {
    epoch: u32,
    /// # Invariants
    ///
    /// - **mapped**: what stands in a `Watches` is mapped, as long as this is locked: [`retire`] takes it away before it
    ///   is unmapped.
    ///
    /// No code of a caller's runs under it: no waker is cloned, woken or dropped.
    inner: Mutex<Inner>,
}

struct Inner {
    /// Kernel or sandbox let no thread sleep on many words: then one looks at all of them.
    refused: bool,
    /// The number of the last waiter.
    last: u64,
    threads: Vec<Thread>,
}

struct Thread {
    watches: Watches<Words>,
    runs: bool,
    /// Raised and woken when the thread must look at words that it does not sleep on.
    poked: &'static AtomicU32,
}

static REACTOR: AtomicPtr<Reactor> = AtomicPtr::new(ptr::null_mut());

/// That of this process.
fn reactor() -> &'static Reactor {
    use ProcessOrdering::{AcqRel, Acquire};
    let epoch = process::epoch();
    let known = REACTOR.load(Acquire);
    // SAFETY: what is published there stays for ever.
    let published = unsafe { known.as_ref() };
    if let Some(reactor) = published.filter(|reactor| reactor.epoch == epoch) {
        return reactor;
    }
    // A kernel that has the call finds fault with this in another way.
    let refused = futex::sleep_on_any(&[], Duration::ZERO).is_err_and(is_refusal);
    let inner = Mutex::new(Inner {
        refused,
        last: 0,
        threads: Vec::new(),
    });
    let new: *mut Reactor = Box::leak(Box::new(Reactor { epoch, inner }));
    match REACTOR.compare_exchange(known, new, AcqRel, Acquire) {
        // SAFETY: it was leaked above.
        Ok(_) => unsafe { &*new },
        Err(other_thread) => {
            // SAFETY: it was leaked above, and no other thread has been told of it.
            drop(unsafe { Box::from_raw(new) });
            // SAFETY: what is published there stays for ever.
            unsafe { &*other_thread }
        }
    }
}

impl Reactor {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Whose word it is.
    fn thread_of(&mut self, address: usize) -> Option<&mut Thread> {
        let mut threads = self.threads.iter_mut();
        threads.find(|thread| thread.watches.contains(address))
    }

    fn is_announced(&mut self, address: usize, word: u32) -> bool {
        let thread = self.thread_of(address);
        thread.is_some_and(|thread| thread.watches.is_announced(address, word))
    }

    /// The thread that is to look at a word, which may have to be started.
    fn thread_for(&mut self, address: usize, polled: bool) -> usize {
        let has_it = |thread: &Thread| thread.watches.contains(address);
        let has_room = |thread: &Thread| polled || thread.watches.slept_on() < MOST_WORDS - 1;
        let mut threads = self.threads.iter();
        let found = threads.position(has_it);
        found
            .or_else(|| self.threads.iter().position(has_room))
            .unwrap_or_else(|| {
                self.threads.push(Thread {
                    watches: Watches::new(),
                    runs: false,
                    poked: Box::leak(Box::new(AtomicU32::new(0))),
                });
                self.threads.len() - 1
            })
    }
}

/// A task's place among those that wait; dropped, it is no more.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    epoch: u32,
    address: usize,
    /// 0: it does not wait.
    number: u64,
    /// What it waited for has come.
    ended: bool,
}

impl Waiting {
    /// Has `waker` woken when one of the words is another than was seen, in the place of what this was about before.
    /// `announce` tells committers so, and says whether they will wake: if not, the thread looks often. It is not called where
    /// the thread has announced it. `true`: the task has been woken since it last came here, and not for what
    /// [`Waiting::end`] was told of.
    ///
    /// The caller looks at the words again before it sleeps.
    ///
    /// # Safety
    ///
    /// The words stay mapped until [`retire`] has been told of them; those of an announcement may be written.
    pub(in crate::protocol) unsafe fn wait(
        &mut self,
        words: Words,
        seen: Seen,
        announce: impl FnOnce() -> bool,
        waker: &Waker,
    ) -> Result<bool, Fault> {
        let waker = waker.clone();
        let reactor = reactor();
        // Dropped without the lock, which is declared after it.
        let before;
        let mut inner = reactor.lock();
        before = self.cancel_in(reactor, &mut inner);
        let had_waited = self.epoch == reactor.epoch && self.number != 0 && !self.ended;
        (self.number, self.ended) = (0, false);
        let announced = inner.is_announced(words.address(), seen.word) || {
            drop(inner);
            let announced = announce();
            inner = reactor.lock();
            announced
        };
        let polled = !announced || inner.refused;
        let index = inner.thread_for(words.address(), polled);
        inner.last += 1;
        let number = inner.last;
        let thread = &mut inner.threads[index];
        if !thread.runs {
            start(reactor, index)
                .map_err(|error| Fault::NoThread(error.raw_os_error().unwrap_or(libc::EAGAIN)))?;
            thread.runs = true;
        }
        let waiter = (number, Waiter { seen, waker });
        let poked = thread.poked;
        let poke = thread.watches.add(words.address(), words, polled, waiter);
        if poke {
            // Under the lock: the thread has looked before, and sleeps on the value before, or looks after.
            poked.fetch_add(1, Relaxed);
        }
        drop(inner);
        (self.epoch, self.address, self.number) = (reactor.epoch, words.address(), number);
        if poke {
            futex::wake(poked.as_ptr(), 1);
        }
        Ok(had_waited && before.is_none())
    }

    /// What it waited for has come: that it is woken for that says nothing more.
    pub(in crate::protocol) fn end(&mut self) {
        self.ended = true;
    }

    fn cancel_in(&self, reactor: &Reactor, inner: &mut Inner) -> Option<Waiter> {
        if self.number == 0 || self.epoch != reactor.epoch {
            return None;
        }
        let thread = inner.thread_of(self.address)?;
        thread.watches.cancel(self.address, self.number)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if self.number != 0 && self.epoch == process::epoch() {
            let reactor = reactor();
            let waiter = self.cancel_in(reactor, &mut reactor.lock());
            // Without the lock.
            drop(waiter);
        }
    }
}

/// Takes a word away, before it is unmapped: one that was waited for in this process since `epoch`.
pub(in crate::protocol) fn retire(word: *const AtomicU32, epoch: u32) {
    if epoch == process::epoch() {
        let reactor = reactor();
        let mut inner = reactor.lock();
        let thread = inner.thread_of(word.addr());
        let waiters = thread.map(|thread| thread.watches.retire(word.addr()));
        drop(inner);
        drop(waiters);
    }
}

fn start(reactor: &'static Reactor, index: usize) -> io::Result<()> {
    let thread = std::thread::Builder::new()
        .name(format!("shm-async/{index}"))
        .stack_size(256 << 10);
    with_signals_blocked(|| thread.spawn(move || run(reactor, index)).map(drop))
}

/// A thread inherits the mask of the one that starts it.
fn with_signals_blocked<R>(work: impl FnOnce() -> R) -> R {
    let (mut all, mut before) = (
        core::mem::MaybeUninit::uninit(),
        core::mem::MaybeUninit::uninit(),
    );
    // SAFETY: sigfillset(3) fills the first set, pthread_sigmask(3) the second one.
    unsafe {
        libc::sigfillset(all.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr());
    }
    let result = work();
    // SAFETY: the set was filled above.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), ptr::null_mut()) };
    result
}

fn run(reactor: &Reactor, index: usize) {
    let (mut woken, mut list) = (Vec::new(), Vec::new());
    let mut was_idle = false;
    let mut now = Instant::now();
    let (mut asked, mut round) = (now, 0);
    let (mut changed, mut deaths_asked) = (now, now);
    loop {
        list.clear();
        let mut inner = reactor.lock();
        let thread = &mut inner.threads[index];
        let (poked, expected) = (thread.poked, thread.poked.load(Relaxed));
        list.push(Word::new(poked.as_ptr().addr(), expected));
        if now.duration_since(asked) >= ANNOUNCED_NAP {
            (asked, round) = (now, round + 1);
            question(&mut thread.watches, round, &mut woken);
        }
        let asks = now.duration_since(deaths_asked) >= DEATH_NAP;
        if asks {
            deaths_asked = now;
        }
        let mut are_mortal = Cell::new(false);
        let look = |words: &Words, known| {
            are_mortal.set(are_mortal.get() || words.deaths.is_some());
            let deaths = words.deaths.filter(|_| asks);
            // SAFETY: **mapped**: this thread has the lock.
            unsafe { words.look(deaths.map_or(known, |deaths| deaths.ask())) }
        };
        let mut often = thread.watches.look(look, &mut woken, |address, expected| {
            list.push(Word::new(address, expected));
        });
        // More than one sleep takes: by a change from `polled`.
        often |= list.len() > MOST_WORDS;
        list.truncate(MOST_WORDS);
        let is_idle = thread.watches.is_empty() && woken.is_empty();
        if is_idle && was_idle {
            thread.runs = false;
            return;
        }
        was_idle = is_idle;
        let refused = inner.refused;
        drop(inner);
        if !woken.is_empty() {
            changed = now;
        }
        wake(&mut woken);
        let between_looks = match now.duration_since(changed) {
            _ if is_idle => IDLE,
            quiet if quiet > IDLE => QUIET_NAP,
            _ => UNANNOUNCED_NAP,
        };
        let nap = match () {
            () if is_idle || often => between_looks,
            () if *are_mortal.get_mut() => DEATH_NAP,
            () => ANNOUNCED_NAP,
        };
        let slept = match refused {
            true => Err(libc::ENOSYS),
            false => futex::sleep_on_any(&list, nap),
        };
        let hastened = match slept {
            // The first one is the one that is poked.
            Ok(Some(word @ 1..)) => {
                let place = (index, list[word].address());
                hasten(reactor, place, &mut woken, futex::barrier_everywhere)
            }
            Ok(_) => false,
            Err(errno) => {
                if !refused && is_refusal(errno) {
                    reactor.lock().refused = true;
                }
                futex::sleep(poked.as_ptr(), expected, between_looks);
                false
            }
        };
        now = Instant::now();
        if hastened {
            changed = now;
        }
    }
}

/// Wakes the tasks of the word that ended the sleep of a thread, before anything else is done. `true`: there were some.
fn hasten(
    reactor: &Reactor,
    (index, address): (usize, usize),
    woken: &mut Vec<Waker>,
    barrier: impl FnOnce() -> bool,
) -> bool {
    let mut inner = reactor.lock();
    let watches = &mut inner.threads[index].watches;
    // SAFETY: **mapped**: this thread has the lock.
    let look = |words: &Words, known| unsafe { words.look(known) };
    // SAFETY: **mapped**: this thread has the lock. Those of an announcement may be written (`Waiting::wait`'s contract).
    let announce = |words: &Words| unsafe { words.announce() };
    let announced = watches.look_at(address, look, announce, woken);
    drop(inner);
    let any = !woken.is_empty();
    wake(woken);
    if announced && !barrier() {
        // It was allowed before. Those that relied on it come back by themselves.
        let waiters = reactor.lock().threads[index].watches.retire(address);
        woken.extend(waiters.into_values().map(|waiter| waiter.waker));
        wake(woken);
    }
    any
}

fn wake(woken: &mut Vec<Waker>) {
    for waker in woken.drain(..) {
        // The others wait for this thread, too.
        let _ = catch_unwind(AssertUnwindSafe(|| waker.wake()));
    }
}

/// What kernels and sandboxes answer that do not have a call.
fn is_refusal(errno: i32) -> bool {
    matches!(errno, libc::ENOSYS | libc::EPERM)
}

/// Asks the kernel of some segments, of others in the next round.
fn question(watches: &mut Watches<Words>, round: usize, woken: &mut Vec<Waker>) {
    let rounds = watches.len().div_ceil(QUESTIONS).max(1);
    let is_due = |address: usize| (address >> 12) % rounds == round % rounds;
    let suspect =
        |address: usize, words: &Words| is_due(address) && (words.may_be_gone)(words.number);
    watches.question(suspect, woken);
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::Arc;
    use std::task::Wake;

    use super::*;

    static SEQ: AtomicU64 = AtomicU64::new(0);
    static STATE: AtomicU32 = AtomicU32::new(1);
    static AWAITED: AtomicU64 = AtomicU64::new(0);

    fn words() -> Words {
        let low = usize::from(cfg!(target_endian = "big"));
        Words {
            word: (&raw const SEQ).cast::<AtomicU32>().wrapping_add(low),
            state: &raw const STATE,
            announcement: Some(Announcement {
                seq: &raw const SEQ,
                awaited: &raw const AWAITED,
            }),
            may_be_gone: |_| false,
            number: 0,
            deaths: None,
        }
    }

    /// Comes back whenever it is woken, and notes whether it relies on the thread's announcement then.
    struct Task {
        reactor: Arc<Reactor>,
        relied: Mutex<Vec<bool>>,
    }

    impl Task {
        fn wait(self: &Arc<Task>) {
            let mut inner = self.reactor.lock();
            // SAFETY: they are statics.
            let seen = unsafe { words().look(0) };
            let relies = inner.is_announced(words().address(), seen.word);
            self.relied.lock().expect("no panic inside").push(relies);
            inner.last += 1;
            let waiter = Waiter {
                seen,
                waker: Arc::clone(self).into(),
            };
            let numbered = (inner.last, waiter);
            let watches = &mut inner.threads[0].watches;
            let _ = watches.add(words().address(), words(), false, numbered);
        }

        /// A commit ends the thread's sleep.
        fn commit(&self, barrier: bool) {
            let place = (0, words().address());
            // SAFETY: they are statics.
            let look = |words: &Words, known| unsafe { words.look(known) };
            let mut inner = self.reactor.lock();
            let watches = &mut inner.threads[0].watches;
            let _ = watches.look(look, &mut Vec::new(), |_, _| ());
            drop(inner);
            SEQ.fetch_add(2, Relaxed);
            hasten(&self.reactor, place, &mut Vec::new(), || barrier);
        }
    }

    impl Wake for Task {
        fn wake(self: Arc<Task>) {
            self.wait();
        }
    }

    #[test]
    fn who_relied_on_a_barrier_that_is_refused_later_is_woken_and_announces_itself() {
        let inner = Inner {
            refused: false,
            last: 0,
            threads: Vec::new(),
        };
        let reactor = Arc::new(Reactor {
            epoch: 0,
            inner: Mutex::new(inner),
        });
        reactor.lock().thread_for(words().address(), false);
        let task = Arc::new(Task {
            reactor,
            relied: Mutex::default(),
        });
        task.wait();
        for barrier in [true, true, false] {
            task.commit(barrier);
        }
        // At first the thread does not know that it comes back at once.
        let relied = task.relied.lock().expect("no panic inside");
        assert_eq!(*relied, [false, false, true, true, false]);
    }
}
