//! The hand-made way: a `struct { pthread_mutex_t; T }` in System V shared memory, the mutex plain
//! or robust.

use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ptr;

use super::Peer;
use crate::place::Place;
use crate::value::Value;

/// An attached segment, and nothing more. Removed on drop by its creator.
pub struct Segment {
    address: *mut libc::c_void,
    created: Option<i32>,
}

impl Segment {
    /// Creates and attaches.
    pub fn create(key: u32, size: usize) -> Segment {
        // SAFETY: no memory is involved yet.
        let id = unsafe { libc::shmget(key.cast_signed(), size, libc::IPC_CREAT | libc::IPC_EXCL | 0o600) };
        assert!(id >= 0, "shmget: {}", std::io::Error::last_os_error());
        let mut segment = Segment::attach(id);
        segment.created = Some(id);
        segment
    }

    /// Attaches.
    pub fn open(key: u32) -> Segment {
        // SAFETY: no memory is involved yet.
        let id = unsafe { libc::shmget(key.cast_signed(), 0, 0) };
        assert!(id >= 0, "shmget: {}", std::io::Error::last_os_error());
        Segment::attach(id)
    }

    fn attach(id: i32) -> Segment {
        // SAFETY: the kernel chooses a free address.
        let address = unsafe { libc::shmat(id, ptr::null(), 0) };
        assert!(
            address.addr() != usize::MAX,
            "shmat: {}",
            std::io::Error::last_os_error()
        );
        Segment {
            address,
            created: None,
        }
    }

    /// Where it is.
    #[inline(always)]
    pub fn address(&self) -> *mut libc::c_void {
        self.address
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        // SAFETY: attached by this value, and not used after.
        unsafe { libc::shmdt(self.address) };
        if let Some(id) = self.created {
            // SAFETY: changes no mapping.
            unsafe { libc::shmctl(id, libc::IPC_RMID, ptr::null_mut()) };
        }
    }
}

/// Which mutex.
pub trait Kind {
    /// Whether the kernel hands it on when its owner dies.
    const ROBUST: bool;
}

/// The default one.
pub struct Plain;

/// `PTHREAD_MUTEX_ROBUST`.
pub struct Robust;

impl Kind for Plain {
    const ROBUST: bool = false;
}

impl Kind for Robust {
    const ROBUST: bool = true;
}

/// A cache line for the mutex, as a careful programmer would give it.
#[repr(C, align(64))]
struct Lock(libc::pthread_mutex_t);

#[repr(C)]
struct Shared<T> {
    lock: Lock,
    value: T,
}

/// A value under a mutex.
pub struct Pthread<T, K> {
    segment: Segment,
    what: PhantomData<(T, K)>,
}

impl<T: Value, K: Kind> Pthread<T, K> {
    #[inline(always)]
    fn shared(&self) -> *mut Shared<T> {
        self.segment.address().cast()
    }

    /// Locks; a dead owner's value is taken as it is.
    #[inline(always)]
    pub fn lock(&self) {
        // SAFETY: initialised by `create`, and mapped.
        unsafe {
            let lock = &raw mut (*self.shared()).lock.0;
            match libc::pthread_mutex_lock(lock) {
                0 => {}
                libc::EOWNERDEAD => assert_eq!(libc::pthread_mutex_consistent(lock), 0),
                error => panic!("pthread_mutex_lock: {error}"),
            }
        }
    }

    /// Unlocks.
    #[inline(always)]
    pub fn unlock(&self) {
        // SAFETY: as in `lock`.
        unsafe { libc::pthread_mutex_unlock(&raw mut (*self.shared()).lock.0) };
    }
}

impl<T: Value, K: Kind> Peer<T> for Pthread<T, K> {
    fn create(place: Place, value: &T) -> Self {
        let segment = Segment::create(place.key(), size_of::<Shared<T>>());
        let peer: Self = Pthread {
            segment,
            what: PhantomData,
        };
        let mut attributes = MaybeUninit::uninit();
        // SAFETY: each call gets what the one before initialised; the segment is large enough.
        unsafe {
            libc::pthread_mutexattr_init(attributes.as_mut_ptr());
            libc::pthread_mutexattr_setpshared(
                attributes.as_mut_ptr(),
                libc::PTHREAD_PROCESS_SHARED,
            );
            if K::ROBUST {
                libc::pthread_mutexattr_setrobust(
                    attributes.as_mut_ptr(),
                    libc::PTHREAD_MUTEX_ROBUST,
                );
            }
            libc::pthread_mutex_init(&raw mut (*peer.shared()).lock.0, attributes.as_ptr());
            (&raw mut (*peer.shared()).value).copy_from_nonoverlapping(value, 1);
        }
        peer
    }

    fn open(place: Place) -> Self {
        Pthread {
            segment: Segment::open(place.key()),
            what: PhantomData,
        }
    }

    #[inline(always)]
    fn get<R>(&mut self, look: impl FnOnce(&T) -> R) -> R {
        self.lock();
        // SAFETY: the lock is held.
        let value = unsafe { (&raw const (*self.shared()).value).read() };
        self.unlock();
        look(&value)
    }

    #[inline(always)]
    fn set(&mut self, value: &T) {
        self.lock();
        // SAFETY: the lock is held.
        unsafe { (&raw mut (*self.shared()).value).copy_from_nonoverlapping(value, 1) };
        self.unlock();
    }

    #[inline(always)]
    fn update(&mut self, change: impl FnOnce(&mut T)) {
        self.lock();
        // SAFETY: the lock is held.
        change(unsafe { &mut (*self.shared()).value });
        self.unlock();
    }
}
