//! A commit: what is stored to the payload, and how the mirror follows it.

use crate::protocol::fault::Fault;
use crate::protocol::memory::atomics::{AtomicU64, Ordering::Relaxed};
use crate::protocol::memory::control::EVERYTHING;
use crate::protocol::memory::copy::{Area, Comb, Span};
use crate::protocol::memory::latch::Latch;
use crate::protocol::memory::stop::stop;

/// The span that a range word names; `None` if it names everything, or more than there is.
fn decoded(range: u64, stored: usize) -> Option<Span> {
    let offset = usize::try_from(range & 0xffff_ffff).ok()?;
    let len = usize::try_from(range >> 32).ok()?;
    let fits = offset.checked_add(len).is_some_and(|end| end <= stored);
    (range != EVERYTHING && fits).then_some(Span { offset, len })
}

/// The range word for a span; what does not fit its halves is called everything.
fn encoded(span: Span) -> u64 {
    match (u32::try_from(span.offset), u32::try_from(span.len)) {
        (Ok(offset), Ok(len)) => u64::from(len) << 32 | u64::from(offset),
        _ => EVERYTHING,
    }
}

/// Values up to this long are stored twice rather than copied from payload to mirror: what is in
/// registers, or in the cache by its own address, need not wait for the stores before it.
const TWICE: usize = 256;

/// How many gaps [`Held::commit`] may be told of, and how long each may be.
pub(crate) const GAPS: usize = 4;
pub(crate) const GAP: usize = 8;

/// The right to commit to one value: a box's lock, or a row of this process's own.
///
/// # Invariants
///
/// - **owned**: as long as [`Held::check`] says so, no other process commits to that value, and the mapping is
///   writable.
/// - **whole**: what a dead owner left was repaired, and each commit leaves its copies whole.
pub(crate) trait Held {
    /// Whether this process still has the right. To be asked when a caller's code has run since it was
    /// got or since it was last asked.
    fn check(&self) -> Result<(), Fault>;

    /// What a counter's cell holds: no commit changes it. `None`: no counter is there, and in a box none is anywhere.
    fn cell(&self, offset: usize) -> Option<u64> {
        let _ = offset;
        None
    }

    /// What a value has in a counter's place.
    fn count(&self, offset: usize) -> Option<u64> {
        let _ = offset;
        None
    }

    /// The copies of that value.
    fn copies(&self) -> impl Copies;

    /// Copies some bytes of the value to `dst`. All of `dst` is initialised then. The right is known to be had, see
    /// [`Held::check`].
    ///
    /// # Safety
    ///
    /// The span lies within the segment's capacity, and `dst` is valid for writes of as many bytes.
    #[inline(always)]
    unsafe fn load(&self, span: Span, dst: *mut u8) {
        // SAFETY: the span lies within the capacity, which is the payload's size; `dst` takes its bytes.
        unsafe { self.copies().latch().payload().load_span(span, dst) };
    }

    /// A span outside of which the comb's stretches have the bytes at `src` in the payload, at
    /// `offset`; `None` if they have them everywhere.
    ///
    /// # Safety
    ///
    /// `offset + comb.len()` is at most the segment's capacity, and `src` has `comb.len()` bytes, which
    /// are initialised where the stretches are.
    unsafe fn difference(&self, offset: usize, src: *const u8, comb: Comb<'_>) -> Option<Span> {
        let payload = self.copies().latch().payload();
        // SAFETY: the comb lies within the capacity, which is the payload's size, and `src` has its bytes.
        unsafe { payload.difference(offset, src, comb) }
    }

