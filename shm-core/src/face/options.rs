//! `Options`: the builder behind every `SharedBox`, `SharedView` and `SharedTable`.

use std::cell::LazyCell;
use std::fmt;
use std::marker::PhantomData;
use std::os::fd::AsFd;
use std::time::Duration;

use bytemuck::Zeroable;

#[cfg(doc)]
use super::error::ErrorKind;
use super::error::{Error, Operation};
use super::opening::{LONGEST, Opened, Settings};
use super::place::Place;
use super::shared_box::SharedBox;
use super::shared_view::SharedView;
use crate::layout::SharedLayout;
use crate::protocol::{Owner, Write};
use crate::sysv::Key;
use crate::sysv::shm::GetFlags;
use crate::typed::{Failure, Type, Typed, check_zeros, store_first};

/// Options for opening and creating segments, in the manner of [`std::fs::OpenOptions`].
///
/// Made by [`SharedBox::options`], or for tables by [`SharedTable::options`](crate::SharedTable::options). What concerns the segment itself (mode, group, capacity, raw writers,
/// notification, pages) counts when this call creates it, and is stored with it; an existing
/// segment keeps what it was created with.
///
/// ```
/// use std::time::{Duration, Instant};
/// use shm_core::{Key, SharedBox};
///
/// # fn main() -> Result<(), shm_core::Error> {
/// let counter = SharedBox::<u64>::options()
///     .mode(0o640)
///     .timeout(Duration::from_millis(200))
///     .remove_on_drop(true)
///     .create_new(Key::PRIVATE, 0)?;
/// assert_eq!(counter.info()?.mode.bits(), 0o640);
/// # Ok(())
/// # }
/// ```
pub struct Options<T: SharedLayout, K = SharedBox<T>> {
    pub(super) settings: Settings,
    value: PhantomData<T>,
    /// What they open.
    kind: PhantomData<fn() -> K>,
}

impl<T: SharedLayout, K> fmt::Debug for Options<T, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.settings.fmt(f)
    }
}

// By hand: options for values that can't be cloned can be.
impl<T: SharedLayout, K> Clone for Options<T, K> {
    fn clone(&self) -> Options<T, K> {
        Options { ..*self }
    }
}

