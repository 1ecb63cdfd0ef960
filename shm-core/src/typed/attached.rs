//! An attached segment together with the type that this program takes its value for.
//!
//! The schema in the segment may be another one than the program's: an earlier or a later version of
//! it, found at attaching or put in force by another process meanwhile. Of a later version a value
//! is the beginning, so bytes are read and written as they lie. Of an earlier one it can only be
//! read: fields that the segment lacks read as their defaults. Both are found out here, off the
//! paths that are taken when nothing has changed.

use std::fmt;
use std::time::Instant;

use super::descriptor::Type;
use super::failure::{Counting, Failure};
use super::room::{self, Fit, Judged};
use super::stretches::store_by_schema;
use crate::layout::path_of;
use crate::protocol::{Fault, Fresh, Held, Latch, Locked, Seated, Segment, Span, State};

/// Schemas that one call meets before it gives up: each new one is an upgrade by another process.
const LOOKS: u32 = 100;

/// A segment that holds a value of a type, or of a later or an earlier version of it.
///
/// Of an earlier one it may have less bytes than the type: then no state is one under which bytes
/// are [read](Segment::read_as) or [written](Segment::write_as) as they lie.
///
/// # Invariants
///
/// - **counters**: where a state was told to either and the type has counters, the segment is a table that has them, too, or
///   a box.
/// - **room**: whatever state [`Segment::write_as`] was told, or [`Segment::read_as`] without an older version, the segment's
///   capacity has room for a value of the type.
// In this order: with the segment at another place, a commit takes ten instructions more.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Attached {
    segment: Segment,
    of: &'static Type,
}

impl Attached {
    /// Nothing is known of the segment yet: [`Attached::settle`] comes before anything else.
    pub(crate) fn new(segment: Segment, of: &'static Type) -> Attached {
        Attached { segment, of }
    }

    #[inline(always)]
    pub(crate) fn segment(&self) -> &Segment {
        &self.segment
    }

