//! `RowView`: what a row of a table shows; `Rows`: all that show something, one after the other.

use std::fmt;
use std::iter::FusedIterator;
use std::str::FromStr;

#[cfg(doc)]
use super::super::error::ErrorKind;
use super::super::error::{Error, Operation};
use crate::layout::{ParseTypeError, SharedLayout};
use crate::protocol::{Own, Row, Seen};
use crate::typed::{Field, Snapshot, Typed};

/// One claim of a row: a row has another one with each owner, and no two claims of a table have one id. As text, for another
/// program, `3#17`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowId {
    index: u32,
    number: u64,
}

impl RowId {
    pub(in crate::face) fn new(index: u32, number: u64) -> RowId {
        RowId { index, number }
    }

    /// Which row of the table it is, from 0.
    pub fn index(self) -> u32 {
        self.index
    }

    /// Which claim of the table it is, from 1.
    pub fn number(self) -> u64 {
        self.number
    }
}

impl fmt::Display for RowId {
    /// Row and claim: `3#17`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.index, self.number)
    }
}

impl FromStr for RowId {
    type Err = ParseTypeError;

    /// From what `Display` makes of it.
    fn from_str(text: &str) -> Result<RowId, ParseTypeError> {
        let parts = text.split_once('#').and_then(|(index, number)| {
            let id = RowId::new(index.parse().ok()?, number.parse().ok()?);
            // A plus sign or a zero in front is not what it was given as.
            (id.number > 0 && id.to_string() == text).then_some(id)
        });
        parts.ok_or(ParseTypeError::new("a row and a claim of it: `3#17`"))
    }
}

/// Whether the owner of a row lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RowLife {
    /// As far as it was noticed it does: [`TableView::look`](super::TableView::look) judges.
    Live,
    /// It has ended; the row has the last value that it committed.
    Dead,
}

/// A row that has an owner, or had one that is dead.
pub struct RowView<'a, T: SharedLayout> {
    typed: &'a Typed<T>,
    row: Row<'a>,
    seen: Seen,
}

impl<'a, T: SharedLayout> RowView<'a, T> {
    #[inline]
    pub(super) fn look(typed: &'a Typed<T>, index: u32) -> Option<RowView<'a, T>> {
        let row = typed.attached().segment().row(index)?;
        let seen = row.look()?;
        Some(RowView::of_row(typed, row, seen))
    }

    pub(super) fn of_row(typed: &'a Typed<T>, row: Row<'a>, seen: Seen) -> RowView<'a, T> {
        RowView { typed, row, seen }
    }

    /// Which claim of the row this is.
    pub fn id(&self) -> RowId {
        RowId::new(self.row.index(), self.seen.id)
    }

    /// Whether its owner lives.
    pub fn life(&self) -> RowLife {
        if self.seen.is_dead() {
            RowLife::Dead
        } else {
            RowLife::Live
        }
    }

    /// The pid of its owner as this process sees it; `None` of one in another pid namespace.
    pub fn owner(&self) -> Option<u32> {
        self.seen.owner()
    }

    /// The number of the row's last commit, which goes on from owner to owner. One load.
    pub fn version(&self) -> u64 {
        self.row.version()
    }

    /// The value, copied as a whole. No system call, no allocation, no store to the segment.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Stale`] if the row has another owner by now, or none; [`ErrorKind::Invalid`] if a peer stored bytes
    /// that are no `T`; [`ErrorKind::Removed`]; [`ErrorKind::Overtaken`] if the owner replaced the value faster than it
    /// could be copied, for the whole [time limit](crate::Options::timeout); [`ErrorKind::Mismatch`] if another program
    /// has put a layout in force that does not go with this one; [`ErrorKind::Damaged`].
    #[inline]
    pub fn get(&self) -> Result<T, Error> {
        self.read(Operation::RowGet).map(|snapshot| snapshot.value)
    }

    /// The value, with the row's version.
    ///
    /// # Errors
    ///
    /// As for [`RowView::get`].
    #[inline]
    pub fn snapshot(&self) -> Result<Snapshot<T>, Error> {
        self.read(Operation::RowGet)
    }

    #[inline]
    pub(super) fn read(&self, operation: Operation) -> Result<Snapshot<T>, Error> {
        let explain = self.typed.explain(operation);
        self.typed
            .read_row(&self.row, &self.seen, Field::WHOLE, explain)
    }
}

impl<T: SharedLayout> fmt::Debug for RowView<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RowView")
            .field("id", &format_args!("{}", self.id()))
            .field("life", &self.life())
            .field("owner", &self.owner())
            .field("version", &self.version())
            .finish()
    }
}

/// The rows of a table that show a value; made by [`TableView::rows`](super::TableView::rows) and
/// [`TableView::look`](super::TableView::look).
#[must_use = "an iterator looks at no row unless it is asked for the next one"]
pub struct Rows<'a, T: SharedLayout> {
    typed: &'a Typed<T>,
    /// What was found of the owners, by rows in ascending order, where it could not be noted in the table.
    looked: Option<Vec<(u32, Seen)>>,
    /// How many rows had their turn.
    done: u32,
}

impl<'a, T: SharedLayout> Rows<'a, T> {
    pub(super) fn new(typed: &'a Typed<T>, looked: Option<Vec<(u32, Seen)>>) -> Rows<'a, T> {
        Rows {
            typed,
            looked,
            done: 0,
        }
    }
}

impl<'a, T: SharedLayout> Iterator for Rows<'a, T> {
    type Item = RowView<'a, T>;

    #[inline]
    fn next(&mut self) -> Option<RowView<'a, T>> {
        loop {
            let row = self.typed.attached().segment().row(self.done)?;
            self.done += 1;
            if let Some(mut seen) = row.look() {
                if let Some(looked) = &self.looked {
                    seen.own = judged(looked, row.index(), seen.own);
                }
                return Some(RowView::of_row(self.typed, row, seen));
            }
        }
    }
}

/// The word of a row as it was judged, unless it has another owner by now.
#[cold]
fn judged(looked: &[(u32, Seen)], index: u32, own: Own) -> Own {
    let found = looked.binary_search_by_key(&index, |(index, _)| *index);
    let judged = found.map_or(own, |at| looked[at].1.own);
    if own.shows_as(judged) { judged } else { own }
}

impl<T: SharedLayout> FusedIterator for Rows<'_, T> {}

debug_in_segment!(Rows<'_, T>: typed);
