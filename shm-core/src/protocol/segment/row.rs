//! One row of an attached table: read by all, written by its owner.

use super::commit::{Copies, GAPS, Held, Payload};
use super::segment::Segment;
use crate::protocol::fault::Fault;
use crate::protocol::lock::process::Stamp;
use crate::protocol::lock::record::Record;
use crate::protocol::memory::atomics::{AtomicU64, Ordering::Relaxed};
use crate::protocol::memory::control::{EVERYTHING, Geometry, State};
use crate::protocol::memory::copy::Span;
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
    pub(super) spot: Spot,
}

/// Where a seat's row lies, so that no commit computes it, and no addition.
///
/// # Invariants
///
/// **there**: words, copies and bases are those of a row of the segment that the seat is of, and stay as long as that.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spot {
    words: *const RowWords,
    latch: Latch,
    /// What the counters held when the row was claimed; without counters nothing is there.
    bases: *const AtomicU64,
}

// SAFETY: it leads to atomics of a mapping, which is no thread's, so it may be any thread that has it.
unsafe impl Send for Spot {}
// SAFETY: it leads to atomics and copies, which threads may access at once.
unsafe impl Sync for Spot {}

impl Segment {
    /// How many rows there are; 0 of a box.
    pub(crate) fn row_count(&self) -> u32 {
        self.geometry.rows
    }

    /// A row of this table; `None` if it has none of that index.
    #[inline(always)]
    pub(crate) fn row(&self, index: u32) -> Option<Row<'_>> {
        let words = self.row_words().get(index as usize)?;
        Some(Row {
            segment: self,
            index,
            words,
        })
    }

    /// The row of a seat, whether it is had still or not: see [`Held::check`].
    ///
    /// # Safety
    ///
    /// The seat was claimed in this segment.
    #[inline(always)]
    pub(crate) unsafe fn seat<'a>(&'a self, seated: &'a Seated) -> OwnedRow<'a> {
        debug_assert!(self.writable);
        OwnedRow {
            segment: self,
            seated,
        }
    }

    /// Whether this process has the row of a seat still, whatever schema is in force.
    pub(crate) fn check_seat(&self, seated: &Seated) -> Result<(), Fault> {
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
        let (latch, bases) = (row.latch(), row.segment.geometry.mirror(2));
        let spot = Spot {
            words: row.words,
            latch,
            bases: latch.payload().first().wrapping_byte_add(bases),
        };
        let index = row.index;
        Seated {
            index,
            own,
            stamp,
            spot,
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
        version_of(self.words.seq.load(Relaxed))
    }

    /// Its copies. Computed when they are asked for: what a reader does before needs the registers.
    #[inline(always)]
    pub(crate) fn latch(&self) -> Latch {
        let Geometry { rows, capacity, .. } = self.segment.geometry;
        let before = (rows - self.index) as usize * capacity;
        // SAFETY: the row's copies lie there, each within its part of the mapping (**rows**, **divided**), and
        // have its size; the sequence is an atomic of the row's words. Both stay as long as the segment.
        unsafe { self.segment.latch.before(before, &raw const self.words.seq) }
    }

    /// The cell of a counter, for all owners of the row, and its base, for the one that it has.
    ///
    /// # Safety
    ///
    /// The table has counters, and its capacity the word at the offset, a multiple of 8.
    #[inline(always)]
    unsafe fn counter(&self, offset: usize) -> (&AtomicU64, &AtomicU64) {
        let payload = self.latch().payload();
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

    /// What the cell of a counter holds; `None`: the table has no counter there.
    fn cell(&self, offset: usize) -> Option<u64> {
        let is_counter = self.segment.is_counter(offset);
        // SAFETY: it is one, within the capacity.
        is_counter.then(|| unsafe { self.counter(offset) }.0.load(Relaxed))
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

    /// Whose value it shows; `None`: it shows none.
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
        let mut read = self.segment.read_bytes_of(&self.latch(), state, len)?;
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
        // SAFETY: a state was named without an older version, and still stands, so the span lies within the capacity, which is a
        // row's size (**divided**); `dst` takes its bytes.
        let version = unsafe { self.latch().read(span, dst) }?;
        self.is_still(seen.own).then_some(version)
    }
}

/// A row of this process's own, for one commit.
///
/// # Invariants
///
/// Those of [`Held`]: **owned**, since its word names this process's claim, which lives as long as the handle;
/// **whole**, since it was repaired when it was claimed. And **there** of [`Spot`], in this segment.
///
/// Two references, which stay in registers: whatever is asked of them leads to no place on the stack.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OwnedRow<'a> {
    segment: &'a Segment,
    seated: &'a Seated,
}

