//! `Guarded`: another program's value or rows, of which each access runs under the guard that it uses.

use std::fmt;
use std::io;
use std::thread::sleep;
use std::time::{Duration, Instant};

#[cfg(doc)]
use super::error::ErrorKind;
use super::error::{Error, Operation};
use super::raw::{Joined, Raw};
use super::raw_box::RawBox;
use super::raw_table::RawTable;
use crate::layout::SharedLayout;
use crate::protocol::{self, Fault};
use crate::sysv::sem::{self, Op};
use crate::sysv::{self, Key, Kind, Mode};
use crate::typed::{Failure, Field, Held, Mutex};

/// A semaphore of a System V set, as C programs use one for a lock: 1 is free, 0 is taken.
///
/// It is taken with `SEM_UNDO`: if this process dies, the kernel gives it back. Whether a C program's
/// death does is up to that program.
///
/// ```
/// use std::time::Duration;
/// use shm_core::{Key, RawBox, SemGuard};
///
/// # fn main() -> Result<(), shm_core::Error> {
/// # let key = Key::new(0x7b5d_1026);
/// let guard = SemGuard::open_or_create(key, 0o600, Duration::from_secs(1))?;
/// # let set = guard.id();
/// let raw = RawBox::<u64>::options().create_exact(true).open(key)?;
/// # shm_core::sysv::shm::remove(raw.id().unwrap()).unwrap();
/// let guarded = raw.guarded_by(guard);
/// guarded.update(|count| *count += 1)?; // semop(-1), load, store, semop(+1)
/// assert_eq!(guarded.get()?, 1);
/// # shm_core::sysv::sem::remove(set).unwrap();
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct SemGuard {
    set: sem::Id,
    index: u16,
}

impl SemGuard {
    /// The semaphore `index` of the set with this key, once it is initialised.
    ///
    /// `semget` makes a set, and another call gives it its first value: a process that comes in between
    /// finds zeros. As C programs expect, this waits until `sem_otime` tells that a `semop` was done; a
    /// value above 0 tells as well, where the creator does no more than `SETVAL`. Looks once a
    /// millisecond, for at most `limit`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::System`]: no such set, no right to read it, or removed meanwhile.
    /// [`ErrorKind::Guard`]: it has no such semaphore, was not initialised in this time, or is private.
    pub fn open(key: impl Into<Key>, index: u16, limit: Duration) -> Result<SemGuard, Error> {
        let key = key.into();
        let set = match key {
            Key::PRIVATE => Err(Failure::Guard(
                "a private set has no key to find it by: use `SemGuard::open_id`".into(),
            )),
            key => find(key).map_err(Failure::from),
        };
        set.and_then(|set| SemGuard::settled(set, index, limit))
            .map_err(|why| Error::new(why, Operation::SemGuardOpen, None, None))
    }

    /// The same for the set with this id.
    ///
    /// # Errors
    ///
    /// As for [`SemGuard::open`].
    pub fn open_id(set: sem::Id, index: u16, limit: Duration) -> Result<SemGuard, Error> {
        SemGuard::settled(set, index, limit)
            .map_err(|why| Error::new(why, Operation::SemGuardOpen, None, None))
    }

    /// The first semaphore of the set with this key; makes a set of one, which is free, if there is
    /// none. Its first value and its `sem_otime` come by one `semop`.
    ///
    /// # Errors
    ///
    /// As for [`SemGuard::open`]; [`ErrorKind::System`] also if no set can be made.
    pub fn open_or_create(
        key: impl Into<Key>,
        mode: u32,
        limit: Duration,
    ) -> Result<SemGuard, Error> {
        SemGuard::found_or_made(key.into(), Mode::new(mode), limit)
            .map_err(|why| Error::new(why, Operation::SemGuardCreate, None, None))
    }

    /// Runs a closure while this process has the semaphore: for accesses that no [`GuardedBox`] makes.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Busy`] at the time limit; [`ErrorKind::System`] if the semaphore is gone, or this process has
    /// no right to it. The closure is not called then.
    pub fn under<R>(&self, limit: Duration, act: impl FnOnce() -> R) -> Result<R, Error> {
        self.lock(limit)
            .map(|_held| act())
            .map_err(|why| Error::new(why, Operation::SemGuardUnder, None, None))
    }

    /// The set.
    pub fn id(&self) -> sem::Id {
        self.set
    }

