//! The bridge between a `T` and the bytes in a segment: but for the slices of a `FixedVec`, the one
//! place outside `sysv` and `protocol` that needs `unsafe` blocks.
//!
//! Into a `T`: all its bytes are copied to private memory, then judged, then called a `T`. Out of a
//! `T`: only bytes that its schema calls part of a field are read, since padding is uninitialised,
//! and only those are stored, since padding in the segment may hold a field of a newer program.

use std::fmt;
use std::marker::PhantomData;
use std::mem::{self, MaybeUninit};
use std::slice;

use crate::error::{Context, Error};
use crate::field::Field;
use crate::layout::{SharedLayout, first_invalid_at, make_valid};
use crate::protocol::{self, Fault, LONG, Locked, Payload, Segment, Span};
use crate::sysv::{Key, shm};

mod gaps;
mod older;
mod raw;
mod stretches;

use gaps::{Gaps, store_whole};
use older::Older;
pub(crate) use raw::RawTyped;
pub(crate) use stretches::store_first;
use stretches::{difference, for_each_stretch, store, store_within};

/// The largest value that is kept on the stack where the heap would do, or twice.
pub(crate) const ON_STACK: usize = 4096;

/// The largest value that may live in registers from where it is made to where it is stored, if
/// nobody is told its address.
pub(crate) const IN_REGISTERS: usize = 256;

/// A value together with the version that it had in the segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Snapshot<T> {
    /// The value.
    pub value: T,
    /// The version: 1 for the value of birth; each commit raises it.
    pub version: u64,
}

/// A segment that holds a `T`, or a later or an earlier version of it.
///
/// Of an earlier one it may have less than `size_of::<T>()` bytes: then no state is one under which
/// bytes are [read](Segment::read_as) or [written](Segment::write_as) as they lie.
///
/// Methods that take a [`Field`] serve the whole value as well: it is the field at offset 0 that is
/// as large as the value.
#[derive(Debug)]
pub(crate) struct Typed<T> {
    segment: Segment,
    /// Where reads put defaults in the place of what the segment lacks, see [`older`].
    older: Older,
    value: PhantomData<T>,
}

impl<T: SharedLayout> Typed<T> {
    /// Checks that the segment holds a `T`, or an earlier or later version of it. An earlier one
    /// serves for reading; for writing it is upgraded, if `upgrade` says so.
    pub(crate) fn new(
        segment: Segment,
        upgrade: bool,
        operation: &'static str,
    ) -> Result<Typed<T>, Error> {
        let typed = Typed::unchecked(segment);
        typed.settle(upgrade, operation)?;
        Ok(typed)
    }

    /// Nothing is known of the segment yet: [`Typed::settle`] comes before anything else.
    pub(crate) fn unchecked(segment: Segment) -> Typed<T> {
        Typed {
            segment,
            older: Older::default(),
            value: PhantomData,
        }
    }

    /// Does what [`Typed::new`] says.
    pub(crate) fn settle(&self, upgrade: bool, operation: &'static str) -> Result<(), Error> {
        let judged = self.judge(operation)?;
        let upgrade = upgrade && self.lacks_fields(judged);
        if !upgrade {
            self.heed(judged, operation)?;
            self.segment.write_as(judged.state, judged.stored);
        }
        if self.segment.is_writable() {
            // Now, while the process has the rights that it will write by.
            self.segment.join().map_err(self.explain(operation))?;
        }
        if upgrade {
            self.upgrade(operation)?;
        }
        Ok(())
    }

    /// Whether such an error says that the segment is of no use to this program.
    pub(crate) fn is_unfit(&self, error: &Error, operation: &'static str) -> bool {
        match error {
            Error::NoRoom { .. } | Error::Mismatch { .. } => true,
            // Damage of the semaphore set is none of the value.
            Error::Damaged { .. } => {
                matches!(self.judge(operation), Err(Error::Damaged { .. }))
            }
            _ => false,
        }
    }

    #[inline(always)]
    pub(crate) fn segment(&self) -> &Segment {
        &self.segment
    }

    /// Names the segment and the version of its value, in few words.
    pub(crate) fn fmt_as(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt_segment::<T>(f, name, self.segment.key(), self.segment.id())
            .field("version", &self.segment.version())
            .finish()
    }