setters! {
    impl [T: SharedLayout, K] Options<T, K>;

    /// The permissions of a new segment, as of a file: `0o600` unless told otherwise. Execute bits
    /// mean nothing and are dropped. The creator's own rights, `0o600`, are always among them: a
    /// mode without them is refused ([`ErrorKind::Options`]).
    mode(mode: u32) => settings.mode = mode;

    /// The group that a new segment and its semaphore set belong to, by number: that of its creator
    /// unless told otherwise. Its members have the rights that the [mode](Options::mode) gives to a
    /// group.
    ///
    /// The creator need not be a member. A number that this user namespace does not know is
    /// [`ErrorKind::System`] of kind [`Invalid`](crate::sysv::Kind::Invalid), and nothing is created.
    ///
    /// ```
    /// use shm_core::{Key, SharedBox};
    ///
    /// # fn main() -> Result<(), shm_core::Error> {
    /// # let gid = SharedBox::<u32>::options().remove_on_drop(true).create_new(Key::PRIVATE, 0)?.info()?.gid;
    /// let shared = SharedBox::<u32>::options()
    ///     .mode(0o660)
    ///     .group(gid)
    ///     .remove_on_drop(true)
    ///     .create_new(Key::PRIVATE, 5)?;
    /// assert_eq!(shared.info()?.gid, gid);
    /// # Ok(())
    /// # }
    /// ```
    group(gid: u32) => settings.group = Some(gid);

    /// Bytes to reserve for the value of a new segment, as room for later versions of the type: at
    /// least the type's own size, and rounded up to a multiple of 64. The segment takes three times
    /// as much, and 3.5 to 10.3 KiB for control block, slots and schemas, unless there are more slots or the schema is long:
    /// each of two schemas has at least as many bytes, up to 4 KiB, as are reserved here,
    /// and of more than 64 KiB a 16th.
    ///
    /// Unless told otherwise, the value gets what the segment's pages of 4 KiB have left anyway: up
    /// to 1.3 KiB more than its size.
    capacity(bytes: usize) => settings.capacity = Some(bytes);

    /// How many boxes may be open for writing at once, in all processes together; 248 unless said
    /// otherwise, at most 1,022.
    ///
    /// Each takes 8 bytes of the segment, and 64 bytes of the kernel's memory for its semaphore. Of
    /// creation only: those who open take what the creator chose.
    ///
    /// More than 248 need a kernel that allows as many semaphores in a set, which those since 3.17
    /// do unless told otherwise (`kernel.sem`, its first number).
    slots(slots: u16) => settings.slots = slots;

    /// Whose segments are trusted: [`Owner::SelfOrRoot`] unless told otherwise.
    owner(owner: Owner) => settings.owner = owner;

    /// How long any call waits for another process to get out of the way: 5 s unless told
    /// otherwise. Waiting for a new value ([`SharedView::wait`]) is not meant by it.
    timeout(timeout: Duration) => settings.timeout = timeout.min(LONGEST);

    /// Whether each commit to a new segment wakes those who wait: `false` unless told otherwise.
    ///
    /// A [`SharedView`] can't announce that it waits; without this it looks every 2 ms. With it
    /// each commit costs one system call.
    always_notify(always_notify: bool) => settings.always_notify = always_notify;

    /// Whether a new segment lies in huge pages (`SHM_HUGETLB`) of the system's default size:
    /// `false` unless told otherwise.
    ///
    /// The administrator must have set some aside (`vm.nr_hugepages`), and the process needs
    /// `CAP_IPC_LOCK` or the group `vm.hugetlb_shm_group`: shmget(2).
    ///
    /// A process that attaches such a segment has the kernel touch all of its pages, so that one that is not
    /// there is an error and not a `SIGBUS` later: one more system call.
    huge_pages(huge_pages: bool) => settings.pages =
        if huge_pages { GetFlags::HUGETLB } else { GetFlags::NONE };

    /// Whether dropping the box removes the segment, as [`SharedBox::remove`] does: `false` unless
    /// told otherwise. Not in a child forked meanwhile.
    remove_on_drop(remove: bool) => settings.remove_on_drop = remove;

    /// Whether [`open_or_create`](Options::open_or_create) removes a segment that this program can't
    /// use and no other process is attached to, and makes a new one: `false` unless told otherwise.
    ///
    /// **The value in it is lost.** For values that a program can make again: caches, states that
    /// are measured anew.
    ///
    /// What can't be used is what would be [`ErrorKind::Mismatch`], [`ErrorKind::NoRoom`] (with
    /// [`upgrade`](Options::upgrade)), [`ErrorKind::Damaged`], [`ErrorKind::Foreign`] (a segment that another
    /// program laid out), or, of another size than this program would make, [`ErrorKind::Unfinished`].
    /// What fits stays, and so does what only takes an [`upgrade`](Options::upgrade), what has a
    /// format that this library does not know, and what belongs to a user who is not
    /// [trusted](Options::owner) or whose segments this process may not remove.
    ///
    /// Others are attached if the kernel counts an attachment besides this call's own, also one of
    /// this process. For a second, or until the time limit if that is shorter, it looks again, since another program may be
    /// trying the same. If others stay, the segment stays as it is, and the error is what it would
    /// have been, with a word on how many they are. Of many that replace a
    /// segment at once, one makes the new one.
    ///
    /// `open`, `create_new` and views replace nothing.
    ///
    /// ```
    /// use shm_core::{Error, ErrorKind, SharedBox};
    ///
    /// # fn main() -> Result<(), Error> {
    /// # let key = shm_core::Key::new(0x7b5d_1013);
    /// let old = SharedBox::create_new(key, [1_u8; 3])?;
    /// let mut options = SharedBox::<u64>::options();
    /// options.replace_unused(true).remove_on_drop(true);
    ///
    /// let refused = options.open_or_create(key, || 5);
    /// assert!(refused.is_err_and(|error| error.kind() == ErrorKind::Mismatch));
    /// drop(old);
    /// let new = options.open_or_create(key, || 5)?;
    /// assert_eq!((new.get()?, new.created()), (5, true));
    /// # Ok(())
    /// # }
    /// ```
    replace_unused(replace: bool) => settings.replace_unused = replace;

    /// Whether opening a segment that holds an earlier version of the type extends it in place:
    /// `false` unless told otherwise, and then [`ErrorKind::NeedsUpgrade`] says so.
    ///
    /// Fields that the segment lacks get their defaults, under the lock and as one step: a process
    /// that dies on the way leaves the old layout or the new one. Programs with the earlier version
    /// stay attached, read and write their own fields, and keep every byte that they do not know.
    /// There must be room: [`capacity`](Options::capacity) was reserved when the segment was
    /// created, for the value and its schema, and room for twice the schema's first length, or 600 bytes, always is.
    ///
    /// A [`SharedView`] needs no upgrade: what the segment lacks reads as its default.
    ///
    /// Of a [table](crate::SharedTable) no row is touched: rows of owners from before the upgrade read with defaults for what
    /// these don't know, and rows that are claimed from then on have them. A table can't get more
    /// [counters](crate::SharedLayout#counters-of-a-table) than it was made with ([`ErrorKind::Mismatch`]). In a file, waits for the disk.
    ///
    /// ```
    /// use shm_core::{Error, ErrorKind, SharedBox, SharedLayout, SharedView};
    ///
    /// mod before {
    ///     #[derive(shm_core::SharedLayout, Clone, Copy)]
    ///     #[repr(C)]
    ///     pub struct Limits {
    ///         pub least: u32,
    ///     }
    /// }
    ///
    /// #[derive(SharedLayout, Clone, Copy)]
    /// #[shared(version = 2)]
    /// #[repr(C)]
    /// struct Limits {
    ///     least: u32,
    ///     #[shared(since = 2, default = 100)]
    ///     most: u32,
    /// }
    ///
    /// # fn main() -> Result<(), Error> {
    /// # let key = shm_core::Key::new(0x7b5d_1005);
    /// let old = SharedBox::options()
    ///     .capacity(256)
    ///     .remove_on_drop(true)
    ///     .create_new(key, before::Limits { least: 5 })?;
    /// let view = SharedView::<Limits>::open(key)?;
    /// assert_eq!(view.get()?.most, 100);
    ///
    /// let refused = SharedBox::<Limits>::open(key);
    /// assert!(refused.is_err_and(|error| error.kind() == ErrorKind::NeedsUpgrade));
    /// let new = SharedBox::<Limits>::options().upgrade(true).open(key)?;
    /// new.update(|limits| limits.most = 200)?;
    /// old.update(|limits| limits.least = 7)?;
    /// let limits = view.get()?;
    /// assert_eq!((limits.least, limits.most), (7, 200));
    /// # Ok(())
    /// # }
    /// ```
    upgrade(upgrade: bool) => settings.upgrade = upgrade;
}

