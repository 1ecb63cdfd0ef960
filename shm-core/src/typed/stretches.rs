//! The bytes of a `T` that are not padding: the only ones that are read from a value, and the only
//! ones that are stored.

use super::descriptor::Type;
use crate::layout::{self, Run, Runs, Schema, SharedLayout};
use crate::protocol::{Comb, Fault, Held, Locked, Payload, Span};

/// Calls `each` with the runs of a `T`, all of it that is not padding, as many at once as a window
/// holds.
#[inline(always)]
fn for_each_window<T: SharedLayout>(mut each: impl FnMut(&[Run])) {
    each(const { &T::RUNS }.as_slice());
    if const { T::RUNS.more() } {
        layout::for_each_window(T::SCHEMA, Runs::WINDOW, each);
    }
}

/// Calls `each` with offset and comb of all that is not padding of a `T`: runs that repeat alike
/// within one stride, as the fields of an array's elements do, are one comb.
#[inline(always)]
fn for_each_comb<T: SharedLayout>(mut each: impl FnMut(usize, Comb<'_>)) {
    for_each_window::<T>(|mut runs| {
        while let Some(&first) = runs.first() {
            let alike = |run: &&Run| {
                (run.count, run.stride) == (first.count, first.stride)
                    && run.offset >= first.offset
                    && run.offset + run.len <= first.offset + first.stride
            };
            let (same, rest) = runs.split_at(runs.iter().take_while(alike).count());
            let mut teeth = [Span { offset: 0, len: 0 }; Runs::WINDOW];
            for (tooth, run) in teeth.iter_mut().zip(same) {
                (tooth.offset, tooth.len) = (run.offset - first.offset, run.len);
            }
            let comb = Comb {
                teeth: &teeth[..same.len()],
                count: first.count,
                stride: first.stride,
            };
            each(first.offset, comb);
            runs = rest;
        }
    });
}

/// Calls `each` with offset and length of every stretch of a `T` that is not padding.
#[inline(always)]
pub(super) fn for_each_stretch<T: SharedLayout>(mut each: impl FnMut(usize, usize)) {
    if const { T::RUNS.cover(size_of::<T>()) } {
        return each(0, size_of::<T>());
    }
    for_each_window::<T>(|runs| {
        for run in runs {
            for repetition in 0..run.count {
                each(run.offset + repetition * run.stride, run.len);
            }
        }
    });
}

/// Stores what is not padding of a value at `offset` of the payload.
///
/// # Safety
///
/// The payload has room for a `T` there, and `bytes` has what is initialised of one.
#[inline(always)]
pub(super) unsafe fn store<T: SharedLayout>(payload: Payload, offset: usize, bytes: *const u8) {
    if const { T::RUNS.cover(size_of::<T>()) } {
        // SAFETY: without padding, all bytes of a value are initialised; the payload has room for
        // them.
        return unsafe { payload.store(offset, bytes, size_of::<T>()) };
    }
    // Combs put back what lies between their teeth, under the lock, of which another program may know
    // nothing.
    if const { size_of::<T>() < Comb::WORTH || T::SCHEMA.has_opaque() } {
        // SAFETY: the runs are of a `T`, of which `bytes` has all they name, and the payload has room for it
        // (this function's contract).
        return for_each_window::<T>(|runs| unsafe { store_runs(payload, offset, bytes, runs) });
    }
    // SAFETY: a comb lies where its runs do, within the `T`, where the value's bytes are initialised
    // (`SharedLayout`: the schema tells the truth), and the payload has room for a `T` (this
    // function's contract).
    for_each_comb::<T>(|at, comb| unsafe {
        if comb.count == 1 {
            payload.store(offset + at, bytes.add(at), comb.len());
        } else {
            payload.store_comb(offset + at, bytes.add(at), comb);
        }
    });
}

/// Stores some runs of a value at `offset` of the payload.
///
/// # Safety
///
/// The payload has room for the value there, `value` is one, and the runs are of its type.
#[inline(always)]
unsafe fn store_runs(payload: Payload, offset: usize, value: *const u8, runs: &[Run]) {
    for run in runs {
        // SAFETY: the payload has room for the value, which is one, and the run is of its type (this function's contract).
        unsafe {
            if run.count == 1 {
                store_run(payload, offset, value, *run, run.len);
            } else {
                store_repeated(payload, offset, value, *run);
            }
        }
    }
}

/// Stores a run that repeats. A length that the compiler knows makes the stores of a stretch straight, so each short one has
/// a loop: a third of the instructions.
///
/// # Safety
///
/// As for [`store_runs`].
#[inline(never)]
unsafe fn store_repeated(payload: Payload, offset: usize, value: *const u8, run: Run) {
    macro_rules! loops {
        ($($short:literal)*) => {
            match run.len {
                // SAFETY: this function's contract.
                $($short => unsafe { store_run(payload, offset, value, run, $short) },)*
                // SAFETY: this function's contract.
                len => unsafe { store_run(payload, offset, value, run, len) },
            }
        };
    }
    loops!(1 2 3 4 5 6 7 8 9 10 12 14 16 18 20 24 28)
}

/// Stores a run, whose stretches have `len` bytes.
///
/// # Safety
///
/// As for [`store_runs`], and `len` is the run's.
#[inline(always)]
unsafe fn store_run(payload: Payload, offset: usize, value: *const u8, run: Run, len: usize) {
    for at in (0..run.count).map(|n| run.offset + n * run.stride) {
        // SAFETY: runs lie within the value, where its bytes are initialised (`SharedLayout`: the
        // schema tells the truth), and the payload has room for them (this function's contract).
        unsafe { payload.store(offset + at, value.add(at), len) };
    }
}

/// Stores what is not padding of a value at the start of the payload, as [`store`] does, by a schema
/// that is looked at now: slower, and there once for all types.
///
/// # Safety
///
/// The payload has room for a value of this layout, and `value` is one.
pub(super) unsafe fn store_by_schema(payload: Payload, schema: &Schema, value: *const u8) {
    // SAFETY: the runs are of the schema, `value` is one of its values, and the payload has room for
    // it (this function's contract).
    layout::for_each_window(schema, 0, |runs| unsafe {
        store_runs(payload, 0, value, runs)
    });
}

/// The bytes of a value, with zeros in its padding.
pub(super) fn bytes_to_store<F: SharedLayout>(value: &F) -> Vec<u8> {
    let mut bytes = vec![0; size_of::<F>()];
    value.for_each_byte(0, &mut |at, part| {
        bytes[at..][..part.len()].copy_from_slice(part);
    });
    bytes
}

/// Stores the value of a segment that is being born, unless the caller's code that made the value
/// has forked, and this is the child, or a part of the value stands for what is not there.
pub(crate) fn store_first<T: SharedLayout>(
    locked: &Locked<'_>,
    payload: Payload,
    value: &T,
) -> Result<(), Fault> {
    locked.check_process()?;
    if const { T::SCHEMA.has_others() } {
        let bytes = bytes_to_store(value);
        if layout::first_other(T::SCHEMA, 0, &bytes).is_some() {
            return Err(Fault::Invalid(bytes.into()));
        }
    }
    assert!(
        size_of::<T>() <= payload.capacity(),
        "a newborn has room for its value"
    );
    // SAFETY: it has room, and a `T` has the layout of its schema.
    unsafe { store_by_schema(payload, T::SCHEMA, (&raw const *value).cast()) };
    Ok(())
}

/// Stores the bytes of a value of this schema as the first one.
pub(crate) fn store_bytes_first(
    locked: &Locked<'_>,
    payload: Payload,
    schema: &Schema,
    bytes: &[u8],
) -> Result<(), Fault> {
    locked.check_process()?;
    assert!(
        bytes.len() == schema.size() && bytes.len() <= payload.capacity(),
        "a newborn has room for its value"
    );
    // SAFETY: it has room, and the bytes are as many as a value of the schema has, all of them initialised.
    unsafe { store_by_schema(payload, schema, bytes.as_ptr()) };
    Ok(())
}

/// Commits a value of this schema, which that in force extends or is, under a version of the caller's: see
/// [`Locked::finish_as`].
pub(crate) fn finish_bytes_as(
    locked: Locked<'_>,
    version: u64,
    schema: &Schema,
    bytes: &[u8],
) -> bool {
    assert!(
        bytes.len() == schema.size() && bytes.len() <= locked.capacity(),
        "what is in force has room for what it extends"
    );
    // SAFETY: there is room, and the bytes are as many as a value of the schema has, all of them initialised.
    locked.finish_as(version, |payload| unsafe {
        store_by_schema(payload, schema, bytes.as_ptr())
    })
}

/// Stores the template of a table that is being born: zeros, but for what an owner's program may not know, since a later
/// version has brought it.
pub(crate) fn store_template(
    locked: &Locked<'_>,
    payload: Payload,
    of: &Type,
) -> Result<(), Fault> {
    let mut stored = Ok(());
    (of.for_each_missing)(1, &mut |offset, default| {
        // Each time: the expressions of defaults are the caller's code.
        stored = locked.check_process();
        if stored.is_ok() {
            let end = offset + default.len();
            assert!(end <= payload.capacity(), "a newborn has room for its rows");
            // SAFETY: within the capacity, as was checked; `default` has that many bytes.
            unsafe { payload.store(offset, default.as_ptr(), default.len()) };
        }
    });
    stored
}

/// Refuses zeros as the first value where they stand for variants that this program does not know.
pub(crate) fn check_zeros<T: SharedLayout>() -> Result<(), Fault> {
    if const { T::SCHEMA.has_others() } {
        let mut zeros = vec![0; size_of::<T>()];
        layout::settle(T::SCHEMA, 0, &mut zeros);
        if layout::first_other(T::SCHEMA, 0, &zeros).is_some() {
            return Err(Fault::Invalid(zeros.into()));
        }
    }
    Ok(())
}

/// Stores what is not padding of a value, but nothing outside of `changed`.
///
/// # Safety
///
/// The payload has room for a `T`, and `bytes` has what is initialised of one.
pub(super) unsafe fn store_within<T: SharedLayout>(
    payload: Payload,
    changed: Span,
    bytes: *const u8,
) {
    for_each_comb::<T>(|at, comb| {
        let start = changed.offset.max(at);
        let end = (changed.offset + changed.len).min(at + comb.len());
        if start >= end {
            return;
        }
        let within = |start, end| {
            comb.each_within(Span::between(start, end), |part, len| {
                // SAFETY: a part of a stretch, which lies within the `T`, where the value's bytes are
                // initialised (`SharedLayout`: the schema tells the truth); the payload has room for a
                // `T` (this function's contract).
                unsafe { payload.store(at + part, bytes.add(at + part), len) };
            });
        };
        // The repetitions that lie in it whole, and what lies on both sides of them.
        let (start, end) = (start - at, end - at);
        let (first, last) = (start.div_ceil(comb.stride), end / comb.stride);
        if comb.count == 1 || first >= last || const { T::SCHEMA.has_opaque() } {
            return within(start, end);
        }
        let (first_at, last_at) = (first * comb.stride, last * comb.stride);
        within(start, first_at);
        let whole = Comb {
            count: last - first,
            ..comb
        };
        // SAFETY: a part of a comb, which lies within the `T`, where the value's bytes are initialised
        // (`SharedLayout`: the schema tells the truth); the payload has room for a `T` (this
        // function's contract).
        unsafe { payload.store_comb(at + first_at, bytes.add(at + first_at), whole) };
        within(last_at, end);
    });
}

/// A span outside of which a value has the bytes that the payload holds; `None` if it has them
/// everywhere.
///
/// # Safety
///
/// The payload has room for a `T`, and `bytes` has what is initialised of one.
pub(super) unsafe fn difference<T: SharedLayout>(
    locked: &impl Held,
    bytes: *const u8,
) -> Option<Span> {
    let mut changed: Option<Span> = None;
    for_each_comb::<T>(|at, comb| {
        // SAFETY: a comb lies within the `T`, where the value's bytes are initialised (`SharedLayout`: the
        // schema tells the truth); the payload has room for a `T` (this function's contract).
        if let Some(found) = unsafe { locked.difference(at, bytes.add(at), comb) } {
            changed = Some(changed.map_or(found, |changed| changed.hull(found)));
        }
    });
    changed
}
