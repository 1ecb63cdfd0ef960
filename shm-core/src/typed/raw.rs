//! A `T` in a segment or file that another program laid out: no control block, no versions, no lock. Only the
//! segment's size is known.

use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::sync::atomic::Ordering::{self, AcqRel, Acquire, Relaxed, Release, SeqCst};
use std::sync::atomic::fence;

use super::buffer::bytes_of;
use super::descriptor::Type;
use super::elements;
use super::failure::{Failure, refused};
use super::field::Field;
use super::kept::{is_valid, kept_parts};
use crate::home::{FileHome, Home};
use crate::layout::{SharedLayout, TypeKind, for_each_leaf};
use crate::protocol::{self, Access, Fault, RawBytes, attach};
use crate::sysv::shm::{Id, Stat};
use crate::sysv::{Key, shm};

/// A segment that another program laid out.
///
/// # Invariants
///
/// - **size**: the mapping has `size` bytes, and is page-aligned.
/// - **atomics**: in this process only [`RawBytes`] touches them, by atomics, but for a [`Mutex`](super::Mutex).
#[derive(Debug)]
pub(crate) struct RawSegment {
    home: Home,
    key: Key,
    size: usize,
}

impl RawSegment {
    /// Attaches the segment with this id, whatever it holds, if it has this many bytes behind `offset`.
    pub(crate) fn open(
        id: Id,
        offset: usize,
        bytes: usize,
        access: Access,
    ) -> Result<RawSegment, Failure> {
        let (mapping, Stat { key, size, .. }) = attach(id, access)?.ok_or(Fault::Removed)?;
        let home = Home::Segment(mapping);
        RawSegment { home, key, size }.with_room(offset, bytes)
    }

    /// The same of a file.
    pub(crate) fn of_file(
        file: FileHome,
        offset: usize,
        bytes: usize,
    ) -> Result<RawSegment, Failure> {
        let (size, key) = (file.len(), Key::PRIVATE);
        let home = Home::File(Box::new(file));
        RawSegment { home, key, size }.with_room(offset, bytes)
    }

    fn with_room(self, offset: usize, bytes: usize) -> Result<RawSegment, Failure> {
        let size = self.size;
        if size < offset.saturating_add(bytes) {
            return Err(Failure::TooSmall { size, offset });
        }
        Ok(self)
    }

    /// The key under which the segment was found.
    pub(crate) fn key(&self) -> Key {
        self.key
    }

    /// Where its bytes live.
    pub(crate) fn home(&self) -> &Home {
        &self.home
    }

    /// Bytes.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// The kernel's facts.
    pub(crate) fn info(&self) -> Result<Stat, Failure> {
        let id = self.home.id().ok_or(Fault::NoSegment)?;
        Ok(shm::stat(id)?)
    }

    /// Whether no key or path leads to it any more.
    pub(crate) fn is_removed(&self) -> Result<bool, Failure> {
        match &self.home {
            Home::Segment(mapping) => {
                Ok(protocol::stat(mapping.id())?.is_none_or(|stat| stat.dest))
            }
            Home::File(file) => Ok(!file.is_at_its_path()?),
        }
    }

    /// What lies at `offset`.
    pub(super) fn at(&self, offset: usize) -> *mut u8 {
        self.home.as_ptr().as_ptr().wrapping_add(offset)
    }

    /// The `T` at `offset`.
    ///
    /// # Panics
    ///
    /// If there is no room for one, or it is not aligned.
    pub(crate) fn part<T: SharedLayout>(&self, offset: usize) -> RawPart<'_, T> {
        let end = offset.checked_add(size_of::<T>());
        assert!(
            offset % align_of::<T>() == 0 && end.is_some_and(|end| end <= self.size),
            "no value of this type lies there"
        );
        RawPart {
            first: self.at(offset),
            value: PhantomData,
        }
    }
}

/// A `T` in a segment.
///
/// # Invariants
///
/// **room**: the bytes of a `T` lie at `first`, aligned, in a segment that is attached while `'a` lasts,
/// and as [`RawSegment`] says: **atomics**.
#[derive(Debug)]
pub(crate) struct RawPart<'a, T> {
    first: *mut u8,
    value: PhantomData<(&'a RawSegment, T)>,
}

// By hand: a part is `Copy` whatever lies in it.
impl<T> Clone for RawPart<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for RawPart<'_, T> {}

