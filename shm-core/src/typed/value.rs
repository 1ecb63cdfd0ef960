//! `Typed`: reads and commits of whole values and of fields.

use std::marker::PhantomData;
use std::mem::{self, MaybeUninit};
use std::time::Instant;

use super::attached::Attached;
use super::buffer::{ON_STACK, Owed, Spaced, bytes_of};
use super::elements;
use super::failure::Failure;
use super::field::Field;
use super::gaps::{gaps, store_whole};
use super::kept::{counts, fill_counts, is_valid, keeps, with_kept};
use super::stores::Stores;
use super::stretches::{difference, store, store_within};
use crate::layout::SharedLayout;
use crate::protocol::{Fault, Held, LONG, Locked, Span};

/// The largest value that may live in registers from where it is made to where it is stored, if
/// no other function is told its address.
pub(crate) const IN_REGISTERS: usize = 256;

/// A value together with the version that it had in the segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Snapshot<T> {
    /// The value.
    pub value: T,
    /// The version: 1 for the value of birth; each commit raises it.
    pub version: u64,
}

/// An [`Attached`] of a `T`.
///
/// Methods that take a [`Field`] serve the whole value as well: it is the field at offset 0 that is
/// as large as the value. Methods that return a value take a function that makes an error of a
/// [`Failure`], since what passes through one more `Result` is moved once more.
///
/// # Invariants
///
/// - **type**: the attachment's type is `T`, so where it says that there is room for its type, there
///   is room for a `T`, and for each of its fields.
#[derive(Debug)]
#[repr(transparent)]
pub(crate) struct Typed<T> {
    attached: Attached,
    value: PhantomData<T>,
}

impl<T: SharedLayout> Typed<T> {
    /// Of an attachment whose type is `T`.
    pub(crate) fn new(attached: Attached) -> Typed<T> {
        assert!(
            attached.of().fingerprint == T::FINGERPRINT && attached.of().size() == size_of::<T>(),
            "an attachment is called what it was settled as"
        );
        Typed {
            attached,
            value: PhantomData,
        }
    }

    #[inline(always)]
    pub(crate) fn attached(&self) -> &Attached {
        &self.attached
    }

    /// Reads a field.
    #[inline(always)]
    pub(crate) fn read<F: SharedLayout, E>(
        &self,
        field: Field<T, F>,
        explain: impl FnOnce(Failure) -> E,
    ) -> Result<Snapshot<F>, E> {
        if const { size_of::<F>() > LONG } {
            let mut place = Spaced::new();
            let version = match self.fill(field, &mut place.value) {
                Ok(version) => version,
                Err(failure) => return Err(explain(failure)),
            };
            // SAFETY: `fill` made it an `F`.
            let value = unsafe { place.value.assume_init() };
            return Ok(Snapshot { value, version });
        }
        let mut value = MaybeUninit::uninit();
        let version = match self.try_read_to(field, &mut value) {
            Some(version) => version,
            // Not told of `value`: as long as its address stays here it can live in registers.
            None => return self.read_persistently(field, explain),
        };
        // SAFETY: `try_read_to` made it an `F`.
        let value = unsafe { value.assume_init() };
        Ok(Snapshot { value, version })
    }

    /// Reads a field that may be in an element which is not there.
    #[inline(always)]
    pub(crate) fn read_present<F: SharedLayout, E>(
        &self,
        field: Field<T, F>,
        explain: impl FnOnce(Failure) -> E,
    ) -> Result<Snapshot<F>, E> {
        if field.is_element() {
            return self.read_element(field).map_err(explain);
        }
        self.read(field, explain)
    }

