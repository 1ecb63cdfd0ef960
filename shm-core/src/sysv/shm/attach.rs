//! A segment in the memory of this process: attached when asked, detached when dropped.

use core::ffi::c_void;
use core::num::NonZeroUsize;
use core::ptr::NonNull;
use core::sync::atomic::{self, Ordering, fence};

use super::Id;
use crate::sysv::diagnose;
use crate::sysv::error::Error;
use crate::sysv::syscalls;

/// What the memory of an attachment may be used for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Access {
    /// Reading and writing; needs both permissions.
    ReadWrite,
    /// Reading; a write ends the process with `SIGSEGV` (`SHM_RDONLY`).
    ReadOnly,
}

/// Maps the segment into this process, at an address that the kernel chooses (`shmat`).
///
/// Two system calls, one of which asks for the size. The segment cannot vanish while it is attached,
/// not even if it is removed.
///
/// # Errors
///
/// [`Denied`](crate::sysv::Kind::Denied), [`Removed`](crate::sysv::Kind::Removed),
/// [`NoMemory`](crate::sysv::Kind::NoMemory).
pub fn attach(id: Id, access: Access) -> Result<Attachment, Error> {
    AttachOptions::new(access).attach(id)
}

/// How to attach, where [`attach`] does not say enough.
///
/// ```
/// use core::num::NonZeroUsize;
/// use shm_core::sysv::{Key, Mode, shm};
///
/// let id = shm::get(Key::PRIVATE, 4096, shm::GetFlags::CREATE, Mode::new(0o600))?;
/// let first = shm::attach(id, shm::Access::ReadOnly)?;
/// let address = NonZeroUsize::new(first.as_ptr().addr()).unwrap();
/// first.detach()?; // now the address is free again
///
/// let second = shm::AttachOptions::new(shm::Access::ReadWrite).at(address).attach(id)?;
/// assert_eq!(second.as_ptr().addr(), address.get());
/// # shm::remove(id)?;
/// # Ok::<(), shm_core::sysv::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AttachOptions {
    access: Access,
    exec: bool,
    round: bool,
    address: Option<NonZeroUsize>,
}

impl AttachOptions {
    /// With this access, where the kernel likes.
    #[must_use]
    pub const fn new(access: Access) -> Self {
        Self {
            access,
            exec: false,
            round: false,
            address: None,
        }
    }

    /// Lets the contents be executed (`SHM_EXEC`). Needs execute permission on the segment.
    #[must_use]
    pub const fn exec(mut self, exec: bool) -> Self {
        self.exec = exec;
        self
    }

    /// Attaches at this address, a multiple of the page size, or fails if anything is mapped there.
    ///
    /// What lies in the segment should not depend on the address: other processes have it
    /// elsewhere.
    #[must_use]
    pub const fn at(mut self, address: NonZeroUsize) -> Self {
        self.address = Some(address);
        self
    }

    /// Rounds the address of [`at`](Self::at) down to a multiple of `SHMLBA` (`SHM_RND`).
    #[must_use]
    pub const fn round(mut self, round: bool) -> Self {
        self.round = round;
        self
    }

    /// Maps the segment.
    ///
    /// Nothing that is mapped already is touched: "an `EINVAL` error would result if a mapping
    /// already exists in this address range" (`shmat(2)`).
    ///
    /// # Errors
    ///
    /// Each error of [`attach`], and [`Invalid`](crate::sysv::Kind::Invalid) if the address is no multiple of
    /// the page size (or of `SHMLBA`) or not free.
    pub fn attach(&self, id: Id) -> Result<Attachment, Error> {
        self.attach_unmeasured(id)?.measured()
    }

    /// Maps the segment, for those who ask the kernel of it themselves: the attachment has no length.
    pub(crate) fn attach_unmeasured(&self, id: Id) -> Result<Attachment, Error> {
        // SAFETY: without `SHM_REMAP` nothing that is mapped is touched: "an EINVAL error would result
        // if a mapping already exists in this address range" (`shmat(2)`).
        unsafe { self.call(id, 0) }
    }

