//! The latch: a sequence and three copies of the payload, so that readers never wait and never see
//! a mixture.
//!
//! | sequence | meaning | a reader copies | valid if, after the copy, |
//! |---|---|---|---|
//! | `2k` | commit `k` stands in the payload | the payload | the sequence is still `2k` |
//! | `2k - 1` | commit `k` is being written to the payload | mirror `(k-1) % 2`, which holds `k - 1` | the sequence is below `2k + 2` |
//!
//! | step of commit `k` | if the writer dies after it |
//! |---|---|
//! | the sequence becomes `2k - 1` | readers copy mirror `(k-1) % 2`; the repair makes its value commit `k` |
//! | the payload is written | the same |
//! | the sequence becomes `2k` | commit `k` stands; the repair makes mirror `k % 2` its equal |
//! | mirror `k % 2` is written | all is whole; the repair copies that mirror once more |
//!
//! The other mirror holds `k - 1` all the while, so a reader that meets a writer has the time of a whole
//! commit for its copy, and whatever instruction a writer dies at, one complete copy stands.
//! Linux knows the scheme with two copies as `seqcount_latch` (Documentation/locking/seqlock.rst);
//! the third serves readers of large values, which would starve between two.
//!
//! Only the holder of the lock commits or repairs.

use super::atomics::{
    AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
    fence,
};
use super::copy::{Area, Span};
use super::stop::stop;

/// As many bytes as every area is a multiple of.
static ZEROS: [u8; 64] = [0; 64];

/// Longer reads are made in pieces of this many bytes. A page: its copy takes longer than the look
/// at the sequence by far.
const PIECE: usize = 4096;

/// The sequence and the three copies.
///
/// # Invariants
///
/// - **sequence**: `seq` stays mapped and aligned for as long as this value or a copy of it is used, and
///   is touched by atomics only.
/// - **alike**: the mirrors lie `apart` bytes behind the payload and twice as many, are areas of its size, and do not
///   overlap: what lies within one copy lies within each.
///
/// What a committer promises beside them:
///
/// - **owned**: the caller holds the lock, so no other commits or repairs, and the mapping is writable.
/// - **whole**: the last owner left its copies whole, or they were repaired.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Latch {
    seq: *const AtomicU64,
    payload: Area,
    apart: usize,
}

/// The commit whose value a sequence promises to readers.
#[inline(always)]
pub(crate) fn version_of(seq: u64) -> u64 {
    seq / 2
}

/// Tells the compiler that a branch is not the usual one.
#[cold]
fn seldom() {}

impl Latch {
    /// # Safety
    ///
    /// The [invariants](Latch#invariants) hold: sequence, alike.
    pub(in crate::protocol) unsafe fn new(
        seq: *const AtomicU64,
        payload: Area,
        apart: usize,
    ) -> Latch {
        Latch {
            seq,
            payload,
            apart,
        }
    }

    /// The latch of copies that lie so many bytes before these, with a sequence of its own.
    ///
    /// # Safety
    ///
    /// The [invariants](Latch#invariants) hold for it: sequence, alike; and those of its [areas](Area#invariants).
    #[inline(always)]
    pub(in crate::protocol) unsafe fn before(&self, bytes: usize, seq: *const AtomicU64) -> Latch {
        Latch {
            seq,
            // SAFETY: this function's contract.
            payload: unsafe { self.payload.before(bytes) },
            apart: self.apart,
        }
    }

    #[inline(always)]
    fn seq(&self) -> &AtomicU64 {
        // SAFETY: by **sequence**. An atomic may change under a shared reference.
        unsafe { &*self.seq }
    }

    /// Payload and mirrors.
    pub(in crate::protocol) fn copies(&self) -> [Area; 3] {
        [self.payload, self.mirror(0), self.mirror(1)]
    }

