//! `Opaque<N, ALIGN>`: bytes in the midst of a struct that belong to another program.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::mem::MaybeUninit;

use bytemuck::{AnyBitPattern, Zeroable};

use super::{Schema, SharedLayout};

/// `N` bytes, aligned to `ALIGN`, that belong to another program: a `pthread_mutex_t`, a pointer, whatever a C struct
/// has between the fields that are shared.
///
/// The schema names them, and that is all: they are never read as a value, and no call of this
/// library stores to them, in C and Python neither. `set`, `update` and `store` of what they are part of, birth,
/// adoption and upgrades keep what the segment holds there, as they keep padding. (Only when a writer
/// dies in the midst of a commit, the whole value is restored from a copy of the value before, these bytes too.)
///
/// All values of this type are equal. `ALIGN` is 1, 2, 4, 8, 16, 32 or 64, and `N` a multiple of it.
///
/// ```
/// use shm_core::{Opaque, SharedLayout};
///
/// #[derive(SharedLayout, Clone, Copy, Debug, Default, PartialEq)]
/// #[repr(C)]
/// struct Counter {
///     lock: Opaque<40, 8>, // C: pthread_mutex_t lock
///     count: u64,
/// }
///
/// assert_eq!(Counter { count: 7, ..Counter::default() }.count, 7);
/// assert_eq!(Counter::SCHEMA.size(), 48);
/// ```
///
/// ```compile_fail,E0277
/// let odd = shm_core::Opaque::<12, 3>::default(); // no type aligns to 3
/// ```
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Opaque<const N: usize, const ALIGN: usize = 1>
where
    Alignment<ALIGN>: Aligned,
{
    align: [<Alignment<ALIGN> as Aligned>::Unit; 0],
    bytes: [MaybeUninit<u8>; N],
}

/// A number that may be the alignment of an [`Opaque`].
#[doc(hidden)]
#[derive(Debug)]
pub struct Alignment<const ALIGN: usize>;

/// Says which numbers are alignments.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "no shared type has this alignment",
    label = "write 1, 2, 4, 8, 16, 32 or 64"
)]
pub trait Aligned {
    /// Of this alignment.
    type Unit: Copy + Send + Sync + 'static;
}

macro_rules! alignments {
    ($($unit:ident $align:literal)+) => {$(
        #[derive(Clone, Copy, Debug)]
        #[repr(align($align))]
        pub struct $unit;

        impl Aligned for Alignment<$align> {
            type Unit = $unit;
        }
    )+};
}

/// A type of each alignment.
mod units {
    #![allow(missing_docs, reason = "hidden")]
    use super::{Aligned, Alignment};

    alignments!(To1 1 To2 2 To4 4 To8 8 To16 16 To32 32 To64 64);
}

// SAFETY: `Zeroable`: any bytes are a `MaybeUninit<u8>`, zeros too, and there is nothing else.
unsafe impl<const N: usize, const ALIGN: usize> Zeroable for Opaque<N, ALIGN> where
    Alignment<ALIGN>: Aligned
{
}

// SAFETY: `AnyBitPattern`: any bytes are a `MaybeUninit<u8>`, and there is nothing else.
unsafe impl<const N: usize, const ALIGN: usize> AnyBitPattern for Opaque<N, ALIGN> where
    Alignment<ALIGN>: Aligned
{
}

// SAFETY: `repr(C)`, and as large as the schema says, since `Schema::opaque` refuses to compile where
// N is no multiple of ALIGN. The schema calls no byte of it part of a field, so none has to be
// initialised; any bytes are a value, which shows none of them.
unsafe impl<const N: usize, const ALIGN: usize> SharedLayout for Opaque<N, ALIGN>
where
    Alignment<ALIGN>: Aligned,
{
    const SCHEMA: &'static Schema = &Schema::opaque(N, ALIGN);

    #[inline]
    fn bits_are_valid(bytes: &[u8]) -> bool {
        bytes.len() == size_of::<Self>()
    }
}

impl<const N: usize, const ALIGN: usize> Default for Opaque<N, ALIGN>
where
    Alignment<ALIGN>: Aligned,
{
    fn default() -> Self {
        Opaque {
            align: [],
            bytes: [MaybeUninit::uninit(); N],
        }
    }
}

impl<const N: usize, const ALIGN: usize> fmt::Debug for Opaque<N, ALIGN>
where
    Alignment<ALIGN>: Aligned,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{N} opaque bytes")
    }
}

impl<const N: usize, const ALIGN: usize> PartialEq for Opaque<N, ALIGN>
where
    Alignment<ALIGN>: Aligned,
{
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl<const N: usize, const ALIGN: usize> Eq for Opaque<N, ALIGN> where Alignment<ALIGN>: Aligned {}

impl<const N: usize, const ALIGN: usize> Hash for Opaque<N, ALIGN>
where
    Alignment<ALIGN>: Aligned,
{
    fn hash<H: Hasher>(&self, _: &mut H) {}
}