    /// Maps the segment over whatever is mapped at the address of [`at`](Self::at) (`SHM_REMAP`).
    ///
    /// # Safety
    ///
    /// The range from the address, rounded down if [`round`](Self::round) is set, over the size of
    /// the segment in whole pages, must hold nothing that is still used: no stack, heap or code, no
    /// memory of another object, and no other [`Attachment`] (which would be cut, and would detach
    /// this one when it is dropped: forget that one instead).
    ///
    /// # Errors
    ///
    /// Each error of [`attach`](Self::attach), and [`Invalid`](crate::sysv::Kind::Invalid) without an address.
    pub unsafe fn attach_replacing(&self, id: Id) -> Result<Attachment, Error> {
        // SAFETY: `attach_replacing` demands that the range "must hold nothing that is still used",
        // which is what `call` demands for `SHM_REMAP`.
        unsafe { self.call(id, libc::SHM_REMAP) }?.measured()
    }

    /// # Safety
    ///
    /// With `SHM_REMAP` in `extra`, the range that the segment will cover holds nothing that is
    /// still used.
    unsafe fn call(&self, id: Id, extra: i32) -> Result<Attachment, Error> {
        let mut flags = extra;
        if self.access == Access::ReadOnly {
            flags |= libc::SHM_RDONLY;
        }
        if self.exec {
            flags |= syscalls::SHM_EXEC;
        }
        if self.round {
            flags |= libc::SHM_RND;
        }
        let address = self.address.map_or(0, NonZeroUsize::get);
        // SAFETY: `SHM_REMAP` is in `flags` only if it is in `extra`, and then `call` demands that
        // the range holds nothing that is still used, which is what `syscalls::shmat` demands.
        let at = unsafe { syscalls::shmat(id.as_raw(), address, flags) }
            .map_err(|errno| diagnose::shmat(errno, id.as_raw(), flags, address))?;
        Ok(Attachment {
            at,
            id,
            access: self.access,
            len: 0,
        })
    }
}

/// The atomics of 1, 2, 4 and 8 bytes: what [`Attachment::load`] and [`Attachment::atomic`] access
/// shared memory by. No other type can be one.
pub trait Atomic: sealed::Sealed {
    /// What it holds, such as `u32`.
    type Value: Copy;

    #[doc(hidden)]
    fn __load(&self) -> Self::Value;
}

mod sealed {
    /// Only for types of which all bytes are a value, and which may be changed through `&self`.
    pub trait Sealed {}
}

macro_rules! atomics {
    ($($atomic:ident: $value:ty,)+) => {$(
        impl sealed::Sealed for atomic::$atomic {}

        impl Atomic for atomic::$atomic {
            type Value = $value;

            fn __load(&self) -> $value {
                self.load(Ordering::Relaxed)
            }
        }
    )+};
}

atomics! {
    AtomicU8: u8, AtomicU16: u16, AtomicU32: u32, AtomicU64: u64,
    AtomicI8: i8, AtomicI16: i16, AtomicI32: i32, AtomicI64: i64,
}

/// A segment attached to this process; dropping it detaches.
///
/// The memory is shared with processes that may write at any time: make no reference into it but to
/// atomics. [`load`](Attachment::load) and [`atomic`](Attachment::atomic) do that, within its bounds.
///
/// ```
/// use core::sync::atomic::{AtomicU32, Ordering::{Acquire, Release}};
/// use shm_core::sysv::{Key, Mode, shm};
///
/// let id = shm::get(Key::PRIVATE, 12, shm::GetFlags::CREATE, Mode::new(0o600))?;
/// let memory = shm::attach(id, shm::Access::ReadWrite)?;
/// # shm::remove(id)?;
/// assert_eq!(memory.len(), 12);
/// memory.atomic::<AtomicU32>(8)?.store(7, Release);
/// assert_eq!(memory.load::<AtomicU32>(8, Acquire)?, 7);
/// assert!(memory.atomic::<AtomicU32>(12).is_err()); // no room
/// assert!(memory.atomic::<AtomicU32>(2).is_err()); // not aligned
/// # Ok::<(), shm_core::sysv::Error>(())
/// ```
///
/// After `fork`, the child has the mapping and a copy of this value; each of the two detaches for
/// itself. `exec` detaches.
// Invariant *mapped*: `at` is what `shmat` returned for `id`, a segment of at least `len` bytes, and stays
// attached until this value detaches it, once: in `detach`, which consumes the value, or in `Drop`.
#[derive(Debug)]
#[must_use = "dropping it detaches the segment"]
pub struct Attachment {
    at: NonNull<c_void>,
    id: Id,
    access: Access,
    /// Bytes that the kernel says it has; 0 if it was not asked.
    len: usize,
}

