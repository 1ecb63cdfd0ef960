//! How a segment is found or made: the builder behind every `SharedBox` and `SharedView`.

use std::marker::PhantomData;
use std::time::Duration;

use crate::error::{Context, Error};
use crate::layout::SharedLayout;
use crate::protocol::{
    self, ALWAYS_NOTIFY, Access, Fault, Geometry, Locked, Newborn, Owner, Payload, RAW_WRITERS,
    Segment,
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

/// Options for opening and creating segments, in the manner of [`std::fs::OpenOptions`].
///
/// Made by [`SharedBox::options`]. What concerns the segment itself (mode, capacity, raw writers,
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
    capacity: Option<usize>,
    owner: Owner,
    timeout: Duration,
    raw_writers: bool,
    always_notify: bool,
    pages: GetFlags,
    remove_on_drop: bool,
    adopt: bool,
    upgrade: bool,
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
            capacity: None,
            owner: Owner::SelfOrRoot,
            timeout: TIMEOUT,
            raw_writers: false,
            always_notify: false,
            pages: GetFlags::NONE,
            remove_on_drop: false,
            adopt: false,
            upgrade: false,
            value: PhantomData,
        }
    }

    /// The permissions of a new segment, as of a file: `0o600` unless told otherwise. Execute bits
    /// mean nothing and are dropped.
    pub fn mode(&mut self, mode: u32) -> &mut Self {
        self.mode = mode;
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

    /// Whose segments are trusted: [`Owner::SelfOrRoot`] unless told otherwise.
    pub fn owner(&mut self, owner: Owner) -> &mut Self {
        self.owner = owner;
        self
    }

    /// How long any call waits for another process to get out of the way: 5 s unless told
    /// otherwise. Waiting for a new value ([`SharedBox::wait`]) is not meant by it.
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
    /// [`Error::Options`] if no segment can have that capacity.
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

    /// Attaches an existing segment. See [`SharedBox::open`].
    ///
    /// # Errors
    ///
    /// As for [`SharedBox::open`].
    pub fn open(&self, key: impl Into<Key>) -> Result<SharedBox<T>, Error> {
        let context = Context::of_key("open", checked(key.into(), "open")?);
        let segment = if self.adopt {
            let newborn = self.newborn(context)?;
            protocol::open_or_adopt(context.key, self.access(true), &newborn)
                .map_err(explain_adoption::<T>(&newborn, context))
        } else {
            protocol::open(context.key, self.access(true)).map_err(explain::<T>(context))
        };
        self.boxed(segment?, false, context)
    }

    /// Attaches an existing segment by the kernel's id: the only way to a private one.
    ///
    /// # Errors
    ///
    /// As for [`SharedBox::open`].
    pub fn open_id(&self, id: shm::Id) -> Result<SharedBox<T>, Error> {
        let context = Context::of_id("open_id", id);
        let segment = protocol::open_id(id, self.access(true)).map_err(explain::<T>(context))?;
        self.boxed(segment, false, context)
    }

    /// Attaches an existing segment for reading. See [`SharedView::open`].
    ///
    /// # Errors
    ///
    /// As for [`SharedView::open`].
    pub fn open_read_only(&self, key: impl Into<Key>) -> Result<SharedView<T>, Error> {
        let context = Context::of_key("open_read_only", checked(key.into(), "open_read_only")?);
        let segment =
            protocol::open(context.key, self.access(false)).map_err(explain::<T>(context))?;
        self.view(segment, context)
    }

    /// Attaches an existing segment for reading by the kernel's id.
    ///
    /// # Errors
    ///
    /// As for [`SharedView::open`].
    pub fn open_id_read_only(&self, id: shm::Id) -> Result<SharedView<T>, Error> {
        let context = Context::of_id("open_id_read_only", id);
        let segment = protocol::open_id(id, self.access(false)).map_err(explain::<T>(context))?;
        self.view(segment, context)
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
        let segment = protocol::create_new(
            context.key,
            self.access(true),
            &newborn,
            |locked, payload| store_first(locked, payload, value),
        );
        self.boxed(segment.map_err(explain::<T>(context))?, true, context)
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
        self.open_or_create_with(key.into(), |locked, payload| {
            store_first(locked, payload, &value())
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
        self.open_or_create_with(key.into(), |locked, payload| {
            store_first(locked, payload, &*value())
        })
    }

    fn open_or_create_with(
        &self,
        key: Key,
        write: impl FnOnce(&Locked<'_>, Payload) -> Result<(), Fault>,
    ) -> Result<SharedBox<T>, Error> {
        let context = Context::of_key("open_or_create", checked(key, "open_or_create")?);
        let newborn = self.newborn(context)?;
        let result = protocol::open_or_create(context.key, self.access(true), &newborn, write);
        let (segment, created) = result.map_err(explain_adoption::<T>(&newborn, context))?;
        self.boxed(segment, created, context)
    }

    fn boxed(
        &self,
        segment: Segment,
        created: bool,
        context: Context,
    ) -> Result<SharedBox<T>, Error> {
        let typed = Typed::new(segment, self.upgrade, context.operation)?;
        Ok(SharedBox::new(typed, created, self.clone()))
    }

    fn view(&self, segment: Segment, context: Context) -> Result<SharedView<T>, Error> {
        let typed = Typed::new(segment, false, context.operation)?;
        Ok(SharedView::new(typed, self.clone()))
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
            Some(capacity) => Geometry::for_sizes(capacity, room),
            None => Geometry::filling(size, room),
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