    /// Makes an [`Error`] of a [`Fault`].
    #[inline]
    pub(crate) fn explain(&self, operation: &'static str) -> impl FnOnce(Fault) -> Error {
        // The context is put together when there is a fault, not before each call that may have
        // one.
        let segment = &self.segment;
        move |fault| {
            let context = Context::of_attached(operation, segment.key(), segment.id());
            Error::from_fault(fault, context, size_of::<T>())
        }
    }

    /// What the kernel knows of the segment.
    pub(crate) fn info(&self, operation: &'static str) -> Result<shm::Stat, Error> {
        protocol::info(&self.segment).map_err(self.explain(operation))
    }

    /// Reads a field.
    #[inline(always)]
    pub(crate) fn read<F: SharedLayout>(
        &self,
        field: Field<T, F>,
        operation: &'static str,
    ) -> Result<Snapshot<F>, Error> {
        if const { size_of::<F>() > LONG } {
            let mut place = Place::new();
            let version = self.read_to_memory(field, &mut place.value, operation)?;
            // SAFETY: `read_to_memory` made it an `F`.
            let value = unsafe { place.value.assume_init() };
            return Ok(Snapshot { value, version });
        }
        let mut value = MaybeUninit::uninit();
        let version = match self.try_read_to(field, &mut value) {
            Some(version) => version,
            // Not told of `value`: as long as its address stays here it can live in registers.
            None => return self.read_persistently(field, operation),
        };
        // SAFETY: `try_read_to` made it an `F`.
        let value = unsafe { value.assume_init() };
        Ok(Snapshot { value, version })
    }

    /// Reads the value.
    ///
    /// Wherever it comes from, it goes through one place and into one `Ok`: joining two results
    /// costs a move of a large value. For the same reason this does not drop the version from what
    /// [`Typed::read`] gives.
    #[inline(always)]
    pub(crate) fn read_value(&self, operation: &'static str) -> Result<T, Error> {
        if const { size_of::<T>() > LONG } {
            let mut place = Place::<T>::new();
            self.read_to_memory(Field::WHOLE, &mut place.value, operation)?;
            // SAFETY: `read_to_memory` made it a `T`.
            return Ok(unsafe { place.value.assume_init() });
        }
        let mut value = MaybeUninit::uninit();
        if self.try_read_to(Field::WHOLE, &mut value).is_none() {
            match self.read_persistently(Field::WHOLE, operation) {
                Ok(snapshot) => value.write(snapshot.value),
                Err(error) => return Err(error),
            };
        }
        // SAFETY: one of the calls made it a `T`, or a `T` was written to it.
        Ok(unsafe { value.assume_init() })
    }

    #[cold]
    #[inline(never)]
    fn read_persistently<F: SharedLayout>(
        &self,
        field: Field<T, F>,
        operation: &'static str,
    ) -> Result<Snapshot<F>, Error> {
        let mut value = MaybeUninit::uninit();
        let version = self.read_to(field, &mut value, operation)?;
        // SAFETY: `read_to` made it an `F`.
        let value = unsafe { value.assume_init() };
        Ok(Snapshot { value, version })
    }

    /// Reads the value and lends it to `look` where it lies: nothing is moved.
    #[inline(always)]
    pub(crate) fn read_with<R>(
        &self,
        look: impl FnOnce(&T) -> R,
        operation: &'static str,
    ) -> Result<R, Error> {
        let mut place = Place::<T>::new();
        let value = &mut place.value;
        if const { size_of::<T>() > LONG } {
            self.read_to_memory(Field::WHOLE, value, operation)?;
        } else if self.try_read_to(Field::WHOLE, value).is_none() {
            self.read_to(Field::WHOLE, value, operation)?;
        }
        // SAFETY: one of the calls made it a `T`.
        Ok(look(unsafe { value.assume_init_ref() }))
    }

    /// Reads the value into a box, without a copy on the stack. One allocation.
    pub(crate) fn read_boxed(&self, operation: &'static str) -> Result<Box<T>, Error> {
        let mut value = Box::new_uninit();
        self.read_to_memory(Field::WHOLE, &mut value, operation)?;
        // SAFETY: `read_to_memory` made it a `T`.
        Ok(unsafe { value.assume_init() })
    }

