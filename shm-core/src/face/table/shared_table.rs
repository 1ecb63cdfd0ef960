//! `SharedTable`: a table whose rows this process may claim, and how it is opened.

use std::ops::Deref;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

#[cfg(doc)]
use super::super::error::ErrorKind;
use super::super::error::{Error, Operation};
use super::super::opening::{Opened, Settings};
use super::super::options::{Options, explain};
use super::super::place::Place;
use super::row_view::{RowId, RowView};
use super::seat::Seat;
use super::table_view::TableView;
use crate::layout::SharedLayout;
use crate::protocol::{self, Fault, Locked, Payload};
use crate::sysv::Key;
use crate::typed::{Failure, OwnSeat, Type, Typed, store_template};

/// Rows of type `T` that belong to processes, and go with them: worker tables, heartbeats, scoreboards.
///
/// A process [claims](SharedTable::claim) a row, which it alone writes and all may read, each time a whole value. The row is
/// free again when its [`Seat`] is dropped. If the process dies, however it dies, the row keeps its last value until
/// it is [reaped](SharedTable::reap), or until a claim finds no free one: so no row is lost, and none is taken from a process
/// that lives.
///
/// ```
/// use shm_core::{FixedStr, Key, RowLife, SharedLayout, SharedTable, field};
///
/// #[derive(SharedLayout, Clone, Copy, Debug, PartialEq)]
/// #[repr(C)]
/// struct Worker {
///     beats: u64,
///     doing: FixedStr<24>,
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let key = shm_core::Key::new(0x7b5d_1050);
/// # let mut options = SharedTable::<Worker>::options();
/// # options.remove_on_drop(true);
/// # let workers = options.rows(256).open_or_create(key)?;
/// # drop(workers);
/// let workers = SharedTable::<Worker>::options().rows(256).open_or_create(key)?;
/// let mut seat = workers.claim(Worker { beats: 0, doing: FixedStr::new("starting")? })?;
/// seat.fetch_add(field!(Worker.beats), 1)?;
/// seat.store(field!(Worker.doing), FixedStr::new("serving")?)?;
///
/// // In any process:
/// for row in workers.rows() {
///     let worker = row.get()?;
///     println!("{} by {:?}: {} beats", row.id(), row.owner(), worker.beats);
///     assert!(row.life() == RowLife::Live && worker.doing == "serving");
/// }
/// let id = seat.id();
/// drop(seat);
/// assert!(workers.get(id).is_err() && workers.rows().count() == 0);
/// # workers.remove()?;
/// # Ok(())
/// # }
/// ```
///
/// # Costs
///
/// | call | system calls | besides |
/// |---|---|---|
/// | [`rows`](TableView::rows), [`get`](TableView::get), [`RowView::get`] | none | a load or two for each row; a copy of each value |
/// | [`look`](TableView::look) | one if no process came or died since the last look, else some; in a file one for each row with an owner | as `rows` |
/// | [`claim`](SharedTable::claim) | none if a row is free, else as `look`; four if a process waits | a look at each row before the free one; four copies of the value |
/// | [`Seat::set`] | none | two copies of the value |
/// | [`Seat::store`], [`Seat::fetch_add`] | none | three copies of the field |
/// | [`membership`](TableView::membership) | none | a load |
/// | [`wait_membership`](TableView::wait_membership), an item of [`changes`](TableView::changes) | five for each look, two seconds apart if nothing changes; as `look` after a change | |
/// | dropping a seat | none; four if a process waits | two copies of the value |
/// | [`reap`](SharedTable::reap) | as `look` | for each dead row six copies of the value |
///
/// A table has the sizes of its rows three times, each rounded up to 64 bytes, 64 bytes more for each row, and 4 to 5 KiB.
pub struct SharedTable<T: SharedLayout> {
    view: TableView<T>,
    created: bool,
    /// The process whose drop removes it.
    remove_on_drop: Option<u32>,
}

/// What becomes of the row of a process that has died.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnDeath {
    /// It keeps the last value until it is [reaped](SharedTable::reap), or until a claim finds no free row.
    #[default]
    Keep,
    /// The first process that notices frees it.
    Free,
}

