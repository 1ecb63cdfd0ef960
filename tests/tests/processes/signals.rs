//! Signal handlers that come in while their thread is in a call: which calls are safe in one, and what
//! the others say.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use nix::libc;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use shm_core::{Error, ErrorKind, SharedBox, SharedLayout, SharedView, field};
use shm_tests::Guard;

#[derive(SharedLayout, Clone, Copy)]
#[repr(C)]
struct Large {
    words: [u64; 2048],
}

impl Large {
    fn of(number: u64) -> Large {
        Large {
            words: [number; 2048],
        }
    }

    fn is_whole(&self) -> bool {
        self.words.iter().all(|word| *word == self.words[0])
    }
}

struct Shared {
    first: SharedBox<Large>,
    /// Another handle of the same segment.
    second: SharedBox<Large>,
    view: SharedView<Large>,
}

static SHARED: OnceLock<Shared> = OnceLock::new();
static READS: AtomicU64 = AtomicU64::new(0);
static WRITTEN: AtomicU64 = AtomicU64::new(0);
static REENTRANT: AtomicU64 = AtomicU64::new(0);
static WRONG: AtomicU64 = AtomicU64::new(0);

fn count(cell: &AtomicU64) {
    cell.fetch_add(1, Relaxed);
}

/// Reads by each call that is safe in a handler, and writes by each handle.
extern "C" fn handler(_: libc::c_int) {
    let Some(shared) = SHARED.get() else { return };
    let whole = |read: Result<Large, Error>| read.is_ok_and(|value| value.is_whole());
    let read = whole(shared.view.get()) && whole(shared.second.get());
    let word = shared.first.load(field!(Large.words[7]));
    if read && word.is_ok() && shared.first.version() > 0 {
        count(&READS);
    } else {
        count(&WRONG);
    }
    for written in [
        shared.first.set(Large::of(9)),
        shared.second.set(Large::of(9)),
    ] {
        match written {
            Ok(_) => count(&WRITTEN),
            Err(error) if error.kind() == ErrorKind::Reentrant => count(&REENTRANT),
            // Above all not `Busy`, after five seconds.
            Err(error) => {
                count(&WRONG);
                eprintln!("{error}");
            }
        }
    }
}

#[test]
fn a_handler_reads_whole_values_and_is_told_at_once_that_its_thread_is_in_a_commit() {
    let guard = Guard::new();
    SharedBox::create_new(guard.key(), Large::of(1)).unwrap();
    let shared = Shared {
        first: SharedBox::open(guard.key()).unwrap(),
        second: SharedBox::open(guard.key()).unwrap(),
        view: SharedView::open(guard.key()).unwrap(),
    };
    let shared = SHARED.get_or_init(|| shared);
    let action = SigAction::new(
        SigHandler::Handler(handler),
        SaFlags::SA_RESTART,
        SigSet::empty(),
    );
    // SAFETY: the handler makes calls that it is the purpose of this test to make there, and counts
    // in atomics.
    unsafe { sigaction(Signal::SIGUSR1, &action) }.unwrap();
    // SAFETY: pthread_self(3) always succeeds.
    let target = unsafe { libc::pthread_self() };
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Relaxed) {
                // SAFETY: the thread waits for this one, so it is there.
                unsafe { libc::pthread_kill(target, libc::SIGUSR1) };
                std::thread::yield_now();
            }
        });
        let mut number = 0;
        let few = |cell: &AtomicU64, wanted| cell.load(Relaxed) < wanted;
        while few(&REENTRANT, 300) || few(&READS, 2_000) || few(&WRITTEN, 100) {
            number += 1;
            // Time in which it is in no commit.
            (0..number % 5_000).for_each(|_| std::hint::spin_loop());
            for result in [
                shared.first.set(Large::of(number)),
                shared
                    .second
                    .update(|value| *value = Large::of(value.words[0] + 1)),
                shared.first.store(field!(Large.words), [number; 2048]),
            ] {
                result.unwrap();
            }
        }
        done.store(true, Relaxed);
    });
    println!("{READS:?} reads, {WRITTEN:?} writes, {REENTRANT:?} refusals");
    assert_eq!(WRONG.load(Relaxed), 0);
}
