//! `SharedBox`: a view that may also replace, change and remove what it shows.

use std::ops::Deref;

#[cfg(doc)]
use super::error::ErrorKind;
use super::error::{Error, Operation};
use super::options::Options;
use super::place::Place;
use super::shared_view::SharedView;
use super::writer::Writer;
use crate::layout::SharedLayout;
use crate::protocol::{self, Held, Locked};
use crate::typed::{Field, IN_REGISTERS, Integer, Snapshot, Typed};

/// A value of type `T` in a System V segment, shared with every process that opens the same key.
///
/// Any thread of any process may use it at the same time; a `SharedBox` may itself be shared
/// between threads. Reads are consistent copies and never wait for a writer. Writes are commits:
/// all of a value or nothing, also when the process is killed halfway, and each commit has a
/// version of its own that is higher than all before.
///
/// A box is a [`SharedView`] that may write: what reads and waits is described there, and a function
/// that takes a `&SharedView<T>` takes a `&SharedBox<T>` as well.
///
/// The segment stays when the box is dropped and when the process ends, until a program
/// [removes](SharedBox::remove) it (or the machine restarts).
///
/// | call | system calls | allocations | waits for |
/// |---|---|---|---|
/// | `version` | 0 | 0 | nothing |
/// | `get`, `snapshot`, `read_with`, `read_into` | 0 | 0 | nothing |
/// | `get_boxed` | 0 | 1 | nothing |
/// | `load` | 0 | 0 | nothing |
/// | `set`, `set_from`, `set_if`, `store`, `update_field`, `fetch_add` | 0; 1 to wake a waiter | 0 | the lock |
/// | `update`, `try_update` | 0; 1 to wake a waiter | 1 above 4 KiB | the lock |
/// | `writer` | 0; once per process 1 more | 0 | the lock |
/// | `wait`, `wait_timeout`, `wait_version`, an item of `changes` | 2 per look | 0 | a newer version |
/// | an item of `stream` | 0 if it is there; else 0 to 2, and 1 or 2 of a thread of the library for up to 127 boxes | a few when it first waits | a newer version, in a task |
/// | `open` | 9 (find, map, facts, the own user, three for the semaphore set, the own pid, claim a slot); 5 to drop; about 10 more once per process | 0; a few once per process | a birth under way |
/// | `open_read_only` | 4 (find, map, facts, the own user); 1 to drop | 0 | a birth under way |
/// | `open` of a file | about 28 (find, map, facts, two locks); 12 to drop, and `persist` by the last | some | a value that is being restored |
/// | `persist`, `close` of a file | 5, one of which waits for the disk; `close` lets go besides | 3 | the disk, and others that write to it |
/// | any write, each 1,024 versions | 4: whether all is what it was | 0 | nothing |
/// | the first write of a forked child | 5: it claims a slot of its own; about 10 more once per process | 0 | nothing |
/// | `reattach`, `reopen` | as `open`; `reattach` lets go besides | 0 | a birth under way |
/// | `open_or_create`, `create_new` | 9 if it exists; about 30 to create | a few | a birth or a removal under way |
/// | `info` | 5: whether the id leads to this very segment | 0 | nothing |
/// | `writers` | 2 to 4; about 70 for each open box | 1; some for each open box | nothing |
/// | `is_removed` | 0 if the library removed it; else 5, under a key 6 | 0 | nothing |
/// | `remove` | 14 | 0 | nothing |
/// | [`shm_core::remove`](crate::remove) | 15; of an id 14 | 0 | nothing |
/// | of a table: `rows`, `get`, `total`, `membership`; `Seat::{set, store, fetch_add, get}` | 0 | 0 | nothing |
/// | of a table: `look` | 1 if no process came or died since the last one; else some; in a file 1 for each row with an owner | 0; a few if it is not 1 | nothing |
/// | of a table: `claim`, and the drop of a `Seat` | 0; as `look` if no row is free; 4 to wake waiters | 0; a few if no row is free | nothing |
/// | of a table: `wait_membership`, an item of `changes` | 5 per look, one each 2 s if nothing changes | 0; a few with each death | a claim, a release or a death |
///
/// Where the lock is contended, a call spins shortly and then sleeps (a few system calls per
/// millisecond).
///
/// # Signal handlers and `fork`
///
/// `get`, `snapshot`, `read_into`, `load` and `version` are async-signal-safe: they take no lock,
/// allocate nothing and make no system call (as long as no other schema has come in force since the
/// last call outside of a handler). A handler that writes, while its own thread is in a commit of
/// the same segment, gets [`ErrorKind::Reentrant`] at once. A forked child claims a slot of its own at
/// its first write; commits through an inherited [`Writer`] are [`ErrorKind::Forked`].
///
/// ```
/// use shm_core::{FixedStr, SharedBox, SharedLayout};
///
/// #[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
/// #[repr(C)]
/// struct StPid {
///     pid: i32,
///     names: FixedStr<51>,
/// }
///
/// # fn main() -> Result<(), shm_core::Error> {
/// # let key = shm_core::Key::new(0x7b5d_1001);
/// let shared = SharedBox::open_or_create(key, || StPid { pid: 0, names: FixedStr::default() })?;
/// shared.set(StPid { pid: 7, names: FixedStr::new("alice")? })?;
/// let version = shared.update(|p| p.pid += 1)?;
/// let seen = shared.snapshot()?;
/// assert_eq!((seen.value.pid, seen.version), (8, version));
/// shared.remove()?;
/// # Ok(())
/// # }
/// ```
// In this order: with the segment at another place than the box, a commit takes ten instructions
// more.
#[repr(C)]
pub struct SharedBox<T: SharedLayout> {
    /// Of an attachment that may be written to.
    view: SharedView<T>,
    created: bool,
    /// The epoch of the process that is to remove the segment when the box is dropped.
    remove_on_drop: Option<u32>,
}

