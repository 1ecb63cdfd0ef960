//! The trait that says a type may live in shared memory, and the types of the language that do.

use std::marker::PhantomData;
use std::num::{
    NonZero, NonZeroI8, NonZeroI16, NonZeroI32, NonZeroI64, NonZeroI128, NonZeroU8, NonZeroU16,
    NonZeroU32, NonZeroU64, NonZeroU128, Wrapping,
};
use std::slice;

use bytemuck::{CheckedBitPattern, NoUninit};

use super::primitive::each_primitive;
use super::runs::for_each_stretch;
use super::{FieldSchema, Fingerprint, Primitive, Runs, Schema, Variant};

/// [`SharedLayout::for_each_missing`] of a type: calls back with offset and default of each field that
/// a version lacks.
pub(crate) type ForEachMissing = fn(u32, &mut dyn FnMut(usize, &[u8]));

/// A plain-data type that may live in shared memory.
///
/// Derive it: `#[derive(SharedLayout, Clone, Copy)]` checks every obligation below at compile time.
/// It holds for the integers of fixed width, also as `Wrapping`, `NonZero` and `Option<NonZero>`, for `f32`, `f64`, `bool`, `char`,
/// [`FixedStr`](super::FixedStr), arrays and
/// [`FixedVec`](super::FixedVec)s of such types, and the structs and fieldless enums that derive it. It does not hold for
///
/// - references, pointers, `Box`, `String`, `Vec`: an address means nothing in another process;
/// - `usize` and `isize`, which differ between 32-bit and 64-bit processes;
/// - atomics: each access to a shared value is already atomic as a whole;
/// - types of size zero, which have nothing to share; but a struct may have an array of length 0 as a field.
///
/// ```
/// use shm_core::SharedLayout;
///
/// assert_eq!(<[u32; 3]>::SCHEMA.to_string(), "[u32; 3]");
/// assert!(bool::bits_are_valid(&[1]));
/// assert!(!bool::bits_are_valid(&[7]));
/// ```
///
/// # Safety
///
/// An implementation by hand is like asserting that all of this holds:
///
/// - The type is inhabited, has at least one byte (an array of length 0 has none) and aligns to at most [`Schema::MAX_ALIGN`]
///   bytes.
/// - Its representation is fixed: it is a primitive, an array of such types, or declared `repr(C)`
///   or `repr(transparent)`, packed or aligned as one likes, or a fieldless enum with an integer
///   `repr`. Every part of it obeys this list as well.
/// - [`SCHEMA`](Self::SCHEMA) tells the truth: its size and alignment are those of the type, every
///   byte that is not padding is in a field at the offset and of the type stated, and every byte
///   that the schema calls part of a field is initialised in every value.
/// - The schema is not laxer than the type: any bytes whose fields hold values of the types stated
///   are a valid value. A schema without `bool`, `char`, `NonZero`, enum and `FixedVec` therefore says that
///   every bit pattern is one, and then nothing else is asked. (A wrapper of `NonZeroU32` must not
///   borrow the schema of `u32`.)
/// - Bytes for which [`bits_are_valid`](Self::bits_are_valid) is true are a valid value, whatever
///   is in the padding and whichever process wrote them: the type has no invariant that its bits alone do not
///   show. The answer depends on the bytes alone, and comes without a panic.
/// - All other items keep their defaults, which are computed from these two.
/// - It contains no address in any guise, no `usize` or `isize`, and nothing that can change behind
///   a shared reference (no `Cell`, no atomic).
#[diagnostic::on_unimplemented(
    message = "`{Self}` may not live in shared memory",
    label = "`SharedLayout` does not hold for this type",
    note = "for a struct or a fieldless enum of your own, write `#[derive(SharedLayout, Clone, Copy)]` above it",
    note = "instead of `String` or `&str` use `FixedStr<N>`, instead of `Vec<T>` or `&[T]` use `FixedVec<T, N>` or an array `[T; N]`: an address means nothing in another process",
    note = "instead of `usize` use `u64`, instead of `isize` use `i64`: theirs differ between 32-bit and 64-bit processes",
    note = "instead of an atomic use the plain integer: each access to a shared value is already atomic as a whole",
    note = "for others see what to write instead: https://docs.rs/shm-core/latest/shm_core/derive.SharedLayout.html#what-is-refused"
)]
pub unsafe trait SharedLayout: Copy + Send + Sync + 'static {
    /// The layout as data.
    const SCHEMA: &'static Schema;

    /// The fingerprint of [`SCHEMA`](Self::SCHEMA).
    const FINGERPRINT: Fingerprint = {
        assert!(
            Self::SCHEMA.size > 0,
            "a type without bytes has nothing to share: give it a field"
        );
        Self::SCHEMA.fingerprint()
    };

    /// Whether `bytes`, exactly `size_of::<Self>()` of them, are a valid value. Padding bytes are
    /// ignored.
    ///
    /// Called on every read unless every bit pattern is valid, so it must inline to a few compares.
    fn bits_are_valid(bytes: &[u8]) -> bool;

    /// A C11 and C++17 header with this type as a struct, and with functions that share it: see
    /// [`Schema::c_header`].
    #[must_use]
    fn c_header() -> String {
        Self::SCHEMA.c_header_with(Some(Self::for_each_missing))
    }

    /// A C file of `_Static_assert`s that hold a type of another program's header against this one: size, and
    /// place, size and kind (integer with or without sign, float, `bool`) of each member. For the C side's own
    /// build, with its own flags: a drift is an error there, before it is a torn value here.
    ///
    /// ```
    /// use shm_core::{FixedStr, SharedLayout};
    ///
    /// #[derive(SharedLayout, Clone, Copy)]
    /// #[repr(C)]
    /// struct StPid {
    ///     pid: i32,
    ///     names: FixedStr<51>,
    /// }
    ///
    /// let check = StPid::c_layout_check("struct st_pid", "st_pid.h");
    /// assert!(check.contains("_Static_assert(offsetof(struct st_pid, names) == 4,"));
    /// ```
    ///
    /// Names are the fields' own, but for the underscore that `bindgen` puts behind a keyword of Rust's. What a
    /// [`FixedVec`](crate::FixedVec) or an [`Opaque`](crate::Opaque) consists of, C can't be asked by name: place
    /// and size. Bytes of padding here may be members there. Bit-fields are left out. In C++ kinds
    /// are not compared. An `_Atomic` member is refused, since [`RawBox::set`](crate::RawBox::set) keeps no order of
    /// C's: leave it alone as an `Opaque`, or define `SHM_ALLOW_ATOMIC` if it is accessed by `load` and `store`.
    #[must_use]
    fn c_layout_check(of: &str, header: &str) -> String {
        Self::SCHEMA.c_layout_check(of, header)
    }

    /// A Python module with this type as a `ctypes` class, and with functions that share it: see
    /// [`Schema::python_module`].
    #[must_use]
    fn python_module() -> String {
        Self::SCHEMA.python_module_with(Some(Self::for_each_missing))
    }

    /// Calls `each` with offset and bytes of whatever a value of schema version `older` of this type
    /// lacks: the fields that are newer, without their padding, holding their defaults.
    ///
    /// Stored over a value of that version (whose bytes beyond its own fields may be anything) they
    /// make it one of this type, as far as the older value was one. All stretches lie within
    /// `size_of::<Self>()`, but a caller who relies on that checks it.
    #[doc(hidden)]
    fn for_each_missing(older: u32, each: &mut dyn FnMut(usize, &[u8])) {
        let _ = (older, each);
    }

    /// For the derive: calls `each` with every stretch of this value that is not padding, and with
    /// its offset where the value itself is at `offset`.
    #[doc(hidden)]
    fn for_each_byte(&self, offset: usize, each: &mut dyn FnMut(usize, &[u8])) {
        let bytes = (&raw const *self).cast::<u8>();
        for_each_stretch(Self::SCHEMA, |at, len| {
            // SAFETY: `SharedLayout`: "every byte that the schema calls part of a field is
            // initialised in every value", and its size is that of the type, so a stretch lies
            // within `self` and is initialised. `self` is borrowed as long as the slice is in use,
            // and "nothing that can change behind a shared reference" is in it.
            each(offset + at, unsafe {
                slice::from_raw_parts(bytes.add(at), len)
            });
        });
    }

    /// For the derive: what [`for_each_byte`](Self::for_each_byte) does, of a value of zeros.
    #[doc(hidden)]
    fn for_each_zero(offset: usize, each: &mut dyn FnMut(usize, &[u8])) {
        const ZEROS: [u8; 256] = [0; 256];
        for_each_stretch(Self::SCHEMA, |at, len| {
            for start in (0..len).step_by(ZEROS.len()) {
                each(offset + at + start, &ZEROS[..ZEROS.len().min(len - start)]);
            }
        });
    }

    /// For the derive: what a struct has to know of a field of this type.
    #[doc(hidden)]
    const PART: Part<Self> = Part {
        schema: Self::SCHEMA,
        bits_are_valid: Self::bits_are_valid,
        of: PhantomData,
    };

    /// For the derive: whether the field at `offset` of a `Self` with these bytes is an `F`. The
    /// derive has compared the length of `bytes`, so that the bounds checks fold away.
    #[doc(hidden)]
    #[inline(always)]
    fn holds<F>(part: Part<F>, bytes: &[u8], offset: usize) -> bool {
        (part.bits_are_valid)(&bytes[offset..offset + size_of::<F>()])
    }

    #[doc(hidden)]
    const FIELDS: &'static [FieldSchema] = &[];

    #[doc(hidden)]
    const PADDING: &'static [FieldSchema] = &[];

    /// For the derive: a struct's counters.
    #[doc(hidden)]
    const COUNTERS: &'static [FieldSchema] = &[];

    #[doc(hidden)]
    const VARIANTS: &'static [Variant] = &[];

    #[doc(hidden)]
    const RUNS: Runs = Runs::of(Self::SCHEMA, 0);
}

