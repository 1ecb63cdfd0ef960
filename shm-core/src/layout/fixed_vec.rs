//! `FixedVec<T, N>`: C's `struct { uint32_t len; T items[N]; }`.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::mem::MaybeUninit;
use std::ops::{Deref, DerefMut};
use std::slice;

use super::{Schema, SharedLayout};

/// Up to `N` elements in place, and how many there are.
///
/// In C this is `struct { uint32_t len; T items[N]; }`, with the padding that C puts between the two.
/// What comes from another program is checked on each read: a length above `N`, or an element that
/// is no `T`, is an error that names the field. What lies behind the last element counts for
/// nothing, neither there nor for `==`.
///
/// It derefs to a slice, so it has all methods of one. It never allocates, and moving it moves all
/// `N` places. `FixedVec<T, 0>` does not compile where it is used.
///
/// ```
/// use shm_core::{FixedVec, SharedLayout};
///
/// #[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
/// #[repr(C)]
/// struct Workers {
///     pids: FixedVec<i32, 64>, // C: struct { uint32_t len; int32_t items[64]; } pids
/// }
///
/// let mut workers = Workers { pids: FixedVec::from_slice(&[17, 4])? };
/// workers.pids.push(23)?;
/// workers.pids.sort();
/// assert_eq!(workers.pids, [4, 17, 23]);
/// assert_eq!(workers.pids.iter().max(), Some(&23));
/// # Ok::<(), shm_core::layout::CapacityError>(())
/// ```
///
/// ```compile_fail
/// let nothing = shm_core::FixedVec::<u8, 0>::new();
/// ```
#[repr(C)]
pub struct FixedVec<T, const N: usize> {
    /// Invariant *counted*: at most `N`, and the first `len` items are a `T`. The methods keep it so,
    /// and bytes from elsewhere become a `FixedVec` only if `SharedLayout::bits_are_valid` says yes.
    len: u32,
    /// Invariant *initialised*: in each item the bytes that are no padding of a `T` are initialised:
    /// an element, zeros, or what an element left.
    items: [MaybeUninit<T>; N],
}

impl<T: Copy, const N: usize> Clone for FixedVec<T, N> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: Copy, const N: usize> Copy for FixedVec<T, N> {}

// SAFETY: `Zeroable`: "inhabited, and the all-zeroes bit pattern is valid": with a length of 0 no
// element has to be a `T`, and zeros are initialised bytes.
unsafe impl<T: SharedLayout, const N: usize> bytemuck::Zeroable for FixedVec<T, N> {}

// SAFETY: `repr(C)`: a `u32` and then, at the next multiple of their alignment, N places for a `T`;
// `Schema::fixed_vec` computes the same, `assert_shared` compares size and alignment, and it refuses
// to compile for N = 0. `MaybeUninit<T>` has the size and alignment of `T`. *Initialised*: what the
// schema calls part of an element is so in all N places. `bits_are_valid` checks *counted*, and the
// type has no other invariant.
unsafe impl<T: SharedLayout, const N: usize> SharedLayout for FixedVec<T, N> {
    const SCHEMA: &'static Schema = &Schema::fixed_vec(T::SCHEMA, N);

    #[inline]
    fn bits_are_valid(bytes: &[u8]) -> bool {
        if bytes.len() != size_of::<Self>() {
            return false;
        }
        let Some(len) = bytes.first_chunk() else {
            return false;
        };
        let len = u32::from_ne_bytes(*len) as usize;
        if len > N {
            return false;
        }
        if const { T::SCHEMA.any_bits() } {
            return true;
        }
        let elements = &bytes[const { Self::SCHEMA.align() }..][..len * size_of::<T>()];
        elements.chunks_exact(size_of::<T>()).all(T::bits_are_valid)
    }
}

impl<T: SharedLayout, const N: usize> FixedVec<T, N> {
    /// Without elements.
    pub const EMPTY: Self = {
        // Does not compile where there is no such type.
        _ = Self::SCHEMA;
        FixedVec {
            len: 0,
            items: [MaybeUninit::zeroed(); N],
        }
    };

    /// Without elements.
    pub const fn new() -> Self {
        Self::EMPTY
    }

    /// With the elements of a slice.
    ///
    /// # Errors
    ///
    /// If there are more than `N`.
    ///
    /// ```
    /// use shm_core::FixedVec;
    ///
    /// assert_eq!(FixedVec::<u8, 4>::from_slice(b"abc")?, *b"abc");
    /// let error = FixedVec::<u8, 4>::from_slice(b"alice").unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "5 elements do not fit a `FixedVec` for 4: keep fewer, or give the type more room"
    /// );
    /// # Ok::<(), shm_core::layout::CapacityError>(())
    /// ```
    pub const fn from_slice(elements: &[T]) -> Result<Self, CapacityError> {
        let mut vec = Self::EMPTY;
        match vec.extend_from_slice(elements) {
            Ok(()) => Ok(vec),
            Err(error) => Err(error),
        }
    }

    /// Puts an element behind the last one.
    ///
    /// # Errors
    ///
    /// If there are `N` already. Nothing has changed then.
    pub const fn push(&mut self, element: T) -> Result<(), CapacityError> {
        self.extend_from_slice(&[element])
    }

