//! `Seat`: a row of this process's own.

use std::fmt;

#[cfg(doc)]
use super::super::error::ErrorKind;
use super::super::error::{Error, Operation};
use super::row_view::RowId;
use crate::layout::SharedLayout;
use crate::protocol::OwnedRow;
use crate::typed::{Field, Integer, OwnSeat};

/// A row of a table that belongs to this process until this is dropped, or the process ends.
///
/// Made by [`SharedTable::claim`](super::SharedTable::claim), and as good as it afterwards: it keeps the table attached
/// and may be moved to any thread. Only its owner writes to a row, so no call waits for another process, and none takes
/// a lock. A child of `fork` has a copy, which writes nothing and frees nothing.
pub struct Seat<T: SharedLayout> {
    own: OwnSeat<T>,
    number: u64,
}

impl<T: SharedLayout> Seat<T> {
    pub(super) fn new((own, number): (OwnSeat<T>, u64)) -> Seat<T> {
        Seat { own, number }
    }

    /// Which claim of which row this is: [`TableView::get`](super::TableView::get) reads it in any process.
    pub fn id(&self) -> RowId {
        RowId::new(self.own.index(), self.number)
    }

    /// Replaces the value; returns the row's new version.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Forked`] in a child that was forked after the claim; [`ErrorKind::Removed`]; [`ErrorKind::Left`] if
    /// the process has left the IPC namespace of the segment, or a peer has given its row away;
    /// [`ErrorKind::Mismatch`], or [`ErrorKind::NeedsUpgrade`], if another program has put a layout in force that does
    /// not go with this one. After such a change of the layout the lock is taken once, with the errors of
    /// [`SharedBox::set`](crate::SharedBox::set).
    #[inline]
    pub fn set(&mut self, value: T) -> Result<u64, Error> {
        let mut row = self.row(Operation::SeatSet)?;
        let version = self.own.table().commit(&mut row, &value);
        Ok(row.finish(version))
    }

    /// Changes the value; returns the row's new version. A panic in `change` commits nothing.
    ///
    /// # Errors
    ///
    /// As for [`Seat::set`]; [`ErrorKind::Invalid`] if a peer has stored bytes that are no `T`;
    /// [`ErrorKind::Forked`] in a child that `change` forked. After each of them nothing is committed.
    #[inline]
    pub fn update(&mut self, change: impl FnOnce(&mut T)) -> Result<u64, Error> {
        let operation = Operation::SeatUpdate;
        let mut row = self.row(operation)?;
        let updated = self.own.table().update(&mut row, change);
        let version = updated.map_err(self.own.table().explain(operation))?;
        Ok(row.finish(version))
    }

    /// Replaces one field; returns the row's new version. Costs what the bytes of this commit and of the one before
    /// cost, however large the row is.
    ///
    /// # Errors
    ///
    /// As for [`Seat::set`]; [`ErrorKind::NoElement`]; [`ErrorKind::Counter`] of a counter, which only grows.
    #[inline]
    pub fn store<F: SharedLayout>(&mut self, field: Field<T, F>, value: F) -> Result<u64, Error> {
        let operation = Operation::SeatStore;
        let mut row = self.row(operation)?;
        let found = self.own.table().check_stored(field);
        let found = found.and_then(|()| self.own.table().find(&row, field));
        found.map_err(self.own.table().explain(operation))?;
        let version = self.own.table().commit_field(&mut row, field, &value);
        Ok(row.finish(version))
    }

    /// Adds to one field; returns the value before. Where the type ends it wraps around, as the atomics of `std` do.
    ///
    /// Of a [counter](crate::SharedLayout#counters-of-a-table) one store, and no commit: the version stays, and what was added
    /// is in the [total](super::TableView::total) at once.
    ///
    /// # Errors
    ///
    /// As for [`Seat::set`]; [`ErrorKind::NoElement`].
    #[inline]
    pub fn fetch_add<F: Integer>(&mut self, field: Field<T, F>, n: F) -> Result<F, Error> {
        let operation = Operation::SeatFetchAdd;
        let mut row = self.row(operation)?;
        if let Some(before) = self.own.table().count(&row, field, n) {
            return Ok(before);
        }
        let found = self.own.table().find(&row, field);
        found.map_err(self.own.table().explain(operation))?;
        let before = self
            .own
            .table()
            .load(&row, field, self.own.table().explain(operation))?;
        let after = before.__wrapping_add(n);
        let version = self.own.table().commit_field(&mut row, field, &after);
        row.finish(version);
        Ok(before)
    }

    /// The value, as this process has committed it last.
    ///
    /// # Errors
    ///
    /// As for [`Seat::update`].
    pub fn get(&self) -> Result<T, Error> {
        let row = self.row(Operation::SeatGet)?;
        let explain = self.own.table().explain(Operation::SeatGet);
        self.own.table().load(&row, Field::WHOLE, explain)
    }

    #[inline(always)]
    fn row(&self, operation: Operation) -> Result<OwnedRow<'_>, Error> {
        let row = self.own.row();
        if !row.check_at_once() {
            self.own
                .check()
                .map_err(self.own.table().explain(operation))?;
        }
        Ok(row)
    }
}

impl<T: SharedLayout> fmt::Debug for Seat<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seat")
            .field("id", &format_args!("{}", self.id()))
            .finish_non_exhaustive()
    }
}