/// That an `F` may be shared, and how it looks: only [`SharedLayout::PART`] makes one.
///
/// The derive asks for it by way of traits that may be of any crate, since `#[shared(crate = …)]` names
/// any path: what comes back is the library's own word for that type all the same.
#[doc(hidden)]
pub struct Part<F: ?Sized> {
    schema: &'static Schema,
    bits_are_valid: fn(&[u8]) -> bool,
    of: PhantomData<fn(&F)>,
}

impl<F: ?Sized> Part<F> {
    pub(super) const fn schema(&self) -> &'static Schema {
        self.schema
    }
}

/// For `assert_shared!`, and for the derive where the type is concrete: fails to compile, in words,
/// if `T` may not be shared after all.
#[doc(hidden)]
pub const fn assert_shared<T: SharedLayout>() {
    let schema = T::SCHEMA;
    assert!(
        size_of::<T>() > 0,
        "a type without bytes has nothing to share: give it a field"
    );
    assert!(
        align_of::<T>() <= Schema::MAX_ALIGN,
        "a shared type aligns to at most 64 bytes: lower its `align(…)`"
    );
    assert!(
        schema.size == size_of::<T>() as u64,
        "the schema states another size than the type has"
    );
    assert!(
        schema.align == align_of::<T>() as u64,
        "the schema states another alignment than the type has"
    );
    assert!(
        schema.depth() <= Schema::MAX_DEPTH,
        "types in shared memory nest at most 32 deep: flatten this one"
    );
    assert!(
        schema.encoded_len() <= super::canonical::MAX_ENCODED,
        "the description of this type takes more than 1 MiB: use arrays instead of many fields"
    );
}

