//! Boxes that come and go in one process, while others write.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::thread;

use shm_core::SharedBox;
use shm_tests::Guard;

/// A slot that is given back and claimed by another thread at once was taken for one from before
/// `exec`, and its lock stolen.
#[test]
fn a_slot_given_back_and_claimed_at_once_is_the_new_claimants() {
    let guard = Guard::new();
    let kept = SharedBox::create_new(guard.key(), 0_u64).unwrap();
    let inside = AtomicBool::new(false);
    let done = AtomicU64::new(0);
    thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                for _ in 0..3000 {
                    let shared = SharedBox::<u64>::open(guard.key()).unwrap();
                    let update = shared.update(|value| {
                        assert!(!inside.swap(true, SeqCst), "two own the lock");
                        *value += 1;
                        inside.store(false, SeqCst);
                    });
                    update.unwrap();
                    done.fetch_add(1, SeqCst);
                }
            });
        }
    });
    assert_eq!(kept.get().unwrap(), done.load(SeqCst));
}
