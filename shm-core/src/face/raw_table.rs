//! `RawTable`: a header and rows behind it, as many as another program made room for.

use std::fmt;
use std::marker::PhantomData;
use std::sync::atomic::Ordering::{self, Acquire};
use std::time::Duration;

#[cfg(doc)]
use super::error::ErrorKind;
use super::error::{Error, Operation};
use super::opening::Settings;
use super::place::Place;
use super::raw::{Joined, Raw, Wanted};
use crate::layout::SharedLayout;
use crate::protocol::Owner;
use crate::sysv::{Key, shm};
use crate::typed::{Failure, Field, Integer, RawPart, RawSegment, Type, one_access, refused};

/// Rows of type `Row` behind a `Header`, in a segment or file that another program laid out; without one,
/// `RawTable<(), Row>`. In C `struct { struct header h; struct row rows[]; }`.
///
/// How many there are is known at run time: from the segment's size, or from a field of the header
/// ([`RawTableOptions::count_from`]). No index leads beyond the segment, whatever a peer stores there. As for a
/// [`RawBox`](crate::RawBox) nothing protects from torn values.
///
/// No system call but in `open`, `reattach`, `info` and `is_removed`; no allocation but in the first two, also for
/// walking over the rows. [`guarded_by`](RawTable::guarded_by) lends it under the other program's guard.
///
/// ```
/// use std::sync::atomic::Ordering::Relaxed;
/// use shm_core::{FixedStr, RawTable, SharedLayout, field};
/// use shm_core::sysv::{Key, Mode, shm};
///
/// #[derive(SharedLayout, Clone, Copy)]
/// #[repr(C)]
/// struct Head {
///     used: u32,
///     version: u32,
/// }
///
/// #[derive(SharedLayout, Clone, Copy)]
/// #[repr(C)]
/// struct Process {
///     pid: i32,
///     name: FixedStr<12>,
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// // As a C program would: shmget(IPC_PRIVATE, sizeof(struct head) + 10 * sizeof(struct process), …)
/// let id = shm::get(Key::PRIVATE, 8 + 10 * 16, shm::GetFlags::CREATE, Mode::new(0o600))?;
/// let table = RawTable::<Head, Process>::options().count_from(field!(Head.used)).open(id)?;
/// # shm::remove(id)?;
/// assert_eq!((table.capacity(), table.len()?), (10, 0));
/// table.store_header(field!(Head.used), 2, Relaxed)?;
/// table.row(1)?.store(field!(Process.pid), 42, Relaxed)?;
/// let pids: Vec<i32> = table.rows()?.map(|row| Ok(row.get()?.pid)).collect::<Result<_, shm_core::Error>>()?;
/// assert_eq!(pids, [0, 42]);
/// assert!(table.row(2).is_err()); // the header counts two
/// # Ok(())
/// # }
/// ```
pub struct RawTable<Header, Row: SharedLayout> {
    joined: Joined,
    options: RawTableOptions<Header, Row>,
    capacity: usize,
    writable: bool,
}

/// How a [`RawTable`] attaches; made by [`RawTable::options`].
#[derive(Debug)]
pub struct RawTableOptions<Header, Row> {
    settings: Settings,
    rows_at: Option<usize>,
    /// Where the count stands, and what reads it.
    count: Option<(usize, Count)>,
    header: PhantomData<fn() -> Header>,
    row: PhantomData<Row>,
}

type Count = fn(&RawSegment, usize) -> Result<Option<usize>, Failure>;

// By hand: options for values that can't be cloned can be.
impl<Header, Row> Clone for RawTableOptions<Header, Row> {
    fn clone(&self) -> Self {
        Self { ..*self }
    }
}

/// The count of this type at this place; `None` if it is none.
fn count_of<C: Integer + TryInto<usize>>(
    segment: &RawSegment,
    offset: usize,
) -> Result<Option<usize>, Failure> {
    if offset % align_of::<C>() != 0 {
        return refused("the count of a packed header is not aligned: leave `count_from` out");
    }
    let count: C = segment.part(offset).load_field(Field::WHOLE, Acquire)?;
    Ok(count.try_into().ok())
}

impl<Header, Row: SharedLayout> RawTable<Header, Row> {
    /// Attaches the table of a place: as many rows as its segment has room for.
    ///
    /// # Errors
    ///
    /// As for [`RawBox::open`](crate::RawBox::open); [`ErrorKind::TooSmall`] if there is no room for a
    /// header.
    pub fn open(place: impl Into<Place>) -> Result<Self, Error> {
        Self::options().open(place)
    }