    /// Reads a part of an element, and the length of its vector, of one version.
    #[cold]
    #[inline(never)]
    fn read_element<F: SharedLayout>(&self, field: Field<T, F>) -> Result<Snapshot<F>, Failure> {
        let start = Instant::now();
        loop {
            let (mut first, mut last) = (u64::MAX, 0);
            elements::check(T::SCHEMA, field.span(), &mut |at| {
                let length = self.read(Field::<T, u32>::at_offset(at), |failure| failure)?;
                first = first.min(length.version);
                last = last.max(length.version);
                Ok(length.value)
            })?;
            let seen = self.read(field, |failure| failure);
            let version = match &seen {
                Ok(seen) => seen.version,
                Err(_) => self.attached.segment().version(),
            };
            if first == version && last == version {
                return seen;
            }
            let waited = start.elapsed();
            if waited >= self.attached.segment().limit() {
                return Err(Fault::Overtaken { waited }.into());
            }
        }
    }

    /// Checks under the lock that a field is there: in no element that its vector lacks.
    #[inline(always)]
    pub(crate) fn find<F>(&self, locked: &impl Held, field: Field<T, F>) -> Result<(), Failure> {
        if !field.is_element() {
            return Ok(());
        }
        elements::check(T::SCHEMA, field.span(), &mut |at| {
            self.load(locked, Field::<T, u32>::at_offset(at), |failure| failure)
        })
    }

    /// Reads the value.
    ///
    /// Wherever it comes from, it goes through one place and into one `Ok`: joining two results
    /// costs a move of a large value. For the same reason this does not drop the version from what
    /// [`Typed::read`] gives.
    #[inline(always)]
    pub(crate) fn read_value<E>(&self, explain: impl FnOnce(Failure) -> E) -> Result<T, E> {
        if const { size_of::<T>() > LONG } {
            let mut place = Spaced::<T>::new();
            if let Err(failure) = self.fill(Field::WHOLE, &mut place.value) {
                return Err(explain(failure));
            }
            // SAFETY: `fill` made it a `T`.
            return Ok(unsafe { place.value.assume_init() });
        }
        let mut value = MaybeUninit::uninit();
        if self.try_read_to(Field::WHOLE, &mut value).is_none() {
            match self.read_persistently(Field::WHOLE, explain) {
                Ok(snapshot) => value.write(snapshot.value),
                Err(error) => return Err(error),
            };
        }
        // SAFETY: `try_read_to` made it a `T`, or a `T` was written to it.
        Ok(unsafe { value.assume_init() })
    }

    /// Reads a field, with patience: after a wait, or where it did not succeed at once.
    #[cold]
    #[inline(never)]
    pub(crate) fn read_persistently<F: SharedLayout, E>(
        &self,
        field: Field<T, F>,
        explain: impl FnOnce(Failure) -> E,
    ) -> Result<Snapshot<F>, E> {
        let mut value = MaybeUninit::uninit();
        let version = self.read_to(field, &mut value).map_err(explain)?;
        // SAFETY: `read_to` made it an `F`.
        let value = unsafe { value.assume_init() };
        Ok(Snapshot { value, version })
    }

    /// Reads the value and lends it to `look` where it lies: nothing is moved.
    #[inline(always)]
    pub(crate) fn read_with<R, E>(
        &self,
        look: impl FnOnce(&T) -> R,
        explain: impl FnOnce(Failure) -> E,
    ) -> Result<R, E> {
        let mut place = Spaced::<T>::new();
        match self.fill(Field::WHOLE, &mut place.value) {
            // SAFETY: `fill` made it a `T`.
            Ok(_) => Ok(look(unsafe { place.value.assume_init_ref() })),
            Err(failure) => Err(explain(failure)),
        }
    }

    /// Reads the value into a box, without a copy on the stack. One allocation.
    pub(crate) fn read_boxed(&self) -> Result<Box<T>, Failure> {
        let mut value = Box::new_uninit();
        self.fill(Field::WHOLE, &mut value)?;
        // SAFETY: `fill` made it a `T`.
        Ok(unsafe { value.assume_init() })
    }