    /// The mirror of a commit.
    #[inline(always)]
    fn mirror(&self, version: u64) -> Area {
        let times = version as usize % 2 + 1;
        // SAFETY: by **alike** an area like the payload lies there.
        unsafe { self.payload.behind(self.apart.wrapping_mul(times)) }
    }

    /// The sequence now.
    #[inline(always)]
    pub(in crate::protocol) fn sequence(&self) -> u64 {
        self.seq().load(Relaxed)
    }

    /// Copies some bytes of a committed value to `dst` and says which version it is, or `None` if
    /// writers overtook the copy: then `dst` holds nothing of use. Every byte of `dst` is written
    /// in any case.
    ///
    /// # Safety
    ///
    /// The span fits in the payload, and `dst` is valid for writes of as many bytes.
    #[inline(always)]
    pub(in crate::protocol) unsafe fn read(&self, span: Span, dst: *mut u8) -> Option<u64> {
        // SAFETY: the span fits in the payload, and so in each copy (**alike**); `dst` takes its bytes.
        unsafe {
            if span.len > PIECE {
                self.read_in_pieces(span, dst, PIECE)
            } else {
                self.read_by(|copy| copy.load_span(span, dst))
            }
        }
    }

    #[inline(always)]
    fn read_by(&self, load: impl FnOnce(Area)) -> Option<u64> {
        // Relaxed and fences, no acquire loads: those are not documented to work on read-only pages
        // (`core::sync::atomic`, "Atomic accesses to read-only memory").
        let seq = self.sequence();
        // Pairs with the release fences in `commit`: a reader that sees a sequence sees the copy that
        // it promises.
        fence(Acquire);
        let (copy, good) = if seq % 2 == 0 {
            (self.payload, 1)
        } else {
            // A branch, which the processor predicts, while an address that is chosen waits for the sequence.
            seldom();
            (self.mirror(version_of(seq)), 3)
        };
        load(copy);
        // Pairs with the same fences: if a byte of a later commit got into the copy, the load below
        // sees that commit's sequence.
        fence(Acquire);
        let now = self.sequence();
        // The sequence only rises; a peer that sets it back fails here.
        (now.wrapping_sub(seq) < good).then_some(version_of(seq))
    }

    /// The same for a long span: a commit that begins on the way costs one piece of at most `piece`
    /// bytes, not the whole copy.
    ///
    /// Once commit `k + 1` has begun, mirror `k % 2` holds what the payload held: the pieces that
    /// were copied from there before are good, and the rest comes from the mirror, which has the
    /// time of a whole commit and more. Copied at once, a value that takes as long to read as to
    /// write is lost at nearly every even sequence of a writer that never pauses.
    ///
    /// # Safety
    ///
    /// The span fits in the payload, and `dst` is valid for writes of as many bytes.
    #[inline(never)]
    pub(in crate::protocol) unsafe fn read_in_pieces(
        &self,
        span: Span,
        dst: *mut u8,
        piece: usize,
    ) -> Option<u64> {
        let seq = self.sequence();
        // Pairs with the release fences in `commit`: a reader that sees a sequence sees the copy that
        // it promises.
        fence(Acquire);
        let version = version_of(seq);
        let mut done = 0;
        if seq % 2 == 0 {
            while done < span.len {
                let len = piece.min(span.len - done);
                // SAFETY: `done + len <= span.len`; the span fits in the payload, and `dst` takes it.
                unsafe {
                    self.payload
                        .load_long(span.offset + done, dst.add(done), len)
                };
                // Pairs with the fences in `commit`, twice: a byte of the next commit in this piece
                // makes the load below see that commit's sequence; and if it does, the mirror is
                // whole, which the fence after it passes on.
                fence(Acquire);
                if self.sequence() != seq {
                    fence(Acquire);
                    break;
                }
                done += len;
            }
            if done == span.len {
                return Some(version);
            }
        }
        let mirror = self.mirror(version);
        // SAFETY: the span fits in the payload, and so in the mirror (**alike**); `dst` takes its bytes.
        unsafe { mirror.load_long(span.offset + done, dst.add(done), span.len - done) };
        // Pairs with the fences in `commit`: a byte of a later commit in the mirror makes the load
        // below see that commit's sequence.
        fence(Acquire);
        // Commit `version + 2` writes to this mirror after its even sequence. A peer that set the
        // sequence back fails here, too.
        let since = self.sequence().wrapping_sub(version.wrapping_mul(2));
        (1..4).contains(&since).then_some(version)
    }

