//! The lock while it is held: reading under it, committing, waking, letting go.

use std::marker::PhantomData;
use std::mem::ManuallyDrop;

use super::segment::Segment;
use super::upgrade::{self, Successor};
use crate::protocol::fault::Fault;
use crate::protocol::lock::claim::Claim;
use crate::protocol::lock::held::{self, Commit, Mark};
use crate::protocol::lock::process::Stamp;
use crate::protocol::lock::wait;
use crate::protocol::memory::atomics::Ordering::Relaxed;
use crate::protocol::memory::control::{ALWAYS_NOTIFY, EVERYTHING, State};
use crate::protocol::memory::copy::{Area, Comb, LONG, Span};
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

/// How many gaps [`Locked::commit`] may be told of, and how long each may be.
pub(crate) const GAPS: usize = 4;
pub(crate) const GAP: usize = 8;

/// The lock, held. Dropping it lets go; after a commit it is for [`Locked::finish`] to do that.
///
/// # Invariants
///
/// **owned**: as long as [`Locked::check`] says so, this process holds the lock of `segment`, whose
/// mapping is writable: the lock is taken of no other. **whole**: what a dead owner left was repaired
/// when the lock was taken over, and each commit leaves its copies whole.
#[derive(Debug)]
pub(crate) struct Locked<'a> {
    segment: &'a Segment,
    claim: Claim,
    /// When it was taken: a child that was forked meanwhile does not hold it.
    stamp: Stamp,
    /// `None` once the lock is kept: see [`Locked::keep`].
    commit: Option<Commit>,
    /// Only the thread that took it may let go: the [`Mark`] is its own.
    not_send: PhantomData<*const ()>,
}