    /// Reads the value over an older one; returns its version. After an error, or a panic of a
    /// default, `value` is some `T`.
    #[inline]
    pub(crate) fn read_over(&self, value: &mut T) -> Result<u64, Failure> {
        // SAFETY: `MaybeUninit<T>` "is guaranteed to have the same size, alignment, and ABI as
        // `T`", and `value` is ours alone. Every way out of this function leaves a valid `T` in it:
        // after `Ok` the one that was read, else that of `Owed`.
        let owed = Owed(unsafe { &mut *(&raw mut *value).cast::<MaybeUninit<T>>() });
        let version = self.fill(Field::WHOLE, &mut *owed.0)?;
        mem::forget(owed);
        Ok(version)
    }

    /// Fills `place`, if that succeeds at once. After `Some` it holds an `F`.
    #[inline(always)]
    fn try_read_to<F: SharedLayout>(
        &self,
        field: Field<T, F>,
        place: &mut MaybeUninit<F>,
    ) -> Option<u64> {
        // SAFETY: a field lies within the `T`, for which there is room under the state that
        // `Segment::read_as` was told last, unless with an older version (**room**, **type**); the place has the bytes of an `F`.
        let version = unsafe {
            let segment = self.attached.segment();
            segment.try_read(field.span(), place.as_mut_ptr().cast())
        }?;
        // SAFETY: after `Some` all bytes of the place are initialised (`Segment::try_read`).
        unsafe { is_valid(field, place) }.then_some(version)
    }

    /// Fills `place` where it lies. After `Ok` it holds an `F`.
    #[inline(always)]
    fn fill<F: SharedLayout>(
        &self,
        field: Field<T, F>,
        place: &mut MaybeUninit<F>,
    ) -> Result<u64, Failure> {
        match self.try_read_to(field, place) {
            Some(version) => Ok(version),
            None => self.read_to(field, place),
        }
    }

    /// Fills `place`. After `Ok` it holds an `F`.
    #[cold]
    #[inline(never)]
    fn read_to<F: SharedLayout>(
        &self,
        field: Field<T, F>,
        place: &mut MaybeUninit<F>,
    ) -> Result<u64, Failure> {
        // SAFETY: a field lies within the `T`, which is the attachment's type (**type**), and the
        // place has the bytes of an `F`.
        let version = unsafe {
            let copies = self.attached.segment().copies();
            self.attached
                .read(copies, u32::MAX, field.span(), place.as_mut_ptr().cast())
        }?;
        // SAFETY: after `Ok` all bytes of the place are initialised (`Attached::read`).
        unsafe { self.judge(field, place) }?;
        Ok(version)
    }

    /// Reads a field under the lock, to `place`. After `Ok` it holds an `F`.
    #[inline(always)]
    fn load_to<F: SharedLayout>(
        &self,
        locked: &impl Held,
        field: Field<T, F>,
        place: &mut MaybeUninit<F>,
    ) -> Result<(), Failure> {
        // SAFETY: the lock is given out only under a state that `Segment::write_as` was told, for
        // which there is room for a `T` (**room**, **type**); a field lies within it, and the place
        // has the bytes of an `F`.
        unsafe { locked.load(field.span(), place.as_mut_ptr().cast()) };
        if const { counts::<T>() } {
            fill_counts(field, place, |at| locked.count(at));
        }
        // SAFETY: all bytes of the place were copied.
        unsafe { self.judge(field, place) }
    }

    /// Reads a field under the lock.
    #[inline(always)]
    pub(crate) fn load<F: SharedLayout, E>(
        &self,
        locked: &impl Held,
        field: Field<T, F>,
        explain: impl FnOnce(Failure) -> E,
    ) -> Result<F, E> {
        let mut value = MaybeUninit::uninit();
        match self.load_to(locked, field, &mut value) {
            // SAFETY: `load_to` made it an `F`.
            Ok(()) => Ok(unsafe { value.assume_init() }),
            Err(failure) => Err(explain(failure)),
        }
    }