    /// Commits: `write` stores to the payload, which becomes the next version. Returns that version
    /// and the mirror that is to follow, two versions old: the caller makes it equal to the payload.
    ///
    /// A panic in `write` must be impossible: the caller has computed everything before.
    ///
    /// # Safety
    ///
    /// **owned** and **whole**, see [`Latch`].
    #[inline(always)]
    pub(in crate::protocol) unsafe fn commit(&self, write: impl FnOnce(Area)) -> (u64, Area) {
        let even = self.begin();
        write(self.payload);
        stop!("commit: payload written");
        // SAFETY: **owned**, and `write` has just stored a value.
        unsafe { self.publish(even.wrapping_add(2)) }
    }

    /// Commits as [`Latch::commit`] does, under a later number than the next.
    ///
    /// The numbers between are none of any commit, so no sequence of theirs is ever seen: readers that came before
    /// find this one's too far from theirs, and mirror `version % 2` is the only one that a reader is told to use from now on.
    /// The other mirror is older than one commit: the caller notes that the next commit brings it everything.
    ///
    /// # Safety
    ///
    /// **owned** and **whole**, see [`Latch`]; `version` is later than the one that stands.
    pub(in crate::protocol) unsafe fn commit_as(
        &self,
        version: u64,
        write: impl FnOnce(Area),
    ) -> (u64, Area) {
        self.begin();
        write(self.payload);
        stop!("commit: payload written");
        // SAFETY: **owned**, and `write` has just stored a value.
        unsafe { self.publish(version.wrapping_mul(2)) }
    }

    /// Begins a commit: readers turn to the mirror of the one before. Returns the even sequence of that.
    #[inline(always)]
    fn begin(&self) -> u64 {
        stop!("commit: begun");
        let even = self.sequence() & !1;
        // Release: mirror `(k-1) % 2` is whole for every reader that sees this odd sequence and
        // turns to it.
        self.seq().store(even.wrapping_add(1), Release);
        // No store to the payload may be seen before the odd sequence.
        fence(Release);
        stop!("commit: odd");
        even
    }

    /// Ends a commit: the payload stands, under sequence `even`; then the mirror follows.
    ///
    /// # Safety
    ///
    /// **owned**, see [`Latch`]; the payload holds a value.
    #[inline(always)]
    unsafe fn publish(&self, even: u64) -> (u64, Area) {
        let version = version_of(even);
        // Release: the payload is whole for every reader that sees this even sequence.
        self.seq().store(even, Release);
        // No store to the mirror may be seen before the even sequence: readers of the value in it
        // are told to go.
        fence(Release);
        stop!("commit: even");
        (version, self.mirror(version))
    }

    /// The copy that readers of an even sequence read.
    #[inline(always)]
    pub(in crate::protocol) fn payload(&self) -> Area {
        self.payload
    }

    /// Makes whole what a dead writer left, in whatever step it died. May itself die and be done
    /// again.
    ///
    /// # Safety
    ///
    /// **owned**, see [`Latch`]; `stored` fits in the payload.
    pub(in crate::protocol) unsafe fn repair(&self, stored: usize) {
        // SAFETY: this function's contract.
        unsafe { self.repair_around(stored, None) };
    }