    pub(crate) fn of(&self) -> &'static Type {
        self.of
    }

    /// Names the segment and the version of its value, in few words.
    pub(crate) fn fmt_as(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.of
            .fmt_in_segment(name, self.segment.key(), self.segment.home().id(), f)
            .field("version", &self.segment.version())
            .finish()
    }

    /// Checks that the segment holds the type, or an earlier or later version of it. An earlier one
    /// serves for reading; for writing it is upgraded, if `upgrade` says so.
    pub(crate) fn settle(&self, upgrade: bool) -> Result<(), Failure> {
        let judged = self.judge()?;
        if !self.segment.is_writable() {
            return self.go_by(judged);
        }
        let upgrade = upgrade && matches!(judged.fit, Fit::Older { .. });
        if !upgrade {
            self.write_by(judged)?;
        }
        // Now, while the process has the rights that it will write by.
        self.segment.join()?;
        if upgrade { self.upgrade() } else { Ok(()) }
    }

    /// Refuses a table that counts in other fields than the type, as far as both have them: no commit may store what
    /// others count in.
    fn check_counters(&self, stored: usize) -> Result<(), Failure> {
        let schema = self.of.schema;
        for offset in (0..schema.size().min(stored) / 8 * 8).step_by(8) {
            let counts = schema.counter_at(offset, 8).is_some();
            if counts != self.segment.is_counter(offset) {
                return Err(Failure::Counter {
                    path: path_of(schema, offset, 8).into(),
                    why: if counts {
                        Counting::InTypeAlone
                    } else {
                        Counting::InTableAlone
                    },
                });
            }
        }
        Ok(())
    }

    /// Whether such a failure says that the segment is of no use to this program.
    pub(crate) fn is_unfit(&self, failure: &Failure) -> bool {
        let is_damaged = |failure: &Failure| {
            matches!(
                failure,
                Failure::Damaged(_) | Failure::Fault(Fault::Damaged(_) | Fault::Changed)
            )
        };
        match failure {
            Failure::NoRoom { .. }
            | Failure::Mismatch(_)
            | Failure::Counter { .. }
            | Failure::OtherKind { .. } => true,
            // Damage of the semaphore set is none of the value.
            other => is_damaged(other) && self.judge().is_err_and(|now| is_damaged(&now)),
        }
    }

    /// Compares the schema in force with that of the type.
    fn judge(&self) -> Result<Judged, Failure> {
        room::judge(&self.segment, self.of)
    }

    /// From now on reads go by what was found.
    fn go_by(&self, judged: Judged) -> Result<(), Failure> {
        if self.segment.row_count() > 0 {
            // Each time: a peer may put a schema with more fields in force, and with them more counters.
            self.check_counters(judged.stored)?;
        }
        match judged.fit {
            Fit::Same | Fit::Newer => {
                self.segment.read_as(judged.state, None);
            }
            Fit::Older { version } if !self.segment.is_writable() => {
                self.segment.read_as(judged.state, Some(version));
            }
            Fit::Older { version } => return Err(Failure::NeedsUpgrade { found: version }),
        }
        Ok(())
    }

    /// From now on writes go by what was found, too. An earlier version, which may have no room for the type, is refused.
    fn write_by(&self, judged: Judged) -> Result<(), Failure> {
        self.go_by(judged)?;
        self.segment.write_as(judged.state, judged.stored);
        Ok(())
    }

    /// Puts the schema of the type in force.
    fn upgrade(&self) -> Result<(), Failure> {
        let mut locked = self.segment.lock()?;
        let mut judged = self.judge()?;
        if let Fit::Older { version } = judged.fit {
            if self.segment.row_count() > 0 {
                // A counter has a cell and a base for all time: which there are is said at birth.
                self.check_counters(self.of.size())?;
            }
            let successor = room::successor(&self.segment, self.of, version)?;
            locked.check()?;
            judged = Judged {
                state: locked.upgrade(judged.state, &successor)?,
                stored: successor.stored,
                fit: Fit::Same,
            };
        }
        self.write_by(judged)
    }

    /// Takes the write lock, which [`Segment::try_lock`] could not take.
    #[cold]
    pub(crate) fn lock(&self) -> Result<Locked<'_>, Failure> {
        let locked = self.segment.lock()?;
        if !self.segment.is_written_as_known() {
            // As long as the lock is held no other schema comes in force.
            self.write_by(self.judge()?)?;
        }
        Ok(locked)
    }

    /// Whether the row of a seat is had still, under a schema that lets this process write.
    #[cold]
    pub(crate) fn check_seat(&self, seated: &Seated) -> Result<(), Failure> {
        self.once_writable(|| {
            self.segment.check_seat(seated)?;
            Ok(self.segment.is_written_as_known().then_some(()))
        })
    }

    /// Claims a row, under a schema that lets this process write.
    pub(crate) fn claim_row(&self) -> Result<Fresh<'_>, Failure> {
        self.once_writable(|| {
            // Where it is known before, no row is taken for nothing: its end would be told.
            if !self.segment.is_written_as_known() {
                return Ok(None);
            }
            Ok(Some(self.segment.claim_row()?).filter(Fresh::is_writable))
        })
    }

    /// Calls `attempt` until it yields something: `None` says that the schema in force is none that this process was found to be
    /// able to write.
    fn once_writable<R>(
        &self,
        attempt: impl Fn() -> Result<Option<R>, Failure>,
    ) -> Result<R, Failure> {
        for _ in 0..=LOOKS {
            if let Some(result) = attempt()? {
                return Ok(result);
            }
            drop(self.lock()?);
        }
        Err(Failure::damaged("its schema changes without end"))
    }

    /// Commits a value of the type, as [`Typed`](super::Typed) does, but there once for all types;
    /// returns its version.
    ///
    /// # Safety
    ///
    /// `value` is a value of the type.
    #[cold]
    pub(crate) unsafe fn commit(&self, locked: &mut Locked<'_>, value: *const u8) -> u64 {
        // SAFETY: the lock is given out only under a state that `Segment::write_as` was told, for
        // which there is room for a value of the type (**room**); `value` is one (this function's
        // contract).
        unsafe {
            locked.commit(self.of.size(), None, |payload| {
                store_by_schema(payload, self.of.schema, value)
            })
        }
    }

    /// What is wrong with a value of which `bytes`, from `offset` on, were read. If the segment holds
    /// a later version of the type, they may be a variant which that knows.
    #[cold]
    pub(crate) fn invalid(&self, offset: usize, bytes: &[u8]) -> Failure {
        let mut failure = self.of.invalid(offset, bytes);
        let in_force = room::in_force(&self.segment);
        if let (Failure::Invalid(invalid), Ok((_, stored))) = (&mut failure, in_force) {
            let later = stored.fingerprint() != self.of.fingerprint
                && stored.extends(self.of.schema).is_ok();
            if later {
                **invalid = invalid.as_ref().clone().known_to(&stored, offset, bytes);
            }
        }
        failure
    }

    /// Copies a part of the value to `dst`, what the segment lacks with its defaults; returns the
    /// version. After `Ok` all bytes of `dst` are initialised.
    ///
    /// `has` is the version whose fields the value has, if the segment's schema has them: that of the claim of a row.
    ///
    /// # Safety
    ///
    /// `copies` are the segment's, of its value or a row. The span lies within a value of the type, and `dst` is valid
    /// for writes of as many bytes.
    #[cold]
    pub(crate) unsafe fn read(
        &self,
        copies: &Latch,
        has: u32,
        span: Span,
        dst: *mut u8,
    ) -> Result<u64, Failure> {
        let mut start = None;
        loop {
            let read = match self.segment.readable_as() {
                Some((state, None)) if has >= self.of.version() => {
                    // SAFETY: the span lies within a value of the type (this function's contract), for
                    // which the capacity has room under the state that `read_as` was told (**room**);
                    // `dst` is valid for as many bytes (this function's contract).
                    unsafe { self.segment.read(copies, state, span, dst) }
                }
                Some((state, older)) => {
                    let version = older.map_or(has, |older| older.min(has));
                    // SAFETY: this function's contract: the span lies within a value, and `dst` has
                    // room for it.
                    unsafe { self.read_with_defaults(copies, span, dst, (state, version)) }
                }
                None => Err(Fault::Changed),
            };
            match read {
                Err(Fault::Changed) => {}
                read => return Ok(read?),
            }
            let waited = start.get_or_insert_with(Instant::now).elapsed();
            if waited >= self.segment.limit() {
                return Err(Fault::Overtaken { waited }.into());
            }
            self.go_by(self.judge()?)?;
        }
    }

    /// The same in a segment that holds the earlier `version`.
    ///
    /// # Safety
    ///
    /// The span lies within a value of the type, and `dst` is valid for writes of as many bytes.
    unsafe fn read_with_defaults(
        &self,
        copies: &Latch,
        Span { offset, len }: Span,
        dst: *mut u8,
        (state, version): (State, u32),
    ) -> Result<u64, Fault> {
        // SAFETY: `dst` is valid for writes of `len` bytes (this function's contract).
        unsafe { dst.write_bytes(0, len) };
        // What lies beyond the capacity is among what is missing.
        let offset_within = offset.min(self.segment.capacity());
        let within = Span {
            offset: offset_within,
            len: len.min(self.segment.capacity() - offset_within),
        };
        // SAFETY: `within` was cut to the capacity above, and is no longer than the `len` bytes for
        // which `dst` is valid.
        let read = unsafe { self.segment.read(copies, state, within, dst) }?;
        (self.of.for_each_missing)(version, &mut |at, default| {
            let start = at.max(offset);
            let end = (at + default.len()).min(offset + len);
            if start < end {
                let part = &default[start - at..end - at];
                // SAFETY: `offset <= start` and `end <= offset + len`, so these bytes are among the
                // `len` for which `dst` is valid; `part` is as long, and borrowed from elsewhere.
                unsafe { dst.add(start - offset).copy_from(part.as_ptr(), part.len()) };
            }
        });
        Ok(read)
    }
}