/// Of boxes and tables.
impl<T: SharedLayout, K> Options<T, K> {
    pub(super) fn with(settings: Settings) -> Options<T, K> {
        Options {
            settings,
            value: PhantomData,
            kind: PhantomData,
        }
    }
}

setters! {
    impl [T: SharedLayout] Options<T>;

    /// Whether programs without this library store to the value of a new segment: `false` unless
    /// told otherwise.
    ///
    /// Such a store is seen at once by readers and becomes part of the next commit. It has no
    /// protection: a reader may see half of it, a commit under way may overwrite it, and after the
    /// death of a writer it may be lost.
    raw_writers(raw_writers: bool) => settings.raw_writers = raw_writers;

    /// Whether `open` and `open_or_create` take over a segment that a program without this library
    /// made: `false` unless told otherwise.
    ///
    /// Such a program asks `shmget` for exactly [`segment_size`](Options::segment_size) bytes and
    /// may store its struct at offset 0; all other bytes are zeros. What stands at offset 0 becomes
    /// the first value, and the segment keeps its owner and mode;
    /// [`created`](SharedBox::created) is `false`. Several programs may adopt it at once, and any
    /// of them may die: it is adopted once. If the program goes on storing, say
    /// [`raw_writers`](Options::raw_writers) as well.
    ///
    /// [`ErrorKind::Foreign`] if the size is another one or other bytes are not zero, and
    /// [`ErrorKind::Invalid`] if the bytes at offset 0 are no `T`: then the segment is as it was.
    /// A segment that was made for another version of the type may have the same size: whatever that
    /// version lacks is zeros then. A [`SharedView`] adopts nothing.
    ///
    /// ```
    /// use shm_core::sysv::{Mode, shm};
    /// use shm_core::SharedBox;
    ///
    /// # fn main() -> Result<(), shm_core::Error> {
    /// # let key = shm_core::Key::new(0x7b5d_1010);
    /// let mut options = SharedBox::<u32>::options();
    /// options.adopt(true).remove_on_drop(true);
    /// // In C: shmget(key, size, IPC_CREAT | 0640)
    /// let mode = Mode::new(0o640);
    /// shm::get(key, options.segment_size()?, shm::GetFlags::CREATE, mode).unwrap();
    /// let shared = options.open(key)?;
    /// assert_eq!((shared.get()?, shared.info()?.mode), (0, mode));
    /// # Ok(())
    /// # }
    /// ```
    adopt(adopt: bool) => settings.adopt = adopt;
}

