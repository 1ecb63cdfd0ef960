//! `Writer`: the write lock held once for many commits.

use std::fmt;

#[cfg(doc)]
use super::error::ErrorKind;
use super::error::{Error, Operation};
use crate::layout::SharedLayout;
use crate::protocol::{Held, Locked, Mark};
use crate::typed::{Field, IN_REGISTERS, Integer, Stores, Typed};

/// The write lock of a [`SharedBox`](crate::SharedBox), held until this is dropped or the process
/// dies.
///
/// Each commit is visible to readers at once and wakes those who wait. It saves the two exchanges on
/// the lock that a commit without a `Writer` makes. It stays on its thread; meanwhile that thread's
/// other writes to the segment are errors, and other threads' and processes' writes wait.
///
/// ```
/// # use shm_core::{Key, SharedBox};
/// # fn main() -> Result<(), shm_core::Error> {
/// # let shared = SharedBox::<u64>::options().remove_on_drop(true).create_new(Key::PRIVATE, 0)?;
/// let mut writer = shared.writer()?;
/// for n in 1..=3 {
///     writer.set(n)?;
/// }
/// assert!(shared.set(9).is_err()); // beside this thread's own writer
/// drop(writer);
/// assert_eq!(shared.snapshot()?.version, 4);
/// # Ok(())
/// # }
/// ```
///
/// ```compile_fail
/// # use shm_core::{Key, SharedBox};
/// # let shared = SharedBox::<u64>::create_new(Key::PRIVATE, 0).unwrap();
/// let writer = shared.writer().unwrap();
/// std::thread::scope(|s| {
///     s.spawn(move || drop(writer)); // it may not leave its thread
/// });
/// ```
pub struct Writer<'a, T: SharedLayout> {
    typed: &'a Typed<T>,
    // Dropped in this order: the lock first.
    locked: Locked<'a>,
    _kept: Mark,
    closely: bool,
}