#[cfg(all(test, not(loom)))]
#[allow(clippy::unwrap_used, reason = "a failure is the test's")]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::protocol::{Access, Owner, open};
    use crate::{Key, SharedLayout, SharedTable};

    #[derive(SharedLayout, Clone, Copy)]
    #[shared(crate = "crate")]
    #[repr(C)]
    struct Worker {
        #[shared(counter)]
        served: u64,
    }

    mod plain {
        #[derive(crate::SharedLayout, Clone, Copy)]
        #[shared(crate = "crate", version = 2)]
        #[repr(C)]
        pub(super) struct Worker {
            #[shared(counter)]
            served: u64,
            #[shared(since = 2)]
            failed: u64,
        }
    }

    mod counting {
        #[derive(crate::SharedLayout, Clone, Copy)]
        #[shared(crate = "crate", version = 2)]
        #[repr(C)]
        pub(super) struct Worker {
            #[shared(counter)]
            served: u64,
            #[shared(since = 2, counter)]
            failed: u64,
        }
    }

    /// Another process may upgrade a table just before this one does, to a version that counts in other fields.
    #[test]
    fn what_an_upgrade_refuses_is_not_written_by_later() {
        let mut options = SharedTable::<Worker>::options();
        let key = Key::new(0x7b5e_0000 ^ std::process::id());
        let _table = options
            .rows(1)
            .remove_on_drop(true)
            .create_new(key)
            .unwrap();
        let access = Access {
            owner: Owner::SelfOrRoot,
            limit: Duration::from_secs(60),
            writable: true,
            may_write: 0,
        };
        let open = || open(key, access).unwrap();
        let late = Attached::new(open(), Type::of::<counting::Worker>());
        let first = Attached::new(open(), Type::of::<plain::Worker>());
        first.settle(true).unwrap();
        assert!(first.segment().is_written_as_known());
        assert!(matches!(late.upgrade(), Err(Failure::Counter { .. })));
        assert!(!late.segment().is_written_as_known());
    }
}
