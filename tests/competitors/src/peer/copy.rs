//! No protocol: what a copy alone costs. The memory is the same System V shared memory.

use std::hint::black_box;
use std::marker::PhantomData;
use std::mem::MaybeUninit;

use super::Peer;
use super::pthread::Segment;
use crate::place::Place;
use crate::value::Value;

/// `memcpy` with a length that the compiler does not know.
pub struct RuntimeLength<T> {
    segment: Segment,
    len: usize,
    value: PhantomData<T>,
}

/// A copy whose length the compiler knows.
pub struct Fixed<T> {
    segment: Segment,
    value: PhantomData<T>,
}

impl<T: Value> Peer<T> for RuntimeLength<T> {
    fn create(place: Place, value: &T) -> Self {
        let segment = Segment::create(place.key(), size_of::<T>());
        let mut peer = RuntimeLength {
            segment,
            len: size_of::<T>(),
            value: PhantomData,
        };
        peer.set(value);
        peer
    }

    fn open(place: Place) -> Self {
        RuntimeLength {
            segment: Segment::open(place.key()),
            len: size_of::<T>(),
            value: PhantomData,
        }
    }

    #[inline(always)]
    fn get<R>(&mut self, look: impl FnOnce(&T) -> R) -> R {
        let mut value = MaybeUninit::<T>::uninit();
        // SAFETY: the segment holds a `T` of `len` bytes. Nobody writes meanwhile: this candidate
        // is measured alone.
        unsafe {
            let from = self.segment.address().cast::<u8>();
            from.copy_to_nonoverlapping(value.as_mut_ptr().cast(), black_box(self.len));
            look(value.assume_init_ref())
        }
    }

    #[inline(always)]
    fn read_into(&mut self, place: &mut T) {
        let from = self.segment.address().cast::<u8>();
        // SAFETY: as above.
        unsafe {
            from.copy_to_nonoverlapping((&raw mut *place).cast(), black_box(self.len));
        }
    }

    #[inline(always)]
    fn set(&mut self, value: &T) {
        let to = self.segment.address().cast::<u8>();
        // SAFETY: as above.
        unsafe { to.copy_from_nonoverlapping((&raw const *value).cast(), black_box(self.len)) };
        black_box(to);
    }

    #[inline(always)]
    fn update(&mut self, change: impl FnOnce(&mut T)) {
        // SAFETY: as above.
        change(unsafe { &mut *self.segment.address().cast::<T>() });
        black_box(self.segment.address());
    }
}

impl<T: Value> Peer<T> for Fixed<T> {
    fn create(place: Place, value: &T) -> Self {
        let segment = Segment::create(place.key(), size_of::<T>());
        let mut peer = Fixed {
            segment,
            value: PhantomData,
        };
        peer.set(value);
        peer
    }

    fn open(place: Place) -> Self {
        Fixed {
            segment: Segment::open(place.key()),
            value: PhantomData,
        }
    }

    #[inline(always)]
    fn get<R>(&mut self, look: impl FnOnce(&T) -> R) -> R {
        // SAFETY: the segment holds a `T`. Nobody writes meanwhile: this candidate is measured
        // alone.
        let value = unsafe { black_box(self.segment.address()).cast::<T>().read() };
        look(&value)
    }

    #[inline(always)]
    fn read_into(&mut self, place: &mut T) {
        // SAFETY: as above.
        *place = unsafe { black_box(self.segment.address()).cast::<T>().read() };
    }

    #[inline(always)]
    fn set(&mut self, value: &T) {
        // SAFETY: as above.
        unsafe {
            self.segment
                .address()
                .cast::<T>()
                .copy_from_nonoverlapping(value, 1)
        };
        black_box(self.segment.address());
    }

    #[inline(always)]
    fn update(&mut self, change: impl FnOnce(&mut T)) {
        // SAFETY: as above.
        change(unsafe { &mut *self.segment.address().cast::<T>() });
        black_box(self.segment.address());
    }
}