/// Checks at compile time that a type may live in shared memory.
///
/// `#[derive(SharedLayout)]` does this by itself for a type without parameters. For one with
/// parameters the size and the alignment are known only of its instances: name those you use.
///
/// ```
/// shm_core::assert_shared!([u32; 3]);
/// ```
///
/// ```compile_fail
/// shm_core::assert_shared!([u32; 0]); // an array of length 0 has no bytes to share
/// ```
#[macro_export]
macro_rules! assert_shared {
    ($($type:ty),+ $(,)?) => {
        $(const _: () = $crate::layout::assert_shared::<$type>();)+
    };
}

macro_rules! shared {
    ($($primitive:ident $type:ident)*) => { $(
        // SAFETY: a primitive has a fixed representation, is inhabited and has bytes (Rust reference, "Type layout"), and
        // none of those named here is an address. Its schema has size and alignment from the type. `holds_bits` asks for
        // bytemuck's `NoUninit`: "no padding or uninitialised bytes". Which bits are values bytemuck says with
        // `CheckedBitPattern`.
        unsafe impl SharedLayout for $type {
            const SCHEMA: &'static Schema = &Schema::primitive(Primitive::$primitive);

            #[inline]
            fn bits_are_valid(bytes: &[u8]) -> bool {
                holds_bits::<$type>(bytes)
            }
        }
    )* };
}

