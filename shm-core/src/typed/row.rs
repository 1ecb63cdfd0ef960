//! Rows of a table as values.

use std::mem::MaybeUninit;
use std::sync::Arc;

use super::descriptor::Type;
use super::failure::{Counting, Failure};
use super::field::Field;
use super::integer::Integer;
use super::kept::{counts, fill_counts, is_valid};
use super::value::{Snapshot, Typed};
use crate::layout::{SharedLayout, path_of};
use crate::protocol::{Own, OwnedRow, Row, Seated, Seen, Span};

/// A row of this process's own, and the table that it is of.
///
/// # Invariants
///
/// **of**: what is `seated` was claimed in this very table, which stays as long as this.
pub(crate) struct OwnSeat<T: SharedLayout> {
    table: Arc<Typed<T>>,
    seated: Seated,
}

impl<T: SharedLayout> OwnSeat<T> {
    /// Claims a row with its first value; returns the number of the claim as well.
    pub(crate) fn claim(table: Arc<Typed<T>>, value: &T) -> Result<(OwnSeat<T>, u64), Failure> {
        let mut fresh = table.attached().claim_row()?;
        table.commit(fresh.row(), value);
        let (seated, number) = fresh.show()?;
        Ok((OwnSeat { table, seated }, number))
    }

    #[inline(always)]
    pub(crate) fn table(&self) -> &Typed<T> {
        &self.table
    }

    /// Which row it is.
    pub(crate) fn index(&self) -> u32 {
        self.seated.index()
    }

    /// The row, whether it is had still or not.
    #[inline(always)]
    pub(crate) fn row(&self) -> OwnedRow<'_> {
        // SAFETY: the seat is of that segment (**of**).
        unsafe { self.table.attached().segment().seat(&self.seated) }
    }

    /// Whether it is had still, under a schema that lets this process write.
    #[cold]
    pub(crate) fn check(&self) -> Result<(), Failure> {
        self.table.attached().check_seat(&self.seated)
    }
}

impl<T: SharedLayout> Drop for OwnSeat<T> {
    /// Frees the row, and puts the table's template in the place of the value.
    fn drop(&mut self) {
        self.table.attached().segment().release_row(&self.seated);
    }
}

impl<T: SharedLayout> Typed<T> {
    /// Adds to a counter of a row; returns what its owner had counted before. `None`: it is none.
    #[inline(always)]
    pub(crate) fn count<F: Integer>(
        &self,
        row: &OwnedRow<'_>,
        field: Field<T, F>,
        n: F,
    ) -> Option<F> {
        let Span { offset, len } = field.span();
        if const { !counts::<T>() } || T::SCHEMA.counter_at(offset, len).is_none() {
            return None;
        }
        // SAFETY: a seat's row is given out only under a state that `Segment::write_as` was told, for which there is room
        // for a `T` (**room**, **type**), and where this has counters the table has them (**counters**).
        let before = unsafe { row.add(offset, n.__to_u64()) };
        Some(F::__from_u64(before))
    }

    /// Refuses to store a counter by itself.
    #[inline(always)]
    pub(crate) fn check_stored<F>(&self, field: Field<T, F>) -> Result<(), Failure> {
        let Span { offset, len } = field.span();
        match const { counts::<T>() } && T::SCHEMA.counter_at(offset, len).is_some() {
            true => Err(self.counter(field, Counting::Stored)),
            false => Ok(()),
        }
    }

    #[cold]
    fn counter<F>(&self, field: Field<T, F>, why: Counting) -> Failure {
        let Span { offset, len } = field.span();
        let path = path_of(T::SCHEMA, offset, len).into();
        Failure::Counter { path, why }
    }

    /// What all owners of rows have counted in a field.
    pub(crate) fn total<F: Integer>(&self, field: Field<T, F>) -> Result<u64, Failure> {
        let Span { offset, len } = field.span();
        if T::SCHEMA.counter_at(offset, len).is_none() {
            return Err(self.counter(field, Counting::NoCounter));
        }
        Ok(self.attached().segment().total(offset)?)
    }

    /// Reads a field of a row, as long as it shows the value of the owner that was seen.
    #[inline(always)]
    pub(crate) fn read_row<F: SharedLayout, E>(
        &self,
        row: &Row<'_>,
        seen: &Seen,
        field: Field<T, F>,
        explain: impl FnOnce(Failure) -> E,
    ) -> Result<Snapshot<F>, E> {
        let mut place = MaybeUninit::<F>::uninit();
        // SAFETY: a field lies within the `T`, for which there is room under the state that
        // `Segment::read_as` was told last, unless with an older version (**room**, **type**); the place has the bytes of an `F`.
        let mut version = unsafe {
            let schema = const { Type::of::<T>().version() };
            row.try_read(seen, schema, field.span(), place.as_mut_ptr().cast())
        };
        if const { counts::<T>() } && version.is_some() {
            // SAFETY: under that state the row has room for a `T`, and where this has counters the table has them
            // (**counters**).
            fill_counts(field, &mut place, |at| Some(unsafe { row.known_count(at) }));
            version = version.filter(|_| row.is_still(seen.own));
        }
        // SAFETY: after `Some` all bytes of the place are initialised (`Row::try_read`).
        if let Some(version) = version.filter(|_| unsafe { is_valid(field, &mut place) }) {
            // SAFETY: it is an `F`, as was found just now.
            let value = unsafe { place.assume_init() };
            return Ok(Snapshot { value, version });
        }
        // Not told of `row` and `seen`: as long as their addresses stay here they live in registers.
        self.read_row_persistently(row.index(), seen.own, field)
            .map_err(explain)
    }

    #[cold]
    #[inline(never)]
    fn read_row_persistently<F: SharedLayout>(
        &self,
        index: u32,
        own: Own,
        field: Field<T, F>,
    ) -> Result<Snapshot<F>, Failure> {
        let row = self.attached().segment().row(index).ok_or(Failure::Stale)?;
        let mut place = MaybeUninit::<F>::uninit();
        // SAFETY: a field lies within the `T`, which is the attachment's type (**type**), and the place has
        // the bytes of an `F`. The copies are a row's.
        let read = unsafe {
            let to = place.as_mut_ptr().cast();
            let schema = row.schema();
            self.attached().read(&row.latch(), schema, field.span(), to)
        };
        if const { counts::<T>() } {
            fill_counts(field, &mut place, |at| row.count(at));
        }
        // What was read in between was another owner's, or none's: whatever it looked like.
        if !row.is_still(own) {
            return Err(Failure::Stale);
        }
        let version = read?;
        // SAFETY: after `Ok` all bytes of the place are initialised (`Attached::read`).
        unsafe { self.judge(field, &mut place) }?;
        // SAFETY: it is an `F`, as was found just now.
        let value = unsafe { place.assume_init() };
        Ok(Snapshot { value, version })
    }
}