    /// Puts elements behind the last one.
    ///
    /// # Errors
    ///
    /// If there would be more than `N`. Nothing has changed then.
    pub const fn extend_from_slice(&mut self, elements: &[T]) -> Result<(), CapacityError> {
        let len = self.len();
        if elements.len() > N - len {
            return Err(CapacityError {
                len: len.saturating_add(elements.len()),
                capacity: N,
            });
        }
        let mut i = 0;
        while i < elements.len() {
            self.items[len + i] = MaybeUninit::new(elements[i]);
            i += 1;
        }
        self.len = (len + elements.len()) as u32;
        Ok(())
    }

    /// Takes the last element out. `None` if there is none.
    pub const fn pop(&mut self) -> Option<T> {
        match *self.as_slice() {
            [.., last] => {
                self.len -= 1;
                Some(last)
            }
            [] => None,
        }
    }
}

/// No more is asked of `T` than it takes, so that `#[derive(Debug)]` and the like on a generic struct
/// need no further bounds. That it is [`SharedLayout`] was asked for when the value came to be.
impl<T, const N: usize> FixedVec<T, N> {
    /// Keeps the first `len` elements. Does nothing if there are no more.
    pub const fn truncate(&mut self, len: usize) {
        if len < self.len() {
            self.len = len as u32;
        }
    }

    /// Removes all elements.
    pub const fn clear(&mut self) {
        self.len = 0;
    }

    /// How many elements there are.
    pub const fn len(&self) -> usize {
        self.len as usize
    }

    /// Whether there are no elements.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many elements there is room for: `N`.
    pub const fn capacity(&self) -> usize {
        N
    }

    /// The elements.
    pub const fn as_slice(&self) -> &[T] {
        // SAFETY: *counted* (`FixedVec`): `len` is at most `N`, and the first `len` items are a `T`.
        // "`MaybeUninit<T>` is guaranteed to have the same size, alignment, and ABI as `T`."
        unsafe { slice::from_raw_parts(self.items.as_ptr().cast(), self.len()) }
    }

    /// The elements, to change them in place.
    pub const fn as_mut_slice(&mut self) -> &mut [T] {
        let len = self.len();
        // SAFETY: *counted* (`FixedVec`): `len` is at most `N`, and the first `len` items are a `T`;
        // what is written through the slice is a `T` again, so they stay so. "`MaybeUninit<T>` is
        // guaranteed to have the same size, alignment, and ABI as `T`."
        unsafe { slice::from_raw_parts_mut(self.items.as_mut_ptr().cast(), len) }
    }
}

impl<T, const N: usize> Deref for FixedVec<T, N> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        self.as_slice()
    }
}

impl<T, const N: usize> DerefMut for FixedVec<T, N> {
    fn deref_mut(&mut self) -> &mut [T] {
        self.as_mut_slice()
    }
}

impl<T: SharedLayout, const N: usize> Default for FixedVec<T, N> {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl<T: SharedLayout, const N: usize> TryFrom<&[T]> for FixedVec<T, N> {
    type Error = CapacityError;

    fn try_from(elements: &[T]) -> Result<Self, CapacityError> {
        Self::from_slice(elements)
    }
}

impl<T, const N: usize> AsRef<[T]> for FixedVec<T, N> {
    fn as_ref(&self) -> &[T] {
        self
    }
}

impl<'a, T, const N: usize> IntoIterator for &'a FixedVec<T, N> {
    type Item = &'a T;
    type IntoIter = slice::Iter<'a, T>;

    fn into_iter(self) -> slice::Iter<'a, T> {
        self.iter()
    }
}

impl<'a, T, const N: usize> IntoIterator for &'a mut FixedVec<T, N> {
    type Item = &'a mut T;
    type IntoIter = slice::IterMut<'a, T>;

    fn into_iter(self) -> slice::IterMut<'a, T> {
        self.iter_mut()
    }
}

impl<T: fmt::Debug, const N: usize> fmt::Debug for FixedVec<T, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_slice().fmt(f)
    }
}

impl<T, U, const N: usize, const M: usize> PartialEq<FixedVec<U, M>> for FixedVec<T, N>
where
    T: PartialEq<U>,
{
    fn eq(&self, other: &FixedVec<U, M>) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl<T: Eq, const N: usize> Eq for FixedVec<T, N> {}

impl<T: PartialEq<U>, U, const N: usize> PartialEq<[U]> for FixedVec<T, N> {
    fn eq(&self, other: &[U]) -> bool {
        self.as_slice() == other
    }
}

impl<T: PartialEq<U>, U, const N: usize> PartialEq<&[U]> for FixedVec<T, N> {
    fn eq(&self, other: &&[U]) -> bool {
        self.as_slice() == *other
    }
}

impl<T, U, const N: usize, const M: usize> PartialEq<[U; M]> for FixedVec<T, N>
where
    T: PartialEq<U>,
{
    fn eq(&self, other: &[U; M]) -> bool {
        self.as_slice() == other
    }
}

impl<T: Hash, const N: usize> Hash for FixedVec<T, N> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_slice().hash(state);
    }
}

debug_as_text! { CapacityError }

/// Why elements cannot be kept in a [`FixedVec`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct CapacityError {
    len: usize,
    capacity: usize,
}

impl fmt::Display for CapacityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let CapacityError { len, capacity } = self;
        write!(
            f,
            "{len} elements do not fit a `FixedVec` for {capacity}: keep fewer, or give the type more room"
        )
    }
}

impl std::error::Error for CapacityError {}