each_primitive!(shared);

macro_rules! as_integers {
    ($($integer:ident)+) => {$(
        // SAFETY: "`Wrapping<T>` is guaranteed to have the same layout and ABI as `T`" (`std::num`),
        // and it has a public field of any value: so what holds for the integer holds for it.
        unsafe impl SharedLayout for Wrapping<$integer> {
            const SCHEMA: &'static Schema = $integer::SCHEMA;

            #[inline]
            fn bits_are_valid(bytes: &[u8]) -> bool {
                $integer::bits_are_valid(bytes)
            }
        }

        // SAFETY: "`Option<NonZero<T>>` is guaranteed to be compatible with `T`, including in FFI", and
        // "has the same size and alignment" (`std::num`): zero, which no `NonZero` is, stands for
        // `None`, so all bits are a value, as they are for the integer.
        unsafe impl SharedLayout for Option<NonZero<$integer>> {
            const SCHEMA: &'static Schema = $integer::SCHEMA;

            #[inline]
            fn bits_are_valid(bytes: &[u8]) -> bool {
                $integer::bits_are_valid(bytes)
            }
        }
    )+};
}

as_integers!(u8 u16 u32 u64 u128 i8 i16 i32 i64 i128);

/// Whether these are the bits of a value.
#[inline]
fn holds_bits<T: CheckedBitPattern + NoUninit>(bytes: &[u8]) -> bool {
    match bytemuck::try_pod_read_unaligned(bytes) {
        Ok(bits) => T::is_valid_bit_pattern(&bits),
        Err(_) => false,
    }
}

// SAFETY: "Arrays are laid out so that the zero-based nth element of the array is offset from the
// start of the array by n * size_of::<T>() bytes" (Rust reference, "Type layout"): that is what an
// array's schema states. There is no byte outside of the elements, and an array is valid if each of
// them is. It has bytes unless N = 0, which `FINGERPRINT` and `assert_shared` refuse: it is then a field of no bytes.
unsafe impl<T: SharedLayout, const N: usize> SharedLayout for [T; N] {
    const SCHEMA: &'static Schema = &Schema::array(T::SCHEMA, N);

    #[inline]
    fn bits_are_valid(bytes: &[u8]) -> bool {
        if bytes.len() != size_of::<Self>() {
            return false;
        }
        if const { Self::SCHEMA.any_bits() } {
            return true;
        }
        bytes.chunks_exact(size_of::<T>()).all(T::bits_are_valid)
    }
}
