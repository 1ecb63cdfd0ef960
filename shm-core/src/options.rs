//! How a segment is found or made: the builder behind every `SharedBox` and `SharedView`.

use std::cell::LazyCell;
use std::marker::PhantomData;
use std::time::{Duration, Instant};

use crate::error::{Context, Error};
use crate::layout::SharedLayout;
use crate::protocol::{
    self, ALWAYS_NOTIFY, Access, Fault, Geometry, MOST_SLOTS, Newborn, Owner, RAW_WRITERS, Room,
    SLOTS, Segment, Write,
};
use crate::room;
use crate::shared_box::SharedBox;
use crate::shared_view::SharedView;
use crate::sysv::shm::{self, GetFlags};
use crate::sysv::{Key, Mode};
use crate::typed::{Typed, invalid, store_first};

/// How long a call waits for another process before it gives up, unless told otherwise.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(5);

/// Longer than any program runs, and short enough to be added to any instant.
pub(crate) const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// The owner's right to read and write, in a mode.
const OWN: u32 = 0o600;

/// How long a program that replaces a segment may be taken for one that uses it.
const PATIENCE: Duration = Duration::from_millis(50);

/// Attempts to open or create that are made whatever the time limit is.
const ATTEMPTS: u32 = 3;

/// Why a segment that stands under the key is of no use, and whether it made room.
struct Unfit(Error, Result<Room, Fault>);

/// Options for opening and creating segments, in the manner of [`std::fs::OpenOptions`].
///
/// Made by [`SharedBox::options`]. What concerns the segment itself (mode, group, capacity, raw writers,
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
#[derive(Debug)]
pub struct Options<T> {
    mode: u32,
    group: Option<u32>,
    capacity: Option<usize>,
    slots: u16,
    owner: Owner,
    timeout: Duration,
    raw_writers: bool,
    always_notify: bool,
    pages: GetFlags,
    remove_on_drop: bool,
    adopt: bool,
    upgrade: bool,
    replace_unused: bool,
    value: PhantomData<T>,
}

// By hand: options for values that can't be cloned can be.
impl<T> Clone for Options<T> {
    fn clone(&self) -> Options<T> {
        Options { ..*self }
    }
}

impl<T: SharedLayout> Options<T> {
    pub(crate) fn new() -> Options<T> {
        Options {
            mode: 0o600,
            group: None,
            capacity: None,
            slots: SLOTS,
            owner: Owner::SelfOrRoot,
            timeout: TIMEOUT,
            raw_writers: false,
            always_notify: false,
            pages: GetFlags::NONE,
            remove_on_drop: false,
            adopt: false,
            upgrade: false,
            replace_unused: false,
            value: PhantomData,
        }
    }

    /// The permissions of a new segment, as of a file: `0o600` unless told otherwise. Execute bits
    /// mean nothing and are dropped. The creator's own rights, `0o600`, are always among them: a
    /// mode without them is refused ([`Error::Options`]).
    pub fn mode(&mut self, mode: u32) -> &mut Self {
        self.mode = mode;
        self
    }

    /// The group that a new segment and its semaphore set belong to, by number: that of its creator
    /// unless told otherwise. Its members have the rights that the [mode](Options::mode) gives to a
    /// group.
    ///
    /// The creator need not be a member. A number that this user namespace does not know is
    /// [`Error::System`] of kind [`Invalid`](crate::sysv::Kind::Invalid), and nothing is created.
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
    pub fn group(&mut self, gid: u32) -> &mut Self {
        self.group = Some(gid);
        self
    }

    /// Bytes to reserve for the value of a new segment, as room for later versions of the type: at
    /// least the type's own size, and rounded up to a multiple of 64. The segment takes three times
    /// as much, and 2 to 3 KiB for schema and control block.
    ///
    /// Unless told otherwise, the value gets what the segment's pages of 4 KiB have left anyway: up
    /// to 1.3 KiB more than its size.
    pub fn capacity(&mut self, bytes: usize) -> &mut Self {
        self.capacity = Some(bytes);
        self
    }