    /// Attaches the table of a place for reading: for that, read permission is enough.
    ///
    /// # Errors
    ///
    /// As for [`RawTable::open`].
    pub fn open_read_only(place: impl Into<Place>) -> Result<Self, Error> {
        Self::options().open_read_only(place)
    }

    /// Whom to trust, where the rows begin, and what counts them.
    #[must_use]
    pub fn options() -> RawTableOptions<Header, Row> {
        RawTableOptions {
            settings: Settings::DEFAULT,
            rows_at: None,
            count: None,
            header: PhantomData,
            row: PhantomData,
        }
    }

    /// How many rows the segment has room for.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// How many rows there are: what the header says, with `Acquire`, or else the capacity.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Damaged`] if the header says more than there is room for, or a negative number;
    /// [`ErrorKind::Options`] if the count is not aligned, in a packed header.
    pub fn len(&self) -> Result<usize, Error> {
        self.count()
            .map_err(self.joined.explain(Operation::RawTableLen))
    }

    /// Whether there are none.
    ///
    /// # Errors
    ///
    /// As for [`RawTable::len`].
    pub fn is_empty(&self) -> Result<bool, Error> {
        Ok(self.len()? == 0)
    }

    /// The row with this index.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooSmall`] if there is none; as for [`RawTable::len`].
    pub fn row(&self, index: usize) -> Result<RawRow<'_, Header, Row>, Error> {
        let found = self.count().and_then(|len| match index < len {
            true => Ok(self.at(index)),
            false => Err(Failure::NoRow { index, len }),
        });
        found.map_err(self.joined.explain(Operation::RawTableRow))
    }

    /// All rows that there are now, in order.
    ///
    /// # Errors
    ///
    /// As for [`RawTable::len`].
    pub fn rows(&self) -> Result<impl ExactSizeIterator<Item = RawRow<'_, Header, Row>>, Error> {
        Ok((0..self.len()?).map(|index| self.at(index)))
    }

    /// The key under which the segment can be found; `None` of a segment without one, and of a file.
    pub fn key(&self) -> Option<Key> {
        Some(self.joined.segment.key()).filter(|key| !key.is_private())
    }

    /// The kernel's id of the segment; `None` of a file.
    pub fn id(&self) -> Option<shm::Id> {
        self.joined.segment.home().id()
    }

    /// What the kernel knows of the segment. One system call.
    ///
    /// # Errors
    ///
    /// As for [`RawView::info`](crate::RawView::info).
    pub fn info(&self) -> Result<shm::Stat, Error> {
        let info = self.joined.segment.info();
        info.map_err(self.joined.explain(Operation::RawTableInfo))
    }

    /// Whether the segment has been removed. One system call. See
    /// [`RawView::is_removed`](crate::RawView::is_removed); [`reattach`](RawTable::reattach) then.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::System`] if the kernel does not tell.
    pub fn is_removed(&self) -> Result<bool, Error> {
        let removed = self.joined.segment.is_removed();
        removed.map_err(self.joined.explain(Operation::RawTableIsRemoved))
    }

    /// Attaches the segment that the key leads to now, as this one was, and lets the old one go: see
    /// [`RawView::reattach`](crate::RawView::reattach). The capacity is the new segment's.
    ///
    /// # Errors
    ///
    /// As for [`RawTable::open`]; [`ErrorKind::Options`] also for a private segment, which has no key. All is as it
    /// was then.
    pub fn reattach(&mut self) -> Result<(), Error> {
        let operation = match self.writable {
            true => Operation::RawTableOpen,
            false => Operation::RawTableOpenReadOnly,
        };
        *self = self
            .options
            .table(self.joined.again(), self.writable, operation)?;
        Ok(())
    }

    fn count(&self) -> Result<usize, Failure> {
        let Some((offset, count)) = self.options.count else {
            return Ok(self.capacity);
        };
        count(&self.joined.segment, offset)?
            .filter(|count| *count <= self.capacity)
            .ok_or_else(|| {
                Failure::damaged(
                    "its header counts more rows than it has room for, or less than none",
                )
            })
    }

    /// One that there is room for.
    fn at(&self, index: usize) -> RawRow<'_, Header, Row> {
        let offset = self.options.first_row() + index * size_of::<Row>();
        RawRow {
            table: self,
            part: self.joined.segment.part(offset),
            index,
        }
    }

    /// Whether a field of the header may be a mutex: to take one is to write, and no row may lie in it.
    pub(super) fn may_lock<F>(&self, field: Field<Header, F>) -> Result<(), Failure> {
        self.to_write()?;
        if field.offset() + size_of::<F>() <= self.options.first_row() {
            return Ok(());
        }
        let what = "storing a row would store the mutex too: begin the rows behind it";
        Err(Failure::Guard(what.into()))
    }

    fn to_write(&self) -> Result<(), Failure> {
        match self.writable {
            true => Ok(()),
            false => refused("the table was opened for reading only: take `RawTable::open`"),
        }
    }
}