impl<T: SharedLayout> RawPart<'_, T> {
    /// Its memory.
    fn bytes(&self) -> RawBytes {
        // SAFETY: the bytes of a `T` lie there (**room**), which only `RawBytes` touches in this process
        // (**atomics**), for as long as `self` lives; no method of `self` lets the bytes out.
        unsafe { RawBytes::new(self.first, size_of::<T>()) }
    }

    /// Reads the value.
    pub(crate) fn read(&self) -> Result<T, Failure> {
        // SAFETY: the segment has at least the bytes of a `T` (**room**).
        let mut value = unsafe { load::<T>(self.bytes()) };
        // SAFETY: `load` leaves no byte uninitialised.
        if unsafe { is_valid(Field::WHOLE, &mut value) } {
            // SAFETY: its bytes are a valid `T`.
            return Ok(unsafe { value.assume_init() });
        }
        // SAFETY: `load` leaves no byte uninitialised.
        Err(Type::of::<T>().invalid(0, unsafe { bytes_of(&value) }))
    }

    /// Stores the value, and no byte of its padding. Of an attachment for writing only.
    pub(crate) fn store(&self, value: &T) {
        // SAFETY: the segment has at least the bytes of a `T` (**room**), and `RawBox` attaches for
        // writing.
        unsafe { store(self.bytes(), value) }
    }

    /// Checks that a field is there: in no element that its vector lacks.
    fn find<F>(&self, field: Field<T, F>) -> Result<(), Failure> {
        if !field.is_element() {
            return Ok(());
        }
        elements::check(T::SCHEMA, field.span(), &mut |at| {
            let mut length = 0_u32;
            // SAFETY: a `T` has room (**room**), and the length of a vector lies within it.
            unsafe {
                self.bytes()
                    .load((&raw mut length).cast(), at, size_of::<u32>(), 1)
            };
            Ok(length)
        })
    }

    /// Loads one field, in one access.
    pub(crate) fn load_field<F: SharedLayout>(
        &self,
        field: Field<T, F>,
        order: Ordering,
    ) -> Result<F, Failure> {
        check_one_access(field)?;
        self.find(field)?;
        let mut value = MaybeUninit::<F>::uninit();
        shm::load_in_order(order, || {
            let dst = value.as_mut_ptr().cast();
            // SAFETY: a `T` has room (**room**), and the field lies within it (`Field`).
            unsafe { self.bytes().load(dst, field.offset(), size_of::<F>(), 1) };
        });
        // SAFETY: all its bytes were loaded: a type of one access has no padding.
        if unsafe { is_valid(field, &mut value) } {
            // SAFETY: its bytes are a valid `F`.
            return Ok(unsafe { value.assume_init() });
        }
        // SAFETY: all its bytes were loaded.
        Err(Type::of::<T>().invalid(field.offset(), unsafe { bytes_of(&value) }))
    }

    /// Stores one field, in one access. Of an attachment for writing only.
    pub(crate) fn store_field<F: SharedLayout>(
        &self,
        field: Field<T, F>,
        value: F,
        order: Ordering,
    ) -> Result<(), Failure> {
        assert!(
            !matches!(order, Acquire | AcqRel),
            "there is no such thing as an acquire store"
        );
        check_one_access(field)?;
        self.find(field)?;
        if !kept_parts(field, &value).is_empty() {
            return Ok(());
        }
        if order != Relaxed {
            fence(Release);
        }
        let src = (&raw const value).cast();
        // SAFETY: a `T` has room (**room**), the field lies within it (`Field`), `RawBox` attaches for
        // writing, and a type of one access has no padding.
        unsafe { self.bytes().store(field.offset(), src, size_of::<F>(), 1) };
        if order == SeqCst {
            fence(SeqCst);
        }
        Ok(())
    }
}

/// Fails to compile where a field of this type is not accessed at once. Asked in the methods that a program calls, too: the
/// compiler names the line that called the function in which this is asked, and no other.
pub(crate) const fn one_access<T, F: SharedLayout>() {
    let whole = matches!(
        F::SCHEMA.kind(),
        TypeKind::Primitive(_) | TypeKind::Enum { .. }
    );
    assert!(
        whole && matches!(size_of::<F>(), 1 | 2 | 4 | 8),
        "one access is of an integer, a float, a `bool`, a `char` or an enum of 1, 2, 4 or 8 bytes: name a field of such a type, or use `get` and `set`"
    );
    assert!(
        align_of::<F>() == size_of::<F>() && align_of::<T>() >= align_of::<F>(),
        "the field may lie across two words, so no processor accesses it at once: use `get` and `set`"
    );
}

