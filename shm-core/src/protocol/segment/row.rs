//! One row of an attached table: read by all, written by its owner.

use super::commit::{Copies, GAPS, Held, Payload, commit_whole};
use super::segment::Segment;
use crate::protocol::fault::Fault;
use crate::protocol::lock::process::Stamp;
use crate::protocol::lock::record::Record;
use crate::protocol::memory::atomics::{AtomicU64, Ordering::Relaxed};
use crate::protocol::memory::control::{EVERYTHING, State};
use crate::protocol::memory::copy::{Area, LONG, Span};
use crate::protocol::memory::latch::{Latch, version_of};
use crate::protocol::rows::own::{Life, Own};
use crate::protocol::rows::words::RowWords;

/// Additions between two looks around, see [`Segment::look_around`].
const ADDITIONS: u64 = 1 << 16;

/// One row, free or owned.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row<'a> {
    pub(super) segment: &'a Segment,
    pub(super) index: u32,
    pub(super) words: &'a RowWords,
    pub(super) latch: Latch,
}

/// Whose value a row showed when it was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) own: Own,
    /// The number of the claim among all of the table.
    pub(crate) id: u64,
    /// The record of the owner's process.
    pub(super) owner: Record,
}

/// A row that this process has claimed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seated {
    pub(super) index: u32,
    pub(super) own: Own,
    pub(super) stamp: Stamp,
    pub(super) cells: Cells,
}

/// Where a seat's row and its bases begin, for additions that cost little more than an atomic's own.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cells {
    row: *const AtomicU64,
    bases: *const AtomicU64,
}

// SAFETY: they lead to atomics of a mapping, which is no thread's, so it may be any thread that has them.
unsafe impl Send for Cells {}
// SAFETY: they lead to atomics, which threads may access at once.
unsafe impl Sync for Cells {}

impl Segment {
    /// How many rows there are; 0 of a box.
    pub(crate) fn row_count(&self) -> u32 {
        self.geometry.rows
    }

    /// A row of this table; `None` if it has none of that index.
    #[inline(always)]
    pub(crate) fn row(&self, index: u32) -> Option<Row<'_>> {
        let words = self.row_words().get(index as usize)?;
        let behind = (self.geometry.rows - index) as usize * self.geometry.capacity;
        // SAFETY: the row's copies lie there, each within its part of the mapping (**rows**, **divided**), and
        // have its size; the sequence is an atomic of the row's words. Both stay as long as `self`.
        let latch = unsafe { self.latch.before(behind, &raw const words.seq) };
        Some(Row {
            segment: self,
            index,
            words,
            latch,
        })
    }

    /// The row of a seat, unless something has to be looked at first: see [`Segment::seat`].
    #[inline(always)]
    pub(crate) fn try_seat(&self, seated: &Seated) -> Option<OwnedRow<'_>> {
        let owned = self.seat_of(seated)?;
        owned.check_at_once().then_some(owned)
    }

    /// The row of a seat, once all has been looked at.
    pub(crate) fn seat(&self, seated: &Seated) -> Result<OwnedRow<'_>, Fault> {
        self.check_seat(seated)?;
        self.seat_of(seated).ok_or(Fault::Left)
    }

    #[inline(always)]
    fn seat_of(&self, seated: &Seated) -> Option<OwnedRow<'_>> {
        debug_assert!(self.writable);
        Some(OwnedRow {
            row: self.row(seated.index)?,
            seated: *seated,
            fresh: false,
        })
    }

    /// Whether this process has the row of a seat still, whatever schema is in force.
    fn check_seat(&self, seated: &Seated) -> Result<(), Fault> {
        if !seated.stamp.lasts() {
            return Err(Fault::Forked);
        }
        self.check_life()?;
        let is_own = |row: Row<'_>| row.words.is(seated.own);
        if self.is_left() || !self.row(seated.index).is_some_and(is_own) {
            return Err(Fault::Left);
        }
        Ok(())
    }
}

impl Seen {
    /// Whether a process has found the owner dead.
    pub(crate) fn is_dead(&self) -> bool {
        self.own.life() != Life::Live
    }

    /// The pid of the owner as this process sees it; `None` if it can't.
    pub(crate) fn owner(&self) -> Option<u32> {
        self.owner.is_comparable().then(|| self.owner.pid())
    }
}

impl Seated {
    /// The seat of a row that this process has claimed.
    pub(super) fn of(row: &Row<'_>, own: Own, stamp: Stamp) -> Seated {
        let first = row.latch.payload().first();
        let cells = Cells {
            row: first,
            bases: first.wrapping_byte_add(row.segment.geometry.mirror(2)),
        };
        let index = row.index;
        Seated {
            index,
            own,
            stamp,
            cells,
        }
    }

    /// Which row it is.
    pub(crate) fn index(&self) -> u32 {
        self.index
    }
}