    /// Reads the value over an older one; returns its version. After an error, or a panic of a
    /// default, `value` is some `T`.
    #[inline]
    pub(crate) fn read_over(&self, value: &mut T, operation: &'static str) -> Result<u64, Error> {
        // SAFETY: `MaybeUninit<T>` "is guaranteed to have the same size, alignment, and ABI as
        // `T`", and `value` is ours alone. Every way out of this function leaves a valid `T` in it:
        // after `Ok` the one that was read, else that of `Owed`.
        let owed = Owed(unsafe { &mut *(&raw mut *value).cast::<MaybeUninit<T>>() });
        let place = &mut *owed.0;
        let read = if const { size_of::<T>() > LONG } {
            self.read_to_memory(Field::WHOLE, place, operation)
        } else {
            match self.try_read_to(Field::WHOLE, place) {
                Some(version) => Ok(version),
                None => self.read_to(Field::WHOLE, place, operation),
            }
        };
        if read.is_ok() {
            mem::forget(owed);
        }
        read
    }

    /// Fills `place`, if that succeeds at once. After `Some` it holds an `F`.
    #[inline(always)]
    fn try_read_to<F: SharedLayout>(
        &self,
        field: Field<T, F>,
        place: &mut MaybeUninit<F>,
    ) -> Option<u64> {
        // SAFETY: a field lies within the `T`, for which `Typed::heed` was told that there is room
        // under the state that it names to the segment.
        let version = unsafe {
            self.segment
                .try_read(field.span(), place.as_mut_ptr().cast())
        }?;
        // SAFETY: all bytes were copied.
        unsafe { is_valid(place) }.then_some(version)
    }

    /// Fills `place`, by the way for many bytes. After `Ok` it holds an `F`.
    #[inline(always)]
    fn read_to_memory<F: SharedLayout>(
        &self,
        field: Field<T, F>,
        place: &mut MaybeUninit<F>,
        operation: &'static str,
    ) -> Result<u64, Error> {
        // SAFETY: as in `try_read_to`.
        let version = unsafe {
            self.segment
                .try_read_long(field.span(), place.as_mut_ptr().cast())
        };
        match version {
            // SAFETY: all bytes were copied.
            Some(version) if unsafe { is_valid(place) } => Ok(version),
            _ => self.read_to(field, place, operation),
        }
    }

    /// Fills `place`. After `Ok` it holds an `F`.
    #[cold]
    #[inline(never)]
    fn read_to<F: SharedLayout>(
        &self,
        field: Field<T, F>,
        place: &mut MaybeUninit<F>,
        operation: &'static str,
    ) -> Result<u64, Error> {
        let version = self.read_bytes(field, place, operation)?;
        // SAFETY: all bytes were written.
        unsafe { self.judge_value(field, place, operation) }?;
        Ok(version)
    }

    /// Reads a field under the lock, to `place`. After `Ok` it holds an `F`.
    #[inline(always)]
    fn load_to<F: SharedLayout>(
        &self,
        locked: &Locked<'_>,
        field: Field<T, F>,
        place: &mut MaybeUninit<F>,
        operation: &'static str,
    ) -> Result<(), Error> {
        // SAFETY: as in `try_read_to`.
        unsafe { locked.load(field.span(), place.as_mut_ptr().cast()) };
        // SAFETY: all bytes were copied.
        unsafe { self.judge_value(field, place, operation) }
    }

    /// Reads a field under the lock.
    #[inline(always)]
    pub(crate) fn load<F: SharedLayout>(
        &self,
        locked: &Locked<'_>,
        field: Field<T, F>,
        operation: &'static str,
    ) -> Result<F, Error> {
        let mut value = MaybeUninit::uninit();
        self.load_to(locked, field, &mut value, operation)?;
        // SAFETY: `load_to` made it an `F`.
        Ok(unsafe { value.assume_init() })
    }

    /// Reads the value under the lock into a box. One allocation.
    pub(crate) fn load_boxed(
        &self,
        locked: &Locked<'_>,
        operation: &'static str,
    ) -> Result<Box<T>, Error> {
        let mut value = Box::new_uninit();
        self.load_to(locked, Field::WHOLE, &mut value, operation)?;
        // SAFETY: `load_to` made it a `T`.
        Ok(unsafe { value.assume_init() })
    }