impl<'a, T: SharedLayout> Writer<'a, T> {
    pub(super) fn new(typed: &'a Typed<T>, mut locked: Locked<'a>) -> Writer<'a, T> {
        let kept = locked.keep();
        let closely = locked.looks_closely();
        Writer {
            typed,
            locked,
            _kept: kept,
            closely,
        }
    }

    /// The committed value.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] if a peer stored bytes that are no `T`, or a newer program a variant of an
    /// enum that this one does not know; [`ErrorKind::Removed`]; [`ErrorKind::Forked`] in a child that was
    /// forked meanwhile; [`ErrorKind::Damaged`].
    #[inline]
    pub fn get(&self) -> Result<T, Error> {
        self.load_for(Field::WHOLE, Operation::WriterGet)
    }

    /// The committed value in a box, for values too large for the stack.
    ///
    /// # Errors
    ///
    /// As for [`Writer::get`].
    pub fn get_boxed(&self) -> Result<Box<T>, Error> {
        self.check(Operation::WriterGetBoxed)?;
        let loaded = self.typed.load_boxed(&self.locked);
        loaded.map_err(self.typed.explain(Operation::WriterGetBoxed))
    }

    /// The version of the committed value. One load.
    #[inline]
    pub fn version(&self) -> u64 {
        self.locked.version()
    }

    /// Replaces the value; returns the new version. System calls: none, or one to wake those who
    /// wait.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Removed`]; [`ErrorKind::Forked`] in a child that was forked meanwhile;
    /// [`ErrorKind::Damaged`].
    #[inline]
    pub fn set(&mut self, value: T) -> Result<u64, Error> {
        self.set_from(&value)
    }

    /// Replaces the value by a copy of the one referred to; returns the new version.
    ///
    /// # Errors
    ///
    /// As for [`Writer::set`].
    #[inline]
    pub fn set_from(&mut self, value: &T) -> Result<u64, Error> {
        if self.locked.check_at_once() {
            return Ok(self.commit(value));
        }
        if const { size_of::<T>() <= IN_REGISTERS } {
            // As long as its address stays here the value itself can live in registers.
            let copy = *value;
            return self.commit_checked(&copy, Operation::WriterSet);
        }
        self.commit_checked(value, Operation::WriterSet)
    }

    /// Changes the value; returns the new version. A panic in `change` commits nothing.
    ///
    /// # Errors
    ///
    /// As for [`Writer::set`] and [`Writer::get`].
    #[inline]
    pub fn update(&mut self, change: impl FnOnce(&mut T)) -> Result<u64, Error> {
        if const { size_of::<T>() > IN_REGISTERS } {
            self.check(Operation::WriterUpdate)?;
            let updated = self.typed.update(&mut self.locked, change);
            let version = updated.map_err(self.typed.explain(Operation::WriterUpdate))?;
            self.locked.notify(version, self.closely);
            return Ok(version);
        }
        let mut value = self.load_for(Field::WHOLE, Operation::WriterUpdate)?;
        change(&mut value);
        if self.locked.check_at_once() {
            return Ok(self.commit(&value));
        }
        // A copy, as in `set_from`.
        let copy = value;
        self.commit_checked(&copy, Operation::WriterUpdate)
    }

    #[cold]
    #[inline(never)]
    fn commit_checked(&mut self, value: &T, operation: Operation) -> Result<u64, Error> {
        self.check(operation)?;
        let version = self.typed.commit_slowly(&mut self.locked, value);
        self.locked.notify(version, self.closely);
        Ok(version)
    }

    /// Whether the lock is still this process's, and the segment what it was.
    #[inline(always)]
    fn check(&self, operation: Operation) -> Result<(), Error> {
        self.locked.check().map_err(self.typed.explain(operation))
    }

    /// Whether the field is in no element that is not there.
    #[inline(always)]
    fn find<F>(&self, field: Field<T, F>, operation: Operation) -> Result<(), Error> {
        let found = self.typed.find(&self.locked, field);
        found.map_err(self.typed.explain(operation))
    }

    #[inline(always)]
    fn load_for<F: SharedLayout>(
        &self,
        field: Field<T, F>,
        operation: Operation,
    ) -> Result<F, Error> {
        self.check(operation)?;
        self.find(field, operation)?;
        let explain = self.typed.explain(operation);
        self.typed.load(&self.locked, field, explain)
    }

    #[inline(always)]
    fn commit(&mut self, value: &T) -> u64 {
        let version = self.typed.commit(&mut self.locked, value);
        self.locked.notify(version, self.closely);
        version
    }
}

impl<'a, T: SharedLayout> Writer<'a, T> {
    /// One field of the committed value.
    ///
    /// # Errors
    ///
    /// As for [`Writer::get`]; [`ErrorKind::NoElement`].
    #[inline]
    pub fn load<F: SharedLayout>(&self, field: Field<T, F>) -> Result<F, Error> {
        self.load_for(field, Operation::WriterLoad)
    }

    /// Replaces one field; returns the new version.
    ///
    /// # Errors
    ///
    /// As for [`Writer::set`]; [`ErrorKind::NoElement`].
    #[inline]
    pub fn store<F: SharedLayout>(&mut self, field: Field<T, F>, value: F) -> Result<u64, Error> {
        self.store_for(field, &value, Operation::WriterStore)
    }

    /// Changes one field; returns the new version. A panic in `change` commits nothing.
    ///
    /// # Errors
    ///
    /// As for [`Writer::set`] and [`Writer::get`]; [`ErrorKind::NoElement`].
    #[inline]
    pub fn update_field<F: SharedLayout>(
        &mut self,
        field: Field<T, F>,
        change: impl FnOnce(&mut F),
    ) -> Result<u64, Error> {
        let mut value = self.load_for(field, Operation::WriterUpdateField)?;
        change(&mut value);
        self.store_for(field, &value, Operation::WriterUpdateField)
    }