impl Row<'_> {
    /// Which one of the table it is.
    pub(crate) fn index(&self) -> u32 {
        self.index
    }

    /// The number of its last commit, of whatever owner.
    pub(crate) fn version(&self) -> u64 {
        version_of(self.latch.sequence())
    }

    /// Its copies.
    pub(crate) fn copies(&self) -> &Latch {
        &self.latch
    }

    /// Which words of a row are counters: those that are not 0. `None`: none.
    fn mask(&self) -> Option<Area> {
        self.segment.mask()
    }

    /// The cell of a counter, for all owners of the row, and its base, for the one that it has.
    ///
    /// # Safety
    ///
    /// The table has counters, and its capacity the word at the offset, a multiple of 8.
    #[inline(always)]
    unsafe fn counter(&self, offset: usize) -> (&AtomicU64, &AtomicU64) {
        let payload = self.latch.payload();
        // SAFETY: the row has the word (this function's contract), and so have its bases, which lie behind the mirrors
        // (**rows**, **divided**); both stay as long as the segment.
        unsafe {
            let bases = payload.behind(self.segment.geometry.mirror(2));
            (payload.word(offset), bases.word(offset))
        }
    }

    /// What the owner has counted at this offset.
    ///
    /// # Safety
    ///
    /// The table has counters, and its capacity the word at the offset, a multiple of 8.
    #[inline(always)]
    pub(crate) unsafe fn known_count(&self, offset: usize) -> u64 {
        // SAFETY: this function's contract.
        let (cell, base) = unsafe { self.counter(offset) };
        cell.load(Relaxed).wrapping_sub(base.load(Relaxed))
    }

    /// What the owner has counted at this offset; `None`: the table has no counter there.
    pub(crate) fn count(&self, offset: usize) -> Option<u64> {
        let is_counter = self.segment.is_counter(offset);
        // SAFETY: it is one, within the capacity.
        is_counter.then(|| unsafe { self.known_count(offset) })
    }

    /// Notes what the cells hold when the row gets its next owner. The row is this claim's, and was repaired.
    pub(super) fn note_bases(&self) {
        // Behind the release fence of the repair, and so behind the exchange: see `RowWords::is_still`.
        for offset in self.segment.counters() {
            // SAFETY: it is one, within the capacity.
            let (cell, base) = unsafe { self.counter(offset) };
            base.store(cell.load(Relaxed), Relaxed);
        }
    }

    /// Whose value it shows; `None`: no one's.
    #[inline]
    pub(crate) fn look(&self) -> Option<Seen> {
        let own = self.words.look();
        if !own.is_shown() {
            return None;
        }
        let id = self.words.id.load(Relaxed);
        let owner = Record(self.words.owner.load(Relaxed));
        self.words.is_still(own).then_some(Seen { own, id, owner })
    }

    /// Whether it shows the value of that owner still.
    #[inline(always)]
    pub(crate) fn is_still(&self, seen: Own) -> bool {
        self.words.is_still(seen)
    }

    /// The version of the schema whose fields the value has; any number from 1 on if a peer stored it. Holds for an owner who was seen
    /// before, if the row [is still](Row::is_still) that one's afterwards.
    pub(crate) fn schema(&self) -> u32 {
        self.words.schema().try_into().unwrap_or(u32::MAX).max(1)
    }

    /// The first `len` bytes of the value that the owner who was seen committed, and their version, as long as the schema of
    /// `state` is in force; `None`: the row has another owner by now, or none.
    pub(crate) fn read_bytes(
        &self,
        seen: &Seen,
        state: State,
        len: usize,
    ) -> Result<Option<(Vec<u8>, u64)>, Fault> {
        let mut read = self.segment.read_bytes_of(&self.latch, state, len)?;
        for offset in self.segment.counters().take_while(|at| at + 8 <= len) {
            let count = self.count(offset).unwrap_or_default();
            read.0[offset..offset + 8].copy_from_slice(&count.to_ne_bytes());
        }
        Ok(self.is_still(seen.own).then_some(read))
    }

    /// Copies some bytes of the value to `dst` and returns its version, unless the owner overtook the copy, the row
    /// or the segment is not what it was, or the value lacks fields of version `schema`. After `Some` all of `dst` is initialised.
    ///
    /// # Safety
    ///
    /// As for [`Segment::try_read`].
    #[inline(always)]
    pub(crate) unsafe fn try_read(
        &self,
        seen: &Seen,
        schema: u32,
        span: Span,
        dst: *mut u8,
    ) -> Option<u64> {
        if u64::from(self.segment.state().0) != self.segment.read_as.load(Relaxed) {
            return None;
        }
        // No value lacks fields of the first version.
        if schema > 1 && self.words.schema() < schema.into() {
            return None;
        }
        // SAFETY: a state was named that still stands, so the span lies within the capacity, which is a
        // row's size (**divided**); `dst` takes its bytes.
        let version = unsafe {
            if span.len > LONG {
                self.latch.read_long(span, dst)
            } else {
                self.latch.read(span, dst)
            }
        }?;
        self.is_still(seen.own).then_some(version)
    }
}