    fn found_or_made(key: Key, mode: Mode, limit: Duration) -> Result<SemGuard, Failure> {
        let flags = sem::GetFlags::CREATE | sem::GetFlags::EXCLUSIVE;
        loop {
            match sem::get(key, 1, flags, mode) {
                Ok(set) => {
                    sem::op(set, &[Op::add(0, 1)])?;
                    return Ok(SemGuard { set, index: 0 });
                }
                Err(error) if error.kind() == Kind::Exists => {}
                Err(error) => return Err(error.into()),
            }
            match find(key) {
                // It went away in between.
                Err(error) if error.kind() == Kind::NotFound => {}
                found => return SemGuard::settled(found?, 0, limit),
            }
        }
    }

    fn settled(set: sem::Id, index: u16, limit: Duration) -> Result<SemGuard, Failure> {
        let start = Instant::now();
        loop {
            let stat = sem::stat(set)?;
            let refused = |why: String| Failure::Guard(format!("semaphore set {set} {why}").into());
            if usize::from(index) >= stat.count {
                let count = stat.count;
                return Err(refused(format!(
                    "has {count} semaphores, and none is number {index}: they are counted from 0"
                )));
            }
            if stat.otime.is_some() || sem::value(set, index)? > 0 {
                return Ok(SemGuard { set, index });
            }
            if start.elapsed() >= limit {
                return Err(refused(format!(
                    "is not initialised: no `semop` was done (sem_otime), and semaphore {index} is 0; \
                     start its creator, or remove it with `ipcrm -s {set}`"
                )));
            }
            sleep(Duration::from_millis(1));
        }
    }

    fn lock(self, limit: Duration) -> Result<Held<impl Fn()>, Failure> {
        let start = Instant::now();
        let by = move |n| [Op::add(self.index, n).undo()];
        match sem::op_timeout(self.set, &by(-1), limit) {
            // What it fails for (a set that was removed) the next lock fails for, too.
            Ok(()) => Ok(Held::new(move || drop(sem::op(self.set, &by(1))))),
            Err(error) if error.kind() == Kind::TimedOut => {
                // The last process that changed it is the one that took it.
                let pid = sem::pid(self.set, self.index).unwrap_or(0);
                let holder = protocol::observe(pid as u32);
                let waited = start.elapsed();
                Err(Fault::Busy { holder, waited }.into())
            }
            Err(error) => Err(error.into()),
        }
    }
}

fn find(key: Key) -> Result<sem::Id, sysv::Error> {
    sem::get(key, 0, sem::GetFlags::NONE, Mode::new(0))
}

/// What each access of a [`GuardedBox`] runs under: a [`SemGuard`], a mutex among the fields
/// ([`RawBox::guarded_by_pthread`]), or a pair of closures.
pub struct Guard(Way);

enum Way {
    Semaphore(SemGuard),
    Mutex(Mutex),
    Pair(Box<Lock>, Box<dyn Fn() + Send + Sync>),
}

type Lock = dyn Fn(Duration) -> io::Result<()> + Send + Sync;

impl Guard {
    /// A guard of the program's own: `lock` within the time that it is given, or an error; `unlock`
    /// after the access, also if that panicked, by the same thread.
    pub fn pair(
        lock: impl Fn(Duration) -> io::Result<()> + Send + Sync + 'static,
        unlock: impl Fn() + Send + Sync + 'static,
    ) -> Guard {
        Guard(Way::Pair(Box::new(lock), Box::new(unlock)))
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Way::Semaphore(guard) => guard.fmt(f),
            Way::Mutex(mutex) => mutex.fmt(f),
            Way::Pair(..) => f.write_str("Pair"),
        }
    }
}

impl From<SemGuard> for Guard {
    fn from(guard: SemGuard) -> Guard {
        Guard(Way::Semaphore(guard))
    }
}

/// A [`RawBox`] or a [`RawTable`] of which each access runs under a guard: [`GuardedBox`], [`GuardedTable`].
///
/// It is as good as the other side: a program that stores without the guard is neither kept off nor
/// noticed. What a holder that died had stored by half stays so. One thread must not ask again in a
/// closure that runs under the guard: it would wait for itself, until the time limit.
///
/// That limit, [`RawOptions::timeout`](crate::RawOptions::timeout), holds for each wait; then
/// [`ErrorKind::Busy`] and [`Error::holder`] name the process that holds the guard.
///
/// | guard | system calls of an access |
/// |---|---|
/// | [`SemGuard`] | two `semop` |
/// | mutex | none, where it is free |
/// | closures | theirs |
pub struct Guarded<R> {
    raw: R,
    guard: Guard,
}