/// That the field is a part without parts, and that [`RawBytes`] accesses it as a whole.
fn check_one_access<T, F: SharedLayout>(field: Field<T, F>) -> Result<(), Failure> {
    const { one_access::<T, F>() }
    if field.offset() % align_of::<F>() == 0 {
        return Ok(());
    }
    // In a packed struct that lies in one that is not.
    refused(
        "the field may lie across two words, so no processor accesses it at once: use `get` and `set`",
    )
}

/// Copies a `T` out of a segment, part by part as [`store`] does. Every byte of what it returns is
/// initialised; padding is zeros.
///
/// # Safety
///
/// The segment has at least the bytes of a `T`.
unsafe fn load<T: SharedLayout>(segment: RawBytes) -> MaybeUninit<T> {
    let mut value = MaybeUninit::<T>::uninit();
    let dst = value.as_mut_ptr().cast::<u8>();
    // SAFETY: the place has that many bytes.
    unsafe { dst.write_bytes(0, size_of::<T>()) };
    for_each_leaf(T::SCHEMA, 0, &mut |offset, size, count| {
        // SAFETY: leaves lie within the `T`, for which there is room on both sides.
        unsafe { segment.load(dst.add(offset), offset, size, count) };
    });
    value
}

/// # Safety
///
/// The segment has at least the bytes of a `T`, and is mapped for writing.
unsafe fn store<T: SharedLayout>(segment: RawBytes, value: &T) {
    let src = (&raw const *value).cast::<u8>();
    let kept = kept_parts(Field::WHOLE, value);
    for_each_leaf(T::SCHEMA, 0, &mut |offset, size, count| {
        if !kept.is_empty() {
            for at in (offset..offset + size * count).step_by(size) {
                if !kept.contains(&at) {
                    // SAFETY: a leaf lies within the `T`, where the value's bytes are initialised (`SharedLayout`: the schema
                    // tells the truth), and the segment has room for a `T`.
                    unsafe { segment.store(at, src.add(at), size, 1) };
                }
            }
            return;
        }
        // SAFETY: leaves lie within the `T`, where the value's bytes are initialised
        // (`SharedLayout`: the schema tells the truth), and the segment has room for a `T`.
        unsafe { segment.store(offset, src.add(offset), size, count) };
    });
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::atomic::{AtomicPtr, Ordering::Relaxed};
    use std::thread;

    use super::*;
    use crate::{FixedStr, FixedVec, SharedLayout};

    /// What lies in one 8-byte word, and what does not: each kind of part, with padding between.
    #[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
    #[shared(crate = "crate")]
    #[repr(C)]
    struct Parts {
        flag: bool,
        numbers: [u16; 3],
        first: u32,
        text: FixedStr<11>,
        wide: u64,
        items: FixedVec<[u8; 3], 2>,
    }

    /// For Miri, which refuses accesses of one place in two widths, and data races.
    #[test]
    fn two_threads_access_each_place_in_one_width() {
        let value = |byte: u8| Parts {
            flag: byte == 1,
            numbers: [byte.into(); 3],
            first: byte.into(),
            text: FixedStr::new(if byte == 1 { "alice" } else { "bob" }).unwrap_or_default(),
            wide: byte.into(),
            items: FixedVec::try_from([[byte; 3]].as_slice()).unwrap_or_default(),
        };
        let mut memory = [0_u64; size_of::<Parts>().div_ceil(8)];
        let first = AtomicPtr::new(memory.as_mut_ptr().cast::<u8>());
        let segment = || {
            // SAFETY: the array outlives the threads, and only this module touches it meanwhile.
            unsafe { RawBytes::new(first.load(Relaxed), size_of::<Parts>()) }
        };
        thread::scope(|scope| {
            scope.spawn(|| {
                for byte in [1, 2, 1, 2] {
                    // SAFETY: a `Parts` has room.
                    unsafe { store(segment(), &value(byte)) };
                }
            });
            scope.spawn(|| {
                for _ in 0..4 {
                    // SAFETY: a `Parts` has room.
                    let seen = unsafe { load::<Parts>(segment()) };
                    // SAFETY: `load` leaves no byte uninitialised, and each part is one of those
                    // that were stored, or zeros.
                    let seen = unsafe { seen.assume_init() };
                    assert!(seen.first <= 2 && seen.wide <= 2, "{seen:?}");
                }
            });
        });
        // SAFETY: a `Parts` has room, and is there.
        let last = unsafe { load::<Parts>(segment()).assume_init() };
        assert_eq!(last, value(2));
    }
}