impl Copies for Row<'_> {
    #[inline(always)]
    fn latch(&self) -> &Latch {
        &self.latch
    }

    #[inline(always)]
    fn range(&self) -> &AtomicU64 {
        &self.words.range
    }

    #[inline(always)]
    fn stored(&self) -> usize {
        self.segment.stored.load(Relaxed)
    }

    #[inline(always)]
    fn is_exact(&self) -> bool {
        false
    }
}

/// A row of this process's own, for one commit.
///
/// # Invariants
///
/// Those of [`Held`]: **owned**, since its word names this process's claim, which lives as long as the handle;
/// **whole**, since it was repaired when it was claimed.
#[derive(Debug)]
pub(crate) struct OwnedRow<'a> {
    pub(super) row: Row<'a>,
    pub(super) seated: Seated,
    /// It has just been claimed: what its copies hold is its last owner's.
    pub(super) fresh: bool,
}

impl OwnedRow<'_> {
    /// Whether the row is had still, at first sight; if not, ask [`Held::check`].
    #[inline(always)]
    pub(crate) fn check_at_once(&self) -> bool {
        self.seated.stamp.lasts_at_once()
            && self.row.segment.is_written_as_known()
            && self.row.words.is(self.seated.own)
    }

    /// Ends a commit: looks around at times, whether segment, semaphores and process still belong together.
    #[inline(always)]
    pub(crate) fn finish(self, version: u64) -> u64 {
        self.row.segment.look_around(version);
        version
    }

    /// Adds to a counter; returns what the owner had counted before.
    ///
    /// # Safety
    ///
    /// The table has counters, and its capacity the word at the offset, a multiple of 8.
    #[inline(always)]
    pub(crate) unsafe fn add(&self, offset: usize, n: u64) -> u64 {
        let Cells { row, bases } = self.seated.cells;
        // SAFETY: this function's contract: the row and its bases have the word (`Seated::of`), and stay as long as the
        // segment, of which this is a row. An atomic may change under a shared reference.
        let (cell, base) = unsafe { (&*row.byte_add(offset), &*bases.byte_add(offset)) };
        // No exchange: only this process adds to the row, and a seat does one thing at a time. One store, so a death leaves
        // all of it or nothing.
        let before = cell.load(Relaxed);
        cell.store(before.wrapping_add(n), Relaxed);
        let base = base.load(Relaxed);
        // An addition costs less than a commit, and so it looks less often.
        if before % ADDITIONS == 0 {
            self.row.segment.look_around(0);
        }
        before.wrapping_sub(base)
    }

    /// Commits what `write` stores over the template: of all other bytes a new owner's row has the template's.
    ///
    /// # Safety
    ///
    /// As for [`Held::commit`].
    unsafe fn commit_first(&self, write: impl Fn(Payload)) -> u64 {
        let latch = &self.row.latch;
        let template = self.row.segment.latch.payload();
        // At least that of the schema that the row is to name, see `Segment::claim_row`.
        let len = self.row.segment.stored.load(Relaxed);
        let mask = self.row.mask();
        self.row.words.range.store(EVERYTHING, Relaxed);
        // SAFETY: **owned**, **whole**. Rows, template and mask have the capacity's size, do not overlap, and are
        // writable; `stored` is within it (**fits**).
        unsafe {
            let (version, mirror) = latch.commit(|area| {
                area.copy_around(template, len, mask);
                write(Payload { area, exact: false });
            });
            mirror.copy_from(latch.payload(), Span::whole(len));
            version
        }
    }
}

impl Held for OwnedRow<'_> {
    fn cell(&self, offset: usize) -> Option<u64> {
        let is_counter = self.row.segment.is_counter(offset);
        // SAFETY: it is one, within the capacity.
        is_counter.then(|| unsafe { self.row.counter(offset) }.0.load(Relaxed))
    }

    fn count(&self, offset: usize) -> Option<u64> {
        self.row.count(offset)
    }

    #[inline(always)]
    fn check(&self) -> Result<(), Fault> {
        if self.check_at_once() {
            return Ok(());
        }
        // Whatever schema is in force by now: the row has the fields that it was claimed with, and lies where it lay.
        self.row.segment.check_seat(&self.seated)
    }

    #[inline(always)]
    unsafe fn load(&self, span: Span, dst: *mut u8) {
        let from = if self.fresh {
            self.row.segment.latch.payload()
        } else {
            self.row.latch.payload()
        };
        // SAFETY: the span lies within the capacity, which is a row's size; `dst` takes its bytes.
        unsafe { from.load_span(span, dst) };
    }

    #[inline(always)]
    fn copies(&self) -> &impl Copies {
        debug_assert!(!self.fresh, "the first commit is a whole one");
        &self.row
    }

    #[inline(always)]
    unsafe fn commit(
        &mut self,
        len: usize,
        gaps: Option<[Span; GAPS]>,
        write: impl Fn(Payload),
    ) -> u64 {
        if self.fresh {
            // SAFETY: this function's contract.
            return unsafe { self.commit_first(write) };
        }
        // SAFETY: **owned**, **whole**; what this function's contract says of lengths.
        unsafe { commit_whole(&self.row, len, gaps, write) }
    }
}