/// A [`RawBox`] of which each access runs under a guard. Made by [`RawBox::guarded_by`].
pub type GuardedBox<T> = Guarded<RawBox<T>>;

/// A [`RawTable`] that is lent [under a guard](Guarded::under). Made by [`RawTable::guarded_by`].
pub type GuardedTable<Header, Row> = Guarded<RawTable<Header, Row>>;

impl<T: SharedLayout> RawBox<T> {
    /// Runs each access under a guard that the other program uses, too: a [`SemGuard`], or
    /// [`Guard::pair`].
    pub fn guarded_by(self, guard: impl Into<Guard>) -> GuardedBox<T> {
        let guard = guard.into();
        Guarded { raw: self, guard }
    }

    /// Runs each access under a `pthread_mutex_t` that is a field of the `T`, declared as
    /// [`Opaque`](crate::Opaque) of its size and alignment, and initialised by the other program with
    /// `PTHREAD_PROCESS_SHARED`. A robust one is made consistent when its owner has died; another one
    /// stays locked then, and the time limit says so. `field!(T.mutex)` names it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Guard`] if the mutex is not aligned, not initialised or private to a process, or if
    /// storing a `T` would store it. A field of another size does not compile.
    ///
    /// # Safety
    ///
    /// Every process that may write to the segment must be trusted with this one's memory: a robust
    /// mutex holds list pointers, which the C library follows and stores through. For as long as the box
    /// is used, a `pthread_mutex_t` of this C library's, of this width, lies there, and nothing but its
    /// functions changes it.
    pub unsafe fn guarded_by_pthread<F>(self, field: Field<T, F>) -> Result<GuardedBox<T>, Error> {
        const { Mutex::is_a::<T, F>() }
        let (joined, at) = (self.joined(), self.offset());
        // SAFETY: `guarded_by_pthread` demands what the invariant of `Mutex` says.
        let mutex = unsafe { joined.segment.mutex(at, field) };
        let mutex = mutex.map_err(joined.explain(Operation::GuardedBy))?;
        Ok(self.guarded_by(Guard(Way::Mutex(mutex))))
    }
}

impl<Header, Row: SharedLayout> RawTable<Header, Row> {
    /// Lends the table [under a guard](Guarded::under) that the other program uses, too: a [`SemGuard`], or
    /// [`Guard::pair`].
    ///
    /// ```no_run
    /// # use shm_core::{Error, Key, RawTable, SemGuard, SharedLayout, field};
    /// # use std::{sync::atomic::Ordering::Relaxed, time::Duration};
    /// # #[derive(SharedLayout, Clone, Copy)]
    /// # #[repr(C)]
    /// # struct Row { pid: i32, beats: u32 }
    /// # fn main() -> Result<(), Error> {
    /// let second = Duration::from_secs(1);
    /// let rows = RawTable::<(), Row>::options().timeout(second).open(0x1234)?;
    /// let rows = rows.guarded_by(SemGuard::open(0x1234, 0, second)?);
    /// rows.under(|rows| {
    ///     let row = rows.row(3)?;
    ///     let now = row.get()?;
    ///     row.set(Row { beats: now.beats + 1, ..now })
    /// })??;
    /// # Ok(())
    /// # }
    /// ```
    pub fn guarded_by(self, guard: impl Into<Guard>) -> GuardedTable<Header, Row> {
        let guard = guard.into();
        Guarded { raw: self, guard }
    }
}

impl<Header: SharedLayout, Row: SharedLayout> RawTable<Header, Row> {
    /// Lends the table under a `pthread_mutex_t` that is a field of the header: see
    /// [`RawBox::guarded_by_pthread`].
    ///
    /// # Errors
    ///
    /// As for [`RawBox::guarded_by_pthread`], also if storing a row would store the mutex; [`ErrorKind::Options`]
    /// if the table is open for reading only.
    ///
    /// # Safety
    ///
    /// As for [`RawBox::guarded_by_pthread`].
    pub unsafe fn guarded_by_pthread<F>(
        self,
        field: Field<Header, F>,
    ) -> Result<GuardedTable<Header, Row>, Error> {
        const { Mutex::is_a::<Header, F>() }
        let joined = self.joined();
        let mutex = self.may_lock(field).and_then(|()| {
            // SAFETY: `guarded_by_pthread` demands what the invariant of `Mutex` says.
            unsafe { joined.segment.mutex(0, field) }
        });
        let mutex = mutex.map_err(joined.explain(Operation::RawTableGuardedBy))?;
        Ok(self.guarded_by(Guard(Way::Mutex(mutex))))
    }
}