impl<T: SharedLayout> SharedBox<T> {
    pub(super) fn new(typed: Typed<T>, created: bool, options: Options<T>) -> SharedBox<T> {
        let remove = options.settings.remove_on_drop;
        SharedBox {
            created,
            remove_on_drop: remove.then(protocol::epoch),
            view: SharedView::new(typed, options),
        }
    }

    /// Options other than those of the three verbs below.
    pub fn options() -> Options<T> {
        Options::new()
    }

    /// Attaches the segment of a place, which must exist and hold a `T`, or a later version of it: then
    /// this program reads and writes its own fields, and no byte that it does not know. An earlier
    /// version takes [`Options::upgrade`].
    ///
    /// Nothing in the segment is changed, and no byte of the value is looked at before size, format
    /// and schema were found to fit.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::System`] (no such segment, no permission, no memory); [`ErrorKind::Options`] for a key
    /// that leads to no segment; [`ErrorKind::Untrusted`]; [`ErrorKind::Foreign`]; [`ErrorKind::Format`];
    /// [`ErrorKind::Damaged`]; [`ErrorKind::Mismatch`]; [`ErrorKind::OtherKind`] of a [table](crate::SharedTable);
    /// [`ErrorKind::NeedsUpgrade`]; [`ErrorKind::Unfinished`] if a birth does not end within the [time
    /// limit](Options::timeout); [`ErrorKind::Removed`] if a removal is under way. Of a file: [`ErrorKind::NotRestored`], and
    /// [`ErrorKind::Busy`] if another process restores its value for as long. Of the claim to write: [`ErrorKind::SlotsTaken`], [`ErrorKind::SetLost`],
    /// [`ErrorKind::Unjudged`], [`ErrorKind::NoUndo`], and [`ErrorKind::Left`] if this thread leaves its IPC
    /// namespace meanwhile.
    ///
    /// With [`Options::upgrade`] also [`ErrorKind::NoRoom`], and what taking the lock can say:
    /// [`ErrorKind::Busy`], [`ErrorKind::Reentrant`], and [`ErrorKind::Forked`] if a default forks. With
    /// [`Options::adopt`] also [`ErrorKind::Invalid`], and these three.
    pub fn open(place: impl Into<Place>) -> Result<SharedBox<T>, Error> {
        Self::options().open(place)
    }

