//! Fields that are padding to other programs, and variants that stand for numbers which this one
//! does not know: how they are read, and how the segment keeps them when a value is stored.
//!
//! All of it is for types that have such parts; for others nothing is left of it at run time.

use std::collections::BTreeSet;
use std::mem::MaybeUninit;
use std::{ptr, slice};

use super::buffer::{ON_STACK, bytes_of};
use super::field::Field;
use super::gaps::gaps;
use super::stretches::{bytes_to_store, for_each_stretch};
use crate::layout::{self, SharedLayout};
use crate::protocol::{Held, Span};

/// Whether the bytes of `place`, read from where the field lies in a `T`, are an `F`, once they are
/// what a program reads.
///
/// # Safety
///
/// Every byte of `place` is initialised.
#[inline(always)]
pub(super) unsafe fn is_valid<T: SharedLayout, F: SharedLayout>(
    field: Field<T, F>,
    place: &mut MaybeUninit<F>,
) -> bool {
    if const { T::SCHEMA.has_padding_fields() } {
        // SAFETY: every byte of `place` is initialised (this function's contract).
        unsafe { blank(field, place) };
    }
    // SAFETY: every byte of `place` is initialised (this function's contract).
    if const { F::SCHEMA.any_bits() } || F::bits_are_valid(unsafe { bytes_of(place) }) {
        return true;
    }
    if const { F::SCHEMA.has_others() } {
        // SAFETY: every byte of `place` is initialised (this function's contract).
        unsafe { settle(field, place) };
        // SAFETY: every byte of `place` is initialised (this function's contract); `settle` takes none away.
        return F::bits_are_valid(unsafe { bytes_of(place) });
    }
    false
}

/// Puts zeros in fields that are padding; in a short value in all that is padding, which takes a few
/// stores.
///
/// # Safety
///
/// Every byte of `place` is initialised.
#[inline(always)]
unsafe fn blank<T: SharedLayout, F: SharedLayout>(field: Field<T, F>, place: &mut MaybeUninit<F>) {
    match const { gaps::<F>() } {
        Some(gaps) if const { size_of::<F>() == size_of::<T>() } => {
            for gap in gaps {
                // SAFETY: the gaps of an `F` lie within it.
                unsafe {
                    place
                        .as_mut_ptr()
                        .cast::<u8>()
                        .add(gap.offset)
                        .write_bytes(0, gap.len)
                };
            }
        }
        // SAFETY: every byte of `place` is initialised (this function's contract).
        _ => unsafe { settle(field, place) },
    }
}

/// # Safety
///
/// Every byte of `place` is initialised.
#[cold]
unsafe fn settle<T: SharedLayout, F>(field: Field<T, F>, place: &mut MaybeUninit<F>) {
    // SAFETY: `size_of::<F>()` bytes behind one reference, initialised (this function's contract); any
    // byte is a `u8`.
    let bytes = unsafe { slice::from_raw_parts_mut(place.as_mut_ptr().cast(), size_of::<F>()) };
    layout::settle(T::SCHEMA, field.offset(), bytes);
}

/// Whether something may be kept where an `F` is stored. What is padding in it is not stored anyway.
pub(super) const fn keeps<T: SharedLayout, F: SharedLayout>() -> bool {
    let within_padding = size_of::<F>() < size_of::<T>() && T::SCHEMA.has_padding_fields();
    F::SCHEMA.has_others() || within_padding || counts::<T>()
}

/// Whether some fields of a `T` are counters where it is the row of a table.
pub(super) const fn counts<T: SharedLayout>() -> bool {
    !T::SCHEMA.counters().is_empty()
}