impl<'a> Locked<'a> {
    #[inline(always)]
    pub(in crate::protocol) fn new(
        segment: &'a Segment,
        claim: Claim,
        stamp: Stamp,
        commit: Commit,
    ) -> Locked<'a> {
        Locked {
            segment,
            claim,
            stamp,
            commit: Some(commit),
            not_send: PhantomData,
        }
    }

    /// Notes that this thread holds the lock until further notice, beyond the call that took it.
    pub(crate) fn keep(&mut self) -> Mark {
        let lock = held::name(self.segment.handle.segment, self.claim, self.stamp.epoch);
        let mark = Mark::set(lock);
        if let Some(commit) = self.commit.take() {
            commit.end(&self.segment.handle);
        }
        mark
    }

    /// The version that stands.
    #[inline(always)]
    pub(crate) fn version(&self) -> u64 {
        self.segment.version()
    }

    /// Bytes reserved for the value.
    pub(crate) fn capacity(&self) -> usize {
        self.segment.capacity()
    }

    /// Whether this process still holds the lock, and the segment is what it was. To be asked when
    /// a caller's code has run since the lock was taken or since it was last asked.
    #[inline(always)]
    pub(crate) fn check(&self) -> Result<(), Fault> {
        // No other schema comes in force under the lock.
        if self.check_at_once() {
            Ok(())
        } else {
            self.check_closely()
        }
    }

    #[cold]
    fn check_closely(&self) -> Result<(), Fault> {
        self.check_process()?;
        self.segment.check_life()?;
        if self.segment.is_left() {
            return Err(Fault::Left);
        }
        Ok(())
    }

    /// Whether this process still holds the lock, whatever the segment is: one that is being born
    /// is not ready.
    #[inline(always)]
    pub(crate) fn check_process(&self) -> Result<(), Fault> {
        if self.stamp.lasts() {
            Ok(())
        } else {
            Err(Fault::Forked)
        }
    }

    /// Whether the same is seen at first sight; if not, ask [`Locked::check`].
    #[inline(always)]
    pub(crate) fn check_at_once(&self) -> bool {
        self.stamp.lasts_at_once() && self.segment.is_written_as_known()
    }

    /// A span outside of which the comb's stretches have the bytes at `src` in the payload, at
    /// `offset`; `None` if they have them everywhere.
    ///
    /// The lock is known to be held, see [`Locked::check`].
    ///
    /// # Safety
    ///
    /// `offset + comb.len()` is at most the segment's capacity, and `src` has `comb.len()` bytes, which
    /// are initialised where the stretches are.
    pub(crate) unsafe fn difference(
        &self,
        offset: usize,
        src: *const u8,
        comb: Comb<'_>,
    ) -> Option<Span> {
        // SAFETY: the comb lies within the capacity, which is the payload's size, and `src` has its bytes.
        unsafe { self.segment.latch.payload().difference(offset, src, comb) }
    }

    /// Copies some bytes of the payload to `dst`, raw writers' stores included. All of `dst` is
    /// initialised then. The lock is known to be held, see [`Locked::check`].
    ///
    /// # Safety
    ///
    /// The span lies within the segment's capacity, and `dst` is valid for writes of as many bytes.
    #[inline(always)]
    pub(crate) unsafe fn load(&self, span: Span, dst: *mut u8) {
        // SAFETY: the span lies within the capacity, which is the payload's size; `dst` takes its bytes.
        unsafe {
            if span.len <= LONG {
                self.segment
                    .latch
                    .payload()
                    .load(span.offset, dst, span.len);
            } else {
                self.segment
                    .latch
                    .payload()
                    .load_long(span.offset, dst, span.len);
            }
        }
    }

    /// Commits what `write` stores, a whole value of `len` bytes. Returns the new version.
    ///
    /// `gaps` are the bytes that it leaves out, if they are few; those of no length do not count.
    ///
    /// The lock is known to be held, see [`Locked::check`]. Waiters are still to be woken, by
    /// [`Locked::finish`] or [`Locked::notify`].
    ///
    /// # Safety
    ///
    /// `len` is at most the segment's capacity, and `gaps` lie within `len`.
    #[inline(always)]
    pub(crate) unsafe fn commit(
        &mut self,
        len: usize,
        gaps: Option<[Span; GAPS]>,
        write: impl Fn(Payload),
    ) -> u64 {
        let segment = self.segment;
        let exact = segment.has_raw_writers();
        let write = |area| write(Payload { area, exact });
        // Before the commit, whose first store needs the same cache line. If it is not completed,
        // the owner that takes over stores this again.
        segment.control().range.store(EVERYTHING, Relaxed);
        stop!("commit: range noted");
        // SAFETY: the lock is known to be held: **owned**, **whole**.
        let (version, mirror) = unsafe { segment.latch.commit(write) };
        if segment.stored.load(Relaxed) != len {
            follow_longer(mirror, segment);
        } else if let Some(gaps) = gaps
            && len <= TWICE
        {
            // The bytes of the payload, though most are not from there.
            write(mirror);
            let [a, b, c, d] = gaps;
            let payload = segment.latch.payload();
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
            unsafe { mirror.copy_from(segment.latch.payload(), Span::whole(len)) };
        }
        stop!("commit: mirror written");
        version
    }

    /// Commits what `write` stores within `changed`: the cost is that of these bytes and of those
    /// of the commit before. Otherwise as [`Locked::commit`].
    ///
    /// # Safety
    ///
    /// `changed` lies within the segment's capacity.
    #[inline(always)]
    pub(crate) unsafe fn commit_part(&mut self, changed: Span, write: impl FnOnce(Payload)) -> u64 {
        let segment = self.segment;
        let exact = segment.has_raw_writers();
        let write = |area| write(Payload { area, exact });
        let range = &segment.control().range;
        // The mirror is two versions old: it lacks what the last commit changed, and what this one
        // changes. Raw writers change what no commit knows of.
        let last = decoded(range.load(Relaxed), segment.stored.load(Relaxed))
            .filter(|_| !segment.has_raw_writers());
        // SAFETY: the lock is known to be held: **owned**, **whole**.
        let (version, mirror) = unsafe { segment.latch.commit(write) };
        let payload = segment.latch.payload();
        // SAFETY: payload and mirror are of one size, do not overlap, and are writable (**owned**).
        // `decoded` lets only spans within `stored` through; that and `changed` are within the capacity.
        unsafe {
            match last {
                Some(last) => {
                    mirror.copy_from(payload, last);
                    mirror.copy_from(payload, changed);
                }
                None => mirror.copy_from(payload, Span::whole(segment.stored.load(Relaxed))),
            }
        }
        stop!("commit: mirror written");
        range.store(encoded(changed), Relaxed);
        stop!("commit: range of a part noted");
        version
    }

    /// Whether a holder that keeps the lock must [look closely](Locked::notify) for waiters after
    /// each commit. A system call when first asked in a process.
    pub(crate) fn looks_closely(&self) -> bool {
        self.segment.flags & ALWAYS_NOTIFY != 0 || !wait::barriers_reach_us()
    }

    /// Wakes those who wait for a commit, for a holder that keeps the lock. `closely` as
    /// [`Locked::looks_closely`] says.
    #[inline(always)]
    pub(crate) fn notify(&self, version: u64, closely: bool) {
        stop!("writer: waiters not yet woken");
        let awaited = &self.segment.control().awaited;
        if closely || wait::is_awaited_while_held(awaited, version, true) {
            self.look_closely(version);
        }
        self.segment.look_around(version);
    }

    #[cold]
    fn look_closely(&self, version: u64) {
        let segment = self.segment;
        let awaited = wait::is_awaited_while_held(&segment.control().awaited, version, false);
        if awaited || segment.flags & ALWAYS_NOTIFY != 0 {
            segment.wake_waiters();
        }
    }

    /// Makes `commit`, which returns its version, the last thing done under the lock: lets go after
    /// it, and wakes those who wait for it. Returns the version.
    ///
    /// Should `commit` panic, the lock is not let go: what it guards may not be whole.
    #[inline(always)]
    pub(crate) fn finish(self, commit: impl FnOnce(&mut Locked<'a>) -> u64) -> u64 {
        let mut this = ManuallyDrop::new(self);
        let version = commit(&mut this);
        let segment = this.segment;
        segment.unlock(this.claim);
        if let Some(commit) = this.commit.take() {
            commit.end(&segment.handle);
        }
        let awaited = wait::is_awaited_after_release(&segment.control().awaited, version);
        if awaited || segment.flags & ALWAYS_NOTIFY != 0 {
            segment.wake_waiters();
        }
        stop!("unlock: waiters woken");
        segment.look_around(version);
        version
    }
}