    /// Creates the segment of a key with this value; it must not exist. [`Key::PRIVATE`](crate::Key::PRIVATE)
    /// makes one that only its [id](SharedView::id) leads to.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::System`] of kind [`Exists`](crate::sysv::Kind::Exists) if it does, and if the kernel
    /// has no room for it, or no permission; [`ErrorKind::Options`] for a mode, group, capacity or key
    /// that no segment can have; [`ErrorKind::NoUndo`]. Where other processes meet it at its birth:
    /// [`ErrorKind::Busy`], [`ErrorKind::SlotsTaken`], [`ErrorKind::SetLost`], [`ErrorKind::Unjudged`],
    /// [`ErrorKind::Damaged`], [`ErrorKind::Mismatch`], [`ErrorKind::Removed`]; [`ErrorKind::Left`] if this thread
    /// leaves its IPC namespace meanwhile.
    pub fn create_new(place: impl Into<Place>, value: T) -> Result<SharedBox<T>, Error> {
        Self::options().create_new(place, value)
    }

    /// Attaches the segment of a key if it exists, or else creates it with the value that the
    /// closure gives.
    ///
    /// Of all processes that call this at once, exactly one calls its closure and finds
    /// [`created`](SharedBox::created) true, unless it dies meanwhile: then another one does.
    ///
    /// # Errors
    ///
    /// As for [`SharedBox::open`] and [`SharedBox::create_new`]; [`ErrorKind::Removed`] only if other
    /// processes removed the segment again and again for the whole [time limit](Options::timeout);
    /// [`ErrorKind::Reentrant`] inside a closure that opens the same key; [`ErrorKind::Forked`] in a child
    /// that the closure forked.
    pub fn open_or_create(
        place: impl Into<Place>,
        value: impl FnOnce() -> T,
    ) -> Result<SharedBox<T>, Error> {
        Self::options().open_or_create(place, value)
    }

    /// Bytes of a segment that [`create_new`](SharedBox::create_new) makes for a `T`: what a program
    /// without this library must ask `shmget` for if the segment is to be
    /// [adopted](Options::adopt). [`Options::segment_size`] tells it for other capacities.
    ///
    /// # Errors
    ///
    /// As for [`Options::segment_size`].
    pub fn segment_size() -> Result<usize, Error> {
        Self::options().segment_size()
    }

    /// Whether this call created the segment, and not another process before.
    pub fn created(&self) -> bool {
        self.created
    }

    /// Replaces the value; returns the new version.
    ///
    /// Bytes that are padding in `T` keep the value they have in the segment.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Busy`] if a living process keeps the lock beyond the [time
    /// limit](Options::timeout), and [`ErrorKind::Unjudged`] if whether it lives can't be told;
    /// [`ErrorKind::Reentrant`] inside `update` or beside this thread's own [`Writer`];
    /// [`ErrorKind::Removed`]; [`ErrorKind::Left`]; [`ErrorKind::Mismatch`], or [`ErrorKind::NeedsUpgrade`], if
    /// another program has put a layout in force that does not go with this one;
    /// [`ErrorKind::Damaged`]; [`ErrorKind::System`] if the kernel refuses the semaphores that say who is
    /// alive. In a forked child, which claims a slot of its own: [`ErrorKind::SlotsTaken`],
    /// [`ErrorKind::SetLost`], [`ErrorKind::NoUndo`], [`ErrorKind::ChildDenied`].
    #[inline]
    pub fn set(&self, value: T) -> Result<u64, Error> {
        self.commit(&value, Operation::Set)
    }