// SAFETY: it stands for a mapping of the process, not of a thread: `shmdt(2)` "detaches the shared
// memory segment located at the address specified by shmaddr from the address space of the calling
// process", whichever thread calls.
unsafe impl Send for Attachment {}
// SAFETY: through a shared reference it gives out copies of a pointer, an id, an access mode and a
// length, none of which ever changes. Through the pointer itself it makes
// atomic accesses only: whatever other code does has an `unsafe` of its own.
unsafe impl Sync for Attachment {}

impl Attachment {
    /// With the length that the kernel tells. Asked at once: later this thread may have left the IPC
    /// namespace, and the id may name another segment where it is then.
    fn measured(mut self) -> Result<Self, Error> {
        self.len = super::stat(self.id)?.size;
        Ok(self)
    }

    /// Where the segment begins: page-aligned, valid until this value is dropped. With
    /// [`Access::ReadOnly`], not to be written through.
    #[must_use]
    pub const fn as_ptr(&self) -> *mut u8 {
        self.at.as_ptr().cast()
    }

    /// Where the segment begins, known not to be null: valid as long as [`as_ptr`](Self::as_ptr).
    #[must_use]
    pub const fn as_non_null(&self) -> NonNull<u8> {
        self.at.cast()
    }

    /// Which segment it is. While it is attached, this id names no other.
    #[must_use]
    pub const fn id(&self) -> Id {
        self.id
    }

    /// What the memory may be used for.
    #[must_use]
    pub const fn access(&self) -> Access {
        self.access
    }

    /// Bytes of the segment, as asked for at its creation. They never change.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "no segment is empty")]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// The atomic at `offset` bytes from the start. Every access through it is one, as wide as its type.
    ///
    /// No system call, no allocation. Access one place in one
    /// width: what accesses of different widths to the same bytes see of each other, neither Rust nor C
    /// defines.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::sysv::Kind::Invalid) if it would reach beyond the segment, if `offset` is not
    /// aligned, or if this is an attachment for reading.
    pub fn atomic<A: Atomic>(&self, offset: usize) -> Result<&A, Error> {
        if self.access == Access::ReadOnly {
            return Err(diagnose::no_atomic(
                self.id.as_raw(),
                "it is attached for reading only, where storing would end this process",
            ));
        }
        self.at_offset(offset)
    }

    /// Loads the atomic at `offset` bytes from the start, in one access as wide as its type; also from
    /// an attachment for reading.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::sysv::Kind::Invalid) if it would reach beyond the segment or `offset` is not
    /// aligned.
    ///
    /// # Panics
    ///
    /// If the order is `Release` or `AcqRel`, as those of the standard library.
    pub fn load<A: Atomic>(&self, offset: usize, order: Ordering) -> Result<A::Value, Error> {
        let place = self.at_offset::<A>(offset)?;
        Ok(load_in_order(order, || place.__load()))
    }

    /// Copies the bytes from `offset` on to the beginning of `buf`, as many as there are and find room; returns how
    /// many. No system call, but where the segment is of huge pages.
    ///
    /// Others may write meanwhile. Every byte that is read was stored there, but bytes need not belong
    /// together: an aligned word of up to a pointer's size is read as a whole, nothing longer is.
    ///
    /// ```
    /// use shm_core::sysv::{Key, Mode, shm};
    ///
    /// let id = shm::get(Key::PRIVATE, 10, shm::GetFlags::CREATE, Mode::new(0o600))?;
    /// let memory = shm::attach(id, shm::Access::ReadOnly)?;
    /// # shm::remove(id)?;
    /// let mut read = [1; 16];
    /// assert_eq!(memory.read_at(&mut read, 4)?, 6);
    /// assert_eq!(read[..7], [0, 0, 0, 0, 0, 0, 1]);
    /// # Ok::<(), shm_core::sysv::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`NoMemory`](crate::sysv::Kind::NoMemory) if there is no huge page for it.
    pub fn read_at(&self, buf: &mut [u8], offset: usize) -> Result<usize, Error> {
        const WORD: usize = size_of::<usize>();
        let count = self.len.saturating_sub(offset).min(buf.len());
        self.back(self.len)?;
        let (mut at, mut rest) = (offset, &mut buf[..count]);
        while !rest.is_empty() {
            let skipped = at % WORD;
            let (these, others) = rest.split_at_mut(rest.len().min(WORD - skipped));
            // SAFETY: *mapped* (`Attachment`): `at` lies below `len`, so its word begins in the segment, and ends
            // there or in the rest of the last page, which is mapped too: `shmat(2)` maps whole pages. Segments
            // begin on pages, so it is aligned. It is only loaded, by a relaxed atomic of a pointer's size, which
            // is sound on read-only memory (`core::sync::atomic`, "Atomic accesses to read-only memory").
            let word = unsafe {
                let word = self.as_ptr().add(at - skipped).cast::<usize>();
                atomic::AtomicUsize::from_ptr(word).load(Ordering::Relaxed)
            };
            these.copy_from_slice(&word.to_ne_bytes()[skipped..][..these.len()]);
            at += these.len();
            rest = others;
        }
        Ok(count)
    }