/// Of boxes.
impl<T: SharedLayout> Options<T> {
    pub(super) fn new() -> Options<T> {
        Options::with(Settings::DEFAULT)
    }

    /// Bytes of a segment that is created with these options: what another program must ask
    /// `shmget` for if it is to be [adopted](Options::adopt).
    ///
    /// It depends on the layout of `T` and on [`capacity`](Options::capacity), and on nothing else:
    /// the number may be written into a C header.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Options`] if no segment can have that capacity, or the mode or group of these options.
    pub fn segment_size(&self) -> Result<usize, Error> {
        let size = self.settings.segment_size(Type::of::<T>());
        size.map_err(explain::<T>(Operation::SegmentSize, Key::PRIVATE.into()))
    }

    /// Attaches an existing segment. See [`SharedBox::open`].
    ///
    /// # Errors
    ///
    /// As for [`SharedBox::open`].
    pub fn open(&self, place: impl Into<Place>) -> Result<SharedBox<T>, Error> {
        let place = place.into();
        let opened = self.settings.open(&place, Type::of::<T>());
        self.shared(opened, Operation::Open, place)
    }

    /// Attaches an existing segment for reading. See [`SharedView::open`].
    ///
    /// # Errors
    ///
    /// As for [`SharedView::open`].
    pub fn open_read_only(&self, place: impl Into<Place>) -> Result<SharedView<T>, Error> {
        let place = place.into();
        let opened = self.settings.open_read_only(&place, Type::of::<T>());
        let attached = opened.map_err(explain::<T>(Operation::OpenReadOnly, place))?;
        Ok(SharedView::new(Typed::new(attached), self.clone()))
    }

    /// Creates a segment that must not exist yet. See [`SharedBox::create_new`].
    ///
    /// # Errors
    ///
    /// As for [`SharedBox::create_new`].
    pub fn create_new(&self, place: impl Into<Place>, value: T) -> Result<SharedBox<T>, Error> {
        self.create_new_from(place, &value)
    }

    /// The same, for values too large to be passed around.
    ///
    /// # Errors
    ///
    /// As for [`SharedBox::create_new`].
    pub fn create_new_from(
        &self,
        place: impl Into<Place>,
        value: &T,
    ) -> Result<SharedBox<T>, Error> {
        let place = place.into();
        let write: &mut Write<'_> = &mut |locked, payload| store_first(locked, payload, value);
        let created = self.settings.create_new(&place, Type::of::<T>(), write);
        self.shared(created, Operation::CreateNew, place)
    }