    /// How many boxes may be open for writing at once, in all processes together; 248 unless said
    /// otherwise, at most 1,022.
    ///
    /// Each takes 8 bytes of the segment, and 64 bytes of the kernel's memory for its semaphore. Of
    /// creation only: those who open take what the creator chose.
    ///
    /// More than 248 need a kernel that allows as many semaphores in a set, which those since 3.17
    /// do unless told otherwise (`kernel.sem`, its first number).
    pub fn slots(&mut self, slots: u16) -> &mut Self {
        self.slots = slots;
        self
    }

    /// Whose segments are trusted: [`Owner::SelfOrRoot`] unless told otherwise.
    pub fn owner(&mut self, owner: Owner) -> &mut Self {
        self.owner = owner;
        self
    }

    /// How long any call waits for another process to get out of the way: 5 s unless told
    /// otherwise. Waiting for a new value ([`SharedView::wait`]) is not meant by it.
    pub fn timeout(&mut self, timeout: Duration) -> &mut Self {
        self.timeout = timeout.min(LONGEST);
        self
    }

    /// Whether programs without this library store to the value of a new segment: `false` unless
    /// told otherwise.
    ///
    /// Such a store is seen at once by readers and becomes part of the next commit. It has no
    /// protection: a reader may see half of it, a commit under way may overwrite it, and after the
    /// death of a writer it may be lost.
    pub fn raw_writers(&mut self, raw_writers: bool) -> &mut Self {
        self.raw_writers = raw_writers;
        self
    }

    /// Whether each commit to a new segment wakes those who wait: `false` unless told otherwise.
    ///
    /// A [`SharedView`] can't announce that it waits; without this it looks every 2 ms. With it
    /// each commit costs one system call.
    pub fn always_notify(&mut self, always_notify: bool) -> &mut Self {
        self.always_notify = always_notify;
        self
    }

    /// Whether a new segment lies in huge pages (`SHM_HUGETLB`) of the system's default size:
    /// `false` unless told otherwise.
    ///
    /// The administrator must have set some aside (`vm.nr_hugepages`), and the process needs
    /// `CAP_IPC_LOCK` or the group `vm.hugetlb_shm_group`: shmget(2).
    ///
    /// A process that attaches such a segment has the kernel touch all of its pages, so that one that is not
    /// there is an error and not a `SIGBUS` later: one more system call.
    pub fn huge_pages(&mut self, huge_pages: bool) -> &mut Self {
        self.pages = if huge_pages {
            GetFlags::HUGETLB
        } else {
            GetFlags::NONE
        };
        self
    }

    /// Whether dropping the box removes the segment, as [`SharedBox::remove`] does: `false` unless
    /// told otherwise. Not in a child forked meanwhile.
    pub fn remove_on_drop(&mut self, remove: bool) -> &mut Self {
        self.remove_on_drop = remove;
        self
    }

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
    /// [`Error::Foreign`] if the size is another one or other bytes are not zero, and
    /// [`Error::Invalid`] if the bytes at offset 0 are no `T`: then the segment is as it was.
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
    pub fn adopt(&mut self, adopt: bool) -> &mut Self {
        self.adopt = adopt;
        self
    }

    /// Bytes of a segment that is created with these options: what another program must ask
    /// `shmget` for if it is to be [adopted](Options::adopt).
    ///
    /// It depends on the layout of `T` and on [`capacity`](Options::capacity), and on nothing else:
    /// the number may be written into a C header.
    ///
    /// # Errors
    ///
    /// [`Error::Options`] if no segment can have that capacity, or the mode or group of these options.
    pub fn segment_size(&self) -> Result<usize, Error> {
        let context = Context::of_key("segment_size", Key::PRIVATE);
        let geometry = self.newborn(context)?.geometry;
        geometry
            .total()
            .ok_or_else(|| explain::<T>(context)(Fault::TooLarge))
    }