/// Puts in `place`, read from where the field lies in a `T`, what `count` tells of each counter that lies within: of its
/// offset in the `T`.
#[inline(always)]
pub(super) fn fill_counts<T: SharedLayout, F>(
    field: Field<T, F>,
    place: &mut MaybeUninit<F>,
    mut count: impl FnMut(usize) -> Option<u64>,
) {
    let Span { offset, len } = field.span();
    for counter in const { T::SCHEMA.counters() } {
        let end = counter.offset() + counter.schema().size();
        let mut at = counter.offset();
        while at < end {
            if at >= offset && at + 8 <= offset + len {
                if let Some(count) = count(at) {
                    // SAFETY: the eight bytes lie within the place, and are a `u64` of the `F`: any are one.
                    unsafe {
                        place
                            .as_mut_ptr()
                            .byte_add(at - offset)
                            .cast::<u64>()
                            .write_unaligned(count)
                    };
                }
            }
            at += 8;
        }
    }
}

/// Where the parts begin of a value for a field that are not to be stored.
pub(super) fn kept_parts<T: SharedLayout, F: SharedLayout>(
    field: Field<T, F>,
    value: &F,
) -> BTreeSet<usize> {
    let mut parts = BTreeSet::new();
    if const { keeps::<T, F>() } {
        layout::keep(
            T::SCHEMA,
            field.offset(),
            &mut bytes_to_store(value),
            |at, _| {
                parts.insert(at);
            },
        );
    }
    parts
}

/// Has `store` store a value where the field lies in a `T`, with the segment's own bytes in what is not
/// this program's to store. What `store` is given has the initialised bytes of an `F`.
///
/// The right to commit is known to be had, see [`Held::check`].
///
/// # Safety
///
/// The segment has room for a `T`.
#[inline(always)]
pub(super) unsafe fn with_kept<H: Held, T: SharedLayout, F: SharedLayout, R>(
    locked: &mut H,
    field: Field<T, F>,
    value: &F,
    store: impl FnOnce(&mut H, *const u8) -> R,
) -> R {
    if const { !keeps::<T, F>() } {
        return store(locked, (&raw const *value).cast());
    }
    if const { size_of::<F>() > ON_STACK } {
        let mut copy = Box::new(MaybeUninit::uninit());
        // SAFETY: the segment has room for a `T` (this function's contract).
        unsafe { copy_kept(locked, field, value, &mut copy) };
        return store(locked, copy.as_ptr().cast());
    }
    let mut copy = MaybeUninit::uninit();
    // SAFETY: the segment has room for a `T` (this function's contract).
    unsafe { copy_kept(locked, field, value, &mut copy) };
    store(locked, copy.as_ptr().cast())
}

/// # Safety
///
/// The segment has room for a `T`.
unsafe fn copy_kept<T: SharedLayout, F: SharedLayout>(
    locked: &impl Held,
    field: Field<T, F>,
    value: &F,
    copy: &mut MaybeUninit<F>,
) {
    let (from, to) = (
        (&raw const *value).cast::<u8>(),
        copy.as_mut_ptr().cast::<u8>(),
    );
    // SAFETY: the place has that many bytes.
    unsafe { to.write_bytes(0, size_of::<F>()) };
    for_each_stretch::<F>(|at, len| {
        // SAFETY: a stretch lies within the `F`, where the value's bytes are initialised
        // (`SharedLayout`: the schema tells the truth); the copy is another place of that size.
        unsafe { ptr::copy_nonoverlapping(from.add(at), to.add(at), len) };
    });
    if const { counts::<T>() } {
        fill_counts(field, copy, |at| locked.cell(at));
    }
    if const { !T::SCHEMA.has_padding_fields() && !T::SCHEMA.has_others() } {
        return;
    }
    // SAFETY: `size_of::<F>()` bytes, all initialised above, that nothing else refers to; any byte is a
    // `u8`.
    let bytes = unsafe { slice::from_raw_parts_mut(to, size_of::<F>()) };
    layout::keep(T::SCHEMA, field.offset(), bytes, |offset, part| {
        let len = part.len();
        // SAFETY: a part of what lies at the field's place in a `T`, for which the segment has room
        // (this function's contract).
        unsafe { locked.load(Span { offset, len }, part.as_mut_ptr()) };
    });
}