    /// Reads the value under the lock into a box. One allocation.
    pub(crate) fn load_boxed(&self, locked: &impl Held) -> Result<Box<T>, Failure> {
        let mut value = Box::new_uninit();
        self.load_to(locked, Field::WHOLE, &mut value)?;
        // SAFETY: `load_to` made it a `T`.
        Ok(unsafe { value.assume_init() })
    }

    /// Reads the value under the lock, has it changed, and commits it: of a large one the part that
    /// is other than before. Waiters are still to be woken.
    #[inline(always)]
    pub(crate) fn update(
        &self,
        locked: &mut impl Held,
        change: impl FnOnce(&mut T),
    ) -> Result<u64, Failure> {
        let change = |value: &mut T| {
            change(value);
            Ok(())
        };
        Ok(self.try_update(locked, change, |failure| failure)?.version)
    }

    /// The same, unless the change fails. Tells what it answered.
    #[inline(always)]
    pub(crate) fn try_update<R, E, H: Held>(
        &self,
        locked: &mut H,
        change: impl FnOnce(&mut T) -> Result<R, E>,
        explain: impl Fn(Failure) -> E,
    ) -> Result<Snapshot<R>, E> {
        let check = |locked: &H| locked.check().map_err(Failure::from).map_err(&explain);
        if const { size_of::<T>() > ON_STACK } {
            let mut copy = self.load_boxed(locked).map_err(&explain)?;
            let value = change(&mut copy)?;
            check(locked)?;
            let version = self.commit_difference(locked, &copy);
            return Ok(Snapshot { value, version });
        }
        let mut place = MaybeUninit::uninit();
        let loaded = self.load_to(locked, Field::WHOLE, &mut place);
        loaded.map_err(&explain)?;
        // SAFETY: `load_to` made it a `T`.
        let copy = unsafe { place.assume_init_mut() };
        let value = change(copy)?;
        check(locked)?;
        let version = self.commit(locked, copy);
        Ok(Snapshot { value, version })
    }

    /// Commits a value; returns its version.
    #[inline(always)]
    pub(crate) fn commit<H: Held>(&self, locked: &mut H, value: &T) -> u64 {
        if const { keeps::<T, T>() } {
            // SAFETY: `with_kept` gives what is initialised of a `T`.
            let commit = |locked: &mut H, bytes| unsafe { self.commit_bytes(locked, bytes) };
            // SAFETY: there is room for a `T` under the state that is locked (**room**, **type**).
            return unsafe { with_kept(locked, Field::WHOLE, value, commit) };
        }
        // Not through `with_kept` too: a closure that is passed on stays a function of its own, and costs 30 instructions.
        // SAFETY: `value` is a `T`.
        unsafe { self.commit_bytes(locked, (&raw const *value).cast()) }
    }

    /// # Safety
    ///
    /// `bytes` has what is initialised of a `T`.
    #[inline(always)]
    unsafe fn commit_bytes(&self, locked: &mut impl Held, bytes: *const u8) -> u64 {
        let gaps = const { gaps::<T>() };
        // SAFETY: the lock is given out only under a state that `Segment::write_as` was told, for
        // which there is room for a `T` (**room**, **type**); the gaps of a `T` lie within it. `bytes`
        // are of a `T` (this function's contract).
        unsafe {
            locked.commit(size_of::<T>(), gaps, |payload| {
                store_whole::<T>(payload, bytes)
            })
        }
    }

    /// The same after something has gone wrong, and so seldom: small values by code that is there
    /// once for all types.
    pub(crate) fn commit_slowly(&self, locked: &mut Locked<'_>, value: &T) -> u64 {
        if const { size_of::<T>() > IN_REGISTERS || T::SCHEMA.has_others() } {
            return self.commit(locked, value);
        }
        // SAFETY: the attachment's type is `T` (**type**), of which `value` is one.
        unsafe { self.attached.commit(locked, (&raw const *value).cast()) }
    }

