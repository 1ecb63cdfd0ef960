//! A `T` in a segment that somebody else laid out.

use std::fmt;
use std::marker::PhantomData;
use std::mem::MaybeUninit;

use super::{bytes_of, fmt_segment, for_each_stretch, invalid, is_valid};
use crate::error::{Context, Error};
use crate::layout::SharedLayout;
use crate::protocol::RawSegment;

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
        let mut value = MaybeUninit::<T>::uninit();
        // SAFETY: `RawTyped::new` found the segment to have at least the bytes of a `T`.
        unsafe { self.segment.read(value.as_mut_ptr().cast(), size_of::<T>()) };
        // SAFETY: all bytes were copied.
        if unsafe { is_valid(&value) } {
            // SAFETY: they are a `T`.
            return Ok(unsafe { value.assume_init() });
        }
        let context = Context::of_attached(operation, self.segment.key(), self.segment.id());
        // SAFETY: all bytes were copied.
        Err(invalid::<T>(0, unsafe { bytes_of(&value) }, context))
    }

    /// Stores the value, and no byte of its padding.
    pub(crate) fn store(&self, value: &T) {
        let bytes = (&raw const *value).cast::<u8>();
        // SAFETY: as in `store` above, and what `RawBox` stores to it has attached for writing.
        for_each_stretch::<T>(|offset, len| unsafe {
            self.segment.store(offset, bytes.add(offset), len)
        });
    }
}