    /// Makes memory without a name. See [`SharedBox::anonymous`]. The mode says which users may open the descriptor anew: 0600
    /// unless told otherwise.
    ///
    /// # Errors
    ///
    /// As for [`SharedBox::anonymous`].
    pub fn anonymous(&self, value: T) -> Result<SharedBox<T>, Error> {
        let write: &mut Write<'_> = &mut |locked, payload| store_first(locked, payload, &value);
        let made = self.settings.create_memory(Type::of::<T>(), write);
        self.shared(made, Operation::Anonymous, Key::PRIVATE.into())
    }

    /// Maps the memory of a descriptor. See [`SharedBox::from_fd`].
    ///
    /// # Errors
    ///
    /// As for [`SharedBox::from_fd`].
    pub fn from_fd(&self, fd: impl AsFd) -> Result<SharedBox<T>, Error> {
        let opened = self.settings.open_memory(fd.as_fd(), Type::of::<T>());
        self.shared(opened, Operation::FromFd, Key::PRIVATE.into())
    }

    /// Attaches the segment if it exists, or else creates it. See [`SharedBox::open_or_create`].
    ///
    /// # Errors
    ///
    /// As for [`SharedBox::open_or_create`].
    pub fn open_or_create(
        &self,
        place: impl Into<Place>,
        value: impl FnOnce() -> T,
    ) -> Result<SharedBox<T>, Error> {
        // Made once, however often it is stored.
        let value = LazyCell::new(value);
        self.open_or_create_with(place.into(), &mut |locked, payload| {
            store_first(locked, payload, &*value)
        })
    }

    /// The same, for values too large for the stack.
    ///
    /// # Errors
    ///
    /// As for [`SharedBox::open_or_create`].
    pub fn open_or_create_boxed(
        &self,
        place: impl Into<Place>,
        value: impl FnOnce() -> Box<T>,
    ) -> Result<SharedBox<T>, Error> {
        // Made once, however often it is stored.
        let value = LazyCell::new(value);
        self.open_or_create_with(place.into(), &mut |locked, payload| {
            store_first(locked, payload, &**value)
        })
    }

    /// The same with a value of zeros, which never exists in this process's own memory: for values of any size.
    ///
    /// `T` is [`Zeroable`](crate::Zeroable), as the derive makes it of every type for which zeros are a value.
    ///
    /// # Errors
    ///
    /// As for [`SharedBox::open_or_create`].
    ///
    /// ```
    /// use shm_core::SharedBox;
    ///
    /// # let key = shm_core::Key::new(0x7b5d_1041);
    /// let mut options = SharedBox::<[u64; 2 << 20]>::options(); // 16 MiB, more than most stacks have
    /// let shared = options.remove_on_drop(true).open_or_create_zeroed(key)?;
    /// assert!(shared.get_boxed()?.iter().all(|word| *word == 0));
    /// # Ok::<(), shm_core::Error>(())
    /// ```
    pub fn open_or_create_zeroed(&self, place: impl Into<Place>) -> Result<SharedBox<T>, Error>
    where
        T: Zeroable,
    {
        // A newborn's payload is zeros.
        self.open_or_create_with(place.into(), &mut |_, _| check_zeros::<T>())
    }

    fn open_or_create_with(
        &self,
        place: Place,
        write: &mut Write<'_>,
    ) -> Result<SharedBox<T>, Error> {
        let opened = self.settings.open_or_create(&place, Type::of::<T>(), write);
        self.shared(opened, Operation::OpenOrCreate, place)
    }

    fn shared(
        &self,
        opened: Result<Opened, Failure>,
        operation: Operation,
        place: Place,
    ) -> Result<SharedBox<T>, Error> {
        let (attached, created) = opened.map_err(explain::<T>(operation, place))?;
        Ok(SharedBox::new(Typed::new(attached), created, self.clone()))
    }
}

pub(super) fn explain<T: SharedLayout>(
    operation: Operation,
    place: Place,
) -> impl FnOnce(Failure) -> Error {
    move |why| Error::new(why, operation, Some(place), Some(Type::of::<T>()))
}