    /// Commits one field; returns the new version.
    #[inline(always)]
    pub(crate) fn commit_field<F: SharedLayout, H: Held>(
        &self,
        locked: &mut H,
        field: Field<T, F>,
        value: &F,
    ) -> u64 {
        if const { keeps::<T, F>() } {
            // SAFETY: `with_kept` gives what is initialised of an `F`.
            let commit =
                |locked: &mut H, bytes| unsafe { self.commit_bytes_of(locked, field, bytes) };
            // SAFETY: there is room for a `T` under the state that is locked (**room**, **type**).
            return unsafe { with_kept(locked, field, value, commit) };
        }
        // SAFETY: `value` is an `F`.
        unsafe { self.commit_bytes_of(locked, field, (&raw const *value).cast()) }
    }

    /// # Safety
    ///
    /// `bytes` has what is initialised of an `F`.
    #[inline(always)]
    unsafe fn commit_bytes_of<F: SharedLayout>(
        &self,
        locked: &mut impl Held,
        field: Field<T, F>,
        bytes: *const u8,
    ) -> u64 {
        let span = field.span();
        // SAFETY: the lock is given out only under a state that `Segment::write_as` was told, for
        // which there is room for a `T` (**room**, **type**); a field lies within it. `bytes` are of an
        // `F` (this function's contract).
        unsafe { locked.commit_part(span, |payload| store::<F>(payload, span.offset, bytes)) }
    }

    /// Commits a value of which most bytes are those that stand already: only the others are
    /// written. Returns the new version.
    fn commit_difference<H: Held>(&self, locked: &mut H, value: &T) -> u64 {
        let commit = |locked: &mut H, value| {
            // SAFETY: the lock is given out only under a state that `Segment::write_as` was told, for
            // which there is room for a `T` (**room**, **type**); `value` has its bytes (`with_kept`).
            let changed = unsafe { difference::<T>(locked, value) };
            let changed = changed.unwrap_or(Span { offset: 0, len: 1 });
            // SAFETY: there is room for a `T` under the state that is locked (**room**, **type**), and the difference lies within
            // it.
            unsafe {
                locked.commit_part(changed, |payload| {
                    store_within::<T>(payload, changed, value)
                })
            }
        };
        // SAFETY: there is room for a `T` under the state that is locked (**room**, **type**).
        unsafe { with_kept(locked, Field::WHOLE, value, commit) }
    }

    /// Adds a store to a field of a value that is there.
    #[inline(always)]
    pub(crate) fn push<F: SharedLayout>(
        &self,
        locked: &mut Locked<'_>,
        stores: &mut Stores<T>,
        field: Field<T, F>,
        value: &F,
    ) {
        if const { keeps::<T, F>() } {
            // SAFETY: there is room for a `T` under the state that is locked (**room**, **type**), and
            // `with_kept` gives what is initialised of an `F`.
            unsafe { with_kept(locked, field, value, |_, bytes| stores.push(field, bytes)) }
        } else {
            // SAFETY: `value` is an `F`.
            unsafe { stores.push(field, (&raw const *value).cast()) }
        }
    }

    /// Commits stores to fields of a `T`; returns the new version.
    pub(crate) fn commit_stores(&self, locked: &mut Locked<'_>, stores: &Stores<T>) -> u64 {
        // SAFETY: the lock is given out only under a state that `Segment::write_as` was told, for
        // which there is room for a `T` (**room**, **type**); spans lie within it (**within** of
        // `Stores`).
        unsafe { stores.commit(locked) }
    }

    /// # Safety
    ///
    /// Every byte of `place` is initialised.
    #[inline(always)]
    pub(super) unsafe fn judge<F: SharedLayout>(
        &self,
        field: Field<T, F>,
        place: &mut MaybeUninit<F>,
    ) -> Result<(), Failure> {
        // SAFETY: every byte of `place` is initialised (this function's contract).
        if unsafe { is_valid(field, place) } {
            return Ok(());
        }
        // SAFETY: every byte of `place` is initialised (this function's contract).
        let bytes = unsafe { bytes_of(place) };
        Err(self.attached.invalid(field.span().offset, bytes))
    }
}
