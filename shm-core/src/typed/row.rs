//! Rows of a table as values.

use std::mem::MaybeUninit;

use super::failure::Failure;
use super::field::Field;
use super::kept::is_valid;
use super::value::{Snapshot, Typed};
use crate::layout::SharedLayout;
use crate::protocol::{Row, Seated, Seen};

impl<T: SharedLayout> Typed<T> {
    /// Claims a row with its first value; returns the number of the claim as well.
    pub(crate) fn claim_row(&self, value: &T) -> Result<(Seated, u64), Failure> {
        let mut fresh = self.attached().claim_row()?;
        if let Some(row) = fresh.row() {
            self.commit(row, value);
        }
        Ok(fresh.show()?)
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
        // `Segment::read_as` was told (**room**, **type**); the place has the bytes of an `F`.
        let version = unsafe { row.try_read(seen, field.span(), place.as_mut_ptr().cast()) };
        // SAFETY: after `Some` all bytes of the place are initialised (`Row::try_read`).
        if let Some(version) = version.filter(|_| unsafe { is_valid(field, &mut place) }) {
            // SAFETY: it is an `F`, as was found just now.
            let value = unsafe { place.assume_init() };
            return Ok(Snapshot { value, version });
        }
        self.read_row_persistently(row, seen, field)
            .map_err(explain)
    }

    #[cold]
    #[inline(never)]
    fn read_row_persistently<F: SharedLayout>(
        &self,
        row: &Row<'_>,
        seen: &Seen,
        field: Field<T, F>,
    ) -> Result<Snapshot<F>, Failure> {
        let mut place = MaybeUninit::<F>::uninit();
        // SAFETY: a field lies within the `T`, which is the attachment's type (**type**), and the place has
        // the bytes of an `F`. The copies are a row's.
        let read = unsafe {
            let to = place.as_mut_ptr().cast();
            self.attached().read(row.copies(), field.span(), to)
        };
        // What was read in between was another owner's, or none's: whatever it looked like.
        if !row.is_still(seen) {
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
