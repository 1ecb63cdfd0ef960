//! A `T` in a segment that another program laid out: no control block, no versions, no lock. Only the
//! segment's size is known.

use std::marker::PhantomData;
use std::mem::MaybeUninit;

use super::buffer::{bytes_of, is_valid};
use super::descriptor::Type;
use super::failure::Failure;
use crate::layout::{SharedLayout, for_each_leaf};
use crate::protocol::{Access, Fault, RawBytes, attach};
use crate::sysv::shm::{Attachment, Id, Stat};
use crate::sysv::{Key, shm};

/// A segment that another program laid out and that has room for a `T`.
///
/// # Invariants
///
/// - **room**: the mapping has `size` bytes, at least those of a `T`.
/// - **atomics**: in this process only [`RawBytes`] touches them, by atomics.
#[derive(Debug)]
pub(crate) struct RawTyped<T> {
    mapping: Attachment,
    key: Key,
    size: usize,
    value: PhantomData<T>,
}

impl<T: SharedLayout> RawTyped<T> {
    /// Attaches the segment with this id, whatever it holds, if it has room for a `T`.
    pub(crate) fn open(id: Id, access: Access) -> Result<RawTyped<T>, Failure> {
        let (mapping, stat) = attach(id, access)?.ok_or(Fault::Removed)?;
        if stat.size < size_of::<T>() {
            return Err(Failure::TooSmall { size: stat.size });
        }
        Ok(RawTyped {
            mapping,
            key: stat.key,
            size: stat.size,
            value: PhantomData,
        })
    }

    /// The key under which the segment was found.
    pub(crate) fn key(&self) -> Key {
        self.key
    }

    /// The kernel's id.
    pub(crate) fn id(&self) -> Id {
        self.mapping.id()
    }

    /// The kernel's facts.
    pub(crate) fn info(&self) -> Result<Stat, Failure> {
        Ok(shm::stat(self.id()).map_err(Fault::from)?)
    }

    /// Its memory, for as long as `self` is attached.
    fn bytes(&self) -> RawBytes {
        // SAFETY: the mapping has `size` bytes (**room**), which only `RawBytes` touches in this
        // process (**atomics**). It is detached when `self` is dropped, and no method of `self` lets
        // the bytes out.
        unsafe { RawBytes::new(self.mapping.as_ptr(), self.size) }
    }

    /// Reads the value.
    pub(crate) fn read(&self) -> Result<T, Failure> {
        // SAFETY: the segment has at least the bytes of a `T` (**room**).
        let value = unsafe { load::<T>(self.bytes()) };
        // SAFETY: `load` leaves no byte uninitialised.
        if unsafe { is_valid(&value) } {
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
    for_each_leaf(T::SCHEMA, 0, &mut |offset, size, count| {
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