    /// Commits a value; returns its version.
    #[inline(always)]
    pub(crate) fn commit(&self, locked: &mut Locked<'_>, value: &T) -> u64 {
        let gaps = const { Gaps::of::<T>() };
        // SAFETY: the lock is given out only where the segment was found to have room for a `T`;
        // the gaps of a `T` lie within it.
        unsafe {
            locked.commit(size_of::<T>(), gaps.spans(), |payload| {
                store_whole(payload, value)
            })
        }
    }

    /// Reads the value under the lock, has it changed where it lies, on the stack, and commits it.
    #[inline(always)]
    pub(crate) fn update_in_place(
        &self,
        locked: &mut Locked<'_>,
        change: impl FnOnce(&mut T),
        operation: &'static str,
    ) -> Result<u64, Error> {
        let mut place = MaybeUninit::uninit();
        self.load_to(locked, Field::WHOLE, &mut place, operation)?;
        // SAFETY: `load_to` made it a `T`.
        let value = unsafe { place.assume_init_mut() };
        change(value);
        locked.check().map_err(self.explain(operation))?;
        Ok(self.commit(locked, value))
    }

    /// Commits one field; returns the new version.
    #[inline(always)]
    pub(crate) fn commit_field<F: SharedLayout>(
        &self,
        locked: &mut Locked<'_>,
        field: Field<T, F>,
        value: &F,
    ) -> u64 {
        let span = field.span();
        // SAFETY: as in `commit`; a field lies within the `T`.
        unsafe { locked.commit_part(span, |payload| store(payload, span.offset, value)) }
    }

    /// Commits a value of which most bytes are those that stand already: only the others are
    /// written. Returns the new version.
    pub(crate) fn commit_difference(&self, locked: &mut Locked<'_>, value: &T) -> u64 {
        // SAFETY: as in `commit`.
        let changed = unsafe { difference(locked, value) };
        let changed = changed.unwrap_or(Span { offset: 0, len: 1 });
        // SAFETY: as in `commit`; the difference lies within the `T`.
        unsafe { locked.commit_part(changed, |payload| store_within(payload, changed, value)) }
    }

    /// Commits the bytes that [`Batch`](crate::writer::Batch) has collected; returns the new
    /// version.
    pub(crate) fn commit_stores(&self, locked: &mut Locked<'_>, stores: &Stores) -> u64 {
        let write = |payload: Payload| {
            for (span, bytes) in stores.iter() {
                // SAFETY: spans lie within a `T` (`Stores::push`), and `bytes` has as many.
                unsafe { payload.store(span.offset, bytes.as_ptr(), span.len) };
            }
        };
        let changed = stores.hull().unwrap_or(Span { offset: 0, len: 1 });
        // SAFETY: as in `commit`; the hull of spans within the `T` lies within it.
        unsafe { locked.commit_part(changed, write) }
    }

    /// # Safety
    ///
    /// Every byte of `place` is initialised.
    #[inline(always)]
    unsafe fn judge_value<F: SharedLayout>(
        &self,
        field: Field<T, F>,
        place: &MaybeUninit<F>,
        operation: &'static str,
    ) -> Result<(), Error> {
        // SAFETY: the caller's promise.
        if unsafe { is_valid(place) } {
            return Ok(());
        }
        // SAFETY: the caller's promise.
        Err(self.invalid(field.span().offset, unsafe { bytes_of(place) }, operation))
    }
}

/// Begins to show something that lies in a segment: `SharedBox<StPid> { key: 0x00001234, id: 5`.
fn fmt_segment<'a, 'b, T: SharedLayout>(
    f: &'a mut fmt::Formatter<'b>,
    name: &str,
    key: Key,
    id: shm::Id,
) -> fmt::DebugStruct<'a, 'b> {
    let mut shown = f.debug_struct(&format!("{name}<{}>", T::SCHEMA));
    shown
        .field("key", &format_args!("{key}"))
        .field("id", &format_args!("{id}"));
    shown
}