    fn at_offset<A: Atomic>(&self, offset: usize) -> Result<&A, Error> {
        let len = self.len;
        let invalid = |why: String| diagnose::no_atomic(self.id.as_raw(), why);
        let width = size_of::<A>();
        if offset.checked_add(width).is_none_or(|end| end > len) {
            return Err(invalid(format!(
                "{width} bytes at byte {offset} reach beyond its {len} bytes"
            )));
        }
        if offset % align_of::<A>() != 0 {
            return Err(invalid(format!(
                "byte {offset} is not aligned for an access of {width} bytes"
            )));
        }
        // SAFETY: *mapped* (`Attachment`): the segment is attached, page-aligned, for as long as `self`
        // is borrowed, and has the bytes from `offset` on (checked above), which is aligned. `Sealed`:
        // any bytes are an `A`. It is changed through atomics, or by other processes.
        Ok(unsafe { self.at.byte_add(offset).cast::<A>().as_ref() })
    }

    /// Has the kernel put memory behind the first `bytes` bytes, if this is a mapping of huge pages,
    /// or says that there is none.
    ///
    /// Where no huge page is left, touching such a mapping ends the process with `SIGBUS`: a segment
    /// made with `SHM_NORESERVE` was promised none. Other memory is found when it is needed. One
    /// system call if the address is one that a huge page may have, else none.
    ///
    /// # Errors
    ///
    /// [`NoMemory`](crate::sysv::Kind::NoMemory).
    pub(crate) fn back(&self, bytes: usize) -> Result<(), Error> {
        /// The smallest huge pages that Linux has there.
        const HUGE: usize = if cfg!(any(target_arch = "x86_64", target_arch = "x86")) {
            2 << 20
        } else {
            64 << 10
        };
        if self.at.addr().get() % HUGE != 0 || !syscalls::is_of_huge_pages(self.at) {
            return Ok(());
        }
        syscalls::populate(self.at, bytes, self.access == Access::ReadWrite)
            .map_err(|errno| diagnose::populate(errno, self.id.as_raw(), bytes))
    }

    /// Detaches and says whether that worked; dropping does the same silently.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::sysv::Kind::Invalid) if no segment is attached there any more: other code
    /// of this process has unmapped it.
    pub fn detach(self) -> Result<(), Error> {
        let this = core::mem::ManuallyDrop::new(self);
        // SAFETY: *mapped* (`Attachment`): `at` is from `shmat` and still attached. This value is
        // consumed and its `Drop` does not run, so it is detached once; `as_ptr` hands out pointers
        // that are "valid until this value is dropped", so none is used after this.
        unsafe { syscalls::shmdt(this.at) }
            .map_err(|errno| diagnose::shmdt(errno, this.id.as_raw()))
    }
}

/// Has `load`, which is relaxed, be of this order. By fences, since only relaxed loads are documented to be sound on pages that may
/// only be read.
///
/// # Panics
///
/// If the order is `Release` or `AcqRel`, as those of the standard library.
pub(crate) fn load_in_order<R>(order: Ordering, load: impl FnOnce() -> R) -> R {
    assert!(
        !matches!(order, Ordering::Release | Ordering::AcqRel),
        "there is no such thing as a release load"
    );
    if order == Ordering::SeqCst {
        fence(Ordering::SeqCst);
    }
    let value = load();
    if order != Ordering::Relaxed {
        fence(Ordering::Acquire);
    }
    value
}

impl Drop for Attachment {
    fn drop(&mut self) {
        // SAFETY: *mapped* (`Attachment`): `at` is from `shmat` and still attached, since `detach`
        // consumes the value without dropping it. `as_ptr` hands out pointers that are "valid until
        // this value is dropped", so none is used after this.
        let _ = unsafe { syscalls::shmdt(self.at) };
    }
}