    /// Replaces the value by a copy of the one referred to; returns the new version. For values too
    /// large to be passed around.
    ///
    /// # Errors
    ///
    /// As for [`SharedBox::set`].
    #[inline]
    pub fn set_from(&self, value: &T) -> Result<u64, Error> {
        self.commit(value, Operation::SetFrom)
    }

    /// Replaces the value if its version is still `version`; returns the new version, or `None` if
    /// another writer committed meanwhile.
    ///
    /// ```
    /// # use shm_core::{Key, SharedBox};
    /// # fn main() -> Result<(), shm_core::Error> {
    /// # let shared = SharedBox::<u32>::options().remove_on_drop(true).create_new(Key::PRIVATE, 5)?;
    /// let seen = shared.snapshot()?;
    /// assert_eq!(shared.set_if(seen.version, 6)?, Some(2));
    /// assert_eq!(shared.set_if(seen.version, 7)?, None);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`SharedBox::set`].
    #[inline]
    pub fn set_if(&self, version: u64, value: T) -> Result<Option<u64>, Error> {
        let locked = match self.segment().try_lock() {
            Some(locked) => locked,
            None => self.lock(Operation::SetIf)?,
        };
        if locked.version() != version {
            return Ok(None);
        }
        let version = locked.finish(|locked| self.typed.commit(locked, &value));
        Ok(Some(version))
    }

    /// Changes the value under the lock: no other writer commits between its reading and its writing.
    /// Returns the new version.
    ///
    /// A panic in `change` commits nothing and lets the lock go. So does a death. Of values above 4
    /// KiB only the part that changed is written.
    ///
    /// # Errors
    ///
    /// As for [`SharedBox::set`]; [`ErrorKind::Invalid`] if the value is no `T`, as for
    /// [`SharedView::get`]; [`ErrorKind::Forked`] in a child that `change` forked; [`ErrorKind::Removed`] also
    /// if the segment is removed inside `change`. After each of them nothing is committed.
    #[inline]
    pub fn update(&self, change: impl FnOnce(&mut T)) -> Result<u64, Error> {
        let mut locked = match self.segment().try_lock() {
            Some(locked) => locked,
            None => self.lock(Operation::Update)?,
        };
        if const { size_of::<T>() > IN_REGISTERS } {
            let updated = self.typed.update(&mut locked, change);
            let version = updated.map_err(self.typed.explain(Operation::Update))?;
            return Ok(locked.finish(|_| version));
        }
        let explain = self.typed.explain(Operation::Update);
        let mut value = self.typed.load(&locked, Field::WHOLE, explain)?;
        change(&mut value);
        if locked.check_at_once() {
            return Ok(locked.finish(|locked| self.typed.commit(locked, &value)));
        }
        // A copy: as long as its address stays here the value itself can live in registers.
        let copy = value;
        self.commit_checked(locked, &copy)
    }

    /// Changes the value under the lock, as [`update`](SharedBox::update) does, if the closure says
    /// `Ok`; returns what it answered, with the new version. After an `Err` nothing is committed, and
    /// no version is used up.
    ///
    /// ```
    /// # use shm_core::{Error, Key, SharedBox};
    /// # fn main() -> Result<(), Error> {
    /// # let shared = SharedBox::<u32>::options().remove_on_drop(true).create_new(Key::PRIVATE, 5)?;
    /// // A closure that can't fail, or that fails by `?` alone, names the error that it never makes.
    /// let taken = shared.try_update(|left| {
    ///     *left -= 1;
    ///     Ok::<_, Error>(*left + 1)
    /// })?;
    /// assert_eq!((taken.value, taken.version), (5, 2));
    ///
    /// #[derive(Debug)]
    /// enum Refused {
    ///     TooFew(u32),
    ///     Shared(Error),
    /// }
    ///
    /// impl From<Error> for Refused {
    ///     fn from(error: Error) -> Refused {
    ///         Refused::Shared(error)
    ///     }
    /// }
    ///
    /// let refused = shared.try_update(|left| {
    ///     *left = left.checked_sub(7).ok_or(Refused::TooFew(*left))?;
    ///     Ok(())
    /// });
    /// assert!(matches!(refused, Err(Refused::TooFew(4))));
    /// assert_eq!(shared.get()?, 4);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// What the closure says; else as for [`SharedBox::update`].
    pub fn try_update<R, E: From<Error>>(
        &self,
        change: impl FnOnce(&mut T) -> Result<R, E>,
    ) -> Result<Snapshot<R>, E> {
        let mut locked = match self.segment().try_lock() {
            Some(locked) => locked,
            None => self.lock(Operation::TryUpdate)?,
        };
        let explain = |failure| E::from(self.typed.explain(Operation::TryUpdate)(failure));
        let Snapshot { value, version } = self.typed.try_update(&mut locked, change, explain)?;
        let version = locked.finish(|_| version);
        Ok(Snapshot { value, version })
    }

