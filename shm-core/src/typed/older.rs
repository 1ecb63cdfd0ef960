//! A segment whose schema is not this program's: an earlier or a later version of it, found at
//! attaching or put in force by somebody else meanwhile.
//!
//! Of a later version a `T` is the beginning, so bytes are read and written as they lie. Of an
//! earlier one it can only be read: fields that the segment lacks read as their defaults. Both are
//! found out here, off the paths that are taken when nothing has changed.

use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use super::{Typed, invalid};
use crate::error::{Context, Error};
use crate::field::Field;
use crate::layout::{SharedLayout, later_variant};
use crate::protocol::{Fault, Locked, Span, State};
use crate::room::{self, Fit, Judged};

/// Schemas that one call meets before it gives up: each new one is an upgrade by somebody.
const LOOKS: u32 = 100;

/// The state that was found to put an earlier version of `T` in force, and which version that is.
///
/// State in the high half, version in the low half; 0: none was found. A word that another thread
/// has made stale names a state that stands no more, and so does no harm.
#[derive(Debug, Default)]
pub(super) struct Older(AtomicU64);

impl Older {
    fn get(&self) -> Option<(State, u32)> {
        let word = self.0.load(Relaxed);
        (word != 0).then_some((State((word >> 32) as u32), word as u32))
    }

    fn set(&self, older: Option<(State, u32)>) {
        let pack = |(state, version): (State, u32)| u64::from(state.0) << 32 | u64::from(version);
        self.0.store(older.map_or(0, pack), Relaxed);
    }
}

impl<T: SharedLayout> Typed<T> {
    /// Compares the schema in force with that of `T`.
    pub(super) fn judge(&self, operation: &'static str) -> Result<Judged, Error> {
        room::judge::<T>(&self.segment, self.context(operation))
    }

    fn context(&self, operation: &'static str) -> Context {
        Context::of_attached(operation, self.segment.key(), self.segment.id())
    }

    /// The error that names the wrong part of a `T` of which `bytes`, from `offset` on, were read.
    /// If the segment holds a later version of `T`, they may be a variant which that knows.
    #[cold]
    pub(super) fn invalid(&self, offset: usize, bytes: &[u8], operation: &'static str) -> Error {
        let context = self.context(operation);
        let mut error = invalid::<T>(offset, bytes, context);
        if let Error::Invalid { source, .. } = &mut error
            && let Ok((_, stored)) = room::in_force(&self.segment, context, size_of::<T>())
            && stored.fingerprint() != T::FINGERPRINT
            && stored.extends(T::SCHEMA).is_ok()
            && let Some(variant) = later_variant(T::SCHEMA, &stored, offset, bytes)
        {
            let version = stored.version().unwrap_or(1);
            **source = source.as_ref().clone().known_as(variant, version);
        }
        error
    }

    /// Whether this process may write, but for the fields that the segment lacks.
    pub(super) fn lacks_fields(&self, judged: Judged) -> bool {
        self.segment.is_writable() && matches!(judged.fit, Fit::Older { .. })
    }

    /// From now on reads go by what was found.
    pub(super) fn heed(&self, judged: Judged, operation: &'static str) -> Result<(), Error> {
        match judged.fit {
            Fit::Same | Fit::Newer => {
                self.segment.read_as(Some(judged.state));
                self.older.set(None);
            }
            Fit::Older { version } if !self.segment.is_writable() => {
                self.segment.read_as(None);
                self.older.set(Some((judged.state, version)));
            }
            Fit::Older { version } => {
                return Err(Error::NeedsUpgrade {
                    context: self.context(operation),
                    name: T::SCHEMA.to_string(),
                    found: version,
                    wanted: T::SCHEMA.version().unwrap_or(1),
                });
            }
        }
        Ok(())
    }

    /// Puts the schema of `T` in force.
    pub(super) fn upgrade(&self, operation: &'static str) -> Result<(), Error> {
        let mut locked = self.segment.lock().map_err(self.explain(operation))?;
        let mut judged = self.judge(operation)?;
        if let Fit::Older { version } = judged.fit {
            let context = self.context(operation);
            let successor = room::successor::<T>(&self.segment, version, context)?;
            locked.check().map_err(self.explain(operation))?;
            let state = locked.upgrade(judged.state, &successor);
            judged = Judged {
                state: state.map_err(self.explain(operation))?,
                stored: successor.stored,
                fit: Fit::Same,
            };
        }
        self.segment.write_as(judged.state, judged.stored);
        self.heed(judged, operation)
    }

