//! A `T` in a segment that somebody else laid out.

use std::fmt;
use std::marker::PhantomData;
use std::mem::MaybeUninit;

use super::{bytes_of, fmt_segment, invalid, is_valid};
use crate::error::{Context, Error};
use crate::layout::{SharedLayout, for_each_leaf};
use crate::protocol::{RawBytes, RawSegment};

/// A segment of somebody else's that has room for a `T`.
#[derive(Debug)]
pub(crate) struct RawTyped<T> {
    segment: RawSegment,
    value: PhantomData<T>,
}

impl<T: SharedLayout> RawTyped<T> {
    /// Checks that the segment has room for a `T`.
    pub(crate) fn new(segment: RawSegment, operation: &'static str) -> Result<RawTyped<T>, Error> {
        let (size, wanted) = (segment.size(), size_of::<T>());
        if size < wanted {
            let context = Context::of_attached(operation, segment.key(), segment.id());
            return Err(Error::TooSmall {
                context,
                size,
                wanted,
            });
        }
        Ok(RawTyped {
            segment,
            value: PhantomData,
        })
    }

    pub(crate) fn segment(&self) -> &RawSegment {
        &self.segment
    }

    /// Names the segment, in few words.
    pub(crate) fn fmt_as(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt_segment::<T>(f, name, self.segment.key(), self.segment.id()).finish()
    }

    /// Reads the value.
    pub(crate) fn read(&self, operation: &'static str) -> Result<T, Error> {
        // SAFETY: `RawTyped::new` found the segment to have at least the bytes of a `T`.
        let value = unsafe { load::<T>(self.segment.bytes()) };
        // SAFETY: `load` leaves no byte uninitialised.
        if unsafe { is_valid(&value) } {
            // SAFETY: they are a `T`.
            return Ok(unsafe { value.assume_init() });
        }
        let context = Context::of_attached(operation, self.segment.key(), self.segment.id());
        // SAFETY: `load` leaves no byte uninitialised.
        Err(invalid::<T>(0, unsafe { bytes_of(&value) }, context))
    }

    /// Stores the value, and no byte of its padding.
    pub(crate) fn store(&self, value: &T) {
        // SAFETY: `RawTyped::new` found the segment to have at least the bytes of a `T`, and
        // `RawBox` attaches for writing.
        unsafe { store(self.segment.bytes(), value) }
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
