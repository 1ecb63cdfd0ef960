//! `TableView`: a table that is read.

use std::sync::Arc;
use std::time::{Duration, Instant};

#[cfg(doc)]
use super::super::error::ErrorKind;
use super::super::error::{Error, Operation};
use super::super::place::Place;
use super::row_view::{RowId, RowView, Rows};
use crate::layout::SharedLayout;
use crate::protocol::{self, Claimant, Segment};
use crate::sysv::shm;
use crate::typed::{Failure, Field, Integer, Typed};

/// A table of rows of type `T`, to be read.
///
/// [Opened](crate::Options::open_read_only) as a view, the kernel maps it for reading only. A
/// [`SharedTable`](crate::SharedTable), which may claim rows, derefs to a view.
pub struct TableView<T: SharedLayout> {
    pub(super) typed: Arc<Typed<T>>,
}

impl<T: SharedLayout> TableView<T> {
    pub(super) fn new(typed: Typed<T>) -> TableView<T> {
        const {
            assert!(
                !T::SCHEMA.has_inner_counters(),
                "the counters of a table are fields of its row itself: move them out of the struct or array inside"
            );
        }
        TableView {
            typed: Arc::new(typed),
        }
    }

    /// The rows that show a value, each with its owner and life as last noticed. No system call, no allocation: a process
    /// that has died since is called [live](super::RowLife::Live) until some process [looks](TableView::look), claims or
    /// reaps.
    pub fn rows(&self) -> Rows<'_, T> {
        Rows::new(&self.typed, None)
    }

    /// The same, after a look at whether the owners live: one system call if no process has claimed a slot or died since the
    /// last look, else some, and some for each owner that the semaphores don't show. In a file, one for each row that has an owner. A
    /// [`SharedTable`](crate::SharedTable) notes the deaths that it finds for all processes; a view keeps them to itself, and
    /// allocates.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Removed`]; [`ErrorKind::Left`] if this process has left the IPC namespace of the segment;
    /// [`ErrorKind::System`] if the kernel refuses the semaphores that say who is alive. In a forked child, which claims a
    /// slot of its own, also [`ErrorKind::SlotsTaken`], [`ErrorKind::SetLost`], [`ErrorKind::NoUndo`],
    /// [`ErrorKind::ChildDenied`].
    pub fn look(&self) -> Result<Rows<'_, T>, Error> {
        let looked = self.segment().look_at_rows();
        let looked = looked.map_err(self.typed.explain(Operation::TableLook))?;
        Ok(Rows::new(&self.typed, looked.map(|looked| looked.rows)))
    }

    /// How often processes have claimed rows, let them go, or died with them: 1 at birth, and at least 1 more with each. One load; a death that
    /// no process has noticed yet is not in it.
    pub fn membership(&self) -> u64 {
        self.segment().version()
    }

    /// Sleeps until the [membership](TableView::membership) is above `count`, for ever if no process comes or goes; returns it. Commits to
    /// rows don't count.
    ///
    /// For a [`SharedTable`](crate::SharedTable) in a segment the kernel wakes it for deaths, too, some tenths of a millisecond after
    /// the process has ended; elsewhere, and for a view, it looks each 20 ms.
    ///
    /// # Errors
    ///
    /// As for [`TableView::look`]; [`ErrorKind::Removed`] also when another program removed the segment, noticed within some seconds.
    pub fn wait_membership(&self, count: u64) -> Result<u64, Error> {
        let waited = self.wait(count, None, Operation::TableWait)?;
        Ok(waited.unwrap_or(count))
    }

    /// The same, at most for `timeout`; `None` if no process came or went.
    ///
    /// # Errors
    ///
    /// As for [`TableView::wait_membership`].
    pub fn wait_membership_timeout(
        &self,
        count: u64,
        timeout: Duration,
    ) -> Result<Option<u64>, Error> {
        let end = Instant::now().checked_add(timeout);
        self.wait(count, end, Operation::TableWait)
    }

    /// The membership each time that it has changed: first as it is, then whenever a process has claimed a row, let one go, or died
    /// with one, waiting as [`wait_membership`](TableView::wait_membership) does. Between two items several may have.
    ///
    /// The iterator ends with an error, its last item.
    ///
    /// # Errors
    ///
    /// Each item's: as for [`TableView::wait_membership`].
    pub fn changes(&self) -> impl Iterator<Item = Result<u64, Error>> + '_ {
        let mut seen = Some(0);
        std::iter::from_fn(move || {
            let next = self.wait(seen?, None, Operation::TableChanges);
            let next = next.map(|now| now.unwrap_or_default());
            seen = next.as_ref().ok().copied();
            Some(next)
        })
    }

    fn wait(
        &self,
        count: u64,
        end: Option<Instant>,
        operation: Operation,
    ) -> Result<Option<u64>, Error> {
        let waited = self.segment().wait_membership(count, end);
        waited.map_err(self.typed.explain(operation))
    }

    /// The value of one claim of a row. No system call, no allocation.
    ///
    /// # Errors
    ///
    /// As for [`RowView::get`]: [`ErrorKind::Stale`] once that claim is over.
    pub fn get(&self, id: RowId) -> Result<T, Error> {
        let row = RowView::look(&self.typed, id.index()).filter(|row| row.id() == id);
        let row = row.ok_or(Failure::Stale);
        let row = row.map_err(self.typed.explain(Operation::TableGet))?;
        row.read(Operation::TableGet).map(|snapshot| snapshot.value)
    }

    /// What all owners of rows that ever were have added to a [counter](crate::SharedLayout#counters-of-a-table), those that are dead
    /// and those that let their rows go as well: it never falls. One load for each row, no system call.
    ///
    /// ```
    /// use shm_core::{Key, SharedLayout, SharedTable, field};
    ///
    /// #[derive(SharedLayout, Clone, Copy)]
    /// #[repr(C)]
    /// struct Worker {
    ///     #[shared(counter)]
    ///     served: u64,
    ///     job: u32,
    /// }
    ///
    /// # fn main() -> Result<(), shm_core::Error> {
    /// let workers = SharedTable::options().rows(8).remove_on_drop(true).create_new(Key::PRIVATE)?;
    /// for job in 0..3 {
    ///     let mut seat = workers.claim(Worker { served: 0, job })?;
    ///     seat.fetch_add(field!(Worker.served), 5)?;
    ///     assert_eq!(seat.get()?.served, 5); // its own
    /// }
    /// assert_eq!(workers.total(field!(Worker.served))?, 15);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Counter`] of a field that is none; [`ErrorKind::Removed`].
    pub fn total<F: Integer>(&self, field: Field<T, F>) -> Result<u64, Error> {
        let total = self.typed.total(field);
        total.map_err(self.typed.explain(Operation::TableTotal))
    }

    /// How many rows the table has, whether they are free or not.
    pub fn row_count(&self) -> u32 {
        self.segment().row_count()
    }

    /// What leads to the table: a key, the id of a segment that has none, or the path of a file; `None` for
    /// [memory without a name](crate::Options::anonymous).
    pub fn place(&self) -> Option<Place> {
        Place::of(self.segment().home(), self.segment().key())
    }

    /// Who may claim rows, as [`SharedView::writers`](crate::SharedView::writers) says it.
    ///
    /// # Errors
    ///
    /// As for that.
    pub fn writers(&self) -> Result<Vec<Claimant>, Error> {
        let claimants = self.segment().claimants();
        claimants.map_err(self.typed.explain(Operation::TableWriters))
    }

    /// What the kernel knows of the segment. Five system calls.
    ///
    /// # Errors
    ///
    /// As for [`SharedView::info`](crate::SharedView::info).
    pub fn info(&self) -> Result<shm::Stat, Error> {
        protocol::info(self.segment()).map_err(self.typed.explain(Operation::TableInfo))
    }

    /// Whether the table has been removed. Five or six system calls.
    ///
    /// # Errors
    ///
    /// As for [`TableView::info`].
    pub fn is_removed(&self) -> Result<bool, Error> {
        protocol::is_removed(self.segment()).map_err(self.typed.explain(Operation::TableIsRemoved))
    }

    pub(super) fn segment(&self) -> &Segment {
        self.typed.attached().segment()
    }
}

debug_in_segment!(TableView<T>: typed);