    /// Takes the write lock, which [`Segment::try_lock`](crate::protocol::Segment::try_lock) could
    /// not take.
    pub(crate) fn lock(&self, operation: &'static str) -> Result<Locked<'_>, Error> {
        let mut looks = 0;
        loop {
            let locked = match self.segment.lock() {
                Ok(locked) => locked,
                // What explains it is put together here, not on the usual way.
                Err(fault) => return Err(self.explain(operation)(fault)),
            };
            if self.segment.is_written_as_known() {
                return Ok(locked);
            }
            self.look_again(locked, &mut looks, operation)?;
        }
    }

    /// Looks at the schema in force, which is no other one as long as the lock is held.
    #[cold]
    #[inline(never)]
    fn look_again(
        &self,
        _locked: Locked<'_>,
        looks: &mut u32,
        operation: &'static str,
    ) -> Result<(), Error> {
        *looks += 1;
        if *looks > LOOKS {
            let what = "its schema changes without end";
            return Err(self.explain(operation)(Fault::Damaged(what)));
        }
        let judged = self.judge(operation)?;
        self.heed(judged, operation)?;
        self.segment.write_as(judged.state, judged.stored);
        Ok(())
    }

    /// Fills `place` with the bytes of a field, those that the segment lacks with their defaults;
    /// returns the version. After `Ok` all bytes of `place` are initialised.
    pub(super) fn read_bytes<F: SharedLayout>(
        &self,
        field: Field<T, F>,
        place: &mut MaybeUninit<F>,
        operation: &'static str,
    ) -> Result<u64, Error> {
        let mut start = None;
        loop {
            let read = match (self.older.get(), self.segment.readable_as()) {
                (Some((state, version)), _) => {
                    self.read_with_defaults(field, place, state, version)
                }
                // SAFETY: a field lies within the `T` that was found to have room in the segment
                // when that state was.
                (None, Some(state)) => unsafe {
                    let dst = place.as_mut_ptr().cast();
                    self.segment.read(state, field.span(), dst)
                },
                (None, None) => Err(Fault::Changed),
            };
            match read {
                Err(Fault::Changed) => {}
                read => return read.map_err(self.explain(operation)),
            }
            let waited = start.get_or_insert_with(Instant::now).elapsed();
            if waited >= self.segment.limit() {
                return Err(self.explain(operation)(Fault::Overtaken { waited }));
            }
            self.heed(self.judge(operation)?, operation)?;
        }
    }

    /// Fills `place` in a segment that holds the earlier `version`.
    fn read_with_defaults<F: SharedLayout>(
        &self,
        field: Field<T, F>,
        place: &mut MaybeUninit<F>,
        state: State,
        version: u32,
    ) -> Result<u64, Fault> {
        let Span { offset, len } = field.span();
        let bytes = place.as_mut_ptr().cast::<u8>();
        // SAFETY: the place has `len` bytes.
        unsafe { bytes.write_bytes(0, len) };
        // What lies beyond the capacity is among what is missing.
        let offset_within = offset.min(self.segment.capacity());
        let within = Span {
            offset: offset_within,
            len: len.min(self.segment.capacity() - offset_within),
        };
        // SAFETY: the span lies within the capacity, and the place has as many bytes.
        let read = unsafe { self.segment.read(state, within, bytes) }?;
        T::for_each_missing(version, &mut |at, default| {
            let start = at.max(offset);
            let end = (at + default.len()).min(offset + len);
            if start < end {
                let part = &default[start - at..end - at];
                // SAFETY: `start..end` is a part of the field's bytes, which the place has, and a
                // part of the default's.
                unsafe {
                    bytes
                        .add(start - offset)
                        .copy_from(part.as_ptr(), part.len())
                };
            }
        });
        Ok(read)
    }
}