impl<T: SharedLayout> GuardedBox<T> {
    /// The value.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Busy`] at the time limit; [`ErrorKind::System`] if the semaphore is gone or this process
    /// has no right to it; [`ErrorKind::Guard`] if the mutex or the closure refuses;
    /// [`ErrorKind::Invalid`] if the bytes are no `T`.
    pub fn get(&self) -> Result<T, Error> {
        let operation = Operation::GuardedGet;
        let read = self.locked(operation, |raw| raw.value().read())?;
        read.map_err(self.raw.joined().explain(operation))
    }

    /// Stores a value.
    ///
    /// # Errors
    ///
    /// As for [`GuardedBox::get`], but `Invalid`. Nothing is stored then.
    pub fn set(&self, value: T) -> Result<(), Error> {
        self.locked(Operation::GuardedSet, |raw| raw.set(value))
    }

    /// Loads the value, changes it, and stores it, under one hold of the guard; returns what the closure
    /// returns. If it panics, nothing is stored, and the guard is let go.
    ///
    /// # Errors
    ///
    /// As for [`GuardedBox::get`]; [`ErrorKind::Forked`] in a child that `change` forked. Nothing is stored then.
    pub fn update<R>(&self, change: impl FnOnce(&mut T) -> R) -> Result<R, Error> {
        let operation = Operation::GuardedUpdate;
        let done = self.locked(operation, |raw| {
            let (mut value, epoch) = (raw.value().read()?, protocol::epoch());
            let answer = change(&mut value);
            // The guard is the parent's, which stores by itself.
            if protocol::epoch() != epoch {
                return Err(Fault::Forked.into());
            }
            raw.set(value);
            Ok(answer)
        })?;
        done.map_err(self.raw.joined().explain(operation))
    }
}

impl<R: Raw> Guarded<R> {
    /// Lends the bare box or table under one hold of the guard: for single fields, rows, or several accesses.
    ///
    /// ```
    /// # use std::sync::atomic::Ordering::Relaxed;
    /// # use shm_core::{Error, GuardedBox, SharedLayout, field};
    /// # #[derive(SharedLayout, Clone, Copy)]
    /// # #[repr(C)]
    /// # struct StPid { pid: i32 }
    /// fn take_over(guarded: &GuardedBox<StPid>) -> Result<i32, Error> {
    ///     guarded.under(|raw| {
    ///         let before = raw.load(field!(StPid.pid), Relaxed)?;
    ///         raw.store(field!(StPid.pid), std::process::id() as i32, Relaxed)?;
    ///         Ok(before)
    ///     })?
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`GuardedBox::get`], but `Invalid`. The closure is not called then.
    pub fn under<A>(&self, act: impl FnOnce(&R) -> A) -> Result<A, Error> {
        self.locked(Operation::GuardedUnder, act)
    }

    fn locked<A>(&self, operation: Operation, act: impl FnOnce(&R) -> A) -> Result<A, Error> {
        let (raw, joined) = (&self.raw, self.raw.joined());
        let Joined { segment, limit, .. } = joined;
        let limit = *limit;
        match &self.guard.0 {
            Way::Semaphore(guard) => guard.lock(limit).map(|_held| act(raw)),
            Way::Mutex(mutex) => segment.lock(*mutex, limit).map(|_held| act(raw)),
            Way::Pair(lock, unlock) => lock(limit)
                .map_err(|why| Failure::Guard(why.to_string().into()))
                .map(|()| {
                    let _held = Held::new(unlock);
                    act(raw)
                }),
        }
        .map_err(joined.explain(operation))
    }
}

impl<R: fmt::Debug> fmt::Debug for Guarded<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut of = f.debug_tuple("Guarded");
        of.field(&self.raw).field(&self.guard).finish()
    }
}