impl<Header: SharedLayout, Row: SharedLayout> RawTable<Header, Row> {
    /// The header; torn if another program stores meanwhile.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] if its bytes are none.
    pub fn header(&self) -> Result<Header, Error> {
        let header = self.joined.segment.part(0).read();
        header.map_err(self.joined.explain(Operation::RawTableHeader))
    }

    /// One field of the header, as [`RawView::load`](crate::RawView::load) loads it.
    ///
    /// # Errors
    ///
    /// As for [`RawView::load`](crate::RawView::load).
    ///
    /// # Panics
    ///
    /// If the order is `Release` or `AcqRel`.
    pub fn load_header<F: SharedLayout>(
        &self,
        field: Field<Header, F>,
        order: Ordering,
    ) -> Result<F, Error> {
        const { one_access::<Header, F>() }
        let loaded = self.joined.segment.part(0).load_field(field, order);
        loaded.map_err(self.joined.explain(Operation::RawTableHeader))
    }

    /// Stores one field of the header, as [`RawBox::store`](crate::RawBox::store) does.
    ///
    /// # Errors
    ///
    /// As for [`RawBox::store`](crate::RawBox::store); [`ErrorKind::Options`] also if the table is open for
    /// reading only.
    ///
    /// # Panics
    ///
    /// If the order is `Acquire` or `AcqRel`.
    pub fn store_header<F: SharedLayout>(
        &self,
        field: Field<Header, F>,
        value: F,
        order: Ordering,
    ) -> Result<(), Error> {
        const { one_access::<Header, F>() }
        let may = self.to_write();
        may.and_then(|()| self.joined.segment.part(0).store_field(field, value, order))
            .map_err(self.joined.explain(Operation::RawTableHeader))
    }
}

/// A row of a [`RawTable`].
pub struct RawRow<'a, Header, Row: SharedLayout> {
    table: &'a RawTable<Header, Row>,
    part: RawPart<'a, Row>,
    index: usize,
}

impl<Header, Row: SharedLayout> RawRow<'_, Header, Row> {
    /// Which row it is.
    pub fn index(&self) -> usize {
        self.index
    }

    /// The row; torn if another program stores meanwhile.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] if its bytes are none.
    pub fn get(&self) -> Result<Row, Error> {
        let row = self.part.read();
        row.map_err(self.table.joined.explain(Operation::RawRowGet))
    }

    /// Stores the row, field by field: others may see half of it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Options`] if the table is open for reading only.
    pub fn set(&self, row: Row) -> Result<(), Error> {
        let may = self.table.to_write();
        may.map(|()| self.part.store(&row))
            .map_err(self.table.joined.explain(Operation::RawRowSet))
    }

    /// One field, as [`RawView::load`](crate::RawView::load) loads it.
    ///
    /// # Errors
    ///
    /// As for [`RawView::load`](crate::RawView::load).
    ///
    /// # Panics
    ///
    /// If the order is `Release` or `AcqRel`.
    pub fn load<F: SharedLayout>(&self, field: Field<Row, F>, order: Ordering) -> Result<F, Error> {
        const { one_access::<Row, F>() }
        let loaded = self.part.load_field(field, order);
        loaded.map_err(self.table.joined.explain(Operation::RawRowLoad))
    }

    /// Stores one field, as [`RawBox::store`](crate::RawBox::store) does.
    ///
    /// # Errors
    ///
    /// As for [`RawTable::store_header`].
    ///
    /// # Panics
    ///
    /// If the order is `Acquire` or `AcqRel`.
    pub fn store<F: SharedLayout>(
        &self,
        field: Field<Row, F>,
        value: F,
        order: Ordering,
    ) -> Result<(), Error> {
        const { one_access::<Row, F>() }
        let may = self.table.to_write();
        may.and_then(|()| self.part.store_field(field, value, order))
            .map_err(self.table.joined.explain(Operation::RawRowStore))
    }
}