    /// Whether opening a segment that holds an earlier version of the type extends it in place:
    /// `false` unless told otherwise, and then [`Error::NeedsUpgrade`] says so.
    ///
    /// Fields that the segment lacks get their defaults, under the lock and as one step: a process
    /// that dies on the way leaves the old layout or the new one. Programs with the earlier version
    /// stay attached, read and write their own fields, and keep every byte that they do not know.
    /// There must be room: [`capacity`](Options::capacity) was reserved when the segment was
    /// created, and room for twice the schema's first length always is.
    ///
    /// A [`SharedView`] needs no upgrade: what the segment lacks reads as its default.
    ///
    /// ```
    /// use shm_core::{Error, SharedBox, SharedLayout, SharedView};
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
    /// assert!(matches!(refused, Err(Error::NeedsUpgrade { .. })));
    /// let new = SharedBox::<Limits>::options().upgrade(true).open(key)?;
    /// new.update(|limits| limits.most = 200)?;
    /// old.update(|limits| limits.least = 7)?;
    /// let limits = view.get()?;
    /// assert_eq!((limits.least, limits.most), (7, 200));
    /// # Ok(())
    /// # }
    /// ```
    pub fn upgrade(&mut self, upgrade: bool) -> &mut Self {
        self.upgrade = upgrade;
        self
    }

    /// Whether [`open_or_create`](Options::open_or_create) removes a segment that this program can't
    /// use and nobody else is attached to, and makes a new one: `false` unless told otherwise.
    ///
    /// **The value in it is lost.** For values that a program can make again: caches, states that
    /// are measured anew.
    ///
    /// What can't be used is what would be [`Error::Mismatch`], [`Error::NoRoom`] (with
    /// [`upgrade`](Options::upgrade)), [`Error::Damaged`], [`Error::Foreign`] (a segment that another
    /// program laid out), or, of another size than this program would make, [`Error::Unfinished`].
    /// What fits stays, and so does what only takes an [`upgrade`](Options::upgrade), what has a
    /// format that this library does not know, and what belongs to a user who is not
    /// [trusted](Options::owner) or whose segments this process may not remove.
    ///
    /// Others are attached if the kernel counts an attachment besides this call's own, also one of
    /// this process. For some hundredths of a second it looks again, since another program may be
    /// trying the same. If others stay, the segment stays as it is, and the error is what it would
    /// have been, with a word on [how many](crate::Context::others) they are. Of many that replace a
    /// segment at once, one makes the new one.
    ///
    /// `open`, `create_new` and views replace nothing.
    ///
    /// ```
    /// use shm_core::{Error, SharedBox};
    ///
    /// # fn main() -> Result<(), Error> {
    /// # let key = shm_core::Key::new(0x7b5d_1013);
    /// let old = SharedBox::create_new(key, [1_u8; 3])?;
    /// let mut options = SharedBox::<u64>::options();
    /// options.replace_unused(true).remove_on_drop(true);
    ///
    /// let refused = options.open_or_create(key, || 5);
    /// assert!(matches!(refused, Err(Error::Mismatch { .. })));
    /// drop(old);
    /// let new = options.open_or_create(key, || 5)?;
    /// assert_eq!((new.get()?, new.created()), (5, true));
    /// # Ok(())
    /// # }
    /// ```
    pub fn replace_unused(&mut self, replace: bool) -> &mut Self {
        self.replace_unused = replace;
        self
    }

    /// Attaches an existing segment. See [`SharedBox::open`].
    ///
    /// # Errors
    ///
    /// As for [`SharedBox::open`].
    pub fn open(&self, key: impl Into<Key>) -> Result<SharedBox<T>, Error> {
        let context = Context::of_key("open", checked(key.into(), "open")?);
        if self.adopt {
            let newborn = self.newborn(context)?;
            return self.boxed(false, context, || {
                protocol::open_or_adopt(context.key, self.access(true), &newborn)
                    .map_err(explain_adoption::<T>(&newborn, context))
            });
        }
        self.boxed(false, context, || {
            protocol::open(context.key, self.access(true)).map_err(explain::<T>(context))
        })
    }