    /// Commits what `write` stores, a whole value of `len` bytes. Returns the new version.
    ///
    /// `gaps` are the bytes that it leaves out, if they are few; those of no length do not count.
    ///
    /// The right is known to be had, see [`Held::check`].
    ///
    /// # Safety
    ///
    /// `len` is at most the segment's capacity, and `gaps` lie within `len`.
    #[inline(always)]
    unsafe fn commit(
        &mut self,
        len: usize,
        gaps: Option<[Span; GAPS]>,
        write: impl Fn(Payload),
    ) -> u64 {
        // SAFETY: the right is had: **owned**, **whole**; what this function's contract says of lengths.
        unsafe { commit_whole(&self.copies(), len, gaps, write) }
    }

    /// Commits what `write` stores within `changed`: the cost is that of these bytes and of those
    /// of the commit before. Otherwise as [`Held::commit`].
    ///
    /// # Safety
    ///
    /// `changed` lies within the segment's capacity.
    #[inline(always)]
    unsafe fn commit_part(&mut self, changed: Span, write: impl FnOnce(Payload)) -> u64 {
        let copies = self.copies();
        let exact = copies.is_exact();
        let write = |area| write(Payload { area, exact });
        // The mirror is two versions old: it lacks what the last commit changed, and what this one
        // changes. Raw writers change what no commit knows of.
        let noted = copies.range().load(Relaxed);
        let last = decoded(noted, copies.stored()).filter(|_| !exact);
        // SAFETY: the right is had: **owned**, **whole**.
        let (version, mirror) = unsafe { copies.latch().commit(write) };
        let payload = copies.latch().payload();
        // SAFETY: payload and mirror are of one size, do not overlap, and are writable (**owned**).
        // `decoded` lets only spans within `stored` through; that and `changed` are within the capacity.
        unsafe {
            match last {
                Some(last) => {
                    if noted != encoded(changed) {
                        mirror.copy_from(payload, last);
                    }
                    mirror.copy_from(payload, changed);
                }
                None => mirror.copy_from(payload, Span::whole(copies.stored())),
            }
        }
        stop!("commit: mirror written");
        copies.range().store(encoded(changed), Relaxed);
        stop!("commit: range of a part noted");
        version
    }
}

/// The copies of one value, and what is known of them. Each is asked for where it is needed: what is kept in a register from
/// before a commit costs one.
pub(crate) trait Copies {
    fn latch(&self) -> &Latch;

    /// The word that says what the last commit changed.
    fn range(&self) -> &AtomicU64;

    /// Bytes of the value under the schema in force.
    fn stored(&self) -> usize;

    /// Whether others may store to the payload without the right to.
    fn is_exact(&self) -> bool;
}

/// Commits what `write` stores, see [`Held::commit`].
///
/// # Safety
///
/// The right to commit is had: **owned**, **whole** of [`Held`]. `len` is at most the capacity, and `gaps` lie
/// within `len`.
#[inline(always)]
unsafe fn commit_whole(
    copies: &impl Copies,
    len: usize,
    gaps: Option<[Span; GAPS]>,
    write: impl Fn(Payload),
) -> u64 {
    let exact = copies.is_exact();
    let write = |area| write(Payload { area, exact });
    // Before the commit, whose first store needs the same cache line. If it is not completed,
    // the owner that takes over stores this again.
    copies.range().store(EVERYTHING, Relaxed);
    stop!("commit: range noted");
    // SAFETY: this function's contract: **owned**, **whole**.
    let (version, mirror) = unsafe { copies.latch().commit(write) };
    if copies.stored() != len {
        follow_longer(mirror, copies.latch().payload(), copies.stored());
    } else if let Some(gaps) = gaps.filter(|_| len <= TWICE) {
        // The bytes of the payload, though most are not from there.
        write(mirror);
        let [a, b, c, d] = gaps;
        let payload = copies.latch().payload();
        // SAFETY: payload and mirror are of one size, do not overlap, and are writable (**owned**);
        // the gaps lie within `len`, and that within the capacity.
        unsafe {
            copy_gap(mirror, payload, a);
            copy_gap(mirror, payload, b);
            copy_gap(mirror, payload, c);
            copy_gap(mirror, payload, d);
        }
    } else {
        // SAFETY: payload and mirror are of one size, do not overlap, and are writable (**owned**);
        // `len` is within the capacity. If the compiler knows it, short copies become straight.
        unsafe { mirror.copy_from(copies.latch().payload(), Span::whole(len)) };
    }
    stop!("commit: mirror written");
    version
}