/// Where a large value lies before it is moved to where the caller wants it.
///
/// `memcpy` with "rep movsb" takes 27 times as long if the copy begins 1 to 15 bytes after the
/// source modulo 4096 (glibc 2.36, Zen 4), and the compiler likes to lay two places of whole pages
/// that way. So this one keeps its distance on both sides. Its alignment lets the processor forward
/// what was just stored.
#[repr(C, align(64))]
struct Place<T> {
    before: MaybeUninit<[u8; 64]>,
    value: MaybeUninit<T>,
    after: MaybeUninit<[u8; 64]>,
}

impl<T> Place<T> {
    #[inline(always)]
    fn new() -> Place<T> {
        Place {
            before: MaybeUninit::uninit(),
            value: MaybeUninit::uninit(),
            after: MaybeUninit::uninit(),
        }
    }
}

/// Whether the bytes of `place` are a `T`.
///
/// # Safety
///
/// Every byte of `place` is initialised.
#[inline(always)]
unsafe fn is_valid<T: SharedLayout>(place: &MaybeUninit<T>) -> bool {
    // SAFETY: the caller's promise.
    (const { T::SCHEMA.any_bits() }) || T::bits_are_valid(unsafe { bytes_of(place) })
}

/// # Safety
///
/// Every byte of `place` is initialised.
#[inline(always)]
unsafe fn bytes_of<T>(place: &MaybeUninit<T>) -> &[u8] {
    // SAFETY: `size_of::<T>()` bytes behind one reference, initialised as the caller promises; any
    // byte is a `u8`.
    unsafe { slice::from_raw_parts(place.as_ptr().cast(), size_of::<T>()) }
}

/// A place of the caller's in which there must be a `T` in the end: unless this is forgotten, some
/// `T`.
struct Owed<'a, T: SharedLayout>(&'a mut MaybeUninit<T>);

impl<T: SharedLayout> Drop for Owed<'_, T> {
    #[inline]
    fn drop(&mut self) {
        leave_valid(self.0);
    }
}

/// Puts some `T` in a place that may hold anything: zeros, where they are a value.
#[cold]
fn leave_valid<T: SharedLayout>(place: &mut MaybeUninit<T>) {
    if const { !T::SCHEMA.any_bits() } {
        let first = place.as_mut_ptr().cast::<u8>();
        // SAFETY: the place has `size_of::<T>()` bytes. They are written as bytes, padding too, and
        // so are all initialised.
        let bytes = unsafe {
            first.write_bytes(0, size_of::<T>());
            slice::from_raw_parts_mut(first, size_of::<T>())
        };
        make_valid(T::SCHEMA, bytes);
    }
}

/// The error that names the wrong part of a `T` of which `bytes`, from `offset` on, were read.
#[cold]
pub(crate) fn invalid<T: SharedLayout>(offset: usize, bytes: &[u8], context: Context) -> Error {
    match first_invalid_at(T::SCHEMA, offset, bytes) {
        Some(source) => Error::Invalid {
            context,
            source: Box::new(source),
        },
        None => Error::Damaged {
            context,
            what: "its bytes are no value of the type".into(),
        },
    }
}

/// Stores to several fields of one value, collected to become one commit.
#[derive(Default)]
pub(crate) struct Stores {
    spans: Vec<Span>,
    bytes: Vec<u8>,
}

impl Stores {
    /// Adds what is not padding of a field's value.
    pub(crate) fn push<T, F: SharedLayout>(&mut self, field: Field<T, F>, value: &F) {
        let source = (&raw const *value).cast::<u8>();
        for_each_stretch::<F>(|at, len| {
            self.spans.push(Span {
                offset: field.span().offset + at,
                len,
            });
            // SAFETY: a stretch lies within the `F`, where the value's bytes are initialised.
            self.bytes
                .extend_from_slice(unsafe { slice::from_raw_parts(source.add(at), len) });
        });
    }

    /// How many stretches were stored to.
    pub(crate) fn len(&self) -> usize {
        self.spans.len()
    }

    fn iter(&self) -> impl Iterator<Item = (Span, &[u8])> {
        let mut rest = self.bytes.as_slice();
        self.spans.iter().map(move |&span| {
            let (bytes, later) = rest.split_at(span.len);
            rest = later;
            (span, bytes)
        })
    }

    fn hull(&self) -> Option<Span> {
        self.spans.iter().copied().reduce(Span::hull)
    }
}