impl<T: SharedLayout> SharedTable<T> {
    /// Options for opening and creating tables; [`rows`](Options::rows) must be among them where one may be created.
    pub fn options() -> Options<T, SharedTable<T>> {
        Options::with(Settings {
            rows: Some(0),
            ..Settings::DEFAULT
        })
    }

    /// Attaches the table of a place, which must exist.
    ///
    /// # Errors
    ///
    /// As for [`SharedBox::open`](crate::SharedBox::open); [`ErrorKind::OtherKind`] if the place holds a single value.
    pub fn open(place: impl Into<Place>) -> Result<SharedTable<T>, Error> {
        SharedTable::options().open(place)
    }

    /// Whether this call created the table, and not another process before.
    pub fn created(&self) -> bool {
        self.created
    }

    /// Claims a free row, with its first value. Of rows whose owner is dead only if none is free.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Full`] if every row has an owner that lives; [`ErrorKind::Removed`]; [`ErrorKind::Left`];
    /// [`ErrorKind::Mismatch`], or [`ErrorKind::NeedsUpgrade`], if another program has put a layout in force that does not go
    /// with this one, after which the lock is taken once, with the errors of [`SharedBox::set`](crate::SharedBox::set);
    /// [`ErrorKind::System`] if the kernel refuses the semaphores that say who is alive. In a forked child, which claims a
    /// slot of its own: [`ErrorKind::SlotsTaken`], [`ErrorKind::SetLost`], [`ErrorKind::NoUndo`],
    /// [`ErrorKind::ChildDenied`].
    pub fn claim(&self, value: T) -> Result<Seat<T>, Error> {
        let claimed = OwnSeat::claim(Arc::clone(&self.typed), &value);
        claimed
            .map(Seat::new)
            .map_err(self.typed.explain(Operation::TableClaim))
    }

    /// Hands the last value of each dead owner to `each`, and frees its row then. Returns how many there were.
    ///
    /// Each death is handed out once, to one of all processes that reap; if that one dies meanwhile, or `each` panics, it is
    /// handed out once more. The value is an error if it is none of its type: the row is freed all the same.
    ///
    /// # Errors
    ///
    /// As for [`TableView::look`]; [`ErrorKind::Forked`] in a child that `each` forked.
    pub fn reap(&self, mut each: impl FnMut(RowId, Result<T, Error>)) -> Result<usize, Error> {
        let reaped = self.segment().reap_rows(|row, seen| {
            let row = RowView::of_row(&self.typed, row, *seen);
            let last = row.read(Operation::TableReap);
            each(row.id(), last.map(|snapshot| snapshot.value));
        });
        reaped.map_err(self.typed.explain(Operation::TableReap))
    }

    /// Removes the table: every later call of any process that is attached to it says [`ErrorKind::Removed`], and the
    /// place is free for a new one.
    ///
    /// # Errors
    ///
    /// As for [`SharedBox::remove`](crate::SharedBox::remove).
    pub fn remove(&self) -> Result<(), Error> {
        protocol::remove(self.segment()).map_err(self.typed.explain(Operation::TableRemove))
    }

    /// The descriptor of the memory or file that the table lives in, to be passed to other processes: see
    /// [`SharedBox::as_fd`](crate::SharedBox::as_fd).
    ///
    /// # Errors
    ///
    /// As for that.
    pub fn as_fd(&self) -> Result<BorrowedFd<'_>, Error> {
        let file = self.segment().home().file().ok_or(Fault::NoFile);
        let fd = file.and_then(|file| Ok(file.as_fd()?));
        fd.map_err(self.typed.explain(Operation::AsFd))
    }
}

impl<T: SharedLayout> Options<T, SharedTable<T>> {
    /// How many rows a new table has, 1 to 1,048,576. Of creation only: who opens it takes what the creator chose.
    pub fn rows(&mut self, rows: u32) -> &mut Self {
        self.settings.rows = Some(rows);
        self
    }

    /// What becomes of the rows of processes that have died, in a new table: [`OnDeath::Keep`] unless told otherwise.
    pub fn on_death(&mut self, on_death: OnDeath) -> &mut Self {
        self.settings.free_on_death = on_death == OnDeath::Free;
        self
    }