/// Commits what `write` stores, a whole value, under a later number than the next: see [`Latch::commit_as`].
///
/// # Safety
///
/// The right to commit is had: **owned**, **whole** of [`Held`]. `version` is later than the one that stands.
pub(super) unsafe fn commit_as(copies: &impl Copies, version: u64, write: impl FnOnce(Payload)) {
    let exact = copies.is_exact();
    // Before the commit, as in `commit_whole`. It also says that the other mirror lacks everything.
    copies.range().store(EVERYTHING, Relaxed);
    stop!("commit: range noted");
    let write = |area| write(Payload { area, exact });
    // SAFETY: this function's contract: **owned**, **whole**, a later version.
    let (_, mirror) = unsafe { copies.latch().commit_as(version, write) };
    follow_longer(mirror, copies.latch().payload(), copies.stored());
    stop!("commit: mirror written");
}

/// Copies a gap, and no byte beside it.
///
/// # Safety
///
/// The gap lies within both areas, and `mirror` is writable.
#[inline(always)]
unsafe fn copy_gap(mirror: Area, payload: Area, gap: Span) {
    let mut bytes = [0; GAP];
    let len = gap.len.min(GAP);
    // SAFETY: at most the gap, which lies within both areas; `bytes` has room for it; `mirror` is
    // writable.
    unsafe {
        payload.load(gap.offset, bytes.as_mut_ptr(), len);
        mirror.store(gap.offset, bytes.as_ptr(), len);
    }
}

/// Brings a mirror up to date that is longer than the value which was committed: it belongs to a
/// newer program's schema.
#[inline(never)]
fn follow_longer(mirror: Area, payload: Area, stored: usize) {
    // SAFETY: payload and mirror are of one size and do not overlap; a commit is under way, so the
    // mapping is writable; `stored` is within the capacity (the segment's **fits**).
    unsafe { mirror.copy_from(payload, Span::whole(stored)) };
}

/// The payload while a commit, or a birth, is under way.
///
/// # Invariants
///
/// **owned**: this thread holds the lock, and the mapping is writable.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Payload {
    pub(in crate::protocol) area: Area,
    /// Whether others may store to it without the lock.
    pub(in crate::protocol) exact: bool,
}

impl Payload {
    /// Bytes reserved for the value.
    pub(crate) fn capacity(self) -> usize {
        self.area.bytes()
    }

    /// Stores `len` bytes from `src` at `offset`; all other bytes keep their values.
    ///
    /// # Safety
    ///
    /// `offset + len` is at most the segment's capacity, and `src` is valid for reads of `len`
    /// initialised bytes.
    #[inline(always)]
    pub(crate) unsafe fn store(self, offset: usize, src: *const u8, len: usize) {
        // SAFETY: within the capacity, which is the area's size, and writable (**owned**); `src` has the
        // bytes.
        unsafe { self.area.store(offset, src, len) };
    }

    /// Stores a comb's stretches from `src` at `offset`; all other bytes keep their values.
    ///
    /// # Safety
    ///
    /// `offset + comb.len()` is at most the segment's capacity, and `src` is a value, or a part of
    /// one, of `comb.len()` bytes, which are initialised where the stretches are.
    pub(crate) unsafe fn store_comb(self, offset: usize, src: *const u8, comb: Comb<'_>) {
        // SAFETY: the comb is within the capacity, which is the area's size; it is writable, and the lock
        // is held (**owned**); `src` has its bytes.
        unsafe { self.area.store_comb(offset, src, comb, self.exact) };
    }
}