    /// Attaches an existing segment by the kernel's id: the only way to a private one.
    ///
    /// # Errors
    ///
    /// As for [`SharedBox::open`].
    pub fn open_id(&self, id: shm::Id) -> Result<SharedBox<T>, Error> {
        let context = Context::of_id("open_id", id);
        self.boxed(false, context, || {
            protocol::open_id(id, self.access(true)).map_err(explain::<T>(context))
        })
    }

    /// Attaches an existing segment for reading. See [`SharedView::open`].
    ///
    /// # Errors
    ///
    /// As for [`SharedView::open`].
    pub fn open_read_only(&self, key: impl Into<Key>) -> Result<SharedView<T>, Error> {
        let context = Context::of_key("open_read_only", checked(key.into(), "open_read_only")?);
        self.view(context, || {
            protocol::open(context.key, self.access(false)).map_err(explain::<T>(context))
        })
    }

    /// Attaches an existing segment for reading by the kernel's id.
    ///
    /// # Errors
    ///
    /// As for [`SharedView::open`].
    pub fn open_id_read_only(&self, id: shm::Id) -> Result<SharedView<T>, Error> {
        let context = Context::of_id("open_id_read_only", id);
        self.view(context, || {
            protocol::open_id(id, self.access(false)).map_err(explain::<T>(context))
        })
    }

    /// Creates a segment that must not exist yet. See [`SharedBox::create_new`].
    ///
    /// # Errors
    ///
    /// As for [`SharedBox::create_new`].
    pub fn create_new(&self, key: impl Into<Key>, value: T) -> Result<SharedBox<T>, Error> {
        self.create_new_from(key, &value)
    }

    /// The same, for values too large to be passed around.
    ///
    /// # Errors
    ///
    /// As for [`SharedBox::create_new`].
    pub fn create_new_from(&self, key: impl Into<Key>, value: &T) -> Result<SharedBox<T>, Error> {
        let context = Context::of_key("create_new", usable(key.into(), "create_new")?);
        let newborn = self.newborn(context)?;
        self.boxed(true, context, || {
            protocol::create_new(
                context.key,
                self.access(true),
                &newborn,
                &mut |locked, payload| store_first(locked, payload, value),
            )
            .map_err(explain::<T>(context))
        })
    }