    /// Attaches an existing table. See [`SharedTable::open`].
    ///
    /// # Errors
    ///
    /// As for [`SharedTable::open`].
    pub fn open(&self, place: impl Into<Place>) -> Result<SharedTable<T>, Error> {
        let place = place.into();
        let opened = self.settings.open(&place, Type::of::<T>());
        self.table(opened, Operation::TableOpen, place)
    }

    /// Attaches an existing table for reading: read permission is enough.
    ///
    /// # Errors
    ///
    /// As for [`SharedView::open`](crate::SharedView::open); [`ErrorKind::OtherKind`] if the place holds a single value.
    pub fn open_read_only(&self, place: impl Into<Place>) -> Result<TableView<T>, Error> {
        let place = place.into();
        let opened = self.settings.open_read_only(&place, Type::of::<T>());
        let attached = opened.map_err(explain::<T>(Operation::TableOpenReadOnly, place))?;
        Ok(TableView::new(Typed::new(attached)))
    }

    /// Creates a table that must not exist yet; all of its rows are free.
    ///
    /// # Errors
    ///
    /// As for [`SharedBox::create_new`](crate::SharedBox::create_new); [`ErrorKind::Options`] also for a number of
    /// [rows](Options::rows) that no table has.
    pub fn create_new(&self, place: impl Into<Place>) -> Result<SharedTable<T>, Error> {
        let place = place.into();
        let created = self
            .settings
            .create_new(&place, Type::of::<T>(), &mut template::<T>);
        self.table(created, Operation::TableCreateNew, place)
    }

    /// Attaches the table of a place if it exists, or else creates it; all of its rows are free then.
    ///
    /// # Errors
    ///
    /// As for [`SharedBox::open_or_create`](crate::SharedBox::open_or_create); [`ErrorKind::OtherKind`] if the place holds a
    /// single value; [`ErrorKind::Options`] also for a number of [rows](Options::rows) that no table has.
    pub fn open_or_create(&self, place: impl Into<Place>) -> Result<SharedTable<T>, Error> {
        let place = place.into();
        let opened = self
            .settings
            .open_or_create(&place, Type::of::<T>(), &mut template::<T>);
        self.table(opened, Operation::TableOpenOrCreate, place)
    }

    /// Makes a table in memory without a name: see [`SharedBox::anonymous`](crate::SharedBox::anonymous).
    ///
    /// # Errors
    ///
    /// As for that; [`ErrorKind::Options`] also for a number of [rows](Options::rows) that no table has.
    pub fn anonymous(&self) -> Result<SharedTable<T>, Error> {
        let made = self
            .settings
            .create_memory(Type::of::<T>(), &mut template::<T>);
        self.table(made, Operation::Anonymous, Key::PRIVATE.into())
    }

    /// Maps the memory of a descriptor: see [`SharedBox::from_fd`](crate::SharedBox::from_fd).
    ///
    /// # Errors
    ///
    /// As for that; [`ErrorKind::OtherKind`] if it holds a single value.
    pub fn from_fd(&self, fd: impl AsFd) -> Result<SharedTable<T>, Error> {
        let opened = self.settings.open_memory(fd.as_fd(), Type::of::<T>());
        self.table(opened, Operation::FromFd, Key::PRIVATE.into())
    }

    fn table(
        &self,
        opened: Result<Opened, Failure>,
        operation: Operation,
        place: Place,
    ) -> Result<SharedTable<T>, Error> {
        let (attached, created) = opened.map_err(explain::<T>(operation, place))?;
        Ok(SharedTable {
            view: TableView::new(Typed::new(attached)),
            created,
            remove_on_drop: self.settings.remove_on_drop.then(protocol::epoch),
        })
    }
}

fn template<T: SharedLayout>(locked: &Locked<'_>, payload: Payload) -> Result<(), Fault> {
    store_template(locked, payload, Type::of::<T>())
}

impl<T: SharedLayout> Deref for SharedTable<T> {
    type Target = TableView<T>;

    fn deref(&self) -> &TableView<T> {
        &self.view
    }
}

impl<T: SharedLayout> Drop for SharedTable<T> {
    fn drop(&mut self) {
        if self.remove_on_drop == Some(protocol::epoch()) {
            let _ = self.remove();
        }
    }
}

debug_in_segment!(SharedTable<T>: typed);