impl<'a> OwnedRow<'a> {
    #[inline(always)]
    fn words(self) -> &'a RowWords {
        // SAFETY: **there**. They are atomics, which may change under a shared reference.
        unsafe { &*self.seated.spot.words }
    }

    fn row(self) -> Row<'a> {
        Row {
            segment: self.segment,
            index: self.seated.index,
            words: self.words(),
        }
    }

    /// Whether the row is had still, at first sight; if not, ask [`Held::check`].
    #[inline(always)]
    pub(crate) fn check_at_once(self) -> bool {
        self.seated.stamp.lasts_at_once()
            && self.segment.is_written_as_known()
            && self.words().is(self.seated.own)
    }

    /// Ends a commit: looks around at times, whether segment, semaphores and process still belong together.
    #[inline(always)]
    pub(crate) fn finish(self, version: u64) -> u64 {
        self.segment.look_around(version);
        version
    }

    /// Adds to a counter; returns what the owner had counted before.
    ///
    /// # Safety
    ///
    /// The table has counters, and its capacity the word at the offset, a multiple of 8.
    #[inline(always)]
    pub(crate) unsafe fn add(self, offset: usize, n: u64) -> u64 {
        let Spot { latch, bases, .. } = &self.seated.spot;
        // SAFETY: the row and its bases have the word (this function's contract), and are **there**. An atomic may change
        // under a shared reference.
        let (cell, base) = unsafe { (latch.payload().word(offset), &*bases.byte_add(offset)) };
        // No exchange: only this process adds to the row, and a seat does one thing at a time. One store, so a death leaves
        // all of it or nothing.
        let before = cell.load(Relaxed);
        cell.store(before.wrapping_add(n), Relaxed);
        let base = base.load(Relaxed);
        // An addition costs less than a commit, and so it looks less often.
        if before % ADDITIONS == 0 {
            self.segment.look_around(0);
        }
        before.wrapping_sub(base)
    }
}

impl Copies for OwnedRow<'_> {
    #[inline(always)]
    fn latch(&self) -> &Latch {
        &self.seated.spot.latch
    }

    #[inline(always)]
    fn range(&self) -> &AtomicU64 {
        &self.words().range
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

impl Held for OwnedRow<'_> {
    fn cell(&self, offset: usize) -> Option<u64> {
        self.row().cell(offset)
    }

    fn count(&self, offset: usize) -> Option<u64> {
        self.row().count(offset)
    }

    #[inline(always)]
    fn check(&self) -> Result<(), Fault> {
        if self.check_at_once() {
            return Ok(());
        }
        // Whatever schema is in force by now: the row has the fields that it was claimed with, and lies where it lay.
        self.segment.check_seat(self.seated)
    }

    #[inline(always)]
    fn copies(&self) -> impl Copies {
        *self
    }
}

/// A row that has just been claimed, for its first commit: what its copies hold is its last owner's.
///
/// # Invariants
///
/// Those of [`Held`], as for [`OwnedRow`]; and the seat is one of the row.
#[derive(Debug)]
pub(crate) struct FreshRow<'a> {
    pub(super) row: Row<'a>,
    pub(super) seated: Seated,
}

impl Held for FreshRow<'_> {
    fn cell(&self, offset: usize) -> Option<u64> {
        self.row.cell(offset)
    }

    fn count(&self, offset: usize) -> Option<u64> {
        self.row.count(offset)
    }

    fn check(&self) -> Result<(), Fault> {
        self.row.segment.check_seat(&self.seated)
    }

    fn copies(&self) -> impl Copies {
        debug_assert!(false, "the first commit is a whole one, over the template");
        // SAFETY: the seat is of the row, and so of its segment.
        unsafe { self.row.segment.seat(&self.seated) }
    }

    /// Of the template, which is the value before the first.
    unsafe fn load(&self, span: Span, dst: *mut u8) {
        // SAFETY: the span lies within the capacity, which is the template's size; `dst` takes its bytes.
        unsafe { self.row.segment.latch.payload().load_span(span, dst) };
    }

    /// Commits what `write` stores over the template: of all other bytes a new owner's row has the template's.
    unsafe fn commit(&mut self, _: usize, _: Option<[Span; GAPS]>, write: impl Fn(Payload)) -> u64 {
        let latch = self.row.latch();
        let template = self.row.segment.latch.payload();
        // At least that of the schema that the row is to name, see `Segment::claim_row`.
        let len = self.row.segment.stored.load(Relaxed);
        let mask = self.row.segment.mask();
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