    /// Replaces one field; returns the new version. Costs what the bytes of this commit and of the
    /// one before cost, however large the value is.
    ///
    /// For several fields as one commit see [`Writer::batch`]. A new value that depends on one that
    /// was read takes the lock for both: [`update_field`](SharedBox::update_field),
    /// [`fetch_add`](SharedBox::fetch_add) or [`update`](SharedBox::update). Between a `load` and a
    /// `store` of the box other writers may commit, and this call overwrites what they did.
    ///
    /// # Errors
    ///
    /// As for [`SharedBox::set`]; [`ErrorKind::NoElement`].
    #[inline]
    pub fn store<F: SharedLayout>(&self, field: Field<T, F>, value: F) -> Result<u64, Error> {
        let locked = match self.segment().try_lock() {
            Some(locked) => locked,
            None => self.lock(Operation::Store)?,
        };
        self.typed
            .find(&locked, field)
            .map_err(self.typed.explain(Operation::Store))?;
        Ok(locked.finish(|locked| self.typed.commit_field(locked, field, &value)))
    }

    /// Changes one field under the lock: no other writer commits between its reading and its writing.
    /// Returns the new version. Costs what a [`store`](SharedBox::store) costs.
    ///
    /// A panic in `change` commits nothing and lets the lock go. So does a death.
    ///
    /// ```
    /// # use shm_core::{Key, SharedBox, SharedLayout, field};
    /// # #[derive(SharedLayout, Clone, Copy)]
    /// # #[repr(C)]
    /// # struct Stats { highest: u32, hits: [u64; 1000] }
    /// # fn main() -> Result<(), shm_core::Error> {
    /// # let stats = Stats { highest: 3, hits: [0; 1000] };
    /// # let shared = SharedBox::options().remove_on_drop(true).create_new(Key::PRIVATE, stats)?;
    /// shared.update_field(field!(Stats.highest), |highest| *highest = (*highest).max(7))?;
    /// assert_eq!(shared.load(field!(Stats.highest))?, 7);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`SharedBox::update`]; [`ErrorKind::Invalid`] only for the bytes of this field;
    /// [`ErrorKind::NoElement`].
    #[inline]
    pub fn update_field<F: SharedLayout>(
        &self,
        field: Field<T, F>,
        change: impl FnOnce(&mut F),
    ) -> Result<u64, Error> {
        let locked = match self.segment().try_lock() {
            Some(locked) => locked,
            None => self.lock(Operation::UpdateField)?,
        };
        self.typed
            .find(&locked, field)
            .map_err(self.typed.explain(Operation::UpdateField))?;
        let explain = self.typed.explain(Operation::UpdateField);
        let mut value = self.typed.load(&locked, field, explain)?;
        change(&mut value);
        if !locked.check_at_once() {
            self.check_slowly(&locked, Operation::UpdateField)?;
        }
        Ok(locked.finish(|locked| self.typed.commit_field(locked, field, &value)))
    }

