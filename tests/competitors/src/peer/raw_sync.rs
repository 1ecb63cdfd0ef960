//! The crates `shared_memory` and `raw_sync`, put together as their examples do.

use std::marker::PhantomData;

use raw_sync::locks::{LockImpl, LockInit, Mutex};
use shared_memory::{Shmem, ShmemConf};

use super::Peer;
use crate::place::Place;
use crate::value::Value;

/// Room for the lock before the value.
const VALUE: usize = 128;

/// A value under a `raw_sync` mutex in a `shared_memory` mapping.
pub struct RawSync<T> {
    // Dropped in this order.
    lock: Box<dyn LockImpl>,
    _memory: Shmem,
    value: PhantomData<T>,
}

impl<T: Value> Peer<T> for RawSync<T> {
    fn create(place: Place, value: &T) -> Self {
        let memory = ShmemConf::new()
            .size(VALUE + size_of::<T>())
            .os_id(place.name())
            .create()
            .expect("created");
        let base = memory.as_ptr();
        // SAFETY: the mapping is of that size, and nobody else knows it yet.
        let (lock, used) = unsafe {
            base.add(VALUE)
                .cast::<T>()
                .copy_from_nonoverlapping(value, 1);
            Mutex::new(base, base.add(VALUE)).expect("a lock")
        };
        assert!(used <= VALUE);
        RawSync {
            lock,
            _memory: memory,
            value: PhantomData,
        }
    }

    fn open(place: Place) -> Self {
        let memory = ShmemConf::new().os_id(place.name()).open().expect("opened");
        let base = memory.as_ptr();
        // SAFETY: made by `create`.
        let (lock, _) = unsafe { Mutex::from_existing(base, base.add(VALUE)).expect("the lock") };
        RawSync {
            lock,
            _memory: memory,
            value: PhantomData,
        }
    }

    #[inline(always)]
    fn get<R>(&mut self, look: impl FnOnce(&T) -> R) -> R {
        let guard = self.lock.lock().expect("locked");
        // SAFETY: the lock is held, and a `T` lies there.
        let value = unsafe { guard.cast::<T>().read() };
        drop(guard);
        look(&value)
    }

    #[inline(always)]
    fn set(&mut self, value: &T) {
        let guard = self.lock.lock().expect("locked");
        // SAFETY: as above.
        unsafe { guard.cast::<T>().copy_from_nonoverlapping(value, 1) };
    }

    #[inline(always)]
    fn update(&mut self, change: impl FnOnce(&mut T)) {
        let guard = self.lock.lock().expect("locked");
        // SAFETY: as above.
        change(unsafe { &mut *guard.cast::<T>() });
    }
}
