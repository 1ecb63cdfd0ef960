//! One trait for each thing to write instead.
//!
//! A derive sees that a field's type is *called* `Vec`, and only the compiler knows whether it is
//! the one from `std`. So the derive asks through a trait that every [`SharedLayout`] type
//! implements, and that has the fitting words for when it is not implemented.

use crate::SharedLayout;

use crate::layout::{Aligned, Alignment, Opaque, Part};

macro_rules! advice {
    ($($rule:ident, $why:literal, $instead:literal;)+) => { $(
        #[doc = $why]
        #[diagnostic::on_unimplemented(message = $why, label = $instead)]
        pub trait $rule {
            /// [`SharedLayout::PART`].
            const PART: Part<Self>;
        }

        #[diagnostic::do_not_recommend]
        impl<T: SharedLayout> $rule for T {
            const PART: Part<T> = <T as SharedLayout>::PART;
        }
    )+ };
}

advice! {
    NoAddress,
        "`{Self}` may not live in shared memory: an address means nothing in another process",
        "hold the value itself, or use `FixedStr<N>` for text and `[T; N]` for a slice";
    InlineText,
        "`{Self}` may not live in shared memory: its text lies elsewhere, and an address means nothing in another process",
        "use `FixedStr<N>`, which holds N bytes of text in place";
    InlineItems,
        "`{Self}` may not live in shared memory: its items lie elsewhere, and an address means nothing in another process",
        "use `FixedVec<T, N>`, which holds up to N items in place, or an array `[T; N]`";
    SameWidth,
        "`{Self}` may not live in shared memory: `usize` and `isize` differ between 32-bit and 64-bit processes",
        "use `u64` or `i64`";
    AlwaysThere,
        "`{Self}` may not live in shared memory: no schema can say of a value that it may be absent",
        "use the plain value, and a `bool` beside it that says whether it is there, or `Option<NonZeroU32>`, where 0 is `None`";
    OneOfTwo,
        "`{Self}` may not live in shared memory: no schema can say which one of two values is there",
        "use a struct of both values, and a fieldless enum in it that says which one counts";
    NoLock,
        "`{Self}` may not live in shared memory: it guards a value within one process only",
        "use the plain value: the box has its own lock, for all processes";
    NotAtomic,
        "`{Self}` may not live in shared memory: each access to a shared value is already atomic as a whole",
        "use the plain integer, such as `u32` for `AtomicU32`: `fetch_add` and `update_field` of the box change it alone";
    PlainSpan,
        "`{Self}` may not live in shared memory: its layout differs from build to build",
        "use `shm_core::Nanoseconds`, or a number with its unit in the field's name";
    PlainTime,
        "`{Self}` may not live in shared memory: its layout differs from build to build",
        "use `shm_core::Timestamp`, or a number with its unit and start in the field's name";
    PlainId,
        "`{Self}` may not live in shared memory: its crate does not promise how its bytes lie",
        "use `shm_core::Id128`, or the bytes themselves: `[u8; 16]`";
    PlainAddress,
        "`{Self}` may not live in shared memory: its layout differs from build to build",
        "use `shm_core::Ipv4` or `shm_core::Ipv6` (which holds either kind), or the octets, and a `u16` for a port";
    NoFunction,
        "`{Self}` may not live in shared memory: a function pointer means nothing in another process",
        "use a fieldless enum that names the function to call; in a C program's struct, `Opaque<8, 8>` leaves it alone";
    NoBitFields,
        "`{Self}` may not live in shared memory: it is a bit-field unit of bindgen's, which derives nothing for it",
        "pass what bindgen made through `sed '/^pub struct __BindgenBitfieldUnit/i #[derive(SharedLayout)]'`";
    NoComplex,
        "`{Self}` may not live in shared memory: it is a `_Complex` number of C's, for which bindgen derives nothing",
        "pass what bindgen made through `sed '/^pub struct __BindgenComplex/i #[derive(SharedLayout)]'`";
    NoFlexibleArray,
        "`{Self}` may not live in shared memory: it is a flexible array of C's, which has no size",
        "write `[T; 0]`, or pass what bindgen made through `sed 's/: __IncompleteArrayField<\\(.*\\)>,/: [\\1; 0],/'`; `RawTable` has its rows";
    NoLockOfC,
        "`{Self}` may not live in shared memory: it is a lock of the C library's",
        "leave it alone: with bindgen, `--blocklist-type={Self} --raw-line='pub type {Self} = shm_core::Opaque<SIZE, ALIGN>;'` (a mutex of 64 bits has `40, 8`, a `sem_t` `32, 8`)";
    NoAnonymous,
        "`{Self}` may not live in shared memory: it is a union without a name of C's, or a struct for which bindgen derived nothing",
        "leave a union alone: `--blocklist-type={Self} --raw-line='pub type {Self} = shm_core::Opaque<SIZE, ALIGN>;'`; for a struct add `--with-derive-custom-struct={Self}=SharedLayout,Clone,Copy`";
    NotEmpty,
        "`{Self}` may not live in shared memory: it has no bytes, and nothing can be shared in zero bytes",
        "remove the field";
}

/// Holds for what stands in the place of a C type that `bindgen` makes an integer of, though each store to it
/// has to keep a rule of C's.
#[diagnostic::on_unimplemented(
    message = "an atomic or a spinlock of C's is not shared as the `{Self}` that bindgen makes of it",
    label = "leave it alone: in `--blocklist-type`, and as `Opaque<SIZE, ALIGN>` in a `--raw-line`; an atomic that `RawBox::load` and `store` alone access may be the plain integer by another name"
)]
pub trait Untouched: Sized {
    /// [`SharedLayout::PART`].
    const PART: Part<Self>;
}

#[diagnostic::do_not_recommend]
impl<const N: usize, const ALIGN: usize> Untouched for Opaque<N, ALIGN>
where
    Alignment<ALIGN>: Aligned,
{
    const PART: Part<Self> = <Self as SharedLayout>::PART;
}

/// Holds for types that may be shared, and has the words for those whose name says nothing. (Asked itself,
/// `SharedLayout` would have the compiler list other types for which it holds.)
#[diagnostic::on_unimplemented(
    message = "`{Self}` may not live in shared memory",
    label = "`SharedLayout` does not hold for this type",
    note = "for a struct or a fieldless enum of your own, write `#[derive(SharedLayout, Clone, Copy)]` above it",
    note = "a union does not say which of its fields is in use: write a struct with a tag; bytes that are another program's are `Opaque<N, ALIGN>`",
    note = "for others, such as an alias of `usize` (write `u64`), see what to write instead: https://docs.rs/shm-core/latest/shm_core/derive.SharedLayout.html#what-is-refused"
)]
pub trait Shareable {
    /// [`SharedLayout::PART`].
    const PART: Part<Self>;
}

#[diagnostic::do_not_recommend]
impl<T: SharedLayout> Shareable for T {
    const PART: Part<T> = <T as SharedLayout>::PART;
}

/// Holds for types that are `Copy`, and has the words for the others.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not `Copy`: values move into and out of shared memory as plain bytes",
    label = "write `#[derive(Clone, Copy)]` above this type"
)]
pub trait PlainCopy {
    /// Says nothing.
    const HOLDS: () = ();
}

#[diagnostic::do_not_recommend]
impl<T: Copy> PlainCopy for T {}

/// The supertraits of [`SharedLayout`] in one, so that a type at fault is one message wherever it
/// is used.
pub trait Movable: Copy + Send + Sync {}

#[diagnostic::do_not_recommend]
impl<T: Copy + Send + Sync> Movable for T {}
