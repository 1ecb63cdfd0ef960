//! The bytes of a `T` that are not padding: the only ones that are read from a value, and the only
//! ones that are stored.

use std::slice;

use crate::layout::{Run, Runs, SharedLayout};
use crate::protocol::{Fault, Locked, Payload, Span};

/// Calls `each` with every run of a `T`: all of it that is not padding.
#[inline(always)]
fn for_each_run<T: SharedLayout>(mut each: impl FnMut(&Run)) {
    const { &T::RUNS }.as_slice().iter().for_each(&mut each);
    if const { T::RUNS.more() } {
        let mut first = Runs::WINDOW;
        loop {
            let window = Runs::of(T::SCHEMA, first);
            window.as_slice().iter().for_each(&mut each);
            if !window.more() {
                return;
            }
            first += Runs::WINDOW;
        }
    }
}

/// Calls `each` with offset and length of every stretch of a `T` that is not padding.
#[inline(always)]
pub(super) fn for_each_stretch<T: SharedLayout>(mut each: impl FnMut(usize, usize)) {
    if const { T::RUNS.cover(size_of::<T>()) } {
        return each(0, size_of::<T>());
    }
    for_each_run::<T>(|run| {
        for repetition in 0..run.count {
            each(run.offset + repetition * run.stride, run.len);
        }
    });
}

/// For the derive: calls `each` with every stretch of `value` that is not padding and its offset,
/// where the value itself is at `offset`.
pub fn for_each_byte_of<T: SharedLayout>(
    value: &T,
    offset: usize,
    each: &mut dyn FnMut(usize, &[u8]),
) {
    let bytes = (&raw const *value).cast::<u8>();
    for_each_stretch::<T>(|at, len| {
        // SAFETY: a stretch lies within the `T`, and its bytes are initialised (`SharedLayout`: the
        // schema tells the truth); `value` is borrowed as long as the slice is in use, and nothing
        // in a shared type changes behind a shared reference.
        let stretch = unsafe { slice::from_raw_parts(bytes.add(at), len) };
        each(offset + at, stretch);
    });
}

/// For the derive: the same for a value of zeros.
pub fn for_each_zero_of<T: SharedLayout>(offset: usize, each: &mut dyn FnMut(usize, &[u8])) {
    const ZEROS: [u8; 256] = [0; 256];
    for_each_stretch::<T>(|at, len| {
        for start in (0..len).step_by(ZEROS.len()) {
            let zeros = &ZEROS[..ZEROS.len().min(len - start)];
            each(offset + at + start, zeros);
        }
    });
}

/// Stores what is not padding of a value at `offset` of the payload.
///
/// # Safety
///
/// The payload has room for a `T` there.
#[inline(always)]
pub(super) unsafe fn store<T: SharedLayout>(payload: Payload, offset: usize, value: &T) {
    let bytes = (&raw const *value).cast::<u8>();
    if const { T::RUNS.cover(size_of::<T>()) } {
        // SAFETY: without padding, all bytes of a value are initialised; the payload has room for
        // them.
        return unsafe { payload.store(offset, bytes, size_of::<T>()) };
    }
    // SAFETY: runs lie within the `T`, where the value's bytes are initialised (`SharedLayout`: the
    // schema tells the truth), and the payload has room for a `T`.
    for_each_run::<T>(|run| unsafe {
        let (at, from) = (offset + run.offset, bytes.add(run.offset));
        if run.count == 1 {
            payload.store(at, from, run.len);
        } else {
            payload.store_strided(at, from, (run.len, run.count, run.stride));
        }
    });
}

/// Stores the value of a segment that is being born.
pub(crate) fn store_first<T: SharedLayout>(payload: Payload, value: &T) {
    assert!(
        size_of::<T>() <= payload.capacity(),
        "a newborn has room for its value"
    );
    // SAFETY: it has room.
    unsafe { store(payload, 0, value) };
}

/// Stores what is not padding of a value, but nothing outside of `changed`.
///
/// # Safety
///
/// The payload has room for a `T`.
pub(super) unsafe fn store_within<T: SharedLayout>(payload: Payload, changed: Span, value: &T) {
    let bytes = (&raw const *value).cast::<u8>();
    for_each_stretch::<T>(|at, len| {
        let start = at.max(changed.offset);
        let end = (at + len).min(changed.offset + changed.len);
        if start < end {
            // SAFETY: as in `store`: a part of a stretch.
            unsafe { payload.store(start, bytes.add(start), end - start) };
        }
    });
}

/// The least span outside of which a value has the bytes that the payload holds; `None` if it has
/// them everywhere.
///
/// # Safety
///
/// The payload has room for a `T`.
pub(super) unsafe fn difference<T: SharedLayout>(
    locked: &Locked<'_>,
    value: &T,
) -> Result<Option<Span>, Fault> {
    /// Compared at once.
    const CHUNK: usize = 256;
    let bytes = (&raw const *value).cast::<u8>();
    let mut changed: Option<Span> = None;
    let mut result = Ok(());
    let mut held = [0; CHUNK];
    for_each_stretch::<T>(|at, len| {
        for start in (at..at + len).step_by(CHUNK) {
            let span = Span {
                offset: start,
                len: CHUNK.min(at + len - start),
            };
            let held = &mut held[..span.len];
            // SAFETY: a part of a stretch, as in `store`; `held` has the span's length.
            let (loaded, ours) = unsafe {
                let loaded = locked.load(span, held.as_mut_ptr());
                (loaded, slice::from_raw_parts(bytes.add(start), span.len))
            };
            if loaded.is_err() {
                result = loaded;
            }
            if ours != held {
                changed = Some(changed.map_or(span, |changed| changed.hull(span)));
            }
        }
    });
    result.map(|()| changed)
}