    /// Adds to one field, as one commit; returns the value before. Where the type ends it wraps
    /// around, as the atomics of `std` do. Costs what a [`store`](SharedBox::store) costs.
    ///
    /// ```
    /// # use shm_core::{Key, SharedBox, SharedLayout, field};
    /// # #[derive(SharedLayout, Clone, Copy)]
    /// # #[repr(C)]
    /// # struct Stats { highest: u32, hits: [u64; 1000] }
    /// # fn main() -> Result<(), shm_core::Error> {
    /// # let stats = Stats { highest: 3, hits: [0; 1000] };
    /// # let shared = SharedBox::options().remove_on_drop(true).create_new(Key::PRIVATE, stats)?;
    /// assert_eq!(shared.fetch_add(field!(Stats.hits[7]), 1)?, 0);
    /// assert_eq!(shared.fetch_add(field!(Stats.hits[7]), 1)?, 1);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`SharedBox::set`]; [`ErrorKind::NoElement`].
    #[inline]
    pub fn fetch_add<F: Integer>(&self, field: Field<T, F>, n: F) -> Result<F, Error> {
        let locked = match self.segment().try_lock() {
            Some(locked) => locked,
            None => self.lock(Operation::FetchAdd)?,
        };
        self.typed
            .find(&locked, field)
            .map_err(self.typed.explain(Operation::FetchAdd))?;
        let explain = self.typed.explain(Operation::FetchAdd);
        let before = self.typed.load(&locked, field, explain)?;
        let after = before.__wrapping_add(n);
        locked.finish(|locked| self.typed.commit_field(locked, field, &after));
        Ok(before)
    }