    /// The same, but that no word of the payload is stored which is not 0 in the mask.
    ///
    /// # Safety
    ///
    /// As for [`Latch::repair`]; `stored` fits in the mask.
    pub(in crate::protocol) unsafe fn repair_around(&self, stored: usize, mask: Option<Area>) {
        let whole = Span::whole(stored);
        let seq = self.sequence();
        // The dead writer's sequence and the stores below come from different processes. A reader
        // of the mirror's last value that sees one of the latter must also see the former, or it
        // would take a mixture of two values for the older: this fence passes on what the load
        // above has seen. (That the copies read below are those of that sequence, the kernel
        // orders: see `Slots::alive`.)
        fence(AcqRel);
        stop!("repair: begun");
        if seq % 2 == 0 {
            // The payload stands; the mirror may be half-written.
            // SAFETY: payload and mirror are **alike**, writable (**owned**), and `stored` fits.
            unsafe { self.mirror(version_of(seq)).copy_from(self.payload, whole) };
        } else {
            // The payload may be half-written; the mirror of the commit before stands. Its value
            // becomes the next version.
            // SAFETY: payload and mirrors are **alike**, writable (**owned**), and `stored` fits.
            unsafe {
                let mirror = self.mirror(version_of(seq));
                self.payload.copy_around(mirror, stored, mask);
                stop!("repair: payload restored");
                let (_, mirror) = self.publish(seq.wrapping_add(1));
                mirror.copy_from(self.payload, whole);
                stop!("commit: mirror written");
            }
        }
    }

    /// Writes the first value, version 1, to all three copies, unless `write` refuses. No process
    /// reads before the segment is ready.
    ///
    /// # Safety
    ///
    /// **owned**, see [`Latch`], also after `write`, or that refuses; `stored` fits in the payload. The
    /// segment is not ready yet.
    pub(in crate::protocol) unsafe fn give_birth<E>(
        &self,
        stored: usize,
        write: impl FnOnce(Area) -> Result<(), E>,
    ) -> Result<(), E> {
        // A creator may have died here before: its bytes go.
        for offset in (0..self.payload.bytes()).step_by(ZEROS.len()) {
            // SAFETY: the capacity is a multiple of 64 bytes, and writable (**owned**).
            unsafe { self.payload.store(offset, ZEROS.as_ptr(), ZEROS.len()) };
        }
        stop!("birth: payload cleared");
        write(self.payload)?;
        // SAFETY: `write` has not refused, so **owned** still holds; `stored` fits.
        unsafe { self.adopt(stored) };
        Ok(())
    }

    /// Puts a value of that version in the place of whatever the copies hold. No process reads meanwhile.
    ///
    /// # Safety
    ///
    /// **owned**, see [`Latch`]; the value fits in the payload.
    pub(in crate::protocol) unsafe fn restore(&self, value: &[u8], version: u64) {
        for copy in self.copies() {
            // SAFETY: the value fits in the payload, and so in each copy (**alike**), writable (**owned**).
            unsafe { copy.store(0, value.as_ptr(), value.len()) };
        }
        self.seq().store(version.wrapping_mul(2), Relaxed);
    }

    /// Gives the first value, of which all copies are whole, another number than 1. No process reads before the segment is
    /// ready.
    pub(in crate::protocol) fn begin_at(&self, version: u64) {
        self.seq().store(version.wrapping_mul(2), Relaxed);
    }

    /// Makes what stands in the payload the first value, version 1. No process reads before the
    /// segment is ready.
    ///
    /// # Safety
    ///
    /// **owned**, see [`Latch`]; `stored` fits in the payload. The segment is not ready yet.
    pub(in crate::protocol) unsafe fn adopt(&self, stored: usize) {
        for mirror in [self.mirror(0), self.mirror(1)] {
            // SAFETY: payload and mirror are **alike**, writable (**owned**), and `stored` fits.
            unsafe { mirror.copy_from(self.payload, Span::whole(stored)) };
        }
        stop!("birth: copies written");
        self.seq().store(2, Relaxed);
    }
}