    /// Attaches the segment if it exists, or else creates it. See [`SharedBox::open_or_create`].
    ///
    /// # Errors
    ///
    /// As for [`SharedBox::open_or_create`].
    pub fn open_or_create(
        &self,
        key: impl Into<Key>,
        value: impl FnOnce() -> T,
    ) -> Result<SharedBox<T>, Error> {
        // Made once, however often it is stored.
        let value = LazyCell::new(value);
        self.open_or_create_with(key.into(), &mut |locked, payload| {
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
        key: impl Into<Key>,
        value: impl FnOnce() -> Box<T>,
    ) -> Result<SharedBox<T>, Error> {
        // Made once, however often it is stored.
        let value = LazyCell::new(value);
        self.open_or_create_with(key.into(), &mut |locked, payload| {
            store_first(locked, payload, &**value)
        })
    }

    fn open_or_create_with(&self, key: Key, write: &mut Write<'_>) -> Result<SharedBox<T>, Error> {
        let context = Context::of_key("open_or_create", checked(key, "open_or_create")?);
        let newborn = self.newborn(context)?;
        let start = Instant::now();
        let (mut attempts, mut in_use) = (0, None);
        loop {
            attempts += 1;
            let attempt = self.try_open_or_create(context, &newborn, write, &mut in_use)?;
            let (error, room) = match attempt {
                Ok(shared) => return Ok(shared),
                Err(Unfit(error, room)) => (error, room.map_err(explain::<T>(context))?),
            };
            match room {
                Room::Denied => return Err(error),
                Room::InUse(others) if self.is_out_of_patience(&mut in_use) => {
                    return Err(error.kept_by(others));
                }
                Room::InUse(_) => std::thread::sleep(protocol::random_nap()),
                // Others fill it with what is of no use, again and again.
                Room::Made if attempts > ATTEMPTS && start.elapsed() >= self.timeout => {
                    return Err(error);
                }
                Room::Made => {}
            }
        }
    }

    /// One attempt; of a segment that is of no use, also what came of making room. `in_use` is since
    /// when others are attached.
    fn try_open_or_create(
        &self,
        context: Context,
        newborn: &Newborn,
        write: &mut Write<'_>,
        in_use: &mut Option<Instant>,
    ) -> Result<Result<SharedBox<T>, Unfit>, Error> {
        let access = self.access(true);
        let (segment, created) = match protocol::open_or_create(context.key, access, newborn, write)
        {
            Ok(opened) => opened,
            Err(fault) => {
                let unfit = self.replace_unused && fault.is_unfit();
                let removed = matches!(fault, Fault::Removed);
                let error = explain_adoption::<T>(newborn, context)(fault);
                if removed {
                    // The time went by while another process was at work.
                    return Ok(Err(Unfit(error, Ok(Room::Made))));
                }
                if !unfit {
                    return Err(error);
                }
                let room = self.make_room_at(context.key, newborn, in_use);
                return Ok(Err(Unfit(error, room)));
            }
        };
        let typed = Typed::unchecked(segment);
        match typed.settle(self.upgrade, context.operation) {
            Ok(()) => Ok(Ok(SharedBox::new(typed, created, self.clone()))),
            // Between the looks at the segment and at its schema.
            Err(error @ Error::Removed { .. }) => Ok(Err(Unfit(error, Ok(Room::Made)))),
            Err(error) if self.replace_unused && typed.is_unfit(&error, context.operation) => {
                let room = protocol::make_room(typed.segment());
                Ok(Err(Unfit(error, room)))
            }
            Err(error) => Err(error),
        }
    }

    /// Whether a segment has been in use for as long as other programs that replace it, too, may
    /// take. `since` is when it was found so first.
    fn is_out_of_patience(&self, since: &mut Option<Instant>) -> bool {
        let since = since.get_or_insert_with(Instant::now);
        since.elapsed() >= self.timeout.min(PATIENCE)
    }

    /// Has a segment removed that can't even be attached, as soon as nobody else is.
    fn make_room_at(
        &self,
        key: Key,
        newborn: &Newborn,
        in_use: &mut Option<Instant>,
    ) -> Result<Room, Fault> {
        loop {
            match protocol::make_room_at(key, self.access(true), newborn.geometry.total())? {
                Room::InUse(_) if !self.is_out_of_patience(in_use) => {
                    std::thread::sleep(protocol::random_nap());
                }
                room => return Ok(room),
            }
        }
    }

    fn boxed(
        &self,
        created: bool,
        context: Context,
        find: impl FnMut() -> Result<Segment, Error>,
    ) -> Result<SharedBox<T>, Error> {
        let typed = self.typed(self.upgrade, context, find)?;
        Ok(SharedBox::new(typed, created, self.clone()))
    }

    fn view(
        &self,
        context: Context,
        find: impl FnMut() -> Result<Segment, Error>,
    ) -> Result<SharedView<T>, Error> {
        let typed = self.typed(false, context, find)?;
        Ok(SharedView::new(typed, self.clone()))
    }

    /// Checks that what `find` gives holds a `T`. If it has been removed meanwhile, asks again:
    /// the key leads elsewhere by then.
    fn typed(
        &self,
        upgrade: bool,
        context: Context,
        mut find: impl FnMut() -> Result<Segment, Error>,
    ) -> Result<Typed<T>, Error> {
        let mut end = None;
        loop {
            match Typed::new(find()?, upgrade, context.operation) {
                Err(Error::Removed { .. })
                    if Instant::now()
                        < *end.get_or_insert_with(|| Instant::now() + self.timeout) => {}
                typed => return typed,
            }
        }
    }

    pub(crate) fn removes_on_drop(&self) -> bool {
        self.remove_on_drop
    }

    fn access(&self, writable: bool) -> Access {
        Access {
            owner: self.owner,
            limit: self.timeout,
            writable,
        }
    }

    fn newborn(&self, context: Context) -> Result<Newborn, Error> {
        let unfit = |what: String| Error::Options {
            context,
            what: what.into(),
        };
        if self.mode & !0o777 != 0 {
            return Err(unfit(format!(
                "mode {:#o} has bits that are no permissions",
                self.mode
            )));
        }
        if !(1..=MOST_SLOTS).contains(&self.slots) {
            return Err(unfit(format!(
                "{} slots can't be had: ask for 1 to {MOST_SLOTS}",
                self.slots
            )));
        }
        if self.mode & OWN != OWN {
            return Err(unfit(format!(
                "mode {:#o} leaves its own creator without the right to read and write: \
                 add {OWN:#o} to it",
                self.mode
            )));
        }
        if self.group == Some(u32::MAX) {
            return Err(unfit(
                "group -1 does not exist: leave the option out for the creator's own group".into(),
            ));
        }
        let size = size_of::<T>();
        let capacity = self.capacity.unwrap_or(size);
        if capacity < size {
            let name = T::SCHEMA;
            return Err(unfit(format!(
                "a capacity of {capacity} bytes has no room for `{name}`, which has {size}"
            )));
        }
        let schema = room::contents::<T>();
        let room = room::reserve(schema.len());
        let geometry = match self.capacity {
            Some(capacity) => Geometry::for_sizes(capacity, room, self.slots),
            None => Geometry::filling(size, room, self.slots),
        };
        let geometry = geometry.ok_or_else(|| {
            unfit(format!(
                "three times a capacity of {capacity} bytes is more than a process can map"
            ))
        })?;
        let mut flags = 0;
        if self.raw_writers {
            flags |= RAW_WRITERS;
        }
        if self.always_notify {
            flags |= ALWAYS_NOTIFY;
        }
        Ok(Newborn {
            mode: Mode::new(self.mode & 0o666),
            flags,
            get: self.pages,
            group: self.group,
            geometry,
            stored: size,
            schema,
            judge: T::bits_are_valid,
            adopt: self.adopt,
        })
    }
}

fn explain<T: SharedLayout>(context: Context) -> impl FnOnce(Fault) -> Error {
    move |fault| match fault {
        Fault::Invalid(bytes) => invalid::<T>(0, &bytes, context),
        fault => Error::from_fault(fault, context, size_of::<T>()),
    }
}

/// The same for a call that adopts, if `newborn` says so.
fn explain_adoption<T: SharedLayout>(
    newborn: &Newborn,
    context: Context,
) -> impl FnOnce(Fault) -> Error {
    let total = newborn.geometry.total().filter(|_| newborn.adopt);
    move |fault| {
        let mut error = explain::<T>(context)(fault);
        if let Error::Foreign { adoptable, .. } = &mut error {
            *adoptable = total;
        }
        error
    }
}

/// A key that leads to a segment.
pub(crate) fn checked(key: Key, operation: &'static str) -> Result<Key, Error> {
    if key.is_private() {
        let context = Context::of_key(operation, key);
        let what = "a private segment has no key to find it by: create it with `create_new`, and open it with `open_id`";
        return Err(Error::Options {
            context,
            what: what.into(),
        });
    }
    usable(key, operation)
}

/// A key that a segment may be created under.
fn usable(key: Key, operation: &'static str) -> Result<Key, Error> {
    if key.is_zero() {
        let context = Context::of_key(operation, key);
        let what = "key 0 is IPC_PRIVATE, which makes a new segment each time and leads to none: \
                    choose another number, or say `Key::PRIVATE`";
        return Err(Error::Options {
            context,
            what: what.into(),
        });
    }
    Ok(key)
}