    /// Takes the write lock for many commits.
    ///
    /// Other writers wait until the [`Writer`] is dropped or its process dies; readers don't.
    ///
    /// # Errors
    ///
    /// As for [`SharedBox::set`].
    pub fn writer(&self) -> Result<Writer<'_, T>, Error> {
        let locked = self.lock(Operation::Writer)?;
        Ok(Writer::new(&self.typed, locked))
    }

    /// Removes the segment: every later call of any process attached to it says [`ErrorKind::Removed`],
    /// and the key is free for a new one. The memory is freed when the last process detaches.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::System`] of kind [`NotPermitted`](crate::sysv::Kind::NotPermitted) unless this user
    /// owns or created it, and of kind [`Denied`](crate::sysv::Kind::Denied) if the user may not even
    /// read it; [`ErrorKind::Removed`] if another process was faster; [`ErrorKind::Left`].
    pub fn remove(&self) -> Result<(), Error> {
        protocol::remove(self.segment()).map_err(self.typed.explain(Operation::Remove))
    }

    /// Attaches the segment that the key leads to now, with the options that this box was made with,
    /// and lets the old one go: after [`ErrorKind::Removed`], if the segment has been created anew.
    ///
    /// The value and its versions are those of the new segment. After an error the box is as it was.
    /// Where others use the box at the same time (in an [`Arc`](std::sync::Arc), in a `static`):
    /// [`reopen`](SharedBox::reopen).
    ///
    /// # Errors
    ///
    /// As for [`SharedBox::open`]; [`ErrorKind::Options`] also for a private segment, which has no key.
    pub fn reattach(&mut self) -> Result<(), Error> {
        let mut fresh = self.reopen()?;
        std::mem::swap(&mut self.view, &mut fresh.view);
        self.created = false;
        // What is dropped here is the old attachment, which has nothing to remove.
        fresh.remove_on_drop = None;
        Ok(())
    }

    /// Opens the key again, with the options that this box was made with, as a box of its own.
    /// Also where this box was opened by id: what the key leads to now is opened. This
    /// one stays as it is.
    ///
    /// With [`remove_on_drop`](Options::remove_on_drop), if both lead to one segment, the one that
    /// is dropped first removes it.
    ///
    /// ```
    /// use std::sync::{Arc, RwLock};
    /// use shm_core::{Error, ErrorKind, SharedBox};
    ///
    /// # fn main() -> Result<(), Error> {
    /// # let key = shm_core::Key::new(0x7b5d_1022);
    /// # let old = SharedBox::create_new(key, 5_u32)?;
    /// let current = RwLock::new(Arc::new(SharedBox::<u32>::open(key)?));
    /// # old.remove()?;
    /// # let new = SharedBox::options().remove_on_drop(true).create_new(key, 6_u32)?;
    /// // In any thread: others keep the old one for as long as they use it.
    /// let mut shared = Arc::clone(&current.read().unwrap());
    /// if shared.get().is_err_and(|error| error.kind() == ErrorKind::Removed) {
    ///     shared = Arc::new(shared.reopen()?);
    ///     *current.write().unwrap() = Arc::clone(&shared);
    /// }
    /// assert_eq!(shared.get()?, 6);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`SharedBox::open`]; [`ErrorKind::Options`] also for a private segment, which has no key.
    pub fn reopen(&self) -> Result<SharedBox<T>, Error> {
        let segment = self.segment();
        self.options
            .open(Place::again(segment.home(), segment.key()))
    }

    #[inline(always)]
    fn commit(&self, value: &T, operation: Operation) -> Result<u64, Error> {
        if let Some(locked) = self.segment().try_lock() {
            return Ok(locked.finish(|locked| self.typed.commit(locked, value)));
        }
        if const { size_of::<T>() <= IN_REGISTERS } {
            // As long as its address stays here the value itself can live in registers.
            let copy = *value;
            return self.commit_slowly(&copy, operation);
        }
        self.commit_slowly(value, operation)
    }

    #[cold]
    #[inline(never)]
    fn commit_slowly(&self, value: &T, operation: Operation) -> Result<u64, Error> {
        let locked = self.lock(operation)?;
        Ok(locked.finish(|locked| self.typed.commit(locked, value)))
    }

    #[cold]
    #[inline(never)]
    fn check_slowly(&self, locked: &Locked<'_>, operation: Operation) -> Result<(), Error> {
        locked.check().map_err(self.typed.explain(operation))
    }

    /// Commits under a lock that may have been lost.
    #[cold]
    #[inline(never)]
    fn commit_checked(&self, locked: Locked<'_>, value: &T) -> Result<u64, Error> {
        locked
            .check()
            .map_err(self.typed.explain(Operation::Update))?;
        Ok(locked.finish(|locked| self.typed.commit_slowly(locked, value)))
    }

    /// What `try_lock` could not take. The callers join the two by themselves: as one function they
    /// cost an update of a field 19 instructions more.
    #[cold]
    fn lock(&self, operation: Operation) -> Result<Locked<'_>, Error> {
        self.typed
            .attached()
            .lock()
            .map_err(self.typed.explain(operation))
    }
}

/// What may be written may be read.
///
/// ```compile_fail,E0596
/// # use shm_core::{SharedBox, SharedView};
/// # fn swap(shared: &mut SharedBox<u32>, view: &mut SharedView<u32>) {
/// std::mem::swap(&mut **shared, view); // the box would write to memory that may only be read
/// # }
/// ```
// No `DerefMut`: a `&mut SharedView` could be swapped for one whose mapping is read-only, and the
// box's next commit would store there.
impl<T: SharedLayout> Deref for SharedBox<T> {
    type Target = SharedView<T>;

    #[inline]
    fn deref(&self) -> &SharedView<T> {
        &self.view
    }
}

impl<T: SharedLayout> AsRef<SharedView<T>> for SharedBox<T> {
    #[inline]
    fn as_ref(&self) -> &SharedView<T> {
        self
    }
}

impl<T: SharedLayout> Drop for SharedBox<T> {
    fn drop(&mut self) {
        if self.remove_on_drop == Some(protocol::epoch()) {
            let _ = self.remove();
        }
    }
}

debug_in_segment!(SharedBox<T>: typed);