    /// Adds to one field, and wraps around where its type ends; returns the value before.
    ///
    /// # Errors
    ///
    /// As for [`Writer::set`]; [`ErrorKind::NoElement`].
    #[inline]
    pub fn fetch_add<F: Integer>(&mut self, field: Field<T, F>, n: F) -> Result<F, Error> {
        let before = self.load_for(field, Operation::WriterFetchAdd)?;
        let after = before.__wrapping_add(n);
        self.store_for(field, &after, Operation::WriterFetchAdd)?;
        Ok(before)
    }

    #[inline(always)]
    fn store_for<F: SharedLayout>(
        &mut self,
        field: Field<T, F>,
        value: &F,
        operation: Operation,
    ) -> Result<u64, Error> {
        self.check(operation)?;
        self.find(field, operation)?;
        let version = self.typed.commit_field(&mut self.locked, field, value);
        self.locked.notify(version, self.closely);
        Ok(version)
    }

    /// Collects stores to several fields, to become one commit.
    ///
    /// ```
    /// # use shm_core::{Key, SharedBox, SharedLayout, field};
    /// #[derive(SharedLayout, Clone, Copy)]
    /// #[repr(C)]
    /// struct Range {
    ///     low: u32,
    ///     high: u32,
    /// }
    ///
    /// # fn main() -> Result<(), shm_core::Error> {
    /// # let shared = SharedBox::options().remove_on_drop(true).create_new(Key::PRIVATE, Range { low: 0, high: 0 })?;
    /// let mut writer = shared.writer()?;
    /// // No reader sees the new low with the old high.
    /// let version = writer.batch().store(field!(Range.low), 3).store(field!(Range.high), 4).commit()?;
    /// # assert_eq!((version, writer.get()?.low, writer.get()?.high), (2, 3, 4));
    /// # Ok(())
    /// # }
    /// ```
    #[inline]
    pub fn batch(&mut self) -> Batch<'_, 'a, T> {
        Batch {
            writer: self,
            stores: Stores::new(),
            failure: None,
        }
    }
}

/// Stores to several fields that become one commit, or none if it is dropped: made by
/// [`Writer::batch`].
#[must_use = "stores are lost unless they are committed"]
pub struct Batch<'w, 'a, T: SharedLayout> {
    writer: &'w mut Writer<'a, T>,
    stores: Stores<T>,
    /// What was wrong with one of them.
    failure: Option<Error>,
}

impl<T: SharedLayout> Batch<'_, '_, T> {
    /// Adds a store; later ones win where they overlap. Up to 256 bytes in up to 32 pieces are
    /// kept in place, more on the heap.
    #[inline(always)]
    pub fn store<F: SharedLayout>(mut self, field: Field<T, F>, value: F) -> Self {
        if let Err(error) = self.writer.find(field, Operation::BatchCommit) {
            self.failure = Some(error);
        }
        let Writer { typed, locked, .. } = &mut *self.writer;
        typed.push(locked, &mut self.stores, field, &value);
        self
    }

    /// Commits them all; returns the new version.
    ///
    /// # Errors
    ///
    /// As for [`Writer::set`]; [`ErrorKind::NoElement`] if a store is to an element that was not there when
    /// it was added: then none is made.
    #[inline]
    pub fn commit(self) -> Result<u64, Error> {
        self.writer.check(Operation::BatchCommit)?;
        if let Some(error) = self.failure {
            return Err(error);
        }
        let Writer {
            typed,
            locked,
            closely,
            ..
        } = self.writer;
        let version = typed.commit_stores(locked, &self.stores);
        locked.notify(version, *closely);
        Ok(version)
    }
}

impl<T: SharedLayout> fmt::Debug for Batch<'_, '_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch")
            .field("writer", &self.writer)
            .field("stores", &self.stores.len())
            .finish()
    }
}

debug_in_segment!(Writer<'_, T>: typed);