impl Locked<'_> {
    /// Puts `successor` in force in the place of the schema of state `old`, which was looked at
    /// under this lock. `TooLarge` if it does not fit.
    pub(crate) fn upgrade(&mut self, old: State, successor: &Successor) -> Result<State, Fault> {
        let segment = self.segment;
        let fits = |span: &Span| {
            let end = span.offset.checked_add(span.len);
            end.is_some_and(|end| end <= segment.capacity())
        };
        let room = successor.schema.len() <= segment.room()
            && successor.stored <= segment.capacity()
            && successor.missing.iter().all(fits);
        if !room {
            return Err(Fault::TooLarge);
        }
        // SAFETY: the lock was found to be held: **owned**. That schema and defaults fit was checked above.
        let next = unsafe {
            upgrade::extend(
                &segment.control().state,
                &segment.latch,
                segment.rooms,
                old,
                successor,
            )
        };
        match next {
            Some(next) => {
                segment.write_as(next, successor.stored);
                Ok(next)
            }
            None => Err(segment.changed()),
        }
    }
}

impl Drop for Locked<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        // By value: so this one's own address stays unknown, and its parts stay in registers.
        let_go(self.segment, self.claim, self.stamp);
        if let Some(commit) = self.commit.take() {
            commit.end(&self.segment.handle);
        }
    }
}

/// Lets go where nothing was committed, or the waiters know of it already.
#[cold]
fn let_go(segment: &Segment, claim: Claim, stamp: Stamp) {
    if stamp.lasts() {
        segment.unlock(claim);
    }
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
fn follow_longer(mirror: Area, segment: &Segment) {
    // SAFETY: payload and mirror are of one size and do not overlap; a commit is under way, so the
    // mapping is writable; `stored` is within the capacity (the segment's **fits**).
    unsafe {
        mirror.copy_from(
            segment.latch.payload(),
            Span::whole(segment.stored.load(Relaxed)),
        )
    };
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

    /// Stores stretches of `len` bytes from `src` at `offset`: `count` of them, `stride` bytes
    /// apart on both sides.
    ///
    /// # Safety
    ///
    /// `count` is at least 1. Each stretch lies within the segment's capacity, and `src` is valid for
    /// reads of its initialised bytes.
    #[inline(always)]
    pub(crate) unsafe fn store_strided(
        self,
        offset: usize,
        src: *const u8,
        (len, count, stride): (usize, usize, usize),
    ) {
        // SAFETY: each stretch is within the capacity, which is the area's size, and writable (**owned**);
        // `src` has its bytes.
        unsafe { self.area.store_strided(offset, src, (len, count, stride)) };
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