setters! {
    impl [Header, Row: SharedLayout] RawTableOptions<Header, Row>;

    /// Whose segments are trusted: [`Owner::SelfOrRoot`] unless told otherwise.
    owner(owner: Owner) => settings.owner = owner;

    /// The rights of others to write the table's file that are no danger, as `0o660` has those of its group: a file which others
    /// may write is refused unless their bits are in it, as for [`Options::mode`](crate::Options::mode).
    mode(mode: u32) => settings.mode = mode;

    /// How long an access of a [`GuardedTable`](crate::GuardedTable) waits for its guard, and `open` goes on
    /// while other processes remove the segment and make it anew: 5 seconds unless told otherwise.
    timeout(timeout: Duration) => settings.timeout = timeout;

    /// At which byte of the segment the rows begin, a multiple of their alignment: behind the header unless
    /// told otherwise. C's `rows[]` may begin in the padding at the header's end: there it is
    /// `offsetof(struct table, rows)`.
    rows_at(bytes: usize) => rows_at = Some(bytes);
}

impl<Header, Row: SharedLayout> RawTableOptions<Header, Row> {
    /// The field of the header that counts the rows: of all that the segment has room for unless told
    /// otherwise.
    pub fn count_from<C>(&mut self, field: Field<Header, C>) -> &mut Self
    where
        C: Integer + TryInto<usize>,
    {
        self.count = Some((field.offset(), count_of::<C>));
        self
    }

    /// Attaches the table of a place. See [`RawTable::open`].
    ///
    /// # Errors
    ///
    /// As for [`RawTable::open`]; [`ErrorKind::Options`] also for rows, or a count, that would not be aligned.
    pub fn open(&self, place: impl Into<Place>) -> Result<RawTable<Header, Row>, Error> {
        self.table(place.into(), true, Operation::RawTableOpen)
    }

    /// Attaches the table of a place for reading. See [`RawTable::open_read_only`].
    ///
    /// # Errors
    ///
    /// As for [`RawTableOptions::open`].
    pub fn open_read_only(&self, place: impl Into<Place>) -> Result<RawTable<Header, Row>, Error> {
        self.table(place.into(), false, Operation::RawTableOpenReadOnly)
    }

    fn table(
        &self,
        place: Place,
        writable: bool,
        operation: Operation,
    ) -> Result<RawTable<Header, Row>, Error> {
        let wanted = self.wanted(writable);
        let of = (Type::of::<Row>(), operation);
        let (joined, _) = Joined::open(self.settings, place, of, wanted)?;
        let room = joined.segment.size() - self.first_row();
        Ok(RawTable {
            joined,
            options: self.clone(),
            capacity: room / size_of::<Row>(),
            writable,
        })
    }

    /// Where the rows begin.
    fn first_row(&self) -> usize {
        let behind = size_of::<Header>().next_multiple_of(align_of::<Row>());
        self.rows_at.unwrap_or(behind)
    }

    /// The header and what lies before the rows, which are aligned.
    fn wanted(&self, writable: bool) -> Result<Wanted, Failure> {
        let (rows_at, align) = (self.first_row(), align_of::<Row>());
        if rows_at % align != 0 {
            return refused(format!(
                "rows at byte {rows_at} are not aligned: take a multiple of {align}"
            ));
        }
        Ok(Wanted {
            offset: 0,
            bytes: size_of::<Header>().max(rows_at),
            writable,
            make: None,
        })
    }
}

impl<Header, Row: SharedLayout> Raw for RawTable<Header, Row> {
    fn joined(&self) -> &Joined {
        &self.joined
    }
}

impl<Header, Row: SharedLayout> fmt::Debug for RawRow<'_, Header, Row> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut of = f.debug_struct("RawRow");
        of.field("table", self.table)
            .field("index", &self.index)
            .finish()
    }
}

impl<Header, Row: SharedLayout> fmt::Debug for RawTable<Header, Row> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Type::of::<Row>()
            .fmt_in_segment("RawTable", self.joined.segment.key(), self.id(), f)
            .field("capacity", &self.capacity)
            .finish()
    }
}
